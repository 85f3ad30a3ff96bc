//! What a call costs in the store: the writer is as fast as it has few statements to ask for.

use super::desk::{Desk, listed, tool};
use crate::core::approval::Outcome;
use crate::core::messages::CallOutcome;
use crate::core::policy::Verdict;
use crate::core::trust::Level;
use crate::core::weigh::Opinion;
use crate::hub::agents::AgentChange;
use crate::hub::approvals::{Registration, Released};
use crate::hub::error::DecideError;
use crate::hub::model::{PolicyChange, Role};
use crate::hub::people::UserChange;
use crate::hub::store::Store;
use crate::hub::who::Actor;
use crate::hub::{Hub, Settings};

/// What is written with every commit that records something: its records, and the head of the chain.
const OF_A_COMMIT: u64 = 2;

/// Counts from the last look on.
struct Count {
    store: Store,
    before: u64,
}

impl Count {
    fn of(desk: &Desk) -> Self {
        Self { store: desk.hub.store.clone(), before: desk.hub.store.asked() }
    }

    /// How many statements one change took.
    fn one(&mut self) -> u64 {
        let before = std::mem::replace(&mut self.before, self.store.asked());
        self.before - before - OF_A_COMMIT
    }
}

#[tokio::test]
async fn each_step_of_a_call_takes_three_statements_at_most() {
    for desk in Desk::everywhere().await {
        each_step_takes_three_at_most(&desk).await;
    }
}

async fn each_step_takes_three_at_most(desk: &Desk) {
    let _joined = desk.connect();
    desk.hub.servers.learn(&desk.shim, &listed(vec![tool("delete_repo", "")])).await.unwrap();
    // What is read with the first call is in memory for the others, and so is a part of the agent's budgets.
    let first = desk.hold().await;
    desk.hub.approvals.approve(&first.id, &desk.approver, None).await.unwrap();
    let mut count = Count::of(desk);
    let held = desk.hold_request(desk.request("{\"repo\":\"b\"}")).await;
    assert_eq!(count.one(), 3, "registered");
    desk.hub.approvals.approve(&held.id, &desk.approver, None).await.unwrap();
    assert_eq!(count.one(), 2, "decided");
    let release = desk.release_of(&held.id).await;
    assert_eq!(desk.hub.approvals.release(&desk.shim, release).await.unwrap(), Released::Go);
    assert_eq!(count.one(), 2, "released");
    let end = CallOutcome { approval: held.id, outcome: Outcome::Succeeded, duration_ms: 7 };
    desk.hub.approvals.finish(&desk.shim, end).await.unwrap();
    assert_eq!(count.one(), 1, "ended");
}

/// What another process may change, and what it means for a call that was approved.
#[tokio::test]
async fn a_change_by_another_process_counts_for_the_next_step_of_a_call() {
    for desk in Desk::everywhere().await {
        let _joined = desk.connect();
        desk.hub.servers.learn(&desk.shim, &listed(vec![tool("delete_repo", "")])).await.unwrap();
        let other = Store::open(&desk.fresh.url).await.unwrap();
        let other = Hub::open(other, Settings::default(), desk.clock.clone()).await.unwrap();
        let agent = &desk.shim.client_id;
        let limit = |level| AgentChange { trust: Some([("github".to_owned(), level)].into()), ..Default::default() };
        let set = |level| other.agents.change_agent(agent, limit(level), &Actor::Operator);
        let pending = desk.hold().await;

        let approved = desk.hold().await;
        desk.hub.approvals.approve(&approved.id, &desk.approver, None).await.unwrap();
        set(Level::Low).await.unwrap();
        let release = desk.release_of(&approved.id).await;
        let Released::No(why) = desk.hub.approvals.release(&desk.shim, release).await.unwrap() else { panic!() };
        assert!(why.contains("policy denies it"), "{why}");
        set(Level::High).await.unwrap();

        let threshold = |level| PolicyChange { threshold: Some(level), ..Default::default() };
        let gate_from = |level| other.servers.change_policy("github", &Actor::Operator, threshold(level));
        gate_from(None).await.unwrap();
        assert_eq!(verdicts(&desk).await, [Verdict::Pass; 2]);
        gate_from(Some(Level::High)).await.unwrap();
        assert_eq!(verdicts(&desk).await, [Verdict::Gate; 2]);

        let viewer = UserChange { role: Some(Role::Viewer), ..Default::default() };
        other.people.change_user("bob", viewer, &Actor::Operator).await.unwrap();
        let refused = desk.hub.approvals.approve(&pending.id, &desk.approver, None).await;
        assert!(matches!(refused, Err(DecideError::Forbidden)), "{refused:?}");
    }
}

/// What a call of the tool comes to when it is registered, and in the shim's table.
async fn verdicts(desk: &Desk) -> [Verdict; 2] {
    let request = desk.request("{}");
    let registered = match desk.hub.approvals.register(&desk.shim, request, &Opinion::None).await.unwrap() {
        Registration::Ruled(ruling) => ruling.verdict,
        Registration::Held(_) => Verdict::Gate,
        Registration::Busy(why) => panic!("{why}"),
    };
    [registered, desk.table().await.ruling("delete_repo").verdict]
}
