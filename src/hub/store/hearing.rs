//! Hearing at once what other hubs on one PostgreSQL store record: the transaction that records it notifies, and every
//! hub listens. What was not heard, while the connection was lost or for any other reason, is read from the record; a
//! [`Word`] is in no record, and decides nothing.

use std::sync::atomic::Ordering;
use std::time::Duration;

use sqlx::postgres::PgListener;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::{Store, StoreError, Word};

/// Where hubs notify each other; hubs on other stores in one database are heard, too, and only make us look.
pub(super) const CHANNEL: &str = "hitl";
/// How soon our own word must be heard.
const HEARD_WITHIN: Duration = Duration::from_secs(5);
/// After a lost connection, the next try.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How often it is looked whether there is something that was not heard.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// How often it is looked where nobody can be heard: the command line writes to the same store.
const LOOK_EVERY_UNHEARD: Duration = Duration::from_secs(1);

/// Stands before what is said beside the record: the store's key, and the word.
const SAYS: &str = "says ";
/// The longest of that; PostgreSQL passes on 8,000 bytes.
const MAX_SAID: usize = 7_000;

/// Why a store is not served.
const NOT_PASSED_ON: &str = "PostgreSQL takes LISTEN there, but what is notified does not arrive, as through PgBouncer \
                             in transaction mode or at another database; name the store's database itself, past such a \
                             pool, in listen_database (HITL_LISTEN_DATABASE)";

impl Store {
    /// From here on other hubs are heard there; refused where nothing is heard. A SQLite store has no other hubs.
    pub async fn listen_at(&self, url: &str) -> Result<(), StoreError> {
        self.listener(url).await.map(drop)?;
        // The first is as good as any.
        let _ = self.0.listen.set(url.to_owned());
        Ok(())
    }

    /// Whether other hubs may have recorded something that this one has not heard.
    pub fn is_deaf(&self) -> bool {
        self.0.deaf.load(Ordering::Relaxed)
    }

    /// Notices what others record, for ever.
    pub async fn hear_others(&self) {
        let Some(url) = self.0.listen.get() else { return self.look_again_and_again().await };
        loop {
            match self.listener(url).await {
                Ok(listener) => {
                    self.0.deaf.store(false, Ordering::Relaxed);
                    let error = self.heed(listener).await;
                    tracing::warn!(%error, "other hubs are not heard; connecting again");
                }
                Err(error) => tracing::error!(%error, "other hubs are not heard"),
            }
            self.0.deaf.store(true, Ordering::Relaxed);
            sleep(AGAIN_AFTER).await;
            self.look().await;
        }
    }

    /// Tells other hubs; one that does not hear now never does, so nothing depends on it.
    pub async fn say(&self, word: Word) {
        if self.0.listen.get().is_none() {
            return;
        }
        let said = async {
            let store = self.identity().await?.fingerprint().to_string();
            let word = serde_json::to_string(&word).unwrap_or_default();
            let text = format!("{} {SAYS}{store} {word}", self.0.id);
            if text.len() <= MAX_SAID {
                let notify = sqlx::query("select pg_notify($1, $2)::text").bind(CHANNEL).bind(text);
                notify.execute(self.read()).await?;
            }
            Ok::<(), StoreError>(())
        };
        if let Err(error) = said.await {
            tracing::warn!(%error, "other hubs could not be told");
        }
    }

    /// What a hub said beside the record: nothing, where that is none of ours. `None`: it recorded something.
    async fn said_in(&self, payload: &str) -> Option<Option<Word>> {
        let (_, said) = payload.split_once(' ')?;
        let (store, word) = said.strip_prefix(SAYS)?.split_once(' ')?;
        // Hubs on other stores in this database are heard, too.
        let own = self.identity().await.ok()?.fingerprint().to_string() == store;
        Some(serde_json::from_str(word).ok().filter(|_| own))
    }

    /// A listener that has heard our own word.
    async fn listener(&self, url: &str) -> Result<PgListener, StoreError> {
        let cannot = |error: sqlx::Error| StoreError::Open(format!("cannot listen for other hubs: {error}"));
        let mut listener = PgListener::connect(url).await.map_err(cannot)?;
        listener.eager_reconnect(false);
        if self.is_pooled(&mut listener).await? {
            return Err(StoreError::Open(NOT_PASSED_ON.to_owned()));
        }
        listener.listen(CHANNEL).await.map_err(cannot)?;
        let word = format!("{} listens {}", self.0.id, uuid::Uuid::now_v7());
        sqlx::query("select pg_notify($1, $2)::text").bind(CHANNEL).bind(word.as_str()).execute(self.read()).await?;
        let own = async {
            while listener.recv().await?.payload() != word {}
            Ok(())
        };
        match timeout(HEARD_WITHIN, own).await {
            Ok(heard) => heard.map_err(cannot)?,
            Err(_) => return Err(StoreError::Open(NOT_PASSED_ON.to_owned())),
        }
        Ok(listener)
    }

    /// Whether the listener's connection is one of a pool that gives it to others between two transactions, as far as
    /// that can be seen: who listened there would leave it listening for whoever gets it next.
    async fn is_pooled(&self, listener: &mut PgListener) -> Result<bool, StoreError> {
        const WHICH: &str = "select pg_backend_pid()::bigint";
        let before: i64 = sqlx::query_scalar(WHICH).fetch_one(&mut *listener).await?;
        let mut other = self.read().begin().await?;
        let beside: i64 = sqlx::query_scalar(WHICH).fetch_one(&mut *other).await?;
        let after: i64 = sqlx::query_scalar(WHICH).fetch_one(&mut *listener).await?;
        other.rollback().await?;
        Ok(beside == before || after != before)
    }

    /// Looks whenever another hub notifies, until that cannot be relied on any more; why.
    async fn heed(&self, mut listener: PgListener) -> String {
        // What was recorded before we listened.
        self.look().await;
        let mut tick = interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tick.reset();
        loop {
            tokio::select! {
                heard = listener.try_recv() => match heard {
                    Ok(Some(word)) if word.payload().starts_with(&self.0.id) => {}
                    Ok(Some(word)) => match self.said_in(word.payload()).await {
                        Some(word) => word.iter().for_each(|word| self.bus().heard(word)),
                        None => self.look().await,
                    },
                    Ok(None) => return "the connection was lost".to_owned(),
                    Err(error) => return error.to_string(),
                },
                _ = tick.tick() => self.look().await,
            }
        }
    }

    async fn look(&self) {
        if let Err(error) = self.look_outside().await {
            tracing::error!(%error, "cannot read what other processes wrote");
        }
    }

    async fn look_again_and_again(&self) {
        let mut tick = interval(LOOK_EVERY_UNHEARD);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            self.look().await;
        }
    }
}
