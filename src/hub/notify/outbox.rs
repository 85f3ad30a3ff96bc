//! The outbox: rows written with what they tell of, claimed under a lease, ended once.
//!
//! A claim is a conditional update in the writer's transaction, so that of several hubs one gets it. A claim whose hub
//! dies is free again when its lease is over, and its messages are sent with the same ids.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::http::Failure;
use super::message::Notice;
use super::{channels, quiet};
use crate::config::notify::{Channel, Event, Kind};
use crate::core::ids::{ApprovalId, Digest};
use crate::hub::Hub;
use crate::hub::model::Approval;
use crate::hub::store::{StoreError, Tx};

/// So long before its deadline an approval is about to time out.
const EXPIRING_MS: i64 = 60_000;
/// How long mail waits for a decision when nothing else is said.
const EMAIL_AFTER_SECONDS: u32 = 15;
/// A claim is void after so long; well above the time a message may take.
const LEASE_MS: i64 = 20_000;
/// After so many attempts a message is given up.
pub(super) const ATTEMPTS: i64 = 10;
/// The first pause after a failure, doubled with each, and the longest.
const PAUSE_MS: (i64, i64) = (2_000, 600_000);
/// The longest time a channel is left alone because nothing got through.
const CHANNEL_PAUSE_MS: i64 = 60_000;
/// So many at once are still sent one by one.
const SINGLY: i64 = 3;
/// The most that one message stands for.
const GATHER: i64 = 1_000;

/// A message that waits, claimed.
pub(super) struct Row {
    pub(super) id: String,
    pub(super) recipient: String,
    pub(super) event: Event,
    pub(super) notice: Notice,
    attempts: i64,
}

/// What one hub may send now; the first of them, and how many others it stands for.
pub(super) struct Claim {
    lease: String,
    pub(super) first: Row,
    pub(super) more: usize,
    failures: i64,
}

/// How a channel wants to send.
#[derive(Clone, Copy)]
pub(super) struct Way {
    /// One message may stand for many.
    pub(super) gathers: bool,
    /// Milliseconds from one message to the next.
    pub(super) pace_ms: i64,
}

/// Writes what there is to tell of a change, in its transaction.
pub(in crate::hub) async fn tell(tx: &mut Tx, approval: &Approval, action: &str, at: i64) -> Result<(), StoreError> {
    let Some(event) = event(action) else { return Ok(()) };
    let listening: Vec<(String,)> =
        sqlx::query_as("select config from channels where enabled = 1").fetch_all(tx.sql()).await?;
    for (config,) in listening {
        let Ok(channel) = channels::read(&config) else { continue };
        if !concerns(&channel, approval) {
            continue;
        }
        for (event, due) in events(&channel, event, approval, at) {
            for recipient in recipients(&channel) {
                insert(tx, &channel, recipient, event, approval, at, due).await?;
            }
        }
    }
    Ok(())
}

fn event(action: &str) -> Option<Event> {
    Some(match action {
        "approval.created" => Event::Created,
        "approval.approved" | "approval.rejected" => Event::Decided,
        "approval.timed_out" => Event::TimedOut,
        "approval.cancelled" => Event::Cancelled,
        _ => return None,
    })
}

fn concerns(channel: &Channel, approval: &Approval) -> bool {
    let server = channel.servers.is_empty() || channel.servers.contains(&approval.server);
    server && channel.threshold.is_none_or(|threshold| approval.trust >= threshold)
}

/// What this channel is told, and when. That an approval is about to time out is planned when it is created.
fn events(channel: &Channel, event: Event, approval: &Approval, at: i64) -> Vec<(Event, i64)> {
    let mut found = vec![(event, at)];
    if event == Event::Created {
        if channel.kind == Kind::Email {
            let seconds = channel.settings.email_after.unwrap_or(EMAIL_AFTER_SECONDS);
            found = vec![(event, at + i64::from(seconds) * 1000)];
        }
        let expiring = approval.deadline_at - EXPIRING_MS;
        found.extend((expiring > at).then_some((Event::Expiring, expiring)));
    }
    let usual = channel.kind.usual_events();
    let wanted = channel.events.as_ref().unwrap_or(&usual);
    found.retain(|(event, due)| wanted.contains(event) && !quiet::at(channel.quiet_hours.as_ref(), *due));
    found
}

fn recipients(channel: &Channel) -> Vec<&str> {
    match channel.kind {
        Kind::Email => channel.settings.to.iter().map(String::as_str).collect(),
        _ => vec![""],
    }
}

/// The id is the same for the same news, so that it is told once.
async fn insert(
    tx: &mut Tx,
    channel: &Channel,
    recipient: &str,
    event: Event,
    approval: &Approval,
    at: i64,
    due: i64,
) -> Result<(), StoreError> {
    let key = [channel.id.as_str(), recipient, event.as_str(), approval.id.as_str()].map(str::as_bytes);
    let id = format!("msg_{}", &Digest::of_fields(&key).as_str()[..32]);
    let payload = serde_json::to_string(&Notice::of(approval, at)).map_err(|e| StoreError::Failed(e.to_string()))?;
    sqlx::query(
        "insert into outbox (id, channel, recipient, event, approval, payload, created_at, attempts, next_at, \
         lease_until) values ($1, $2, $3, $4, $5, $6, $7, 0, $8, 0) on conflict (id) do nothing",
    )
    .bind(id)
    .bind(channel.id.as_str())
    .bind(recipient)
    .bind(event.as_str())
    .bind(approval.id.as_str())
    .bind(payload)
    .bind(at)
    .bind(due)
    .execute(tx.sql())
    .await?;
    Ok(())
}

impl Hub {
    /// Channels that have something open, and when the first of it can be sent.
    pub(in crate::hub) async fn channels_due(&self) -> Result<Vec<(String, i64)>, StoreError> {
        let found: Vec<(String, i64, i64)> = sqlx::query_as(
            "select channels.id, channels.ready_at, min(case when outbox.lease_until > outbox.next_at \
             then outbox.lease_until else outbox.next_at end) from outbox \
             join channels on channels.id = outbox.channel and channels.enabled = 1 \
             where outbox.ended_at is null group by channels.id, channels.ready_at",
        )
        .fetch_all(self.0.store.read())
        .await?;
        Ok(found.into_iter().map(|(id, ready, due)| (id, ready.max(due))).collect())
    }

    /// A channel and its version, if it is in use.
    pub(super) async fn channel_in_use(&self, id: &str) -> Result<Option<(Channel, i64)>, StoreError> {
        let found: Option<(String, i64)> =
            sqlx::query_as("select config, version from channels where id = $1 and enabled = 1")
                .bind(id)
                .fetch_optional(self.0.store.read())
                .await?;
        found.map(|(config, version)| Ok((channels::read(&config)?, version))).transpose()
    }

    /// Claims what this channel may send next, as long as it is of this version.
    pub(super) async fn claim(&self, id: &str, version: i64, way: Way) -> Result<Option<Claim>, StoreError> {
        let (hub, id) = (self.clone(), id.to_owned());
        self.write(move |tx| Box::pin(async move { claim(tx, &id, version, way, hub.now()).await })).await
    }

    /// Notes what became of a claim; says whether the channel began or ceased to fail.
    pub(super) async fn settle(
        &self,
        id: &str,
        claim: Claim,
        outcome: Result<(), Failure>,
    ) -> Result<bool, StoreError> {
        let (hub, id) = (self.clone(), id.to_owned());
        self.write(move |tx| Box::pin(async move { settle(tx, &id, claim, outcome, hub.now()).await })).await
    }

    /// Notes how a test message fared.
    pub(super) async fn note_outcome(&self, id: &str, error: Option<String>) -> Result<(), StoreError> {
        let (hub, id) = (self.clone(), id.to_owned());
        self.write(move |tx| Box::pin(async move { note(tx, &id, error, 0, hub.now()).await.map(drop) })).await
    }

    /// The arguments of an approval's call.
    pub(super) async fn arguments_of(&self, id: &ApprovalId) -> Result<Option<String>, StoreError> {
        let found = sqlx::query_scalar("select arguments from approvals where id = $1")
            .bind(id.as_str())
            .fetch_optional(self.0.store.read())
            .await?;
        Ok(found)
    }
}

const DUE: &str = "select recipient, event from outbox where channel = $1 and ended_at is null and next_at <= $2 \
                   and lease_until <= $2 order by next_at, created_at, case when event = 'created' then 0 else 1 end, id limit 1";
const COUNT: &str = "select count(*) from outbox where channel = $1 and recipient = $3 and event = $4 \
                     and ended_at is null and next_at <= $2 and lease_until <= $2";
const CLAIM: &str = "update outbox set lease = $5, lease_until = $6, attempts = attempts + 1 where id in \
                     (select id from outbox where channel = $1 and recipient = $3 and event = $4 \
                     and ended_at is null and next_at <= $2 and lease_until <= $2 \
                     order by next_at, created_at, id limit $7) \
                     and ended_at is null and lease_until <= $2 returning *";

async fn claim(tx: &mut Tx, id: &str, version: i64, way: Way, now: i64) -> Result<Option<Claim>, StoreError> {
    drop_stale(tx, id, way.gathers, now).await?;
    let due: Option<(String, String)> = sqlx::query_as(DUE).bind(id).bind(now).fetch_optional(tx.sql()).await?;
    let Some((recipient, event)) = due else { return Ok(None) };
    let turn: Option<(i64,)> = sqlx::query_as(
        "update channels set ready_at = $3 where id = $1 and enabled = 1 and version = $4 and ready_at <= $2 \
         returning failures",
    )
    .bind(id)
    .bind(now)
    .bind(now + way.pace_ms)
    .bind(version)
    .fetch_optional(tx.sql())
    .await?;
    let Some((failures,)) = turn else { return Ok(None) };
    let count: i64 = sqlx::query_scalar(COUNT)
        .bind(id)
        .bind(now)
        .bind(recipient.as_str())
        .bind(event.as_str())
        .fetch_one(tx.sql())
        .await?;
    let lease = uuid::Uuid::now_v7().to_string();
    let found = sqlx::query(CLAIM)
        .bind(id)
        .bind(now)
        .bind(recipient)
        .bind(event)
        .bind(lease.as_str())
        .bind(now + LEASE_MS)
        .bind(if way.gathers && count > SINGLY { GATHER } else { 1 })
        .fetch_all(tx.sql())
        .await?;
    let more = found.len().saturating_sub(1);
    let mut rows = found.iter().map(row).collect::<Result<Vec<_>, _>>()?;
    rows.sort_by_key(|row| row.notice.created_at);
    Ok(rows.into_iter().next().map(|first| Claim { lease, first, more, failures }))
}

/// Nobody needs to hear that something waits which does not any more; programs hear all the same. What was given more
/// time is told later that its time is nearly up.
async fn drop_stale(tx: &mut Tx, id: &str, for_people: bool, now: i64) -> Result<(), StoreError> {
    sqlx::query(
        "update outbox set ended = 'stale', ended_at = $2 where channel = $1 and ended_at is null and next_at <= $2 \
         and (event = 'expiring' or (event = 'created' and $3 = 1)) \
         and approval in (select id from approvals where status <> 'pending')",
    )
    .bind(id)
    .bind(now)
    .bind(i64::from(for_people))
    .execute(tx.sql())
    .await?;
    sqlx::query(
        "update outbox set next_at = (select deadline_at from approvals where id = outbox.approval) - $3 \
         where channel = $1 and ended_at is null and next_at <= $2 and event = 'expiring' and attempts = 0 \
         and approval in (select id from approvals where deadline_at - $3 > $2)",
    )
    .bind(id)
    .bind(now)
    .bind(EXPIRING_MS)
    .execute(tx.sql())
    .await?;
    Ok(())
}

fn row(row: &AnyRow) -> Result<Row, StoreError> {
    let unreadable = || StoreError::Failed("a row of the outbox cannot be read".to_owned());
    Ok(Row {
        id: row.try_get("id")?,
        recipient: row.try_get("recipient")?,
        event: Event::from_name(&row.try_get::<String, _>("event")?).ok_or_else(unreadable)?,
        notice: serde_json::from_str(&row.try_get::<String, _>("payload")?).map_err(|_| unreadable())?,
        attempts: row.try_get("attempts")?,
    })
}

async fn settle(
    tx: &mut Tx,
    id: &str,
    claim: Claim,
    outcome: Result<(), Failure>,
    now: i64,
) -> Result<bool, StoreError> {
    let Err(failure) = outcome else {
        sqlx::query(
            "update outbox set ended = case when id = $2 then 'sent' else 'collapsed' end, ended_at = $3, \
             lease = null, lease_until = 0, last_error = null where lease = $1",
        )
        .bind(claim.lease)
        .bind(claim.first.id)
        .bind(now)
        .execute(tx.sql())
        .await?;
        note(tx, id, None, 0, now).await?;
        return Ok(claim.failures > 0);
    };
    let given_up = matches!(failure, Failure::Permanent(_)) || claim.first.attempts >= ATTEMPTS;
    let (row_pause, channel_pause) = pauses(&failure, claim.first.attempts, claim.failures);
    sqlx::query(
        "update outbox set ended = $2, ended_at = $3, next_at = $4, lease = null, lease_until = 0, last_error = $5 \
         where lease = $1",
    )
    .bind(claim.lease)
    .bind(given_up.then_some("given_up"))
    .bind(given_up.then_some(now))
    .bind(now + row_pause)
    .bind(failure.to_string())
    .execute(tx.sql())
    .await?;
    note(tx, id, Some(failure.to_string()), channel_pause, now).await?;
    Ok(claim.failures == 0)
}

/// How a channel did last, and for how long it is left alone.
async fn note(tx: &mut Tx, id: &str, error: Option<String>, pause: i64, now: i64) -> Result<(), StoreError> {
    sqlx::query(
        "update channels set last_at = $2, last_error = $3, failures = case when $4 = 1 then failures + 1 else 0 end, \
         ready_at = case when ready_at > $5 then ready_at else $5 end where id = $1",
    )
    .bind(id)
    .bind(now)
    .bind(error.clone())
    .bind(i64::from(error.is_some()))
    .bind(now + pause)
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Until this message, and until anything on this channel, is tried again, in milliseconds.
fn pauses(failure: &Failure, attempts: i64, failures: i64) -> (i64, i64) {
    let row = jittered(doubled(attempts - 1));
    match failure {
        Failure::Busy(_, pause) => {
            let pause = i64::try_from(pause.as_millis()).unwrap_or(PAUSE_MS.1);
            (pause, pause)
        }
        Failure::Unreachable(_) => (row, jittered(doubled(failures).min(CHANNEL_PAUSE_MS)).min(row)),
        Failure::Permanent(_) | Failure::Transient(_) => (row, 0),
    }
}

fn doubled(times: i64) -> i64 {
    let times = u32::try_from(times.clamp(0, 20)).unwrap_or(0);
    PAUSE_MS.0.saturating_mul(1 << times).min(PAUSE_MS.1)
}

/// Between half of it and all of it, so that what failed together does not come back together.
fn jittered(ms: i64) -> i64 {
    let mut byte = [0];
    // Without chance there is no jitter, and nothing else is lost.
    let _ = getrandom::fill(&mut byte);
    ms / 2 + ms / 2 * i64::from(byte[0]) / 255
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn pauses_double_up_to_ten_minutes_with_jitter() {
        for (attempts, most) in [(1, 2_000), (2, 4_000), (5, 32_000), (9, 512_000), (10, 600_000), (99, 600_000)] {
            for _ in 0..50 {
                let (row, channel) = pauses(&Failure::Transient(String::new()), attempts, 0);
                assert!((most / 2..=most).contains(&row), "{attempts}: {row}");
                assert_eq!(channel, 0);
            }
        }
        assert_eq!(pauses(&Failure::Busy(String::new(), Duration::from_secs(7)), 1, 0), (7_000, 7_000));
    }

    #[test]
    fn a_channel_that_nothing_gets_through_is_tried_once_a_minute() {
        let (_, channel) = pauses(&Failure::Unreachable(String::new()), 10, 50);
        assert!((30_000..=60_000).contains(&channel), "{channel}");
    }
}
