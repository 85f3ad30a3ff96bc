//! How much one agent may make the hub write, so that no agent fills the record or the disk, or crowds out the others.
//!
//! Each kind of writing has a store of its own that empties with use and fills up again with time. What the record
//! leaves out for it is counted, so that it says where it has a hole.
//!
//! Where several hubs serve one store, what makes that store grow is spent from one budget: each hub takes a part of it
//! out of the database and spends that in memory. What takes a hub's own time and memory is of each hub.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::allowance::{Allowance, Taken};
use super::{Connection, Store, StoreError, Tx};
use crate::core::ids::ClientId;
use crate::hub::quota::{Quota, Stores};

/// A hub takes so much of a budget at once, as a part of all there may be.
const PART: i64 = 16;

/// What an agent's doing costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cost {
    /// A connection.
    Connection,
    /// A record that a session began or ended.
    Session,
    /// A tool that a list shows new or changed.
    Tool,
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
            // 10 a second.
            Self::Tool => (1_000, 100),
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

    /// How much may be spent at once.
    pub fn most(self) -> i64 {
        self.quota().most
    }

    /// Under what all hubs have it together, if they have.
    fn of_all_hubs(self) -> Option<&'static str> {
        match self {
            Self::Session => Some("session"),
            Self::Tool => Some("tool"),
            Self::Retry => Some("retry"),
            Self::KiB => Some("kib"),
            Self::Row => Some("row"),
            Self::DeniedKiB => Some("denied kib"),
            Self::Connection | Self::Question | Self::HeardKiB => None,
        }
    }
}

/// What each agent has spent.
#[derive(Clone, Default)]
pub struct Budgets {
    spent: Arc<Mutex<Spent>>,
    /// Other hubs spend, too.
    shared: bool,
}

#[derive(Default)]
struct Spent {
    stores: Stores<(ClientId, Cost)>,
    /// What this hub has taken out of budgets of all hubs.
    taken: HashMap<(ClientId, Cost), Taken>,
    /// So much was not there, and when it will be: the database is not asked before.
    refused: HashMap<(ClientId, Cost), (i64, i64)>,
    /// What was left out of the record since it last said so.
    left_out: HashMap<(ClientId, Cost), u64>,
}

/// What one hub alone knows of an amount.
enum Here {
    /// Whether it is spent, and when there will be enough if not.
    Said(Result<(), i64>),
    /// All hubs have it together, under this.
    AllHubs(&'static str),
}

impl Spent {
    /// Spends up to so much of what was taken out, and returns it.
    fn spend_taken(&mut self, key: &(ClientId, Cost), amount: i64, now: i64) -> i64 {
        let Some(taken) = self.taken.get_mut(key) else { return 0 };
        if taken.until <= now {
            self.taken.remove(key);
            return 0;
        }
        let spent = taken.amount.min(amount);
        taken.amount -= spent;
        spent
    }
}

impl Budgets {
    /// The budgets of a store.
    pub fn of(store: &Store) -> Self {
        Self { spent: Arc::default(), shared: store.is_shared() }
    }

    fn spent(&self) -> MutexGuard<'_, Spent> {
        // Every change is a single insert or remove.
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Spends that much in a transaction, whichever hub the agent has spent at, or says when there will be enough.
    pub async fn spend_in(
        &self,
        tx: &mut Tx,
        agent: &ClientId,
        cost: Cost,
        amount: i64,
        now: i64,
    ) -> Result<Result<(), i64>, StoreError> {
        let what = match self.spend_here(agent, cost, amount, now) {
            Here::Said(said) => return Ok(said),
            Here::AllHubs(what) => what,
        };
        Ok(self.take_out(tx.sql(), what, agent, cost, [amount, amount], now).await?.map(drop))
    }

    /// The same outside of transactions.
    pub async fn spend_at(
        &self,
        store: &Store,
        agent: &ClientId,
        cost: Cost,
        amount: i64,
        now: i64,
    ) -> Result<Result<(), i64>, StoreError> {
        let what = match self.spend_here(agent, cost, amount, now) {
            Here::Said(said) => return Ok(said),
            Here::AllHubs(what) => what,
        };
        let connection = &mut *store.read().acquire().await?;
        Ok(self.take_out(connection, what, agent, cost, [amount, amount], now).await?.map(drop))
    }

    /// Spends as much of that as there is, whichever hub the agent has spent at, and returns it.
    pub async fn spend_up_to_at(
        &self,
        store: &Store,
        agent: &ClientId,
        cost: Cost,
        amount: i64,
        now: i64,
    ) -> Result<i64, StoreError> {
        let Some(what) = self.of_all_hubs(cost) else { return Ok(self.spend_up_to(agent, cost, amount, now)) };
        let here = self.spent().spend_taken(&(agent.clone(), cost), amount, now);
        if here == amount {
            return Ok(amount);
        }
        let connection = &mut *store.read().acquire().await?;
        let more = self.take_out(connection, what, agent, cost, [1, amount - here], now).await?;
        Ok(here + more.unwrap_or_default())
    }

    fn of_all_hubs(&self, cost: Cost) -> Option<&'static str> {
        cost.of_all_hubs().filter(|_| self.shared)
    }

    /// What can be said without the other hubs: all, where they have nothing to do with it or so much was taken out.
    fn spend_here(&self, agent: &ClientId, cost: Cost, amount: i64, now: i64) -> Here {
        let Some(what) = self.of_all_hubs(cost) else { return Here::Said(self.spend(agent, cost, amount, now)) };
        let (mut spent, key) = (self.spent(), (agent.clone(), cost));
        let there = |taken: &Taken| taken.until > now && taken.amount >= amount;
        if amount == 0 || spent.taken.get(&key).is_some_and(there) {
            spent.spend_taken(&key, amount, now);
            return Here::Said(Ok(()));
        }
        Here::AllHubs(what)
    }

    /// Takes a part out of the budget of all hubs, spends up to the larger amount of it and keeps the rest here.
    async fn take_out(
        &self,
        connection: &mut Connection,
        what: &str,
        agent: &ClientId,
        cost: Cost,
        [least, most]: [i64; 2],
        now: i64,
    ) -> Result<Result<i64, i64>, StoreError> {
        let (quota, key) = (cost.quota(), (agent.clone(), cost));
        if let Some((amount, at)) = self.spent().refused.get(&key).copied()
            && amount <= least
            && at > now
        {
            return Ok(Err(at));
        }
        let allowance = Allowance { what, whose: agent.as_str(), quota };
        Ok(match allowance.take(connection, [least, most.max(quota.most / PART)], now).await? {
            Err(enough_at) => {
                let mut spent = self.spent();
                spent.refused.retain(|_, (_, at)| *at > now);
                spent.refused.insert(key, (least, enough_at));
                Err(enough_at)
            }
            Ok(Taken { amount, until }) => {
                let (mut spent, used) = (self.spent(), most.min(amount));
                spent.taken.retain(|_, taken| taken.until > now);
                let kept = spent.taken.entry(key).or_insert(Taken { amount: 0, until });
                *kept = Taken { amount: kept.amount + amount - used, until };
                Ok(used)
            }
        })
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
        let Quota { most, every_ms } = Cost::Tool.quota();
        let spend = |agent, now| budgets.spend(agent, Cost::Tool, 1, now);
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
