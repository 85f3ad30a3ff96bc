//! Rows of `approvals` as values.

use crate::core::approval::{Columns, Holder, Life, Outcome, Status};
use crate::core::ids::{ApprovalId, ClientId, Digest, InstanceId};
use crate::core::messages::ClientInfo;
use crate::core::trust::Level;
use crate::hub::model::{AgentRef, Approval};
use crate::hub::store::StoreError;
use crate::hub::store::rows::{self, Row, json, named, number, optional, optional_number, seal, text, unreadable};

/// An approval with what only shims and the sweeper need.
#[derive(Clone, Debug)]
pub struct Held {
    /// As people see it.
    pub approval: Approval,
    /// Where it is in its life.
    pub life: Life,
    pub(super) instance: InstanceId,
    /// That of the call.
    pub digest: Digest,
    pub(super) identity: Digest,
    /// When somebody first had it before them.
    pub seen_at: Option<i64>,
    pub(super) released_instance: Option<InstanceId>,
    /// The digest of its row.
    pub(super) seal: Digest,
}

impl Held {
    /// The arguments of its call, where it was read whole.
    pub fn arguments(&self) -> Result<&str, StoreError> {
        let given = self.approval.given.as_ref().map(|given| given.arguments.as_str());
        given.ok_or_else(|| StoreError::Failed("what a large call is given was not read".to_owned()))
    }

    /// With what its call is given from a row of the same approval that was read before, and whole.
    pub(super) fn given_as(mut self, read: Self) -> Self {
        self.approval.given = read.approval.given;
        self
    }
}

/// A row of `approvals`; one that was not read [`whole`](rows::whole) holds nothing that a large call is given.
pub(super) fn held(row: &Row) -> Result<Held, StoreError> {
    let approval = approval(row)?;
    Ok(Held {
        life: life(row, &approval)?,
        approval,
        instance: text(row, "instance")?.into(),
        digest: Digest(text(row, "digest")?),
        identity: Digest(text(row, "identity")?),
        seen_at: optional_number(row, "seen_at")?,
        released_instance: optional(row, "released_instance")?.map(InstanceId),
        seal: seal(row)?,
    })
}

fn life(row: &Row, approval: &Approval) -> Result<Life, StoreError> {
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

/// Where it is in the history.
pub(super) fn number_of(row: &Row) -> Result<i64, StoreError> {
    number(row, "number")
}

/// A row of `approvals`, as people see it.
pub(super) fn approval(row: &Row) -> Result<Approval, StoreError> {
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
        given: rows::given(row)?,
        arguments_sha256: Digest(text(row, "arguments_sha256")?),
        digest: Digest(text(row, "digest")?),
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
