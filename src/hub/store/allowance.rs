//! What all hubs on one PostgreSQL store may spend together. A SQLite store has one hub, which counts in memory alone.

use super::{Connection, Store, StoreError};
use crate::hub::quota::Quota;

/// Something of which there is so much, for each one who spends it.
#[derive(Clone, Copy, Debug)]
pub struct Allowance<'a> {
    /// What is spent.
    pub what: &'a str,
    /// Whose it is.
    pub whose: &'a str,
    /// How much there is of it.
    pub quota: Quota,
}

/// What was taken out, for this hub alone to spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) amount: i64,
    /// When it has come back to all hubs, so that this one may spend it no more.
    pub(super) until: i64,
}

impl Allowance<'_> {
    /// Takes the larger amount, or the smaller where there is not so much; or when there will be that.
    pub(super) async fn take(
        self,
        connection: &mut Connection,
        [least, most]: [i64; 2],
        now: i64,
    ) -> Result<Result<Taken, i64>, StoreError> {
        for amount in [most.min(self.quota.most), least] {
            if amount >= least
                && amount <= self.quota.most
                && let Some(until) = self.take_exactly(connection, amount, now).await?
            {
                return Ok(Ok(Taken { amount, until }));
            }
        }
        let full_at: Option<i64> = sqlx::query_scalar("select full_at from spent where what = $1 and whose = $2")
            .bind(self.what)
            .bind(self.whose)
            .fetch_optional(connection)
            .await?;
        let missing = least.saturating_sub(self.quota.most).saturating_mul(self.quota.every_ms);
        // It may have come back since.
        Ok(Err(full_at.unwrap_or(now).saturating_add(missing).max(now + 1)))
    }

    /// When all is there again after so much was taken; `None`, and nothing taken, where there is less.
    async fn take_exactly(self, connection: &mut Connection, amount: i64, now: i64) -> Result<Option<i64>, StoreError> {
        let Quota { most, every_ms } = self.quota;
        let found = sqlx::query_scalar(
            "insert into spent (what, whose, full_at) values ($1, $2, $3 + $4) on conflict (what, whose) do update \
             set full_at = greatest(spent.full_at, $3) + $4 where greatest(spent.full_at, $3) + $4 <= $5 \
             returning full_at",
        )
        .bind(self.what)
        .bind(self.whose)
        .bind(now)
        .bind(amount * every_ms)
        .bind(now + most * every_ms)
        .fetch_optional(connection)
        .await?;
        Ok(found)
    }
}

impl Store {
    /// Spends one of what all hubs have together; or when there will be one. With a single hub, that counts itself.
    pub async fn spend_one(&self, allowance: Allowance<'_>, now: i64) -> Result<Result<(), i64>, StoreError> {
        if !self.is_shared() {
            return Ok(Ok(()));
        }
        let taken = allowance.take(&mut *self.read().acquire().await?, [1, 1], now).await?;
        Ok(taken.map(drop))
    }

    /// Forgets what has come back.
    pub async fn forget_spent(&self, now: i64) -> Result<(), StoreError> {
        if !self.is_shared() {
            return Ok(());
        }
        sqlx::query("delete from spent where full_at <= $1").bind(now).execute(self.read()).await?;
        Ok(())
    }
}
