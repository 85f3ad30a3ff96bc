//! Rows as values. A row that cannot be read is an error, never a guess.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use sqlx::any::{AnyRow, AnyTypeInfoKind};
use sqlx::{Column as _, Row as _, ValueRef as _};

use super::StoreError;
use crate::core::approval::{Columns, Holder, Life, Outcome, Status};
use crate::core::differing::{Difference, difference};
use crate::core::ids::{ApprovalId, ClientId, Digest, InstanceId};
use crate::core::messages::ClientInfo;
use crate::core::trust::{self, Level};
use crate::core::weigh::{Drift, ServerPolicy};
use crate::hub::model::{ActivityRow, Agent, AgentRef, Approval, AuditRecord, Bypass, Role, Tool, ToolDrift, User};

/// An approval with what only shims and the sweeper need.
#[derive(Clone, Debug)]
pub(in crate::hub) struct Held {
    pub(in crate::hub) approval: Approval,
    pub(in crate::hub) life: Life,
    /// The live request behind it.
    pub(in crate::hub) request: ApprovalId,
    pub(in crate::hub) instance: InstanceId,
    pub(in crate::hub) digest: Digest,
    pub(in crate::hub) identity: Digest,
    pub(in crate::hub) seen_at: Option<i64>,
    pub(in crate::hub) released_instance: Option<InstanceId>,
    /// See [`seal`].
    pub(in crate::hub) seal: Digest,
}

fn unreadable(what: &str) -> StoreError {
    StoreError::Failed(format!("a row holds no valid {what}"))
}

fn named<T>(text: &str, what: &str, of: impl Fn(&str) -> Option<T>) -> Result<T, StoreError> {
    of(text).ok_or_else(|| unreadable(what))
}

fn json<T: DeserializeOwned>(text: &str, what: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| unreadable(what))
}

fn text(row: &AnyRow, column: &str) -> Result<String, StoreError> {
    Ok(row.try_get(column)?)
}

fn optional(row: &AnyRow, column: &str) -> Result<Option<String>, StoreError> {
    Ok(row.try_get(column)?)
}

fn number(row: &AnyRow, column: &str) -> Result<i64, StoreError> {
    Ok(row.try_get(column)?)
}

fn optional_number(row: &AnyRow, column: &str) -> Result<Option<i64>, StoreError> {
    Ok(row.try_get(column)?)
}

/// A row of `approvals`.
pub(in crate::hub) fn held(row: &AnyRow) -> Result<Held, StoreError> {
    let approval = approval(row)?;
    Ok(Held {
        life: life(row, &approval)?,
        approval,
        request: ApprovalId(text(row, "request_id")?),
        instance: text(row, "instance")?.into(),
        digest: Digest(text(row, "digest")?),
        identity: Digest(text(row, "identity")?),
        seen_at: optional_number(row, "seen_at")?,
        released_instance: optional(row, "released_instance")?.map(InstanceId),
        seal: seal(row)?,
    })
}

fn life(row: &AnyRow, approval: &Approval) -> Result<Life, StoreError> {
    let holder = Holder { request: ApprovalId(text(row, "request_id")?), instance: text(row, "instance")?.into() };
    let columns = Columns {
        status: approval.status,
        outcome: approval.outcome,
        kept: approval.handed_off,
        holder,
        deadline_at: approval.deadline_at,
        decided_at: approval.decided_at,
        grace_until: optional_number(row, "grace_until")?,
        released_by: optional(row, "released_instance")?.map(InstanceId),
    };
    Life::try_from(columns).map_err(|_| unreadable("life of an approval"))
}

/// The digest of a whole row of `approvals`: every column that is not null, whatever its order, but the arguments, whose
/// digest is a column of its own.
pub(super) fn seal(row: &AnyRow) -> Result<Digest, StoreError> {
    let mut columns: Vec<_> = row.columns().iter().filter(|column| column.name() != "arguments").collect();
    columns.sort_by_key(|column| column.name().to_owned());
    let mut fields = vec!["hitl.row.v1".to_owned()];
    for column in columns {
        let raw = row.try_get_raw(column.ordinal())?;
        let value = match raw.type_info().kind() {
            AnyTypeInfoKind::Null => continue,
            AnyTypeInfoKind::Text => text(row, column.name())?,
            _ => number(row, column.name())?.to_string(),
        };
        fields.extend([column.name().to_owned(), value]);
    }
    Ok(Digest::of_fields(&fields.iter().map(String::as_bytes).collect::<Vec<_>>()))
}

/// A row of `approvals`, as people see it.
pub(in crate::hub) fn approval(row: &AnyRow) -> Result<Approval, StoreError> {
    Ok(Approval {
        id: ApprovalId(text(row, "id")?),
        status: named(&text(row, "status")?, "status", Status::from_name)?,
        server: text(row, "server")?,
        tool: text(row, "tool")?,
        trust: named(&text(row, "trust")?, "trust", Level::from_name)?,
        agent: AgentRef { client_id: ClientId(text(row, "client_id")?), name: text(row, "agent_name")? },
        client: ClientInfo { name: text(row, "client_name")?, version: text(row, "client_version")? },
        user: optional(row, "user_name")?,
        claimed_user: optional(row, "claimed_user")?,
        reasons: json(&text(row, "reasons")?, "reasons")?,
        arguments: text(row, "arguments")?,
        arguments_sha256: Digest(text(row, "arguments_sha256")?),
        digest: Digest(text(row, "digest")?),
        extra: optional(row, "extra")?,
        handed_off: number(row, "kept")? != 0,
        asked_again: number(row, "asked_again")?,
        created_at: number(row, "created_at")?,
        deadline_at: number(row, "deadline_at")?,
        decided_at: optional_number(row, "decided_at")?,
        decided_by: optional(row, "decided_by")?,
        reason: optional(row, "reason")?,
        outcome: named(&text(row, "outcome")?, "outcome", Outcome::from_name)?,
        outcome_at: optional_number(row, "outcome_at")?,
        duration_ms: optional_number(row, "duration_ms")?,
        description: optional(row, "description")?,
        drift: optional(row, "drift")?.map(|drift| json(&drift, "definitions")).transpose()?,
        timeline: None,
    })
}

/// A row of `users`.
pub(in crate::hub) fn user(row: &AnyRow) -> Result<User, StoreError> {
    Ok(User {
        name: text(row, "name")?,
        role: named(&text(row, "role")?, "role", Role::from_name)?,
        ceilings: json(&text(row, "ceilings")?, "ceilings")?,
        created_at: number(row, "created_at")?,
    })
}

/// A row of `agents`.
pub(in crate::hub) fn agent(row: &AnyRow) -> Result<Agent, StoreError> {
    Ok(Agent {
        client_id: ClientId(text(row, "client_id")?),
        name: text(row, "name")?,
        user: optional(row, "user_name")?,
        trust: json::<BTreeMap<String, Level>>(&text(row, "trust")?, "trust")?,
        servers: optional(row, "servers")?.map(|names| json(&names, "list of servers")).transpose()?,
        last_seen: optional_number(row, "last_seen")?,
    })
}

/// A row of `servers`: its name and policy, without the bypass list, which is in rows of its own.
pub(in crate::hub) fn server(row: &AnyRow) -> Result<(String, ServerPolicy), StoreError> {
    let threshold = optional(row, "threshold")?;
    let policy = ServerPolicy {
        require_all: number(row, "require_all")? != 0,
        threshold: threshold.map(|name| named(&name, "threshold", Level::from_name)).transpose()?,
        bypass: BTreeSet::new(),
        timeout_seconds: u32::try_from(number(row, "timeout_seconds")?).map_err(|_| unreadable("timeout"))?,
        gate_changed_tools: optional_number(row, "gate_changed_tools")?.map(|on| on != 0),
        // What cannot be read is in force all the same, as doubt about every call (`rules::Rules::broken`).
        rules: serde_json::from_str(&text(row, "rules")?).unwrap_or_default(),
    };
    Ok((text(row, "name")?, policy))
}

/// The command line in a row of `servers`; one that cannot be read is not shown.
pub(in crate::hub) fn command(row: &AnyRow) -> Result<Vec<String>, StoreError> {
    Ok(serde_json::from_str(&text(row, "command")?).unwrap_or_default())
}

/// A row of `bypasses`, as it counts at this time.
pub(in crate::hub) fn bypass(row: &AnyRow, now: i64) -> Result<Bypass, StoreError> {
    let expires_at = optional_number(row, "expires_at")?;
    Ok(Bypass {
        client_id: ClientId(text(row, "client_id")?),
        added_by: text(row, "added_by")?,
        added_at: number(row, "added_at")?,
        reason: optional(row, "reason")?,
        expires_at,
        expired: expires_at.is_some_and(|at| at <= now),
        last_used_at: optional_number(row, "last_used_at")?,
    })
}

/// A tool with the digests that tell whether its definition is an accepted one.
#[derive(Clone, Debug)]
pub(in crate::hub) struct Listed {
    pub(in crate::hub) tool: Tool,
    pub(in crate::hub) accepted: Vec<Digest>,
    pub(in crate::hub) definition: Digest,
}

impl Listed {
    /// How this definition differs from what was accepted.
    pub(in crate::hub) fn drift(&self, definition: &Digest) -> Option<Drift> {
        match self.accepted.as_slice() {
            [] => Some(Drift::New),
            accepted if accepted.contains(definition) => None,
            _ => Some(Drift::Changed),
        }
    }
}

/// The digests in `tools.accepted`.
pub(in crate::hub) fn accepted(text: &str) -> Result<Vec<Digest>, StoreError> {
    json(text, "accepted definitions")
}

/// A row of `tools`.
pub(in crate::hub) fn tool(row: &AnyRow) -> Result<Listed, StoreError> {
    let name = text(row, "name")?;
    let admin = optional(row, "admin_trust")?;
    let admin = admin.map(|name| named(&name, "trust", Level::from_name)).transpose()?;
    let (trust, trust_from) = trust::of_tool(&name, number(row, "destructive")? != 0, admin);
    let tool = Tool {
        name,
        description: optional(row, "description")?,
        trust,
        trust_from,
        hitl: number(row, "hitl")? != 0,
        reason: optional(row, "reason")?,
        annotations: optional(row, "annotations")?.map(|raw| json(&raw, "annotations")).transpose()?,
        drift: None,
        varies: json(&text(row, "varies")?, "list of members")?,
        comes_to: None,
        usage: None,
    };
    let accepted = accepted(&text(row, "accepted")?)?;
    let mut listed = Listed { tool, accepted, definition: Digest(text(row, "definition_sha256")?) };
    listed.tool.drift = drift(row, &listed, &listed.definition)?;
    Ok(listed)
}

/// How this definition of the tool in a row of `tools` differs from what was accepted, with both texts where they are
/// kept: of a definition that the server has listed otherwise since, only the digest is.
pub(in crate::hub) fn drift(row: &AnyRow, listed: &Listed, shown: &Digest) -> Result<Option<ToolDrift>, StoreError> {
    let Some(kind) = listed.drift(shown) else { return Ok(None) };
    let new = if *shown == listed.definition { optional(row, "definition")? } else { None };
    let old = optional(row, "accepted_definition")?;
    let Difference { members, is_order } =
        old.as_ref().zip(new.as_ref()).and_then(|(old, new)| difference(old, new)).unwrap_or_default();
    Ok(Some(ToolDrift {
        kind,
        since: optional_number(row, "drift_since")?.unwrap_or_default(),
        sha256: shown.clone(),
        old,
        new,
        differs: members,
        flaps: is_order,
    }))
}

/// A row of `audit`.
pub(in crate::hub) fn record(row: &AnyRow) -> Result<AuditRecord, StoreError> {
    Ok(AuditRecord {
        seq: number(row, "seq")?,
        at: number(row, "at")?,
        actor: text(row, "actor")?,
        action: text(row, "action")?,
        subject: text(row, "subject")?,
        detail: text(row, "detail")?,
        previous: text(row, "previous")?,
        hash: text(row, "hash")?,
    })
}

/// A row of `activity`, with what its approval knows as `held`, `held_outcome` and `held_ms`.
pub(super) fn activity(row: &AnyRow) -> Result<ActivityRow, StoreError> {
    let told = optional(row, "outcome")?;
    let duration_ms = match (&told, optional_number(row, "duration_ms")?) {
        (None, None) => optional_number(row, "held_ms")?,
        (_, duration_ms) => duration_ms,
    };
    let outcome = match told {
        None => optional(row, "held_outcome")?,
        told => told,
    };
    let approval = match optional(row, "held")? {
        None => optional(row, "approval")?,
        joined => joined,
    };
    Ok(ActivityRow {
        id: number(row, "id")?,
        at: number(row, "at")?,
        agent: AgentRef { client_id: ClientId(text(row, "client_id")?), name: text(row, "agent_name")? },
        server: text(row, "server")?,
        tool: text(row, "tool")?,
        verdict: text(row, "verdict")?,
        dropped: number(row, "dropped")?,
        approval: approval.map(ApprovalId),
        outcome: outcome.map(|name| named(&name, "outcome", Outcome::from_name)).transpose()?,
        duration_ms,
    })
}
