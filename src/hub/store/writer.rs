//! The one writer: takes every waiting job into one transaction, commits once, announces, answers.
//!
//! The transaction begins with the write lock, so a job may read and then write without a race, across processes too.
//! A job that fails is undone alone; a commit that fails fails all of them, and nobody is woken.

use std::panic::AssertUnwindSafe;

use futures_util::future::{BoxFuture, FutureExt as _};
use sqlx::{Any, AnyConnection, AnyPool, Transaction};
use tokio::sync::{mpsc, oneshot};

use super::StoreError;
use super::chain::Head;
use crate::hub::store::bus::{Bus, Notice};

/// The most jobs in one transaction, so that the first does not wait for ever.
const MAX_BATCH: usize = 256;

/// The writer's transaction, as a job sees it.
pub(in crate::hub) struct Tx {
    transaction: Transaction<'static, Any>,
    /// Told to the bus after the commit.
    pub(super) notices: Vec<Notice>,
    due: Option<i64>,
    /// The chain's head, once something was recorded.
    pub(super) head: Option<Head>,
}

impl Tx {
    async fn begin(pool: &AnyPool, statements: &'static [&'static str]) -> Result<Self, StoreError> {
        let (first, rest) = statements.split_first().ok_or(StoreError::Closed)?;
        let mut transaction = pool.begin_with(*first).await?;
        for statement in rest {
            sqlx::query(*statement).execute(&mut *transaction).await?;
        }
        Ok(Self { transaction, notices: Vec::new(), due: None, head: None })
    }

    /// Makes everything durable, and only then tells anybody.
    async fn commit(mut self, bus: &Bus) -> Result<(), StoreError> {
        self.write_head().await?;
        self.transaction.commit().await?;
        bus.announce(self.notices, self.due);
        Ok(())
    }

    /// For queries.
    pub(in crate::hub) fn sql(&mut self) -> &mut AnyConnection {
        &mut self.transaction
    }

    /// After the commit, the sweeper looks again no later than at this time.
    pub(in crate::hub) fn wake_sweeper_at(&mut self, at: i64) {
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
            let ran = if result.is_ok() { Ran::Done } else { Ran::Undone };
            self.result = Some(result);
            ran
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

/// Runs until every store handle is gone.
pub(super) async fn run(
    pool: AnyPool,
    begin: &'static [&'static str],
    mut waiting: mpsc::Receiver<Box<dyn Job>>,
    bus: Bus,
) {
    let mut batch = Vec::new();
    while waiting.recv_many(&mut batch, MAX_BATCH).await > 0 {
        let done = match Tx::begin(&pool, begin).await {
            Ok(tx) => commit(tx, std::mem::take(&mut batch), &bus).await,
            Err(error) => batch.drain(..).map(|job| (job, Err(error.clone()))).collect(),
        };
        for (job, result) in done {
            job.answer(result);
        }
    }
}

type Done = Vec<(Box<dyn Job>, Result<(), StoreError>)>;

async fn commit(mut tx: Tx, batch: Vec<Box<dyn Job>>, bus: &Bus) -> Done {
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
    let committed = match lost {
        // Dropping the transaction rolls it back.
        Some(error) => Err(error),
        None if kept == 0 => Ok(()),
        None => tx.commit(bus).await,
    };
    if let Err(error) = committed {
        for (_, result) in done.iter_mut().filter(|(_, result)| result.is_ok()) {
            *result = Err(error.clone());
        }
    }
    done
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
