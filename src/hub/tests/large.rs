//! Large calls: kept in pieces beside their approvals, and as much bound, shown and recorded as any other.

use super::desk::{Desk, request};
use super::hand_off::{another, hold_as};
use crate::core::call::{self, Bound};
use crate::core::messages::{Cancel, Release, Request};
use crate::core::weigh::Opinion;
use crate::hub::approvals::{ApprovalFilter, Registration, Released};
use crate::hub::model::Given;
use crate::hub::store::{ChainCheck, LARGE};

/// Cut in the middle of the word.
fn text() -> String {
    format!("{{\"text\":\"{}needle{}\"}}", "ä".repeat(LARGE / 2 - 6), "x".repeat(LARGE))
}

/// A call with more besides its arguments.
fn large(desk: &Desk, arguments: &str, extra: Option<&str>) -> Request {
    let mut request = request(&desk.shim, "delete_repo", arguments);
    request.extra = extra.map(str::to_owned);
    let bound =
        Bound { extra, ..Bound::plain(&desk.shim.client_id, &desk.shim.server, "delete_repo", None, arguments) };
    request.digest = call::digest(&bound);
    request
}

async fn pieces(desk: &Desk) -> i64 {
    sqlx::query_scalar("select count(*) from given").fetch_one(desk.hub.store.read()).await.unwrap()
}

#[tokio::test]
async fn a_large_call_is_shown_found_and_decided_whole() {
    for desk in Desk::everywhere().await {
        let (text, extra) = (text(), format!("{{\"more\":\"{}\"}}", "y".repeat(LARGE)));
        let given = Some(Given { arguments: text.clone(), extra: Some(extra.clone()) });
        let sent = large(&desk, &text, Some(&extra));
        let held = desk.hold_request(sent.clone()).await;
        assert_eq!(desk.hold_request(sent).await.given, given, "the same request again");
        assert!(pieces(&desk).await > 4);
        assert_eq!(desk.now(&held.id).await.given, given);
        let found = ApprovalFilter { q: Some("needle".into()), ..ApprovalFilter::default() };
        let found = desk.hub.approvals.approvals(&found).await.unwrap().items;
        assert_eq!(
            found.into_iter().map(|approval| (approval.id, approval.given)).collect::<Vec<_>>(),
            [(held.id.clone(), given.clone())]
        );
        assert!(desk.hub.approvals.small(&held.id).await.unwrap().is_none());
        let extended = desk.hub.approvals.extend(&held.id, &desk.approver, None).await.unwrap();
        let approved = desk.hub.approvals.approve(&held.id, &desk.approver, None).await.unwrap();
        assert_eq!((extended.given, approved.given), (given.clone(), given));
        let release = desk.release_of(&held.id).await;
        assert_eq!(desk.hub.approvals.release(&desk.shim, release).await.unwrap(), Released::Go);
    }
}

#[tokio::test]
async fn what_was_shown_of_a_large_call_runs_however_it_comes_again() {
    for desk in Desk::everywhere().await {
        let text = text();
        let held = desk.hold_request(large(&desk, &text, None)).await;
        let keep = Cancel { approval: held.id.clone(), reason: "timed out".into(), keep: true };
        desk.hub.approvals.cancel(&desk.shim, keep).await.unwrap();
        let before = pieces(&desk).await;
        let joined = hold_as(&desk, &another(&desk), large(&desk, &text.replace(':', " : "), None)).await;
        assert_eq!((joined.id, joined.given.unwrap().arguments), (held.id.clone(), text));
        assert_eq!(pieces(&desk).await, before, "what is not shown is not kept");
        desk.hub.approvals.approve(&held.id, &desk.approver, None).await.unwrap();
        let digest = desk.now(&held.id).await.digest;
        let release = Release { approval: held.id, digest };
        assert_eq!(desk.hub.approvals.release(&another(&desk), release).await.unwrap(), Released::Go);
    }
}

#[tokio::test]
async fn what_a_large_call_is_given_cannot_change_unseen() {
    for desk in Desk::everywhere().await {
        let extra = format!("{{\"more\":\"{}\"}}", "y".repeat(10));
        desk.hold_request(large(&desk, &text(), Some(&extra))).await;
        desk.tamper("create table copied as select * from given").await;
        for edit in [
            "update given set piece = replace(piece, 'dlex', 'dlez')",
            "update given set piece = replace(piece, 'y', 'z') where what = 'extra'",
            "delete from given where what = 'extra'",
            "delete from given where place = 1",
            "update given set place = 7 - place",
            "delete from given",
        ] {
            desk.tamper(edit).await;
            let found = desk.hub.store().verify_audit().await.unwrap();
            assert!(matches!(&found, ChainCheck::Altered { what, .. } if what.starts_with("approval ")), "{edit}");
            desk.tamper("delete from given").await;
            desk.tamper("insert into given select * from copied").await;
            let whole = desk.hub.store().verify_audit().await.unwrap();
            assert!(matches!(whole, ChainCheck::Whole { .. }), "{edit}: {whole:?}");
        }
    }
}

#[tokio::test]
async fn what_is_not_registered_is_not_kept() {
    for desk in Desk::everywhere().await {
        let mut forged = large(&desk, &text(), None);
        forged.arguments.push(' ');
        for n in 0..20 {
            desk.hold_request(desk.request(&format!("{{\"n\":{n}}}"))).await;
        }
        for request in [forged, large(&desk, &text(), None)] {
            let answer = desk.hub.approvals.register(&desk.shim, request, &Opinion::None).await.unwrap();
            assert!(matches!(answer, Registration::Ruled(_) | Registration::Busy(_)), "{answer:?}");
        }
        assert_eq!(pieces(&desk).await, 0);
    }
}

#[tokio::test]
async fn pieces_that_no_approval_came_for_are_removed_after_a_while() {
    for desk in Desk::everywhere().await {
        desk.hold_request(large(&desk, &text(), None)).await;
        let kept = pieces(&desk).await;
        desk.tamper("insert into given select 'of-nobody', what, place, piece, written_at from given").await;
        desk.hub.prune().await.unwrap();
        assert_eq!(pieces(&desk).await, 2 * kept, "it may be registered any moment");
        desk.clock.advance(3_600_000);
        desk.hub.prune().await.unwrap();
        assert_eq!(pieces(&desk).await, kept);
    }
}
