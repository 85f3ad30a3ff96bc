//! The hub: where people decide. Shims register the calls that they hold, people answer, and both are recorded.
//!
//! Each room is a folder with one small struct as its door: [`Rooms`]. Its methods are the use cases, the only place
//! where a rule meets the store, and its fields are all that it may touch.
//!
//! - [`approvals`]: calls that wait for a person, from registration to outcome.
//! - [`servers`]: MCP servers with their tools, and the policy that a call is weighed by.
//! - [`agents`]: the identities behind clients, their tokens, and how a machine is enrolled.
//! - [`people`]: users with their roles, passwords, tokens, links and browser sessions.
//! - [`shims`]: websocket sessions: what each shim asks, and what it is told.
//! - [`notify`]: the outbox and who empties it, by mail, chat, webhook or browser.
//!
//! Above them `sweep` does what happens by itself and in time, and `upkeep` keeps the store in order; [`api`] and [`page`]
//! speak to people, [`serve`] opens the doors and [`cli`] is the operator's; none of them knows SQL but the first two. What
//! several rooms need lies below them: [`who`] does it, `live` knows who is connected, [`store`] commits and then wakes by ids, for the store is the truth.

pub mod agents;
pub mod api;
pub mod approvals;
mod aside;
mod base_url;
pub mod cli;
pub mod clock;
pub mod error;
mod live;
pub mod model;
pub mod notify;
pub mod page;
pub mod people;
pub mod quota;
pub mod serve;
pub mod servers;
pub mod shims;
pub mod store;
mod sweep;
pub mod tallies;
#[cfg(test)]
mod tests;
mod upkeep;
pub mod who;

use std::ops::Deref;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::agents::Agents;
use self::approvals::{Approvals, Times};
use self::base_url::BaseUrl;
use self::clock::Clock;
use self::live::Live;
use self::notify::Notify;
use self::people::People;
use self::servers::{DecisionPoint, Servers};
use self::shims::{Room, Shims, Turns};
use self::store::{Budgets, Store, StoreError, Target, Word};
use self::tallies::Tallies;
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

/// The hub: its rooms; clones are the same hub.
///
/// Opening one changes nothing and starts nothing but the store's writer, so that the command line may use it while
/// another process serves.
#[derive(Clone)]
pub struct Hub(Arc<Rooms>);

/// The rooms of a hub. What is done in a room is a method of its struct, whose fields are all that it may touch.
pub struct Rooms {
    /// Calls that wait for a person, and what became of them.
    pub approvals: Approvals,
    /// MCP servers, their tools and their policy.
    pub servers: Servers,
    /// The identities behind MCP clients.
    pub agents: Agents,
    /// Those who decide and administer.
    pub people: People,
    /// Connected shims.
    pub shims: Shims,
    /// Telling people and programs.
    pub notify: Notify,
    store: Store,
    clock: Clock,
    live: Live,
    tallies: Tallies,
    base_url: BaseUrl,
    resume_within_ms: i64,
    shutdown: CancellationToken,
}

impl Deref for Hub {
    type Target = Rooms;

    fn deref(&self) -> &Rooms {
        &self.0
    }
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
        // The record goes on in time, whatever this machine's clock was set to meanwhile.
        let clock = clock.going_on_from(store.times());
        let live = Live::default();
        store.bus().subscribe({
            let live = live.clone();
            move |target| live.hear(target)
        });
        store.bus().hear({
            let live = live.clone();
            move |word| {
                if *word == Word::Ungated {
                    live.ungated_changed();
                }
            }
        });
        let tallies = Tallies::default();
        store.bus().subscribe({
            let tallies = tallies.clone();
            move |target| {
                if let Target::Approval { ended: Some(ended), .. } = target {
                    tallies.ended(ended.status, ended.waited_ms);
                }
            }
        });
        let hub = Self(Arc::new(Rooms::new(store, settings, clock, live, tallies, decision_point)));
        Ok(hub)
    }

    /// Tells the hub under which URL people reach it, such as `http://127.0.0.1:7420`.
    pub fn set_base_url(&self, url: &str) {
        self.base_url.set(url);
    }

    /// The hub's clock, in unix milliseconds.
    pub fn now(&self) -> i64 {
        self.clock.now()
    }

    /// The store, for what has no rules: the record, the activity log, news for live pages.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What this process has done, in numbers.
    pub fn tallies(&self) -> &Tallies {
        &self.tallies
    }

    /// Cancel it to stop: sessions tell their shims and close, [`run_background`](Self::run_background) returns.
    pub fn shutdown(&self) -> CancellationToken {
        self.shutdown.clone()
    }

    /// After shutdown: waits until every session has said goodbye, then flushes and closes the store.
    pub async fn close(&self) {
        self.shims.sessions.close();
        self.shims.sessions.wait().await;
        self.store.close().await;
    }

    /// From here on other hubs on the store are heard at this database at once; refused where nothing is heard.
    pub async fn listen_at(&self, url: &str) -> Result<(), StoreError> {
        self.store.listen_at(url).await
    }

    /// Whether other hubs may have recorded something that this one has not heard, for `/readyz`.
    pub fn is_deaf(&self) -> bool {
        self.store.is_deaf()
    }

    /// Whether the store takes changes, for `/readyz`.
    pub async fn ready(&self) -> Result<(), StoreError> {
        self.store.ready(self.now()).await
    }
}

impl Rooms {
    fn new(
        store: Store,
        settings: Settings,
        clock: Clock,
        live: Live,
        tallies: Tallies,
        decision_point: Option<DecisionPoint>,
    ) -> Self {
        let Settings { grant_for_ms, resume_within_ms, .. } = settings;
        let (base_url, shutdown, budgets) = (BaseUrl::default(), CancellationToken::new(), Budgets::of(&store));
        if let Some(url) = &settings.base_url {
            base_url.set(url);
        }
        let place = || (store.clone(), clock.clone());
        let servers = {
            let (store, clock) = place();
            Servers::new(decision_point, live.clone(), budgets.clone(), store, clock)
        };
        let approvals = {
            let ((store, clock), times) = (place(), Times { grant_for_ms, resume_within_ms });
            Approvals::new(servers.clone(), live.clone(), budgets.clone(), times, store, clock)
        };
        let agents = Agents::new(store.clone(), clock.clone());
        let shims = Shims {
            store: store.clone(),
            clock: clock.clone(),
            live: live.clone(),
            budgets,
            tallies: tallies.clone(),
            room: Room::default(),
            // One at a time: it reads all tools of a server, and the readers are few.
            tables: Turns::new(1),
            long_messages: Turns::new(1),
            approvals: approvals.clone(),
            servers: servers.clone(),
            agents: agents.clone(),
            new_server_threshold: settings.new_server_threshold,
            resume_within_ms,
            base_url: base_url.clone(),
            shutdown: shutdown.clone(),
            sessions: TaskTracker::new(),
        };
        let notify = {
            let (store, clock) = place();
            Notify::new(settings.push_hosts, base_url.clone(), tallies.clone(), shutdown.clone(), store, clock)
        };
        let people = People::new(store.clone(), clock.clone());
        Self {
            approvals,
            servers,
            agents,
            people,
            shims,
            notify,
            store,
            clock,
            live,
            tallies,
            base_url,
            resume_within_ms,
            shutdown,
        }
    }
}
