//! Shims: their sessions, who is connected, and what they may make the hub write.

pub(in crate::hub) mod meeting;
pub mod meter;
pub mod session;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::core::trust::Level;
use crate::hub::agents::Agents;
use crate::hub::approvals::Approvals;
use crate::hub::base_url::BaseUrl;
use crate::hub::clock::Clock;
use crate::hub::live::Live;
use crate::hub::servers::Servers;
use crate::hub::shims::meter::Room;
use crate::hub::store::Store;
use crate::hub::store::budget::Budgets;

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
    fn now(&self) -> i64 {
        self.clock.now()
    }
}
