//! Approvals as shims live them: registered, taken back, released once, and what came of it.
//!
//! Nothing here decides for a call: the ways into `approved` are in `approvals`. Every step names the agent and the
//! instance it is for, so that no shim moves another's approval.

use serde_json::json;

use crate::core::approval::{Outcome, RELEASE_GRACE_MS, Status, stretched_grace};
use crate::core::ids::{ApprovalId, ClientId, Digest, InstanceId};
use crate::core::messages::{CallOutcome, Cancel, Continued, MAX_ROUNDS, Release};
use crate::core::policy::Verdict;
use crate::core::weigh::Opinion;
use crate::hub::approvals::find::Open;
use crate::hub::approvals::life::{DISCONNECTED, UNUSED};
use crate::hub::approvals::row::Held;
use crate::hub::approvals::{Approvals, find, life};
use crate::hub::servers::{Question, Shown, Standing};
use crate::hub::store::{StoreError, Turn, Tx};
use crate::hub::who::{HUB, Shim};

/// How much of what a call is continued with is kept, in characters.
const MAX_INPUTS: usize = 4_000;
/// The longest reason a shim may give, in characters.
const MAX_REASON: usize = 500;

/// The answer to a request to release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Released {
    /// Recorded: write it now.
    Go,
    /// Never; why, in words.
    No(String),
}

impl Approvals {
    /// The client took a call back, for good or to call again. Too late for one that is released.
    pub async fn cancel(&self, shim: &Shim, cancel: Cancel) -> Result<(), StoreError> {
        let (clock, shim, grant_ms) = (self.clock.clone(), shim.clone(), self.times.grant_for_ms);
        let turn = shim.client_id.clone();
        self.store
            .write_in(Turn::Call(turn), 1, move |tx| {
                Box::pin(async move {
                    let reason: String = cancel.reason.chars().filter(|c| !c.is_control()).take(MAX_REASON).collect();
                    let own = find::of_request(tx, &cancel.approval).await?.filter(|held| belongs(held, &shim));
                    match own {
                        // Nothing stands behind it any more, so there is nothing to take back.
                        Some(held) if held.approval.handed_off => Ok(()),
                        Some(held) if cancel.keep => {
                            life::keep(tx, &held.approval.id, grant_ms, &reason, clock.now()).await
                        }
                        Some(held) => {
                            life::take_back(tx, &held.approval.id, shim.client_id.as_str(), &reason, clock.now()).await
                        }
                        None => Ok(()),
                    }
                })
            })
            .await
    }

    /// Records the release of an approved call, once, for the instance that holds it.
    pub async fn release(&self, shim: &Shim, release: Release) -> Result<Released, StoreError> {
        let (approvals, shim, turn) = (self.clone(), shim.clone(), shim.client_id.clone());
        self.store
            .write_in(Turn::Call(turn), 1, move |tx| {
                Box::pin(async move {
                    let now = approvals.now();
                    if let Some(why) = denied_since(tx, &approvals, &shim, &release.approval, now).await? {
                        life::take_back(tx, &release.approval, HUB, &why, now).await?;
                        return Ok(Released::No(why));
                    }
                    if life::release(tx, &shim, &release, now).await? {
                        return Ok(Released::Go);
                    }
                    let held = find::find(tx, &release.approval).await?.filter(|held| belongs(held, &shim));
                    Ok(released_before_or_why_not(held, &shim, &release))
                })
            })
            .await
    }

    /// The client went on with a released call: what it gave the server is in the record, as often as that may be.
    pub async fn continued(&self, shim: &Shim, continued: Continued) -> Result<(), StoreError> {
        let (clock, shim, turn) = (self.clock.clone(), shim.clone(), shim.client_id.clone());
        self.store
            .write_in(Turn::Call(turn), 1, move |tx| {
                Box::pin(async move {
                    let own = find::find(tx, &continued.approval).await?.filter(|held| {
                        held.released_instance.as_ref() == Some(&shim.instance)
                            && held.approval.agent.client_id == shim.client_id
                            && held.approval.outcome == Outcome::Released
                    });
                    let Some(held) = own else { return Ok(()) };
                    if rounds(tx, &held.approval.id).await? >= i64::from(MAX_ROUNDS) {
                        return Ok(());
                    }
                    let detail = json!({ "round": continued.round, "inputs": kept_of(&continued.inputs) });
                    life::record(tx, &held, shim.client_id.as_str(), "approval.continued", detail, clock.now()).await
                })
            })
            .await
    }

    /// What became of a released call; a later word of the same instance replaces `unknown`, nothing else.
    pub async fn finish(&self, shim: &Shim, end: CallOutcome) -> Result<(), StoreError> {
        if matches!(end.outcome, Outcome::Waiting | Outcome::Released) {
            return Ok(());
        }
        let (clock, shim) = (self.clock.clone(), shim.clone());
        let turn = shim.client_id.clone();
        self.store
            .write_in(Turn::Call(turn), 1, move |tx| {
                Box::pin(async move { life::finish(tx, &shim, &end, clock.now()).await })
            })
            .await
    }

    /// A shim is back, or there for the first time: what it no longer holds is taken back, and an approval it may
    /// still use gets a new, bounded grace.
    pub async fn resume(&self, shim: &Shim, holds: Vec<ApprovalId>) -> Result<(), StoreError> {
        if !self.store.is_shared() && !self.waits(shim).await? {
            return Ok(());
        }
        let (clock, shim, away_ms) = (self.clock.clone(), shim.clone(), self.times.resume_within_ms);
        let (turn, store) = (shim.client_id.clone(), self.store.clone());
        self.store
            .write_in(Turn::Call(turn), 1, move |tx| {
                Box::pin(async move {
                    let now = clock.now();
                    store.take_in(tx, (&shim.client_id, &shim.instance), &shim.server).await?;
                    for open in find::of_instance(tx, &shim.client_id, Some(&shim.instance), "waiting").await? {
                        // A shim that has not heard yet which approval its call joined names the call.
                        if holds.contains(&open.id) || holds.contains(&open.request) {
                            stretch(tx, &open, RELEASE_GRACE_MS, away_ms, now).await?;
                        } else {
                            let why = "the agent no longer waits for it";
                            life::take_back(tx, &open.id, shim.client_id.as_str(), why, now).await?;
                        }
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Whether anything waits for this run of the shim.
    async fn waits(&self, shim: &Shim) -> Result<bool, StoreError> {
        let found: Option<i64> = sqlx::query_scalar(
            "select 1 from approvals where outcome = 'waiting' and client_id = $1 and instance = $2 and kept = 0 limit 1",
        )
        .bind(shim.client_id.as_str())
        .bind(shim.instance.as_str())
        .fetch_optional(self.store.read())
        .await?;
        Ok(found.is_some())
    }

    /// A shim was lost without goodbye; until it is given up, its unused approvals stay usable.
    pub async fn lost(&self, client_id: &ClientId, instance: &InstanceId) -> Result<(), StoreError> {
        let (clock, client_id, instance) = (self.clock.clone(), client_id.clone(), instance.clone());
        let away_ms = self.times.resume_within_ms;
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    for open in find::of_instance(tx, &client_id, Some(&instance), "waiting").await? {
                        stretch(tx, &open, away_ms, away_ms, clock.now()).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// A shim said goodbye, or was given up: nothing it held will run, and what it released has no known end.
    pub async fn gone(&self, client_id: &ClientId, instance: &InstanceId) -> Result<(), StoreError> {
        let (clock, client_id, instance) = (self.clock.clone(), client_id.clone(), instance.clone());
        let store = self.store.clone();
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let now = clock.now();
                    if store.is_elsewhere(tx, &client_id, &instance, now).await? {
                        return Ok(());
                    }
                    store.let_go(tx, (&client_id, &instance)).await?;
                    end_all(tx, &client_id, Some(&instance), DISCONNECTED, now).await
                })
            })
            .await
    }
}

pub(super) fn belongs(held: &Held, shim: &Shim) -> bool {
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
    let Some(held) = find::find(tx, id).await?.filter(|held| belongs(held, shim) && approved(held)) else {
        return Ok(None);
    };
    let question = Question { agent: &shim.client_id, server: &shim.server, shown: &Shown::default(), now };
    // The external decision point had its say before there was a card.
    Ok(match approvals.servers.standing(tx, question).await? {
        Standing::In(subject) => {
            let ruling = subject.scales.weigh(&held.approval.tool, held.arguments()?, &Opinion::None);
            let denied = ruling.verdict == Verdict::Deny;
            denied.then(|| format!("policy denies it since it was asked for ({})", ruling.reasons.join("; ")))
        }
        Standing::Elsewhere => Some("the agent may not use this server any more".to_owned()),
        Standing::Gone => Some("the agent is revoked".to_owned()),
        Standing::Unknown => Some("the server was removed from the hub".to_owned()),
    })
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

/// Ends everything an agent, or one of its shims, has open. What is kept for a retry is no shim's any more: it ends
/// with its agent, its deadline or its grant.
pub async fn end_all(
    tx: &mut Tx,
    client_id: &ClientId,
    instance: Option<&InstanceId>,
    why: &str,
    now: i64,
) -> Result<(), StoreError> {
    for open in find::of_instance(tx, client_id, instance, "waiting").await? {
        life::take_back(tx, &open.id, HUB, why, now).await?;
    }
    for open in find::of_instance(tx, client_id, instance, "released").await? {
        life::lose(tx, &open.id, why, now).await?;
    }
    tx.lose_activity(client_id, instance).await
}

/// Gives an unused approval until `now + by`, unless its grace is over already or has been stretched enough.
async fn stretch(tx: &mut Tx, open: &Open, by: i64, away_ms: i64, now: i64) -> Result<(), StoreError> {
    let Some(decided_at) = open.decided_at else { return Ok(()) };
    life::stretch(tx, &open.id, stretched_grace(decided_at, by, away_ms, now), now).await
}

/// How often a call has been continued.
async fn rounds(tx: &mut Tx, id: &ApprovalId) -> Result<i64, StoreError> {
    let found = sqlx::query_scalar("select count(*) from audit where subject = $1 and action = 'approval.continued'");
    Ok(found.bind(id.as_str()).fetch_one(tx.sql()).await?)
}

/// As much as is kept of what a call is continued with; where that is not all, so much is said.
fn kept_of(inputs: &str) -> String {
    let mut kept: String = inputs.chars().filter(|c| *c != '\0').take(MAX_INPUTS).collect();
    if kept.len() < inputs.len() {
        kept.push_str(&format!("… ({} bytes in all, SHA-256 {})", inputs.len(), Digest::of(inputs.as_bytes())));
    }
    kept
}
