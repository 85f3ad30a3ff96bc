//! What a shim has been told of its approvals, and what is news to it. Pure: the store's row in, messages out.

use std::collections::HashMap;

use crate::core::approval::{Outcome, Status};
use crate::core::ids::ApprovalId;
use crate::core::messages::{Decided, Decision, Extended};
use crate::hub::approvals::{DISCONNECTED, Held, UNUSED};
use crate::wire::ToWrap;

/// What the shim knows, per approval that is not over for it.
#[derive(Default)]
pub(super) struct Told(HashMap<ApprovalId, Known>);

struct Known {
    deadline_at: i64,
    seen: bool,
    approved: bool,
}

/// Milliseconds left.
pub(super) fn remaining(deadline_at: i64, now: i64) -> u64 {
    u64::try_from(deadline_at - now).unwrap_or(0)
}

impl Told {
    /// The shim was told that it is registered; what it does not know yet.
    pub(super) fn begin(&mut self, held: &Held, now: i64) -> Vec<ToWrap> {
        let known = Known { deadline_at: held.approval.deadline_at, seen: false, approved: false };
        self.0.insert(held.approval.id.clone(), known);
        self.news(held, now)
    }

    pub(super) fn knows(&self, id: &ApprovalId) -> bool {
        self.0.contains_key(id)
    }

    pub(super) fn forget(&mut self, id: &ApprovalId) {
        self.0.remove(id);
    }

    /// What the row says that the shim does not know.
    pub(super) fn news(&mut self, held: &Held, now: i64) -> Vec<ToWrap> {
        let approval = &held.approval;
        let Some(known) = self.0.get_mut(&approval.id) else { return Vec::new() };
        let mut news = Vec::new();
        if approval.status == Status::Pending {
            if std::mem::replace(&mut known.deadline_at, approval.deadline_at) != approval.deadline_at {
                let remaining_ms = remaining(approval.deadline_at, now);
                news.push(ToWrap::Extended(Extended { approval: approval.id.clone(), remaining_ms }));
            }
            if held.seen_at.is_some() && !std::mem::replace(&mut known.seen, true) {
                news.push(ToWrap::Seen { approval: approval.id.clone() });
            }
            return news;
        }
        if let Some(decision) = decision(held, known.approved) {
            match decision {
                Decision::Approved { .. } => known.approved = true,
                _ => self.forget(&approval.id),
            }
            news.push(ToWrap::Decision(Decided { approval: approval.id.clone(), decision }));
        }
        news
    }
}

/// The decision to be told, if it is news.
fn decision(held: &Held, told_approved: bool) -> Option<Decision> {
    let approval = &held.approval;
    Some(match approval.status {
        Status::Pending => return None,
        Status::Approved if approval.outcome == Outcome::NotExecuted => Decision::Cancelled { reason: UNUSED.into() },
        Status::Approved if told_approved => return None,
        Status::Approved => Decision::Approved { digest: held.digest.clone() },
        Status::Rejected => Decision::Rejected { reason: approval.reason.clone() },
        Status::TimedOut => Decision::TimedOut,
        Status::Cancelled => {
            Decision::Cancelled { reason: approval.reason.clone().unwrap_or_else(|| DISCONNECTED.into()) }
        }
    })
}
