//! The hub's clock, passed in so that tests move time.
//!
//! The wall is asked once, at start; from there on only steady time counts, time asleep included, so that a step of
//! the wall clock neither approves nor rejects anything.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

/// The longest single sleep: timers stand still while the machine sleeps, the clock does not.
const NAP: Duration = Duration::from_secs(5);

/// A clock further behind than this, in milliseconds, is told of.
const WORTH_A_WORD_MS: i64 = 5_000;

/// What a store says of time when it is opened, in unix milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Times {
    /// Its database's own clock, where it has one.
    pub(super) here: Option<i64>,
    /// The newest time in it.
    pub(super) newest: i64,
}

/// Unix milliseconds, and sleeping by them.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Real { wall: i64, steady: i64 },
    Settable(Arc<watch::Sender<i64>>),
}

impl Clock {
    /// The machine's clock: the wall's time at start, and from there on only steady time.
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    pub fn real() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| milliseconds(since.as_millis()));
        Self(Kind::Real { wall, steady: steady_ms() })
    }

    /// Never behind what was recorded: deadlines and the record's order must not depend on what this machine's clock
    /// was set to between two runs. Where the store has a clock of its own, all its hubs go by that.
    #[must_use]
    pub(super) fn going_on_from(self, Times { here, newest }: Times) -> Self {
        match self.0 {
            Kind::Real { .. } => {
                let (now, steady) = (here.unwrap_or_else(|| self.now()), steady_ms());
                if newest - now > WORTH_A_WORD_MS {
                    let seconds = (newest - now) / 1000;
                    tracing::warn!(seconds, "the clock is behind the newest record; time goes on from that");
                }
                Self(Kind::Real { wall: now.max(newest), steady })
            }
            Kind::Settable(now) => {
                now.send_modify(|now| *now = newest.max(*now));
                Self(Kind::Settable(now))
            }
        }
    }

    /// A clock that stands still until it is moved with [`advance`](Self::advance).
    pub fn settable(now: i64) -> Self {
        Self(Kind::Settable(Arc::new(watch::Sender::new(now))))
    }

    /// Moves a settable clock on; the real one goes by itself.
    pub fn advance(&self, milliseconds: i64) {
        if let Kind::Settable(now) = &self.0 {
            now.send_modify(|now| *now += milliseconds);
        }
    }

    /// Unix milliseconds.
    pub fn now(&self) -> i64 {
        match &self.0 {
            Kind::Real { wall, steady } => wall + (steady_ms() - steady),
            Kind::Settable(now) => *now.borrow(),
        }
    }

    /// Returns when it is `at` or later.
    pub async fn sleep_until(&self, at: i64) {
        match &self.0 {
            Kind::Real { .. } => {
                while let Some(left) = u64::try_from(at - self.now()).ok().filter(|left| *left > 0) {
                    tokio::time::sleep(Duration::from_millis(left).min(NAP)).await;
                }
            }
            Kind::Settable(now) => {
                // The sender lives as long as this clock, so waiting cannot fail.
                let _ = now.subscribe().wait_for(|now| *now >= at).await;
            }
        }
    }
}

fn milliseconds(value: u128) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(unix)]
fn steady_ms() -> i64 {
    use rustix::time::{ClockId, clock_gettime};
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const STEADY: ClockId = ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const STEADY: ClockId = ClockId::Monotonic;
    let time = clock_gettime(STEADY);
    time.tv_sec * 1000 + time.tv_nsec / 1_000_000
}

#[cfg(not(unix))]
fn steady_ms() -> i64 {
    use std::sync::OnceLock;
    use std::time::Instant;
    static START: OnceLock<Instant> = OnceLock::new();
    milliseconds(START.get_or_init(Instant::now).elapsed().as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn settable_clock_wakes_a_sleeper_only_at_its_time() {
        let clock = Clock::settable(1_000);
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move {
                clock.sleep_until(1_500).await;
                clock.now()
            }
        });
        clock.advance(499);
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(1);
        assert_eq!(sleeper.await.unwrap(), 1_500);
    }

    #[test]
    fn no_clock_goes_on_from_before_the_newest_record() {
        let wall = Clock::real().now();
        let ahead = Times { here: None, newest: wall + 3_600_000 };
        assert!(Clock::real().going_on_from(ahead).now() >= ahead.newest, "set back by an hour");
        let behind = Times { here: None, newest: wall - 3_600_000 };
        assert!((wall..wall + 60_000).contains(&Clock::real().going_on_from(behind).now()));
        let database = Times { here: Some(5_000), newest: 1_000 };
        assert!((5_000..65_000).contains(&Clock::real().going_on_from(database).now()));
        assert_eq!(Clock::settable(7).going_on_from(database).now(), 1_000);
        assert_eq!(Clock::settable(1_007).going_on_from(database).now(), 1_007);
    }

    #[test]
    fn real_clock_is_near_the_wall() {
        let wall = || milliseconds(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis());
        let (before, now, after) = (wall(), Clock::real().now(), wall());
        assert!((before - 1_000..=after + 1_000).contains(&now), "{now} is not between {before} and {after}");
    }
}
