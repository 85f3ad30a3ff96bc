//! What ends a connection or refuses a call, and what is logged.

use std::time::Duration;

use super::served::{Served, hello};
use crate::core::approval::{Outcome, Status};
use crate::core::messages::{Activity, Ruled};
use crate::core::policy::Verdict;
use crate::hub::approvals::ApprovalFilter;
use crate::hub::error::ChangeError;
use crate::hub::store::ActivityFilter;
use crate::hub::tests::desk::{Desk, START, request};
use crate::hub::who::Actor;
use crate::wire::{self, Hello, ToHub, ToWrap};

#[tokio::test]
async fn calls_are_logged_with_the_hubs_time() {
    let hub = Served::new().await;
    let (mut wire, _) = hub.shim("shim-1", Vec::new()).await;
    let call = |tool: &str, age_ms: u64, bypass: bool| Activity {
        age_ms,
        tool: tool.into(),
        verdict: Verdict::Pass,
        bypass,
        approval: None,
        outcome: Some(Outcome::Succeeded),
        duration_ms: Some(2),
        running: None,
        denied: None,
    };
    let items = vec![call("list_repos", 500, false), call("get_me", 0, true)];
    wire.say(&ToHub::Calls { items, dropped: 1 }).await;
    // The answer to the next message shows that the batch was dealt with.
    wire.say_text("{\"type\":\"riddle\"}").await;
    assert_eq!(wire.hear().await, ToWrap::Unsupported { of: "riddle".into() });
    let rows = hub.desk.hub.store().activity(&ActivityFilter::default()).await.unwrap().items;
    let seen: Vec<_> = rows.iter().map(|row| (row.tool.as_str(), row.verdict.as_str(), row.at)).collect();
    let hole = ("", "dropped", START);
    assert_eq!(seen, [hole, ("get_me", "bypass", START), ("list_repos", "pass", START - 500)]);
    let passed = ActivityFilter { verdict: Some("pass".into()), limit: Some(1), ..ActivityFilter::default() };
    let page = hub.desk.hub.store().activity(&passed).await.unwrap();
    assert_eq!((page.items.len(), page.next_cursor), (1, None));
}

#[tokio::test]
async fn what_breaks_the_protocol_ends_the_connection_with_its_code() {
    let hub = Served::new().await;
    for (text, code) in [
        ("{\"type\":\"bye\"}", 4400),
        ("{\"type\":\"hello\"}", 4400),
        ("{\"type\":\"hello\",\"version\":2,\"new_shape\":true}", 4426),
        ("no json", 4400),
        ("[]", 4400),
    ] {
        let mut wire = hub.mute().await;
        wire.say_text(text).await;
        assert_eq!(wire.hear_end().await, code, "{text}");
    }
    for name in ["a\nb", "a\u{202e}b", " a", "..", "."] {
        let mut wire = hub.mute().await;
        wire.say(&ToHub::Hello(Hello { server: name.into(), ..hello("shim-1", Vec::new()) })).await;
        assert_eq!(wire.hear_end().await, 4400, "{name:?}");
    }
    let (mut wire, _) = hub.shim("shim-1", Vec::new()).await;
    wire.say(&ToHub::Hello(hello("shim-1", Vec::new()))).await;
    assert_eq!(wire.hear_end().await, 4400);
}

#[tokio::test]
async fn revoking_an_agent_closes_its_connection_at_once() {
    let hub = Served::new().await;
    let (mut wire, call) = hub.holding().await;
    hub.desk.hub.agents.revoke_agent("ci", &Actor::from(&hub.desk.admin)).await.unwrap();
    assert_eq!(wire.hear_end().await, wire::close::UNAUTHORISED);
    assert_eq!(hub.desk.now(&call.id).await.status, Status::Cancelled);
    let mut late = hub.mute().await;
    late.say(&ToHub::Hello(hello("shim-9", Vec::new()))).await;
    assert_eq!(late.hear_end().await, wire::close::UNAUTHORISED, "a token checked just before the revocation");
}

#[tokio::test]
async fn an_old_token_is_good_beside_the_new_one_for_a_while_and_then_its_connections_end() {
    for desk in Desk::everywhere().await {
        let hub = Served::with(desk).await;
        let (desk, by) = (&hub.desk, Actor::from(&hub.desk.admin));
        let (mut wire, _) = hub.shim("shim-1", Vec::new()).await;
        let hour = Duration::from_secs(3_600);
        let (agent, token) = desk.hub.agents.rotate_token("ci", hour, &by).await.unwrap();
        assert_eq!((&agent.client_id, agent.old_token_until), (&desk.agent.client_id, Some(START + 3_600_000)));
        for good in [&token, &desk.token] {
            let found = desk.hub.agents.agent_of_token(good).await.unwrap().unwrap();
            assert_eq!(found.client_id, desk.agent.client_id);
        }
        wire.say_text("{\"type\":\"riddle\"}").await;
        assert_eq!(wire.hear().await, ToWrap::Unsupported { of: "riddle".into() }, "it is still connected");
        desk.clock.advance(3_600_000);
        assert_eq!(wire.hear_end().await, wire::close::UNAUTHORISED);
        assert!(desk.hub.agents.agent_of_token(&desk.token).await.unwrap().is_none());
        assert!(desk.hub.agents.agent_of_token(&token).await.unwrap().is_some());
        // Without an overlap, what was stolen is worthless at once, whichever it was.
        desk.hub.agents.rotate_token("ci", Duration::ZERO, &by).await.unwrap();
        assert!(desk.hub.agents.agent_of_token(&token).await.unwrap().is_none());
        let mut late = hub.mute().await;
        late.say(&ToHub::Hello(hello("shim-9", Vec::new()))).await;
        assert_eq!(late.hear_end().await, wire::close::UNAUTHORISED, "a token checked just before");
        let too_long = desk.hub.agents.rotate_token("ci", 721 * hour, &by).await;
        assert!(matches!(too_long, Err(ChangeError::Invalid(_))), "{too_long:?}");
    }
}

#[tokio::test]
async fn a_shim_that_says_more_than_the_hub_hears_is_told_why_it_closed() {
    let hub = Served::new().await;
    let mut wire = hub.mute().await;
    for _ in 0..200 {
        wire.say_text("{\"type\":\"riddle\"}").await;
        tokio::task::yield_now().await;
    }
    assert_eq!(wire.hear_end().await, wire::close::BAD_MESSAGE);
}

#[tokio::test]
async fn a_full_disk_refuses_the_call_with_a_reason_and_leaves_no_card() {
    let hub = Served::new().await;
    let (mut wire, held) = hub.holding().await;
    let before = hub.desk.hub.store().last_seq();
    set_room(&hub.desk, "select page_count from pragma_page_count").await;
    let call = request(&hub.desk.shim, "delete_repo", &format!("{{\"blob\":\"{}\"}}", "x".repeat(1 << 20)));
    wire.say(&ToHub::Request(call.clone())).await;
    let ToWrap::Verdict(ruled) = wire.hear().await else { panic!("no verdict") };
    assert_eq!(ruled.ruling.verdict, Verdict::Deny);
    assert!(ruled.ruling.reasons[0].contains("store failed"), "{:?}", ruled.ruling.reasons);
    assert!(hub.desk.hub.approvals.approval(&call.id).await.unwrap().is_none());
    assert_eq!(hub.desk.hub.store().last_seq(), before);
    set_room(&hub.desk, "select 1000000").await;
    wire.register(&call).await;
    assert_eq!(hub.desk.now(&held.id).await.status, Status::Pending);
}

/// Gives the store so many pages and no more; SQLite then says that the disk is full.
async fn set_room(desk: &Desk, pages: &'static str) {
    let work = desk.hub.store.write(move |tx| {
        Box::pin(async move {
            let pages: i64 = sqlx::query_scalar(pages).fetch_one(tx.sql()).await?;
            let pragma = format!("pragma max_page_count = {pages}");
            sqlx::raw_sql(sqlx::AssertSqlSafe(pragma)).execute(tx.sql()).await?;
            Ok::<(), crate::hub::store::StoreError>(())
        })
    });
    work.await.unwrap();
}

#[tokio::test]
async fn a_call_that_the_store_will_never_take_is_denied_and_the_session_goes_on() {
    for desk in Desk::everywhere().await {
        let hub = Served::with(desk).await;
        let (mut wire, _) = hub.holding().await;
        hub.desk.tamper("create unique index one_each on approvals (server)").await;
        wire.say(&ToHub::Request(request(&hub.desk.shim, "delete_repo", "{\"repo\":\"b\"}"))).await;
        match wire.hear().await {
            ToWrap::Verdict(Ruled { ruling, busy: false, .. }) => {
                assert_eq!(ruling.verdict, Verdict::Deny);
                assert!(ruling.reasons[0].contains("could not record"), "{ruling:?}");
            }
            other => panic!("no verdict: {other:?}"),
        }
        wire.say_text("{\"type\":\"riddle\"}").await;
        assert_eq!(wire.hear().await, ToWrap::Unsupported { of: "riddle".into() });
    }
}

#[tokio::test]
async fn a_call_that_the_store_cannot_take_for_now_is_asked_again_and_is_one() {
    for desk in Desk::everywhere().await.into_iter().filter(Desk::is_on_postgres) {
        let hub = Served::with(desk).await;
        let (mut wire, _) = hub.shim("shim-1", Vec::new()).await;
        hub.desk.stop_approvals().await;
        let call = request(&hub.desk.shim, "delete_repo", "{\"repo\":\"a\"}");
        wire.say(&ToHub::Request(call.clone())).await;
        assert_eq!(wire.next().await, Err(1011));
        hub.desk.go_on_with_approvals().await;
        for _ in 0..2 {
            let (mut wire, _) = hub.shim("shim-1", vec![call.id.clone()]).await;
            assert_eq!(wire.register(&call).await.approval, call.id);
        }
        let all = hub.desk.hub.approvals.approvals(&ApprovalFilter::default()).await.unwrap();
        assert_eq!(all.items.len(), 1);
    }
}

#[tokio::test]
async fn a_call_that_comes_when_the_hub_closes_its_store_is_asked_again() {
    for desk in Desk::everywhere().await {
        let hub = Served::with(desk).await;
        let (mut wire, _) = hub.shim("shim-1", Vec::new()).await;
        hub.desk.hub.store.close().await;
        wire.say(&ToHub::Request(request(&hub.desk.shim, "delete_repo", "{\"repo\":\"a\"}"))).await;
        assert_eq!(wire.next().await, Err(1011));
    }
}
