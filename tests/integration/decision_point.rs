//! The external decision point, asked by a real hub about real calls.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::point::TOKEN;
use crate::support::{Approver, Cerbos, Client, Fate, Hub, Point, Toolbox, Wrap, eventually};

async fn hub_that_asks(url: &str) -> (Hub, Approver) {
    let vars =
        [("HITL_AUTHZ_URL", url), ("HITL_AUTHZ_TOKEN", TOKEN), ("HITL_AUTHZ_TTL", "0"), ("HITL_AUTHZ_TIMEOUT", "60")];
    let hub = Hub::start_with(&vars).await;
    let approver = hub.sign_in().await;
    (hub, approver)
}

async fn client_of(toolbox: &Toolbox, hub: &Hub, approver: &Approver) -> Client {
    let user = json!({ "name": "una", "role": "viewer", "password": "correct horse battery" });
    assert_eq!(approver.ask(Method::POST, "/users", Some(user)).await.status, 201);
    let token = hub.run(&["agent", "add", "claude", "--user", "una"]).await;
    let mut client = Wrap::around(toolbox.server()).named("repos").with_hub(hub, &token).start();
    client.initialize().await;
    approver.knows_tool("repos", "garbled").await;
    client
}

async fn health(approver: &Approver) -> Value {
    approver.get("/health").await["decision_point"].clone()
}

#[tokio::test]
async fn decision_point_is_asked_about_each_call_and_may_only_deny() {
    let point = Point::start();
    let (mut hub, approver) = hub_that_asks(&point.url).await;
    let toolbox = Toolbox::named(&["list_repos", "delete_repo", "delete_branch", "garbled"]);
    let mut client = client_of(&toolbox, &hub, &approver).await;
    let client = &mut client;

    assert!(client.fate(&approver, "list_repos", json!({ "a": 1 })).await.passed());
    let no = Fate::denied("the external decision point says no");
    assert_eq!(client.fate(&approver, "delete_repo", json!({})).await, no);
    // Its yes leaves the rest to policy.
    let high = Fate::gated("trust high ≥ threshold high");
    assert_eq!(client.fate(&approver, "delete_branch", json!({})).await, high);
    let asked = point.asked();
    assert_eq!(asked.len(), 3);
    let agents = approver.get("/agents").await;
    // Of the raw text {"a":1}.
    let hash = "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862";
    assert_eq!(asked[0]["context"]["arguments_sha256"], hash);
    assert_eq!(asked[0]["subject"]["id"], agents["items"][0]["client_id"]);
    assert_eq!(asked[0]["resource"]["id"], "repos");
    assert_eq!((&asked[0]["action"]["name"], &asked[0]["context"]["user"]), (&json!("list_repos"), &json!("una")));
    assert_eq!(health(&approver).await, json!({ "ok": true, "trouble": null }));

    // An answer that is none, and then none at all, deny; the call, the log and the health line say so.
    let garbled = "the external decision point could not be asked: its answer is not {\"decision\": true|false}";
    assert_eq!(client.fate(&approver, "garbled", json!({})).await, Fate::denied(garbled));
    assert_eq!(health(&approver).await["ok"], false);
    let stopped = point.stop().await;
    let gone = "the external decision point could not be asked: it cannot be reached";
    assert_eq!(client.fate(&approver, "list_repos", json!({})).await, Fate::denied(gone));
    assert_eq!(health(&approver).await, json!({ "ok": false, "trouble": "it cannot be reached" }));
    hub.stderr.next_with("the external decision point cannot be asked; calls are denied").await;

    let point = stopped.start_again();
    assert!(client.fate(&approver, "list_repos", json!({})).await.passed());
    assert_eq!(health(&approver).await["ok"], true);
    hub.stderr.next_with("the external decision point answers again").await;
    assert_eq!(point.asked().len(), 1);
    let denials = eventually("three denied calls in the log", || async {
        let rows = approver.get("/activity?verdict=deny").await["items"].as_array().unwrap().clone();
        (rows.len() >= 3).then_some(rows)
    });
    assert!(denials.await.iter().all(|row| row["approval"].is_null()));
}

#[tokio::test]
async fn real_cerbos_decides_as_its_policy_says() {
    let cerbos = Cerbos::start().await;
    let (hub, approver) = hub_that_asks(&cerbos.url).await;
    let toolbox = Toolbox::named(&["list_repos", "delete_repo", "garbled"]);
    let mut client = client_of(&toolbox, &hub, &approver).await;
    assert!(client.fate(&approver, "list_repos", json!({})).await.passed());
    let no = Fate::denied("the external decision point says no");
    assert_eq!(client.fate(&approver, "delete_repo", json!({})).await, no);
    assert_eq!(health(&approver).await, json!({ "ok": true, "trouble": null }));
}
