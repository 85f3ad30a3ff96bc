//! What the gate and the hub tell each other; `wire` puts these on the wire unchanged.

use serde::{Deserialize, Serialize};

use crate::core::approval::Outcome;
use crate::core::ids::{ApprovalId, Digest};
use crate::core::policy::{Ruling, Verdict};

/// Tools as the server listed them to the client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tools {
    /// The tools of the pages seen so far.
    pub items: Vec<ToolDefinition>,
    /// Whether the last page was among them.
    pub complete: bool,
}

impl Tools {
    /// How long their definitions are together, in bytes.
    pub fn bytes(&self) -> usize {
        self.items.iter().map(|tool| tool.definition.len()).sum()
    }
}

/// One tool as its server defined it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolDefinition {
    /// The exact name.
    pub name: String,
    /// The raw JSON text of its entry in `tools/list`.
    pub definition: String,
}

/// A call to be held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Made by the shim; sending the same id again changes nothing.
    pub id: ApprovalId,
    /// The exact tool name.
    pub tool: String,
    /// The raw JSON text of the arguments as the client sent them; `{}` when it sent none.
    pub arguments: String,
    /// What else the call carries, as a JSON object; see [`Call::extra`](crate::core::frame::Call::extra).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<String>,
    /// SHA-256 of the tool's definition, when the shim saw it listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<Digest>,
    /// [`call_digest`](crate::core::call::digest) over all that an approval binds.
    pub digest: Digest,
    /// The client as this request names itself (modern era); shown, never decided on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientInfo>,
}

/// A client's name for itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientInfo {
    /// As in `clientInfo.name`.
    #[serde(default)]
    pub name: String,
    /// As in `clientInfo.version`.
    #[serde(default)]
    pub version: String,
}

/// A call taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancel {
    /// Which one.
    pub approval: ApprovalId,
    /// Why, in words for the record.
    pub reason: String,
    /// The client will call again: the approval stays pending, or usable once given, for an identical call.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keep: bool,
}

/// The request to write an approved call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Which one.
    pub approval: ApprovalId,
    /// The digest the shim recomputed from the line it is about to write.
    pub digest: Digest,
}

/// How often a released call may be continued.
pub const MAX_ROUNDS: u32 = 10;

/// A released call that its client goes on with, because the server asked for more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Continued {
    /// Which one.
    pub approval: ApprovalId,
    /// How often, this time included.
    pub round: u32,
    /// What the server is given: `inputResponses` and `requestState`, as a JSON object.
    pub inputs: String,
}

/// What became of a released call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallOutcome {
    /// Which one.
    pub approval: ApprovalId,
    /// `not_executed`, `succeeded`, `failed` or `unknown`.
    pub outcome: Outcome,
    /// Milliseconds from the write to the server's answer.
    pub duration_ms: u64,
}

/// A server that the shim's own client starts without a shim, as that client's file says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ungated {
    /// The client, as `hitl-wrap install --client` takes it.
    pub client: String,
    /// The server's name in the file.
    pub server: String,
}

/// One call for the activity log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// Milliseconds before the batch was sent; the hub's clock makes it a time.
    pub age_ms: u64,
    /// The exact tool name.
    pub tool: String,
    /// What policy said.
    pub verdict: Verdict,
    /// It passed by the bypass list.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bypass: bool,
    /// The approval, for a gated call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalId>,
    /// How it ended, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Milliseconds until the server's answer, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// The number, within this run of the shim, of a call that was told of while it ran: what is told later under the
    /// same number is how it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<u64>,
    /// What the record keeps of a call that was denied, or that was over a bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denied: Option<Denied>,
}

/// The longest part of a denied call's arguments that is kept, in bytes.
pub const MAX_DENIED_ARGUMENTS: usize = 16 << 10;

/// A denied call, for the log alone: nobody decides on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denied {
    /// By which rule, level or bound, one phrase each.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// [`call_digest`](crate::core::call::digest) of the whole call; none where the shim does not know its agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The raw JSON text of its arguments; what is longer than [`MAX_DENIED_ARGUMENTS`] is cut, and ends with `…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<String>,
}

impl Denied {
    /// The arguments as they are kept.
    pub fn cut(arguments: &str) -> String {
        if arguments.len() <= MAX_DENIED_ARGUMENTS {
            return arguments.to_owned();
        }
        format!("{}…", &arguments[..arguments.floor_char_boundary(MAX_DENIED_ARGUMENTS)])
    }

    /// How much there is to keep, in bytes.
    pub fn bytes(&self) -> usize {
        self.reasons.iter().map(String::len).sum::<usize>() + self.arguments.as_ref().map_or(0, String::len)
    }
}

/// A call that is on the approvers' page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// The request's own id.
    pub id: ApprovalId,
    /// The approval it stands under: the same id, or that of a pending identical call it joined.
    pub approval: ApprovalId,
    /// Milliseconds left by the hub's clock.
    pub remaining_ms: u64,
    /// Where an approver decides.
    pub link: String,
    /// The raw text of the arguments as approvers are shown them, where an earlier call wrote the same ones otherwise:
    /// what was shown is what runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<String>,
}

/// A call ruled on by the hub itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruled {
    /// The request's own id.
    pub id: ApprovalId,
    /// `pass` or `deny`; anything else refuses.
    pub ruling: Ruling,
    /// It is refused for now only, because its agent asks for too much at once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub busy: bool,
}

/// The end of waiting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// Which one.
    pub approval: ApprovalId,
    /// What was decided.
    pub decision: Decision,
}

/// What was decided, as far as the shim needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Decision {
    /// Yes, to exactly the call with this digest.
    Approved {
        /// What the approver saw.
        digest: Digest,
    },
    /// No.
    Rejected {
        /// Their words, if any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Nobody decided in time.
    TimedOut,
    /// Taken back, or approved and not used in time.
    Cancelled {
        /// Why, in words.
        reason: String,
    },
}

/// More time for a pending approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extended {
    /// Which one.
    pub approval: ApprovalId,
    /// Milliseconds left by the hub's clock.
    pub remaining_ms: u64,
}
