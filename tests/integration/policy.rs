//! Everything else that decides on a call: toggle, threshold, trust, ceilings, bypass, revocation, through the real
//! binaries.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Approver, Client, Fate, Hub, Ledger, Toolbox, Wrap, eventually, everything, text_of};

const SUM: &str = "get-sum";

fn two_numbers() -> Value {
    json!({ "a": 2, "b": 3 })
}

fn message() -> Value {
    json!({ "message": "hello" })
}

/// A client of server-everything whose calls of `echo` the hub looks at: with the answer to one of them, everything
/// that was changed before it has reached the shim.
async fn open(hub: &Hub, approver: &Approver, token: &str) -> Client {
    let mut client = Wrap::around(everything()).named("everything").with_hub(hub, token).start();
    client.initialize().await;
    approver.knows_tool("everything", SUM).await;
    client.is_looked_at(approver, "everything", "get-env").await;
    let never = json!([{ "tool": "echo", "effect": "gate", "when": [{ "pointer": "/never", "op": "exists" }] }]);
    approver.set_policy("everything", json!({ "threshold": null, "rules": never })).await;
    settle(&mut client, approver).await;
    client
}

async fn settle(client: &mut Client, approver: &Approver) {
    client.fate(approver, "echo", message()).await;
}

/// The fate of the very next call after `change` was answered.
async fn after(approver: &Approver, client: &mut Client, change: Value, tool: &str) -> Fate {
    approver.set_policy("everything", change).await;
    settle(client, approver).await;
    next(approver, client, tool).await
}

async fn next(approver: &Approver, client: &mut Client, tool: &str) -> Fate {
    let arguments = if tool == SUM { two_numbers() } else { json!({}) };
    client.fate(approver, tool, arguments).await
}

async fn set_tool(approver: &Approver, client: &mut Client, tool: &str, change: Value) {
    approver.put(&format!("/servers/everything/tools/{tool}"), change).await;
    settle(client, approver).await;
}

#[tokio::test]
async fn what_an_admin_sets_decides_on_the_next_call_of_a_connected_session() {
    let hub = Hub::start().await;
    let approver = hub.sign_in().await;
    let token = hub.add_agent("claude").await;
    let mut client = open(&hub, &approver, &token).await;
    let client = &mut client;
    assert!(next(&approver, client, SUM).await.passed());

    // The toggle, with the words that approvers read.
    set_tool(&approver, client, SUM, json!({ "hitl": true, "reason": "sums are delicate" })).await;
    let both = ["approval is switched on for this tool", "an administrator's note: sums are delicate"];
    assert_eq!(next(&approver, client, SUM).await, Fate::Gated(both.map(str::to_owned).to_vec()));
    set_tool(&approver, client, SUM, json!({ "hitl": false, "reason": null })).await;
    assert!(next(&approver, client, SUM).await.passed());

    let all = Fate::gated("this server requires approval for all tools");
    assert_eq!(after(&approver, client, json!({ "require_all": true }), SUM).await, all);
    assert!(after(&approver, client, json!({ "require_all": false }), SUM).await.passed());

    // One tool is medium, the other is low.
    let slow = "trigger-long-running-operation";
    set_tool(&approver, client, slow, json!({ "trust": "medium" })).await;
    let medium = Fate::gated("trust medium ≥ threshold medium");
    assert_eq!(after(&approver, client, json!({ "threshold": "medium" }), slow).await, medium);
    assert!(next(&approver, client, SUM).await.passed());
    let low = Fate::gated("trust low ≥ threshold low");
    assert_eq!(after(&approver, client, json!({ "threshold": "low" }), SUM).await, low);

    // An administrator's word on a tool's level counts more than its name.
    approver.set_policy("everything", json!({ "threshold": "high" })).await;
    set_tool(&approver, client, SUM, json!({ "trust": "high" })).await;
    assert_eq!(next(&approver, client, SUM).await, Fate::gated("trust high ≥ threshold high"));
    set_tool(&approver, client, SUM, json!({ "trust": null })).await;
    assert!(next(&approver, client, SUM).await.passed());

    // A tool that the server has not listed is not let through where anything is gated.
    set_tool(&approver, client, slow, json!({ "hitl": true })).await;
    let unlisted = Fate::gated("the server has not listed this tool, and something on this server is gated");
    assert_eq!(next(&approver, client, "get-sums").await, unlisted);
    assert_eq!(next(&approver, client, "Get-Sum").await, unlisted);
}

#[tokio::test]
async fn tool_above_the_ceiling_of_the_user_or_the_trust_of_the_agent_is_denied_with_both_levels() {
    let hub = Hub::start().await;
    let approver = hub.sign_in().await;
    let user = json!({ "name": "una", "role": "viewer", "password": "correct horse battery" });
    assert_eq!(approver.ask(Method::POST, "/users", Some(user)).await.status, 201);
    let token = hub.run(&["agent", "add", "claude", "--user", "una"]).await;
    let mut client = open(&hub, &approver, &token).await;
    let client = &mut client;
    let slow = "trigger-long-running-operation";
    set_tool(&approver, client, slow, json!({ "trust": "medium" })).await;
    let agent = agent_path(&approver, "claude").await;

    // Nothing is denied until somebody sets a limit, and a limit on another server is none here.
    approver.put("/users/una", json!({ "ceilings": { "elsewhere": "low" } })).await;
    settle(client, &approver).await;
    assert!(next(&approver, client, SUM).await.passed());
    approver.put("/users/una", json!({ "ceilings": { "everything": "low" } })).await;
    settle(client, &approver).await;
    let by_user = Fate::denied("the tool needs trust medium, the user's ceiling on this server is low");
    assert_eq!(next(&approver, client, slow).await, by_user);
    assert!(next(&approver, client, SUM).await.passed());

    // The lower of both counts, and neither a bypass nor an approval gets around it.
    approver.put("/users/una", json!({ "ceilings": { "everything": "medium" } })).await;
    approver.put(&agent, json!({ "trust": { "everything": "low" } })).await;
    let id = agent.rsplit('/').next().unwrap();
    let bypass = json!({ "bypass": [id], "require_all": true });
    let by_agent = Fate::denied("the tool needs trust medium, the agent's trust on this server is low");
    assert_eq!(after(&approver, client, bypass, slow).await, by_agent);
    assert!(next(&approver, client, SUM).await.passed());

    approver.put(&agent, json!({ "trust": {} })).await;
    approver.set_policy("everything", json!({ "bypass": [] })).await;
    settle(client, &approver).await;
    assert_eq!(next(&approver, client, slow).await, Fate::gated("this server requires approval for all tools"));
    let denials = activity(&approver, "verdict=deny", 2).await;
    assert!(denials.iter().all(|row| row["tool"] == slow), "{denials:?}");
}

async fn agent_path(approver: &Approver, name: &str) -> String {
    let agents = approver.get("/agents").await;
    let agent = agents["items"].as_array().unwrap().iter().find(|agent| agent["name"] == name).unwrap().clone();
    format!("/agents/{}", agent["client_id"].as_str().unwrap())
}

/// Waits until the activity log has so many calls of that kind.
async fn activity(approver: &Approver, query: &str, count: usize) -> Vec<Value> {
    eventually(&format!("{count} calls with {query} in the activity log"), || async {
        let rows = approver.get(&format!("/activity?{query}")).await["items"].as_array().unwrap().clone();
        (rows.len() >= count).then_some(rows)
    })
    .await
}

#[tokio::test]
async fn bypassed_ci_agent_is_never_held_and_its_calls_are_logged_as_bypass() {
    let hub = Hub::start().await;
    let approver = hub.sign_in().await;
    let (ci, other) = (hub.add_agent("ci").await, hub.add_agent("laptop").await);
    let ledger = Ledger::new();
    let wrap = |token: &str| Wrap::around(ledger.server()).named("repos").with_hub(&hub, token);
    let mut laptop = wrap(&other).start();
    laptop.initialize().await;
    approver.knows_tool("repos", "delete_repo").await;
    let id = agent_path(&approver, "ci").await.rsplit('/').next().unwrap().to_owned();
    let entry = json!({ "client_id": id, "reason": "nightly clean-up" });
    approver.set_policy("repos", json!({ "require_all": true, "threshold": "low", "bypass": [entry] })).await;
    approver.gate("repos", "delete_repo").await;

    let mut client = wrap(&ci).start();
    client.initialize().await;
    for _ in 0..40 {
        assert!(client.fate(&approver, "delete_repo", json!({})).await.passed());
    }
    assert_eq!(ledger.runs_of("delete_repo"), 40);
    assert!(!laptop.fate(&approver, "delete_repo", json!({})).await.passed());

    let rows = activity(&approver, "server=repos&verdict=bypass&limit=50", 40).await;
    assert!(rows.iter().all(|row| row["agent"]["name"] == "ci" && row["approval"].is_null()), "{rows:?}");
    let entry = eventually("the last use of the entry", || async {
        let server = approver.get("/servers/repos").await;
        let entry = server["policy"]["bypass_entries"][0].clone();
        (!entry["last_used_at"].is_null()).then_some(entry)
    })
    .await;
    assert_eq!((&entry["reason"], &entry["expired"]), (&json!("nightly clean-up"), &json!(false)), "{entry}");
    // A rule that denies is not bypassed.
    let rule = json!({ "tool": "delete_*", "effect": "deny", "description": "not production",
                       "when": [{ "pointer": "/repo", "op": "glob", "value": "prod-*" }] });
    approver.set_policy("repos", json!({ "rules": [rule] })).await;
    while client.fate(&approver, "delete_repo", json!({ "repo": "prod-1" })).await.passed() {}
    let expected = Fate::denied("argument rule: not production");
    assert_eq!(client.fate(&approver, "delete_repo", json!({ "repo": "prod-1" })).await, expected);
    assert!(client.fate(&approver, "delete_repo", json!({ "repo": "test-1" })).await.passed());
}

#[tokio::test]
async fn revoking_an_agent_ends_its_session_and_what_it_holds_at_once() {
    let hub = Hub::start().await;
    let approver = hub.sign_in().await;
    let (token, other) = (hub.add_agent("claude").await, hub.add_agent("laptop").await);
    let ledger = Ledger::new();
    let wrap = |token: &str| Wrap::around(ledger.server()).named("repos").with_hub(&hub, token);
    let mut client = wrap(&token).env("HITL_HUB_WAIT", "4").start();
    client.initialize().await;
    // On a slow machine it may take longer than this shim's patience until it has met the hub.
    approver.knows_tool("repos", "delete_repo").await;
    let mut bystander = wrap(&other).start();
    bystander.initialize().await;
    let held = client.call("delete_repo", json!({ "repo": "mine" })).await;
    let pending = approver.the_pending_approval().await;
    let theirs = bystander.call("delete_repo", json!({ "repo": "theirs" })).await;
    approver.pending_approvals(2).await;

    let path = agent_path(&approver, "claude").await;
    assert_eq!(approver.ask(Method::DELETE, &path, None).await.status, 204);
    let answer = client.answer(held).await;
    assert!(text_of(&answer).contains("not executed") && text_of(&answer).contains("revoked"), "{answer}");
    let cancelled = approver.approval(pending["id"].as_str().unwrap()).await;
    assert_eq!(cancelled["status"], "cancelled");
    assert_eq!(approver.approve(&pending).await.status, 409);
    eventually("one session less", || async {
        let server = approver.get("/servers/repos").await;
        (server["sessions"] == 1).then_some(())
    })
    .await;
    client.stderr.next_with("does not accept").await;

    // The token opens nothing any more, and what would need approval is refused.
    let late = client.call("delete_repo", json!({})).await;
    assert!(text_of(&client.answer(late).await).contains("not executed"));
    assert_eq!(ledger.runs_of("delete_repo"), 0);
    let pending = approver.the_pending_approval().await;
    assert_eq!(approver.approve(&pending).await.status, 200);
    assert!(text_of(&bystander.answer(theirs).await).starts_with("delete_repo done"));
    client.stays_silent_for(Duration::from_millis(50)).await;
}

#[tokio::test]
async fn a_server_that_describes_no_tool_is_named_once_with_the_page_where_somebody_chooses() {
    let hub = Hub::start().await;
    let token = hub.add_agent("claude").await;
    let toolbox = Toolbox::named(&["stir", "fold"]);
    let mut client = Wrap::around(toolbox.server()).named("box").with_hub(&hub, &token).start();
    client.initialize().await;
    client.list_tools().await;
    let line = client.stderr.next_with("none described").await;
    let page = format!("{}/servers/box", hub.url);
    assert_eq!(line, format!("hitl-wrap: 2 tools, none described by their server: choose what waits, at {page}"));
    client.list_tools().await;
    client.end().await;
    client.stderr.rest().await;
    assert_eq!(client.stderr.text().matches("none described").count(), 1);
}
