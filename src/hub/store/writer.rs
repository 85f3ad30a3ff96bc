//! The one writer: takes what waits into one transaction, commits once, announces, answers.
//!
//! The transaction begins with the write lock, so a job may read and then write without a race, across processes too.
//! A job that fails is undone alone; a commit that fails fails all of them, and nobody is woken. A connection whose
//! begin, commit or rollback failed is in no known state: it is dropped, and the next transaction gets a new one.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use sqlx::any::AnyConnectOptions;
use sqlx::{AnyConnection, Connection as _, Executor as _};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::StoreError;
use super::busy::is_busy;
use super::mark::{Head, Marking};
use super::queue::Queue;
use crate::failpoint::Places;
use crate::hub::store::bus::{Bus, Notice};

/// Longer than SQLite's own patience with a lock; a database that cannot be reached is not waited for any longer.
const BEGIN_WITHIN: Duration = Duration::from_secs(10);

/// The writer's transaction, as a job sees it.
pub struct Tx {
    connection: AnyConnection,
    /// Told to the bus after the commit.
    pub(super) notices: Vec<Notice>,
    due: Option<i64>,
    /// The chain's head, once something was recorded.
    pub(super) head: Option<Head>,
    /// The newest record that this process knows of.
    pub(super) known: i64,
    /// Who asked for what it holds.
    changes: Places,
}

impl Tx {
    async fn begin(mut connection: AnyConnection, statements: &[&'static str]) -> Result<Self, sqlx::Error> {
        for statement in statements {
            sqlx::query(*statement).execute(&mut connection).await?;
        }
        Ok(Self { connection, notices: Vec::new(), due: None, head: None, known: 0, changes: Places::default() })
    }

    /// Makes everything durable, and only then tells anybody; the connection is good for the next transaction.
    async fn commit(mut self, marking: &mut Marking, bus: &Bus) -> Result<AnyConnection, StoreError> {
        let head = self.write_head().await?;
        sqlx::query("commit").execute(&mut self.connection).await?;
        self.changes.reach();
        marking.note(head).await;
        bus.announce(self.notices, self.due);
        Ok(self.connection)
    }

    async fn roll_back(mut self) -> Result<AnyConnection, sqlx::Error> {
        sqlx::query("rollback").execute(&mut self.connection).await?;
        Ok(self.connection)
    }

    /// For queries.
    pub fn sql(&mut self) -> &mut AnyConnection {
        &mut self.connection
    }

    /// After the commit, the sweeper looks again no later than at this time.
    pub fn wake_sweeper_at(&mut self, at: i64) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }
}

/// Something to be done in a transaction and answered after its commit.
pub(super) trait Job: Send {
    fn run<'t>(&'t mut self, tx: &'t mut Tx) -> BoxFuture<'t, Ran>;
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

/// What a job came to in its transaction.
#[derive(Debug)]
pub(super) enum Ran {
    /// Its changes are to be kept.
    Done,
    /// It failed; its changes are undone, and it knows what to answer.
    Undone,
    /// It ended in a panic; its changes are undone.
    Panicked,
}

impl Ran {
    /// What a job is told that cannot know by itself.
    fn told(self) -> Result<(), StoreError> {
        match self {
            Self::Done | Self::Undone => Ok(()),
            Self::Panicked => Err(StoreError::Failed("a change ended in a panic, see the log".to_owned())),
        }
    }
}

/// A job with the types of its result.
pub(super) struct Typed<T, E, F> {
    work: Option<F>,
    result: Option<Result<T, E>>,
    answer: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> Typed<T, E, F> {
    pub(super) fn new(work: F, answer: oneshot::Sender<Result<T, E>>) -> Self {
        Self { work: Some(work), result: None, answer }
    }
}

impl<T, E, F> Job for Typed<T, E, F>
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
    F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
{
    fn run<'t>(&'t mut self, tx: &'t mut Tx) -> BoxFuture<'t, Ran> {
        Box::pin(async move {
            let Some(work) = self.work.take() else { return Ran::Undone };
            let result = work(tx).await;
            let done = result.is_ok();
            if done {
                tx.changes.add::<F>();
            }
            self.result = Some(result);
            if done { Ran::Done } else { Ran::Undone }
        })
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let Self { result, answer, .. } = *self;
        let answered = match (result, committed) {
            // Its own reason says more than what became of the others.
            (Some(Err(error)), _) => Err(error),
            (_, Err(error)) => Err(error.into()),
            (Some(done), Ok(())) => done,
            (None, Ok(())) => Err(StoreError::Closed.into()),
        };
        // Whoever asked may be gone; what was committed stays.
        let _ = answer.send(answered);
    }
}

/// Where the writer's connections come from.
pub(super) struct Source {
    pub(super) options: AnyConnectOptions,
    /// What a new connection is told first.
    pub(super) settings: Option<&'static str>,
    /// Begins with the write lock, so that nothing a job reads can change under it.
    pub(super) begin: &'static [&'static str],
}

impl Source {
    async fn connect(&self) -> Result<AnyConnection, sqlx::Error> {
        let mut connection = AnyConnection::connect_with(&self.options).await?;
        if let Some(settings) = self.settings {
            connection.execute(settings).await?;
        }
        Ok(connection)
    }

    /// A transaction on the connection of the one before, or on a new one where that is of no use any more.
    async fn begin(&self, kept: Option<AnyConnection>) -> Result<Tx, sqlx::Error> {
        if let Some(connection) = kept {
            match Tx::begin(connection, self.begin).await {
                Err(error) if !is_busy(&error) => tracing::warn!(%error, "the store is connected anew"),
                begun => return begun,
            }
        }
        Tx::begin(self.connect().await?, self.begin).await
    }
}

/// Runs until the queue is closed and empty; notes when a transaction failed.
pub(super) async fn run(
    source: Source,
    mut marking: Marking,
    queue: Arc<Queue<Box<dyn Job>>>,
    bus: Bus,
    failed: Arc<AtomicBool>,
) {
    let mut kept = None;
    while let Some(batch) = queue.take().await {
        // Only what is known to be in order comes back.
        let transacted = transact(&source, kept.take(), batch, &mut marking, &bus);
        let transacted = AssertUnwindSafe(transacted).catch_unwind().await;
        kept = transacted.unwrap_or_default();
        failed.fetch_or(kept.is_none(), Ordering::Relaxed);
    }
    if let Some(connection) = kept {
        // It is closed either way.
        let _ = connection.close().await;
    }
}

type Jobs = Vec<Box<dyn Job>>;
type Done = Vec<(Box<dyn Job>, Result<(), StoreError>)>;

/// One transaction; returns the connection if it is good for another.
async fn transact(
    source: &Source,
    kept: Option<AnyConnection>,
    batch: Jobs,
    marking: &mut Marking,
    bus: &Bus,
) -> Option<AnyConnection> {
    let begun = timeout(BEGIN_WITHIN, source.begin(kept)).await;
    let known = *bus.newest().borrow();
    let begun = begun.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut)).map_err(StoreError::from);
    let (done, kept) = match begun {
        Ok(tx) => commit(Tx { known, ..tx }, batch, marking, bus).await,
        Err(error) => (batch.into_iter().map(|job| (job, Err(error.clone()))).collect(), None),
    };
    for (job, result) in done {
        job.answer(result);
    }
    kept
}

async fn commit(mut tx: Tx, batch: Jobs, marking: &mut Marking, bus: &Bus) -> (Done, Option<AnyConnection>) {
    let alone = batch.len() == 1;
    let mut done: Done = Vec::with_capacity(batch.len());
    let (mut kept, mut lost) = (0, None);
    for mut job in batch {
        let ran = match lost.clone() {
            Some(error) => Err(error),
            None if alone => Ok(run_job(&mut tx, &mut *job).await),
            None => apart(&mut tx, &mut *job).await,
        };
        kept += usize::from(matches!(ran, Ok(Ran::Done)));
        lost = ran.as_ref().err().cloned();
        done.push((job, ran.and_then(Ran::told)));
    }
    let (committed, connection) = match lost {
        Some(error) => (Err(error), tx.roll_back().await.ok()),
        None if kept == 0 => (Ok(()), tx.roll_back().await.ok()),
        None => match tx.commit(marking, bus).await {
            Ok(connection) => (Ok(()), Some(connection)),
            Err(error) => (Err(error), None),
        },
    };
    if let Err(error) = committed {
        for (_, result) in done.iter_mut().filter(|(_, result)| result.is_ok()) {
            *result = Err(error.clone());
        }
    }
    (done, connection)
}

/// Runs a job. One that panics fails alone: without the writer, the hub would be dead and not know it.
async fn run_job(tx: &mut Tx, job: &mut dyn Job) -> Ran {
    let ran = AssertUnwindSafe(job.run(tx)).catch_unwind().await;
    ran.unwrap_or(Ran::Panicked)
}

/// Runs one job behind a savepoint. An error means that the whole transaction is lost.
async fn apart(tx: &mut Tx, job: &mut dyn Job) -> Result<Ran, StoreError> {
    let (notices, due, head) = (tx.notices.len(), tx.due, tx.head.clone());
    sqlx::query("savepoint job").execute(tx.sql()).await?;
    let ran = run_job(tx, job).await;
    if !matches!(ran, Ran::Done) {
        sqlx::query("rollback to savepoint job").execute(tx.sql()).await?;
        tx.notices.truncate(notices);
        (tx.due, tx.head) = (due, head);
    }
    sqlx::query("release savepoint job").execute(tx.sql()).await?;
    Ok(ran)
}
