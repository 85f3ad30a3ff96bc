//! Approvals as shims live them: registered, taken back, released once, and what came of it.
//!
//! Nothing here decides for a call: the ways into `approved` are in `approvals`. Every step names the agent and the
//! instance it is for, so that no shim moves another's approval.

use serde_json::json;

use crate::core::approval::{Outcome, RELEASE_GRACE_MS, Status};
use crate::core::ids::{ApprovalId, ClientId, InstanceId};
use crate::core::messages::{CallOutcome, Cancel, Continued, Release};
use crate::core::policy::Verdict;
use crate::core::weigh::Opinion;
use crate::hub::approvals::Approvals;
use crate::hub::approvals::decide::record;
use crate::hub::servers::policies::{Question, Shown, Standing};
use crate::hub::store::rows::{self, Held};
use crate::hub::store::{StoreError, Turn, Tx, activity};
use crate::hub::who::{HUB, Shim};

/// However often a shim is lost and comes back: an approval not used so long after it was given is void, unless a shim
/// may stay away for longer than that at once.
const LONGEST_GRACE_MS: i64 = 60_000;
/// How much of what a call is continued with is kept, in characters.
const MAX_INPUTS: usize = 4_000;
/// The longest reason a shim may give, in characters.
const MAX_REASON: usize = 500;

/// The reason when a shim is gone.
pub(in crate::hub) const DISCONNECTED: &str = "the agent disconnected";
/// The reason when an approval was given and not used.
pub(in crate::hub) const UNUSED: &str = "it was approved, but not used in time";

/// The answer to a request to release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::hub) enum Released {
    /// Recorded: write it now.
    Go,
    /// Never; why, in words.
    No(String),
}

impl Approvals {
    /// The client took a call back, for good or to call again. Too late for one that is released.
    pub(in crate::hub) async fn cancel(&self, shim: &Shim, cancel: Cancel) -> Result<(), StoreError> {
        let (clock, shim, grant_ms) = (self.clock.clone(), shim.clone(), self.times.grant_for_ms);
        let turn = shim.client_id.clone();
        self.store
            .write_in(Turn::Call(turn), 1, move |tx| {
                Box::pin(async move {
                    let reason: String = cancel.reason.chars().filter(|c| !c.is_control()).take(MAX_REASON).collect();
                    let own = of_request(tx, &cancel.approval).await?.filter(|held| belongs(held, &shim));
                    match own {
                        // Nothing stands behind it any more, so there is nothing to take back.
                        Some(held) if held.approval.handed_off => Ok(()),
                        Some(held) if cancel.keep => keep(tx, &held, grant_ms, &reason, clock.now()).await,
                        Some(held) => take_back(tx, &held, shim.client_id.as_str(), &reason, clock.now()).await,
                        None => Ok(()),
                    }
                })
            })
            .await
    }

    /// Records the release of an approved call, once, for the instance that holds it.
    pub(in crate::hub) async fn release(&self, shim: &Shim, release: Release) -> Result<Released, StoreError> {
        let (approvals, shim, turn) = (self.clone(), shim.clone(), shim.client_id.clone());
        self.store
            .write_in(Turn::Call(turn), 1, move |tx| {
                Box::pin(async move {
                    let now = approvals.now();
                    if let Some(why) = denied_since(tx, &approvals, &shim, &release.approval, now).await? {
                        expire(tx, &release.approval, &why, now).await?;
                        return Ok(Released::No(why));
                    }
                    if released(tx, &shim, &release, now).await? {
                        return Ok(Released::Go);
                    }
                    let held = find(tx, &release.approval).await?.filter(|held| belongs(held, &shim));
                    Ok(released_before_or_why_not(held, &shim, &release))
                })
            })
            .await
    }

    /// The client went on with a released call: what it gave the server is in the record.
    pub(in crate::hub) async fn continued(&self, shim: &Shim, continued: Continued) -> Result<(), StoreError> {
        let (clock, shim) = (self.clock.clone(), shim.clone());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let own = find(tx, &continued.approval).await?.filter(|held| {
                        held.released_instance.as_ref() == Some(&shim.instance)
                            && held.approval.agent.client_id == shim.client_id
                            && held.approval.outcome == Outcome::Released
                    });
                    let Some(held) = own else { return Ok(()) };
                    let inputs: String = continued.inputs.chars().filter(|c| *c != '\0').take(MAX_INPUTS).collect();
                    let detail = json!({ "round": continued.round, "inputs": inputs });
                    record(tx, &held, shim.client_id.as_str(), "approval.continued", detail, clock.now()).await
                })
            })
            .await
    }

    /// What became of a released call; a later word of the same instance replaces `unknown`, nothing else.
    pub(in crate::hub) async fn finish(&self, shim: &Shim, end: CallOutcome) -> Result<(), StoreError> {
        if matches!(end.outcome, Outcome::Waiting | Outcome::Released) {
            return Ok(());
        }
        let (clock, shim) = (self.clock.clone(), shim.clone());
        let turn = shim.client_id.clone();
        self.store
            .write_in(Turn::Call(turn), 1, move |tx| {
                Box::pin(async move {
                    let now = clock.now();
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
                    if let Some(row) = row {
                        let detail = json!({ "outcome": end.outcome.as_str(), "duration_ms": duration });
                        let held = rows::held(&row)?;
                        record(tx, &held, shim.client_id.as_str(), "approval.finished", detail, now).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// A shim is back, or there for the first time: what it no longer holds is taken back, and an approval it may
    /// still use gets a new, bounded grace.
    pub(in crate::hub) async fn resume(&self, shim: &Shim, holds: Vec<ApprovalId>) -> Result<(), StoreError> {
        let (clock, shim, away_ms) = (self.clock.clone(), shim.clone(), self.times.resume_within_ms);
        let (turn, store) = (shim.client_id.clone(), self.store.clone());
        self.store
            .write_in(Turn::Call(turn), 1, move |tx| {
                Box::pin(async move {
                    let now = clock.now();
                    store.take_in(tx, &shim).await?;
                    for held in of_instance(tx, &shim.client_id, Some(&shim.instance), "waiting").await? {
                        // A shim that has not heard yet which approval its call joined names the call.
                        if holds.contains(&held.approval.id) || holds.contains(&held.request) {
                            stretch_grace(tx, &held, now, RELEASE_GRACE_MS, away_ms).await?;
                        } else {
                            let why = "the agent no longer waits for it";
                            take_back(tx, &held, shim.client_id.as_str(), why, now).await?;
                        }
                    }
                    Ok(())
                })
            })
            .await
    }

    /// A shim was lost without goodbye; until it is given up, its unused approvals stay usable.
    pub(in crate::hub) async fn lost(&self, client_id: &ClientId, instance: &InstanceId) -> Result<(), StoreError> {
        let (clock, client_id, instance) = (self.clock.clone(), client_id.clone(), instance.clone());
        let away_ms = self.times.resume_within_ms;
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    for held in of_instance(tx, &client_id, Some(&instance), "waiting").await? {
                        stretch_grace(tx, &held, clock.now(), away_ms, away_ms).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// A shim said goodbye, or was given up: nothing it held will run, and what it released has no known end.
    pub(in crate::hub) async fn gone(&self, client_id: &ClientId, instance: &InstanceId) -> Result<(), StoreError> {
        let (clock, client_id, instance) = (self.clock.clone(), client_id.clone(), instance.clone());
        let store = self.store.clone();
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let now = clock.now();
                    if store.is_elsewhere(tx, &client_id, &instance, now).await? {
                        return Ok(());
                    }
                    end_all(tx, &client_id, Some(&instance), DISCONNECTED, now).await
                })
            })
            .await
    }

    /// One approval as its session needs it.
    pub(in crate::hub) async fn held(&self, id: &ApprovalId) -> Result<Option<Held>, StoreError> {
        let row = sqlx::query("select * from approvals where id = $1")
            .bind(id.as_str())
            .fetch_optional(self.store.read())
            .await?;
        row.as_ref().map(rows::held).transpose()
    }
}

pub(in crate::hub) fn belongs(held: &Held, shim: &Shim) -> bool {
    held.instance == shim.instance
        && held.approval.agent.client_id == shim.client_id
        && held.approval.server == shim.server
}

/// Why policy denies by now what was approved, if it does: a denial reaches also what waits for its release.
async fn denied_since(
    tx: &mut Tx,
    approvals: &Approvals,
    shim: &Shim,
    id: &ApprovalId,
    now: i64,
) -> Result<Option<String>, StoreError> {
    let approved = |held: &Held| held.approval.status == Status::Approved && held.approval.outcome == Outcome::Waiting;
    let Some(held) = find(tx, id).await?.filter(|held| belongs(held, shim) && approved(held)) else { return Ok(None) };
    let question = Question { agent: &shim.client_id, server: &shim.server, shown: &Shown::default(), now };
    // The external decision point had its say before there was a card.
    Ok(match approvals.servers.standing(tx.sql(), question).await? {
        Standing::In(subject) => {
            let ruling = subject.scales.weigh(&held.approval.tool, &held.approval.arguments, &Opinion::None);
            let denied = ruling.verdict == Verdict::Deny;
            denied.then(|| format!("policy denies it since it was asked for ({})", ruling.reasons.join("; ")))
        }
        Standing::Elsewhere => Some("the agent may not use this server any more".to_owned()),
        Standing::Gone => Some("the agent is revoked".to_owned()),
        Standing::Unknown => Some("the server was removed from the hub".to_owned()),
    })
}

async fn released(tx: &mut Tx, shim: &Shim, release: &Release, now: i64) -> Result<bool, StoreError> {
    let row = sqlx::query(
        "update approvals set outcome = 'released', outcome_at = $2, released_at = $2, released_instance = $3 \
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
    let held = rows::held(&row)?;
    record(tx, &held, shim.client_id.as_str(), "approval.released", serde_json::Value::Null, now).await?;
    Ok(true)
}

/// A *go* that was lost on its way may be asked for again by the instance it was for, until there is an outcome.
fn released_before_or_why_not(held: Option<Held>, shim: &Shim, release: &Release) -> Released {
    let Some(held) = held else {
        return Released::No("there is no such approval of this shim".to_owned());
    };
    if held.digest != release.digest {
        return Released::No("the call is not the one that was approved".to_owned());
    }
    let again = held.released_instance.as_ref() == Some(&shim.instance) && held.approval.outcome == Outcome::Released;
    match held.approval.status {
        Status::Approved if again => Released::Go,
        Status::Approved => Released::No(UNUSED.to_owned()),
        status => Released::No(format!("the approval is {}", status.as_str())),
    }
}

/// One approval.
pub(in crate::hub) async fn find(tx: &mut Tx, id: &ApprovalId) -> Result<Option<Held>, StoreError> {
    let row = sqlx::query("select * from approvals where id = $1").bind(id.as_str()).fetch_optional(tx.sql()).await?;
    row.as_ref().map(rows::held).transpose()
}

/// The approval behind a live request, by the request's id or its own.
pub(in crate::hub) async fn of_request(tx: &mut Tx, id: &ApprovalId) -> Result<Option<Held>, StoreError> {
    let row = sqlx::query("select * from approvals where id = $1 or request_id = $1")
        .bind(id.as_str())
        .fetch_optional(tx.sql())
        .await?;
    row.as_ref().map(rows::held).transpose()
}

/// Pending and past its deadline → timed out.
pub(in crate::hub) async fn time_out(tx: &mut Tx, id: &ApprovalId, now: i64) -> Result<Option<Held>, StoreError> {
    let row = sqlx::query(
        "update approvals set status = 'timed_out', decided_at = $2, outcome = 'not_executed', outcome_at = $2, kept = 0 \
         where id = $1 and status = 'pending' and deadline_at <= $2 returning *",
    )
    .bind(id.as_str())
    .bind(now)
    .fetch_optional(tx.sql())
    .await?;
    let Some(row) = row else { return Ok(None) };
    let held = rows::held(&row)?;
    record(tx, &held, HUB, "approval.timed_out", serde_json::Value::Null, now).await?;
    Ok(Some(held))
}

/// Approved and not used → not executed.
pub(in crate::hub) async fn expire(tx: &mut Tx, id: &ApprovalId, why: &str, now: i64) -> Result<(), StoreError> {
    let row = sqlx::query(
        "update approvals set outcome = 'not_executed', outcome_at = $2, kept = 0 \
         where id = $1 and status = 'approved' and outcome = 'waiting' returning *",
    )
    .bind(id.as_str())
    .bind(now)
    .fetch_optional(tx.sql())
    .await?;
    let Some(row) = row else { return Ok(()) };
    record(tx, &rows::held(&row)?, HUB, "approval.expired", json!({ "reason": why }), now).await
}

/// Pending → cancelled; approved and not used → not executed; anything else stays.
async fn take_back(tx: &mut Tx, held: &Held, actor: &str, why: &str, now: i64) -> Result<(), StoreError> {
    let row = sqlx::query(
        "update approvals set status = 'cancelled', decided_at = $2, reason = $3, outcome = 'not_executed', \
         outcome_at = $2, kept = 0 where id = $1 and status = 'pending' returning *",
    )
    .bind(held.approval.id.as_str())
    .bind(now)
    .bind(why)
    .fetch_optional(tx.sql())
    .await?;
    let Some(row) = row else {
        return expire(tx, &held.approval.id, why, now).await;
    };
    record(tx, &rows::held(&row)?, actor, "approval.cancelled", json!({ "reason": why }), now).await
}

/// The client will call again: what is open stays open for an identical call, and for nothing else.
async fn keep(tx: &mut Tx, held: &Held, grant_ms: i64, why: &str, now: i64) -> Result<(), StoreError> {
    let row = sqlx::query(
        "update approvals set kept = 1, grace_until = decided_at + $2 \
         where id = $1 and kept = 0 and outcome = 'waiting' and status in ('pending', 'approved') returning *",
    )
    .bind(held.approval.id.as_str())
    .bind(grant_ms)
    .fetch_optional(tx.sql())
    .await?;
    let Some(row) = row else { return Ok(()) };
    let held = rows::held(&row)?;
    activity::hand_off(tx, &held).await?;
    record(tx, &held, held.approval.agent.client_id.as_str(), "approval.kept", json!({ "reason": why }), now).await
}

/// Ends everything an agent, or one of its shims, has open. What is kept for a retry is no shim's any more: it ends
/// with its agent, its deadline or its grant.
pub(in crate::hub) async fn end_all(
    tx: &mut Tx,
    client_id: &ClientId,
    instance: Option<&InstanceId>,
    why: &str,
    now: i64,
) -> Result<(), StoreError> {
    for held in of_instance(tx, client_id, instance, "waiting").await? {
        take_back(tx, &held, HUB, why, now).await?;
    }
    for held in of_instance(tx, client_id, instance, "released").await? {
        let row = sqlx::query(
            "update approvals set outcome = 'unknown', outcome_at = $2 where id = $1 and outcome = 'released' \
             returning *",
        )
        .bind(held.approval.id.as_str())
        .bind(now)
        .fetch_one(tx.sql())
        .await?;
        let detail = json!({ "outcome": "unknown", "reason": why });
        record(tx, &rows::held(&row)?, HUB, "approval.finished", detail, now).await?;
    }
    activity::lose_running(tx, client_id, instance).await
}

async fn of_instance(
    tx: &mut Tx,
    client_id: &ClientId,
    instance: Option<&InstanceId>,
    outcome: &'static str,
) -> Result<Vec<Held>, StoreError> {
    let found = sqlx::query(
        "select * from approvals where outcome = $2 and outcome in ('waiting', 'released') and client_id = $1 \
         and instance = coalesce($3, instance) and (kept = 0 or $4 = 1)",
    )
    .bind(client_id.as_str())
    .bind(outcome)
    .bind(instance.map(|instance| instance.as_str().to_owned()))
    .bind(i64::from(instance.is_none()))
    .fetch_all(tx.sql())
    .await?;
    let mut found = found.iter().map(rows::held).collect::<Result<Vec<_>, _>>()?;
    // Sorted here: asked to sort, SQLite walks an agent's whole history instead of the few that are open.
    found.sort_by_key(|held| held.approval.created_at);
    Ok(found)
}

/// Gives an unused approval until `now + by`, unless its grace is over already or has been stretched enough.
async fn stretch_grace(tx: &mut Tx, held: &Held, now: i64, by: i64, away_ms: i64) -> Result<(), StoreError> {
    let (Some(until), Some(decided_at)) = (held.grace_until, held.approval.decided_at) else {
        return Ok(());
    };
    let wanted = (now + by).min(decided_at + LONGEST_GRACE_MS.max(away_ms));
    if until > now && wanted > until {
        let row =
            sqlx::query("update approvals set grace_until = $2 where id = $1 and outcome = 'waiting' returning *")
                .bind(held.approval.id.as_str())
                .bind(wanted)
                .fetch_optional(tx.sql())
                .await?;
        if let Some(row) = row {
            record(tx, &rows::held(&row)?, HUB, "approval.grace_extended", serde_json::Value::Null, now).await?;
        }
    }
    Ok(())
}
