//! Sessions over real sockets, with a shim made of a bare websocket.

use std::time::Duration;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::routing::any;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::desk::{Desk, START, request, tool};
use crate::core::approval::{Outcome, Status};
use crate::core::gate::messages::{
    Activity, CallOutcome, Cancel, Decided, Decision, Extended, Registered, Release, Request, Tools,
};
use crate::core::ids::{ApprovalId, InstanceId};
use crate::core::policy::Verdict;
use crate::core::trust::Level;
use crate::hub::activity::ActivityFilter;
use crate::hub::error::{Actor, DecideError};
use crate::hub::model::{PolicyChange, ToolChange};
use crate::hub::session;
use crate::wire::{self, Hello, ToHub, ToWrap, Welcome};

pub(super) const SOON: Duration = Duration::from_secs(10);

/// A hub that listens.
pub(super) struct Served {
    pub(super) desk: Desk,
    url: String,
}

impl Served {
    pub(super) async fn new() -> Self {
        Self::with(Desk::new().await).await
    }

    pub(super) async fn with(desk: Desk) -> Self {
        let (hub, agent) = (desk.hub.clone(), desk.agent.clone());
        let upgrade = move |upgrade: WebSocketUpgrade| async move {
            upgrade.on_upgrade(move |socket| session::handle(hub, socket, agent, None))
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}{}", listener.local_addr().unwrap(), wire::PATH);
        tokio::spawn(axum::serve(listener, Router::new().route(wire::PATH, any(upgrade))).into_future());
        let hub = desk.hub.clone();
        tokio::spawn(async move { hub.run_background().await });
        Self { desk, url }
    }

    /// A connection that has said nothing yet.
    pub(super) async fn mute(&self) -> Wire {
        Wire(tokio_tungstenite::connect_async(&self.url).await.unwrap().0)
    }

    /// A shim that said hello, and the welcome it got.
    pub(super) async fn shim(&self, instance: &str, resume: Vec<ApprovalId>) -> (Wire, Welcome) {
        let mut wire = self.mute().await;
        wire.say(&ToHub::Hello(hello(instance, resume))).await;
        match wire.hear().await {
            ToWrap::Welcome(welcome) => (wire, welcome),
            other => panic!("no welcome: {other:?}"),
        }
    }

    /// A shim with one call registered.
    async fn holding(&self) -> (Wire, Request) {
        let (mut wire, _) = self.shim("shim-1", Vec::new()).await;
        let request = request(&self.desk.shim, "delete_repo", "{\"repo\":\"a\"}");
        wire.register(&request).await;
        (wire, request)
    }

    /// Waits until the approval looks like that.
    async fn becomes(&self, id: &ApprovalId, status: Status, outcome: Outcome) {
        let mut newest = self.desk.hub.subscribe();
        let reached = async {
            while (self.desk.now(id).await.status, self.desk.now(id).await.outcome) != (status, outcome) {
                newest.changed().await.unwrap();
            }
        };
        assert!(tokio::time::timeout(SOON, reached).await.is_ok(), "it is {:?}", self.desk.now(id).await);
    }
}

pub(super) fn hello(instance: &str, resume: Vec<ApprovalId>) -> Hello {
    Hello {
        version: wire::VERSION,
        wrap_version: "test".into(),
        instance: InstanceId::from(instance),
        server: "github".into(),
        command: vec!["server".into()],
        client: None,
        user: Some("somebody".into()),
        host: None,
        resume,
    }
}

/// The shim's end of the websocket.
pub(super) struct Wire(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Wire {
    pub(super) async fn say(&mut self, message: &ToHub) {
        self.say_text(&wire::encode(message)).await;
    }

    pub(super) async fn say_text(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// The next message, or the close code.
    pub(super) async fn next(&mut self) -> Result<ToWrap, u16> {
        loop {
            match tokio::time::timeout(SOON, self.0.next()).await.expect("the hub says something") {
                Some(Ok(Message::Text(text))) => return Ok(wire::decode(&text, &wire::TO_WRAP).unwrap()),
                Some(Ok(Message::Close(frame))) => return Err(frame.map_or(0, |frame| frame.code.into())),
                Some(Ok(_)) => {}
                Some(Err(error)) => panic!("{error}"),
                None => return Err(0),
            }
        }
    }

    pub(super) async fn hear(&mut self) -> ToWrap {
        self.next().await.expect("a message, not the end")
    }

    pub(super) async fn hear_end(&mut self) -> u16 {
        loop {
            if let Err(code) = self.next().await {
                return code;
            }
        }
    }

    async fn register(&mut self, request: &Request) -> Registered {
        self.say(&ToHub::Request(request.clone())).await;
        match self.hear().await {
            ToWrap::Registered(registered) => registered,
            other => panic!("not registered: {other:?}"),
        }
    }

    async fn hear_decision(&mut self) -> Decision {
        match self.hear().await {
            ToWrap::Decision(Decided { decision, .. }) => decision,
            other => panic!("no decision: {other:?}"),
        }
    }
}

fn release_of(request: &Request) -> Release {
    Release { approval: request.id.clone(), digest: request.digest.clone() }
}

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
        let approved = hub.desk.hub.approve(&call.id, &hub.desk.approver, None).await.unwrap();
        assert_eq!(approved.arguments, "{ \"repo\": 1.0 }", "the raw text");
        let expected = Decision::Approved { digest: call.digest.clone(), by: "bob".into() };
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
        hub.desk.hub.seen(&call.id, &hub.desk.approver).await.unwrap();
    }
    hub.desk.hub.extend(&call.id, &hub.desk.approver, Some(60)).await.unwrap();
    assert_eq!(wire.hear().await, ToWrap::Seen { approval: call.id.clone() });
    let extended = Extended { approval: call.id.clone(), remaining_ms: 360_000 };
    assert_eq!(wire.hear().await, ToWrap::Extended(extended));
    hub.desk.hub.reject(&call.id, &hub.desk.approver, Some("Wrong environment".into())).await.unwrap();
    let expected = Decision::Rejected { by: "bob".into(), reason: Some("Wrong environment".into()) };
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
    hub.desk.hub.approve(&stale.id, &hub.desk.approver, None).await.unwrap();
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
    let refusal = hub.desk.hub.approve(&second.id, &hub.desk.approver, None).await.unwrap_err();
    assert!(matches!(refusal, DecideError::TooLate(_)), "{refusal}");
}

#[tokio::test]
async fn a_shim_that_was_lost_comes_back_and_learns_what_was_decided_meanwhile() {
    let hub = Served::new().await;
    let (wire, call) = hub.holding().await;
    drop(wire);
    hub.desk.hub.approve(&call.id, &hub.desk.approver, None).await.unwrap();
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
    let live = hub.desk.hub.0.store.bus().live();
    tokio::time::timeout(SOON, async {
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
    hub.desk.hub.approve(&call.id, &hub.desk.approver, None).await.unwrap();
    assert!(matches!(new.hear_decision().await, Decision::Approved { .. }));
}

#[tokio::test]
async fn policy_changes_reach_every_shim_of_the_server_and_only_real_ones() {
    let hub = Served::new().await;
    let (mut one, _) = hub.shim("shim-1", Vec::new()).await;
    let (mut two, _) = hub.shim("shim-2", Vec::new()).await;
    assert_eq!(hub.desk.hub.server("github").await.unwrap().unwrap().sessions, 0);
    let items = vec![tool("list_repos", ""), tool("delete_repo", "")];
    one.say(&ToHub::Tools(Tools { items, complete: true })).await;
    for wire in [&mut one, &mut two] {
        let ToWrap::Policy { table } = wire.hear().await else { panic!("no policy") };
        assert_eq!(table.ruling("list_repos").verdict, Verdict::Pass);
        assert_eq!(table.ruling("delete_repo").verdict, Verdict::Gate);
    }
    assert_eq!(hub.desk.hub.server("github").await.unwrap().unwrap().sessions, 1);
    let admin = Actor::from(&hub.desk.admin);
    let same = PolicyChange { require_all: Some(false), ..PolicyChange::default() };
    hub.desk.hub.change_policy("github", &admin, same).await.unwrap();
    let on = ToolChange { hitl: Some(true), ..ToolChange::default() };
    hub.desk.hub.change_tool("github", "list_repos", &admin, on).await.unwrap();
    for wire in [&mut one, &mut two] {
        let ToWrap::Policy { table } = wire.hear().await else { panic!("no policy") };
        assert_eq!(table.ruling("list_repos").verdict, Verdict::Gate);
    }
    let bypass =
        PolicyChange { bypass: Some(vec![hub.desk.agent.client_id.as_str().into()]), ..PolicyChange::default() };
    hub.desk.hub.change_policy("github", &admin, bypass).await.unwrap();
    let ToWrap::Policy { table } = two.hear().await else { panic!("no policy") };
    assert!(table.ruling("list_repos").bypass);
}

#[tokio::test]
async fn a_call_that_policy_passes_or_denies_gets_a_verdict() {
    let hub = Served::new().await;
    let admin = Actor::from(&hub.desk.admin);
    let off = PolicyChange { threshold: Some(None), ..PolicyChange::default() };
    hub.desk.hub.change_policy("github", &admin, off).await.unwrap();
    let (mut wire, _) = hub.shim("shim-1", Vec::new()).await;
    let call = request(&hub.desk.shim, "delete_repo", "{}");
    wire.say(&ToHub::Request(call.clone())).await;
    let ToWrap::Verdict(ruled) = wire.hear().await else { panic!("no verdict") };
    assert_eq!((ruled.id, ruled.ruling.verdict), (call.id.clone(), Verdict::Pass));
    let limit = [("github".to_owned(), Level::Medium)].into();
    let change = crate::hub::accounts::AgentChange { trust: Some(limit), ..Default::default() };
    hub.desk.hub.change_agent(&hub.desk.agent.client_id, change, &admin).await.unwrap();
    let ToWrap::Policy { table } = wire.hear().await else { panic!("no policy") };
    assert_eq!(table.unlisted.verdict, Verdict::Ask);
    wire.say(&ToHub::Request(call)).await;
    let ToWrap::Verdict(ruled) = wire.hear().await else { panic!("no verdict") };
    assert_eq!(ruled.ruling.verdict, Verdict::Deny);
}

#[tokio::test]
async fn calls_are_logged_with_the_hubs_time() {
    let hub = Served::new().await;
    let (mut wire, _) = hub.shim("shim-1", Vec::new()).await;
    let call = |tool: &str, age_ms: u64, bypass: bool| Activity {
        age_ms,
        tool: tool.into(),
        verdict: Verdict::Pass,
        bypass,
        arguments_sha256: None,
        approval: None,
        outcome: Some(Outcome::Succeeded),
        duration_ms: Some(2),
        running: None,
    };
    let items = vec![call("list_repos", 500, false), call("get_me", 0, true)];
    wire.say(&ToHub::Calls { items, dropped: 1 }).await;
    // The answer to the next message shows that the batch was dealt with.
    wire.say_text("{\"type\":\"riddle\"}").await;
    assert_eq!(wire.hear().await, ToWrap::Unsupported { of: "riddle".into() });
    let rows = hub.desk.hub.activity(&ActivityFilter::default()).await.unwrap().items;
    let seen: Vec<_> = rows.iter().map(|row| (row.tool.as_str(), row.verdict.as_str(), row.at)).collect();
    let hole = ("", "dropped", START);
    assert_eq!(seen, [hole, ("get_me", "bypass", START), ("list_repos", "pass", START - 500)]);
    let passed = ActivityFilter { verdict: Some("pass".into()), limit: Some(1), ..ActivityFilter::default() };
    let page = hub.desk.hub.activity(&passed).await.unwrap();
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
    let mut odd = hello("shim-1", Vec::new());
    odd.server = "a\nb".into();
    let mut wire = hub.mute().await;
    wire.say(&ToHub::Hello(odd)).await;
    assert_eq!(wire.hear_end().await, 4400);
    let (mut wire, _) = hub.shim("shim-1", Vec::new()).await;
    wire.say(&ToHub::Hello(hello("shim-1", Vec::new()))).await;
    assert_eq!(wire.hear_end().await, 4400);
}

#[tokio::test]
async fn revoking_an_agent_closes_its_connection_at_once() {
    let hub = Served::new().await;
    let (mut wire, call) = hub.holding().await;
    hub.desk.hub.revoke_agent("ci", &Actor::from(&hub.desk.admin)).await.unwrap();
    assert_eq!(wire.hear_end().await, wire::close::UNAUTHORISED);
    assert_eq!(hub.desk.now(&call.id).await.status, Status::Cancelled);
    let mut late = hub.mute().await;
    late.say(&ToHub::Hello(hello("shim-9", Vec::new()))).await;
    assert_eq!(late.hear_end().await, wire::close::UNAUTHORISED, "a token checked just before the revocation");
}

#[tokio::test]
async fn a_stopping_hub_says_so_and_the_next_one_has_the_held_call() {
    for desk in Desk::everywhere().await {
        let hub = Served::with(desk).await;
        let (mut wire, call) = hub.holding().await;
        hub.desk.hub.shutdown().cancel();
        assert_eq!(wire.hear().await, ToWrap::Draining);
        assert_eq!(wire.hear_end().await, 1012);
        tokio::time::timeout(SOON, hub.desk.hub.close()).await.expect("it closes");
        let hub = Served::with(hub.desk.restarted().await).await;
        let (mut wire, _) = hub.shim("shim-1", vec![call.id.clone()]).await;
        wire.register(&call).await;
        hub.desk.clock.advance(20_000);
        hub.desk.hub.approve(&call.id, &hub.desk.approver, None).await.unwrap();
        assert!(matches!(wire.hear_decision().await, Decision::Approved { .. }));
        wire.say(&ToHub::Release(release_of(&call))).await;
        assert_eq!(wire.hear().await, ToWrap::Go(release_of(&call)));
    }
}

#[tokio::test]
async fn a_full_disk_refuses_the_call_with_a_reason_and_leaves_no_card() {
    let hub = Served::new().await;
    let (mut wire, held) = hub.holding().await;
    let before = hub.desk.hub.last_seq();
    set_room(&hub.desk, "select page_count from pragma_page_count").await;
    let call = request(&hub.desk.shim, "delete_repo", &format!("{{\"blob\":\"{}\"}}", "x".repeat(1 << 20)));
    wire.say(&ToHub::Request(call.clone())).await;
    let ToWrap::Verdict(ruled) = wire.hear().await else { panic!("no verdict") };
    assert_eq!(ruled.ruling.verdict, Verdict::Deny);
    assert!(ruled.ruling.reasons[0].contains("store failed"), "{:?}", ruled.ruling.reasons);
    assert!(hub.desk.hub.approval(&call.id).await.unwrap().is_none());
    assert_eq!(hub.desk.hub.last_seq(), before);
    set_room(&hub.desk, "select 1000000").await;
    wire.register(&call).await;
    assert_eq!(hub.desk.now(&held.id).await.status, Status::Pending);
}

/// Gives the store so many pages and no more; SQLite then says that the disk is full.
async fn set_room(desk: &Desk, pages: &'static str) {
    let work = desk.hub.0.store.write(move |tx| {
        Box::pin(async move {
            let pages: i64 = sqlx::query_scalar(pages).fetch_one(tx.sql()).await?;
            let pragma = format!("pragma max_page_count = {pages}");
            sqlx::raw_sql(sqlx::AssertSqlSafe(pragma)).execute(tx.sql()).await?;
            Ok(())
        })
    });
    work.await.unwrap();
}
