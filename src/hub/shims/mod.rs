//! Shims: their sessions, who is connected, and what they may make the hub write.

mod log;
mod meeting;
mod meter;
mod session;
mod turns;

pub use self::meeting::Met;
pub use self::meter::{Meter, Reading, Room, Step};
pub use self::session::handle;
pub use self::turns::Turns;

use std::collections::HashMap;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::core::messages::Ungated;
use crate::core::trust::Level;
use crate::hub::agents::Agents;
use crate::hub::approvals::Approvals;
use crate::hub::base_url::BaseUrl;
use crate::hub::clock::Clock;
use crate::hub::live::Live;
use crate::hub::model::{AgentRef, UngatedServer};
use crate::hub::servers::Servers;
use crate::hub::store::{Budgets, Store, StoreError};
use crate::hub::tallies::Tallies;

/// The room of shims; clones are the same.
#[derive(Clone)]
pub struct Shims {
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) live: Live,
    pub(super) budgets: Budgets,
    pub(super) tallies: Tallies,
    pub(super) room: Room,
    /// Whose turn it is to read its table.
    pub(super) tables: Turns,
    /// Whose turn it is to have a long message read.
    pub(super) long_messages: Turns,
    pub(super) approvals: Approvals,
    pub(super) servers: Servers,
    pub(super) agents: Agents,
    /// The threshold of a server seen for the first time.
    pub(super) new_server_threshold: Option<Level>,
    /// How long a shim that lost its connection may stay away, in milliseconds.
    pub(super) resume_within_ms: i64,
    pub(super) base_url: BaseUrl,
    pub(super) shutdown: CancellationToken,
    pub(super) sessions: TaskTracker,
}

impl Shims {
    /// Changes when there is more to say of [`ungated`](Self::ungated).
    pub fn ungated_news(&self) -> watch::Receiver<u64> {
        self.live.ungated_news()
    }

    /// The servers that clients of connected shims start without one, by agent and client.
    pub async fn ungated(&self) -> Result<Vec<UngatedServer>, StoreError> {
        let mut ungated = self.live.ungated();
        ungated.extend(self.store.ungated_elsewhere(self.now()).await?);
        if ungated.is_empty() {
            return Ok(Vec::new());
        }
        let names: HashMap<_, _> =
            self.agents.agents().await?.into_iter().map(|agent| (agent.client_id, agent.name)).collect();
        let of_agent = ungated.into_iter().filter_map(|(client_id, Ungated { client, server })| {
            let name = names.get(&client_id)?.clone();
            Some(UngatedServer { agent: AgentRef { client_id, name }, client, server })
        });
        Ok(of_agent.collect())
    }

    fn now(&self) -> i64 {
        self.clock.now()
    }
}
