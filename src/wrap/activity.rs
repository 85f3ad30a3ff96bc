//! Calls on their way to the activity log: gathered here, sent in batches, never in a call's way.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::core::messages::{Activity, Denied};
use crate::wire::ToHub;

/// The oldest call of a batch waits this long, at most, while the hub is there.
const FLUSH_AFTER: Duration = Duration::from_secs(1);
/// So many calls are sent without waiting longer.
const FULL_BATCH: usize = 512;
/// So many are kept while the hub is away; later ones are only counted.
const MOST: usize = 4096;
/// So many bytes of what denied calls were; of later ones only that they were denied.
const MOST_BYTES: usize = 4 << 20;

/// The calls not sent yet, oldest first.
#[derive(Debug, Default)]
pub struct Activities {
    items: VecDeque<(Instant, Activity)>,
    bytes: usize,
    dropped: u64,
}

impl Activities {
    /// Adds a call.
    pub fn push(&mut self, mut call: Activity, now: Instant) {
        if self.items.len() >= MOST {
            self.dropped += 1;
            return;
        }
        let room = MOST_BYTES - self.bytes;
        call.denied = call.denied.filter(|denied| denied.bytes() <= room);
        self.bytes += call.denied.as_ref().map_or(0, Denied::bytes);
        self.items.push_back((now, call));
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
        self.bytes = 0;
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
            denied: None,
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

    #[test]
    fn what_denied_calls_were_is_kept_as_far_as_there_is_room() {
        let (mut activities, now) = (Activities::default(), Instant::now());
        let denied = Denied { reasons: Vec::new(), digest: None, arguments: Some("x".repeat(MOST_BYTES / 2)) };
        for _ in 0..3 {
            activities.push(Activity { denied: Some(denied.clone()), ..call("a") }, now);
        }
        let Some(ToHub::Calls { items, dropped }) = activities.take(now) else { panic!("there is a batch") };
        let kept: Vec<_> = items.iter().map(|call| call.denied.is_some()).collect();
        assert_eq!((kept, dropped), (vec![true, true, false], 0));
        activities.push(Activity { denied: Some(denied), ..call("a") }, now);
        let Some(ToHub::Calls { items, .. }) = activities.take(now) else { panic!("there is a batch") };
        assert!(items[0].denied.is_some(), "what was sent has made room");
    }
}
