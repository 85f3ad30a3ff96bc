//! A small AuthZEN decision point that checks the shape of what it is asked.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use super::{eventually, own_address};

/// The bearer token it wants.
pub const TOKEN: &str = "pdp-token";

/// A running one: yes to everything but the action `delete_repo`, nonsense to `garbled`.
pub struct Point {
    /// Its base URL, without a slash at its end.
    pub url: String,
    asked: Asked,
    /// Of its own, so that its open connections end with it.
    runtime: Option<Runtime>,
}

/// What it was asked, and the complaint where that has not the shape of the specification.
type Asked = Arc<Mutex<Vec<(Value, Option<String>)>>>;

impl Point {
    /// Starts it on a free port.
    pub fn start() -> Self {
        Self::start_at(&format!("{}:0", own_address()))
    }

    fn start_at(address: &str) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Asked::default();
        let app = Router::new().route("/access/v1/evaluation", post(evaluate)).with_state(asked.clone());
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, app).await.unwrap();
        });
        Self { url, asked, runtime: Some(runtime) }
    }

    /// Everything it was asked so far; each question must have had the right shape.
    pub fn asked(&self) -> Vec<Value> {
        let asked = self.asked.lock().unwrap();
        let question = |(body, complaint): &(Value, Option<String>)| {
            assert_eq!(*complaint, None, "{body}");
            body.clone()
        };
        asked.iter().map(question).collect()
    }

    /// Ends it: when this returns, nobody listens there.
    pub async fn stop(self) -> Stopped {
        let stopped = Stopped(self.url.clone());
        let address = stopped.address().to_owned();
        drop(self);
        let refused = || async { tokio::net::TcpStream::connect(&address).await.is_err().then_some(()) };
        eventually("the decision point's end", refused).await;
        stopped
    }
}

impl Drop for Point {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// One that is gone.
pub struct Stopped(String);

impl Stopped {
    fn address(&self) -> &str {
        self.0.strip_prefix("http://").unwrap()
    }

    /// Starts it again at the same address.
    pub fn start_again(self) -> Point {
        Point::start_at(self.address())
    }
}

async fn evaluate(State(asked): State<Asked>, headers: HeaderMap, body: Bytes) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let complaint = complaint(&headers, &body);
    asked.lock().unwrap().push((body.clone(), complaint.clone()));
    if let Some(why) = complaint {
        return (StatusCode::BAD_REQUEST, why).into_response();
    }
    match body["action"]["name"].as_str() {
        Some("delete_repo") => Json(json!({ "decision": false })).into_response(),
        Some("garbled") => "<html>yes</html>".into_response(),
        _ => Json(json!({ "decision": true, "context": { "reason": "policy 7" } })).into_response(),
    }
}

/// What is wrong with a question, by OpenID AuthZEN and by what hitl promises to put into it.
fn complaint(headers: &HeaderMap, body: &Value) -> Option<String> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let keys = |value: &Value| value.as_object().map(|object| object.keys().cloned().collect::<Vec<_>>());
    let text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    let hash = body["context"]["arguments_sha256"].as_str().unwrap_or_default();
    let checks = [
        ("a bearer token", header(header::AUTHORIZATION) == format!("Bearer {TOKEN}")),
        ("JSON", header(header::CONTENT_TYPE) == "application/json"),
        ("the four members", keys(body).is_some_and(|keys| keys == ["action", "context", "resource", "subject"])),
        ("a subject", body["subject"]["type"] == "agent" && text(&body["subject"]["id"])),
        ("an action", keys(&body["action"]).is_some_and(|keys| keys == ["name"]) && text(&body["action"]["name"])),
        ("a resource", body["resource"]["type"] == "server" && text(&body["resource"]["id"])),
        ("a hash of the arguments", hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())),
        ("a user or null", body["context"].get("user").is_some_and(|user| user.is_null() || text(user))),
    ];
    checks.iter().find(|(_, fits)| !fits).map(|(what, _)| format!("no {what}"))
}
