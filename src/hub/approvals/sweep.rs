//! What happens by itself: deadlines, graces, lost shims, pruning. It sleeps until the next of them, and no longer.

use std::time::Duration;

use crate::core::ids::{ApprovalId, ClientId, InstanceId};
use crate::hub::Hub;
use crate::hub::approvals::hold::{self, Shim};
use crate::hub::store::{StoreError, Tx};

/// After a failure of the store, the next try, in milliseconds.
const RETRY_MS: i64 = 1_000;
/// How often what has expired is removed, in milliseconds.
const PRUNE_MS: i64 = 3_600_000;
/// The command line writes to the same store; this is how soon its changes count.
const LOOK_OUTSIDE: Duration = Duration::from_secs(1);
/// How many are dealt with in one transaction.
const BATCH: i64 = 200;

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
            self.0.clock.sleep_until(self.now() + RETRY_MS).await;
        }
        let mut prune_at = self.now();
        loop {
            let bus = self.0.store.bus();
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
                () = self.0.clock.sleep_until(next) => {}
                () = bus.sooner() => {}
            }
        }
    }

    /// Does everything that is due; returns when something will be.
    async fn sweep(&self, prune_at: &mut i64) -> Result<i64, StoreError> {
        for (client_id, instance, shown) in self.0.store.bus().live().given_up(self.now()) {
            self.gone(&client_id, &instance).await?;
            if let Some(shim) = shown {
                self.note_session(&shim, "session.closed").await?;
            }
            self.0.store.bus().live().forget(&client_id, &instance);
        }
        let mut next = self.next_due().await?;
        while next <= self.now() {
            self.end_due().await?;
            next = self.next_due().await?;
        }
        if *prune_at <= self.now() {
            self.prune().await?;
            *prune_at = self.now() + PRUNE_MS;
        }
        let given_up = self.0.store.bus().live().next_given_up().unwrap_or(i64::MAX);
        Ok(next.min(*prune_at).min(given_up))
    }

    async fn next_due(&self) -> Result<i64, StoreError> {
        let (deadline, grace): (Option<i64>, Option<i64>) = sqlx::query_as(
            "select (select min(deadline_at) from approvals where status = 'pending'), \
             (select min(grace_until) from approvals where status = 'approved' and outcome = 'waiting')",
        )
        .fetch_one(self.0.store.read())
        .await?;
        Ok(deadline.unwrap_or(i64::MAX).min(grace.unwrap_or(i64::MAX)))
    }

    async fn end_due(&self) -> Result<(), StoreError> {
        let clock = self.0.clock.clone();
        self.write(move |tx| {
            Box::pin(async move {
                let now = clock.now();
                let late = "select id from approvals where status = 'pending' and deadline_at <= $1 \
                            order by deadline_at limit $2";
                for id in due(tx, late, now).await? {
                    hold::time_out(tx, &id, now).await?;
                }
                let unused = "select id from approvals where status = 'approved' and outcome = 'waiting' \
                              and grace_until <= $1 order by grace_until limit $2";
                for id in due(tx, unused, now).await? {
                    hold::expire(tx, &id, hold::UNUSED, now).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// After a start, every shim with something open has as long to come back as one that was just lost.
    async fn expect_all_back(&self) -> Result<(), StoreError> {
        let open: Vec<(String, String)> = sqlx::query_as(
            "select client_id, instance from approvals where outcome in ('waiting', 'released') and kept = 0 \
             union select client_id, instance from activity where running is not null and outcome = 'released'",
        )
        .fetch_all(self.0.store.read())
        .await?;
        for (client_id, instance) in open {
            let (client_id, instance) = (ClientId(client_id), InstanceId(instance));
            if !self.0.store.bus().live().is_connected(&client_id, &instance) {
                let until = self.now() + self.0.resume_within_ms;
                self.0.store.bus().live().expect_back(client_id.clone(), instance.clone(), until);
                self.0.store.bus().wake_sweeper();
                self.lost(&client_id, &instance).await?;
            }
        }
        Ok(())
    }

    async fn prune(&self) -> Result<(), StoreError> {
        let clock = self.0.clock.clone();
        self.write(move |tx| {
            Box::pin(async move {
                for sql in [
                    "delete from web_sessions where expires_at <= $1",
                    "delete from user_tokens where expires_at <= $1",
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
                _ = tick.tick() => self.look_outside().await,
                gaps = self.0.store.bus().gaps() => self.deliver_gaps(gaps).await,
            };
            if let Err(error) = outcome {
                tracing::error!(%error, "cannot read what other processes wrote");
            }
        }
    }

    async fn deliver_gaps(&self, gaps: Vec<(i64, i64)>) -> Result<(), StoreError> {
        for (first, last) in gaps {
            self.deliver_from_outside(first, last).await?;
        }
        Ok(())
    }

    /// A session was lost without goodbye: its shim has a while to come back, and what it may still use stays usable.
    pub(in crate::hub) async fn shim_lost(&self, shim: &Shim, number: u64) -> Result<(), StoreError> {
        let until = self.now() + self.0.resume_within_ms;
        let bus = self.0.store.bus();
        if !bus.live().lose(shim, number, until) {
            return Ok(());
        }
        bus.wake_sweeper();
        self.lost(&shim.client_id, &shim.instance).await
    }
}

async fn due(tx: &mut Tx, sql: &'static str, now: i64) -> Result<Vec<ApprovalId>, StoreError> {
    let found: Vec<String> = sqlx::query_scalar(sql).bind(now).bind(BATCH).fetch_all(tx.sql()).await?;
    Ok(found.into_iter().map(ApprovalId).collect())
}
