//! What happens by itself: deadlines, graces, lost shims, pruning. It sleeps until the next of them, and no longer.

use crate::hub::Hub;
use crate::hub::store::{BEAT_MS, PIECE, StoreError, Turn};

/// After a failure of the store, the next try, in milliseconds.
const RETRY_MS: i64 = 1_000;
/// How often what is full and decided is sealed, in milliseconds.
const SEAL_MS: i64 = 60_000;
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

/// When what comes again and again is due.
struct Rounds {
    prune_at: i64,
    beat_at: i64,
    adopt_at: i64,
    seal_at: i64,
}

impl Hub {
    /// Deadlines, graces, resume windows and pruning, until shutdown; every hub on a store runs it.
    pub async fn run_background(&self) {
        let stop = self.shutdown();
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.sweep_for_ever() => {}
            () = self.store.hear_others() => {}
            () = self.deliver_outside() => {}
        }
        if let Err(error) = self.store.beat_no_more().await {
            tracing::warn!(%error, "other hubs cannot be told that this one stops");
        }
    }

    async fn sweep_for_ever(&self) {
        let mut rounds =
            Rounds { prune_at: self.now(), beat_at: self.now(), adopt_at: self.now(), seal_at: self.now() };
        loop {
            let bus = self.store.bus();
            bus.sweeper_asks();
            let next = match self.sweep(&mut rounds).await {
                Ok(next) => next,
                Err(error) => {
                    tracing::error!(%error, "deadlines could not be kept; trying again");
                    self.now() + RETRY_MS
                }
            };
            bus.sweeper_sleeps_until(next);
            tokio::select! {
                () = self.clock.sleep_until(next) => {}
                () = bus.sooner() => {}
            }
        }
    }

    /// Does everything that is due; returns when something will be.
    async fn sweep(&self, rounds: &mut Rounds) -> Result<i64, StoreError> {
        // What is due again is so from when it was begun, however long it took.
        let begun = self.now();
        if rounds.adopt_at <= begun {
            self.expect_orphans_back().await?;
            rounds.adopt_at = i64::MAX;
            if self.store.is_shared() {
                self.store.forget_spent(begun).await?;
                rounds.adopt_at = begun + BEAT_MS;
            }
        }
        for (client_id, instance, shown) in self.live.given_up(self.now()) {
            self.approvals.gone(&client_id, &instance).await?;
            if let Some(shim) = shown {
                self.shims.note_session(&shim, "session.closed").await?;
            }
            self.live.forget(&client_id, &instance);
        }
        let mut next = self.approvals.next_due().await?;
        while next <= self.now() {
            self.approvals.end_due().await?;
            next = self.approvals.next_due().await?;
        }
        if rounds.prune_at <= begun {
            self.prune().await?;
            if let Err(error) = self.agents.sweep_enrolments().await {
                tracing::error!(%error, "machines that wait no more could not be forgotten");
            }
            rounds.prune_at = begun + PRUNE_MS;
        }
        if rounds.seal_at <= begun {
            self.approvals.seal_history().await?;
            self.store.seal_activity().await?;
            rounds.seal_at = begun + SEAL_MS;
        }
        if rounds.beat_at <= begun {
            self.store.beat(begun).await?;
            rounds.beat_at = begun + BEAT_MS;
        }
        // While something waits, its time is kept up with in the store: a clock that is set back between two runs
        // lengthens nothing by more than a beat. A hub that shares its store shows itself all the time.
        let beats = self.store.is_shared() || next < i64::MAX;
        let beat_at = if beats { rounds.beat_at } else { i64::MAX };
        let given_up = self.live.next_given_up().unwrap_or(i64::MAX);
        Ok(next.min(rounds.prune_at).min(rounds.adopt_at).min(rounds.seal_at).min(beat_at).min(given_up))
    }

    /// After a start, and when another hub is gone, every shim with something open has as long to come back as one that
    /// was just lost.
    async fn expect_orphans_back(&self) -> Result<(), StoreError> {
        for (client_id, instance) in self.store.orphans(self.now()).await? {
            let until = self.now() + self.resume_within_ms;
            if self.live.expect_back(&client_id, &instance, until) {
                self.approvals.lost(&client_id, &instance).await?;
            }
        }
        Ok(())
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

    /// Wakes our sessions for what other processes wrote.
    async fn deliver_outside(&self) {
        loop {
            let gaps = self.store.bus().gaps().await;
            if let Err(error) = self.deliver_gaps(gaps).await {
                tracing::error!(%error, "cannot read what other processes wrote");
            }
        }
    }

    async fn deliver_gaps(&self, gaps: Vec<(i64, i64)>) -> Result<(), StoreError> {
        for (first, last) in gaps {
            self.store.deliver_from_outside(first, last).await?;
        }
        Ok(())
    }
}
