//! Telling people and programs about approvals.
//!
//! Rows of the `outbox` are written in the transaction of what they tell of ([`outbox`]); the [`courier`] sends them
//! from there, at least once, never in the way of a request. What a message says is in [`message`], how it looks in
//! each place in [`kinds`] and, for browsers, in [`push`]. A message never decides anything: its link opens the page.

mod address;
mod channels;
mod check;
mod courier;
mod http;
mod kinds;
mod message;
mod outbox;
mod push;
mod quiet;
mod row;
mod stored;
mod text;
mod view;

pub use self::channels::{Change, Changed};
pub use self::outbox::tell;
pub use self::push::{Keys, Subscription, forget_browsers};
pub use self::row::{Browser, State};
pub use self::view::View;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use crate::config::notify::Channel;
use crate::hub::base_url::BaseUrl;
use crate::hub::clock::Clock;
use crate::hub::store::Store;
use crate::hub::tallies::Tallies;

/// An endpoint that says nothing for so long is not there.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The room of notifications; clones are the same.
#[derive(Clone)]
pub struct Notify {
    store: Store,
    clock: Clock,
    /// Hosts of push services beside those of the usual browsers; they may be private.
    push_hosts: Arc<[String]>,
    push_key: Arc<OnceCell<Arc<push::Key>>>,
    push_client: Arc<OnceLock<reqwest::Client>>,
    base_url: BaseUrl,
    tallies: Tallies,
    shutdown: CancellationToken,
}

impl Notify {
    /// Sends what the store has to tell, with links below the base URL, until `shutdown`.
    pub(super) fn new(
        push_hosts: Vec<String>,
        base_url: BaseUrl,
        tallies: Tallies,
        shutdown: CancellationToken,
        store: Store,
        clock: Clock,
    ) -> Self {
        let (push_key, push_client) = (Arc::default(), Arc::default());
        Self { store, clock, push_hosts: push_hosts.into(), push_key, push_client, base_url, tallies, shutdown }
    }

    fn now(&self) -> i64 {
        self.clock.now()
    }

    /// Sends what is due, until shutdown, and then for at most ten seconds what is due by then.
    ///
    /// Several hubs on one store may do this; every message is claimed by one of them.
    pub async fn run(&self) {
        self.run_within(TIMEOUT).await;
    }

    /// The same with another time in which an endpoint must answer.
    pub(super) async fn run_within(&self, timeout: Duration) {
        courier::run(self, timeout).await;
    }
}

/// Why these channels of the config file cannot be used, if they cannot.
pub fn check_file(channels: &[Channel]) -> Result<(), String> {
    check::of_file(channels)
}
