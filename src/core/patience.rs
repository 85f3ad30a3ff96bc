//! How long clients wait for a tool, measured (`mcp.md`), and what follows for holding a call.
//!
//! A profile changes timing only: `clientInfo` is the client's own word, and nothing is decided on it.

use std::collections::BTreeMap;
use std::time::Duration;

/// Seconds to hold a call before *pending, call again*, for clients known to give up; others wait for ever.
const KNOWN: [(&str, u64); 7] = [
    ("claude-ai", 50),
    ("cursor-vscode", 50),
    ("@cline/core", 50),
    ("continue-cli-client", 50),
    ("openai-agents", 4),
    ("codex-mcp-client", 285),
    ("gemini-cli-mcp-client", 585),
];

/// The setting `hold_for`, with the profile table's changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HoldFor {
    /// The same for every client; `None` goes by the profile.
    pub fixed: Option<Duration>,
    /// Profiles set by hand, by `clientInfo.name`; 0 holds as long as the approval lives.
    pub profiles: BTreeMap<String, u64>,
}

impl HoldFor {
    /// Reads `auto`, `forever` or a number of seconds.
    pub fn parse(text: &str) -> Result<Option<Duration>, String> {
        match text {
            "auto" => Ok(None),
            "forever" => Ok(Some(Duration::ZERO)),
            _ => match text.trim_end_matches('s').parse::<u64>() {
                Ok(seconds) if seconds > 0 => Ok(Some(Duration::from_secs(seconds))),
                _ => Err(format!("hold_for must be \"auto\", \"forever\" or a number of seconds, not {text:?}")),
            },
        }
    }

    /// How long a call of that client is held; `None` as long as the approval lives.
    pub fn budget(&self, client: &str) -> Option<Duration> {
        let known = || KNOWN.iter().find(|(name, _)| *name == client).map(|(_, seconds)| *seconds);
        let by_profile = || self.profiles.get(client).copied().or_else(known).map(Duration::from_secs);
        self.fixed.or_else(by_profile).filter(|budget| !budget.is_zero())
    }
}

/// Why a client takes a call back, as far as its reason says (`mcp.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its own timer fired: a retry may follow.
    TimedOut,
    /// That, or its user ended it; then it is gone a moment later.
    Unclear,
    /// Anything else.
    TakenBack,
}

/// What a cancellation's reason says.
pub fn ending(reason: &str) -> Ending {
    // Codex says the same for its timer and for Ctrl-C.
    if reason == "MCP request cancelled by caller" {
        return Ending::Unclear;
    }
    let reason = reason.trim().trim_end_matches(['.', '!']).to_lowercase();
    let parts = ["timed out", "timedout", "timeout exceeded", "deadline exceeded", "deadline has elapsed", "-32001"];
    let whole = ["timeout", "request timeout", "timeouterror", "maximum total timeout exceeded"];
    let timed_out = parts.iter().any(|part| reason.contains(part)) || whole.contains(&reason.as_str());
    if timed_out { Ending::TimedOut } else { Ending::TakenBack }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(hold_for: &HoldFor, client: &str) -> Option<u64> {
        hold_for.budget(client).map(|budget| budget.as_secs())
    }

    #[test]
    fn clients_known_to_give_up_are_answered_before_that() {
        let auto = HoldFor::default();
        assert_eq!(seconds(&auto, "claude-ai"), Some(50));
        assert_eq!(seconds(&auto, "codex-mcp-client"), Some(285));
        assert_eq!(seconds(&auto, "@cline/core"), Some(50));
        assert_eq!(seconds(&auto, "continue-cli-client"), Some(50));
        assert_eq!(seconds(&auto, "claude-code"), None);
        assert_eq!(seconds(&auto, ""), None);
    }

    #[test]
    fn settings_beat_the_table() {
        let profiles = BTreeMap::from([("claude-ai".to_owned(), 200), ("cursor-vscode".to_owned(), 0)]);
        let by_hand = HoldFor { fixed: None, profiles: profiles.clone() };
        assert_eq!(seconds(&by_hand, "claude-ai"), Some(200));
        assert_eq!(seconds(&by_hand, "cursor-vscode"), None);
        let fixed = HoldFor { fixed: HoldFor::parse("7s").unwrap(), profiles };
        assert_eq!(seconds(&fixed, "claude-ai"), Some(7));
        let forever = HoldFor { fixed: HoldFor::parse("forever").unwrap(), ..HoldFor::default() };
        assert_eq!(seconds(&forever, "claude-ai"), None);
    }

    #[test]
    fn a_bad_setting_is_an_error() {
        for text in ["", "0", "-1", "soon"] {
            assert!(HoldFor::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_a_client_that_timed_out_leaves_its_approval_pending() {
        for reason in [
            "SdkError: Request timed out",
            "McpError: MCP error -32001: Request timed out",
            "request timeout",
            "maximum total timeout exceeded",
            "context deadline exceeded",
            "Timeout",
            "timed out after 60 s",
            "Timed out while waiting for response to ClientRequest. Waited 5.0 seconds.",
        ] {
            assert_eq!(ending(reason), Ending::TimedOut, "{reason}");
        }
        assert_eq!(ending("MCP request cancelled by caller"), Ending::Unclear);
        for reason in ["", "user pressed escape", "AbortError: This operation was aborted", "context canceled"] {
            assert_eq!(ending(reason), Ending::TakenBack, "{reason}");
        }
    }
}
