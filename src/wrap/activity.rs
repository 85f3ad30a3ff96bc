//! Calls on their way to the activity log: gathered here, sent in batches, never in a call's way.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::core::messages::Activity;
use crate::wire::ToHub;

/// The oldest call of a batch waits this long, at most, while the hub is there.
const FLUSH_AFTER: Duration = Duration::from_secs(1);
/// So many calls are sent without waiting longer.
const FULL_BATCH: usize = 512;
/// So many are kept while the hub is away; later ones are only counted.
const MOST: usize = 4096;

/// The calls not sent yet, oldest first.
#[derive(Debug, Default)]
pub struct Activities {
    items: VecDeque<(Instant, Activity)>,
    dropped: u64,
}

impl Activities {
    /// Adds a call.
    pub fn push(&mut self, call: Activity, now: Instant) {
        if self.items.len() < MOST {
            self.items.push_back((now, call));
        } else {
            self.dropped += 1;
        }
    }

    /// Whether a batch is full.
    pub fn is_full(&self) -> bool {
        self.items.len() >= FULL_BATCH
    }

    /// When the next batch should leave.
    pub fn due(&self) -> Option<Instant> {
        self.items.front().map(|(since, _)| *since + FLUSH_AFTER)
    }

    /// Everything, as a message; `None` when there is nothing.
    pub fn take(&mut self, now: Instant) -> Option<ToHub> {
        if self.items.is_empty() {
            return None;
        }
        let aged = |(since, mut call): (Instant, Activity)| {
            let age = now.saturating_duration_since(since).as_millis();
            call.age_ms += u64::try_from(age).unwrap_or(u64::MAX);
            call
        };
        let items = std::mem::take(&mut self.items).into_iter().map(aged).collect();
        Some(ToHub::Calls { items, dropped: std::mem::take(&mut self.dropped) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::policy::Verdict;

    fn call(tool: &str) -> Activity {
        Activity {
            age_ms: 0,
            tool: tool.to_owned(),
            verdict: Verdict::Pass,
            bypass: false,
            approval: None,
            outcome: None,
            duration_ms: None,
            running: None,
        }
    }

    #[test]
    fn a_batch_says_how_old_each_call_is() {
        let (mut activities, start) = (Activities::default(), Instant::now());
        activities.push(call("a"), start);
        activities.push(call("b"), start + Duration::from_millis(300));
        assert_eq!(activities.due(), Some(start + FLUSH_AFTER));
        let Some(ToHub::Calls { items, dropped }) = activities.take(start + Duration::from_secs(1)) else {
            panic!("there is a batch");
        };
        let ages: Vec<_> = items.iter().map(|call| (call.tool.as_str(), call.age_ms)).collect();
        assert_eq!((ages, dropped), (vec![("a", 1000), ("b", 700)], 0));
        assert_eq!((activities.take(start), activities.due()), (None, None));
    }

    #[test]
    fn calls_over_the_bound_are_counted() {
        let (mut activities, now) = (Activities::default(), Instant::now());
        for _ in 0..MOST + 3 {
            activities.push(call("a"), now);
        }
        let Some(ToHub::Calls { items, dropped }) = activities.take(now) else { panic!("there is a batch") };
        assert_eq!((items.len(), dropped), (MOST, 3));
    }
}
