//! Weighs a call: who calls, what people set for its server, the tool, the arguments → a ruling that says why.
//!
//! Without the arguments, or without the external decision point's word where there is one, the answer may be *ask*:
//! that is how the table for a shim is made. With both it never is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ids::{ClientId, Digest};
use super::policy::{DEFAULT_TIMEOUT_SECONDS, Ruling, Table, Verdict};
use super::rules::{Effect, Hit, Rule, Rules};
use super::trust::{self, Level, Source};

/// What an administrator set for one server.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerPolicy {
    /// Every tool on this server requires approval.
    pub require_all: bool,
    /// Tools of this level or higher require approval; `None` gates none by level.
    pub threshold: Option<Level>,
    /// Agents whose calls skip approval on this server; only entries that are in force.
    pub bypass: BTreeSet<ClientId>,
    /// Seconds an approver has; timeouts always reject.
    pub timeout_seconds: u32,
    /// Whether tools that are new or changed are gated until somebody accepts them; `None` is where anything is gated or
    /// would be by its level.
    pub gate_changed_tools: Option<bool>,
    /// Conditions on arguments, as they were set.
    pub rules: Vec<Rule>,
}

impl ServerPolicy {
    /// The policy of a server seen for the first time.
    pub fn of_new_server(threshold: Option<Level>) -> Self {
        Self {
            require_all: false,
            threshold,
            bypass: BTreeSet::new(),
            timeout_seconds: DEFAULT_TIMEOUT_SECONDS,
            gate_changed_tools: None,
            rules: Vec::new(),
        }
    }

    /// Whether anything on the server is gated, apart from tools that are new or changed.
    pub fn gates_anything(&self, tools: &[Tool]) -> bool {
        let gated = |tool: &Tool| tool.hitl || self.threshold.is_some_and(|threshold| tool.trust >= threshold);
        self.require_all || !self.rules.is_empty() || tools.iter().any(gated)
    }

    /// Whether some tool could be gated on the server, if it had one.
    fn may_gate(&self, tools: &[Tool]) -> bool {
        self.threshold.is_some() || self.gates_anything(tools)
    }
}

/// How a tool's definition differs from what an administrator accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Drift {
    /// It was not there when the server was seen first.
    New,
    /// It was defined otherwise.
    Changed,
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
    /// Whether its definition waits to be accepted.
    pub drift: Option<Drift>,
    /// The definitions that were.
    pub accepted: Vec<Digest>,
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

/// The external decision point's word on a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opinion {
    /// There is no such point.
    None,
    /// There is one, and it has not been asked.
    Unasked,
    /// Yes; policy decides the rest.
    Yes,
    /// No, or it could not be asked; why, in words.
    No(String),
}

/// Everything a verdict depends on, apart from the call.
#[derive(Clone, Debug)]
pub struct Scales {
    /// Who calls.
    pub caller: Caller,
    /// What was set for the server.
    pub policy: ServerPolicy,
    /// The server's argument rules, made ready.
    pub rules: Arc<Rules>,
    /// The server's tools.
    pub tools: Arc<Vec<Tool>>,
    /// Whether those are all that it listed.
    pub all_known: bool,
}

impl Scales {
    /// The ruling on this very call; `arguments` is the raw JSON text.
    pub fn weigh(&self, tool: &str, arguments: &str, opinion: &Opinion) -> Ruling {
        let listed = self.tools.iter().find(|known| known.name == tool);
        self.on(tool, listed, Some(arguments), opinion)
    }

    /// Whether the server has listed the tool.
    pub fn lists(&self, tool: &str) -> bool {
        self.tools.iter().any(|known| known.name == tool)
    }

    /// What can be said of a tool's calls before there is one.
    pub fn foresee(&self, tool: &str, opinion: &Opinion) -> Ruling {
        match self.tools.iter().find(|known| known.name == tool) {
            Some(listed) => self.on(tool, Some(listed), None, opinion),
            None => self.foresee_unlisted(opinion),
        }
    }

    /// What can be said of tools that the server has not listed.
    pub fn foresee_unlisted(&self, opinion: &Opinion) -> Ruling {
        let mut ruling = self.on("", None, None, opinion);
        // Its level, and which rules deny it, depend on its name, which only the hub weighs.
        let gated_by_level = self.policy.threshold.is_some() && !ruling.bypass;
        let by_name = gated_by_level || self.caller.limit() < Level::High || self.rules.deny_anything();
        if ruling.verdict == Verdict::Pass && by_name {
            ruling.verdict = Verdict::Ask;
        }
        ruling
    }

    /// The table for a shim.
    pub fn table(&self, opinion: &Opinion) -> Table {
        let foreseen = |tool: &Tool| (tool.name.clone(), self.on(&tool.name, Some(tool), None, opinion));
        let tools: BTreeMap<String, Ruling> = self.tools.iter().map(foreseen).collect();
        let may_drift = |tool: &&Tool| {
            let passes = tools.get(&tool.name).is_some_and(|ruling| ruling.verdict == Verdict::Pass && !ruling.bypass);
            passes && self.gates_drift()
        };
        let accepted = self.tools.iter().filter(may_drift).map(|tool| (tool.name.clone(), tool.accepted.clone()));
        Table {
            accepted: accepted.collect(),
            tools,
            unlisted: self.foresee_unlisted(opinion),
            timeout_seconds: self.policy.timeout_seconds,
        }
    }

    /// Deny, then bypass, then gate, then pass.
    fn on(&self, name: &str, listed: Option<&Tool>, arguments: Option<&str>, opinion: &Opinion) -> Ruling {
        let trust = listed.map_or_else(|| trust::of_name(name), |tool| tool.trust);
        let ruling = |verdict, reasons| Ruling { verdict, bypass: false, trust, reasons };
        let bypass = self.policy.bypass.contains(&self.caller.client_id);
        let hits = match (arguments, listed) {
            (Some(arguments), _) => self.rules.hits(name, arguments),
            (None, Some(_)) => self.rules.always(name),
            // Of a tool that is not listed, not even the name is known.
            (None, None) => Vec::new(),
        };

        let denials = self.denials(trust, opinion, &hits, bypass);
        if !denials.is_empty() {
            return ruling(Verdict::Deny, denials);
        }
        if *opinion == Opinion::Unasked {
            return ruling(Verdict::Ask, vec!["the external decision point is asked about each call".to_owned()]);
        }
        if bypass {
            if arguments.is_none() && self.rules.may_deny(name) {
                return ruling(Verdict::Ask, self.rules.prospects(name));
            }
            let reasons = vec!["the agent is on this server's trusted agent bypass list".to_owned()];
            return Ruling { bypass: true, ..ruling(Verdict::Pass, reasons) };
        }
        let gates = self.gates(trust, listed, &hits);
        if !gates.is_empty() {
            return ruling(Verdict::Gate, gates);
        }
        if arguments.is_none() && self.rules.concern(name) {
            return ruling(Verdict::Ask, self.rules.prospects(name));
        }
        ruling(Verdict::Pass, Vec::new())
    }

    fn denials(&self, trust: Level, opinion: &Opinion, hits: &[Hit], bypass: bool) -> Vec<String> {
        let mut denials: Vec<String> = beyond(&self.caller, trust).into_iter().collect();
        if let Opinion::No(why) = opinion {
            denials.push(why.clone());
        }
        // With nobody to ask, a denial that cannot be ruled out is one.
        let denies = |hit: &&Hit| hit.effect == Effect::Deny && (!hit.doubt || bypass);
        denials.extend(hits.iter().filter(denies).map(by_rule));
        denials
    }

    fn gates(&self, trust: Level, listed: Option<&Tool>, hits: &[Hit]) -> Vec<String> {
        let mut gates = Vec::new();
        if listed.is_some_and(|tool| tool.hitl) {
            gates.push("approval is switched on for this tool".to_owned());
        }
        if self.policy.require_all {
            gates.push("this server requires approval for all tools".to_owned());
        }
        if let Some(threshold) = self.policy.threshold.filter(|threshold| trust >= *threshold) {
            gates.push(format!("trust {trust} ≥ threshold {threshold}"));
        }
        gates.extend(self.unknown(listed));
        gates.extend(hits.iter().map(by_rule));
        let note = listed.and_then(|tool| tool.reason.as_ref()).filter(|_| !gates.is_empty());
        gates.extend(note.map(|note| format!("an administrator's note: {note}")));
        gates
    }

    /// Whether tools that are new or changed are gated.
    fn gates_drift(&self) -> bool {
        self.policy.gate_changed_tools.unwrap_or_else(|| self.policy.may_gate(&self.tools))
    }

    /// Why tools that are not listed wait, if they do.
    fn unlisted_waits(&self) -> Option<&'static str> {
        if self.policy.gates_anything(&self.tools) {
            return Some("something on this server is gated");
        }
        // What a level gates there cannot be told before.
        if self.policy.threshold.is_some() && !self.all_known {
            return Some("not all of its tools are known");
        }
        (self.policy.gate_changed_tools == Some(true)).then_some("new tools wait until somebody accepts them")
    }

    /// Why a tool counts as unknown, if it does.
    fn unknown(&self, listed: Option<&Tool>) -> Option<String> {
        let Some(tool) = listed else {
            return self.unlisted_waits().map(|why| format!("the server has not listed this tool, and {why}"));
        };
        let drift = tool.drift.filter(|_| self.gates_drift())?;
        Some(match drift {
            Drift::New => "the tool is new on this server, and nobody has accepted it yet".to_owned(),
            Drift::Changed => "the tool's definition changed, and nobody has accepted the new one yet".to_owned(),
        })
    }
}

fn by_rule(hit: &Hit) -> String {
    format!("argument rule: {}", hit.reason)
}

/// What there is and what it would take, for a tool beyond the caller's limit.
fn beyond(caller: &Caller, trust: Level) -> Option<String> {
    let limit = caller.limit();
    if trust <= limit {
        return None;
    }
    let whose = if caller.agent_trust <= caller.user_ceiling { "the agent's trust" } else { "the user's ceiling" };
    Some(format!("the tool needs trust {trust}, {whose} on this server is {limit}"))
}

#[cfg(test)]
#[path = "weigh_tests.rs"]
mod tests;
