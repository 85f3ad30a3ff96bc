//! Release, once and for one instance; what is taken back; what happens by itself.

use std::collections::BTreeMap;

use super::desk::Desk;
use crate::PATIENCE;
use crate::core::approval::{Outcome, Status};
use crate::core::ids::{ApprovalId, Digest, InstanceId};
use crate::core::messages::{CallOutcome, Cancel, Continued, MAX_ROUNDS};
use crate::core::trust::Level;
use crate::core::weigh::Opinion;
use crate::hub::agents::AgentChange;
use crate::hub::approvals::{Registration, Released};
use crate::hub::error::DecideError;
use crate::hub::who::{Actor, Shim};

/// Waits until the approval looks like that.
pub(super) async fn becomes(desk: &Desk, id: &ApprovalId, status: Status, outcome: Outcome) {
    let reached = async {
        let mut newest = desk.hub.store().subscribe();
        loop {
            let approval = desk.now(id).await;
            if (approval.status, approval.outcome) == (status, outcome) {
                return;
            }
            newest.changed().await.unwrap();
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, reached).await;
    assert!(in_time.is_ok(), "it is {:?}", desk.now(id).await);
}

/// Starts what happens by itself.
pub(super) fn in_background(desk: &Desk) {
    let hub = desk.hub.clone();
    tokio::spawn(async move { hub.run_background().await });
}

#[tokio::test]
async fn a_call_is_released_once_for_its_instance_and_digest_and_again_only_to_the_same() {
    for desk in Desk::everywhere().await {
        let _joined = desk.connect();
        let held = desk.hold().await;
        let release = desk.release_of(&held.id).await;
        let early = desk.hub.approvals.release(&desk.shim, release.clone()).await.unwrap();
        assert!(matches!(early, Released::No(_)), "released while pending");
        desk.hub.approvals.approve(&held.id, &desk.approver, None).await.unwrap();
        let thief = Shim { instance: InstanceId::from("shim-2"), ..desk.shim.clone() };
        let elsewhere = Shim { server: "gitlab".into(), ..desk.shim.clone() };
        for shim in [&thief, &elsewhere] {
            assert!(matches!(desk.hub.approvals.release(shim, release.clone()).await.unwrap(), Released::No(_)));
        }
        let mut other = release.clone();
        other.digest = Digest::of(b"another call");
        assert!(matches!(desk.hub.approvals.release(&desk.shim, other).await.unwrap(), Released::No(_)));
        assert_eq!(desk.hub.approvals.release(&desk.shim, release.clone()).await.unwrap(), Released::Go);
        assert_eq!(desk.hub.approvals.release(&desk.shim, release.clone()).await.unwrap(), Released::Go);
        assert!(matches!(desk.hub.approvals.release(&thief, release.clone()).await.unwrap(), Released::No(_)));
        let end = CallOutcome { approval: held.id.clone(), outcome: Outcome::Succeeded, duration_ms: 12 };
        desk.hub.approvals.finish(&thief, end.clone()).await.unwrap();
        assert_eq!(desk.now(&held.id).await.outcome, Outcome::Released);
        desk.hub.approvals.finish(&desk.shim, end).await.unwrap();
        let after = desk.now(&held.id).await;
        assert_eq!((after.outcome, after.duration_ms), (Outcome::Succeeded, Some(12)));
        assert!(matches!(desk.hub.approvals.release(&desk.shim, release).await.unwrap(), Released::No(_)));
    }
}

#[tokio::test]
async fn of_many_racing_releases_the_record_shows_one() {
    for desk in Desk::everywhere().await {
        let _joined = desk.connect();
        let held = desk.hold().await;
        desk.hub.approvals.approve(&held.id, &desk.approver, None).await.unwrap();
        let release = desk.release_of(&held.id).await;
        let racers: Vec<_> = (0..20)
            .map(|n| {
                let (hub, release) = (desk.hub.clone(), release.clone());
                let instance = if n % 2 == 0 { desk.shim.instance.clone() } else { InstanceId(format!("thief-{n}")) };
                let shim = Shim { instance, ..desk.shim.clone() };
                tokio::spawn(async move { (n, hub.approvals.release(&shim, release).await.unwrap()) })
            })
            .collect();
        for racer in racers {
            let (n, answer) = racer.await.unwrap();
            assert_eq!(answer == Released::Go, n % 2 == 0);
        }
        let timeline = desk.now(&held.id).await.timeline.unwrap();
        assert_eq!(timeline.iter().filter(|entry| entry.action == "approval.released").count(), 1);
    }
}

#[tokio::test]
async fn an_approval_not_released_within_its_grace_expires_unused() {
    for desk in Desk::everywhere().await {
        in_background(&desk);
        let _joined = desk.connect();
        let held = desk.hold().await;
        desk.hub.approvals.approve(&held.id, &desk.approver, None).await.unwrap();
        desk.clock.advance(10_000);
        let release = desk.release_of(&held.id).await;
        assert!(matches!(desk.hub.approvals.release(&desk.shim, release).await.unwrap(), Released::No(_)));
        becomes(&desk, &held.id, Status::Approved, Outcome::NotExecuted).await;
    }
}

#[tokio::test]
async fn a_deadline_passes_by_itself_and_an_extended_one_later() {
    for desk in Desk::everywhere().await {
        // Only its deadline may end the call: a shim that is away is given up on at the same leap of the clock.
        let _joined = desk.connect();
        in_background(&desk);
        let (short, long) = (desk.hold().await, desk.hold().await);
        desk.hub.approvals.extend(&long.id, &desk.approver, Some(60)).await.unwrap();
        desk.clock.advance(300_000);
        becomes(&desk, &short.id, Status::TimedOut, Outcome::NotExecuted).await;
        assert_eq!(desk.now(&long.id).await.status, Status::Pending);
        desk.clock.advance(60_000);
        becomes(&desk, &long.id, Status::TimedOut, Outcome::NotExecuted).await;
    }
}

#[tokio::test]
async fn taken_back_is_cancelled_and_too_late_to_approve() {
    for desk in Desk::everywhere().await {
        let held = desk.hold().await;
        let cancel = Cancel { approval: held.id.clone(), reason: "the client cancelled".into(), keep: false };
        let stranger = Shim { instance: InstanceId::from("shim-2"), ..desk.shim.clone() };
        desk.hub.approvals.cancel(&stranger, cancel.clone()).await.unwrap();
        assert_eq!(desk.now(&held.id).await.status, Status::Pending);
        desk.hub.approvals.cancel(&desk.shim, cancel.clone()).await.unwrap();
        desk.hub.approvals.cancel(&desk.shim, cancel).await.unwrap();
        let refusal = desk.hub.approvals.approve(&held.id, &desk.approver, None).await.unwrap_err();
        let DecideError::TooLate(winner) = refusal else { panic!("{refusal}") };
        assert_eq!((winner.status, winner.reason.as_deref()), (Status::Cancelled, Some("the client cancelled")));
    }
}

#[tokio::test]
async fn a_call_taken_back_after_its_approval_is_never_released() {
    let desk = Desk::new().await;
    let _joined = desk.connect();
    let held = desk.hold().await;
    desk.hub.approvals.approve(&held.id, &desk.approver, None).await.unwrap();
    let release = desk.release_of(&held.id).await;
    let cancel = Cancel { approval: held.id.clone(), reason: "gone".into(), keep: false };
    desk.hub.approvals.cancel(&desk.shim, cancel).await.unwrap();
    assert!(matches!(desk.hub.approvals.release(&desk.shim, release).await.unwrap(), Released::No(_)));
    let after = desk.now(&held.id).await;
    assert_eq!((after.status, after.outcome), (Status::Approved, Outcome::NotExecuted));
}

#[tokio::test]
async fn a_lost_shim_has_its_time_to_come_back_and_is_then_given_up() {
    for desk in Desk::everywhere().await {
        in_background(&desk);
        let held = desk.hold().await;
        desk.lose().await;
        desk.clock.advance(14_999);
        let _joined = desk.connect();
        desk.hub.approvals.resume(&desk.shim, vec![held.id.clone()]).await.unwrap();
        desk.clock.advance(60_000);
        desk.hub.approvals.extend(&held.id, &desk.approver, None).await.expect("it is still pending");
        desk.lose().await;
        desk.clock.advance(15_000);
        becomes(&desk, &held.id, Status::Cancelled, Outcome::NotExecuted).await;
        assert_eq!(desk.now(&held.id).await.reason.as_deref(), Some("the agent disconnected"));
    }
}

#[tokio::test]
async fn what_a_returning_shim_no_longer_holds_is_cancelled() {
    let desk = Desk::new().await;
    let (kept, dropped) = (desk.hold().await, desk.hold().await);
    desk.hub.approvals.resume(&desk.shim, vec![kept.id.clone()]).await.unwrap();
    assert_eq!(desk.now(&kept.id).await.status, Status::Pending);
    assert_eq!(desk.now(&dropped.id).await.status, Status::Cancelled);
}

#[tokio::test]
async fn an_approval_given_while_the_shim_was_away_is_usable_on_its_return_but_not_for_ever() {
    for desk in Desk::everywhere().await {
        let held = desk.hold().await;
        desk.lose().await;
        desk.hub.approvals.approve(&held.id, &desk.approver, None).await.unwrap();
        desk.clock.advance(14_000);
        for _ in 0..20 {
            desk.hub.approvals.resume(&desk.shim, vec![held.id.clone()]).await.unwrap();
            desk.clock.advance(2_000);
            desk.lose().await;
        }
        assert!(desk.grace(&held.id).await <= Some(super::desk::START + 60_000));
        let release = desk.release_of(&held.id).await;
        assert_eq!(desk.hub.approvals.release(&desk.shim, release).await.unwrap(), Released::Go);
    }
}

#[tokio::test]
async fn after_a_restart_nobody_returning_means_cancelled_and_unknown() {
    for desk in Desk::everywhere().await {
        let _joined = desk.connect();
        let (pending, released) = (desk.hold().await, desk.hold().await);
        desk.hub.approvals.approve(&released.id, &desk.approver, None).await.unwrap();
        let release = desk.release_of(&released.id).await;
        assert_eq!(desk.hub.approvals.release(&desk.shim, release).await.unwrap(), Released::Go);
        let again = desk.restarted().await;
        in_background(&again);
        assert_eq!(again.now(&pending.id).await.status, Status::Pending);
        let live = &again.hub.live;
        tokio::time::timeout(PATIENCE, async {
            while live.next_given_up().is_none() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("the lost shim is expected back");
        again.clock.advance(15_000);
        becomes(&again, &pending.id, Status::Cancelled, Outcome::NotExecuted).await;
        becomes(&again, &released.id, Status::Approved, Outcome::Unknown).await;
        let late = CallOutcome { approval: released.id.clone(), outcome: Outcome::Failed, duration_ms: 1 };
        again.hub.approvals.finish(&again.shim, late).await.unwrap();
        assert_eq!(again.now(&released.id).await.outcome, Outcome::Failed, "its own shim knows better");
    }
}

/// The client stopped waiting and will call again.
async fn hand_off(desk: &Desk, id: &ApprovalId) {
    let cancel = Cancel { approval: id.clone(), reason: "told to call again".into(), keep: true };
    desk.hub.approvals.cancel(&desk.shim, cancel).await.unwrap();
}

#[tokio::test]
async fn a_call_that_comes_again_joins_the_card_that_was_kept_for_it() {
    for desk in Desk::everywhere().await {
        let _joined = desk.connect();
        let first = desk.hold().await;
        assert_ne!(desk.hold().await.id, first.id, "two calls at once are two cards");
        hand_off(&desk, &first.id).await;
        desk.hub.approvals.resume(&desk.shim, Vec::new()).await.unwrap();
        let other = desk.hold_request(desk.request("{\"repo\":\"b\"}")).await;
        assert_ne!(other.id, first.id, "other arguments are another call");
        let again = desk.request("{\"repo\":\"a\"}");
        assert_eq!(desk.hold_request(again.clone()).await.id, first.id);
        assert_eq!(desk.hold_request(again).await.id, first.id, "the same request, sent again");
        assert_ne!(desk.hold().await.id, first.id, "only one call joins");
        desk.hub.approvals.approve(&first.id, &desk.approver, None).await.unwrap();
        let release = desk.release_of(&first.id).await;
        assert_eq!(desk.hub.approvals.release(&desk.shim, release).await.unwrap(), Released::Go);
    }
}

#[tokio::test]
async fn an_approval_given_while_nobody_called_is_used_once_within_ten_minutes() {
    for desk in Desk::everywhere().await {
        in_background(&desk);
        let _joined = desk.connect();
        let (used, unused) = (desk.hold().await, desk.hold_request(desk.request("{}")).await);
        for approval in [&used, &unused] {
            hand_off(&desk, &approval.id).await;
            desk.hub.approvals.approve(&approval.id, &desk.approver, None).await.unwrap();
        }
        desk.clock.advance(599_999);
        let stranger = Shim { server: "gitlab".into(), ..desk.shim.clone() };
        desk.hub.shims.meet(&stranger, &[]).await.unwrap();
        let elsewhere = super::desk::request(&stranger, "delete_repo", "{\"repo\":\"a\"}");
        let Registration::Held(elsewhere) =
            desk.hub.approvals.register(&stranger, elsewhere, &Opinion::None).await.unwrap()
        else {
            panic!("not held")
        };
        assert_ne!(elsewhere.approval.id, used.id);
        let joined = desk.hold().await;
        assert_eq!((joined.id, joined.status), (used.id.clone(), Status::Approved));
        let release = desk.release_of(&used.id).await;
        assert_eq!(desk.hub.approvals.release(&desk.shim, release).await.unwrap(), Released::Go);
        assert_ne!(desk.hold().await.id, used.id, "it is used up");
        desk.clock.advance(1);
        becomes(&desk, &unused.id, Status::Approved, Outcome::NotExecuted).await;
        assert_ne!(desk.hold_request(desk.request("{}")).await.id, unused.id);
    }
}

#[tokio::test]
async fn a_denial_set_while_a_card_waits_reaches_its_release() {
    for desk in Desk::everywhere().await {
        let (hub, operator) = (&desk.hub.approvals, &Actor::Operator);
        let trust = |level| Some(BTreeMap::from([("github".to_owned(), level)]));
        let limit = |level| AgentChange { trust: trust(level), ..AgentChange::default() };
        for approved_first in [false, true] {
            desk.hub.agents.change_agent(&desk.agent.client_id, limit(Level::High), operator).await.unwrap();
            let held = desk.hold().await;
            if approved_first {
                hub.approve(&held.id, &desk.approver, None).await.unwrap();
            }
            desk.hub.agents.change_agent(&desk.agent.client_id, limit(Level::Low), operator).await.unwrap();
            if !approved_first {
                hub.approve(&held.id, &desk.approver, None).await.unwrap();
            }
            let release = desk.release_of(&held.id).await;
            let answer = hub.release(&desk.shim, release.clone()).await.unwrap();
            assert!(matches!(&answer, Released::No(why) if why.contains("the tool needs trust high")), "{answer:?}");
            assert_eq!(desk.now(&held.id).await.outcome, Outcome::NotExecuted);
            desk.hub.agents.change_agent(&desk.agent.client_id, limit(Level::High), operator).await.unwrap();
            assert!(matches!(hub.release(&desk.shim, release).await.unwrap(), Released::No(_)), "it is void");
        }
    }
}

#[tokio::test]
async fn what_a_released_call_is_continued_with_is_in_its_timeline() {
    for desk in Desk::everywhere().await {
        let held = desk.hold().await;
        let continued = Continued { approval: held.id.clone(), round: 1, inputs: r#"{"requestState":"s"}"#.into() };
        desk.hub.approvals.continued(&desk.shim, continued.clone()).await.unwrap();
        desk.hub.approvals.approve(&held.id, &desk.approver, None).await.unwrap();
        desk.hub.approvals.release(&desk.shim, desk.release_of(&held.id).await).await.unwrap();
        let thief = Shim { instance: InstanceId::from("shim-2"), ..desk.shim.clone() };
        desk.hub.approvals.continued(&thief, continued.clone()).await.unwrap();
        desk.hub.approvals.continued(&desk.shim, continued).await.unwrap();
        let timeline = desk.now(&held.id).await.timeline.unwrap();
        let told: Vec<_> = timeline.iter().filter(|entry| entry.action == "approval.continued").collect();
        assert_eq!(told.len(), 1, "of a released call, by its own shim");
        assert_eq!(told[0].detail.as_deref(), Some(r#"{"requestState":"s"}"#));
    }
}

#[tokio::test]
async fn a_call_is_continued_in_the_record_as_often_as_it_may_be() {
    let desk = Desk::new().await;
    let held = desk.hold().await;
    desk.hub.approvals.approve(&held.id, &desk.approver, None).await.unwrap();
    desk.hub.approvals.release(&desk.shim, desk.release_of(&held.id).await).await.unwrap();
    for round in 0..2 * MAX_ROUNDS {
        let continued = Continued { approval: held.id.clone(), round, inputs: "{}".to_owned() };
        desk.hub.approvals.continued(&desk.shim, continued).await.unwrap();
    }
    let timeline = desk.now(&held.id).await.timeline.unwrap();
    let told = timeline.iter().filter(|entry| entry.action == "approval.continued").count();
    assert_eq!(told, MAX_ROUNDS as usize);
}

#[tokio::test]
async fn what_a_call_is_continued_with_and_is_too_long_to_be_kept_is_told_as_cut() {
    let desk = Desk::new().await;
    let held = desk.hold().await;
    desk.hub.approvals.approve(&held.id, &desk.approver, None).await.unwrap();
    desk.hub.approvals.release(&desk.shim, desk.release_of(&held.id).await).await.unwrap();
    let inputs = format!(r#"{{"requestState":"{}","inputResponses":{{"a":"unseen"}}}}"#, "x".repeat(4_000));
    let continued = Continued { approval: held.id.clone(), round: 1, inputs: inputs.clone() };
    desk.hub.approvals.continued(&desk.shim, continued).await.unwrap();
    let timeline = desk.now(&held.id).await.timeline.unwrap();
    let told = timeline.iter().find(|entry| entry.action == "approval.continued").unwrap().detail.clone().unwrap();
    let end = format!("… ({} bytes in all, SHA-256 {})", inputs.len(), Digest::of(inputs.as_bytes()));
    assert!(told.starts_with("{\"requestState\":\"xx") && told.ends_with(&end), "{told}");
}

#[tokio::test]
async fn a_call_that_never_ran_is_told_so_also_after_its_shim_was_given_up() {
    for desk in Desk::everywhere().await {
        let held = desk.hold().await;
        desk.hub.approvals.approve(&held.id, &desk.approver, None).await.unwrap();
        desk.hub.approvals.release(&desk.shim, desk.release_of(&held.id).await).await.unwrap();
        desk.hub.approvals.gone(&desk.shim.client_id, &desk.shim.instance).await.unwrap();
        assert_eq!(desk.now(&held.id).await.outcome, Outcome::Unknown);
        let end = CallOutcome { approval: held.id.clone(), outcome: Outcome::NotExecuted, duration_ms: 0 };
        desk.hub.approvals.finish(&desk.shim, end).await.unwrap();
        assert_eq!(desk.now(&held.id).await.outcome, Outcome::NotExecuted);
    }
}
