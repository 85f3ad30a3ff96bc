//! The shapes that use cases return and the API sends: JSON as scripts and the page rely on it.
//!
//! Times are unix milliseconds. No rule lives here.

use serde::{Deserialize, Serialize};

use crate::core::approval::{Outcome, Status};
use crate::core::ids::{ApprovalId, ClientId, Digest};
use crate::core::messages::ClientInfo;
use crate::core::rules::Rule;
use crate::core::trust::{Level, Source};
use crate::core::weigh::Drift;

/// A page of a list.
#[derive(Clone, Debug, Serialize)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Pass it as `cursor` for the next page; `None` on the last.
    pub next_cursor: Option<String>,
}

/// What a person may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Looks.
    Viewer,
    /// Looks and decides.
    Approver,
    /// Looks, decides, and changes policy, agents and users.
    Admin,
}

impl Role {
    /// The role as it stands in JSON, SQL and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Approver => "approver",
            Self::Admin => "admin",
        }
    }

    /// The role of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Viewer, Self::Approver, Self::Admin].into_iter().find(|role| role.as_str() == name)
    }
}

/// A signed-in person; every decision and change is recorded under this name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct User {
    /// The sign-in name, unique.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Ceilings per server on what this person's agents may call; servers left out have none.
    pub ceilings: std::collections::BTreeMap<String, Level>,
    /// When the account was made.
    pub created_at: i64,
}

/// One approval as API, events and page show it.
#[derive(Clone, Debug, Serialize)]
pub struct Approval {
    /// Its id.
    pub id: ApprovalId,
    /// Where it stands.
    pub status: Status,
    /// The wrapped server's name.
    pub server: String,
    /// The tool's exact name.
    pub tool: String,
    /// The level the tool demanded when it was called.
    pub trust: Level,
    /// The agent that calls.
    pub agent: AgentRef,
    /// The client as it names itself.
    pub client: ClientInfo,
    /// The person the agent works for, where an administrator said so.
    pub user: Option<String>,
    /// Else whose account the shim says it runs under: a claim, which anybody can make.
    pub claimed_user: Option<String>,
    /// Why it is gated, in words.
    pub reasons: Vec<String>,
    /// What its call is given; `None` only inside the hub, where a large call has been changed and not read.
    #[serde(flatten)]
    pub given: Option<Given>,
    /// SHA-256 of the arguments' text.
    pub arguments_sha256: Digest,
    /// SHA-256 over agent, server, tool, definition and all that the server is given: what a decision is about.
    pub digest: Digest,
    /// Nobody waits for it at this moment: its client was told to call again, and an identical call takes it up.
    pub handed_off: bool,
    /// How often its client called the same again.
    pub asked_again: i64,
    /// When it was registered.
    pub created_at: i64,
    /// When it times out.
    pub deadline_at: i64,
    /// When it was decided.
    pub decided_at: Option<i64>,
    /// Who decided; `None` for timeouts and cancellations.
    pub decided_by: Option<String>,
    /// The words that came with the decision.
    pub reason: Option<String>,
    /// What became of the call.
    pub outcome: Outcome,
    /// When that was known.
    pub outcome_at: Option<i64>,
    /// Milliseconds from the write to the server's answer.
    pub duration_ms: Option<i64>,
    /// What the server says the tool does; a claim.
    pub description: Option<String>,
    /// How the tool's definition differed from what was accepted when it was called, if it did; both texts only in the
    /// queue and in the answer to `GET /approvals/{id}`.
    pub drift: Option<ToolDrift>,
    /// What happened to it, oldest first; only in the answer to `GET /approvals/{id}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeline: Option<Vec<TimelineEntry>>,
}

/// What a call is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Given {
    /// The raw JSON text of the arguments, exactly as they will run.
    pub arguments: String,
    /// The raw JSON text of what else the server is given with the call, if anything.
    pub extra: Option<String>,
}

impl Given {
    /// How long it is.
    pub fn bytes(&self) -> usize {
        self.arguments.len() + self.extra.as_ref().map_or(0, String::len)
    }
}

/// One line of an approval's timeline.
#[derive(Clone, Debug, Serialize)]
pub struct TimelineEntry {
    /// When.
    pub at: i64,
    /// Who: a user's name, an agent's client id, or `hub`.
    pub actor: String,
    /// What: the audit action, such as `approval.created`.
    pub action: String,
    /// More words, where there are any.
    pub detail: Option<String>,
}

/// An agent in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AgentRef {
    /// Its public id.
    pub client_id: ClientId,
    /// Its name.
    pub name: String,
}

/// A server that a client starts without a shim, where it starts another through one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UngatedServer {
    /// The agent whose shim says so.
    pub agent: AgentRef,
    /// The client, as `hitl-wrap install --client` takes it.
    pub client: String,
    /// The server's name in the client's file.
    pub server: String,
}

/// An agent.
#[derive(Clone, Debug, Serialize)]
pub struct Agent {
    /// Its public id.
    pub client_id: ClientId,
    /// Its name.
    pub name: String,
    /// The person it works for, where known.
    pub user: Option<String>,
    /// Limits per server; servers left out have none.
    pub trust: std::collections::BTreeMap<String, Level>,
    /// The only servers it may stand in front of; `None` is all.
    pub servers: Option<Vec<String>>,
    /// When a shim with its token was last connected.
    pub last_seen: Option<i64>,
    /// Until when the token before the present one is good, too, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_token_until: Option<i64>,
}

/// A server as the shims reported it, with its policy.
#[derive(Clone, Debug, Serialize)]
pub struct Server {
    /// Its name.
    pub name: String,
    /// Its policy.
    pub policy: Policy,
    /// Its tools, by name.
    pub tools: Vec<Tool>,
    /// How many shims are connected with it now.
    pub sessions: u64,
    /// What starts it, as its shim told it last: the command line without the secrets in it.
    pub command: Vec<String>,
}

/// A server's policy in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Policy {
    /// Every tool requires approval.
    pub require_all: bool,
    /// Tools of this level or higher require approval.
    pub threshold: Option<Level>,
    /// Client ids that skip approval now.
    pub bypass: Vec<ClientId>,
    /// The same with their story, and those that have expired.
    pub bypass_entries: Vec<Bypass>,
    /// Seconds an approver has.
    pub timeout_seconds: u32,
    /// Whether tools that are new or changed are gated until somebody accepts them; `None` is the default: where
    /// anything is gated.
    pub gate_changed_tools: Option<bool>,
    /// Argument rules, as they were set.
    pub rules: Vec<Rule>,
}

/// An agent on a server's bypass list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bypass {
    /// The agent.
    pub client_id: ClientId,
    /// Who put it there.
    pub added_by: String,
    /// When.
    pub added_at: i64,
    /// Why, in words.
    pub reason: Option<String>,
    /// When it stops counting.
    pub expires_at: Option<i64>,
    /// Whether it has stopped.
    pub expired: bool,
    /// When a call last passed by it.
    pub last_used_at: Option<i64>,
}

/// An entry in the bypass list of a [`PolicyChange`], with reason and expiry.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BypassEntry {
    /// The agent.
    pub client_id: ClientId,
    /// Why, in words.
    #[serde(default)]
    pub reason: Option<String>,
    /// When it stops counting; `None` is never.
    #[serde(default)]
    pub expires_at: Option<i64>,
}

/// The fields of `PUT /servers/{name}/policy`; those left out stay as they are.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyChange {
    /// See [`Policy`].
    pub require_all: Option<bool>,
    /// See [`Policy`]; `null` clears it, absent keeps it.
    #[serde(default, deserialize_with = "present")]
    pub threshold: Option<Option<Level>>,
    /// The whole new list, of client ids, whose entries stay as they are, and [`BypassEntry`]s; who is not in it is
    /// taken off.
    pub bypass: Option<Vec<serde_json::Value>>,
    /// See [`Policy`]; 5 to 3600.
    pub timeout_seconds: Option<u32>,
    /// See [`Policy`]; `null` goes back to the default.
    #[serde(default, deserialize_with = "present")]
    pub gate_changed_tools: Option<Option<bool>>,
    /// The whole new list, read as [`Rule`]s; a fault is answered with its place.
    pub rules: Option<Vec<serde_json::Value>>,
}

/// The fields of `PUT /servers/{name}/tools/{tool}`; those left out stay as they are.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolChange {
    /// The toggle.
    pub hitl: Option<bool>,
    /// The administrator's level; `null` goes back to the derived one.
    #[serde(default, deserialize_with = "present")]
    pub trust: Option<Option<Level>>,
    /// Why it needs approval, for the card; `null` clears it.
    #[serde(default, deserialize_with = "present")]
    pub reason: Option<Option<String>>,
    /// The members of its definition that may change without being accepted again.
    pub varies: Option<Vec<String>>,
}

/// A tool with its policy.
#[derive(Clone, Debug, Serialize)]
pub struct Tool {
    /// Its exact name.
    pub name: String,
    /// What the server says it does; a claim.
    pub description: Option<String>,
    /// The level in force.
    pub trust: Level,
    /// Where the level comes from.
    pub trust_from: Source,
    /// The toggle.
    pub hitl: bool,
    /// Why it needs approval, as an administrator wrote.
    pub reason: Option<String>,
    /// The server's hints, as it sent them.
    pub annotations: Option<serde_json::Value>,
    /// How its definition differs from what was accepted, if it does.
    pub drift: Option<ToolDrift>,
    /// The members of its definition that may change without being accepted again, as JSON pointers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub varies: Vec<String>,
    /// What its calls come to for an agent that nobody limited or let through, as far as that can be said without their
    /// arguments; only in the answer to `GET /servers/{name}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comes_to: Option<crate::core::policy::Ruling>,
    /// How much it was used; only in the answer to `GET /servers/{name}`.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// A definition that waits to be accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolDrift {
    /// New, or changed.
    pub kind: Drift,
    /// Since when.
    pub since: i64,
    /// SHA-256 of the new definition; accepting names it, so that exactly what was seen is accepted.
    pub sha256: Digest,
    /// The definition accepted last, as raw JSON text; left out of lists of servers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// The definition as it is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
    /// The members that differ, as JSON pointers, where that can be told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differs: Vec<String>,
    /// Only the order of lists differs: the server writes a set, anew at each start.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub flaps: bool,
}

/// How much a tool was used, as far as log and history go back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Calls in the activity log.
    pub calls: i64,
    /// When it was called last.
    pub last_used: Option<i64>,
    /// Approvals that were asked for.
    pub approvals: i64,
}

/// The fields of `POST /servers/{name}/simulate`: a call, or an approval whose call it was.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Simulation {
    /// An agent's client id or name.
    pub agent: Option<String>,
    /// The tool's exact name.
    pub tool: Option<String>,
    /// The arguments: an object, or its raw JSON text in a string; `{}` when left out.
    pub arguments: Option<Box<serde_json::value::RawValue>>,
    /// The person whose ceiling counts, instead of the one the agent works for.
    pub user: Option<String>,
    /// Takes what is left out from this approval.
    pub approval: Option<ApprovalId>,
}

/// What an agent's calls of each tool of a server come to.
#[derive(Clone, Debug, Serialize)]
pub struct Coverage {
    /// The agent.
    pub agent: AgentRef,
    /// By tool; the verdict `ask` depends on the arguments or on the external decision point.
    pub tools: Vec<Covered>,
    /// Tools that the server has not listed.
    pub unlisted: crate::core::policy::Ruling,
}

/// One line of a [`Coverage`].
#[derive(Clone, Debug, Serialize)]
pub struct Covered {
    /// The tool.
    pub tool: String,
    /// What its calls come to.
    #[serde(flatten)]
    pub ruling: crate::core::policy::Ruling,
}

/// One thing that happened, for live pages; its id is the audit record's sequence number.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    /// Increases; `Last-Event-ID` continues after it.
    pub id: i64,
    /// The SSE event name: `approval`, `policy`, `agents`, `users`, or `sessions`.
    pub kind: String,
    /// The approval it is about, for `approval`; the server's name for `policy`.
    pub subject: String,
}

/// One record of the audit chain.
#[derive(Clone, Debug, Serialize)]
pub struct AuditRecord {
    /// Its place in the chain, from 1.
    pub seq: i64,
    /// When.
    pub at: i64,
    /// A user's name, an agent's client id, or `hub`.
    pub actor: String,
    /// Such as `approval.approved`, `policy.changed`, `user.added`.
    pub action: String,
    /// An approval id, a server, an agent, a user.
    pub subject: String,
    /// More, as JSON text.
    pub detail: String,
    /// The hash of the record before it.
    pub previous: String,
    /// SHA-256 over this record's fields and `previous`.
    pub hash: String,
}

/// The history in numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Insights {
    /// How many approvals there are.
    pub count: i64,
    /// How many of them nobody decided in time.
    pub timed_out: i64,
    /// Within how many milliseconds half of what people decided was decided.
    pub median_ms: Option<i64>,
    /// The same of 95 %.
    pub p95_ms: Option<i64>,
    /// By day, oldest first.
    pub days: Vec<DayCounts>,
    /// The tools that were asked for most.
    pub tools: Vec<ToolRate>,
    /// The agents that asked most.
    pub agents: Vec<AgentRate>,
}

/// What was over on one day, by how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DayCounts {
    /// When the day begins.
    pub from: i64,
    /// Approved.
    pub approved: i64,
    /// Rejected.
    pub rejected: i64,
    /// Not decided in time.
    pub timed_out: i64,
    /// Cancelled.
    pub cancelled: i64,
}

impl DayCounts {
    /// The count of one way to end.
    pub fn of(&mut self, status: Status) -> Option<&mut i64> {
        match status {
            Status::Pending => None,
            Status::Approved => Some(&mut self.approved),
            Status::Rejected => Some(&mut self.rejected),
            Status::TimedOut => Some(&mut self.timed_out),
            Status::Cancelled => Some(&mut self.cancelled),
        }
    }
}

/// How often calls of a tool were approved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ToolRate {
    /// Its server.
    pub server: String,
    /// Its name.
    pub tool: String,
    /// So often yes.
    pub approved: i64,
    /// Out of so many, those that timed out included.
    pub answered: i64,
}

/// How often calls of an agent were approved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AgentRate {
    /// The agent.
    pub agent: AgentRef,
    /// So often yes.
    pub approved: i64,
    /// Out of so many, those that timed out included.
    pub answered: i64,
}

/// One call in the activity log.
#[derive(Clone, Debug, Serialize)]
pub struct ActivityRow {
    /// Its place in the log.
    pub id: i64,
    /// When.
    pub at: i64,
    /// The agent.
    pub agent: AgentRef,
    /// The server.
    pub server: String,
    /// The tool.
    pub tool: String,
    /// `pass`, `bypass`, `gate` or `deny`; `dropped` for calls that could not be recorded.
    pub verdict: String,
    /// How many calls a `dropped` row stands for; 0 for a call.
    pub dropped: i64,
    /// The approval, for a gated call.
    pub approval: Option<ApprovalId>,
    /// How it ended, where known.
    pub outcome: Option<Outcome>,
    /// Milliseconds, where known.
    pub duration_ms: Option<i64>,
    /// Why, of a call that was denied: by which rule, level or bound.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// The digest of a denied call, as of one that is held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The raw JSON text of a denied call's arguments, as far as it is kept; one that is cut ends with `…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<String>,
}

/// Tells an absent field from an explicit `null`.
pub(super) fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}
