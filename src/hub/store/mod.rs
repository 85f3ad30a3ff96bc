//! The store: SQLite or PostgreSQL, chosen by URL, one SQL text for both.
//!
//! Reading goes through a pool; every change is a job of the one [`writer`], which commits together what waits.
//! Columns are text and bigint only, because that is what both databases share through one driver.

mod chain;
mod open;
mod queue;
pub(in crate::hub) mod rows;
#[cfg(test)]
pub(in crate::hub) mod testing;
pub mod web;
mod writer;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use sqlx::AnyPool;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

pub(in crate::hub) use self::chain::{Entry, record_hash};
pub(in crate::hub) use self::open::private_file;
use self::queue::Queue;
pub(in crate::hub) use self::queue::Turn;
pub(in crate::hub) use self::writer::Tx;
use self::writer::{Job, Typed};
use super::bus::Bus;
use super::clock::Times;
use crate::config::database::Database;

/// An open store; clones are the same store.
#[derive(Clone, Debug)]
pub struct Store(Arc<Inner>);

struct Inner {
    readers: AnyPool,
    jobs: Arc<Queue<Box<dyn Job>>>,
    /// Cancelled when the writer has ended.
    written: CancellationToken,
    bus: Bus,
    like: &'static str,
    shared: bool,
    times: Times,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.jobs.close();
    }
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
    /// Opens, checks and migrates.
    pub async fn open(database: &Database) -> Result<Self, StoreError> {
        let opened = open::open(database).await?;
        let newest: i64 = sqlx::query_scalar("select seq from chain where id = 1").fetch_one(&opened.readers).await?;
        let times = open::times(&opened).await?;
        let (bus, jobs, written) = (Bus::new(newest), Arc::new(Queue::new()), CancellationToken::new());
        let ended = written.clone().drop_guard();
        let open::Opened { readers, writer, like, shared } = opened;
        let writing = writer::run(writer, jobs.clone(), bus.clone());
        tokio::spawn(async move {
            let _ended = ended;
            writing.await;
        });
        Ok(Self(Arc::new(Inner { readers, jobs, written, bus, like, shared, times })))
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

    /// Whether other hubs may serve it, too.
    pub(in crate::hub) fn is_shared(&self) -> bool {
        self.0.shared
    }

    /// What it said of time when it was opened.
    pub(in crate::hub) fn times(&self) -> Times {
        self.0.times
    }

    /// Who is woken after a commit.
    pub(in crate::hub) fn bus(&self) -> &Bus {
        &self.0.bus
    }

    /// Runs a job in the writer's next transaction; when this returns `Ok`, it is durable and announced.
    ///
    /// A job that fails leaves nothing behind and does not disturb the others in its transaction.
    pub(in crate::hub) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, StoreError>> + Send + 'static,
    {
        self.write_in(Turn::First, 1, work).await
    }

    /// The same when its turn comes; its weight is what it writes, in rows or so.
    pub(in crate::hub) async fn write_in<T, F>(&self, turn: Turn, weight: u32, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, StoreError>> + Send + 'static,
    {
        let (answer, done) = oneshot::channel();
        if !self.0.jobs.push(turn, weight, Box::new(Typed::new(work, answer))).await {
            return Err(StoreError::Closed);
        }
        done.await.map_err(|_| StoreError::Closed)?
    }

    /// Waits for the jobs sent before, then closes all connections; later jobs fail.
    pub(in crate::hub) async fn close(&self) {
        self.0.jobs.close();
        self.0.written.cancelled().await;
        self.0.readers.close().await;
    }
}
