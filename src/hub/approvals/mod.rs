//! Approvals: registered, decided, held, ended and listed.

mod decide;
mod due;
mod facts;
mod find;
mod given;
mod history;
mod hold;
mod insights;
mod life;
mod list;
mod register;
mod rollback;
mod row;
#[cfg(test)]
mod tests;

pub use self::hold::{Released, end_all};
pub use self::life::{DISCONNECTED, UNUSED};
pub use self::list::ApprovalFilter;
pub use self::register::Registration;
pub use self::row::Held;
use crate::hub::clock::Clock;
use crate::hub::live::Live;
use crate::hub::servers::Servers;
use crate::hub::store::{Budgets, Store};

/// The room of approvals; clones are the same.
#[derive(Clone)]
pub struct Approvals {
    store: Store,
    clock: Clock,
    live: Live,
    budgets: Budgets,
    servers: Servers,
    times: Times,
}

/// How long an approval stays usable, in milliseconds.
#[derive(Clone, Copy)]
pub(super) struct Times {
    /// After its decision, by an identical call that comes again.
    pub(super) grant_for_ms: i64,
    /// While its shim is away.
    pub(super) resume_within_ms: i64,
}

impl Approvals {
    /// Weighs calls with the policy of these servers.
    pub(super) fn new(
        servers: Servers,
        live: Live,
        budgets: Budgets,
        times: Times,
        store: Store,
        clock: Clock,
    ) -> Self {
        Self { store, clock, live, budgets, servers, times }
    }

    fn now(&self) -> i64 {
        self.clock.now()
    }
}
