//! A sample of `tests/verdicts.jsonl` end to end: policy set over the API, calls made by a client through the shim.
//!
//! Every fifth row, so that all operators, effects, agents and servers of the table come up; the core plays all rows.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Approver, Fate, Hub, Toolbox, Wrap, test_file};

const EVERY: usize = 5;

/// Rows of the table that have this member.
fn rows(member: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(test_file("verdicts.jsonl")).unwrap();
    let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    rows.filter(|row| row.get(member).is_some()).collect()
}

/// Client ids and tokens by the agent's name.
type Agents = BTreeMap<String, (Value, String)>;

async fn add_people(hub: &Hub, approver: &Approver) -> Agents {
    for row in rows("user").iter().filter(|row| row.get("agent").is_none()) {
        let name = row["user"].as_str().unwrap();
        let user = json!({ "name": name, "role": "viewer", "password": "correct horse battery" });
        assert_eq!(approver.ask(Method::POST, "/users", Some(user)).await.status, 201);
        approver.put(&format!("/users/{name}"), json!({ "ceilings": row["ceilings"] })).await;
    }
    let mut agents = Agents::new();
    for row in rows("agent") {
        let name = row["agent"].as_str().unwrap();
        let user = row["user"].as_str();
        let token =
            hub.run(&[&["agent", "add", name][..], &user.map_or(vec![], |user| vec!["--user", user])].concat()).await;
        let known = approver.get("/agents").await["items"].as_array().unwrap().clone();
        let id = known.iter().find(|agent| agent["name"] == name).unwrap()["client_id"].clone();
        approver.put(&format!("/agents/{}", id.as_str().unwrap()), json!({ "trust": row["trust"] })).await;
        agents.insert(name.to_owned(), (id, token));
    }
    agents
}

fn toolbox(server: &Value) -> Toolbox {
    let tool = |tool: &Value| {
        json!({ "name": tool["name"], "inputSchema": { "type": "object" },
                "annotations": { "destructiveHint": tool["destructive"] == true } })
    };
    Toolbox::of(&server["tools"].as_array().unwrap().iter().map(tool).collect::<Vec<_>>())
}

async fn set_policy(approver: &Approver, server: &Value, agents: &Agents) {
    let name = server["server"].as_str().unwrap();
    let mut policy = server["policy"].clone();
    for entry in policy["bypass"].as_array_mut().into_iter().flatten() {
        *entry = agents[entry.as_str().unwrap()].0.clone();
    }
    let set = server["policy"].as_object().unwrap();
    policy.as_object_mut().unwrap().retain(|key, _| set.contains_key(key));
    approver.set_policy(name, policy).await;
    for tool in server["tools"].as_array().unwrap() {
        let mut change = tool.as_object().unwrap().clone();
        change.retain(|key, _| ["hitl", "trust", "reason"].contains(&key.as_str()));
        approver.put(&format!("/servers/{name}/tools/{}", tool["name"].as_str().unwrap()), Value::Object(change)).await;
    }
}

/// What the row says that must become of its call.
fn expected(row: &Value) -> Fate {
    let reasons: Vec<String> = serde_json::from_value(row.get("reasons").cloned().unwrap_or(json!([]))).unwrap();
    match row["verdict"].as_str().unwrap() {
        "pass" => Fate::Passed(format!("{} ran", row["tool"].as_str().unwrap())),
        "gate" => Fate::Gated(reasons),
        _ => Fate::Denied(reasons.join("; ")),
    }
}

#[tokio::test]
async fn sampled_rows_of_the_verdict_table_hold_end_to_end() {
    let hub = Hub::start().await;
    let approver = hub.sign_in().await;
    let agents = add_people(&hub, &approver).await;
    let cases = rows("verdict");
    let sample: Vec<&Value> = cases.iter().step_by(EVERY).collect();
    let mut played = 0;
    for server in rows("policy") {
        let name = server["server"].as_str().unwrap();
        let toolbox = toolbox(&server);
        let wrap = |token: &str| Wrap::around(toolbox.server()).named(name).with_hub(&hub, token);
        let mut first = wrap(&agents["free"].1).start();
        first.initialize().await;
        let last = server["tools"].as_array().unwrap().last().unwrap()["name"].as_str().unwrap();
        approver.knows_tool(name, last).await;
        first.end().await;
        set_policy(&approver, &server, &agents).await;
        for (agent, (_, token)) in &agents {
            let mine = sample.iter().filter(|row| row["by"] == json!(agent) && row["on"] == json!(name));
            let mut client = None;
            for row in mine {
                if client.is_none() {
                    let mut started = wrap(token).start();
                    started.initialize().await;
                    client = Some(started);
                }
                let client = client.as_mut().unwrap();
                let (tool, arguments) = (row["tool"].as_str().unwrap(), row["arguments"].as_str().unwrap());
                assert_eq!(client.fate_of(&approver, tool, arguments).await, expected(row), "{row}");
                played += 1;
            }
        }
    }
    assert_eq!(played, sample.len());
}
