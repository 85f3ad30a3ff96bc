//! The store: SQLite or PostgreSQL, chosen by URL, one SQL text for both.
//!
//! Reading goes through a pool; every change is a job of the one [`writer`], which commits together what waits.
//! Columns are text and bigint only, because that is what both databases share through one driver.

pub mod activity;
pub mod audit;
pub(in crate::hub) mod budget;
pub(in crate::hub) mod bus;
mod chain;
pub mod events;
pub mod identity;
mod open;
pub(in crate::hub) mod paging;
pub(in crate::hub) mod rows;
pub(in crate::hub) mod secret;
#[cfg(test)]
pub(in crate::hub) mod testing;
mod writer;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use sqlx::AnyPool;
use tokio::sync::{OnceCell, mpsc, oneshot};

use self::bus::Bus;
pub(in crate::hub) use self::chain::{Entry, record_hash};
use self::identity::Identity;
pub(in crate::hub) use self::writer::Tx;
use self::writer::{Job, Typed};

/// How many jobs may wait for the writer; more wait for room.
const QUEUE: usize = 1024;

/// An open store; clones are the same store.
#[derive(Clone, Debug)]
pub struct Store(Arc<Inner>);

struct Inner {
    readers: AnyPool,
    writer: AnyPool,
    jobs: mpsc::Sender<Box<dyn Job>>,
    bus: Bus,
    like: &'static str,
    identity: OnceCell<Arc<Identity>>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

/// Why the store did not do it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be opened; why and what to do, in words.
    #[error("{0}")]
    Open(String),
    /// It failed; nothing of the change was kept.
    #[error("the store failed: {0}")]
    Failed(String),
    /// The hub is stopping.
    #[error("the hub is stopping")]
    Closed,
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl Store {
    /// Opens, checks and migrates: `sqlite:PATH`, or `postgres://…`.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let pools = open::pools(url).await?;
        let newest: i64 = sqlx::query_scalar("select seq from chain where id = 1").fetch_one(&pools.readers).await?;
        let bus = Bus::new(newest);
        let (jobs, waiting) = mpsc::channel(QUEUE);
        tokio::spawn(writer::run(pools.writer.clone(), pools.begin, waiting, bus.clone()));
        let (readers, writer, like) = (pools.readers, pools.writer, pools.like);
        Ok(Self(Arc::new(Inner { readers, writer, jobs, bus, like, identity: OnceCell::new() })))
    }

    /// Whether it answers.
    pub async fn ready(&self) -> Result<(), StoreError> {
        sqlx::query("select 1").execute(self.read()).await?;
        Ok(())
    }

    /// For reading; SQLite refuses writes here.
    pub(in crate::hub) fn read(&self) -> &AnyPool {
        &self.0.readers
    }

    /// The operator that finds a pattern whatever the case of its letters: the one word that the databases have not in
    /// common. Lower case made of both sides would do for both, and takes twice as long.
    pub(in crate::hub) fn like(&self) -> &'static str {
        self.0.like
    }

    /// Who is woken after a commit.
    pub(in crate::hub) fn bus(&self) -> &Bus {
        &self.0.bus
    }

    /// Runs a job in the writer's next transaction; when this returns `Ok`, it is durable and announced.
    ///
    /// A job that fails, for whatever reason, leaves nothing behind and does not disturb the others in its transaction.
    pub(in crate::hub) async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
    {
        let (answer, done) = oneshot::channel();
        let job = Typed::new(work, answer);
        self.0.jobs.send(Box::new(job)).await.map_err(|_| StoreError::Closed)?;
        done.await.map_err(|_| StoreError::Closed)?
    }

    /// Waits for the jobs sent before, then closes all connections; later jobs fail.
    pub(in crate::hub) async fn close(&self) {
        // An empty job is answered when everything before it is committed.
        let _ = self.write(|_| Box::pin(async { Ok::<_, StoreError>(()) })).await;
        self.0.writer.close().await;
        self.0.readers.close().await;
    }
}
