//! Approvals that stay for a retry, and that the hub is told of only when it is known that there may be one.

use std::time::{Duration, Instant};

use crate::core::ids::ApprovalId;
use crate::core::messages::Cancel;

/// A client that is gone so soon after it took a call back did not time out: its user ended it.
pub(super) const SECOND_THOUGHT: Duration = Duration::from_secs(2);

/// What the hub has not been told yet.
#[derive(Debug, Default)]
pub(super) struct HandedOff(Vec<(Cancel, Instant)>);

impl HandedOff {
    /// To be told at `due`, or when the hub is back.
    pub(super) fn push(&mut self, approval: ApprovalId, reason: String, due: Instant) {
        self.0.push((Cancel { approval, reason, keep: true }, due));
    }

    /// What is due.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<Cancel> {
        let (due, rest) = std::mem::take(&mut self.0).into_iter().partition(|(_, due)| *due <= now);
        self.0 = rest;
        let due: Vec<(Cancel, Instant)> = due;
        due.into_iter().map(|(cancel, _)| cancel).collect()
    }

    /// All of it, for a retry that is there, or because there will be none.
    pub(super) fn take_all(&mut self) -> Vec<Cancel> {
        std::mem::take(&mut self.0).into_iter().map(|(cancel, _)| cancel).collect()
    }

    /// When the next is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.0.iter().map(|(_, due)| *due).min()
    }

    /// The approvals.
    pub(super) fn approvals(&self) -> impl Iterator<Item = ApprovalId> {
        self.0.iter().map(|(cancel, _)| cancel.approval.clone())
    }
}
