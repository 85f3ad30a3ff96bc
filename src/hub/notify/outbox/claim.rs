//! Claiming what a channel may send next, as one conditional update: of several hubs one gets it.

use super::{Claim, EXPIRING_MS, Way};
use crate::hub::notify::row;
use crate::hub::store::{StoreError, Tx};

/// A claim is void after so long; well above the time a message may take.
const LEASE_MS: i64 = 20_000;
/// So many at once are still sent one by one.
const SINGLY: i64 = 3;
/// The most that one message stands for.
const GATHER: i64 = 1_000;

const DUE: &str = "select recipient, event from outbox where channel = $1 and ended_at is null and next_at <= $2 \
                   and lease_until <= $2 order by next_at, created_at, case when event = 'created' then 0 else 1 end, id limit 1";
const COUNT: &str = "select count(*) from outbox where channel = $1 and recipient = $3 and event = $4 \
                     and ended_at is null and next_at <= $2 and lease_until <= $2";
const CLAIM: &str = "update outbox set lease = $5, lease_until = $6, attempts = attempts + 1 where id in \
                     (select id from outbox where channel = $1 and recipient = $3 and event = $4 \
                     and ended_at is null and next_at <= $2 and lease_until <= $2 \
                     order by next_at, created_at, id limit $7) \
                     and ended_at is null and lease_until <= $2 returning *";

pub(super) async fn claim(
    tx: &mut Tx,
    id: &str,
    version: i64,
    way: Way,
    now: i64,
) -> Result<Option<Claim>, StoreError> {
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
    let mut rows = found.iter().map(row::waiting).collect::<Result<Vec<_>, _>>()?;
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
