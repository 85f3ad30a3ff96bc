//! Enrolling a machine: what a machine is told, and what an administrator does with its code.

use reqwest::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use super::{Running, Socket, problem};
use crate::hub::model::Role;
use crate::wire::{self, EnrolHello, FromEnrolling, ToEnrolling};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::tungstenite::{self, Message};

/// A machine that waits: its socket and the code it shows.
async fn machine(running: &Running) -> (Socket, String) {
    let mut socket = open(running, &[]).await.unwrap();
    let hello =
        EnrolHello { version: "1".into(), user: Some("eve".into()), host: Some("laptop\u{7}".into()), confirms: true };
    socket.send(Message::text(wire::encode(&hello))).await.unwrap();
    match hear(&mut socket).await {
        ToEnrolling::Code { code, link, expires_seconds } => {
            assert_eq!((link, expires_seconds), (running.url(&format!("/enrol#{code}")), 600));
            (socket, code)
        }
        other => panic!("no code: {other:?}"),
    }
}

async fn open(running: &Running, headers: &[(&'static str, &str)]) -> Result<Socket, tungstenite::Error> {
    let mut request = format!("ws://{}{}", running.addr, wire::ENROL_PATH).into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", wire::ENROL_SUBPROTOCOL.parse().unwrap());
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    tokio_tungstenite::connect_async(request).await.map(|(socket, _)| socket)
}

async fn hear(socket: &mut Socket) -> ToEnrolling {
    loop {
        let message = tokio::time::timeout(super::PATIENCE, socket.next()).await.expect("the hub says something");
        if let Message::Text(text) = message.unwrap().unwrap() {
            return wire::decode(&text).unwrap();
        }
    }
}

#[tokio::test]
async fn a_machine_gets_its_token_when_an_administrator_confirms_the_code_and_only_then() {
    let running = Running::start().await;
    let (admin, approver) = (running.person("root", Role::Admin).await, running.person("ada", Role::Approver).await);
    let (mut socket, code) = machine(&running).await;
    let path = format!("/api/v1/enrolments/{}", code.to_lowercase().replace('-', " "));
    problem(approver.get(&path).await, 403).await;
    problem(approver.post(&path, json!({ "name": "mine" })).await, 403).await;
    let shown = admin.read(&path).await;
    assert_eq!((&shown["code"], &shown["host"], &shown["user"]), (&json!(code), &json!("laptop"), &json!("eve")));
    problem(admin.post(&path, json!({ "name": "" })).await, 400).await;
    let body = json!({ "name": "eves laptop", "user": "eve", "servers": ["repos"] });
    let agent: Value = admin.post(&path, body).await.json().await.unwrap();
    assert_eq!(agent["servers"], json!(["repos"]));
    let ToEnrolling::Enrolled { client_id, name, token } = hear(&mut socket).await else { panic!("no token") };
    assert_eq!((json!(client_id), name.as_str()), (agent["client_id"].clone(), "eves laptop"));
    socket.send(Message::text(wire::encode(&FromEnrolling::Received))).await.unwrap();
    while socket.next().await.is_some_and(|message| message.is_ok()) {}
    assert_eq!(running.hub.agents.agent_of_token(&token).await.unwrap().unwrap().client_id, client_id);
    problem(admin.post(&path, json!({ "name": "again" })).await, 404).await;
    assert_eq!(running.hub.agents.agents().await.unwrap().len(), 1, "a used code leaves no agent behind");
}

#[tokio::test]
async fn an_agent_whose_token_nobody_received_is_revoked() {
    let running = Running::start().await;
    let admin = running.person("root", Role::Admin).await;
    let (socket, code) = machine(&running).await;
    let path = format!("/api/v1/enrolments/{code}");
    assert_eq!(admin.post(&path, json!({ "name": "lost" })).await.status(), 201);
    // It never reads its token.
    drop(socket);
    let revoked = async {
        while !running.hub.agents.agents().await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(super::PATIENCE, revoked).await.expect("the agent is revoked");
    let records = running.hub.store().audit(0, 100).await.unwrap();
    let record = records.iter().find(|record| record.action == "agent.revoked").expect("a record");
    assert_eq!(record.actor, "hub");
}

#[tokio::test]
async fn a_refused_machine_a_browser_and_a_guesser_get_nothing() {
    let running = Running::while_no_time_passes().await;
    let admin = running.person("root", Role::Admin).await;
    let (mut socket, code) = machine(&running).await;
    let path = format!("/api/v1/enrolments/{code}");
    assert_eq!(admin.send(Method::DELETE, &path, &json!({})).await.status(), 204);
    assert!(matches!(hear(&mut socket).await, ToEnrolling::Refused { .. }));
    problem(admin.get(&path).await, 404).await;
    let origin = running.url("");
    assert!(open(&running, &[("origin", &origin)]).await.is_err(), "a page does not enrol");
    let mut answers = Vec::new();
    while answers.last() != Some(&429) && answers.len() < 9 {
        answers.push(admin.get("/api/v1/enrolments/BCDF-GHJK").await.status().as_u16());
    }
    assert!(answers.contains(&404) && answers.ends_with(&[429]), "{answers:?}");
    // Whoever left is not there any more.
    let (socket, code) = machine(&running).await;
    drop(socket);
    let left = async {
        while running.hub.agents.enrolment(&code).await.unwrap().is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(super::PATIENCE, left).await.expect("the code ends with its machine");
}

#[tokio::test]
async fn machines_without_a_token_take_no_more_than_their_share_of_connections() {
    let running = Running::start_with(&[("HITL_BEHIND_PROXY", "true")], crate::hub::clock::Clock::real()).await;
    // Each from another address, so that none of them asks too often.
    let mut addresses = (0..).map(|n: u32| format!("10.{}.{}.{}", n / 40_000, n / 200 % 200, n % 200));
    let mut another = async || {
        let address = addresses.next().unwrap_or_default();
        open(&running, &[("x-forwarded-for", &address)]).await
    };
    let mut waiting = Vec::new();
    for _ in 0..100 {
        let mut socket = another().await.unwrap();
        let hello = EnrolHello { version: "1".into(), user: None, host: None, confirms: false };
        socket.send(Message::text(wire::encode(&hello))).await.unwrap();
        assert!(matches!(hear(&mut socket).await, ToEnrolling::Code { .. }));
        waiting.push(socket);
    }
    // These say nothing, and are sent away for it after ten seconds.
    let mut silent = Vec::new();
    let refused = loop {
        match another().await {
            Ok(_) if silent.len() > 900 => panic!("there is no end"),
            Ok(socket) => silent.push(socket),
            Err(tungstenite::Error::Http(response)) => break response.status().as_u16(),
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(refused, 429);
    assert!(silent.len() >= 40, "{}", silent.len());
    waiting.clear();
    let room = async { while another().await.is_err() {} };
    tokio::time::timeout(super::PATIENCE, room).await.expect("there is room again");
}
