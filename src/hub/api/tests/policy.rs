//! Policy over the API: faults with their place, simulation, coverage, drift, and what a look-alike or a crowd of tools
//! does to it.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Running, problem};
use crate::core::messages::{ToolDefinition, Tools};
use crate::core::policy::Verdict;
use crate::hub::model::Role;
use crate::wire::{ToHub, ToWrap};

fn list(names: impl IntoIterator<Item = String>) -> ToHub {
    let tool = |name: String| ToolDefinition { definition: json!({ "name": name }).to_string(), name };
    ToHub::Tools(Tools { items: names.into_iter().map(tool).collect(), complete: true })
}

#[tokio::test]
async fn a_fault_in_a_policy_is_answered_with_its_place_and_changes_nothing() {
    let running = Running::start().await;
    let admin = running.person("root", Role::Admin).await;
    let _shim = running.shim().await;
    let path = "/api/v1/servers/repos/policy";
    let before = admin.read("/api/v1/servers/repos").await;
    for (body, place) in [
        (
            json!({ "rules": [{ "effect": "gate", "when": [{ "pointer": "/a", "op": "regex", "value": "(" }] }] }),
            "rules[0].when[0].value",
        ),
        (json!({ "rules": [{ "effect": "gate" }, { "effect": "perhaps" }] }), "rules[1]"),
        (json!({ "rules": [{ "effect": "gate" }, { "effect": "gate" }] }), "rules[1]"),
        (json!({ "bypass": [""] }), "bypass[0]"),
        (json!({ "bypass": ["x", 7] }), "bypass[1]"),
        (json!({ "timeout_seconds": 1, "require_all": true }), "timeout_seconds"),
    ] {
        let answer = problem(admin.put(path, body.clone()).await, 400).await;
        assert_eq!(answer["place"], place, "{body}: {answer}");
        assert!(answer["detail"].as_str().unwrap().starts_with(place), "{answer}");
    }
    problem(admin.put(path, json!({ "rulez": [] })).await, 400).await;
    assert_eq!(admin.read("/api/v1/servers/repos").await, before);
    // Client ids with odd characters are taken as they are, and kept apart from those that look alike.
    let odd = ["Агент ☃ <b>&\"'", "../../etc", "a b"];
    let answer: Value = admin.put(path, json!({ "bypass": odd })).await.json().await.unwrap();
    assert_eq!(answer["policy"]["bypass_entries"].as_array().unwrap().len(), 3);
    assert_eq!(answer["policy"]["bypass_entries"][0]["added_by"], "root");
}

#[tokio::test]
async fn a_call_is_tried_and_a_tool_accepted_over_the_api_by_those_who_may() {
    let running = Running::start().await;
    let (admin, viewer) = (running.person("root", Role::Admin).await, running.person("vic", Role::Viewer).await);
    let mut shim = running.shim().await;
    shim.say(&list(["list_repos".to_owned()])).await;
    assert!(matches!(shim.hear().await, ToWrap::Policy { .. }));
    assert!(matches!(shim.hear().await, ToWrap::Undescribed { tools: 1, .. }));
    shim.say(&list(["list_repos".to_owned(), "peek".to_owned()])).await;
    let ToWrap::Policy { table } = shim.hear().await else { panic!("no policy") };
    assert_eq!(table.ruling("peek").verdict, Verdict::Gate);
    let call = json!({ "agent": shim.agent.client_id, "tool": "peek", "arguments": { "a": 1 } });
    let answer: Value = viewer.post("/api/v1/servers/repos/simulate", call).await.json().await.unwrap();
    assert_eq!(
        (&answer["verdict"], &answer["bypass"], &answer["trust"]),
        (&json!("gate"), &json!(false), &json!("low"))
    );
    let coverage = viewer.read(&format!("/api/v1/servers/repos/coverage?agent={}", shim.agent.client_id)).await;
    assert_eq!(coverage["tools"][0]["verdict"], "pass");
    assert_eq!(coverage["tools"][1]["verdict"], "gate");
    let server = viewer.read("/api/v1/servers/repos").await;
    assert_eq!(server["tools"][1]["drift"]["kind"], "new");
    let path = "/api/v1/servers/repos/tools/peek/accept";
    problem(viewer.post(path, json!({})).await, 403).await;
    let blind = problem(admin.post(path, json!({})).await, 400).await;
    assert!(blind["detail"].as_str().unwrap().contains("sha256"), "{blind}");
    let late = problem(admin.post(path, json!({ "sha256": "0".repeat(64) })).await, 409).await;
    assert_eq!(late["tool"]["drift"], server["tools"][1]["drift"], "with what is current");
    let seen = json!({ "sha256": server["tools"][1]["drift"]["sha256"] });
    assert_eq!(admin.post(path, seen).await.status(), 200);
    let ToWrap::Policy { table } = shim.hear().await else { panic!("no policy") };
    assert_eq!(table.ruling("peek").verdict, Verdict::Pass);
    problem(viewer.get("/api/v1/servers/repos/coverage").await, 400).await;
    assert_eq!(viewer.read("/api/v1/health").await, json!({ "decision_point": null }));
}

#[tokio::test]
async fn a_server_is_removed_by_an_administrator_once_nothing_stands_in_front_of_it() {
    let running = Running::start().await;
    let (admin, approver) = (running.person("root", Role::Admin).await, running.person("ada", Role::Approver).await);
    let mut shim = running.shim().await;
    let path = "/api/v1/servers/repos";
    problem(approver.send(Method::DELETE, path, &json!({})).await, 403).await;
    let answer = problem(admin.send(Method::DELETE, path, &json!({})).await, 409).await;
    assert!(answer["detail"].as_str().unwrap().contains("connected"), "{answer}");
    shim.say(&ToHub::Bye).await;
    shim.hear_end().await;
    assert_eq!(admin.send(Method::DELETE, path, &json!({})).await.status(), 204);
    problem(admin.get(path).await, 404).await;
    problem(admin.send(Method::DELETE, path, &json!({})).await, 404).await;
}

#[tokio::test]
async fn ten_thousand_tools_leave_the_server_usable() {
    let running = Running::start().await;
    let admin = running.person("root", Role::Admin).await;
    let mut shim = running.shim().await;
    shim.say(&list((0..10_000).map(|n| format!("tool_{n}")))).await;
    let ToWrap::Policy { table } = shim.hear().await else { panic!("no policy") };
    // What is beyond the number that is kept is unlisted, and so is gated in doubt.
    assert_eq!((table.tools.len(), table.unlisted.verdict), (2000, Verdict::Gate));
    let server = admin.read("/api/v1/servers/repos").await;
    assert_eq!(server["tools"].as_array().unwrap().len(), 2000);
}

#[tokio::test]
async fn a_tool_whose_name_is_no_part_of_an_address_is_set_all_the_same() {
    let running = Running::start().await;
    let root = running.person("root", Role::Admin).await;
    let mut shim = running.shim().await;
    let definition = |name: &str| format!("{{\"name\":{}}}", json!(name));
    let items =
        ["..", ".", "", "a/b"].map(|name| ToolDefinition { name: name.to_owned(), definition: definition(name) });
    shim.say(&ToHub::Tools(Tools { items: items.to_vec(), complete: true })).await;
    shim.hold("{}").await;
    let listed = root.read("/api/v1/servers/repos").await;
    let names: Vec<_> = listed["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, [".", "..", "a/b"], "what has no name can be neither shown nor asked for");
    for name in ["..", ".", "a/b"] {
        let query = format!("?tool={}", name.replace('/', "%2F"));
        let put = root.request(Method::PUT, &format!("/api/v1/servers/repos/tools{query}"));
        let set = put.header("x-hitl-csrf", &root.csrf).json(&json!({ "hitl": true })).send().await.unwrap();
        assert_eq!(set.status(), 200, "{name}");
        let tool: Value = set.json().await.unwrap();
        assert_eq!((&tool["name"], &tool["hitl"]), (&json!(name), &json!(true)));
        let accept = root.request(Method::POST, &format!("/api/v1/servers/repos/accept{query}"));
        let sha256 = crate::core::call::definition(&definition(name));
        let accepted =
            accept.header("x-hitl-csrf", &root.csrf).json(&json!({ "sha256": sha256 })).send().await.unwrap();
        assert_eq!(accepted.status(), 200, "{name}");
    }
    let nameless = root.put("/api/v1/servers/repos/tools", json!({ "hitl": true })).await;
    problem(nameless, 400).await;
    assert_eq!(root.put("/api/v1/servers/repos/tools/a%2Fb", json!({ "hitl": false })).await.status(), 200);
}
