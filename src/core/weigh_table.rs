//! `tests/verdicts.jsonl` as values: servers, users and agents first, then calls with what they must come to.

#![expect(clippy::unwrap_used, reason = "a row that makes no sense fails the test")]

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use super::rules::{Rule, Rules};
use super::trust::{self, Level};
use super::weigh::{Caller, Opinion, Scales, ServerPolicy, Tool};
use crate::core::policy::Verdict;

/// The whole file.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) servers: Vec<ServerRow>,
    pub(crate) users: Vec<UserRow>,
    pub(crate) agents: Vec<AgentRow>,
    pub(crate) cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Row {
    Server(ServerRow),
    User(UserRow),
    Agent(AgentRow),
    Case(Case),
}

/// A server, its policy as `PUT /servers/{name}/policy` takes it (agents by name), and its tools.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServerRow {
    pub(crate) server: String,
    pub(crate) policy: serde_json::Value,
    pub(crate) tools: Vec<ToolRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ToolRow {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) destructive: bool,
    #[serde(default)]
    pub(crate) trust: Option<Level>,
    #[serde(default)]
    pub(crate) hitl: bool,
    #[serde(default)]
    pub(crate) reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserRow {
    pub(crate) user: String,
    pub(crate) ceilings: BTreeMap<String, Level>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AgentRow {
    pub(crate) agent: String,
    pub(crate) user: Option<String>,
    pub(crate) trust: BTreeMap<String, Level>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) by: String,
    pub(crate) on: String,
    pub(crate) tool: String,
    pub(crate) arguments: String,
    pub(crate) verdict: Verdict,
    pub(crate) trust: Level,
    #[serde(default)]
    pub(crate) bypass: bool,
    #[serde(default)]
    pub(crate) reasons: Vec<String>,
}

pub(crate) fn world() -> World {
    let mut world = World::default();
    for line in include_str!("../../tests/verdicts.jsonl").lines() {
        match serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}")) {
            Row::Server(row) => world.servers.push(row),
            Row::User(row) => world.users.push(row),
            Row::Agent(row) => world.agents.push(row),
            Row::Case(row) => world.cases.push(row),
        }
    }
    world
}

impl World {
    fn scales(&self, case: &Case) -> Scales {
        let server = self.servers.iter().find(|row| row.server == case.on).unwrap();
        let agent = self.agents.iter().find(|row| row.agent == case.by).unwrap();
        let user = agent.user.as_ref().map(|name| self.users.iter().find(|row| row.user == *name).unwrap());
        let limit = |limits: &BTreeMap<String, Level>| limits.get(&case.on).copied().unwrap_or(Level::High);
        let policy = server.policy();
        Scales {
            caller: Caller {
                client_id: case.by.as_str().into(),
                agent_trust: limit(&agent.trust),
                user_ceiling: user.map_or(Level::High, |user| limit(&user.ceilings)),
            },
            rules: Arc::new(Rules::compile(&policy.rules).unwrap()),
            policy,
            tools: Arc::new(server.tools.iter().map(ToolRow::tool).collect()),
            all_known: true,
        }
    }
}

impl ServerRow {
    fn policy(&self) -> ServerPolicy {
        let field = |name: &str| self.policy.get(name).cloned().unwrap_or_default();
        let bypass: Option<Vec<String>> = serde_json::from_value(field("bypass")).unwrap();
        ServerPolicy {
            require_all: field("require_all") == true,
            bypass: bypass.unwrap_or_default().iter().map(|name| name.as_str().into()).collect(),
            gate_changed_tools: serde_json::from_value(field("gate_changed_tools")).unwrap(),
            rules: serde_json::from_value::<Option<Vec<Rule>>>(field("rules")).unwrap().unwrap_or_default(),
            ..ServerPolicy::of_new_server(serde_json::from_value(field("threshold")).unwrap())
        }
    }
}

impl ToolRow {
    fn tool(&self) -> Tool {
        let (trust, trust_from) = trust::of_tool(&self.name, self.destructive, self.trust);
        let (name, reason) = (self.name.clone(), self.reason.clone());
        Tool { name, trust, trust_from, hitl: self.hitl, reason, drift: None, accepted: Vec::new() }
    }
}

#[test]
fn every_row_of_the_verdict_table_holds() {
    let world = world();
    assert!(world.cases.len() >= 100, "{} rows", world.cases.len());
    for case in &world.cases {
        let scales = world.scales(case);
        let ruling = scales.weigh(&case.tool, &case.arguments, &Opinion::None);
        let call = format!("{} on {}: {} {}", case.by, case.on, case.tool, case.arguments);
        assert_eq!((ruling.verdict, ruling.bypass, ruling.trust), (case.verdict, case.bypass, case.trust), "{call}");
        assert_eq!(ruling.reasons, case.reasons, "{call}");
        // The shim's table may leave it to the hub, but never lets through what the hub would not.
        let foreseen = scales.table(&Opinion::None).ruling(&case.tool).verdict;
        let fits = foreseen == case.verdict || matches!(foreseen, Verdict::Ask | Verdict::Gate);
        assert!(fits, "{call}: the table says {foreseen:?}, the hub {:?}", case.verdict);
    }
}
