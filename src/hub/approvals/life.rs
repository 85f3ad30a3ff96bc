//! Every change to an approval, one function for each move of its [`Life`](crate::core::approval::Life): one conditional
//! update, with its record, its notifications and the waking of its session in the same transaction.
//!
//! Who comes second changes nothing.

use serde_json::json;

use crate::core::approval::{Life, RELEASE_GRACE_MS, Status};
use crate::core::ids::ApprovalId;
use crate::core::messages::{CallOutcome, Release, Request};
use crate::hub::approvals::row::{self, Held};
use crate::hub::model::Approval;
use crate::hub::notify;
use crate::hub::store::{Ended, Entry, ROW, StoreError, Target, Tx};
use crate::hub::who::{Decider, HUB, Shim};

/// The reason when a shim is gone.
pub const DISCONNECTED: &str = "the agent disconnected";
/// The reason when an approval was given and not used.
pub const UNUSED: &str = "it was approved, but not used in time";

/// Pending, and in time → approved by this person; unused, it is void after so long.
pub(super) async fn approve(
    tx: &mut Tx,
    id: &ApprovalId,
    by: &Decider,
    comment: Option<String>,
    grace_ms: i64,
    now: i64,
) -> Result<Option<Held>, StoreError> {
    let row = sqlx::query(
        "update approvals set status = 'approved', decided_at = $2, decided_by = $3, reason = $4, grace_until = $5 \
         where id = $1 and status = 'pending' and deadline_at > $2 returning *",
    )
    .bind(id.as_str())
    .bind(now)
    .bind(by.name.as_str())
    .bind(comment.clone())
    .bind(now + grace_ms)
    .fetch_optional(tx.sql())
    .await?;
    let Some(row) = row else { return Ok(None) };
    tx.wake_sweeper_at(now + grace_ms);
    let held = row::held(&row)?;
    record(tx, &held, &by.name, "approval.approved", by.told(worded(comment)), now).await?;
    Ok(Some(held))
}

/// Pending, and in time → rejected by this person.
pub(super) async fn reject(
    tx: &mut Tx,
    id: &ApprovalId,
    by: &Decider,
    reason: Option<String>,
    now: i64,
) -> Result<Option<Held>, StoreError> {
    let row = sqlx::query(
        "update approvals set status = 'rejected', decided_at = $2, decided_by = $3, reason = $4, \
         outcome = 'not_executed', outcome_at = $2 where id = $1 and status = 'pending' and deadline_at > $2 returning *",
    )
    .bind(id.as_str())
    .bind(now)
    .bind(by.name.as_str())
    .bind(reason.clone())
    .fetch_optional(tx.sql())
    .await?;
    let Some(row) = row else { return Ok(None) };
    let held = row::held(&row)?;
    record(tx, &held, &by.name, "approval.rejected", by.told(worded(reason)), now).await?;
    Ok(Some(held))
}

fn worded(words: Option<String>) -> serde_json::Value {
    words.map_or_else(|| json!({}), |words| json!({ "reason": words }))
}

/// Pending, and in time → pending until this deadline.
pub(super) async fn extend(
    tx: &mut Tx,
    id: &ApprovalId,
    by: &Decider,
    deadline: i64,
    now: i64,
) -> Result<Option<Held>, StoreError> {
    let row = sqlx::query(
        "update approvals set deadline_at = $2 where id = $1 and status = 'pending' and deadline_at > $3 returning *",
    )
    .bind(id.as_str())
    .bind(deadline)
    .bind(now)
    .fetch_optional(tx.sql())
    .await?;
    let Some(row) = row else { return Ok(None) };
    let (held, detail) = (row::held(&row)?, json!({ "deadline_at": deadline }));
    record(tx, &held, &by.name, "approval.extended", by.told(detail), now).await?;
    Ok(Some(held))
}

/// An approver has it on the screen, for the first time.
pub(super) async fn see(tx: &mut Tx, id: &ApprovalId, by: &str, now: i64) -> Result<(), StoreError> {
    let row = sqlx::query("update approvals set seen_at = $2 where id = $1 and seen_at is null returning *")
        .bind(id.as_str())
        .bind(now)
        .fetch_one(tx.sql())
        .await?;
    record(tx, &row::held(&row)?, by, "approval.seen", serde_json::Value::Null, now).await
}

/// Pending and past its deadline → timed out.
pub(super) async fn time_out(tx: &mut Tx, id: &ApprovalId, now: i64) -> Result<Option<Held>, StoreError> {
    let row = sqlx::query(
        "update approvals set status = 'timed_out', decided_at = $2, outcome = 'not_executed', outcome_at = $2, kept = 0 \
         where id = $1 and status = 'pending' and deadline_at <= $2 returning *",
    )
    .bind(id.as_str())
    .bind(now)
    .fetch_optional(tx.sql())
    .await?;
    let Some(row) = row else { return Ok(None) };
    let held = row::held(&row)?;
    record(tx, &held, HUB, "approval.timed_out", serde_json::Value::Null, now).await?;
    Ok(Some(held))
}

/// Approved, and its grace is over → not executed.
pub(super) async fn expire(tx: &mut Tx, id: &ApprovalId, now: i64) -> Result<(), StoreError> {
    let row = sqlx::query(
        "update approvals set outcome = 'not_executed', outcome_at = $2, kept = 0 \
         where id = $1 and status = 'approved' and outcome = 'waiting' and grace_until <= $2 returning *",
    )
    .bind(id.as_str())
    .bind(now)
    .fetch_optional(tx.sql())
    .await?;
    let Some(row) = row else { return Ok(()) };
    record(tx, &row::held(&row)?, HUB, "approval.expired", json!({ "reason": UNUSED }), now).await
}

/// Approved and held by this run of its shim → released, for exactly this call.
pub(super) async fn release(tx: &mut Tx, shim: &Shim, release: &Release, now: i64) -> Result<bool, StoreError> {
    let row = sqlx::query(
        "update approvals set outcome = 'released', outcome_at = $2, released_instance = $3 \
         where id = $1 and status = 'approved' and outcome = 'waiting' and grace_until > $2 \
         and kept = 0 and instance = $3 and client_id = $4 and server = $5 and digest = $6 returning *",
    )
    .bind(release.approval.as_str())
    .bind(now)
    .bind(shim.instance.as_str())
    .bind(shim.client_id.as_str())
    .bind(shim.server.as_str())
    .bind(release.digest.as_str())
    .fetch_optional(tx.sql())
    .await?;
    let Some(row) = row else { return Ok(false) };
    let held = row::held(&row)?;
    record(tx, &held, shim.client_id.as_str(), "approval.released", serde_json::Value::Null, now).await?;
    Ok(true)
}

/// Released → what the run of the shim that released it says came of it, which may replace `unknown` later.
pub(super) async fn finish(tx: &mut Tx, shim: &Shim, end: &CallOutcome, now: i64) -> Result<(), StoreError> {
    let duration = i64::try_from(end.duration_ms).unwrap_or(i64::MAX);
    let row = sqlx::query(
        "update approvals set outcome = $2, outcome_at = $3, duration_ms = $4 where id = $1 \
         and client_id = $5 and released_instance = $6 and outcome in ('released', 'unknown') \
         and outcome <> $2 returning *",
    )
    .bind(end.approval.as_str())
    .bind(end.outcome.as_str())
    .bind(now)
    .bind(duration)
    .bind(shim.client_id.as_str())
    .bind(shim.instance.as_str())
    .fetch_optional(tx.sql())
    .await?;
    let Some(row) = row else { return Ok(()) };
    let detail = json!({ "outcome": end.outcome.as_str(), "duration_ms": duration });
    record(tx, &row::held(&row)?, shim.client_id.as_str(), "approval.finished", detail, now).await
}

/// Released, and its shim is gone → how it ended is not known.
pub(super) async fn lose(tx: &mut Tx, id: &ApprovalId, why: &str, now: i64) -> Result<(), StoreError> {
    let row = sqlx::query(
        "update approvals set outcome = 'unknown', outcome_at = $2 where id = $1 and outcome = 'released' returning *",
    )
    .bind(id.as_str())
    .bind(now)
    .fetch_optional(tx.sql())
    .await?;
    let Some(row) = row else { return Ok(()) };
    let detail = json!({ "outcome": "unknown", "reason": why });
    record(tx, &row::held(&row)?, HUB, "approval.finished", detail, now).await
}

/// Pending → cancelled; approved and not used → not executed; anything else stays.
pub(super) async fn take_back(
    tx: &mut Tx,
    id: &ApprovalId,
    actor: &str,
    why: &str,
    now: i64,
) -> Result<(), StoreError> {
    let row = sqlx::query(
        "update approvals set status = 'cancelled', decided_at = $2, reason = $3, outcome = 'not_executed', \
         outcome_at = $2, kept = 0 where id = $1 and status = 'pending' returning *",
    )
    .bind(id.as_str())
    .bind(now)
    .bind(why)
    .fetch_optional(tx.sql())
    .await?;
    let Some(row) = row else {
        return void(tx, id, why, now).await;
    };
    record(tx, &row::held(&row)?, actor, "approval.cancelled", json!({ "reason": why }), now).await
}

/// Approved and not released → not executed.
async fn void(tx: &mut Tx, id: &ApprovalId, why: &str, now: i64) -> Result<(), StoreError> {
    let row = sqlx::query(
        "update approvals set outcome = 'not_executed', outcome_at = $2, kept = 0 \
         where id = $1 and status = 'approved' and outcome = 'waiting' returning *",
    )
    .bind(id.as_str())
    .bind(now)
    .fetch_optional(tx.sql())
    .await?;
    let Some(row) = row else { return Ok(()) };
    record(tx, &row::held(&row)?, HUB, "approval.expired", json!({ "reason": why }), now).await
}

/// The client will call again: what is open stays open for an identical call, and for nothing else.
pub(super) async fn keep(tx: &mut Tx, id: &ApprovalId, grant_ms: i64, why: &str, now: i64) -> Result<(), StoreError> {
    let row = sqlx::query(
        "update approvals set kept = 1, grace_until = decided_at + $2 \
         where id = $1 and kept = 0 and outcome = 'waiting' and status in ('pending', 'approved') returning *",
    )
    .bind(id.as_str())
    .bind(grant_ms)
    .fetch_optional(tx.sql())
    .await?;
    let Some(row) = row else { return Ok(()) };
    let held = row::held(&row)?;
    tx.hand_off_activity(&held.approval).await?;
    record(tx, &held, held.approval.agent.client_id.as_str(), "approval.kept", json!({ "reason": why }), now).await
}

/// Kept → held by an identical call that comes again; a rejection that nobody heard → told.
///
/// Only what no live request stands behind is joined, by one statement: of two retries at once one gets it and the
/// other a card of its own, and nobody takes an approval from a call that is still held. What was shown stays what is
/// approved and what runs, however the call is written now.
pub(super) async fn join(
    tx: &mut Tx,
    shim: &Shim,
    request: &Request,
    kept: &Held,
    grant_ms: i64,
    now: i64,
) -> Result<Option<Held>, StoreError> {
    let row = sqlx::query(
        "update approvals set kept = 0, request_id = $1, instance = $2, asked_again = asked_again + 1, \
         grace_until = case when status = 'approved' then $3 else grace_until end \
         where id = $4 and kept = 1 and (status = 'pending' and deadline_at > $5 \
         or status = 'approved' and outcome = 'waiting' and grace_until > $5 \
         or status = 'rejected' and decided_at > $6) returning *",
    )
    .bind(request.id.as_str())
    .bind(shim.instance.as_str())
    .bind(now + RELEASE_GRACE_MS)
    .bind(kept.approval.id.as_str())
    .bind(now)
    .bind(now - grant_ms)
    .fetch_optional(tx.sql())
    .await?;
    let Some(row) = row else { return Ok(None) };
    let held = row::held(&row)?;
    tx.attach_activity(&held.approval, &request.id).await?;
    if let Life::Approved { grace_until, .. } = held.life {
        tx.wake_sweeper_at(grace_until);
    }
    let mut detail = json!({ "digest": request.digest });
    if request.digest != held.digest {
        detail["arguments"] = json!(request.arguments);
    }
    record(tx, &held, shim.client_id.as_str(), "approval.joined", detail, now).await?;
    Ok(Some(held))
}

/// Approved, with a grace that is not over → a longer grace.
pub(super) async fn stretch(tx: &mut Tx, id: &ApprovalId, until: i64, now: i64) -> Result<(), StoreError> {
    let row = sqlx::query(
        "update approvals set grace_until = $2 where id = $1 and status = 'approved' and outcome = 'waiting' \
         and grace_until > $3 and grace_until < $2 returning *",
    )
    .bind(id.as_str())
    .bind(until)
    .bind(now)
    .fetch_optional(tx.sql())
    .await?;
    let Some(row) = row else { return Ok(()) };
    record(tx, &row::held(&row)?, HUB, "approval.grace_extended", serde_json::Value::Null, now).await
}

/// Records what happened to an approval, writes whom to notify, and wakes the session that holds it.
pub(super) async fn record(
    tx: &mut Tx,
    held: &Held,
    actor: &str,
    action: &'static str,
    mut detail: serde_json::Value,
    at: i64,
) -> Result<(), StoreError> {
    // An index makes an object of null.
    detail[ROW] = json!(held.seal);
    notify::tell(tx, &held.approval, action, at).await?;
    let id = held.approval.id.clone();
    let entry = Entry { at, actor, action, subject: id.as_str(), detail };
    let client_id = held.approval.agent.client_id.clone();
    let target = Target::Approval {
        id: id.clone(),
        client_id,
        instance: held.instance.clone(),
        ended: ended(&held.approval, action),
    };
    tx.audit(entry, target).await?;
    Ok(())
}

/// How the approval ended, if it did by this.
fn ended(approval: &Approval, action: &str) -> Option<Ended> {
    let status = action.strip_prefix("approval.").and_then(Status::from_name)?;
    let waited_ms = approval.decided_at?.saturating_sub(approval.created_at).unsigned_abs();
    (status == approval.status).then_some(Ended { status, waited_ms })
}
