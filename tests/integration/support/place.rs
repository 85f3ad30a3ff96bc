//! A hub with its approver, and an agent in front of the server whose destructive tool is gated from the first minute.

use super::{Approver, Hub, Ledger, Wrap};

/// All of them.
pub struct Place {
    /// The hub.
    pub hub: Hub,
    /// Its administrator.
    pub approver: Approver,
    /// The agent's token.
    pub token: String,
    /// What the server has been given.
    pub ledger: Ledger,
}

impl Place {
    /// A place of its own.
    pub async fn new() -> Self {
        let hub = Hub::start().await;
        let (approver, token) = (hub.sign_in().await, hub.add_agent("claude").await);
        Self { hub, approver, token, ledger: Ledger::new() }
    }

    /// A shim in front of the server, not started.
    pub fn wrap(&self) -> Wrap {
        Wrap::around(self.ledger.server()).named("repos").with_hub(&self.hub, &self.token)
    }
}
