//! What policy says of a call: pass, gate or deny, and why.
//!
//! The hub evaluates, per session, every tool of a server into a [`Table`]; the shim looks calls up in it.
//! A table is complete on its own: a tool it does not name falls under `unlisted`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::ids::ClientId;
use super::trust::{Level, Source};

/// The time an approver has when the server's policy says nothing else, in seconds.
pub const DEFAULT_TIMEOUT_SECONDS: u32 = 300;

/// What is to happen to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Forward it.
    Pass,
    /// Hold it until a person approves.
    Gate,
    /// Refuse it without asking anyone.
    Deny,
    /// The hub must see this very call before there is a verdict; never the answer to such a question.
    Ask,
}

impl Verdict {
    /// The verdict as it stands in JSON and SQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Gate => "gate",
            Self::Deny => "deny",
            Self::Ask => "ask",
        }
    }
}

/// A verdict with its reasons in words, as card and log show them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruling {
    /// What is to happen.
    pub verdict: Verdict,
    /// It passes because the agent is on the server's bypass list; the log shows it as such.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bypass: bool,
    /// The level the tool demands.
    pub trust: Level,
    /// Why, one phrase each; empty for a plain pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}

/// What an administrator set for one server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerPolicy {
    /// Every tool on this server requires approval.
    pub require_all: bool,
    /// Tools of this level or higher require approval; `None` gates none by level.
    pub threshold: Option<Level>,
    /// Agents whose calls skip approval on this server.
    pub bypass: BTreeSet<ClientId>,
    /// Seconds an approver has; timeouts always reject.
    pub timeout_seconds: u32,
}

impl ServerPolicy {
    /// The policy of a server seen for the first time.
    pub fn of_new_server(threshold: Option<Level>) -> Self {
        Self { require_all: false, threshold, bypass: BTreeSet::new(), timeout_seconds: DEFAULT_TIMEOUT_SECONDS }
    }
}

/// One tool as policy sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// The exact name.
    pub name: String,
    /// The level it demands.
    pub trust: Level,
    /// Where that level comes from.
    pub trust_from: Source,
    /// The tool's own toggle.
    pub hitl: bool,
    /// What an administrator wrote about why it needs approval.
    pub reason: Option<String>,
}

/// Who calls, as far as verdicts depend on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The agent.
    pub client_id: ClientId,
    /// The agent's trust on this server; `High` until someone sets a limit.
    pub agent_trust: Level,
    /// The ceiling of the user the agent works for, on this server; `High` until someone sets a limit.
    pub user_ceiling: Level,
}

impl Caller {
    /// A caller nobody has limited.
    pub fn unlimited(client_id: ClientId) -> Self {
        Self { client_id, agent_trust: Level::High, user_ceiling: Level::High }
    }

    /// The effective trust: the lower of both.
    pub fn limit(&self) -> Level {
        self.agent_trust.min(self.user_ceiling)
    }
}

/// The ruling on a call of a listed tool.
pub fn rule(caller: &Caller, policy: &ServerPolicy, tool: &Tool) -> Ruling {
    if let Some(denial) = deny(caller, tool.trust) {
        return denial;
    }
    if let Some(pass) = bypassed(caller, policy, tool.trust) {
        return pass;
    }
    let mut reasons = Vec::new();
    if tool.hitl {
        reasons.push("approval is switched on for this tool".to_owned());
    }
    if policy.require_all {
        reasons.push("this server requires approval for all tools".to_owned());
    }
    if let Some(threshold) = policy.threshold.filter(|threshold| tool.trust >= *threshold) {
        reasons.push(format!("trust {} ≥ threshold {threshold}", tool.trust));
    }
    let verdict = if reasons.is_empty() { Verdict::Pass } else { Verdict::Gate };
    Ruling { verdict, bypass: false, trust: tool.trust, reasons }
}

/// The ruling on a call of a tool that the server has not listed: gated when anything on the server is gated.
pub fn rule_unlisted(caller: &Caller, policy: &ServerPolicy, tools: &[Tool], name: &str) -> Ruling {
    let trust = super::trust::of_name(name);
    if let Some(denial) = deny(caller, trust) {
        return denial;
    }
    if let Some(pass) = bypassed(caller, policy, trust) {
        return pass;
    }
    if gates_anything(policy, tools) {
        let reasons = vec!["the server has not listed this tool, and something on this server is gated".to_owned()];
        return Ruling { verdict: Verdict::Gate, bypass: false, trust, reasons };
    }
    Ruling { verdict: Verdict::Pass, bypass: false, trust, reasons: Vec::new() }
}

/// Whether any tool of a server can be gated under this policy.
pub fn gates_anything(policy: &ServerPolicy, tools: &[Tool]) -> bool {
    policy.require_all || policy.threshold.is_some() || tools.iter().any(|tool| tool.hitl)
}

fn deny(caller: &Caller, trust: Level) -> Option<Ruling> {
    let limit = caller.limit();
    if trust <= limit {
        return None;
    }
    let whose = if caller.agent_trust <= caller.user_ceiling { "the agent's trust" } else { "the user's ceiling" };
    let reasons = vec![format!("the tool needs trust {trust}, {whose} on this server is {limit}")];
    Some(Ruling { verdict: Verdict::Deny, bypass: false, trust, reasons })
}

fn bypassed(caller: &Caller, policy: &ServerPolicy, trust: Level) -> Option<Ruling> {
    policy.bypass.contains(&caller.client_id).then(|| Ruling {
        verdict: Verdict::Pass,
        bypass: true,
        trust,
        reasons: vec!["the agent is on this server's trusted agent bypass list".to_owned()],
    })
}

/// Everything a shim needs to rule on its calls without a round trip.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Tool → ruling, by exact name.
    pub tools: BTreeMap<String, Ruling>,
    /// The ruling on every tool that `tools` does not name.
    pub unlisted: Ruling,
    /// Seconds an approver has on this server.
    pub timeout_seconds: u32,
}

impl Table {
    /// The table of one caller on one server.
    pub fn of(caller: &Caller, policy: &ServerPolicy, tools: &[Tool]) -> Self {
        let rulings = tools.iter().map(|tool| (tool.name.clone(), rule(caller, policy, tool))).collect();
        let mut unlisted = rule_unlisted(caller, policy, tools, "");
        if unlisted.verdict == Verdict::Pass && caller.limit() < Level::High {
            // Its level depends on its name, which only the hub weighs against the limit.
            unlisted.verdict = Verdict::Ask;
        }
        Self { tools: rulings, unlisted, timeout_seconds: policy.timeout_seconds }
    }

    /// The ruling on a call, by the tool's exact name.
    pub fn ruling(&self, tool: &str) -> &Ruling {
        self.tools.get(tool).unwrap_or(&self.unlisted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(name: &str, trust: Level, hitl: bool) -> Tool {
        Tool { name: name.into(), trust, trust_from: Source::Name, hitl, reason: None }
    }

    fn policy() -> ServerPolicy {
        ServerPolicy::of_new_server(None)
    }

    fn caller() -> Caller {
        Caller::unlimited("ci".into())
    }

    #[test]
    fn nothing_set_passes_without_reasons() {
        let ruling = rule(&caller(), &policy(), &tool("delete", Level::High, false));
        assert_eq!((ruling.verdict, ruling.reasons.len()), (Verdict::Pass, 0));
    }

    #[test]
    fn gates_stack_and_each_says_why() {
        let strict = ServerPolicy { require_all: true, threshold: Some(Level::High), ..policy() };
        let ruling = rule(&caller(), &strict, &tool("delete", Level::High, true));
        assert_eq!(ruling.verdict, Verdict::Gate);
        assert_eq!(ruling.reasons.len(), 3);
        assert!(ruling.reasons.contains(&"trust high ≥ threshold high".to_owned()));
    }

    #[test]
    fn threshold_counts_from_its_level_up() {
        let medium = ServerPolicy { threshold: Some(Level::Medium), ..policy() };
        for (trust, verdict) in
            [(Level::Low, Verdict::Pass), (Level::Medium, Verdict::Gate), (Level::High, Verdict::Gate)]
        {
            assert_eq!(rule(&caller(), &medium, &tool("t", trust, false)).verdict, verdict, "{trust}");
        }
    }

    #[test]
    fn bypass_beats_every_gate_but_not_a_denial() {
        let bypass = ServerPolicy { require_all: true, bypass: BTreeSet::from([ClientId::from("ci")]), ..policy() };
        let delete = tool("delete", Level::High, true);
        let ruling = rule(&caller(), &bypass, &delete);
        assert_eq!((ruling.verdict, ruling.bypass), (Verdict::Pass, true));
        let limited = Caller { agent_trust: Level::Medium, ..caller() };
        assert_eq!(rule(&limited, &bypass, &delete).verdict, Verdict::Deny);
    }

    #[test]
    fn the_lower_of_agent_and_user_limits() {
        let delete = tool("delete", Level::High, false);
        let by_user = Caller { user_ceiling: Level::Low, agent_trust: Level::Medium, ..caller() };
        let ruling = rule(&by_user, &policy(), &delete);
        assert_eq!(ruling.reasons, ["the tool needs trust high, the user's ceiling on this server is low"]);
    }

    #[test]
    fn unlisted_tool_is_gated_when_anything_is_gated() {
        let toggled = [tool("a", Level::Low, true)];
        assert_eq!(rule_unlisted(&caller(), &policy(), &toggled, "b").verdict, Verdict::Gate);
        assert_eq!(rule_unlisted(&caller(), &policy(), &[], "b").verdict, Verdict::Pass);
        let table = Table::of(&caller(), &policy(), &toggled);
        assert_eq!(table.ruling("b").verdict, Verdict::Gate);
        assert_eq!(table.ruling("A").verdict, Verdict::Gate, "a look-alike is another tool");
    }

    #[test]
    fn unlisted_tool_of_a_limited_caller_is_the_hubs_to_judge() {
        let limited = Caller { agent_trust: Level::Medium, ..caller() };
        assert_eq!(Table::of(&limited, &policy(), &[]).unlisted.verdict, Verdict::Ask);
        let bypass = ServerPolicy { bypass: BTreeSet::from([ClientId::from("ci")]), ..policy() };
        assert_eq!(Table::of(&limited, &bypass, &[]).unlisted.verdict, Verdict::Ask);
    }
}
