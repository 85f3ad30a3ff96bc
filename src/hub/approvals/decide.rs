//! Approvals as people see and decide them.
//!
//! Every change is one conditional update; the audit record travels in its transaction. Who comes second is told who
//! was first.

use serde_json::json;

use crate::core::approval::{EXTEND_SECONDS, MAX_WINDOW_MS, RELEASE_GRACE_MS, Status, extended_deadline};
use crate::core::ids::ApprovalId;
use crate::hub::approvals::hold;
use crate::hub::error::{DecideError, Decider};
use crate::hub::model::{Approval, Role, User};
use crate::hub::store::bus::Target;
use crate::hub::store::rows::{self, Held};
use crate::hub::store::{Entry, StoreError, Tx};
use crate::hub::{Hub, notify};

/// The longest comment or reason, in characters.
const MAX_WORDS: usize = 1000;

impl Hub {
    /// Says yes.
    pub async fn approve(
        &self,
        id: &ApprovalId,
        by: impl Into<Decider>,
        comment: Option<String>,
    ) -> Result<Approval, DecideError> {
        self.decide(id, by.into(), Status::Approved, comment).await
    }

    /// Says no.
    pub async fn reject(
        &self,
        id: &ApprovalId,
        by: impl Into<Decider>,
        reason: Option<String>,
    ) -> Result<Approval, DecideError> {
        self.decide(id, by.into(), Status::Rejected, reason).await
    }

    async fn decide(
        &self,
        id: &ApprovalId,
        by: Decider,
        to: Status,
        words: Option<String>,
    ) -> Result<Approval, DecideError> {
        let words = words.map(|words| words.trim().to_owned()).filter(|words| !words.is_empty());
        if words.as_ref().is_some_and(|words| words.chars().count() > MAX_WORDS || words.contains('\0')) {
            return Err(DecideError::Invalid(format!("a reason or comment has at most {MAX_WORDS} characters")));
        }
        let (hub, id) = (self.clone(), id.clone());
        self.write(move |tx| {
            Box::pin(async move {
                let now = hub.now();
                let held = match decidable(tx, &id, &by.name, now).await? {
                    Ok(held) => held,
                    Err(refusal) => return Ok(Err(refusal)),
                };
                decided(tx, &hub, &held, &by, to, words, now).await.map(Ok)
            })
        })
        .await?
    }

    /// Gives more time: five minutes, or so many seconds.
    pub async fn extend(
        &self,
        id: &ApprovalId,
        by: impl Into<Decider>,
        seconds: Option<u32>,
    ) -> Result<Approval, DecideError> {
        let seconds = seconds.unwrap_or(EXTEND_SECONDS);
        if seconds == 0 || i64::from(seconds) * 1000 > MAX_WINDOW_MS {
            return Err(DecideError::Invalid("an extension is 1 to 3600 seconds".to_owned()));
        }
        let (hub, id, by) = (self.clone(), id.clone(), by.into());
        self.write(move |tx| {
            Box::pin(async move {
                let now = hub.now();
                let approval = match decidable(tx, &id, &by.name, now).await? {
                    Ok(held) => held.approval,
                    Err(refusal) => return Ok(Err(refusal)),
                };
                let Some(deadline) = extended_deadline(approval.created_at, approval.deadline_at, seconds) else {
                    let why = "this approval has waited as long as an approval may, an hour";
                    return Ok(Err(DecideError::Invalid(why.to_owned())));
                };
                extended(tx, &id, &by, deadline, now).await.map(Ok)
            })
        })
        .await?
    }

    /// Notes that an approver has the card on the screen; the shim is told the first time.
    pub async fn seen(&self, id: &ApprovalId, by: &User) -> Result<(), DecideError> {
        let (hub, id, by) = (self.clone(), id.clone(), by.name.clone());
        self.write(move |tx| {
            Box::pin(async move {
                let now = hub.now();
                let held = match decidable(tx, &id, &by, now).await? {
                    Ok(held) => held,
                    // A card that was decided while it was being drawn is nothing to complain about.
                    Err(DecideError::TooLate(_)) => return Ok(Ok(())),
                    Err(refusal) => return Ok(Err(refusal)),
                };
                if held.seen_at.is_none() {
                    seen(tx, &id, &by, now).await?;
                }
                Ok(Ok(()))
            })
        })
        .await?
    }
}

/// The approval, if this user may decide it and it can still be decided now.
async fn decidable(tx: &mut Tx, id: &ApprovalId, by: &str, now: i64) -> Result<Result<Held, DecideError>, StoreError> {
    if !may_decide(tx, by).await? {
        return Ok(Err(DecideError::Forbidden));
    }
    let Some(held) = hold::find(tx, id).await? else {
        return Ok(Err(DecideError::NotFound));
    };
    if held.approval.status != Status::Pending {
        return Ok(Err(DecideError::TooLate(Box::new(held.approval))));
    }
    if held.approval.deadline_at > now {
        return Ok(Ok(held));
    }
    // The sweeper may be a moment behind; whoever decides at the deadline is too late all the same.
    let timed_out = hold::time_out(tx, id, now).await?.unwrap_or(held);
    Ok(Err(DecideError::TooLate(Box::new(timed_out.approval))))
}

/// Asks the store, because a role may have been taken away since the user was looked up.
async fn may_decide(tx: &mut Tx, by: &str) -> Result<bool, StoreError> {
    let role: Option<String> =
        sqlx::query_scalar("select role from users where name = $1").bind(by).fetch_optional(tx.sql()).await?;
    Ok(role.and_then(|role| Role::from_name(&role)).is_some_and(|role| role >= Role::Approver))
}

async fn decided(
    tx: &mut Tx,
    hub: &Hub,
    held: &Held,
    by: &Decider,
    to: Status,
    words: Option<String>,
    now: i64,
) -> Result<Approval, StoreError> {
    let approved = to == Status::Approved;
    let grace = approved.then(|| now + grace_ms(hub, held));
    let row = sqlx::query(
        "update approvals set status = $2, decided_at = $3, decided_by = $4, reason = $5, grace_until = $6, \
         outcome = $7, outcome_at = $8 where id = $1 and status = 'pending' and deadline_at > $3 returning *",
    )
    .bind(held.approval.id.as_str())
    .bind(to.as_str())
    .bind(now)
    .bind(by.name.as_str())
    .bind(words.clone())
    .bind(grace)
    .bind(if approved { "waiting" } else { "not_executed" })
    .bind((!approved).then_some(now))
    .fetch_one(tx.sql())
    .await?;
    let held = rows::held(&row)?;
    if let Some(grace) = grace {
        tx.wake_sweeper_at(grace);
    }
    let action = if approved { "approval.approved" } else { "approval.rejected" };
    let detail = words.map_or_else(|| json!({}), |words| json!({ "reason": words }));
    record(tx, &held, &by.name, action, by.told(detail), now).await?;
    Ok(held.approval)
}

/// How long an approval may stay unused: longest when it waits for the call to come again.
fn grace_ms(hub: &Hub, held: &Held) -> i64 {
    if held.approval.handed_off {
        return hub.0.grant_for_ms;
    }
    let here = hub.0.store.bus().live().is_connected(&held.approval.agent.client_id, &held.instance);
    if here { RELEASE_GRACE_MS } else { hub.0.resume_within_ms }
}

async fn extended(tx: &mut Tx, id: &ApprovalId, by: &Decider, deadline: i64, now: i64) -> Result<Approval, StoreError> {
    let row = sqlx::query("update approvals set deadline_at = $2 where id = $1 and status = 'pending' returning *")
        .bind(id.as_str())
        .bind(deadline)
        .fetch_one(tx.sql())
        .await?;
    let held = rows::held(&row)?;
    record(tx, &held, &by.name, "approval.extended", by.told(json!({ "deadline_at": deadline })), now).await?;
    Ok(held.approval)
}

async fn seen(tx: &mut Tx, id: &ApprovalId, by: &str, now: i64) -> Result<(), StoreError> {
    let row = sqlx::query("update approvals set seen_at = $2 where id = $1 and seen_at is null returning *")
        .bind(id.as_str())
        .bind(now)
        .fetch_one(tx.sql())
        .await?;
    record(tx, &rows::held(&row)?, by, "approval.seen", serde_json::Value::Null, now).await
}

/// Records what happened to an approval, writes whom to notify, and wakes the session that holds it.
pub(in crate::hub) async fn record(
    tx: &mut Tx,
    held: &Held,
    actor: &str,
    action: &'static str,
    detail: serde_json::Value,
    at: i64,
) -> Result<(), StoreError> {
    notify::tell(tx, &held.approval, action, at).await?;
    let id = held.approval.id.clone();
    let entry = Entry { at, actor, action, subject: id.as_str(), detail };
    let client_id = held.approval.agent.client_id.clone();
    let target = Target::Approval { id: id.clone(), client_id, instance: held.instance.clone() };
    tx.audit(entry, target).await?;
    Ok(())
}
