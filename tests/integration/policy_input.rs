//! Policy that makes no sense, and servers that try to make none of it: each gets a clear answer, and the hub goes on.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::toolbox::tool;
use crate::support::{Approver, Client, Fate, Hub, Toolbox, Wrap, text_of};

/// A client of this toolbox; everything here lives as long as what comes first.
async fn open(toolbox: Toolbox, last: &str) -> ((Hub, Toolbox), Approver, Client) {
    let hub = Hub::start().await;
    let approver = hub.sign_in().await;
    let token = hub.add_agent("Агент ☃ <>&\"'").await;
    let mut client = Wrap::around(toolbox.server()).named("box").with_hub(&hub, &token).start();
    client.initialize().await;
    approver.knows_tool("box", last).await;
    ((hub, toolbox), approver, client)
}

fn when(condition: Value) -> Value {
    json!({ "rules": [{ "effect": "gate", "when": [condition] }] })
}

/// Policies that are refused, with the place and a word of the answer.
fn bad_policies() -> Vec<(Value, &'static str, &'static str)> {
    let twice = json!({ "effect": "deny", "tool": "a*" });
    vec![
        (json!({ "threshold": "huge" }), "", "huge"),
        (json!({ "requireAll": true }), "", "requireAll"),
        (json!({ "timeout_seconds": 4 }), "timeout_seconds", "5 to 3600"),
        (json!({ "rules": [{ "tool": "x" }] }), "rules[0]", "effect"),
        (json!({ "rules": [{ "effect": "allow" }] }), "rules[0]", "allow"),
        (json!({ "rules": [{ "effect": "gate", "tool": "[" }] }), "rules[0].tool", "glob"),
        (json!({ "rules": [twice, twice] }), "rules[1]", "the same as rules[0]"),
        (when(json!({ "pointer": "path", "op": "exists" })), "rules[0].when[0].pointer", "RFC 6901"),
        (when(json!({ "pointer": "/a", "op": "like", "value": "x" })), "rules[0].when[0]", "like"),
        (when(json!({ "pointer": "/a", "op": "regex", "value": "a(" })), "rules[0].when[0].value", "invalid regex"),
        // Look-around and back references cannot be matched in linear time, so they are not there.
        (when(json!({ "pointer": "/a", "op": "regex", "value": "(a)\\1" })), "rules[0].when[0].value", "invalid regex"),
        (
            when(json!({ "pointer": "/a", "op": "regex", "value": "((a{99}){99}){99}" })),
            "rules[0].when[0].value",
            "size",
        ),
        (when(json!({ "pointer": "/a", "op": "greater", "value": "9" })), "rules[0].when[0].value", "number"),
        (json!({ "bypass": ["agent-1", "agent-1"] }), "bypass[1]", "in the list already"),
        (json!({ "bypass": ["a\u{0}b"] }), "bypass[0]", "visible characters"),
        (json!({ "bypass": [{ "client_id": "a", "expires_at": 1 }] }), "bypass[0].expires_at", "past"),
    ]
}

#[tokio::test]
async fn bad_policy_is_answered_with_its_place_and_leaves_the_old_one_in_force() {
    let (_world, approver, mut client) = open(Toolbox::named(&["peek"]), "peek").await;
    approver.set_policy("box", json!({ "require_all": true })).await;
    let before = approver.get("/servers/box").await["policy"].clone();
    for (body, place, word) in bad_policies() {
        let answer = approver.ask(Method::PUT, "/servers/box/policy", Some(body.clone())).await;
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
        assert_eq!(answer.body["place"].as_str().unwrap_or_default(), place, "{body}: {answer:?}");
        assert!(answer.body["detail"].as_str().unwrap().contains(word), "{body}: {answer:?}");
    }
    for (path, body) in [
        ("/servers/box/tools/pook", json!({ "hitl": true })),
        ("/servers/boxes/policy", json!({ "require_all": true })),
        ("/agents/agent-%3Cb%3E%00", json!({ "trust": {} })),
        ("/agents/..%2F..%2Fetc", json!({ "trust": {} })),
    ] {
        assert_eq!(approver.ask(Method::PUT, path, Some(body)).await.status, 404, "{path}");
    }
    assert_eq!(approver.get("/servers/box").await["policy"], before);
    while client.fate(&approver, "peek", json!({})).await.passed() {}

    // A client id of any visible characters is kept as it is, and is nobody else's.
    let odd = ["аgent-1", "agent-1 ", "a/b?c#d%2e", "\"><script>", "☃"];
    let kept: Vec<&str> = odd.iter().copied().filter(|id| id.trim() == *id).collect();
    approver.set_policy("box", json!({ "bypass": kept })).await;
    let mut bypass: Vec<String> =
        serde_json::from_value(approver.get("/servers/box").await["policy"]["bypass"].clone()).unwrap();
    let mut expected = kept.clone();
    bypass.sort();
    expected.sort_unstable();
    assert_eq!(bypass, expected);
    let all = Fate::gated("this server requires approval for all tools");
    assert_eq!(client.fate(&approver, "peek", json!({})).await, all);
}

#[tokio::test]
async fn regex_that_runs_for_ever_elsewhere_answers_at_once() {
    let (_world, approver, mut client) = open(Toolbox::named(&["peek"]), "peek").await;
    client.is_looked_at(&approver, "box", "peek").await;
    approver.set_policy("box", when(json!({ "pointer": "/a", "op": "regex", "value": "^(a+)+$" }))).await;
    // A back-tracking matcher would not come back in this world's time.
    assert!(client.fate(&approver, "peek", json!({ "a": format!("{}!", "a".repeat(1 << 20)) })).await.passed());
    assert!(!client.fate(&approver, "peek", json!({ "a": "a".repeat(1 << 10) })).await.passed());
}

#[tokio::test]
async fn ten_thousand_tools_in_a_list_reach_the_client_and_the_hub_keeps_what_it_can_show() {
    let names: Vec<String> = (0..10_000).map(|number| format!("tool_{number:05}")).collect();
    let tools: Vec<Value> = names.iter().map(|name| tool(name, &"Does one thing. ".repeat(8))).collect();
    let (_world, approver, mut client) = open(Toolbox::of(&tools), "tool_01999").await;
    assert_eq!(client.list_tools().await, json!(tools));

    let kept = approver.get("/servers/box").await["tools"].as_array().unwrap().len();
    assert_eq!((kept, approver.get("/servers").await["items"][0]["tools"].as_array().unwrap().len()), (2000, 2000));
    let agents = approver.get("/agents").await;
    let id = agents["items"][0]["client_id"].as_str().unwrap();
    let coverage = approver.get(&format!("/servers/box/coverage?agent={id}")).await;
    assert_eq!(coverage["tools"].as_array().unwrap().len(), 2000);

    // What the hub has not kept is unknown to it, and waits where a level could gate it.
    assert!(client.fate(&approver, "tool_00000", json!({})).await.passed());
    let unknown = Fate::gated("the server has not listed this tool, and not all of its tools are known");
    assert_eq!(client.fate(&approver, "tool_09999", json!({})).await, unknown);
    approver.set_policy("box", json!({ "threshold": null })).await;
    while !client.fate(&approver, "tool_09999", json!({})).await.passed() {}
}

#[tokio::test]
async fn tool_names_that_look_alike_are_tools_of_their_own() {
    // The second has a Cyrillic е, the third a zero width space, the fourth a composed and the fifth a decomposed é.
    let names = ["delete_repo", "d\u{435}lete_repo", "delete\u{200b}_repo", "caf\u{e9}", "cafe\u{301}", "DELETE_REPO"];
    let (_world, approver, mut client) = open(Toolbox::named(&names), names[5]).await;
    let high = Fate::gated("trust high ≥ threshold high");
    for (name, gated) in names.into_iter().zip([true, false, true, false, false, true]) {
        let fate = client.fate(&approver, name, json!({})).await;
        assert_eq!(fate == high, gated, "{name:?}: {fate:?}");
    }
    // A switch is on exactly the tool it stands beside.
    approver.put("/servers/box/tools/caf%C3%A9", json!({ "hitl": true })).await;
    while client.fate(&approver, names[3], json!({})).await.passed() {}
    assert!(client.fate(&approver, names[4], json!({})).await.passed());
    // One that was not listed is no other's look-alike: it waits.
    let unlisted = client.fate(&approver, "caf\u{65}\u{301}\u{200b}", json!({})).await;
    assert!(!unlisted.passed(), "{unlisted:?}");
    let id = client.call(names[2], json!({})).await;
    let card = approver.the_pending_approval().await;
    assert_eq!(card["tool"], names[2]);
    approver.approve(&card).await;
    assert_eq!(text_of(&client.answer(id).await), format!("{} ran", names[2]));
}
