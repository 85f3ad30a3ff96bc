//! A sample of `tests/verdicts.jsonl` through real sessions: accounts and policy set by the use cases, tools and calls
//! told by shims.

use std::collections::HashMap;

use super::desk::{Desk, request};
use super::sessions::{Served, Wire, hello};
use crate::core::messages::{ToolDefinition, Tools};
use crate::core::policy::Verdict;
use crate::core::weigh_table::{Case, ServerRow, ToolRow, World, world};
use crate::hub::agents::AgentChange;
use crate::hub::model::{Agent, PolicyChange, Role, ToolChange};
use crate::hub::people::UserChange;
use crate::hub::who::{Actor, Shim};
use crate::wire::{Hello, ToHub, ToWrap};

/// Every so manyeth row is played; a whole table would take a minute and say the same.
const EVERY: usize = 4;

#[tokio::test]
async fn sessions_rule_as_the_verdict_table_says() {
    let world = world();
    let mut desk = Desk::new().await;
    let agents = populate(&desk, &world).await;
    for (agent, token) in agents.values() {
        for server in &world.servers {
            let sampled = sample(&world).filter(|case| case.by == agent.name && case.on == server.server);
            let cases: Vec<&Case> = sampled.collect();
            if cases.is_empty() {
                continue;
            }
            (desk.agent, desk.token) = (agent.clone(), token.clone());
            let served = Served::with(desk).await;
            play(&served, agent, server, &cases).await;
            desk = served.desk;
        }
    }
}

fn sample(world: &World) -> impl Iterator<Item = &Case> {
    world.cases.iter().step_by(EVERY)
}

async fn populate(desk: &Desk, world: &World) -> HashMap<String, (Agent, String)> {
    let (hub, by) = (&desk.hub, &Actor::Operator);
    let mut agents = HashMap::new();
    for row in &world.users {
        hub.people.add_user(&row.user, Role::Viewer, None, by).await.unwrap();
        let change = UserChange { role: None, ceilings: Some(row.ceilings.clone()) };
        hub.people.change_user(&row.user, change, by).await.unwrap();
    }
    for row in &world.agents {
        let (agent, token) = hub.agents.add_agent(&row.agent, row.user.as_deref(), by).await.unwrap();
        let change = AgentChange { trust: Some(row.trust.clone()), ..AgentChange::default() };
        let agent = hub.agents.change_agent(&agent.client_id, change, by).await.unwrap();
        agents.insert(row.agent.clone(), (agent, token));
    }
    for server in &world.servers {
        let shim = Shim { server: server.server.clone(), ..desk.shim.clone() };
        hub.shims.meet(&shim, &[]).await.unwrap();
        hub.servers.learn(&shim, &listing(server)).await.unwrap();
        hub.servers.change_policy(&server.server, by, policy(server, &agents)).await.unwrap();
        for tool in &server.tools {
            let ToolRow { hitl, trust, reason, .. } = tool;
            let change =
                ToolChange { hitl: Some(*hitl), trust: Some(*trust), reason: Some(reason.clone()), varies: None };
            hub.servers.change_tool(&server.server, &tool.name, by, change).await.unwrap();
        }
    }
    agents
}

/// The row's policy with client ids where it has names.
fn policy(server: &ServerRow, agents: &HashMap<String, (Agent, String)>) -> PolicyChange {
    let mut policy: PolicyChange = serde_json::from_value(server.policy.clone()).unwrap();
    for entry in policy.bypass.iter_mut().flatten() {
        *entry = agents[entry.as_str().unwrap()].0.client_id.as_str().into();
    }
    policy
}

fn listing(server: &ServerRow) -> Tools {
    let definition = |tool: &ToolRow| {
        let hints = serde_json::json!({ "destructiveHint": tool.destructive });
        let definition = serde_json::json!({ "name": tool.name, "annotations": hints }).to_string();
        ToolDefinition { name: tool.name.clone(), definition }
    };
    Tools { items: server.tools.iter().map(definition).collect(), complete: true }
}

async fn play(served: &Served, agent: &Agent, server: &ServerRow, cases: &[&Case]) {
    let mut wire = served.mute().await;
    wire.say(&ToHub::Hello(Hello { server: server.server.clone(), ..hello("table", Vec::new()) })).await;
    let ToWrap::Welcome(welcome) = wire.hear().await else { panic!("no welcome") };
    wire.say(&ToHub::Tools(listing(server))).await;
    let shim = Shim { client_id: agent.client_id.clone(), server: server.server.clone(), ..served.desk.shim.clone() };
    for case in cases {
        let call = format!("{} on {}: {} {}", case.by, case.on, case.tool, case.arguments);
        let foreseen = welcome.table.ruling(&case.tool).verdict;
        assert!(foreseen == case.verdict || matches!(foreseen, Verdict::Ask | Verdict::Gate), "{call}: {foreseen:?}");
        let mut request = request(&shim, &case.tool, &case.arguments);
        // Of the unlisted tools of the table, some look like a listed one; their ids must not.
        request.id = super::desk::new_id();
        let (verdict, reasons) = ask(served, &mut wire, request).await;
        assert_eq!((verdict, &reasons), (case.verdict, &case.reasons), "{call}");
    }
    wire.say(&ToHub::Bye).await;
    wire.hear_end().await;
}

async fn ask(served: &Served, wire: &mut Wire, request: crate::core::messages::Request) -> (Verdict, Vec<String>) {
    wire.say(&ToHub::Request(request)).await;
    match wire.hear().await {
        ToWrap::Verdict(ruled) => (ruled.ruling.verdict, ruled.ruling.reasons),
        ToWrap::Registered(registered) => {
            let approval = served.desk.now(&registered.approval).await;
            // An agent may have twenty pending.
            served.desk.hub.approvals.reject(&registered.approval, &served.desk.approver, None).await.unwrap();
            let ToWrap::Decision(_) = wire.hear().await else { panic!("no decision") };
            (Verdict::Gate, approval.reasons)
        }
        other => panic!("no ruling: {other:?}"),
    }
}
