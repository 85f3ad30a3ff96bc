//! The external decision point, played by a small AuthZEN server that checks what it is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use axum::routing::post;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::desk::{Desk, listed, request, tool};
use crate::config::hub::DecisionPoint as PointSettings;
use crate::config::secret::Secret;
use crate::core::ids::Digest;
use crate::core::policy::{Ruling, Verdict};
use crate::core::weigh::Opinion;
use crate::hub::approvals::Registration;
use crate::hub::servers::DecisionPoint;
use crate::hub::{Hub, Settings};

/// A decision point: yes to everything but `delete_repo`, and nonsense to tools named after it.
struct Point {
    url: String,
    asked: Arc<AtomicUsize>,
}

impl Point {
    async fn start() -> Self {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let evaluate = move |headers: HeaderMap, body: axum::Json<Value>| {
            count.fetch_add(1, Ordering::SeqCst);
            async move { answer(&headers, &body.0) }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/pdp", listener.local_addr().unwrap());
        let app = Router::new().route("/pdp/access/v1/evaluation", post(evaluate));
        tokio::spawn(axum::serve(listener, app).into_future());
        Self { url, asked }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn answer(headers: &HeaderMap, body: &Value) -> axum::response::Response {
    let refused = |why: &str| (StatusCode::BAD_REQUEST, why.to_owned()).into_response();
    if headers.get("authorization").is_none_or(|value| value != "Bearer pdp-token") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let Value::Object(members) = body else { return refused("no object") };
    let keys: Vec<&str> = members.keys().map(String::as_str).collect();
    if keys != ["action", "context", "resource", "subject"] {
        return refused("other members");
    }
    if body["subject"]["type"] != "agent" || !body["subject"]["id"].as_str().is_some_and(|id| id.starts_with("agent-"))
    {
        return refused("subject");
    }
    if body["resource"] != json!({ "type": "server", "id": "github" }) {
        return refused("resource");
    }
    let digest = Digest::of(b"{\"repo\":\"a\"}");
    if body["context"] != json!({ "arguments_sha256": digest, "user": "eve" }) {
        return refused("context");
    }
    match body["action"]["name"].as_str() {
        Some("delete_repo") => axum::Json(json!({ "decision": false })).into_response(),
        Some("string") => axum::Json(json!({ "decision": "true" })).into_response(),
        Some("nothing") => axum::Json(json!({})).into_response(),
        Some("html") => "<p>true</p>".into_response(),
        Some("created") => (StatusCode::CREATED, axum::Json(json!({ "decision": true }))).into_response(),
        Some("long") => format!("{{\"decision\":true,\"x\":\"{}\"}}", "x".repeat(100_000)).into_response(),
        Some("moved") => (StatusCode::FOUND, [("location", "/pdp/yes")]).into_response(),
        _ => axum::Json(json!({ "decision": true, "context": { "id": "0" } })).into_response(),
    }
}

async fn desk_with(url: &str, token: &str, ttl: u64) -> Desk {
    desk_within(Duration::from_secs(60), url, token, ttl).await
}

/// The same with so much time for an answer.
async fn desk_within(timeout: Duration, url: &str, token: &str, ttl: u64) -> Desk {
    // The process has one; the second installation is refused.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let desk = Desk::new().await;
    let settings = PointSettings {
        url: url.to_owned(),
        token: Some(Secret(token.to_owned())),
        timeout,
        ttl: Duration::from_secs(ttl),
    };
    let point = DecisionPoint::new(settings).unwrap();
    let plain = Settings::default();
    let hub = Hub::open_with(desk.fresh.store.clone(), plain, desk.clock.clone(), Some(point)).await.unwrap();
    hub.servers.learn(&desk.shim, &listed(vec![tool("list_repos", ""), tool("delete_repo", "")])).await.unwrap();
    Desk { hub, ..desk }
}

async fn ruling(desk: &Desk, tool: &str) -> Ruling {
    let request = request(&desk.shim, tool, "{\"repo\":\"a\"}");
    let opinion = desk.hub.shims.opinion_on(&desk.shim, &request).await.unwrap();
    match desk.hub.approvals.register(&desk.shim, request, &opinion).await.unwrap() {
        Registration::Ruled(ruling) => ruling,
        other => panic!("not ruled on: {other:?}"),
    }
}

#[tokio::test]
async fn the_decision_point_is_asked_about_every_call_and_its_no_denies() {
    let point = Point::start().await;
    let desk = desk_with(&point.url, "pdp-token", 0).await;
    let table = desk.table().await;
    assert!(table.tools.values().chain([&table.unlisted]).all(|ruling| ruling.verdict == Verdict::Ask));
    assert_eq!(ruling(&desk, "list_repos").await.verdict, Verdict::Pass);
    let denied = ruling(&desk, "delete_repo").await;
    assert_eq!(denied.reasons, ["the external decision point says no"]);
    assert_eq!((denied.verdict, point.asked()), (Verdict::Deny, 2));
    assert_eq!(desk.hub.servers.decision_point_trouble(), None);
}

#[tokio::test]
async fn whatever_is_not_a_clear_yes_denies_and_is_said() {
    let point = Point::start().await;
    let desk = desk_with(&point.url, "pdp-token", 60).await;
    for name in ["string", "nothing", "html", "created", "long", "moved"] {
        let denied = ruling(&desk, name).await;
        assert_eq!(denied.verdict, Verdict::Deny, "{name}");
        assert!(denied.reasons[0].contains("could not be asked"), "{name}: {:?}", denied.reasons);
        assert!(desk.hub.servers.decision_point_trouble().is_some(), "{name}");
    }
    assert_eq!(ruling(&desk, "list_repos").await.verdict, Verdict::Pass);
    assert_eq!(desk.hub.servers.decision_point_trouble(), None, "trouble ends with the next answer");
    let wrong = desk_with(&point.url, "another-token", 60).await;
    assert!(ruling(&wrong, "list_repos").await.reasons[0].contains("HTTP status 401"));
}

#[tokio::test]
async fn a_decision_point_that_is_away_or_silent_denies_in_time() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let soon = Duration::from_millis(500);
    let denied = ruling(&desk_within(soon, &url, "t", 60).await, "list_repos").await;
    assert!(denied.reasons[0].contains("did not answer within 0.5 seconds"), "{:?}", denied.reasons);
    drop(silent);
    let denied = ruling(&desk_with(&url, "t", 60).await, "list_repos").await;
    assert!(denied.reasons[0].contains("cannot be reached"), "{:?}", denied.reasons);
}

#[tokio::test]
async fn answers_hold_for_their_time_and_failures_do_not() {
    let point = Point::start().await;
    let desk = desk_with(&point.url, "pdp-token", 60).await;
    for _ in 0..3 {
        assert_eq!(ruling(&desk, "list_repos").await.verdict, Verdict::Pass);
        assert_eq!(ruling(&desk, "delete_repo").await.verdict, Verdict::Deny);
    }
    assert_eq!(point.asked(), 2);
    desk.clock.advance(60_000);
    ruling(&desk, "list_repos").await;
    assert_eq!(point.asked(), 3);
    ruling(&desk, "nothing").await;
    ruling(&desk, "nothing").await;
    assert_eq!(point.asked(), 5);
}

#[tokio::test]
async fn the_decision_point_is_not_asked_about_what_is_refused_anyway() {
    let point = Point::start().await;
    let desk = desk_with(&point.url, "pdp-token", 0).await;
    let ask = |tool: &str| request(&desk.shim, tool, "{\"repo\":\"a\"}");
    while let Registration::Held(_) =
        desk.hub.approvals.register(&desk.shim, ask("drop_repo"), &Opinion::Yes).await.unwrap()
    {}
    let refusal = desk.hub.approvals.refusal(&desk.shim, &ask("drop_repo")).await.unwrap();
    assert!(matches!(refusal, Some(Registration::Busy(_))), "{refusal:?}");
    let mut forged = ask("drop_repo");
    forged.digest = Digest::of(b"another call");
    let refusal = desk.hub.approvals.refusal(&desk.shim, &forged).await.unwrap();
    assert!(matches!(refusal, Some(Registration::Ruled(_))), "{refusal:?}");
    assert!(desk.hub.approvals.refusal(&desk.shim, &ask("list_repos")).await.unwrap().is_none(), "it may pass");
    assert_eq!(point.asked(), 0);
}

#[tokio::test]
async fn one_agent_does_not_make_the_hub_ask_without_end() {
    let point = Point::start().await;
    let desk = desk_with(&point.url, "pdp-token", 0).await;
    let mut refused = 0;
    for _ in 0..700 {
        let ruling = ruling(&desk, "list_repos").await;
        refused += usize::from(ruling.reasons.iter().any(|reason| reason.contains("too many calls")));
    }
    assert_eq!((point.asked(), refused), (600, 100));
    desk.clock.advance(60_000);
    assert_eq!(ruling(&desk, "list_repos").await.verdict, Verdict::Pass);
}
