//! How long to wait before the hub is tried again.

use std::time::Duration;

use crate::chance::{any, jittered, jittered_by};

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);
/// After a refusal that a person must do something about.
const REFUSED: Duration = Duration::from_secs(30);

/// Doubling waits with jitter, so that many shims do not come back at once.
#[derive(Debug)]
pub struct Backoff(Duration);

impl Default for Backoff {
    /// Starts with the shortest wait.
    fn default() -> Self {
        Self(FIRST)
    }
}

impl Backoff {
    /// The next wait, longer each time.
    pub fn lost(&mut self) -> Duration {
        self.lost_by(any())
    }

    /// The same by this number, of which any is as likely.
    pub fn lost_by(&mut self, any: u32) -> Duration {
        let wait = self.0;
        self.0 = (wait * 2).min(LONGEST);
        jittered_by(wait, any)
    }

    /// The wait after a refusal.
    pub fn refused(&mut self) -> Duration {
        self.0 = LONGEST;
        jittered(REFUSED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_are_never_zero() {
        let mut backoff = Backoff::default();
        assert!(backoff.lost() <= FIRST);
        let later: Vec<_> = std::iter::repeat_with(|| backoff.lost()).take(20).collect();
        assert!(later.iter().all(|wait| (FIRST / 2..=LONGEST).contains(wait)), "{later:?}");
        assert!(later[19] >= LONGEST / 2);
        assert!(backoff.refused() >= REFUSED / 2);
    }
}
