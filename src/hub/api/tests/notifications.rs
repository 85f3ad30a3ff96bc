//! `/notifications` over HTTP: who may look and change, and how refusals read.

use serde_json::json;

use super::{Running, problem};
use crate::hub::model::Role;

const HERE: &str = "/api/v1/notifications";

#[tokio::test]
async fn a_viewer_looks_and_only_an_administrator_changes_and_tests() {
    let running = Running::start().await;
    let (admin, viewer) = (running.person("root", Role::Admin).await, running.person("vic", Role::Viewer).await);
    let approver = running.person("ada", Role::Approver).await;
    let hook = json!({ "id": "w", "kind": "webhook", "settings": { "url": "https://192.0.2.1/x?token=t0p" } });
    for person in [&viewer, &approver] {
        problem(person.put(HERE, json!({ "channels": [] })).await, 403).await;
        problem(person.post("/api/v1/notifications/test", json!({ "id": "w" })).await, 403).await;
    }
    let refused = problem(admin.put(HERE, json!({ "channels": [hook] })).await, 400).await;
    assert!(refused["detail"].as_str().unwrap().contains("private network"), "{refused}");
    let mut hook = hook;
    hook["settings"]["url"] = json!("http://127.0.0.1:9/x?token=t0p");
    hook["settings"]["allow_private"] = json!(true);
    let made: serde_json::Value = admin.put(HERE, json!({ "channels": [hook] })).await.json().await.unwrap();
    assert!(made["new_secrets"]["w"].as_str().unwrap().starts_with("whsec_"), "{made}");
    let seen = viewer.read(HERE).await;
    assert_eq!(seen["items"][0]["secrets"], json!({ "url": true, "secret": true }));
    assert!(!seen.to_string().contains("t0p") && !seen.to_string().contains("whsec_"), "{seen}");
    let failed = problem(admin.post("/api/v1/notifications/test", json!({ "id": "w" })).await, 502).await;
    assert!(failed["detail"].as_str().unwrap().contains("refused"), "{failed}");
    problem(admin.post("/api/v1/notifications/test", json!({ "id": "none" })).await, 404).await;
    let stale = json!({ "channels": [], "revision": "0" });
    problem(admin.put(HERE, stale).await, 409).await;
    problem(admin.put(HERE, json!({ "channels": [{ "kind": "pigeon" }] })).await, 400).await;
}
