//! Calls that passed and are not answered yet: for the log only, and never in their way.

use std::time::{Duration, Instant};

use crate::core::approval::Outcome;
use crate::core::messages::Activity;
use crate::core::policy::Verdict;

/// A call that runs longer is told of while it runs.
pub(super) const RUNNING_AFTER: Duration = Duration::from_secs(5);

/// A call that passed.
#[derive(Clone, Debug)]
pub(super) struct Passing {
    tool: String,
    bypass: bool,
    pub(super) at: Instant,
    /// Its number, when it was told of while it ran.
    pub(super) number: Option<u64>,
}

impl Passing {
    /// One that passes now.
    pub(super) fn new(tool: &str, bypass: bool, now: Instant) -> Self {
        Self { tool: tool.to_owned(), bypass, at: now, number: None }
    }

    /// What the log is told of it. How long it took is known only of a call whose end is.
    pub(super) fn activity(self, outcome: Outcome, now: Instant) -> Activity {
        let age_ms = u64::try_from(now.saturating_duration_since(self.at).as_millis()).unwrap_or(u64::MAX);
        Activity {
            age_ms,
            tool: self.tool,
            verdict: Verdict::Pass,
            bypass: self.bypass,
            approval: None,
            outcome: Some(outcome),
            duration_ms: matches!(outcome, Outcome::Succeeded | Outcome::Failed).then_some(age_ms),
            running: self.number,
            denied: None,
        }
    }
}
