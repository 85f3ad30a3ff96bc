//! How much one agent may make the hub write, so that no agent fills the record or the disk, or crowds out the others.
//!
//! Each kind of writing has a store of its own that empties with use and fills up again with time. What the record
//! leaves out for it is counted, so that it says where it has a hole.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::core::ids::ClientId;
use crate::hub::quota::{Quota, Stores};

/// What an agent's doing costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cost {
    /// A connection.
    Connection,
    /// A record that a session began or ended.
    Session,
    /// A list of tools that differs from what is known.
    List,
    /// An approval taken up by a call that comes again.
    Retry,
    /// A KiB of arguments kept with an approval.
    KiB,
    /// A row of the activity log.
    Row,
    /// A KiB of arguments kept with a denied call.
    DeniedKiB,
    /// A question to the external decision point.
    Question,
    /// A KiB of messages, begun ones counted whole.
    HeardKiB,
}

impl Cost {
    /// How much may be spent at once, and in how many milliseconds one comes back.
    fn quota(self) -> Quota {
        let (most, every_ms) = match self {
            // All shims of an agent come back together when the hub starts.
            Self::Connection => (1_000, 100),
            Self::Session => (1_000, 5_000),
            Self::List => (100, 30_000),
            Self::Retry => (120, 2_000),
            // 64 MiB, and 1 MiB a minute.
            Self::KiB => (64 * 1024, 60),
            // 16 MiB, and 256 KiB a minute.
            Self::DeniedKiB => (16 * 1024, 240),
            // As many as the log keeps of one agent, and 200 a second.
            Self::Row => (20_000, 5),
            Self::Question => (600, 50),
            // 64 MiB, and 1 MiB a second.
            Self::HeardKiB => (64 * 1024, 1),
        };
        Quota { most, every_ms }
    }
}

/// What each agent has spent, in this process.
#[derive(Clone, Default)]
pub struct Budgets(Arc<Mutex<Spent>>);

#[derive(Default)]
struct Spent {
    stores: Stores<(ClientId, Cost)>,
    /// What was left out of the record since it last said so.
    left_out: HashMap<(ClientId, Cost), u64>,
}

impl Budgets {
    fn spent(&self) -> MutexGuard<'_, Spent> {
        // Every change is a single insert or remove.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Spends that much, or says when there will be enough.
    pub fn spend(&self, agent: &ClientId, cost: Cost, amount: i64, now: i64) -> Result<(), i64> {
        self.spent().stores.spend((agent.clone(), cost), cost.quota(), amount, now)
    }

    /// Spends that much, there or not; until when there is nothing, if so.
    pub fn owe(&self, agent: &ClientId, cost: Cost, amount: i64, now: i64) -> Option<i64> {
        self.spent().stores.owe((agent.clone(), cost), cost.quota(), amount, now)
    }

    /// Spends as much of that as there is, and returns it.
    pub fn spend_up_to(&self, agent: &ClientId, cost: Cost, amount: i64, now: i64) -> i64 {
        self.spent().stores.spend_up_to((agent.clone(), cost), cost.quota(), amount, now)
    }

    /// So much of this agent was left out of the record.
    pub fn leave_out(&self, agent: &ClientId, cost: Cost, amount: u64) {
        let mut spent = self.spent();
        let left_out = spent.left_out.entry((agent.clone(), cost)).or_default();
        *left_out = left_out.saturating_add(amount);
    }

    /// How much was left out since this was asked last.
    pub fn left_out(&self, agent: &ClientId, cost: Cost) -> u64 {
        self.spent().left_out.remove(&(agent.clone(), cost)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spent_comes_back_with_time_and_each_agent_and_cost_has_its_own() {
        let (budgets, a, b) = (Budgets::default(), ClientId::from("a"), ClientId::from("b"));
        let Quota { most, every_ms } = Cost::List.quota();
        let spend = |agent, now| budgets.spend(agent, Cost::List, 1, now);
        assert!((0..most).all(|_| spend(&a, 0).is_ok()));
        assert_eq!(spend(&a, 0), Err(every_ms));
        assert_eq!((spend(&b, 0), budgets.spend(&a, Cost::Retry, 1, 0)), (Ok(()), Ok(())));
        assert_eq!((spend(&a, every_ms), spend(&a, every_ms)), (Ok(()), Err(2 * every_ms)));
        let later = every_ms * most * 10;
        assert_eq!(
            (0..2 * most).filter(|_| spend(&a, later).is_ok()).count() as i64,
            most,
            "no more than a store full"
        );
    }

    #[test]
    fn an_amount_is_spent_whole_or_not_at_all() {
        let (budgets, a) = (Budgets::default(), ClientId::from("a"));
        let Quota { most, every_ms } = Cost::KiB.quota();
        assert_eq!(budgets.spend(&a, Cost::KiB, most - 1, 0), Ok(()));
        assert_eq!(budgets.spend(&a, Cost::KiB, 3, 0), Err(2 * every_ms));
        assert_eq!(budgets.spend(&a, Cost::KiB, 1, 0), Ok(()));
        assert!(budgets.spend(&a, Cost::KiB, i64::MAX, i64::from(u32::MAX)).is_err());
    }

    #[test]
    fn what_is_owed_is_waited_for() {
        let (budgets, a) = (Budgets::default(), ClientId::from("a"));
        let Quota { most, every_ms } = Cost::HeardKiB.quota();
        assert_eq!(budgets.owe(&a, Cost::HeardKiB, most, 0), None);
        assert_eq!(budgets.owe(&a, Cost::HeardKiB, 500, 0), Some(500 * every_ms));
        assert_eq!(budgets.owe(&a, Cost::HeardKiB, 1, 501 * every_ms), None);
    }

    #[test]
    fn as_much_as_there_is_can_be_spent() {
        let (budgets, a) = (Budgets::default(), ClientId::from("a"));
        let Quota { most, every_ms } = Cost::Row.quota();
        let first = budgets.spend_up_to(&a, Cost::Row, 10 * most, 0);
        assert!((most - 1..=most).contains(&first), "{first} of {most}");
        assert!(budgets.spend_up_to(&a, Cost::Row, 10, 0) <= 1);
        let later = budgets.spend_up_to(&a, Cost::Row, 10, 5 * every_ms);
        assert!((4..=5).contains(&later), "{later}");
    }

    #[test]
    fn what_is_left_out_is_counted_once_for_each_agent_and_cost() {
        let (budgets, a, b) = (Budgets::default(), ClientId::from("a"), ClientId::from("b"));
        budgets.leave_out(&a, Cost::Row, 3);
        budgets.leave_out(&a, Cost::Row, u64::MAX);
        budgets.leave_out(&b, Cost::Session, 1);
        assert_eq!((budgets.left_out(&a, Cost::Row), budgets.left_out(&a, Cost::Session)), (u64::MAX, 0));
        assert_eq!((budgets.left_out(&a, Cost::Row), budgets.left_out(&b, Cost::Session)), (0, 1));
    }
}
