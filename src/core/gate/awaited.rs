//! Calls that passed and are not answered yet: for the log only, so a bounded number of them, and never in their way.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::core::approval::Outcome;
use crate::core::messages::Activity;
use crate::core::policy::Verdict;

/// So many are waited for; of more, the oldest is told as unknown.
pub(super) const MAX_AWAITED: usize = 1024;
/// A call that runs longer is told of while it runs.
pub(super) const RUNNING_AFTER: Duration = Duration::from_secs(5);

/// The calls, by the key of their request id.
#[derive(Default)]
pub(super) struct Awaited {
    calls: HashMap<String, Passing>,
    /// How many were told of while they ran.
    told: u64,
    /// Set by the first call and kept until it has passed: a timer of its own for every call would cost more than all
    /// else here.
    wake: Option<Instant>,
}

/// A call that passed.
#[derive(Clone)]
pub(super) struct Passing {
    tool: String,
    bypass: bool,
    at: Instant,
    /// Its number, when it was told of while it ran.
    number: Option<u64>,
}

impl Awaited {
    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Remembers a call; returns what has to be told of at once, because its end can no longer be known.
    pub(super) fn expect(&mut self, key: &str, tool: &str, bypass: bool, now: Instant) -> Vec<Passing> {
        let call = Passing { tool: tool.to_owned(), bypass, at: now, number: None };
        // Of two calls under one id, nobody can say which one an answer is for.
        if let Some(twin) = self.take(key) {
            return vec![twin, call];
        }
        let oldest = if self.calls.len() == MAX_AWAITED { self.take_oldest() } else { None };
        self.calls.insert(key.to_owned(), call);
        self.wake.get_or_insert(now + RUNNING_AFTER);
        oldest.into_iter().collect()
    }

    /// The call of this id; it is not awaited any more.
    pub(super) fn take(&mut self, key: &str) -> Option<Passing> {
        self.calls.remove(key)
    }

    fn take_oldest(&mut self) -> Option<Passing> {
        let oldest = self.calls.iter().min_by_key(|(_, call)| call.at).map(|(key, _)| key.clone())?;
        self.take(&oldest)
    }

    /// All of them, oldest first; none is awaited any more.
    pub(super) fn take_all(&mut self) -> Vec<Passing> {
        let mut all: Vec<Passing> = std::mem::take(&mut self.calls).into_values().collect();
        all.sort_by_key(|call| call.at);
        all
    }

    /// When [`running`](Self::running) wants to be asked.
    pub(super) fn wake(&self) -> Option<Instant> {
        self.wake
    }

    /// The calls that have been running long enough to be told of, each once, oldest first.
    pub(super) fn running(&mut self, now: Instant) -> Vec<Activity> {
        if self.wake.is_none_or(|at| at > now) {
            return Vec::new();
        }
        let mut untold: Vec<&mut Passing> = self.calls.values_mut().filter(|call| call.number.is_none()).collect();
        untold.sort_by_key(|call| call.at);
        let long = untold.partition_point(|call| call.at + RUNNING_AFTER <= now);
        self.wake = untold.get(long).map(|call| call.at + RUNNING_AFTER);
        let mut running = Vec::with_capacity(long);
        for call in &mut untold[..long] {
            self.told += 1;
            call.number = Some(self.told);
            running.push(call.clone().activity(Outcome::Released, now));
        }
        running
    }
}

impl Passing {
    /// What the log is told of it. How long it took is known only of a call whose end is.
    pub(super) fn activity(self, outcome: Outcome, now: Instant) -> Activity {
        let age_ms = u64::try_from(now.saturating_duration_since(self.at).as_millis()).unwrap_or(u64::MAX);
        Activity {
            age_ms,
            tool: self.tool,
            verdict: Verdict::Pass,
            bypass: self.bypass,
            arguments_sha256: None,
            approval: None,
            outcome: Some(outcome),
            duration_ms: matches!(outcome, Outcome::Succeeded | Outcome::Failed).then_some(age_ms),
            running: self.number,
        }
    }
}
