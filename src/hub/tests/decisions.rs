//! Registering and deciding: one winner, the hub's clock, the caps, the lists.

use super::desk::{Desk, START, listed, request, tool};
use super::hand_off::hold_as;
use crate::core::approval::{Outcome, Status};
use crate::core::ids::{ClientId, Digest, InstanceId};
use crate::core::policy::Verdict;
use crate::core::trust::Level;
use crate::core::weigh::Opinion;
use crate::hub::approvals::{ApprovalFilter, Registration};
use crate::hub::error::DecideError;
use crate::hub::model::{PolicyChange, Role};
use crate::hub::who::{Actor, Shim};

#[tokio::test]
async fn of_fifty_racing_deciders_one_wins_and_the_others_are_told_who() {
    for desk in Desk::everywhere().await {
        let held = desk.hold().await;
        let racers: Vec<_> = (0..50)
            .map(|n| {
                let (hub, id, by) = (desk.hub.clone(), held.id.clone(), desk.approver.clone());
                tokio::spawn(async move {
                    match n % 2 {
                        0 => hub.approvals.approve(&id, &by, None).await,
                        _ => hub.approvals.reject(&id, &by, Some(format!("racer {n}"))).await,
                    }
                })
            })
            .collect();
        let mut won = Vec::new();
        let mut told = Vec::new();
        for racer in racers {
            match racer.await.unwrap() {
                Ok(approval) => won.push(approval),
                Err(DecideError::TooLate(winner)) => told.push((winner.status, winner.reason.clone())),
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!((won.len(), told.len()), (1, 49));
        assert!(told.iter().all(|seen| *seen == (won[0].status, won[0].reason.clone())));
        let timeline = desk.now(&held.id).await.timeline.unwrap();
        assert_eq!(timeline.len(), 2, "created and one decision: {timeline:?}");
    }
}

#[tokio::test]
async fn who_approves_at_the_deadline_is_too_late_by_the_hubs_clock() {
    for desk in Desk::everywhere().await {
        let (early, late) = (desk.hold().await, desk.hold().await);
        assert_eq!(early.deadline_at, START + 300_000);
        desk.clock.advance(299_999);
        assert_eq!(desk.hub.approvals.approve(&early.id, &desk.approver, None).await.unwrap().status, Status::Approved);
        desk.clock.advance(1);
        let refusal = desk.hub.approvals.approve(&late.id, &desk.approver, None).await.unwrap_err();
        let DecideError::TooLate(winner) = refusal else { panic!("{refusal}") };
        assert_eq!((winner.status, winner.decided_by), (Status::TimedOut, None));
        assert_eq!(desk.now(&late.id).await.outcome, Outcome::NotExecuted);
    }
}

#[tokio::test]
async fn extending_adds_time_up_to_an_hour_in_all() {
    for desk in Desk::everywhere().await {
        let held = desk.hold().await;
        let extended = desk.hub.approvals.extend(&held.id, &desk.approver, None).await.unwrap();
        assert_eq!(extended.deadline_at, START + 600_000);
        desk.clock.advance(599_999);
        let extended = desk.hub.approvals.extend(&held.id, &desk.approver, Some(3600)).await.unwrap();
        assert_eq!(extended.deadline_at, START + 3_600_000);
        let refusal = desk.hub.approvals.extend(&held.id, &desk.approver, Some(1)).await.unwrap_err();
        assert!(matches!(refusal, DecideError::Invalid(_)), "{refusal}");
    }
}

#[tokio::test]
async fn a_viewer_and_a_removed_user_decide_nothing() {
    let desk = Desk::new().await;
    let held = desk.hold().await;
    let viewer = desk.hub.people.add_user("vera", Role::Viewer, None, &Actor::Operator).await.unwrap();
    desk.hub.people.remove_user("bob", &Actor::Operator).await.unwrap();
    for by in [&viewer, &desk.approver] {
        let refusal = desk.hub.approvals.approve(&held.id, by, None).await.unwrap_err();
        assert!(matches!(refusal, DecideError::Forbidden), "{refusal}");
    }
    assert_eq!(desk.now(&held.id).await.status, Status::Pending);
}

#[tokio::test]
async fn a_request_sent_again_changes_nothing_and_another_call_cannot_take_its_id() {
    for desk in Desk::everywhere().await {
        let first = desk.request("{}");
        let held = desk.hold_request(first.clone()).await;
        desk.clock.advance(5_000);
        assert_eq!(desk.hold_request(first.clone()).await.deadline_at, held.deadline_at);
        let mut other = desk.request("{\"repo\":\"b\"}");
        other.id = first.id.clone();
        refused(&desk, &desk.shim, other, "taken").await;
        let elsewhere = Shim { instance: InstanceId::from("shim-2"), ..desk.shim.clone() };
        refused(&desk, &elsewhere, first, "taken").await;
        assert_eq!(desk.hub.approvals.pending_count().await.unwrap(), 1);
    }
}

#[tokio::test]
async fn what_does_not_fit_together_never_becomes_a_card() {
    let desk = Desk::new().await;
    let mut forged = desk.request("{}");
    forged.arguments = "{\"repo\":\"other\"}".into();
    refused(&desk, &desk.shim, forged, "digest").await;
    let mut forged = desk.request("{}");
    forged.definition = Some(Digest::of(b"another"));
    refused(&desk, &desk.shim, forged, "digest").await;
    refused(&desk, &desk.shim, desk.request("[1]"), "object").await;
    refused(&desk, &desk.shim, desk.request("{"), "object").await;
    let mut odd = desk.request("{}");
    odd.id = "../../etc".into();
    refused(&desk, &desk.shim, odd, "UUID").await;
    assert_eq!(desk.hub.approvals.pending_count().await.unwrap(), 0);
}

async fn refused(desk: &Desk, shim: &Shim, request: crate::core::messages::Request, why: &str) {
    match desk.hub.approvals.register(shim, request, &Opinion::None).await.unwrap() {
        Registration::Ruled(ruling) => {
            assert_eq!(ruling.verdict, Verdict::Deny);
            assert!(ruling.reasons[0].contains(why), "{:?}", ruling.reasons);
        }
        other => panic!("not ruled on: {other:?}"),
    }
}

async fn turned_away(desk: &Desk, why: &str) {
    match desk.hub.approvals.register(&desk.shim, desk.request("{}"), &Opinion::None).await.unwrap() {
        Registration::Busy(words) => assert!(words.contains(why), "{words}"),
        other => panic!("not turned away: {other:?}"),
    }
}

#[tokio::test]
async fn policy_is_weighed_again_when_a_call_is_registered() {
    for desk in Desk::everywhere().await {
        desk.hub.servers.learn(&desk.shim, &listed(vec![tool("list_repos", "")])).await.unwrap();
        let list = request(&desk.shim, "list_repos", "{}");
        let Registration::Ruled(ruling) =
            desk.hub.approvals.register(&desk.shim, list.clone(), &Opinion::None).await.unwrap()
        else {
            panic!("a tool that nothing gates was held")
        };
        assert_eq!(ruling.verdict, Verdict::Pass);
        let all = PolicyChange { require_all: Some(true), ..PolicyChange::default() };
        desk.hub.servers.change_policy("github", &Actor::from(&desk.admin), all).await.unwrap();
        let held = desk.hold_request(list).await;
        assert_eq!(held.reasons, ["this server requires approval for all tools"]);
    }
}

#[tokio::test]
async fn one_agent_has_twenty_pending_and_thirty_a_minute_at_most() {
    for desk in Desk::everywhere().await {
        let mut held = Vec::new();
        for _ in 0..20 {
            held.push(desk.hold().await);
        }
        turned_away(&desk, "20 calls wait").await;
        for approval in &held {
            desk.hub.approvals.reject(&approval.id, &desk.approver, None).await.unwrap();
        }
        for _ in 0..10 {
            desk.hold().await;
        }
        turned_away(&desk, "within a minute").await;
        desk.clock.advance(60_000);
        desk.hold().await;
    }
}

#[tokio::test]
async fn queue_is_oldest_first_history_newest_first_and_pages_join_without_gap() {
    for desk in Desk::everywhere().await {
        let mut ids = Vec::new();
        for n in 0..7 {
            ids.push(desk.hold_request(desk.request(&format!("{{\"n\":{n}}}"))).await.id);
            desk.clock.advance(n % 2);
        }
        let pending = ApprovalFilter { status: vec![Status::Pending], limit: Some(3), ..ApprovalFilter::default() };
        assert_eq!(all_pages(&desk, pending).await, ids);
        let newest_first: Vec<_> = ids.iter().rev().cloned().collect();
        assert_eq!(all_pages(&desk, ApprovalFilter { limit: Some(2), ..Default::default() }).await, newest_first);
    }
}

async fn all_pages(desk: &Desk, mut filter: ApprovalFilter) -> Vec<crate::core::ids::ApprovalId> {
    let mut ids = Vec::new();
    loop {
        let page = desk.hub.approvals.approvals(&filter).await.unwrap();
        ids.extend(page.items.into_iter().map(|approval| approval.id));
        filter.cursor = page.next_cursor;
        if filter.cursor.is_none() {
            return ids;
        }
    }
}

#[tokio::test]
async fn filters_narrow_and_search_takes_percent_signs_literally() {
    for desk in Desk::everywhere().await {
        let percent = desk.hold_request(desk.request("{\"share\":\"100%_\"}")).await;
        let plain = desk.hold_request(desk.request("{\"share\":\"100\"}")).await;
        desk.clock.advance(1);
        desk.hub.approvals.reject(&plain.id, &desk.approver, Some("Wrong Environment".into())).await.unwrap();
        let found = |filter: ApprovalFilter| async { all_pages(&desk, filter).await };
        let q = |q: &str| ApprovalFilter { q: Some(q.into()), ..ApprovalFilter::default() };
        assert_eq!(found(q("100%_")).await, std::slice::from_ref(&percent.id));
        assert_eq!(found(q("wrong GITHUB")).await, std::slice::from_ref(&plain.id));
        assert!(found(q("nowhere")).await.is_empty());
        let by = |agent: &str| ApprovalFilter { agent: Some(agent.into()), ..ApprovalFilter::default() };
        assert_eq!(found(by("ci")).await.len(), 2);
        assert_eq!(found(by(desk.agent.client_id.as_str())).await.len(), 2);
        assert!(found(by("other")).await.is_empty());
        let user = ApprovalFilter { user: Some("eve".into()), to: Some(START + 1), ..ApprovalFilter::default() };
        assert_eq!(found(user).await.len(), 2);
        let bob = ApprovalFilter { decided_by: Some("bob".into()), ..Default::default() };
        assert_eq!(found(bob).await, std::slice::from_ref(&plain.id));
        let decided = vec![Status::Rejected, Status::Approved];
        assert_eq!(found(ApprovalFilter { status: decided, ..Default::default() }).await, [plain.id]);
    }
}

#[tokio::test]
async fn whom_a_shim_claims_to_work_for_is_never_a_known_user() {
    for desk in Desk::everywhere().await {
        let (agent, _) = desk.hub.agents.add_agent("laptop", None, &Actor::Operator).await.unwrap();
        let claims = |client_id: &ClientId| Shim {
            client_id: client_id.clone(),
            claimed_user: Some("ceo".into()),
            ..desk.shim.clone()
        };
        let call = async |shim: Shim| hold_as(&desk, &shim, request(&shim, "delete_repo", "{}")).await;
        let stranger = call(claims(&agent.client_id)).await;
        assert_eq!((stranger.user, stranger.claimed_user.as_deref()), (None, Some("ceo")));
        let known = call(claims(&desk.agent.client_id)).await;
        assert_eq!((known.user.as_deref(), known.claimed_user), (Some("eve"), None));
        let by = |filter: ApprovalFilter| async { all_pages(&desk, filter).await };
        assert!(by(ApprovalFilter { user: Some("ceo".into()), ..Default::default() }).await.is_empty());
        assert_eq!(by(ApprovalFilter { q: Some("ceo".into()), ..Default::default() }).await, [stranger.id]);
    }
}

#[tokio::test]
async fn an_approval_keeps_the_words_the_level_and_the_claims_it_was_gated_with() {
    let desk = Desk::new().await;
    let described = tool("delete_repo", ",\"description\":\"Deletes\",\"annotations\":{\"destructiveHint\":true}");
    desk.hub.servers.learn(&desk.shim, &listed(vec![described])).await.unwrap();
    let held = desk.hold().await;
    assert_eq!((held.trust, held.agent.name.as_str(), held.user.as_deref()), (Level::High, "ci", Some("eve")));
    assert_eq!((held.client.name.as_str(), held.description.as_deref()), ("cursor", Some("Deletes")));
    assert_eq!(held.arguments_sha256, Digest::of(held.given.unwrap().arguments.as_bytes()));
    let rejected =
        desk.hub.approvals.reject(&held.id, &desk.approver, Some("  Unauthorized scope ".into())).await.unwrap();
    assert_eq!((rejected.reason.as_deref(), rejected.decided_by.as_deref()), (Some("Unauthorized scope"), Some("bob")));
    assert_eq!((rejected.outcome, rejected.outcome_at), (Outcome::NotExecuted, Some(START)));
    let last = desk.now(&held.id).await.timeline.unwrap().pop().unwrap();
    assert_eq!((last.action.as_str(), last.detail.as_deref()), ("approval.rejected", Some("Unauthorized scope")));
}
