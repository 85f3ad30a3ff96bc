//! Servers: their tools as shims reported them, and the policy that people set on them.

pub(super) mod bypasses;
pub mod decision_point;
pub(super) mod definition;
pub(super) mod drift;
pub(super) mod lists;
mod policies;
mod record;
mod removal;
mod row;
pub(super) mod set;
mod simulate;
pub(super) mod standing;

use std::sync::Arc;

use self::decision_point::DecisionPoint;
use self::policies::ReadyRules;
use crate::hub::clock::Clock;
use crate::hub::live::Live;
use crate::hub::store::Store;
use crate::hub::store::budget::Budgets;

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
