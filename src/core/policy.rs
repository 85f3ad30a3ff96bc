//! What policy says of a call: pass, gate or deny, and why.
//!
//! The hub weighs (`weigh`), per session, every tool of a server into a [`Table`]; the shim looks calls up in it.
//! A table is complete on its own: a tool it does not name falls under `unlisted`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ids::Digest;
use super::trust::Level;

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

/// Everything a shim needs to rule on its calls without a round trip.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Tool → ruling, by exact name.
    pub tools: BTreeMap<String, Ruling>,
    /// The ruling on every tool that `tools` does not name.
    pub unlisted: Ruling,
    /// Seconds an approver has on this server.
    pub timeout_seconds: u32,
    /// Tools that pass as long as they are defined in one of these ways; shown otherwise, the hub is to judge.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub accepted: BTreeMap<String, Vec<Digest>>,
}

impl Table {
    /// The ruling on a call, by the tool's exact name.
    pub fn ruling(&self, tool: &str) -> &Ruling {
        self.tools.get(tool).unwrap_or(&self.unlisted)
    }

    /// Whether the ruling holds for a tool that the client was shown with this definition; with none that was seen, it
    /// may have been shown any.
    pub fn knows(&self, tool: &str, definition: Option<&Digest>) -> bool {
        let accepted = self.accepted.get(tool);
        accepted.is_none_or(|accepted| definition.is_some_and(|definition| accepted.contains(definition)))
    }
}
