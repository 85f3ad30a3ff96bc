//! What became of a claim: sent, tried again later, or given up; and how its channel does.

use std::time::Duration;

use super::{ATTEMPTS, Claim};
use crate::chance;
use crate::hub::notify::http::Failure;
use crate::hub::notify::push;
use crate::hub::store::{StoreError, Tx};
use crate::hub::who::HUB;

/// The first pause after a failure, doubled with each, and the longest.
const PAUSE_MS: (i64, i64) = (2_000, 600_000);
/// The longest time a channel is left alone because nothing got through.
const CHANNEL_PAUSE_MS: i64 = 60_000;

pub(super) async fn settle(
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
    if is_lost(id, &failure) {
        push::forget(tx, id, HUB, now).await?;
        return Ok(true);
    }
    let given_up = matches!(failure, Failure::Permanent(_) | Failure::Gone(_)) || claim.first.attempts >= ATTEMPTS;
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

/// A browser that its push service knows no longer will never be told again.
fn is_lost(id: &str, failure: &Failure) -> bool {
    matches!(failure, Failure::Gone(_)) && id.starts_with(push::PREFIX)
}

/// How a test message fared.
pub(super) async fn note_test(tx: &mut Tx, id: &str, failure: Option<Failure>, now: i64) -> Result<(), StoreError> {
    match failure {
        Some(failure) if is_lost(id, &failure) => push::forget(tx, id, HUB, now).await,
        failure => note(tx, id, failure.map(|failure| failure.to_string()), 0, now).await,
    }
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
        Failure::Permanent(_) | Failure::Gone(_) | Failure::Transient(_) => (row, 0),
    }
}

fn doubled(times: i64) -> i64 {
    let times = u32::try_from(times.clamp(0, 20)).unwrap_or(0);
    PAUSE_MS.0.saturating_mul(1 << times).min(PAUSE_MS.1)
}

fn jittered(ms: i64) -> i64 {
    let wait = chance::jittered(Duration::from_millis(ms.unsigned_abs()));
    i64::try_from(wait.as_millis()).unwrap_or(ms)
}

#[cfg(test)]
mod tests {
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
