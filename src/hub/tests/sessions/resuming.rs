//! Connections that are lost, replaced and made again.

use super::served::{Served, release_of};
use crate::PATIENCE;
use crate::core::approval::{Outcome, Status};
use crate::core::messages::Decision;
use crate::hub::tests::desk::{Desk, START};
use crate::wire::{ToHub, ToWrap};

#[tokio::test]
async fn a_shim_that_was_lost_comes_back_and_learns_what_was_decided_meanwhile() {
    let hub = Served::new().await;
    let (wire, call) = hub.holding().await;
    drop(wire);
    hub.desk.hub.approvals.approve(&call.id, &hub.desk.approver, None).await.unwrap();
    let (mut wire, _) = hub.shim("shim-1", vec![call.id.clone()]).await;
    wire.register(&call).await;
    assert!(matches!(wire.hear_decision().await, Decision::Approved { .. }));
    wire.say(&ToHub::Release(release_of(&call))).await;
    assert_eq!(wire.hear().await, ToWrap::Go(release_of(&call)));
    drop(wire);
    let (mut wire, _) = hub.shim("shim-1", vec![call.id.clone()]).await;
    wire.say(&ToHub::Release(release_of(&call))).await;
    assert_eq!(wire.hear().await, ToWrap::Go(release_of(&call)), "a lost go may be asked for again");
    let (mut other, _) = hub.shim("shim-2", vec![call.id.clone()]).await;
    other.say(&ToHub::Release(release_of(&call))).await;
    assert!(matches!(other.hear_decision().await, Decision::Cancelled { .. }));
}

#[tokio::test]
async fn a_shim_that_was_lost_and_stays_away_is_given_up() {
    let hub = Served::new().await;
    let (wire, call) = hub.holding().await;
    drop(wire);
    let live = &hub.desk.hub.live;
    tokio::time::timeout(PATIENCE, async {
        while live.next_given_up().is_none() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the loss is noticed");
    assert_eq!(live.next_given_up(), Some(START + 15_000));
    hub.desk.clock.advance(15_000);
    hub.becomes(&call.id, Status::Cancelled, Outcome::NotExecuted).await;
}

#[tokio::test]
async fn a_second_connection_of_the_same_run_replaces_the_first_and_keeps_its_calls() {
    let hub = Served::new().await;
    let (mut old, call) = hub.holding().await;
    let (mut new, _) = hub.shim("shim-1", vec![call.id.clone()]).await;
    assert_eq!(old.hear_end().await, 1000);
    new.register(&call).await;
    hub.desk.hub.approvals.approve(&call.id, &hub.desk.approver, None).await.unwrap();
    assert!(matches!(new.hear_decision().await, Decision::Approved { .. }));
}

#[tokio::test]
async fn a_stopping_hub_says_so_and_the_next_one_has_the_held_call() {
    for desk in Desk::everywhere().await {
        let hub = Served::with(desk).await;
        let (mut wire, call) = hub.holding().await;
        hub.desk.hub.shutdown().cancel();
        assert_eq!(wire.hear().await, ToWrap::Draining);
        assert_eq!(wire.hear_end().await, 1012);
        tokio::time::timeout(PATIENCE, hub.desk.hub.close()).await.expect("it closes");
        let hub = Served::with(hub.desk.restarted().await).await;
        let (mut wire, _) = hub.shim("shim-1", vec![call.id.clone()]).await;
        wire.register(&call).await;
        hub.desk.clock.advance(20_000);
        hub.desk.hub.approvals.approve(&call.id, &hub.desk.approver, None).await.unwrap();
        assert!(matches!(wire.hear_decision().await, Decision::Approved { .. }));
        wire.say(&ToHub::Release(release_of(&call))).await;
        assert_eq!(wire.hear().await, ToWrap::Go(release_of(&call)));
    }
}

#[tokio::test]
async fn nobody_is_given_up_while_the_store_cannot_take_it() {
    for desk in Desk::everywhere().await.into_iter().filter(Desk::is_on_postgres) {
        let hub = Served::with(desk).await;
        let (wire, call) = hub.holding().await;
        drop(wire);
        let live = &hub.desk.hub.live;
        let until = async |at: i64| {
            while live.next_given_up() != Some(at) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, until(START + 15_000)).await.expect("the loss is noticed");
        hub.desk.stop_approvals().await;
        hub.desk.clock.advance(15_000);
        tokio::time::timeout(PATIENCE, until(START + 30_000)).await.expect("it is put off");
        hub.desk.go_on_with_approvals().await;
        let (mut wire, _) = hub.shim("shim-1", vec![call.id.clone()]).await;
        wire.register(&call).await;
        assert_eq!(hub.desk.now(&call.id).await.status, Status::Pending);
    }
}
