//! The hub: where people decide.
//!
//! Use cases are methods of [`Hub`]; they are the only place where a rule meets the store. `session` speaks to
//! shims, `api` to people; both call use cases and never SQL. The bus carries ids and only wakes: the store is the
//! truth.

pub mod accounts;
pub mod activity;
pub mod api;
pub mod approvals;
pub mod audit;
pub mod bus;
pub mod cli;
pub mod clock;
pub mod error;
pub mod events;
pub mod links;
pub mod model;
pub mod page;
pub mod serve;
pub mod servers;
pub mod session;
pub mod store;
pub mod sweeper;

use std::sync::{Arc, RwLock};

use tokio_util::sync::CancellationToken;

use self::clock::Clock;
use self::store::{Store, StoreError};
use crate::core::trust::Level;

/// What the hub must know from the start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The base URL that people use, for links; may be set later with [`Hub::set_base_url`], when the port is known.
    pub base_url: Option<String>,
    /// The threshold of a server seen for the first time; `None` gates nothing on it.
    pub new_server_threshold: Option<Level>,
}

/// The hub's use cases; clones are the same hub.
///
/// Opening one changes nothing and starts nothing but the store's writer, so that the command line may use it while
/// another process serves.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Clock,
    new_server_threshold: Option<Level>,
    base_url: RwLock<Option<String>>,
    shutdown: CancellationToken,
}

#[allow(clippy::todo, unused_variables)]
impl Hub {
    /// The hub over a store.
    pub async fn open(store: Store, settings: Settings, clock: Clock) -> Result<Self, StoreError> {
        todo!()
    }

    /// Tells the hub under which URL people reach it, such as `http://127.0.0.1:7420`, without a slash at the end.
    pub fn set_base_url(&self, url: &str) {
        todo!()
    }

    /// The URL under which people reach the hub.
    pub fn base_url(&self) -> Option<String> {
        todo!()
    }

    /// The hub's clock, in unix milliseconds.
    pub fn now(&self) -> i64 {
        todo!()
    }

    /// The store, for what has no rules (browser sessions).
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// Cancel it to stop: sessions tell their shims and close, [`run_background`](Self::run_background) returns.
    pub fn shutdown(&self) -> CancellationToken {
        self.0.shutdown.clone()
    }

    /// Deadlines, graces, resume windows and pruning, until shutdown; one process per store runs it.
    pub async fn run_background(&self) {
        todo!()
    }

    /// After shutdown: waits until every session has said goodbye, then flushes and closes the store.
    pub async fn close(&self) {
        todo!()
    }

    /// Whether the store answers, for `/readyz`.
    pub async fn ready(&self) -> Result<(), StoreError> {
        todo!()
    }
}
