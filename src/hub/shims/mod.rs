//! Shims: their sessions, who is connected, and what they may make the hub write.

pub(in crate::hub) mod meeting;
pub mod meter;
pub mod session;

use std::collections::HashMap;

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
use crate::hub::shims::meter::Room;
use crate::hub::store::budget::Budgets;
use crate::hub::store::{Store, StoreError};

/// The room of shims; clones are the same.
#[derive(Clone)]
pub struct Shims {
    pub(in crate::hub) store: Store,
    pub(in crate::hub) clock: Clock,
    pub(in crate::hub) live: Live,
    pub(in crate::hub) budgets: Budgets,
    pub(in crate::hub) room: Room,
    pub(in crate::hub) approvals: Approvals,
    pub(in crate::hub) servers: Servers,
    pub(in crate::hub) agents: Agents,
    /// The threshold of a server seen for the first time.
    pub(in crate::hub) new_server_threshold: Option<Level>,
    /// How long a shim that lost its connection may stay away, in milliseconds.
    pub(in crate::hub) resume_within_ms: i64,
    pub(in crate::hub) base_url: BaseUrl,
    pub(in crate::hub) shutdown: CancellationToken,
    pub(in crate::hub) sessions: TaskTracker,
}

impl Shims {
    /// The servers that clients of connected shims start without one, by agent and client.
    pub async fn ungated(&self) -> Result<Vec<UngatedServer>, StoreError> {
        let ungated = self.live.ungated();
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
