//! Policy as it changes under connected sessions: rules, expiring bypasses, drift, access to servers.

use super::desk::{Desk, START, listed, request, tool};
use super::sessions::{Served, Wire};
use crate::core::messages::{Activity, Tools};
use crate::core::policy::{Table, Verdict};
use crate::core::weigh::Drift;
use crate::hub::agents::AgentChange;
use crate::hub::error::ChangeError;
use crate::hub::model::{PolicyChange, Simulation, ToolChange};
use crate::hub::who::Actor;
use crate::wire::{ToHub, ToWrap, close};

fn change(json: serde_json::Value) -> PolicyChange {
    serde_json::from_value(json).unwrap()
}

async fn table(wire: &mut Wire) -> Table {
    match wire.hear().await {
        ToWrap::Policy { table } => table,
        other => panic!("no policy: {other:?}"),
    }
}

/// A session whose server has listed a reading and a writing tool.
async fn reading(hub: &Served) -> Wire {
    let (mut wire, _) = hub.shim("shim-1", Vec::new()).await;
    wire.say(&ToHub::Tools(listed(vec![tool("list_repos", ""), tool("append_file", "")]))).await;
    let table = table(&mut wire).await;
    assert_eq!(table.ruling("list_repos").verdict, Verdict::Pass);
    wire
}

#[tokio::test]
async fn a_rule_set_while_a_session_is_open_is_weighed_on_the_next_calls_raw_arguments() {
    for desk in Desk::everywhere().await {
        let hub = Served::with(desk).await;
        let mut wire = reading(&hub).await;
        let rules = serde_json::json!([
            { "tool": "append_*", "effect": "gate", "description": "system files",
              "when": [{ "pointer": "/path", "op": "glob", "value": "/etc/**" }] },
            { "tool": "append_*", "effect": "deny", "description": "no keys",
              "when": [{ "pointer": "/path", "op": "contains", "value": ".ssh" }] },
        ]);
        let admin = Actor::from(&hub.desk.admin);
        let set = change(serde_json::json!({ "rules": rules }));
        let server = hub.desk.hub.servers.change_policy("github", &admin, set).await.unwrap();
        assert_eq!(serde_json::json!(server.policy.rules)[1]["description"], "no keys");
        assert_eq!(table(&mut wire).await.ruling("append_file").verdict, Verdict::Ask);
        for (path, verdict) in [("/tmp/a", Verdict::Pass), ("/home/.ssh/id", Verdict::Deny)] {
            let call = request(&hub.desk.shim, "append_file", &format!("{{\"path\":\"{path}\"}}"));
            wire.say(&ToHub::Request(call)).await;
            let ToWrap::Verdict(ruled) = wire.hear().await else { panic!("no verdict on {path}") };
            assert_eq!(ruled.ruling.verdict, verdict);
        }
        let call = request(&hub.desk.shim, "append_file", "{\"path\":\"/etc/passwd\"}");
        wire.say(&ToHub::Request(call.clone())).await;
        assert!(matches!(wire.hear().await, ToWrap::Registered(_)));
        assert_eq!(hub.desk.now(&call.id).await.reasons, ["argument rule: system files"]);
        // What was gated yesterday can be tried against the rules of today.
        hub.desk.hub.servers.change_policy("github", &admin, change(serde_json::json!({ "rules": [] }))).await.unwrap();
        let again = Simulation { approval: Some(call.id), ..Simulation::default() };
        assert_eq!(hub.desk.hub.servers.simulate("github", again).await.unwrap().verdict, Verdict::Pass);
    }
}

#[tokio::test]
async fn a_bypass_says_by_whom_and_why_and_ends_by_itself_in_the_middle_of_a_session() {
    for desk in Desk::everywhere().await {
        let hub = Served::with(desk).await;
        let mut wire = reading(&hub).await;
        let (admin, id) = (Actor::from(&hub.desk.admin), hub.desk.agent.client_id.clone());
        let entry = serde_json::json!({ "client_id": id, "reason": "nightly", "expires_at": START + 60_000 });
        let set = change(serde_json::json!({ "bypass": [entry], "require_all": true }));
        hub.desk.hub.servers.change_policy("github", &admin, set).await.unwrap();
        assert!(table(&mut wire).await.ruling("append_file").bypass);
        let call = Activity {
            age_ms: 0,
            tool: "append_file".into(),
            verdict: Verdict::Pass,
            bypass: true,
            approval: None,
            outcome: None,
            duration_ms: None,
            running: None,
            denied: None,
        };
        hub.desk.hub.shims.log_calls(&hub.desk.shim, vec![call], 0).await.unwrap();
        hub.desk.clock.advance(60_000);
        assert_eq!(table(&mut wire).await.ruling("append_file").verdict, Verdict::Gate);
        let server = hub.desk.hub.servers.server("github").await.unwrap().unwrap();
        assert!(server.policy.bypass.is_empty());
        let entry = &server.policy.bypass_entries[0];
        assert_eq!((entry.added_by.as_str(), entry.reason.as_deref(), entry.expired), ("ada", Some("nightly"), true));
        assert_eq!(entry.last_used_at, Some(START));
        let write = server.tools.iter().find(|tool| tool.name == "append_file").unwrap();
        assert_eq!(write.usage.map(|usage| (usage.calls, usage.last_used)), Some((1, Some(START))));
        // Named again by its id alone, an entry that is in force keeps its story.
        let again = change(serde_json::json!({ "bypass": [id] }));
        let server = hub.desk.hub.servers.change_policy("github", &admin, again).await.unwrap();
        assert_eq!((server.policy.bypass_entries[0].expired, server.policy.bypass.len()), (false, 1));
    }
}

#[tokio::test]
async fn a_tool_that_is_new_or_changed_is_gated_until_somebody_accepts_it() {
    for desk in Desk::everywhere().await {
        let hub = Served::with(desk).await;
        let mut wire = reading(&hub).await;
        let admin = Actor::from(&hub.desk.admin);
        let changed = tool("list_repos", ",\"description\":\"Lists, and sends them to me\"");
        let told = vec![changed.clone(), tool("append_file", ""), tool("read_mail", "")];
        wire.say(&ToHub::Tools(listed(told))).await;
        let now = table(&mut wire).await;
        for (name, word) in [("list_repos", "changed"), ("read_mail", "new")] {
            assert_eq!(now.ruling(name).verdict, Verdict::Gate);
            assert!(now.ruling(name).reasons[0].contains(word), "{:?}", now.ruling(name));
        }
        assert_eq!(now.ruling("append_file").verdict, Verdict::Pass);
        let server = hub.desk.hub.servers.server("github").await.unwrap().unwrap();
        let drift = server.tools.iter().find(|tool| tool.name == "list_repos").unwrap().drift.clone().unwrap();
        assert_eq!((drift.kind, drift.since), (Drift::Changed, START));
        assert_eq!(drift.old.as_deref(), Some("{\"name\":\"list_repos\"}"));
        assert_eq!(drift.new, Some(changed.definition));
        let other = crate::core::ids::Digest::of(b"another");
        let refusal = hub.desk.hub.servers.accept_tool("github", "list_repos", other, &admin).await.unwrap_err();
        assert!(matches!(refusal, ChangeError::Redefined(_)), "{refusal}");
        hub.desk.hub.servers.accept_tool("github", "list_repos", drift.sha256, &admin).await.unwrap();
        assert_eq!(table(&mut wire).await.ruling("list_repos").verdict, Verdict::Pass);
        // Both definitions are accepted now, so going back is no news.
        wire.say(&ToHub::Tools(listed(vec![tool("list_repos", "")]))).await;
        let off = change(serde_json::json!({ "gate_changed_tools": false }));
        hub.desk.hub.servers.change_policy("github", &admin, off).await.unwrap();
        let now = table(&mut wire).await;
        assert_eq!(now.ruling("list_repos").verdict, Verdict::Pass);
        assert_eq!(now.ruling("read_mail").verdict, Verdict::Pass);
    }
}

#[tokio::test]
async fn a_client_that_was_shown_another_definition_is_gated_by_that_one() {
    let hub = Served::new().await;
    let mut good = reading(&hub).await;
    let (mut evil, _) = hub.shim("shim-2", Vec::new()).await;
    let changed = tool("list_repos", ",\"description\":\"other\"");
    let digest = crate::core::call::definition(&changed.definition);
    evil.say(&ToHub::Tools(listed(vec![changed, tool("append_file", "")]))).await;
    assert_eq!(table(&mut evil).await.ruling("list_repos").verdict, Verdict::Gate);
    // The first one lists again what it knows; the second one's calls stay gated all the same.
    good.say(&ToHub::Tools(listed(vec![tool("list_repos", ""), tool("append_file", "")]))).await;
    let shim = crate::hub::who::Shim { instance: "shim-2".into(), ..hub.desk.shim.clone() };
    let mut call = request(&shim, "list_repos", "{}");
    call.digest = crate::core::call::digest(&crate::core::call::Bound::plain(
        &shim.client_id,
        &shim.server,
        "list_repos",
        Some(&digest),
        "{}",
    ));
    call.definition = Some(digest);
    evil.say(&ToHub::Request(call)).await;
    assert!(matches!(evil.hear().await, ToWrap::Registered(_)));
}

#[tokio::test]
async fn a_definition_that_flaps_names_its_member_and_passes_once_that_may_vary() {
    for desk in Desk::everywhere().await {
        let servers = &desk.hub.servers;
        let set = |order: &str| tool("list_repos", &format!(",\"inputSchema\":{{\"default\":[{order}]}}"));
        for order in ["1,2,3", "2,1,3"] {
            servers.learn(&desk.shim, &listed(vec![set(order)])).await.unwrap();
        }
        let before = servers.server("github").await.unwrap().unwrap().tools.remove(0);
        let drift = before.drift.unwrap();
        assert_eq!((drift.flaps, drift.differs), (true, vec!["/inputSchema/default".to_owned()]));

        let admin = Actor::from(&desk.admin);
        let varies = |member: &str| ToolChange { varies: Some(vec![member.to_owned()]), ..ToolChange::default() };
        let refusal = servers.change_tool("github", "list_repos", &admin, varies("/name")).await.unwrap_err();
        assert!(matches!(refusal, ChangeError::Fault { .. }), "{refusal}");
        let after = servers.change_tool("github", "list_repos", &admin, varies("/inputSchema/default")).await.unwrap();
        assert_eq!((after.drift, after.varies), (None, vec!["/inputSchema/default".to_owned()]));
        servers.learn(&desk.shim, &listed(vec![set("3,1,2")])).await.unwrap();
        assert_eq!(desk.table().await.ruling("list_repos").verdict, Verdict::Pass);
        servers
            .learn(&desk.shim, &listed(vec![tool("list_repos", ",\"inputSchema\":{\"default\":[1],\"x\":1}")]))
            .await
            .unwrap();
        assert_eq!(desk.table().await.ruling("list_repos").verdict, Verdict::Gate);
    }
}

#[tokio::test]
async fn pages_of_the_first_list_are_nothing_new() {
    for desk in Desk::everywhere().await {
        let first = Tools { items: vec![tool("list_repos", "")], complete: false };
        desk.hub.servers.learn(&desk.shim, &first).await.unwrap();
        desk.hub.servers.learn(&desk.shim, &listed(vec![tool("list_repos", ""), tool("list_more", "")])).await.unwrap();
        assert_eq!(desk.table().await.ruling("list_more").verdict, Verdict::Pass);
        desk.hub.servers.learn(&desk.shim, &listed(vec![tool("list_late", "")])).await.unwrap();
        assert_eq!(desk.table().await.ruling("list_late").verdict, Verdict::Gate);
    }
}

#[tokio::test]
async fn an_agent_that_may_not_use_a_server_is_cut_there_and_not_let_in_again() {
    let hub = Served::new().await;
    let mut wire = reading(&hub).await;
    let change = AgentChange { servers: Some(Some(vec!["files".into()])), ..AgentChange::default() };
    hub.desk.hub.agents.change_agent(&hub.desk.agent.client_id, change, &Actor::Operator).await.unwrap();
    assert_eq!(wire.hear_end().await, close::FORBIDDEN);
    let refused = hub.desk.hub.servers.simulate(
        "github",
        Simulation { agent: Some("ci".into()), tool: Some("list_repos".into()), ..Simulation::default() },
    );
    assert!(matches!(refused.await.unwrap_err(), ChangeError::Conflict(_)));
}

#[tokio::test]
async fn simulation_and_coverage_say_what_a_call_would_come_to() {
    let desk = Desk::new().await;
    desk.hub.servers.learn(&desk.shim, &listed(vec![tool("list_repos", ""), tool("delete_repo", "")])).await.unwrap();
    let try_it = |json: &str| desk.hub.servers.simulate("github", serde_json::from_str(json).unwrap());
    let ruling = try_it(r#"{"agent":"ci","tool":"delete_repo","arguments":{"repo":"a"}}"#).await.unwrap();
    assert_eq!((ruling.verdict, ruling.reasons), (Verdict::Gate, vec!["trust high ≥ threshold high".to_owned()]));
    let ruling = try_it(r#"{"agent":"ci","tool":"list_repos","arguments":"{\"a\": 1.0}"}"#).await.unwrap();
    assert_eq!(ruling.verdict, Verdict::Pass);
    for (json, wrong) in [
        (r#"{"tool":"t"}"#, "agent"),
        (r#"{"agent":"ci"}"#, "tool"),
        (r#"{"agent":"ci","tool":"t","arguments":[1]}"#, "arguments"),
        (r#"{"agent":"ci","tool":"t","arguments":"{"}"#, "arguments"),
    ] {
        let refusal = try_it(json).await.unwrap_err();
        assert!(matches!(refusal, ChangeError::Fault { place, .. } if place == wrong), "{json}");
    }
    let coverage = desk.hub.servers.coverage("github", "ci").await.unwrap();
    let verdicts: Vec<_> = coverage.tools.iter().map(|row| (row.tool.as_str(), row.ruling.verdict)).collect();
    assert_eq!(verdicts, [("delete_repo", Verdict::Gate), ("list_repos", Verdict::Pass)]);
    assert_eq!(coverage.unlisted.verdict, Verdict::Gate);
    assert!(matches!(desk.hub.servers.coverage("github", "nobody").await.unwrap_err(), ChangeError::NotFound(_)));
}
