//! The store: SQLite or PostgreSQL, chosen by URL, one SQL text for both.
//!
//! Reading goes through a pool; every change is a job of the one [`writer`], which commits together what waits.
//! Columns are text and bigint only, because that is what both databases share through one driver.

mod activity;
mod allowance;
mod audit;
mod bounds;
mod budget;
mod bus;
mod busy;
mod chain;
mod conditions;
mod events;
mod hearing;
mod identity;
mod job;
mod large;
mod leases;
mod mark;
mod memory;
mod migrations;
mod open;
mod paging;
mod queue;
pub mod rows;
mod seals;
mod secret;
mod sieve;
#[cfg(test)]
pub(super) mod testing;
mod together;
mod tx;
mod varint;
mod writer;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use sqlx::{Any, AnyPool, Transaction};
use tokio::sync::{OnceCell, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub use self::activity::{ActivityFilter, Logged};
pub use self::allowance::Allowance;
pub use self::audit::ChainCheck;
pub use self::budget::{Budgets, Cost};
pub use self::bus::{Bus, Ended, Target, Word};
pub use self::chain::Entry;
use self::chain::record_hash;
pub use self::conditions::{Conditions, Value};
pub use self::identity::Identity;
use self::job::Typed;
pub use self::large::{LARGE, Part, pieces_of};
pub use self::leases::BEAT_MS;
use self::mark::Marking;
pub use self::mark::{Head, MarkFile, SetBack};
pub use self::memory::{Memory, Moment, Remembered, Sees, Topic, Versions};
pub use self::open::private_file;
pub use self::paging::page_size;
pub use self::queue::Turn;
pub use self::secret::{hashed, random};
pub use self::sieve::{History, Sealing, Span, Wanted};
pub use self::together::{pieces, places};
use self::tx::Around;
pub use self::tx::Tx;
pub use self::varint::{put_number, take_number};
use self::writer::Jobs;
use self::writer::Writer;
use crate::chance::NoChance;
use crate::config::database::Database;
use crate::hub::clock::Times;

/// How often it is tried whether the store takes changes at most, and for how long.
const TRY_EVERY: Duration = Duration::from_secs(1);
const TRY_FOR: Duration = Duration::from_secs(5);
/// In the detail of a record: the digest of the rows that it is about from then on, see [`rows::seal`] and [`seals`].
pub(super) const ROW: &str = "row";

/// How many rows of a kind are written at once, so that others get their turn between two pieces.
pub(super) const PIECE: usize = 250;

/// Errors of the databases of this process.
static ERRORS: AtomicU64 = AtomicU64::new(0);

/// How many errors databases have given this process.
pub fn errors() -> u64 {
    ERRORS.load(Ordering::Relaxed)
}

/// What SQL runs on: a reader, or a change under way.
pub type Connection = sqlx::AnyConnection;

/// An open store; clones are the same store.
#[derive(Clone, Debug)]
pub struct Store(Arc<Inner>);

struct Inner {
    /// This run of this program, where several hubs serve one store.
    id: String,
    readers: AnyPool,
    jobs: Arc<Jobs>,
    /// Cancelled when the writer has ended.
    written: CancellationToken,
    bus: Bus,
    memory: Memory,
    like: &'static str,
    shared: bool,
    /// Where other hubs are heard.
    listen: OnceLock<String>,
    /// Whether that is so no more.
    deaf: AtomicBool,
    times: Times,
    mark: Option<MarkFile>,
    /// Whether the newest record is noted there.
    marked: Arc<AtomicBool>,
    set_back: Option<SetBack>,
    identity: OnceCell<Arc<Identity>>,
    /// Whether a transaction failed since it was tried.
    failed: Arc<AtomicBool>,
    /// How many statements its transactions were asked for.
    #[cfg(test)]
    asked: Arc<AtomicU64>,
    /// When it was last tried whether it takes changes, and what came of it.
    tried: tokio::sync::Mutex<Option<(Instant, Result<(), StoreError>)>>,
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
    /// It cannot be reached, or is busy. Nothing of the change was kept, unless the word that it was is all that was
    /// lost.
    #[error("the store failed: {0}")]
    Away(String),
    /// The hub is stopping.
    #[error("the hub is stopping")]
    Closed,
}

impl StoreError {
    /// Whether that passes by itself, so that the same may be asked again, of this hub or another one.
    pub fn passes(&self) -> bool {
        matches!(self, Self::Away(_) | Self::Closed)
    }
}

impl From<NoChance> for StoreError {
    fn from(error: NoChance) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        ERRORS.fetch_add(1, Ordering::Relaxed);
        let said = busy::in_words(&error);
        if busy::passes(&error) { Self::Away(said) } else { Self::Failed(said) }
    }
}

impl Store {
    /// Opens, checks and migrates.
    pub async fn open(database: &Database) -> Result<Self, StoreError> {
        Self::open_marked(database, None).await
    }

    /// The same, with a file that knows its newest record; see [`set_back`](Self::set_back).
    pub(super) async fn open_marked(database: &Database, mark: Option<MarkFile>) -> Result<Self, StoreError> {
        let opened = open::open(database).await?;
        let (head, set_back) = match &mark {
            Some(mark) => open::compare(&opened.readers, mark).await?,
            None => (open::head(&opened.readers).await?, None),
        };
        let times = open::times(&opened).await?;
        let (bus, jobs, written) = (Bus::new(head.seq), Arc::new(Jobs::new()), CancellationToken::new());
        let ended = written.clone().drop_guard();
        let open::Opened { readers, writer, like, shared } = opened;
        let marked = Arc::new(AtomicBool::new(true));
        let marking = Marking::of(mark.clone(), marked.clone());
        let failed = Arc::new(AtomicBool::new(false));
        let (id, memory) = (uuid::Uuid::now_v7().to_string(), Memory::default());
        #[cfg(test)]
        let asked = Arc::new(AtomicU64::new(0));
        let around = Around {
            memory: memory.clone(),
            shared,
            notifies: shared.then(|| id.clone()),
            #[cfg(test)]
            asked: asked.clone(),
        };
        let writer = Writer { source: writer, marking, bus: bus.clone(), around };
        let writing = writer::run(writer, jobs.clone(), failed.clone());
        tokio::spawn(async move {
            let _ended = ended;
            writing.await;
        });
        let (tried, identity) = (tokio::sync::Mutex::default(), OnceCell::new());
        let inner = Inner {
            id,
            readers,
            jobs,
            written,
            bus,
            memory,
            like,
            shared,
            listen: OnceLock::new(),
            deaf: AtomicBool::new(false),
            times,
            mark,
            marked,
            set_back,
            identity,
            failed,
            #[cfg(test)]
            asked,
            tried,
        };
        Ok(Self(Arc::new(inner)))
    }

    /// Whether it takes changes; tried once a second at most, because anybody may ask.
    pub(super) async fn ready(&self, now: i64) -> Result<(), StoreError> {
        // Who asks meanwhile waits for the same answer.
        let mut tried = self.0.tried.lock().await;
        if let Some((at, result)) = &*tried
            && at.elapsed() < TRY_EVERY
        {
            return result.clone();
        }
        let too_slow = || StoreError::Failed("it did not take a change in time".to_owned());
        let failed = self.0.failed.load(Ordering::Relaxed);
        let trying = async { if failed { self.beat_loudly(now).await } else { self.beat(now).await } };
        let mut result = timeout(TRY_FOR, trying).await.unwrap_or_else(|_| Err(too_slow()));
        if failed && result.is_ok() {
            self.0.failed.store(false, Ordering::Relaxed);
        }
        if result.is_ok() && !self.0.marked.load(Ordering::Relaxed) {
            result = Err(StoreError::Failed("its newest record is not noted in the data dir".to_owned()));
        }
        *tried = Some((Instant::now(), result.clone()));
        result
    }

    /// For reading; SQLite refuses writes here.
    pub(super) fn read(&self) -> &AnyPool {
        &self.0.readers
    }

    /// The operator that finds a pattern whatever the case of letters from A to Z, and of no others: the one word that the
    /// databases have not in common. Lower case made of both sides would do for both, and takes twice as long.
    pub(super) fn like(&self) -> &'static str {
        self.0.like
    }

    /// Whether other hubs may serve it, too.
    pub(super) fn is_shared(&self) -> bool {
        self.0.shared
    }

    /// A view of the store as it is now, whatever is written meanwhile; for reading.
    pub(super) async fn snapshot(&self) -> Result<Transaction<'static, Any>, StoreError> {
        let begin = if self.0.shared { "begin isolation level repeatable read read only" } else { "begin" };
        Ok(self.0.readers.begin_with(begin).await?)
    }

    /// How it was behind what its data dir knows of it when it was opened.
    pub(super) fn set_back(&self) -> Option<&SetBack> {
        self.0.set_back.as_ref()
    }

    /// From here on its newest record is the one that is there.
    pub(super) async fn mark_anew(&self) -> Result<(), StoreError> {
        let head = open::head(&self.0.readers).await?;
        let set = self.0.mark.as_ref().map_or(Ok(()), |mark| mark.set(&head));
        set.map_err(|error| StoreError::Failed(format!("the newest record cannot be noted: {error}")))
    }

    /// What it said of time when it was opened.
    pub(super) fn times(&self) -> Times {
        self.0.times
    }

    /// Who is woken after a commit.
    pub(super) fn bus(&self) -> &Bus {
        &self.0.bus
    }

    /// Runs a job in the writer's next transaction; when this returns `Ok`, it is durable and announced.
    ///
    /// A job that fails, for whatever reason, leaves nothing behind and does not disturb the others in its transaction.
    pub(super) async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
    {
        self.write_in(Turn::First, 1, work).await
    }

    /// The same when its turn comes; its weight is what it writes, in rows or so.
    pub(super) async fn write_in<T, E, F>(&self, turn: Turn, weight: usize, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
    {
        let (answer, done) = oneshot::channel();
        let job = Box::new(Typed::new(turn.changes_memory(), work, answer));
        if !self.0.jobs.push(turn, weight, job).await {
            return Err(StoreError::Closed.into());
        }
        done.await.map_err(|_| StoreError::Closed)?
    }

    /// How many statements the writer's jobs and what is written with them at a commit have asked for; what begins and
    /// ends a transaction is not counted.
    #[cfg(test)]
    pub(super) fn asked(&self) -> u64 {
        self.0.asked.load(Ordering::Relaxed)
    }

    /// Waits for the jobs sent before, then closes all connections; later jobs fail.
    pub(super) async fn close(&self) {
        self.0.jobs.close();
        self.0.written.cancelled().await;
        self.0.readers.close().await;
    }
}
