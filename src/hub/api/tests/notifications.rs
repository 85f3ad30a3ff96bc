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

#[tokio::test]
async fn everybody_who_may_look_subscribes_and_sees_only_their_own_browsers() {
    let running = Running::start().await;
    let (viewer, other) = (running.person("vic", Role::Viewer).await, running.person("ada", Role::Approver).await);
    let browsers = &format!("{HERE}/browsers");
    let key = viewer.read(browsers).await["key"].as_str().unwrap().to_owned();
    // A hub's key is a point as good as a browser's.
    let keys = json!({ "p256dh": key, "auth": "BTBZMqHH6r4Tts7J_aSIgg" });
    let new =
        json!({ "endpoint": "https://fcm.googleapis.com/fcm/send/s3cret", "keys": keys, "name": "Chrome on Linux" });
    let made = viewer.post(browsers, new.clone()).await;
    assert_eq!(made.status(), 201);
    let made: serde_json::Value = made.json().await.unwrap();
    let id = made["id"].as_str().unwrap();
    let seen = viewer.read(browsers).await;
    assert_eq!((&seen["items"][0], seen["items"].as_array().unwrap().len()), (&made, 1));
    assert!(!seen.to_string().contains("s3cret"), "{seen}");
    assert_eq!(other.read(browsers).await["items"], json!([]));
    problem(other.post("/api/v1/notifications/test", json!({ "id": id })).await, 403).await;
    let this = format!("{browsers}/{id}");
    problem(other.send(reqwest::Method::DELETE, &this, &json!({})).await, 404).await;
    let mut elsewhere = new;
    elsewhere["endpoint"] = json!("https://169.254.169.254/latest");
    let refused = problem(viewer.post(browsers, elsewhere).await, 400).await;
    assert!(refused["detail"].as_str().unwrap().contains("no push service"), "{refused}");
    assert_eq!(viewer.send(reqwest::Method::DELETE, &this, &json!({})).await.status(), 204);
    problem(viewer.send(reqwest::Method::DELETE, &this, &json!({})).await, 404).await;
    problem(running.stranger().get(browsers).await, 401).await;
}
