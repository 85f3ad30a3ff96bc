//! The one writer: takes what waits into one transaction, commits once, announces, answers.
//!
//! The transaction begins with the write lock, so a job may read and then write without a race, across processes too.
//! A job that fails is undone alone; a commit that fails fails all of them, and nobody is woken. A connection whose
//! begin, commit or rollback failed is in no known state: it is dropped, and the next transaction gets a new one.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::FutureExt as _;
use sqlx::any::AnyConnectOptions;
use sqlx::{AnyConnection, Connection as _, Executor as _};
use tokio::time::timeout;

use super::StoreError;
use super::busy::is_busy;
use super::job::{Job, Ran};
use super::mark::Marking;
use super::queue::{Batch, Queue};
use super::tx::{Around, Found, Tx};
use crate::hub::store::bus::Bus;

/// Longer than SQLite's own patience with a lock; a database that cannot be reached is not waited for any longer.
const BEGIN_WITHIN: Duration = Duration::from_secs(10);

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
    pub(super) around: Around,
}

/// Runs until the queue is closed and empty; notes when a transaction failed.
pub(super) async fn run(mut writer: Writer, queue: Arc<Jobs>, failed: Arc<AtomicBool>) {
    let mut kept = None;
    while let Some(batch) = queue.take().await {
        // Only what is known to be in order comes back.
        let transacted = writer.transact(kept.take(), batch, &queue);
        let transacted = AssertUnwindSafe(transacted).catch_unwind().await;
        kept = transacted.unwrap_or_default();
        failed.fetch_or(kept.is_none(), Ordering::Relaxed);
    }
    if let Some(connection) = kept {
        // It is closed either way.
        let _ = connection.close().await;
    }
}

/// What waits for the writer.
pub(super) type Jobs = Queue<Box<dyn Job>>;
type Done = Vec<(Box<dyn Job>, Result<(), StoreError>)>;

impl Writer {
    /// One transaction; returns the connection if it is good for another.
    async fn transact(
        &mut self,
        kept: Option<AnyConnection>,
        batch: Batch<Box<dyn Job>>,
        queue: &Jobs,
    ) -> Option<AnyConnection> {
        let begun = timeout(BEGIN_WITHIN, self.source.begin(kept)).await;
        let begun = begun.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut)).map_err(StoreError::from);
        let (done, kept) = match begun {
            Ok(begun) => {
                let known = *self.bus.newest().borrow();
                self.run_all(Tx::new(begun, known, &self.around), batch, queue).await
            }
            Err(error) => (batch.jobs.into_iter().map(|job| (job, Err(error.clone()))).collect(), None),
        };
        for (job, result) in done {
            job.answer(result);
        }
        kept
    }

    async fn run_all(
        &mut self,
        mut tx: Tx,
        Batch { jobs, mut room }: Batch<Box<dyn Job>>,
        queue: &Jobs,
    ) -> (Done, Option<AnyConnection>) {
        let mut between = if jobs.len() == 1 && room == 0 { Between::Alone } else { Between::First };
        let mut done: Done = Vec::with_capacity(jobs.len());
        let (mut kept, mut lost) = (0, None);
        for mut job in jobs.into_iter().chain(std::iter::from_fn(|| queue.more(&mut room))) {
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
