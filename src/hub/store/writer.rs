//! The one writer: takes what waits into one transaction, commits once, announces, answers.
//!
//! The transaction begins with the write lock, so a job may read and then write without a race, across processes too.
//! A job that fails is undone alone; a commit that fails fails all of them, and nobody is woken. A connection whose
//! begin, commit or rollback failed is in no known state: it is dropped, and the next transaction gets a new one.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
#[cfg(test)]
use std::sync::atomic::AtomicU64;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use sqlx::any::{AnyConnectOptions, AnyRow};
use sqlx::{AnyConnection, Connection as _, Executor as _, Row as _};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::StoreError;
use super::busy::is_busy;
use super::mark::{Head, Marking};
use super::memory::{Memory, Sees, Versions};
use super::queue::Queue;
use crate::failpoint::Places;
use crate::hub::model::AuditRecord;
use crate::hub::store::bus::{Bus, Notice};

/// Longer than SQLite's own patience with a lock; a database that cannot be reached is not waited for any longer.
const BEGIN_WITHIN: Duration = Duration::from_secs(10);

/// The writer's transaction, as a job sees it.
pub struct Tx {
    connection: AnyConnection,
    /// Told to the bus after the commit.
    pub(super) notices: Vec<Notice>,
    /// Written as one at the commit.
    pub(super) records: Vec<AuditRecord>,
    due: Option<i64>,
    /// The chain as the transaction found it.
    pub(super) found: Found,
    /// The chain's head, once something was recorded.
    pub(super) head: Option<Head>,
    /// The newest record that this process knows of.
    pub(super) known: i64,
    pub(super) memory: Memory,
    /// What the memory must be of to be used: nothing, once somebody may have changed here what it holds.
    pub(super) versions: Option<Versions>,
    /// Who asked for what it holds.
    changes: Places,
    /// How many statements were asked for.
    #[cfg(test)]
    asked: Arc<AtomicU64>,
}

/// The chain under the write lock.
pub(super) struct Found {
    pub(super) head: Head,
    /// The newest row of the record; behind the head are strays.
    pub(super) newest: Option<i64>,
    versions: Versions,
}

impl Found {
    fn of(row: &AnyRow) -> Result<Self, sqlx::Error> {
        let head = Head { seq: row.try_get("seq")?, hash: row.try_get("hash")? };
        Ok(Self { head, newest: row.try_get("newest")?, versions: Versions::of(row)? })
    }
}

impl Tx {
    async fn begin(
        mut connection: AnyConnection,
        statements: [&'static str; 2],
    ) -> Result<(AnyConnection, Found), sqlx::Error> {
        let [begin, find] = statements;
        sqlx::query(begin).execute(&mut connection).await?;
        let found = Found::of(&sqlx::query(find).fetch_one(&mut connection).await?)?;
        Ok((connection, found))
    }

    fn new((connection, found): (AnyConnection, Found), writer: &Writer) -> Self {
        let (memory, known) = (writer.memory.clone(), *writer.bus.newest().borrow());
        memory.note(found.versions);
        Self {
            connection,
            notices: Vec::new(),
            records: Vec::new(),
            due: None,
            versions: Some(found.versions),
            found,
            head: None,
            known,
            memory,
            changes: Places::default(),
            #[cfg(test)]
            asked: writer.asked.clone(),
        }
    }

    /// Makes everything durable, and only then tells anybody; the connection is good for the next transaction.
    async fn commit(mut self, marking: &mut Marking, bus: &Bus) -> Result<AnyConnection, StoreError> {
        let written = self.write_chain().await?;
        sqlx::query("commit").execute(&mut self.connection).await?;
        self.changes.reach();
        let head = written.map(|(head, versions)| {
            let as_found = self.versions.is_none_or(|found| found == versions);
            debug_assert!(as_found, "a job about calls changed what is kept in memory");
            self.memory.note(versions);
            head
        });
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
        #[cfg(test)]
        self.asked.fetch_add(1, Ordering::Relaxed);
        &mut self.connection
    }

    /// After the commit, the sweeper looks again no later than at this time.
    pub fn wake_sweeper_at(&mut self, at: i64) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }
}

impl Sees for Tx {
    fn sql(&mut self) -> &mut AnyConnection {
        Self::sql(self)
    }

    fn memory(&self) -> Option<(&Memory, Versions)> {
        Some((&self.memory, self.versions?))
    }
}

/// Something to be done in a transaction and answered after its commit.
pub(super) trait Job: Send {
    /// Whether it may change what is kept in memory.
    fn changes_memory(&self) -> bool;
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
    changes_memory: bool,
    work: Option<F>,
    result: Option<Result<T, E>>,
    answer: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> Typed<T, E, F> {
    pub(super) fn new(changes_memory: bool, work: F, answer: oneshot::Sender<Result<T, E>>) -> Self {
        Self { changes_memory, work: Some(work), result: None, answer }
    }
}

impl<T, E, F> Job for Typed<T, E, F>
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
    F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
{
    fn changes_memory(&self) -> bool {
        self.changes_memory
    }

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
    /// Begins with the write lock, so that nothing a job reads can change under it, and finds the chain.
    pub(super) begin: [&'static str; 2],
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
    async fn begin(&self, kept: Option<AnyConnection>) -> Result<(AnyConnection, Found), sqlx::Error> {
        if let Some(connection) = kept {
            match Tx::begin(connection, self.begin).await {
                Err(error) if !is_busy(&error) => tracing::warn!(%error, "the store is connected anew"),
                begun => return begun,
            }
        }
        Tx::begin(self.connect().await?, self.begin).await
    }
}

/// What the writer has beside its connection.
pub(super) struct Writer {
    pub(super) source: Source,
    pub(super) marking: Marking,
    pub(super) bus: Bus,
    pub(super) memory: Memory,
    #[cfg(test)]
    pub(super) asked: Arc<AtomicU64>,
}

/// Runs until the queue is closed and empty; notes when a transaction failed.
pub(super) async fn run(mut writer: Writer, queue: Arc<Queue<Box<dyn Job>>>, failed: Arc<AtomicBool>) {
    let mut kept = None;
    while let Some(batch) = queue.take().await {
        // Only what is known to be in order comes back.
        let transacted = writer.transact(kept.take(), batch);
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

impl Writer {
    /// One transaction; returns the connection if it is good for another.
    async fn transact(&mut self, kept: Option<AnyConnection>, batch: Jobs) -> Option<AnyConnection> {
        let begun = timeout(BEGIN_WITHIN, self.source.begin(kept)).await;
        let begun = begun.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut)).map_err(StoreError::from);
        let (done, kept) = match begun {
            Ok(begun) => self.run_all(Tx::new(begun, self), batch).await,
            Err(error) => (batch.into_iter().map(|job| (job, Err(error.clone()))).collect(), None),
        };
        for (job, result) in done {
            job.answer(result);
        }
        kept
    }

    async fn run_all(&mut self, mut tx: Tx, batch: Jobs) -> (Done, Option<AnyConnection>) {
        let mut between = if batch.len() == 1 { Between::Alone } else { Between::First };
        let mut done: Done = Vec::with_capacity(batch.len());
        let (mut kept, mut lost) = (0, None);
        for mut job in batch {
            let ran = match lost.clone() {
                Some(error) => Err(error),
                None => between.run(&mut tx, &mut *job).await,
            };
            kept += usize::from(matches!(ran, Ok(Ran::Done)));
            lost = ran.as_ref().err().cloned();
            done.push((job, ran.and_then(Ran::told)));
        }
        let (committed, connection) = match lost {
            Some(error) => (Err(error), tx.roll_back().await.ok()),
            None if kept == 0 => (Ok(()), tx.roll_back().await.ok()),
            None => match tx.commit(&mut self.marking, &self.bus).await {
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
}

/// What stands between a job and the one before it, so that each can be undone alone.
#[derive(Clone, Copy)]
enum Between {
    /// It is the only one.
    Alone,
    /// It is the first.
    First,
    /// The savepoint of one that is kept.
    Kept,
    /// The savepoint of one that was undone, which stands for the next.
    Undone,
}

impl Between {
    /// Runs one job. An error means that the whole transaction is lost.
    async fn run(&mut self, tx: &mut Tx, job: &mut dyn Job) -> Result<Ran, StoreError> {
        if job.changes_memory() {
            tx.versions = None;
        }
        match self {
            Self::Alone => return Ok(run_job(tx, job).await),
            Self::First => {
                tx.sql().execute(sqlx::raw_sql("savepoint job")).await?;
            }
            // Both at once, because each statement has its way to the connection's thread and back.
            Self::Kept => {
                tx.sql().execute(sqlx::raw_sql("release savepoint job; savepoint job")).await?;
            }
            Self::Undone => {}
        }
        let (notices, records, due, head) = (tx.notices.len(), tx.records.len(), tx.due, tx.head.clone());
        let ran = run_job(tx, job).await;
        *self = Self::Kept;
        if !matches!(ran, Ran::Done) {
            *self = Self::Undone;
            sqlx::query("rollback to savepoint job").execute(tx.sql()).await?;
            tx.notices.truncate(notices);
            tx.records.truncate(records);
            (tx.due, tx.head) = (due, head);
        }
        Ok(ran)
    }
}

/// Runs a job. One that panics fails alone: without the writer, the hub would be dead and not know it.
async fn run_job(tx: &mut Tx, job: &mut dyn Job) -> Ran {
    let ran = AssertUnwindSafe(job.run(tx)).catch_unwind().await;
    ran.unwrap_or(Ran::Panicked)
}
