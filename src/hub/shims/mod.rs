//! Shims: their sessions, who is connected, and what they may make the hub write.

pub(super) mod meeting;
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
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) live: Live,
    pub(super) budgets: Budgets,
    pub(super) room: Room,
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
    fn now(&self) -> i64 {
        self.clock.now()
    }
}
