//! Servers: their tools as shims reported them, and the policy that people set on them.

mod bypasses;
mod decision_point;
mod definition;
mod drift;
mod lists;
mod policies;
mod record;
mod removal;
mod row;
mod set;
mod simulate;
mod standing;

use std::sync::Arc;

pub use self::bypasses::note_bypass;
pub use self::decision_point::DecisionPoint;
pub use self::definition::{MAX_TOOL_NAME, may_be_kept};
pub use self::drift::drift_of_call;
pub use self::lists::Learned;
use self::policies::ReadyRules;
pub use self::standing::{Question, Shown, Standing, Subject, Tabled, Told};
use crate::hub::clock::Clock;
use crate::hub::live::Live;
use crate::hub::store::{Budgets, Store};

/// The room of servers; clones are the same.
#[derive(Clone)]
pub struct Servers {
    store: Store,
    clock: Clock,
    live: Live,
    budgets: Budgets,
    ready_rules: ReadyRules,
    decision_point: Option<Arc<DecisionPoint>>,
}

impl Servers {
    /// The servers of a store; calls on them are also shown to the external decision point, if there is one.
    pub(super) fn new(
        decision_point: Option<DecisionPoint>,
        live: Live,
        budgets: Budgets,
        store: Store,
        clock: Clock,
    ) -> Self {
        let (ready_rules, decision_point) = (ReadyRules::default(), decision_point.map(Arc::new));
        Self { store, clock, live, budgets, ready_rules, decision_point }
    }

    fn now(&self) -> i64 {
        self.clock.now()
    }
}
