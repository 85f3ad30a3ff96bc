//! What keeps the store in order: expired rows go, what is full and decided is sealed. It takes its turns after everybody
//! else's, however long that takes, and nobody waits for it; what fails is tried again at the next round.

use crate::hub::Hub;
use crate::hub::store::{PIECE, StoreError, Turn};

/// How often, in milliseconds.
const EVERY_MS: i64 = 60_000;
/// How often what has expired is removed, in milliseconds.
const PRUNE_MS: i64 = 3_600_000;

/// What has expired by a time, in pieces of so many.
const EXPIRED: [&str; 6] = [
    "delete from browser_sessions where id in (select id from browser_sessions where expires_at <= $1 limit $2)",
    "delete from user_tokens where hash in (select hash from user_tokens where expires_at <= $1 limit $2)",
    "delete from command_tokens where hash in (select hash from command_tokens where expires_at <= $1 limit $2)",
    "delete from links where hash in (select hash from links where expires_at <= $1 limit $2)",
    // A week, for the page.
    "delete from outbox where id in (select id from outbox where ended_at <= $1 - 604800000 limit $2)",
    // An hour, for a large call to be registered whose pieces are kept.
    "delete from given where (digest, what, place) in (select digest, what, place from given \
     where written_at <= $1 - 3600000 and not exists (select 1 from approvals where approvals.digest = given.digest \
     and approvals.arguments is null) limit $2)",
];

impl Hub {
    /// Round after round, for ever.
    pub(super) async fn keep_up(&self) {
        let mut prune_at = self.now();
        loop {
            let begun = self.now();
            if prune_at <= begun && done(self.prune().await) & done(self.agents.sweep_enrolments().await) {
                prune_at = begun + PRUNE_MS;
            }
            done(self.store.forget_spent(begun).await);
            done(self.approvals.seal_history().await);
            done(self.store.seal_activity().await);
            self.clock.sleep_until(begun + EVERY_MS).await;
        }
    }

    pub(super) async fn prune(&self) -> Result<(), StoreError> {
        let now = self.now();
        for sql in EXPIRED {
            while self.prune_piece(sql, now).await? == PIECE as u64 {}
        }
        self.store.write(move |tx| Box::pin(async move { tx.prune_hubs(now).await })).await
    }

    /// How many rows went: others get their turn before there are more.
    async fn prune_piece(&self, sql: &'static str, now: i64) -> Result<u64, StoreError> {
        self.store
            .write_in(Turn::Upkeep, PIECE, move |tx| {
                Box::pin(async move {
                    let pruned = sqlx::query(sql).bind(now).bind(PIECE as i64).execute(tx.sql()).await?;
                    Ok::<_, StoreError>(pruned.rows_affected())
                })
            })
            .await
    }
}

/// Whether that was done; why not is logged.
fn done(result: Result<(), impl std::fmt::Display>) -> bool {
    if let Err(error) = &result {
        tracing::error!(%error, "the store could not be kept in order; trying again");
    }
    result.is_ok()
}
