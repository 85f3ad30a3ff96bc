//! What the shim itself says to a client: progress while a call is held, refusals, and errors for unreadable lines.
//!
//! A refusal is a result with `isError: true`, so that the model sees it (`mcp.md`); each says that nothing ran.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use serde_json::json;

use super::frame::Refused;
use super::ids::ApprovalId;
use super::inert::inert;

/// The longest progress message, in characters (`mcp.md`: Claude Code shows about 200).
pub const MAX_MESSAGE_CHARS: usize = 200;

/// The longest call that is held for approval, in bytes.
pub const MAX_GATED_BYTES: usize = 8 << 20;

/// The hub, as a client is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HubName {
    /// One that somebody set up: usually its URL.
    At(String),
    /// This user's own; its log.
    Here(String),
}

impl From<&str> for HubName {
    fn from(url: &str) -> Self {
        Self::At(url.to_owned())
    }
}

impl fmt::Display for HubName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(url) => write!(f, "hub at {url}"),
            Self::Here(_) => f.write_str("hub on this machine"),
        }
    }
}

impl HubName {
    /// What to do when it cannot be reached, before the tool is called again.
    fn advice(&self) -> String {
        match self {
            Self::At(_) => "Check that hitl-hub is running there".to_owned(),
            Self::Here(log) => format!("Start `hitl-hub serve --local`, or read in {log} why it does not start"),
        }
    }
}

/// A reason behind what it is the reason of.
fn because(why: &str) -> String {
    format!(": {}", clip(&inert(why), MAX_MESSAGE_CHARS))
}

/// Why a call was not executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// An approver said no.
    Rejected {
        /// Their words.
        reason: Option<String>,
    },
    /// Nobody decided in time.
    TimedOut {
        /// The time there was, in seconds.
        after_seconds: u64,
    },
    /// Policy denies it.
    Denied {
        /// Why, one phrase each.
        reasons: Vec<String>,
    },
    /// The hub could not be asked.
    HubAway {
        /// The hub.
        hub: HubName,
        /// Why, in words that may be a stranger's.
        why: Option<String>,
    },
    /// The hub took it off the list, or an approval was not used in time.
    Cancelled {
        /// Why, in words.
        reason: String,
    },
    /// The hub was asked, and did not say in time whether the call needs approval.
    NoRuling,
    /// What was approved is not what would run.
    Mismatch,
    /// The server has shown the tool defined otherwise since.
    ToolChanged,
    /// The client cannot wait any longer; the approval can.
    Pending {
        /// Where to decide.
        link: String,
    },
    /// The client called the same again, and the later call waits.
    AskedAgain,
    /// The server ended first.
    ServerGone,
    /// It is more than approvers can be shown.
    TooLong,
    /// Too much is held already.
    Overloaded,
    /// The hub takes no more of this agent's calls now.
    Busy {
        /// Why, in words.
        why: String,
    },
}

impl Refusal {
    /// The machine-readable word in `_meta["dev.hitl/decision"]`.
    fn status(&self) -> &'static str {
        match self {
            Self::Rejected { .. } => "rejected",
            Self::TimedOut { .. } => "timed_out",
            Self::Denied { .. } => "denied",
            Self::HubAway { .. } => "hub_unreachable",
            Self::Cancelled { .. } => "cancelled",
            Self::NoRuling => "no_ruling",
            Self::Mismatch => "mismatch",
            Self::ToolChanged => "tool_changed",
            Self::Pending { .. } => "pending",
            Self::AskedAgain => "asked_again",
            Self::ServerGone => "server_gone",
            Self::TooLong => "too_long",
            Self::Overloaded | Self::Busy { .. } => "overloaded",
        }
    }

    /// The sentences for the model and its user: what happened, that nothing ran, and what to do.
    pub fn text(&self, tool: &str) -> String {
        let executed = match self {
            Self::Pending { .. } => "It was not executed yet.",
            Self::AskedAgain => "This call was not executed; the later one waits in its place.",
            _ => "It was not executed.",
        };
        let advice = self.advice();
        let blank = if advice.is_empty() { "" } else { " " };
        format!("{}. {executed}{blank}{advice}", self.what_happened(&inert(tool)))
    }

    fn what_happened(&self, tool: &str) -> String {
        let (needs, cap) = ("requires admin approval", MAX_GATED_BYTES >> 20);
        match self {
            Self::Rejected { reason: None } => format!("Tool '{tool}' was rejected by admin"),
            Self::Rejected { reason: Some(reason) } => format!("Tool '{tool}' was rejected by admin: '{reason}'"),
            Self::TimedOut { after_seconds } => {
                let time = duration(*after_seconds);
                format!("Tool '{tool}' was not approved within {time} and was rejected automatically")
            }
            Self::Denied { reasons } => {
                format!("Permission denied: tool '{tool}' may not be called here ({})", reasons.join("; "))
            }
            Self::HubAway { hub, why } => {
                let why = why.as_deref().map(because).unwrap_or_default();
                format!("Tool '{tool}' {needs}, but the approval {hub} cannot be reached{why}")
            }
            Self::Cancelled { reason } => format!("The approval request for tool '{tool}' was cancelled: {reason}"),
            Self::NoRuling => format!("The approval hub did not say in time whether tool '{tool}' needs approval"),
            Self::Mismatch => {
                format!("Tool '{tool}' was refused, because what was approved is not what would have run")
            }
            Self::ToolChanged => {
                format!("Tool '{tool}' was approved, but its server has changed it since the approver was shown it")
            }
            Self::Pending { link } => {
                format!(
                    "Tool '{tool}' is still waiting for approval; the approvers have been asked and decide at {link}"
                )
            }
            Self::AskedAgain => {
                format!("Tool '{tool}' was called again with the same arguments while this call waited for approval")
            }
            Self::ServerGone => format!("The server of tool '{tool}' ended while the call waited for approval"),
            Self::TooLong => {
                format!(
                    "Tool '{tool}' {needs}, and this call is longer than the {cap} MiB that can be shown to an approver"
                )
            }
            Self::Overloaded => format!("Tool '{tool}' {needs}, and too many calls are waiting for one already"),
            Self::Busy { why } => {
                format!("Tool '{tool}' {needs}, and the hub takes no more calls of this agent now: {why}")
            }
        }
    }

    /// What to do now; empty where there is nothing to do.
    fn advice(&self) -> Cow<'static, str> {
        let advice = match self {
            Self::HubAway { hub, .. } => return format!("{}, then call the tool again.", hub.advice()).into(),
            Self::Rejected { .. } => {
                "Do not retry unless the user asks. Contact your admin if you believe this is an error."
            }
            Self::TimedOut { .. } | Self::Cancelled { .. } => "Do not retry unless the user asks.",
            Self::Denied { .. } => "Do not retry; contact your admin if you need it.",
            Self::NoRuling => "Call the tool again.",
            Self::Mismatch => "Contact your admin.",
            Self::ToolChanged => "Call the tool again to ask for approval of what it is now.",
            Self::Pending { .. } => {
                "Call the tool again with the same arguments to go on waiting; once approved, that call runs."
            }
            Self::AskedAgain | Self::ServerGone => "",
            Self::TooLong => "Call it with less, in parts, or with a file's name in place of its content.",
            Self::Overloaded => "Wait for them before you call again.",
            Self::Busy { .. } => "Wait for the decisions before you call again.",
        };
        advice.into()
    }

    /// Why, as the log has it, one phrase each.
    pub fn reasons(&self) -> Vec<String> {
        let bound = match self {
            Self::Denied { reasons } => return reasons.clone(),
            Self::Busy { why } => format!("the hub takes no more calls of this agent now: {why}"),
            Self::TooLong => {
                format!("the call is longer than the {} MiB an approver can be shown", MAX_GATED_BYTES >> 20)
            }
            Self::Overloaded => "too many calls wait for approval already".to_owned(),
            other => other.status().replace('_', " "),
        };
        vec![bound]
    }

    /// The result that answers the call whose raw id is `id`.
    pub fn line(&self, id: &str, tool: &str, approval: Option<&ApprovalId>) -> Vec<u8> {
        let reason = match self {
            Self::Rejected { reason } => reason.clone(),
            Self::Cancelled { reason } => Some(reason.clone()),
            Self::Denied { reasons } => Some(reasons.join("; ")),
            _ => None,
        };
        let decision = Decision { status: self.status(), executed: false, approval, reason };
        let result = json!({
            "resultType": "complete",
            "isError": true,
            "content": [{"type": "text", "text": self.text(tool)}],
            "_meta": {"dev.hitl/decision": decision},
        });
        // The id goes back exactly as it came, so it is not a value but text.
        format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#).into_bytes()
    }
}

#[derive(Serialize)]
struct Decision<'a> {
    status: &'static str,
    executed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    approval: Option<&'a ApprovalId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// The JSON-RPC errors that answer the requests of a line that is not forwarded, by their raw ids.
pub fn errors(refused: &Refused) -> impl Iterator<Item = (&str, Vec<u8>)> {
    let answer = |id: &'_ String| error_line(id, refused.code, &format!("Not forwarded: {}", refused.why));
    refused.requests.iter().map(move |id| (id.as_str(), answer(id)))
}

/// The JSON-RPC error that answers a request whose own answer was too long to be read, and cannot be passed on.
pub fn too_long(id: &str, why: &str) -> Vec<u8> {
    error_line(id, -32603, &format!("The server's answer is too long to be read whole, and was not passed on: {why}"))
}

/// What the server is given in place of the answers of a line that is not forwarded: it waits for them.
pub fn stand_ins(refused: &Refused) -> impl Iterator<Item = Vec<u8>> {
    let why = format!("The client's answer was not forwarded: {}", refused.why);
    refused.answers.iter().map(move |id| error_line(id, -32603, &why))
}

/// The id goes back exactly as it came, so it is not a value but text.
fn error_line(id: &str, code: i32, message: &str) -> Vec<u8> {
    let error = json!({"code": code, "message": message});
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#).into_bytes()
}

/// A progress notification; `token` is the raw literal, `thousandths` the progress times 1000.
pub fn progress_line(token: &str, thousandths: i64, message: &str) -> Vec<u8> {
    let sign = if thousandths < 0 { "-" } else { "" };
    let (whole, part) = (thousandths.unsigned_abs() / 1000, thousandths.unsigned_abs() % 1000);
    let part = if part == 0 { String::new() } else { format!(".{part:03}") };
    let message = json!(clip(message, MAX_MESSAGE_CHARS));
    format!(
        concat!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":"#,
            r#"{{"progressToken":{},"progress":{}{}{},"message":{}}}}}"#
        ),
        token, sign, whole, part, message
    )
    .into_bytes()
}

/// The first message of a held call, as the product describes it.
pub fn waiting(tool: &str, timeout_seconds: u64) -> String {
    let timeout = duration(timeout_seconds);
    let rest =
        format!("Tool '' requires admin approval before execution. Waiting for approval (timeout: {timeout})...");
    let tool = clip(&inert(tool), MAX_MESSAGE_CHARS - rest.chars().count());
    format!("Tool '{tool}' requires admin approval before execution. Waiting for approval (timeout: {timeout})...")
}

/// Later messages: how long is left, whether a reviewer looks, and where to decide.
pub fn still_waiting(left_seconds: u64, seen: bool, link: &str) -> String {
    let seen = if seen { "A reviewer has opened it. " } else { "" };
    format!("Waiting for approval, {} left. {seen}{link}", duration(left_seconds)).trim_end().to_owned()
}

/// Messages while only the hub can say whether a call needs approval.
pub fn checking(tool: &str) -> String {
    format!("The approval hub is checking tool '{}' before it is executed.", clip(&inert(tool), 100))
}

/// Messages while the hub cannot be reached.
pub fn hub_away(tool: &str, hub: &HubName, left_seconds: u64) -> String {
    let tool = clip(&inert(tool), 60);
    format!(
        "Tool '{tool}' waits for the approval {hub}, which cannot be reached. Refused in {}.",
        duration(left_seconds)
    )
}

/// Messages while a registered call's hub is away.
pub fn hub_lost(hub: &HubName, left_seconds: u64) -> String {
    format!("Waiting for approval; the {hub} cannot be reached, trying again. {} left.", duration(left_seconds))
}

/// A duration in words: `5 minutes`, `1 minute 30 seconds`, `1 hour`.
pub fn duration(seconds: u64) -> String {
    let unit = |count: u64, name: &str| match count {
        0 => None,
        1 => Some(format!("1 {name}")),
        _ => Some(format!("{count} {name}s")),
    };
    let parts = [unit(seconds / 3600, "hour"), unit(seconds / 60 % 60, "minute"), unit(seconds % 60, "second")];
    let words: Vec<String> = parts.into_iter().flatten().collect();
    if words.is_empty() { "0 seconds".into() } else { words.join(" ") }
}

/// The text, cut to at most `max` characters; a cut shows.
fn clip(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    text.chars().take(max.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
#[path = "reply_tests.rs"]
mod tests;
