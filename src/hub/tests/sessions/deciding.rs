//! A held call from its registration to its end, as the shim hears of it.

use super::served::{Served, release_of};
use crate::core::approval::{Outcome, Status};
use crate::core::messages::{CallOutcome, Cancel, Decision, Extended};
use crate::core::policy::Verdict;
use crate::hub::error::DecideError;
use crate::hub::tests::desk::{Desk, request};
use crate::wire::{ToHub, ToWrap};

#[tokio::test]
async fn a_held_call_is_approved_released_and_its_outcome_recorded() {
    for desk in Desk::everywhere().await {
        let hub = Served::with(desk).await;
        let (mut wire, welcome) = hub.shim("shim-1", Vec::new()).await;
        assert_eq!(welcome.client_id, hub.desk.agent.client_id);
        assert_eq!(welcome.table.ruling("unknown").verdict, Verdict::Gate);
        let call = request(&hub.desk.shim, "delete_repo", "{ \"repo\": 1.0 }");
        let registered = wire.register(&call).await;
        assert_eq!((registered.remaining_ms, &registered.approval), (300_000, &call.id));
        assert_eq!(registered.link, format!("http://127.0.0.1:7420/approvals/{}", call.id));
        let approved = hub.desk.hub.approvals.approve(&call.id, &hub.desk.approver, None).await.unwrap();
        assert_eq!(approved.given.unwrap().arguments, "{ \"repo\": 1.0 }", "the raw text");
        let expected = Decision::Approved { digest: call.digest.clone() };
        assert_eq!(wire.hear_decision().await, expected);
        wire.say(&ToHub::Release(release_of(&call))).await;
        assert_eq!(wire.hear().await, ToWrap::Go(release_of(&call)));
        let end = CallOutcome { approval: call.id.clone(), outcome: Outcome::Succeeded, duration_ms: 3 };
        wire.say(&ToHub::Outcome(end)).await;
        hub.becomes(&call.id, Status::Approved, Outcome::Succeeded).await;
    }
}

#[tokio::test]
async fn the_shim_hears_once_of_a_reader_of_more_time_and_of_the_rejection_with_its_reason() {
    let hub = Served::new().await;
    let (mut wire, call) = hub.holding().await;
    for _ in 0..3 {
        hub.desk.hub.approvals.seen(&call.id, &hub.desk.approver).await.unwrap();
    }
    assert_eq!(wire.hear().await, ToWrap::Seen { approval: call.id.clone() });
    hub.desk.hub.approvals.extend(&call.id, &hub.desk.approver, Some(60)).await.unwrap();
    let extended = Extended { approval: call.id.clone(), remaining_ms: 360_000 };
    assert_eq!(wire.hear().await, ToWrap::Extended(extended));
    hub.desk.hub.approvals.reject(&call.id, &hub.desk.approver, Some("Wrong environment".into())).await.unwrap();
    let expected = Decision::Rejected { reason: Some("Wrong environment".into()) };
    assert_eq!(wire.hear_decision().await, expected);
}

#[tokio::test]
async fn the_shim_hears_of_the_deadline_and_of_an_approval_that_went_stale() {
    let hub = Served::new().await;
    let (mut wire, late) = hub.holding().await;
    hub.desk.clock.advance(300_000);
    assert_eq!(wire.hear_decision().await, Decision::TimedOut);
    hub.becomes(&late.id, Status::TimedOut, Outcome::NotExecuted).await;
    let stale = request(&hub.desk.shim, "delete_repo", "{}");
    wire.register(&stale).await;
    hub.desk.hub.approvals.approve(&stale.id, &hub.desk.approver, None).await.unwrap();
    assert!(matches!(wire.hear_decision().await, Decision::Approved { .. }));
    hub.desk.clock.advance(10_000);
    assert!(matches!(wire.hear_decision().await, Decision::Cancelled { .. }));
    wire.say(&ToHub::Release(release_of(&stale))).await;
    assert!(matches!(wire.hear_decision().await, Decision::Cancelled { .. }));
}

#[tokio::test]
async fn goodbye_and_cancel_take_back_at_once() {
    let hub = Served::new().await;
    let (mut wire, first) = hub.holding().await;
    let second = request(&hub.desk.shim, "delete_repo", "{}");
    wire.register(&second).await;
    wire.say(&ToHub::Cancel(Cancel {
        approval: first.id.clone(),
        reason: "cancelled by the client".into(),
        keep: false,
    }))
    .await;
    hub.becomes(&first.id, Status::Cancelled, Outcome::NotExecuted).await;
    wire.say(&ToHub::Bye).await;
    assert_eq!(wire.hear_end().await, 1000);
    hub.becomes(&second.id, Status::Cancelled, Outcome::NotExecuted).await;
    let refusal = hub.desk.hub.approvals.approve(&second.id, &hub.desk.approver, None).await.unwrap_err();
    assert!(matches!(refusal, DecideError::TooLate(_)), "{refusal}");
}
