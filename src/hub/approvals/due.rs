//! Approvals whose time is up.

use crate::core::ids::ApprovalId;
use crate::hub::approvals::{Approvals, life};
use crate::hub::store::{StoreError, Tx};

/// How many are dealt with in one transaction.
const BATCH: i64 = 200;

impl Approvals {
    /// When the next deadline or grace is over.
    pub async fn next_due(&self) -> Result<i64, StoreError> {
        let (deadline, grace): (Option<i64>, Option<i64>) = sqlx::query_as(
            "select (select min(deadline_at) from approvals where status = 'pending'), \
             (select min(grace_until) from approvals where status = 'approved' and outcome = 'waiting')",
        )
        .fetch_one(self.store.read())
        .await?;
        Ok(deadline.unwrap_or(i64::MAX).min(grace.unwrap_or(i64::MAX)))
    }

    /// Ends what is over.
    pub async fn end_due(&self) -> Result<(), StoreError> {
        let clock = self.clock.clone();
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let now = clock.now();
                    let late = "select id from approvals where status = 'pending' and deadline_at <= $1 \
                            order by deadline_at limit $2";
                    for id in due(tx, late, now).await? {
                        life::time_out(tx, &id, now).await?;
                    }
                    let unused = "select id from approvals where status = 'approved' and outcome = 'waiting' \
                              and grace_until <= $1 order by grace_until limit $2";
                    for id in due(tx, unused, now).await? {
                        life::expire(tx, &id, now).await?;
                    }
                    Ok(())
                })
            })
            .await
    }
}

async fn due(tx: &mut Tx, sql: &'static str, now: i64) -> Result<Vec<ApprovalId>, StoreError> {
    let found: Vec<String> = sqlx::query_scalar(sql).bind(now).bind(BATCH).fetch_all(tx.sql()).await?;
    Ok(found.into_iter().map(ApprovalId).collect())
}
