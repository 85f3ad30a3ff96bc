//! What happens by itself and in time: deadlines, graces, lost shims. It sleeps until the next of them, and no longer.

use crate::hub::Hub;
use crate::hub::store::{BEAT_MS, StoreError};

/// After a failure of the store, the next try, in milliseconds.
const RETRY_MS: i64 = 1_000;
/// When what comes again and again is due.
struct Rounds {
    beat_at: i64,
    adopt_at: i64,
}

impl Hub {
    /// Deadlines, graces, resume windows and upkeep, until shutdown; every hub on a store runs it.
    pub async fn run_background(&self) {
        let stop = self.shutdown();
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.sweep_for_ever() => {}
            () = self.keep_up() => {}
            () = self.store.hear_others() => {}
            () = self.deliver_outside() => {}
        }
        if let Err(error) = self.store.beat_no_more().await {
            tracing::warn!(%error, "other hubs cannot be told that this one stops");
        }
    }

    async fn sweep_for_ever(&self) {
        let mut rounds = Rounds { beat_at: self.now(), adopt_at: self.now() };
        loop {
            let bus = self.store.bus();
            bus.sweeper_asks();
            let next = match self.sweep(&mut rounds).await {
                Ok(next) => next,
                Err(error) => {
                    tracing::error!(%error, "deadlines could not be kept; trying again");
                    if error.passes() {
                        // No shim could come back meanwhile.
                        self.live.put_off(self.now() + self.resume_within_ms);
                    }
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
            rounds.adopt_at = if self.store.is_shared() { begun + BEAT_MS } else { i64::MAX };
        }
        for (client_id, instance, shown) in self.live.given_up(begun) {
            // It may have come back while the store was busy with another.
            if !self.live.is_given_up(&client_id, &instance, begun) {
                continue;
            }
            self.approvals.gone(&client_id, &instance).await?;
            if let Some(shim) = shown {
                self.shims.note_session(&shim, "session.closed").await?;
            }
            self.live.forget(&client_id, &instance, begun);
        }
        let mut next = self.approvals.next_due().await?;
        while next <= self.now() {
            self.approvals.end_due().await?;
            next = self.approvals.next_due().await?;
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
        Ok(next.min(rounds.adopt_at).min(beat_at).min(given_up))
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

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::poll;

    use super::*;
    use crate::core::approval::Status;
    use crate::core::ids::InstanceId;
    use crate::core::weigh::Opinion;
    use crate::hub::store::testing::sqlite;
    use crate::hub::tests::desk::{Desk, request};
    use crate::hub::who::Shim;

    #[tokio::test]
    async fn a_shim_that_comes_back_while_the_store_is_busy_with_another_is_not_given_up() {
        let desk = Desk::on(sqlite().await).await;
        let (hub, mut held) = (&desk.hub, Vec::new());
        let shims = ["one", "two"].map(|name| Shim { instance: InstanceId::from(name), ..desk.shim.clone() });
        let number = |shim: &Shim| hub.live.join(&shim.client_id, &shim.instance, &shim.server).number;
        for shim in &shims {
            let call = request(shim, "delete_repo", "{}");
            held.push(call.id.clone());
            hub.approvals.register(shim, call, &Opinion::None).await.unwrap();
            hub.shims.shim_lost(shim, number(shim)).await.unwrap();
        }
        hub.clock.advance(15_000);
        let mut rounds = Rounds { beat_at: i64::MAX, adopt_at: i64::MAX };
        let mut sweep = pin!(hub.sweep(&mut rounds));
        assert!(poll!(sweep.as_mut()).is_pending(), "the store is to give up the first");
        // Meanwhile both come back, and are lost again.
        for shim in &shims {
            assert!(hub.live.lose(shim, number(shim), hub.now() + 15_000));
        }
        sweep.await.unwrap();
        let mut pending = 0;
        for id in &held {
            pending += usize::from(hub.approvals.approval(id).await.unwrap().unwrap().status == Status::Pending);
        }
        assert_eq!(pending, 1, "the second keeps its call");
        hub.clock.advance(15_000);
        assert_eq!(hub.live.given_up(hub.now()).len(), 2, "and each has its time again");
    }
}
