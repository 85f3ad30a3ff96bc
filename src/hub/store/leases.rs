//! Which hub a shim came to, where several hubs serve one PostgreSQL store: each ends only what its own shims hold, and
//! what shims of a hub hold that is gone.
//!
//! A SQLite store has one hub, so there all shims are its own. All hubs of a store go by the time of its database.

use crate::core::ids::{ClientId, InstanceId};
use crate::hub::store::{Store, StoreError, Tx};

/// How often a hub shows that it is there, in milliseconds.
pub const BEAT_MS: i64 = 5_000;
/// A hub that was not seen for so long is gone, in milliseconds.
const GONE_AFTER_MS: i64 = 20_000;
/// How many bytes are as much as a change takes.
const ROOM: usize = 64 << 10;
/// The rows of a hub that was not seen for so long are removed, in milliseconds.
const FORGOTTEN_AFTER_MS: i64 = 86_400_000;

impl Store {
    /// This run of this program.
    #[cfg(test)]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Shows that this hub is there, and when; fails while the store cannot be written.
    pub async fn beat(&self, now: i64) -> Result<(), StoreError> {
        self.beat_with(None, now).await
    }

    /// The same, with so much written as a change takes; a full disk may have room for the beat alone.
    pub(super) async fn beat_loudly(&self, now: i64) -> Result<(), StoreError> {
        self.beat_with(Some("x".repeat(ROOM)), now).await
    }

    async fn beat_with(&self, room: Option<String>, now: i64) -> Result<(), StoreError> {
        let id = self.0.id.clone();
        self.write(move |tx| {
            Box::pin(async move {
                sqlx::query(
                    "insert into hubs (id, seen_at, room) values ($1, $2, $3) on conflict (id) do update set \
                     seen_at = excluded.seen_at, room = excluded.room",
                )
                .bind(id)
                .bind(now)
                .bind(room)
                .execute(tx.sql())
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// This hub stops: what its shims hold is for them, and whichever hub they come to.
    pub async fn beat_no_more(&self) -> Result<(), StoreError> {
        let id = self.0.id.clone();
        self.write(move |tx| {
            Box::pin(async move {
                sqlx::query("delete from hubs where id = $1").bind(id).execute(tx.sql()).await?;
                Ok(())
            })
        })
        .await
    }

    /// The shims with something open whose hub is gone.
    pub async fn orphans(&self, now: i64) -> Result<Vec<(ClientId, InstanceId)>, StoreError> {
        let found: Vec<(String, String)> = sqlx::query_as(
            "select client_id, instance from (\
             select client_id, instance from approvals where outcome in ('waiting', 'released') and kept = 0 union \
             select client_id, instance from activity where running is not null and outcome = 'released') held \
             where not exists (select 1 from instances join hubs on hubs.id = instances.hub where hubs.seen_at > $1 \
             and instances.client_id = held.client_id and instances.instance = held.instance)",
        )
        .bind(now - GONE_AFTER_MS)
        .fetch_all(self.read())
        .await?;
        Ok(found.into_iter().map(|(client_id, instance)| (ClientId(client_id), InstanceId(instance))).collect())
    }

    /// The shim is here, and no other hub's any more.
    pub async fn take_in(&self, tx: &mut Tx, client_id: &ClientId, instance: &InstanceId) -> Result<(), StoreError> {
        if !self.is_shared() {
            return Ok(());
        }
        sqlx::query(
            "insert into instances (client_id, instance, hub) values ($1, $2, $3) \
             on conflict (client_id, instance) do update set hub = excluded.hub",
        )
        .bind(client_id.as_str())
        .bind(instance.as_str())
        .bind(self.0.id.as_str())
        .execute(tx.sql())
        .await?;
        Ok(())
    }

    /// Whether the shim came to another hub since, and that one is there.
    pub async fn is_elsewhere(
        &self,
        tx: &mut Tx,
        client_id: &ClientId,
        instance: &InstanceId,
        now: i64,
    ) -> Result<bool, StoreError> {
        if !self.is_shared() {
            return Ok(false);
        }
        let found: Option<i64> = sqlx::query_scalar(
            "select 1 from instances join hubs on hubs.id = instances.hub where instances.client_id = $1 \
             and instances.instance = $2 and instances.hub <> $3 and hubs.seen_at > $4",
        )
        .bind(client_id.as_str())
        .bind(instance.as_str())
        .bind(self.0.id.as_str())
        .bind(now - GONE_AFTER_MS)
        .fetch_optional(tx.sql())
        .await?;
        Ok(found.is_some())
    }
}

impl Tx {
    /// Removes what tells of hubs that are long gone, and of shims that came to them last.
    pub async fn prune_hubs(&mut self, now: i64) -> Result<(), StoreError> {
        sqlx::query("delete from hubs where seen_at <= $1").bind(now - FORGOTTEN_AFTER_MS).execute(self.sql()).await?;
        sqlx::query("delete from instances where not exists (select 1 from hubs where hubs.id = instances.hub)")
            .execute(self.sql())
            .await?;
        Ok(())
    }
}
