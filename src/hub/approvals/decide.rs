//! Approvals as people see and decide them.
//!
//! Every change is one conditional update; the audit record travels in its transaction. Who comes second is told who
//! was first.

use crate::core::approval::{EXTEND_SECONDS, MAX_WINDOW_MS, RELEASE_GRACE_MS, Status, extended_deadline};
use crate::core::ids::ApprovalId;
use crate::hub::approvals::row::Held;
use crate::hub::approvals::{Approvals, find, life};
use crate::hub::error::DecideError;
use crate::hub::model::{Approval, Role, User};
use crate::hub::store::{StoreError, Turn, Tx};
use crate::hub::who::{Decider, role_of};

/// The longest comment or reason, in characters.
const MAX_WORDS: usize = 1000;

impl Approvals {
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
        self.store
            .write_in(Turn::Decision, 1, move |tx| {
                Box::pin(async move {
                    let now = hub.now();
                    Ok(match decidable(tx, &id, &by.name, now).await? {
                        Found::Open(held) if !by.saw.is(&held.approval) => {
                            return Err(DecideError::Changed(Box::new(held.approval)));
                        }
                        Found::Open(held) => {
                            let now = decided(tx, &hub, &held, &by, to, words, now).await?;
                            Taken::of(now, *held)?
                        }
                        Found::Over(approval) => Taken::TooLate(approval),
                    })
                })
            })
            .await
            .and_then(Taken::now)
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
        self.store
            .write_in(Turn::Decision, 1, move |tx| {
                Box::pin(async move {
                    let now = hub.now();
                    let held = match decidable(tx, &id, &by.name, now).await? {
                        Found::Open(held) => held,
                        Found::Over(approval) => return Ok(Taken::TooLate(approval)),
                    };
                    let Some(deadline) =
                        extended_deadline(held.approval.created_at, held.approval.deadline_at, seconds)
                    else {
                        let why = "this approval has waited as long as an approval may, an hour";
                        return Err(DecideError::Invalid(why.to_owned()));
                    };
                    Taken::of(life::extend(tx, &id, &by, deadline, now).await?, *held)
                })
            })
            .await
            .and_then(Taken::now)
    }

    /// Notes that an approver has the card on the screen; the shim is told the first time.
    pub async fn seen(&self, id: &ApprovalId, by: &User) -> Result<(), DecideError> {
        let (hub, id, by) = (self.clone(), id.clone(), by.name.clone());
        self.store
            .write_in(Turn::Decision, 1, move |tx| {
                Box::pin(async move {
                    let now = hub.now();
                    // A card that was decided while it was being drawn is nothing to complain about.
                    if let Found::Open(held) = decidable(tx, &id, &by, now).await?
                        && held.seen_at.is_none()
                    {
                        life::see(tx, &id, &by, now).await?;
                    }
                    Ok(())
                })
            })
            .await
    }
}

/// An approval that somebody wants to decide.
enum Found {
    /// It can be decided now.
    Open(Box<Held>),
    /// It cannot be decided any more.
    Over(Box<Approval>),
}

/// What came of a decision. Too late is no error to the store: that a deadline has passed is kept.
enum Taken {
    Now(Box<Approval>),
    TooLate(Box<Approval>),
}

impl Taken {
    fn of(now: Option<Held>, before: Held) -> Result<Self, DecideError> {
        // Nobody comes between in a transaction that has the write lock.
        let now = now.ok_or(DecideError::NotFound)?.given_as(before);
        Ok(Self::Now(Box::new(now.approval)))
    }

    fn now(self) -> Result<Approval, DecideError> {
        match self {
            Self::Now(approval) => Ok(*approval),
            Self::TooLate(approval) => Err(DecideError::TooLate(approval)),
        }
    }
}

/// The approval, if this user may decide on it.
async fn decidable(tx: &mut Tx, id: &ApprovalId, by: &str, now: i64) -> Result<Found, DecideError> {
    // Asked in the store, because a role may have been taken away since the user was looked up.
    if role_of(tx, by).await?.is_none_or(|role| role < Role::Approver) {
        return Err(DecideError::Forbidden);
    }
    let held = find::find(tx, id).await?.ok_or(DecideError::NotFound)?;
    if held.approval.status != Status::Pending {
        return Ok(Found::Over(Box::new(held.approval)));
    }
    if held.approval.deadline_at > now {
        return Ok(Found::Open(Box::new(held)));
    }
    // The sweeper may be a moment behind; whoever decides at the deadline is too late all the same.
    let held = match life::time_out(tx, id, now).await? {
        Some(timed_out) => timed_out.given_as(held),
        None => held,
    };
    Ok(Found::Over(Box::new(held.approval)))
}

/// How long an approval may stay unused: longest when it waits for the call to come again.
fn grace_ms(hub: &Approvals, held: &Held) -> i64 {
    if held.approval.handed_off {
        return hub.times.grant_for_ms;
    }
    let here = hub.live.is_connected(&held.approval.agent.client_id, &held.instance);
    if here { RELEASE_GRACE_MS } else { hub.times.resume_within_ms }
}

async fn decided(
    tx: &mut Tx,
    hub: &Approvals,
    held: &Held,
    by: &Decider,
    to: Status,
    words: Option<String>,
    now: i64,
) -> Result<Option<Held>, StoreError> {
    match to {
        Status::Approved => life::approve(tx, &held.approval.id, by, words, grace_ms(hub, held), now).await,
        _ => life::reject(tx, &held.approval.id, by, words, now).await,
    }
}
