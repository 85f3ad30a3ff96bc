//! Who may do what, and what a token does not open.

use reqwest::Method;
use serde_json::json;
use tokio_tungstenite::tungstenite;

use super::{Running, Socket, problem};
use crate::core::approval::Status;
use crate::hub::model::Role;
use crate::hub::who::Actor;

#[tokio::test]
async fn a_viewer_looks_and_an_approver_decides_and_an_administrator_changes() {
    let running = Running::start().await;
    let (admin, approver) = (running.person("root", Role::Admin).await, running.person("ada", Role::Approver).await);
    let viewer = running.person("vic", Role::Viewer).await;
    let mut shim = running.shim().await;
    let id = shim.hold("{}").await;
    viewer.read(&format!("/api/v1/approvals/{id}")).await;
    for action in ["approve", "reject", "extend", "seen"] {
        problem(viewer.post(&format!("/api/v1/approvals/{id}/{action}"), json!({})).await, 403).await;
    }
    let batch = json!({ "ids": [id], "action": "approve" });
    problem(viewer.post("/api/v1/approvals/batch", batch).await, 403).await;
    for person in [&viewer, &approver] {
        let policy = person.put("/api/v1/servers/repos/policy", json!({ "require_all": true })).await;
        problem(policy, 403).await;
        problem(person.put("/api/v1/servers/repos/tools/delete_repo", json!({ "hitl": true })).await, 403).await;
        problem(person.post("/api/v1/agents", json!({ "name": "mine" })).await, 403).await;
        problem(person.post("/api/v1/users", json!({ "name": "me", "role": "admin" })).await, 403).await;
        problem(person.put("/api/v1/users/vic", json!({ "role": "admin" })).await, 403).await;
        problem(person.get("/api/v1/users").await, 403).await;
    }
    assert_eq!(running.hub.approvals.approval(&id).await.unwrap().unwrap().status, Status::Pending);
    let policy = admin.put("/api/v1/servers/repos/policy", json!({ "require_all": true })).await;
    assert_eq!(policy.json::<serde_json::Value>().await.unwrap()["policy"]["require_all"], true);
    assert_eq!(approver.post(&format!("/api/v1/approvals/{id}/approve"), json!({})).await.status(), 200);
}

#[tokio::test]
async fn an_agents_token_decides_nothing() {
    let running = Running::start().await;
    let mut shim = running.shim().await;
    let id = shim.hold("{}").await;
    let (_, token) = running.hub.agents.add_agent("other", None, &Actor::Operator).await.unwrap();
    let stranger = running.stranger();
    for path in ["/api/v1/session", "/api/v1/approvals", "/api/v1/events"] {
        problem(stranger.request(Method::GET, path).bearer_auth(&token).send().await.unwrap(), 403).await;
    }
    let approve = stranger.request(Method::POST, &format!("/api/v1/approvals/{id}/approve")).bearer_auth(&token);
    let body = problem(approve.json(&json!({})).send().await.unwrap(), 403).await;
    assert!(body["detail"].as_str().unwrap().contains("agent's token"), "{body}");
    assert_eq!(running.hub.approvals.approval(&id).await.unwrap().unwrap().status, Status::Pending);
}

#[tokio::test]
async fn a_personal_token_decides_without_a_cookie_and_a_made_up_one_does_not() {
    let running = Running::start().await;
    let mut shim = running.shim().await;
    let id = shim.hold("{}").await;
    running.hub.people.add_user("ada", Role::Approver, None, &Actor::Operator).await.unwrap();
    let token = running.hub.people.mint_command_token(Some("ada"), super::PATIENCE).await.unwrap();
    let approve = |token: &str| {
        let request = running.stranger().request(Method::POST, &format!("/api/v1/approvals/{id}/approve"));
        request.bearer_auth(token).send()
    };
    problem(approve("hitl_u_made-up").await.unwrap(), 401).await;
    let answer = approve(&token).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.json::<serde_json::Value>().await.unwrap()["decided_by"], "ada");
}

#[tokio::test]
async fn the_record_tells_decisions_of_the_page_of_tokens_and_of_the_command_line_apart() {
    let running = Running::start().await;
    let person = running.person("ada", Role::Approver).await;
    let mut shim = running.shim().await;
    let day = std::time::Duration::from_secs(86_400);
    let (_, token) = running.hub.people.add_user_token("ada", day, &Actor::Operator).await.unwrap();
    let command = running.hub.people.mint_command_token(Some("ada"), super::PATIENCE).await.unwrap();
    let mut expected = Vec::new();
    for (bearer, via) in [(None, "page"), (Some(token), "token"), (Some(command), "cli")] {
        for action in ["approve", "reject"] {
            let id = shim.hold("{}").await;
            for action in ["extend", action] {
                let path = format!("/api/v1/approvals/{id}/{action}");
                let answer = match &bearer {
                    None => person.post(&path, json!({})).await,
                    Some(token) => {
                        let request = running.stranger().request(Method::POST, &path).bearer_auth(token);
                        request.json(&json!({})).send().await.unwrap()
                    }
                };
                assert_eq!(answer.status(), 200);
                expected.push(via);
            }
        }
    }
    let id = shim.hold("{}").await;
    person.post("/api/v1/approvals/batch", json!({ "ids": [id], "action": "reject" })).await;
    expected.push("page");
    let records = running.hub.store().audit(0, 1000).await.unwrap();
    let of_ada = records.iter().filter(|record| record.actor == "ada");
    let detail = |text: &String| serde_json::from_str::<serde_json::Value>(text).unwrap()["via"].clone();
    let told: Vec<_> = of_ada.map(|record| detail(&record.detail)).collect();
    assert_eq!(json!(told), json!(expected));
}

#[tokio::test]
async fn a_personal_token_is_listed_without_its_value_and_worthless_once_it_is_revoked() {
    let running = Running::start().await;
    running.hub.people.add_user("vic", Role::Viewer, None, &Actor::Operator).await.unwrap();
    let day = std::time::Duration::from_secs(86_400);
    let (token, secret) = running.hub.people.add_user_token("vic", day, &Actor::Operator).await.unwrap();
    running.hub.people.mint_command_token(Some("vic"), day).await.unwrap();
    assert_eq!(running.hub.people.user_tokens("vic").await.unwrap(), std::slice::from_ref(&token));
    let with = |method: Method, path: &str| running.stranger().request(method, path).bearer_auth(&secret).send();
    assert_eq!(with(Method::GET, "/api/v1/approvals").await.unwrap().status(), 200);
    problem(with(Method::GET, "/api/v1/users").await.unwrap(), 403).await;
    problem(with(Method::POST, "/api/v1/approvals/x/approve").await.unwrap(), 403).await;
    running.hub.people.revoke_user_token(&token.id, &Actor::Operator).await.unwrap();
    problem(with(Method::GET, "/api/v1/approvals").await.unwrap(), 401).await;
    assert_eq!(running.hub.people.user_tokens("vic").await.unwrap(), []);
    let actions: Vec<_> =
        running.hub.store().audit(0, 1000).await.unwrap().into_iter().map(|record| record.action).collect();
    assert!(actions.ends_with(&["user.token_added".into(), "user.token_revoked".into()]), "{actions:?}");
    assert!(running.hub.people.revoke_user_token(&token.id, &Actor::Operator).await.is_err());
    for odd in [std::time::Duration::ZERO, day * 400] {
        assert!(running.hub.people.add_user_token("vic", odd, &Actor::Operator).await.is_err());
    }
}

#[tokio::test]
async fn an_agent_that_connects_too_often_is_told_so_before_its_connection_is_opened() {
    let clock = crate::hub::clock::Clock::settable(1_800_000_000_000);
    let running = Running::start_with(&[], clock.clone()).await;
    let (agent, token) = running.hub.agents.add_agent("cursor", None, &Actor::Operator).await.unwrap();
    assert!((0..10_000).any(|_| running.hub.shims.admit(&agent.client_id).is_err()));
    assert_eq!(refusal(running.open_socket(&token, &[]).await), 429);
    let (_, other) = running.hub.agents.add_agent("other", None, &Actor::Operator).await.unwrap();
    assert!(running.open_socket(&other, &[]).await.is_ok());
    clock.advance(1_000);
    assert!(running.open_socket(&token, &[]).await.is_ok());
}

#[tokio::test]
async fn only_an_agents_token_opens_the_shims_websocket_and_no_page_does() {
    let running = Running::start().await;
    let (_, agent) = running.hub.agents.add_agent("cursor", None, &Actor::Operator).await.unwrap();
    running.hub.people.add_user("ada", Role::Admin, None, &Actor::Operator).await.unwrap();
    let person = running.hub.people.mint_command_token(Some("ada"), super::PATIENCE).await.unwrap();
    assert_eq!(refusal(running.open_socket(&person, &[]).await), 403);
    assert_eq!(refusal(running.open_socket("hitl_a_made-up", &[]).await), 401);
    assert_eq!(refusal(running.open_socket(&agent, &[("origin", &running.url(""))]).await), 403);
    assert_eq!(refusal(running.open_socket(&agent, &[("host", "evil.com")]).await), 403);
    assert_eq!(refusal(running.open_socket(&agent, &[("sec-websocket-protocol", "hitl.v9")]).await), 426);
    assert!(running.open_socket(&agent, &[]).await.is_ok());
    running.hub.agents.revoke_agent("cursor", &Actor::Operator).await.unwrap();
    assert_eq!(refusal(running.open_socket(&agent, &[]).await), 401);
}

fn refusal(result: Result<Socket, tungstenite::Error>) -> u16 {
    match result {
        Err(tungstenite::Error::Http(response)) => response.status().as_u16(),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn agents_and_users_are_managed_over_the_api() {
    let running = Running::start().await;
    let admin = running.person("root", Role::Admin).await;
    let added = admin.post("/api/v1/agents", json!({ "name": "ci" })).await;
    assert_eq!(added.status(), 201);
    let agent: serde_json::Value = added.json().await.unwrap();
    assert!(agent["token"].as_str().unwrap().starts_with("hitl_a_"));
    let path = format!("/api/v1/agents/{}", agent["client_id"].as_str().unwrap());
    let changed = admin.put(&path, json!({ "trust": { "repos": "low" } })).await;
    assert_eq!(changed.json::<serde_json::Value>().await.unwrap()["trust"]["repos"], "low");
    assert!(!admin.read("/api/v1/agents").await.to_string().contains("hitl_a_"), "a token is shown once");
    assert_eq!(admin.send(Method::DELETE, &path, &json!({})).await.status(), 204);
    problem(admin.get(&path).await, 404).await;

    let added = admin.post("/api/v1/users", json!({ "name": "ada", "role": "viewer" })).await;
    assert_eq!(added.status(), 201);
    let link = added.json::<serde_json::Value>().await.unwrap()["link"].as_str().unwrap().to_owned();
    let (base, code) = link.split_once("/signin#").unwrap();
    assert_eq!(base, running.url(""));
    let mut ada = running.stranger();
    ada.sign_in(&json!({ "code": code })).await;
    assert_eq!(admin.put("/api/v1/users/ada", json!({ "role": "approver" })).await.status(), 200);
    assert_eq!(ada.read("/api/v1/session").await["user"]["role"], "approver", "a new role counts at once");
    problem(ada.put("/api/v1/users/root", json!({ "password": "stolen account" })).await, 403).await;
    assert_eq!(ada.put("/api/v1/users/ada", json!({ "password": "a password of my own" })).await.status(), 200);
    problem(ada.get("/api/v1/session").await, 401).await;
    problem(admin.post("/api/v1/users", json!({ "name": "ada", "role": "viewer" })).await, 409).await;
    assert_eq!(admin.send(Method::DELETE, "/api/v1/users/ada", &json!({})).await.status(), 204);
    problem(admin.send(Method::DELETE, "/api/v1/users/root", &json!({})).await, 409).await;
}
