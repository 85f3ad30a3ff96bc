//! The hub: where people decide.
//!
//! Use cases are methods of [`Hub`]; they are the only place where a rule meets the store. `shims::session` speaks
//! to shims, `api` to people; both call use cases and never SQL. The bus carries ids and only wakes: the store is the
//! truth.

pub mod agents;
pub mod api;
pub mod approvals;
pub mod cli;
pub mod clock;
pub mod error;
pub mod model;
pub mod notify;
pub mod page;
pub mod people;
pub mod serve;
pub mod servers;
pub mod shims;
pub mod store;
#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use futures_util::future::BoxFuture;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::clock::Clock;
use self::servers::decision_point::DecisionPoint;
use self::store::{Store, StoreError, Tx};
use crate::core::trust::Level;

/// What the hub must know from the start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The base URL that people use, for links; may be set later with [`Hub::set_base_url`], when the port is known.
    pub base_url: Option<String>,
    /// The threshold of a server seen for the first time; `None` gates nothing on it.
    pub new_server_threshold: Option<Level>,
    /// How long after its decision an approval may be used by an identical call that comes again, in milliseconds.
    pub grant_for_ms: i64,
    /// How long a shim that lost its connection may stay away, in milliseconds.
    pub resume_within_ms: i64,
    /// Hosts of push services beside those of the usual browsers; they may be private.
    pub push_hosts: Vec<String>,
}

impl Default for Settings {
    /// What holds when nobody says anything; no base URL, and nothing gated on a new server.
    fn default() -> Self {
        Self {
            base_url: None,
            new_server_threshold: None,
            grant_for_ms: 600_000,
            resume_within_ms: 15_000,
            push_hosts: Vec::new(),
        }
    }
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
    grant_for_ms: i64,
    resume_within_ms: i64,
    push_hosts: Vec<String>,
    push_key: OnceCell<Arc<notify::PushKey>>,
    push_client: OnceLock<reqwest::Client>,
    base_url: RwLock<Option<String>>,
    ready_rules: servers::policies::ReadyRules,
    budgets: shims::budget::Budgets,
    decision_point: Option<DecisionPoint>,
    enrolments: agents::enrolment::Enrolments,
    shutdown: CancellationToken,
    sessions: TaskTracker,
}

impl Hub {
    /// The hub over a store.
    pub async fn open(store: Store, settings: Settings, clock: Clock) -> Result<Self, StoreError> {
        Self::open_with(store, settings, clock, None).await
    }

    /// The hub over a store, with an external decision point.
    pub async fn open_with(
        store: Store,
        settings: Settings,
        clock: Clock,
        decision_point: Option<DecisionPoint>,
    ) -> Result<Self, StoreError> {
        let hub = Self(Arc::new(Inner {
            store,
            clock,
            new_server_threshold: settings.new_server_threshold,
            grant_for_ms: settings.grant_for_ms,
            resume_within_ms: settings.resume_within_ms,
            push_hosts: settings.push_hosts,
            push_key: OnceCell::new(),
            push_client: OnceLock::new(),
            base_url: RwLock::new(None),
            ready_rules: servers::policies::ReadyRules::default(),
            budgets: shims::budget::Budgets::default(),
            decision_point,
            enrolments: agents::enrolment::Enrolments::default(),
            shutdown: CancellationToken::new(),
            sessions: TaskTracker::new(),
        }));
        if let Some(url) = &settings.base_url {
            hub.set_base_url(url);
        }
        hub.ready().await?;
        Ok(hub)
    }

    /// Tells the hub under which URL people reach it, such as `http://127.0.0.1:7420`.
    pub fn set_base_url(&self, url: &str) {
        let url = Some(url.trim_end_matches('/').to_owned());
        *self.0.base_url.write().unwrap_or_else(PoisonError::into_inner) = url;
    }

    /// The URL under which people reach the hub, without a slash at the end.
    pub fn base_url(&self) -> Option<String> {
        self.0.base_url.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The hub's clock, in unix milliseconds.
    pub fn now(&self) -> i64 {
        self.0.clock.now()
    }

    /// The store, for what has no rules (browser sessions).
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// Cancel it to stop: sessions tell their shims and close, [`run_background`](Self::run_background) returns.
    pub fn shutdown(&self) -> CancellationToken {
        self.0.shutdown.clone()
    }

    /// After shutdown: waits until every session has said goodbye, then flushes and closes the store.
    pub async fn close(&self) {
        self.0.sessions.close();
        self.0.sessions.wait().await;
        self.0.store.close().await;
    }

    /// Whether the store answers, for `/readyz`.
    pub async fn ready(&self) -> Result<(), StoreError> {
        sqlx::query("select 1").execute(self.0.store.read()).await?;
        Ok(())
    }

    /// See [`Store::write`].
    async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, StoreError>> + Send + 'static,
    {
        self.0.store.write(work).await
    }
}
