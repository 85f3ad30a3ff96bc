//! What happens by itself: deadlines, graces, lost shims, pruning. It sleeps until the next of them, and no longer.

use std::time::Duration;

use crate::core::ids::{ClientId, InstanceId};
use crate::hub::Hub;
use crate::hub::store::StoreError;

/// After a failure of the store, the next try, in milliseconds.
const RETRY_MS: i64 = 1_000;
/// How often what has expired is removed, in milliseconds.
const PRUNE_MS: i64 = 3_600_000;
/// The command line writes to the same store; this is how soon its changes count.
const LOOK_OUTSIDE: Duration = Duration::from_secs(1);

impl Hub {
    /// Deadlines, graces, resume windows and pruning, until shutdown; one process per store runs it.
    pub async fn run_background(&self) {
        let stop = self.shutdown();
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.sweep_for_ever() => {}
            () = self.watch_outside() => {}
        }
    }

    async fn sweep_for_ever(&self) {
        while let Err(error) = self.expect_all_back().await {
            tracing::error!(%error, "cannot read which shims are expected back");
            self.clock.sleep_until(self.now() + RETRY_MS).await;
        }
        let mut prune_at = self.now();
        loop {
            let bus = self.store.bus();
            bus.sweeper_asks();
            let next = match self.sweep(&mut prune_at).await {
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
    async fn sweep(&self, prune_at: &mut i64) -> Result<i64, StoreError> {
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
        if *prune_at <= self.now() {
            self.prune().await?;
            *prune_at = self.now() + PRUNE_MS;
        }
        let given_up = self.live.next_given_up().unwrap_or(i64::MAX);
        Ok(next.min(*prune_at).min(given_up))
    }

    /// After a start, every shim with something open has as long to come back as one that was just lost.
    async fn expect_all_back(&self) -> Result<(), StoreError> {
        let open: Vec<(String, String)> = sqlx::query_as(
            "select client_id, instance from approvals where outcome in ('waiting', 'released') and kept = 0 \
             union select client_id, instance from activity where running is not null and outcome = 'released'",
        )
        .fetch_all(self.store.read())
        .await?;
        for (client_id, instance) in open {
            let (client_id, instance) = (ClientId(client_id), InstanceId(instance));
            if !self.live.is_connected(&client_id, &instance) {
                let until = self.now() + self.resume_within_ms;
                self.live.expect_back(client_id.clone(), instance.clone(), until);
                self.store.bus().wake_sweeper();
                self.approvals.lost(&client_id, &instance).await?;
            }
        }
        Ok(())
    }

    async fn prune(&self) -> Result<(), StoreError> {
        let clock = self.clock.clone();
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    for sql in [
                        "delete from web_sessions where expires_at <= $1",
                        "delete from user_tokens where expires_at <= $1",
                        "delete from command_tokens where expires_at <= $1",
                        "delete from links where expires_at <= $1",
                        // A week, for the page.
                        "delete from outbox where ended_at <= $1 - 604800000",
                    ] {
                        sqlx::query(sql).bind(clock.now()).execute(tx.sql()).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Notices what other processes wrote, and wakes our sessions for it.
    async fn watch_outside(&self) {
        let mut tick = tokio::time::interval(LOOK_OUTSIDE);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let outcome = tokio::select! {
                _ = tick.tick() => self.store.look_outside().await,
                gaps = self.store.bus().gaps() => self.deliver_gaps(gaps).await,
            };
            if let Err(error) = outcome {
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
