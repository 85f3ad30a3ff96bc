//! Calls whose clients could not wait: one card, for its session or what comes after it, and one use.

use super::desk::{Desk, new_id};
use crate::core::approval::{Outcome, Status};
use crate::core::call;
use crate::core::ids::{ApprovalId, InstanceId};
use crate::core::messages::{Activity, CallOutcome, Cancel, ClientInfo, Release, Request};
use crate::core::policy::Verdict;
use crate::core::weigh::Opinion;
use crate::hub::Settings;
use crate::hub::approvals::{Registration, Released};
use crate::hub::model::Approval;
use crate::hub::store::ActivityFilter;
use crate::hub::who::Shim;

const SENT: &str = r#"{"repo":"a b","n":1.0}"#;
const SENT_AGAIN: &str = "{ \"repo\": \"a b\",\n  \"n\": 1.0 }";

/// Another session of the same agent.
pub(super) fn another(desk: &Desk) -> Shim {
    Shim { instance: InstanceId::from("shim-2"), ..desk.shim.clone() }
}

fn cancel(approval: &ApprovalId, keep: bool) -> Cancel {
    Cancel { approval: approval.clone(), reason: "Request timed out".into(), keep }
}

async fn held_and_handed_off(desk: &Desk) -> Approval {
    let held = desk.hold_request(desk.request(SENT)).await;
    desk.hub.approvals.cancel(&desk.shim, cancel(&held.id, true)).await.unwrap();
    held
}

pub(super) async fn hold_as(desk: &Desk, shim: &Shim, request: Request) -> Approval {
    match desk.hub.approvals.register(shim, request, &Opinion::None).await.unwrap() {
        Registration::Held(held) => held.approval,
        other => panic!("not held: {other:?}"),
    }
}

fn release_of(desk: &Desk, approval: &ApprovalId, arguments: &str) -> Release {
    let digest =
        call::digest(&call::Bound::plain(&desk.shim.client_id, &desk.shim.server, "delete_repo", None, arguments));
    Release { approval: approval.clone(), digest }
}

#[tokio::test]
async fn a_kept_card_outlives_its_shim_and_is_released_to_the_one_that_came_back_for_it() {
    for desk in Desk::everywhere().await {
        let first = held_and_handed_off(&desk).await;
        desk.hub.approvals.gone(&desk.shim.client_id, &desk.shim.instance).await.unwrap();
        assert_eq!(desk.now(&first.id).await.status, Status::Pending);

        let back = another(&desk);
        let joined = hold_as(&desk, &back, desk.request(SENT_AGAIN)).await;
        assert_eq!((&joined.id, joined.given.unwrap().arguments.as_str(), joined.asked_again), (&first.id, SENT, 1));
        desk.hub.approvals.approve(&first.id, &desk.approver, None).await.unwrap();
        for (shim, arguments) in [(&desk.shim, SENT), (&desk.shim, SENT_AGAIN), (&back, SENT_AGAIN)] {
            let answer = desk.hub.approvals.release(shim, release_of(&desk, &first.id, arguments)).await.unwrap();
            assert!(matches!(answer, Released::No(_)), "{:?} {arguments}", shim.instance);
        }
        let release = release_of(&desk, &first.id, SENT);
        assert_eq!(desk.hub.approvals.release(&back, release).await.unwrap(), Released::Go);
        let records = desk.hub.store().audit(0, 1000).await.unwrap();
        let joined = records.iter().find(|record| record.action == "approval.joined").unwrap();
        let detail: serde_json::Value = serde_json::from_str(&joined.detail).unwrap();
        assert_eq!(detail["arguments"], SENT_AGAIN, "both texts are in the record");
    }
}

#[tokio::test]
async fn an_approval_given_meanwhile_stays_bound_to_the_bytes_that_were_shown() {
    for desk in Desk::everywhere().await {
        let first = held_and_handed_off(&desk).await;
        desk.hub.approvals.approve(&first.id, &desk.approver, None).await.unwrap();
        let unheld = desk.hub.approvals.release(&desk.shim, release_of(&desk, &first.id, SENT)).await.unwrap();
        assert!(matches!(unheld, Released::No(_)), "nothing executes without a live request");
        let joined = hold_as(&desk, &desk.shim, desk.request(SENT_AGAIN)).await;
        assert_eq!((&joined.id, joined.status), (&first.id, Status::Approved));
        let other = desk.hub.approvals.release(&desk.shim, release_of(&desk, &first.id, SENT_AGAIN)).await.unwrap();
        assert!(matches!(other, Released::No(_)), "what was shown is what runs");
        let release = release_of(&desk, &first.id, SENT);
        assert_eq!(desk.hub.approvals.release(&desk.shim, release).await.unwrap(), Released::Go);
        assert_ne!(hold_as(&desk, &desk.shim, desk.request(SENT)).await.id, first.id, "it is used up");
    }
}

#[tokio::test]
async fn of_two_retries_at_once_one_joins_and_the_other_gets_a_card_of_its_own() {
    for desk in Desk::everywhere().await {
        let first = held_and_handed_off(&desk).await;
        let back = another(&desk);
        let (one, two) = tokio::join!(
            hold_as(&desk, &desk.shim, desk.request(SENT)),
            hold_as(&desk, &back, desk.request(SENT_AGAIN)),
        );
        assert_eq!([&one.id, &two.id].into_iter().filter(|id| **id == first.id).count(), 1);
        assert_ne!(one.id, two.id);
    }
}

#[tokio::test]
async fn an_approval_is_kept_for_its_own_session_or_what_comes_after_it() {
    for desk in Desk::everywhere().await {
        let first = held_and_handed_off(&desk).await;
        let client = |name: &str| ClientInfo { name: name.into(), version: "1".into() };
        let codex = Shim { client: client("codex-mcp-client"), ..another(&desk) };
        assert_ne!(hold_as(&desk, &codex, desk.request(SENT)).await.id, first.id, "another client's");
        let named = Request { client: Some(client("codex-mcp-client")), ..desk.request(SENT) };
        assert_ne!(hold_as(&desk, &another(&desk), named).await.id, first.id, "as the call names it");

        let number = desk.connect().number;
        assert_ne!(hold_as(&desk, &another(&desk), desk.request(SENT)).await.id, first.id, "its own session is there");
        desk.hub.shims.shim_lost(&desk.shim, number).await.unwrap();
        assert_ne!(hold_as(&desk, &another(&desk), desk.request(SENT)).await.id, first.id, "it may come back");
        desk.hub.live.forget(&desk.shim.client_id, &desk.shim.instance, i64::MAX);
        assert_eq!(hold_as(&desk, &another(&desk), desk.request(SENT)).await.id, first.id);
    }
}

#[tokio::test]
async fn a_shim_that_names_its_call_only_keeps_the_approval_that_it_joined() {
    for desk in Desk::everywhere().await {
        let first = held_and_handed_off(&desk).await;
        let retry = desk.request(SENT_AGAIN);
        desk.hold_request(retry.clone()).await;
        // The answer was lost with the connection.
        desk.hub.approvals.resume(&desk.shim, vec![retry.id.clone()]).await.unwrap();
        assert_eq!(desk.now(&first.id).await.status, Status::Pending);
        assert_eq!(desk.hold_request(retry).await.id, first.id, "told again, it is the same");
        desk.hub.approvals.resume(&desk.shim, Vec::new()).await.unwrap();
        assert_eq!(desk.now(&first.id).await.status, Status::Cancelled);
    }
}

#[tokio::test]
async fn a_call_that_is_still_held_is_joined_by_nobody() {
    for desk in Desk::everywhere().await {
        let live = desk.hold_request(desk.request(SENT)).await;
        let other = hold_as(&desk, &another(&desk), desk.request(SENT)).await;
        assert_ne!(other.id, live.id);
        desk.hub.approvals.approve(&live.id, &desk.approver, None).await.unwrap();
        assert_ne!(hold_as(&desk, &another(&desk), desk.request(SENT)).await.id, live.id);
        let release = release_of(&desk, &live.id, SENT);
        assert_eq!(desk.hub.approvals.release(&desk.shim, release).await.unwrap(), Released::Go);
    }
}

#[tokio::test]
async fn another_definition_or_other_values_are_another_call() {
    for desk in Desk::everywhere().await {
        let first = held_and_handed_off(&desk).await;
        for arguments in [r#"{"n":1,"repo":"a b"}"#, r#"{"repo":"a b","n":1.00}"#, r#"{"repo":"ab","n":1.0}"#] {
            assert_ne!(desk.hold_request(desk.request(arguments)).await.id, first.id, "{arguments}");
        }
        let definition = Some(crate::core::ids::Digest::of(b"changed"));
        let digest =
            call::digest(&call::Bound::plain(&desk.shim.client_id, "github", "delete_repo", definition.as_ref(), SENT));
        let changed = Request { definition, digest, ..desk.request(SENT) };
        assert_ne!(desk.hold_request(changed).await.id, first.id);
        let extra = Some(r#"{"task":{}}"#.to_owned());
        let plain = call::Bound::plain(&desk.shim.client_id, "github", "delete_repo", None, SENT);
        let digest = call::digest(&call::Bound { extra: extra.as_deref(), ..plain });
        let more = desk.hold_request(Request { extra: extra.clone(), digest, ..desk.request(SENT) }).await;
        assert_ne!(more.id, first.id);
        assert_eq!(more.given.unwrap().extra, extra);
        assert!(desk.hub.approvals.held(&first.id).await.unwrap().unwrap().approval.handed_off);
    }
}

#[tokio::test]
async fn a_rejection_nobody_heard_is_told_to_the_first_retry_and_to_no_other() {
    for desk in Desk::everywhere().await {
        let first = held_and_handed_off(&desk).await;
        desk.hub.approvals.reject(&first.id, &desk.approver, Some("wrong place".into())).await.unwrap();
        let told = hold_as(&desk, &another(&desk), desk.request(SENT)).await;
        assert_eq!((&told.id, told.status, told.reason.as_deref()), (&first.id, Status::Rejected, Some("wrong place")));
        let next = desk.hold_request(desk.request(SENT)).await;
        assert_eq!((next.id == first.id, next.status), (false, Status::Pending));
    }
}

#[tokio::test]
async fn a_card_nobody_comes_back_for_times_out() {
    for desk in Desk::everywhere().await {
        super::releases::in_background(&desk);
        let first = held_and_handed_off(&desk).await;
        desk.clock.advance(300_000);
        super::releases::becomes(&desk, &first.id, Status::TimedOut, Outcome::NotExecuted).await;
        assert_ne!(desk.hold_request(desk.request(SENT)).await.id, first.id);
    }
}

#[tokio::test]
async fn a_retry_keeps_its_card_through_a_second_hand_off_and_a_late_word_on_the_first_call() {
    for desk in Desk::everywhere().await {
        let first = held_and_handed_off(&desk).await;
        desk.hub.approvals.cancel(&desk.shim, cancel(&first.id, false)).await.unwrap();
        assert_eq!(desk.now(&first.id).await.status, Status::Pending, "nothing live is left to take back");
        let retry = desk.request(SENT_AGAIN);
        desk.hold_request(retry.clone()).await;
        // Handed off before the shim heard which card it joined: it can only name its own request.
        desk.hub.approvals.cancel(&desk.shim, cancel(&retry.id, true)).await.unwrap();
        assert!(desk.hub.approvals.held(&first.id).await.unwrap().unwrap().approval.handed_off);
        let last = Request { id: new_id(), ..retry };
        assert_eq!(desk.hold_request(last.clone()).await.id, first.id);
        desk.hub.approvals.cancel(&desk.shim, cancel(&last.id, false)).await.unwrap();
        assert_eq!(desk.now(&first.id).await.status, Status::Cancelled);
    }
}

#[tokio::test]
async fn how_long_a_grant_and_an_absence_last_is_a_setting() {
    let desk = Desk::new().await;
    let settings = Settings { grant_for_ms: 2_000, resume_within_ms: 90_000, ..Settings::default() };
    let desk = desk.served_with(settings).await;
    let first = held_and_handed_off(&desk).await;
    desk.hub.approvals.approve(&first.id, &desk.approver, None).await.unwrap();
    let grace = desk.grace(&first.id).await;
    assert_eq!(grace, Some(super::desk::START + 2_000));

    let away = desk.hold().await;
    desk.lose().await;
    assert_eq!(desk.hub.live.next_given_up(), Some(super::desk::START + 90_000));
    desk.hub.approvals.approve(&away.id, &desk.approver, None).await.unwrap();
    let grace = desk.grace(&away.id).await;
    assert_eq!(grace, Some(super::desk::START + 90_000));
}

#[tokio::test]
async fn the_activity_log_tells_how_a_gated_call_ended_and_how_many_it_does_not_tell() {
    for desk in Desk::everywhere().await {
        let first = held_and_handed_off(&desk).await;
        let retry = desk.request(SENT);
        desk.hold_request(retry.clone()).await;
        desk.hub.shims.log_calls(&desk.shim, vec![gated(&first.id), gated(&retry.id)], 3).await.unwrap();
        desk.hub.approvals.reject(&first.id, &desk.approver, None).await.unwrap();
        let rows = desk.hub.store().activity(&ActivityFilter::default()).await.unwrap().items;
        assert_eq!((rows.len(), rows[0].verdict.as_str(), rows[0].dropped), (3, "dropped", 3));
        for row in &rows[1..] {
            assert_eq!((row.approval.as_ref(), row.outcome), (Some(&first.id), Some(Outcome::NotExecuted)));
        }
    }
}

/// A gated call as its shim tells of it.
fn gated(request: &ApprovalId) -> Activity {
    Activity {
        age_ms: 0,
        tool: "delete_repo".into(),
        verdict: Verdict::Gate,
        bypass: false,
        approval: Some(request.clone()),
        outcome: None,
        duration_ms: None,
        running: None,
        denied: None,
    }
}

#[tokio::test]
async fn each_try_is_told_of_as_what_became_of_it_and_all_of_them_with_their_approval() {
    for desk in Desk::everywhere().await {
        let tries: Vec<Request> = (0..4).map(|_| desk.request(SENT)).collect();
        let tell = |n: usize| desk.hub.shims.log_calls(&desk.shim, vec![gated(&tries[n].id)], 0);
        let give_up = |n: usize| desk.hub.approvals.cancel(&desk.shim, cancel(&tries[n].id, true));
        // Told of before, between and after the hub's own steps.
        let first = desk.hold_request(tries[0].clone()).await;
        tell(0).await.unwrap();
        give_up(0).await.unwrap();
        tell(1).await.unwrap();
        desk.hold_request(tries[1].clone()).await;
        give_up(1).await.unwrap();
        desk.hold_request(tries[2].clone()).await;
        give_up(2).await.unwrap();
        tell(2).await.unwrap();
        desk.hold_request(tries[3].clone()).await;
        tell(3).await.unwrap();
        desk.hub.approvals.approve(&first.id, &desk.approver, None).await.unwrap();
        let release = release_of(&desk, &first.id, SENT);
        assert_eq!(desk.hub.approvals.release(&desk.shim, release).await.unwrap(), Released::Go);
        let end = CallOutcome { approval: first.id.clone(), outcome: Outcome::Succeeded, duration_ms: 3 };
        desk.hub.approvals.finish(&desk.shim, end).await.unwrap();
        let rows = desk.hub.store().activity(&ActivityFilter::default()).await.unwrap().items;
        let seen: Vec<_> = rows.iter().map(|row| (row.approval.as_ref(), row.outcome, row.duration_ms)).collect();
        let tried = (Some(&first.id), Some(Outcome::NotExecuted), None);
        assert_eq!(seen, [(Some(&first.id), Some(Outcome::Succeeded), Some(3)), tried, tried, tried]);
    }
}
