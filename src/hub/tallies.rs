//! What happened since this process began, in numbers for `/metrics`. None of them tells of one name, id or argument.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::core::approval::Status;

/// How approvals end.
pub const ENDS: [Status; 4] = [Status::Approved, Status::Rejected, Status::TimedOut, Status::Cancelled];
/// What is said of calls in the activity log.
pub const VERDICTS: [&str; 5] = ["pass", "bypass", "gate", "deny", "dropped"];
/// Up to how many seconds the waiting times of each part of a histogram are; the last part has no end.
pub const BOUNDS: [u64; 9] = [5, 10, 30, 60, 120, 300, 600, 1_800, 3_600];

/// Counters; clones are the same.
#[derive(Clone, Default)]
pub struct Tallies(Arc<Counts>);

#[derive(Default)]
struct Counts {
    waits: [Waits; ENDS.len()],
    calls: [AtomicU64; VERDICTS.len()],
    sent: AtomicU64,
    not_sent: AtomicU64,
}

/// How long approvals waited before they ended in one way.
#[derive(Default)]
struct Waits {
    parts: [AtomicU64; BOUNDS.len() + 1],
    sum_ms: AtomicU64,
}

/// The same to be read: how many waited up to each of [`BOUNDS`], how many there are, and how long all of them waited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    /// For each bound, those below it included.
    pub up_to: [u64; BOUNDS.len()],
    /// All of them.
    pub count: u64,
    /// In milliseconds.
    pub sum_ms: u64,
}

fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl Tallies {
    /// An approval ended so after that long.
    pub fn ended(&self, status: Status, waited_ms: u64) {
        let Some(waits) = ENDS.iter().position(|end| *end == status).map(|place| &self.0.waits[place]) else { return };
        add(&waits.parts[BOUNDS.partition_point(|bound| bound * 1000 < waited_ms)], 1);
        add(&waits.sum_ms, waited_ms);
    }

    /// The log has so many more calls with this verdict.
    pub fn called(&self, verdict: &str, calls: u64) {
        if let Some(place) = VERDICTS.iter().position(|known| *known == verdict) {
            add(&self.0.calls[place], calls);
        }
    }

    /// A notification left, or did not get through this time.
    pub fn notified(&self, sent: bool) {
        add(if sent { &self.0.sent } else { &self.0.not_sent }, 1);
    }

    /// How long approvals waited, by how they ended.
    pub fn waits(&self) -> impl Iterator<Item = (Status, Histogram)> {
        ENDS.into_iter().zip(self.0.waits.iter().map(Waits::histogram))
    }

    /// Calls by verdict.
    pub fn calls(&self) -> impl Iterator<Item = (&'static str, u64)> {
        VERDICTS.into_iter().zip(self.0.calls.iter().map(read))
    }

    /// Notifications that left, and tries that failed.
    pub fn notifications(&self) -> [(&'static str, u64); 2] {
        [("sent", read(&self.0.sent)), ("failed", read(&self.0.not_sent))]
    }
}

impl Waits {
    fn histogram(&self) -> Histogram {
        let mut count = 0;
        let mut up_to = [0; BOUNDS.len()];
        for (up_to, part) in up_to.iter_mut().zip(&self.parts) {
            count += read(part);
            *up_to = count;
        }
        count += read(&self.parts[BOUNDS.len()]);
        Histogram { up_to, count, sum_ms: read(&self.sum_ms) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_times_fall_into_their_parts() {
        let tallies = Tallies::default();
        for waited_ms in [0, 5_000, 5_001, 300_000, 3_600_001] {
            tallies.ended(Status::Approved, waited_ms);
        }
        tallies.ended(Status::Pending, 1);
        let waits: Vec<_> = tallies.waits().collect();
        let approved = Histogram { up_to: [2, 3, 3, 3, 3, 4, 4, 4, 4], count: 5, sum_ms: 3_910_002 };
        assert_eq!(waits[0], (Status::Approved, approved));
        assert!(waits[1..].iter().all(|(_, others)| others.count == 0));
    }
}
