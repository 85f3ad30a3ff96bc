//! The hub's clock, passed in so that tests move time.
//!
//! The wall is asked once, at start; from there on only steady time counts, time asleep included, so that a step of
//! the wall clock neither approves nor rejects anything.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

/// The longest single sleep: timers stand still while the machine sleeps, the clock does not.
const NAP: Duration = Duration::from_secs(5);

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
    pub fn real() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| milliseconds(since.as_millis()));
        Self(Kind::Real { wall, steady: steady_ms() })
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
    fn real_clock_is_near_the_wall() {
        let wall = || milliseconds(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis());
        let (before, now, after) = (wall(), Clock::real().now(), wall());
        assert!((before - 1_000..=after + 1_000).contains(&now), "{now} is not between {before} and {after}");
    }
}
