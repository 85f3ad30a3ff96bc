//! An approval as what is true of it, and the moves from one truth to the next. Pure: time is an argument.

use super::{Outcome, RELEASE_GRACE_MS, Status};
use crate::core::ids::{ApprovalId, InstanceId};

/// The live request that stands behind an approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The request's id; another than the approval's when an identical call took it up.
    pub request: ApprovalId,
    /// The run of the shim that holds the call.
    pub instance: InstanceId,
}

/// Where an approval stands. Without a holder it is kept for an identical call that comes again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Life {
    /// Nobody has decided.
    Pending {
        /// Who waits.
        holder: Option<Holder>,
        /// When it is rejected by itself.
        deadline_at: i64,
    },
    /// A person said yes; the call was not released.
    Approved {
        /// Who may release it.
        holder: Option<Holder>,
        /// When it was approved.
        decided_at: i64,
        /// When it is void by itself.
        grace_until: i64,
    },
    /// The call may have reached the server.
    Released {
        /// The run of the shim that released it, the only one that may say what came of it.
        by: InstanceId,
    },
    /// Nothing is open any more.
    Ended(End),
}

/// How an approval ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// A person said no; `unheard` until the agent was told, which the next identical call is.
    Rejected {
        /// When.
        decided_at: i64,
        /// No request was there to be told.
        unheard: bool,
    },
    /// Nobody decided in time.
    TimedOut,
    /// It was taken back before it was decided.
    Cancelled,
    /// It was approved, and never released.
    Unused,
    /// It was released, and this is what came of it: succeeded, failed or, after all, not executed.
    Told(Outcome),
    /// It was released, and how it ended is not known; this run of the shim may still tell.
    Unknown {
        /// The run that released it.
        by: InstanceId,
    },
}

/// What can happen to an approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// A person says yes; unused, it is void after so many milliseconds.
    Approve {
        /// How long.
        grace_ms: i64,
    },
    /// A person says no.
    Reject,
    /// A person gives time until then.
    Extend {
        /// The new deadline.
        deadline_at: i64,
    },
    /// The deadline has passed.
    TimeOut,
    /// The grace has passed.
    Expire,
    /// The grace of a lost shim becomes longer.
    Stretch {
        /// The new end of it.
        until: i64,
    },
    /// The client gave up on it, or its shim or agent is gone.
    TakeBack,
    /// The client gave up on it and will call again.
    Keep {
        /// How long after its decision an approval may be taken up.
        grant_ms: i64,
    },
    /// An identical call takes it up.
    Join {
        /// The new holder.
        holder: Holder,
        /// How long after its decision a rejection is still told.
        grant_ms: i64,
    },
    /// The call goes to the server.
    Release {
        /// The run of the shim that asks.
        by: InstanceId,
    },
    /// The shim tells what came of it.
    Finish {
        /// The run of the shim that tells.
        by: InstanceId,
        /// What it tells.
        outcome: Outcome,
    },
    /// The shim of a released call is gone.
    Lose,
}

/// The move is none from where the approval stands: it changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nothing changes")]
pub struct Impossible;

impl Life {
    /// The life after a move at this time.
    pub fn after(self, what: Move, now: i64) -> Result<Self, Impossible> {
        match self {
            Self::Pending { holder, deadline_at } => pending(holder, deadline_at, what, now),
            Self::Approved { holder, decided_at, grace_until } => approved(holder, decided_at, grace_until, what, now),
            Self::Released { by } => match what {
                Move::Lose => Ok(Self::Ended(End::Unknown { by })),
                Move::Finish { by: teller, outcome } if teller == by => told(by, outcome),
                _ => Err(Impossible),
            },
            Self::Ended(end) => ended(end, what, now),
        }
    }
}

fn pending(holder: Option<Holder>, deadline_at: i64, what: Move, now: i64) -> Result<Life, Impossible> {
    let in_time = deadline_at > now;
    match what {
        Move::Approve { grace_ms } if in_time => {
            Ok(Life::Approved { holder, decided_at: now, grace_until: now + grace_ms })
        }
        Move::Reject if in_time => Ok(Life::Ended(End::Rejected { decided_at: now, unheard: holder.is_none() })),
        Move::Extend { deadline_at } if in_time => Ok(Life::Pending { holder, deadline_at }),
        Move::TimeOut if !in_time => Ok(Life::Ended(End::TimedOut)),
        Move::TakeBack => Ok(Life::Ended(End::Cancelled)),
        Move::Keep { .. } if holder.is_some() => Ok(Life::Pending { holder: None, deadline_at }),
        Move::Join { holder: next, .. } if holder.is_none() && in_time => {
            Ok(Life::Pending { holder: Some(next), deadline_at })
        }
        _ => Err(Impossible),
    }
}

fn approved(
    holder: Option<Holder>,
    decided_at: i64,
    grace_until: i64,
    what: Move,
    now: i64,
) -> Result<Life, Impossible> {
    let in_time = grace_until > now;
    match (what, holder) {
        (Move::Release { by }, Some(holder)) if in_time && holder.instance == by => Ok(Life::Released { by }),
        (Move::Expire, _) if !in_time => Ok(Life::Ended(End::Unused)),
        (Move::TakeBack, _) => Ok(Life::Ended(End::Unused)),
        (Move::Stretch { until }, holder) if in_time && until > grace_until => {
            Ok(Life::Approved { holder, decided_at, grace_until: until })
        }
        (Move::Keep { grant_ms }, Some(_)) => {
            Ok(Life::Approved { holder: None, decided_at, grace_until: decided_at + grant_ms })
        }
        (Move::Join { holder, .. }, None) if in_time => {
            Ok(Life::Approved { holder: Some(holder), decided_at, grace_until: now + RELEASE_GRACE_MS })
        }
        _ => Err(Impossible),
    }
}

fn ended(end: End, what: Move, now: i64) -> Result<Life, Impossible> {
    match (end, what) {
        (End::Rejected { decided_at, unheard: true }, Move::Join { grant_ms, .. }) if decided_at > now - grant_ms => {
            Ok(Life::Ended(End::Rejected { decided_at, unheard: false }))
        }
        // What was lost may have come back; nothing else that is told is ever taken back.
        (End::Unknown { by }, Move::Finish { by: teller, outcome }) if teller == by && outcome != Outcome::Unknown => {
            told(by, outcome)
        }
        _ => Err(Impossible),
    }
}

fn told(by: InstanceId, outcome: Outcome) -> Result<Life, Impossible> {
    match outcome {
        Outcome::Waiting | Outcome::Released => Err(Impossible),
        Outcome::Unknown => Ok(Life::Ended(End::Unknown { by })),
        outcome => Ok(Life::Ended(End::Told(outcome))),
    }
}

/// What the store holds of a life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    /// Its status.
    pub status: Status,
    /// What became of the call.
    pub outcome: Outcome,
    /// No live request stands behind it.
    pub kept: bool,
    /// The request that does, or did.
    pub holder: Holder,
    /// When it is, or would have been, rejected by itself.
    pub deadline_at: i64,
    /// When it was decided.
    pub decided_at: Option<i64>,
    /// When an unused approval is void.
    pub grace_until: Option<i64>,
    /// The run of the shim that released it.
    pub released_by: Option<InstanceId>,
}

impl TryFrom<Columns> for Life {
    type Error = Impossible;

    /// The life that these columns tell of; what contradicts itself is none.
    fn try_from(row: Columns) -> Result<Self, Impossible> {
        let holder = (!row.kept).then_some(row.holder);
        let decided = row.decided_at.ok_or(Impossible);
        match (row.status, row.outcome, row.released_by) {
            (Status::Pending, Outcome::Waiting, None) if row.decided_at.is_none() => {
                Ok(Self::Pending { holder, deadline_at: row.deadline_at })
            }
            (Status::Approved, Outcome::Waiting, None) => {
                Ok(Self::Approved { holder, decided_at: decided?, grace_until: row.grace_until.ok_or(Impossible)? })
            }
            (Status::Rejected, Outcome::NotExecuted, None) => {
                Ok(Self::Ended(End::Rejected { decided_at: decided?, unheard: row.kept }))
            }
            (_, _, _) if row.kept || row.decided_at.is_none() => Err(Impossible),
            (Status::Approved, Outcome::NotExecuted, None) => Ok(Self::Ended(End::Unused)),
            (Status::Approved, Outcome::Released, Some(by)) => Ok(Self::Released { by }),
            (Status::Approved, Outcome::Unknown, Some(by)) => Ok(Self::Ended(End::Unknown { by })),
            (Status::Approved, outcome, Some(_)) if outcome != Outcome::Waiting => Ok(Self::Ended(End::Told(outcome))),
            (Status::TimedOut, Outcome::NotExecuted, None) => Ok(Self::Ended(End::TimedOut)),
            (Status::Cancelled, Outcome::NotExecuted, None) => Ok(Self::Ended(End::Cancelled)),
            _ => Err(Impossible),
        }
    }
}
