//! Approvals as people see and decide them.

use super::Hub;
use super::error::DecideError;
use super::model::{Approval, Page, User};
use super::store::StoreError;
use crate::core::approval::Status;
use crate::core::ids::ApprovalId;

/// Which approvals; what is left out does not narrow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApprovalFilter {
    /// Any of these; empty is all. Exactly `[Pending]` is the queue, oldest first; everything else is newest first.
    pub status: Vec<Status>,
    /// The server's exact name.
    pub server: Option<String>,
    /// The tool's exact name.
    pub tool: Option<String>,
    /// An agent's client id or name.
    pub agent: Option<String>,
    /// The person the agent works for.
    pub user: Option<String>,
    /// Words to be found in tool, server, agent, user, arguments or the reason of the decision.
    pub q: Option<String>,
    /// Registered at this time or later.
    pub from: Option<i64>,
    /// Registered before this time.
    pub to: Option<i64>,
    /// At most so many; 50 when nothing is said, never more than 500.
    pub limit: Option<u32>,
    /// `next_cursor` of the page before; one that is not ours begins at the start.
    pub cursor: Option<String>,
}

#[allow(clippy::todo, unused_variables)]
impl Hub {
    /// A page of approvals, without timelines.
    pub async fn approvals(&self, filter: &ApprovalFilter) -> Result<Page<Approval>, StoreError> {
        todo!()
    }

    /// How many approvals are pending.
    pub async fn pending_count(&self) -> Result<u64, StoreError> {
        todo!()
    }

    /// One approval with its timeline.
    pub async fn approval(&self, id: &ApprovalId) -> Result<Option<Approval>, StoreError> {
        todo!()
    }

    /// Says yes.
    pub async fn approve(&self, id: &ApprovalId, by: &User, comment: Option<String>) -> Result<Approval, DecideError> {
        todo!()
    }

    /// Says no.
    pub async fn reject(&self, id: &ApprovalId, by: &User, reason: Option<String>) -> Result<Approval, DecideError> {
        todo!()
    }

    /// Gives more time: five minutes, or so many seconds.
    pub async fn extend(&self, id: &ApprovalId, by: &User, seconds: Option<u32>) -> Result<Approval, DecideError> {
        todo!()
    }

    /// Notes that an approver has the card on the screen; the shim is told the first time.
    pub async fn seen(&self, id: &ApprovalId, by: &User) -> Result<(), DecideError> {
        todo!()
    }
}
