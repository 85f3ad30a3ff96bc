//! The hub's clock, passed in so that tests move time.

/// Unix milliseconds, and sleeping by them.
#[derive(Clone, Debug)]
pub struct Clock {}

#[allow(clippy::todo, unused_variables)]
impl Clock {
    /// The machine's clock: the wall's time at start, and from there on only steady time.
    pub fn real() -> Self {
        todo!()
    }

    /// A clock that stands still until it is moved with [`advance`](Self::advance).
    pub fn settable(now: i64) -> Self {
        todo!()
    }

    /// Moves a settable clock on.
    pub fn advance(&self, milliseconds: i64) {
        todo!()
    }

    /// Unix milliseconds.
    pub fn now(&self) -> i64 {
        todo!()
    }

    /// Returns when it is `at` or later.
    pub async fn sleep_until(&self, at: i64) {
        todo!()
    }
}
