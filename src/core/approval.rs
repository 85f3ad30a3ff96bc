//! The life of an approval: `pending → approved | rejected | timed_out | cancelled`, once, and what came of it.
//!
//! The names here are the ones in SQL, JSON and on the page. [`Life`] says which changes are changes at all; races
//! between deciders are settled in the store, by one conditional update for each [`Move`].

mod life;
#[cfg(test)]
mod life_tests;

pub use self::life::{Columns, End, Holder, Impossible, Life, Move};

use serde::{Deserialize, Serialize};

/// How long an approval may stay unreleased after it was given, in milliseconds, while its shim is connected.
pub const RELEASE_GRACE_MS: i64 = 10_000;
/// The longest an approval may be pending, extensions included, in milliseconds.
pub const MAX_WINDOW_MS: i64 = 3_600_000;
/// However often a shim is lost and comes back: an approval not used so long after it was given is void, unless a shim
/// may stay away for longer than that at once.
const LONGEST_GRACE_MS: i64 = 60_000;
/// What *extend* adds when nothing else is said, in seconds.
pub const EXTEND_SECONDS: u32 = 300;

/// Where an approval stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nobody has decided.
    Pending,
    /// A person said yes.
    Approved,
    /// A person said no.
    Rejected,
    /// Nobody decided before the deadline, which rejects.
    TimedOut,
    /// The client took the call back, went away, or never used the approval.
    Cancelled,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Approved, Self::Rejected, Self::TimedOut, Self::Cancelled];

    /// The status as it stands in SQL and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
        }
    }

    /// The status of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

/// What became of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is held, or approved and not yet released.
    Waiting,
    /// It never reached the server.
    NotExecuted,
    /// It may have reached the server; its result is not known yet.
    Released,
    /// The server answered it.
    Succeeded,
    /// The server answered with `isError` or a protocol error.
    Failed,
    /// It was released, and then its shim or server was lost.
    Unknown,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Waiting, Self::NotExecuted, Self::Released, Self::Succeeded, Self::Failed, Self::Unknown];

    /// The outcome as it stands in SQL and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::NotExecuted => "not_executed",
            Self::Released => "released",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }

    /// The outcome of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == name)
    }
}

/// The deadline after an extension: `seconds` later, but never past the longest window.
///
/// `None` when the window is used up, so that the approval cannot be kept pending for ever.
pub fn extended_deadline(created_at: i64, deadline_at: i64, seconds: u32) -> Option<i64> {
    let latest = created_at.saturating_add(MAX_WINDOW_MS);
    let wanted = deadline_at.saturating_add(i64::from(seconds) * 1000);
    (deadline_at < latest).then(|| wanted.min(latest))
}

/// Until when an approval given at `decided_at` is to stay usable for `by` milliseconds more, with bounds.
pub fn stretched_grace(decided_at: i64, by: i64, away_ms: i64, now: i64) -> i64 {
    (now + by).min(decided_at + LONGEST_GRACE_MS.max(away_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for status in ["pending", "approved", "rejected", "timed_out", "cancelled"] {
            assert_eq!(Status::from_name(status).map(Status::as_str), Some(status));
        }
        for outcome in ["waiting", "not_executed", "released", "succeeded", "failed", "unknown"] {
            assert_eq!(Outcome::from_name(outcome).map(Outcome::as_str), Some(outcome));
        }
    }

    #[test]
    fn extension_adds_up_to_the_longest_window() {
        assert_eq!(extended_deadline(0, 300_000, 300), Some(600_000));
        assert_eq!(extended_deadline(0, 3_500_000, 300), Some(3_600_000));
        assert_eq!(extended_deadline(0, 3_600_000, 300), None);
    }
}
