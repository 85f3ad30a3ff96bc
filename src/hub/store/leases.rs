//! Which hub a shim came to, where several hubs serve one PostgreSQL store: each ends only what its own shims hold, and
//! what shims of a hub hold that is gone.
//!
//! A SQLite store has one hub, so there all shims are its own. All hubs of a store go by the time of its database.

use serde_json::json;

use crate::core::ids::{ClientId, InstanceId};
use crate::core::messages::Ungated;
use crate::hub::store::{Connection, Store, StoreError, Tx, Word};

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

    /// This run of this program, and since when another hub must have been seen to be there.
    pub fn hubs_there(&self, now: i64) -> (&str, i64) {
        (&self.0.id, if self.is_shared() { now - GONE_AFTER_MS } else { i64::MAX })
    }

    /// The shim is here, in front of this server, and no other hub's any more.
    pub async fn take_in(&self, tx: &mut Tx, shim: (&ClientId, &InstanceId), server: &str) -> Result<(), StoreError> {
        if !self.is_shared() {
            return Ok(());
        }
        sqlx::query(
            "insert into instances (client_id, instance, hub, server) values ($1, $2, $3, $4) \
             on conflict (client_id, instance) do update set hub = excluded.hub, server = excluded.server, \
             ungated = null, shown = case when instances.hub = excluded.hub and instances.server = excluded.server \
             then instances.shown else 0 end",
        )
        .bind(shim.0.as_str())
        .bind(shim.1.as_str())
        .bind(self.0.id.as_str())
        .bind(server)
        .execute(tx.sql())
        .await?;
        Ok(())
    }

    /// The shim is gone, if it did not come to another hub.
    pub async fn let_go(&self, tx: &mut Tx, shim: (&ClientId, &InstanceId)) -> Result<(), StoreError> {
        self.change(tx.sql(), "delete from instances", shim).await
    }

    /// From now on people at other hubs see the shim's session, too.
    pub async fn show_session(&self, tx: &mut Tx, shim: (&ClientId, &InstanceId)) -> Result<(), StoreError> {
        self.change(tx.sql(), "update instances set shown = 1", shim).await
    }

    /// Changes what other hubs know of a shim that is here.
    async fn change(
        &self,
        connection: &mut Connection,
        change: &str,
        (client_id, instance): (&ClientId, &InstanceId),
    ) -> Result<(), StoreError> {
        if self.is_shared() {
            let sql = format!("{change} where client_id = $1 and instance = $2 and hub = $3");
            let change = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(client_id.as_str()).bind(instance.as_str());
            change.bind(self.0.id.as_str()).execute(connection).await?;
        }
        Ok(())
    }

    /// How many shown sessions each server has at other hubs.
    pub async fn sessions_elsewhere(&self, now: i64) -> Result<Vec<(String, i64)>, StoreError> {
        if !self.is_shared() {
            return Ok(Vec::new());
        }
        let found = sqlx::query_as(
            "select server, count(*) from instances join hubs on hubs.id = instances.hub \
             where shown = 1 and hub <> $1 and seen_at > $2 group by server",
        );
        Ok(found.bind(self.0.id.as_str()).bind(now - GONE_AFTER_MS).fetch_all(self.read()).await?)
    }

    /// Whether any shim stands in front of a server at another hub.
    pub async fn is_served_elsewhere(&self, tx: &mut Tx, server: &str, now: i64) -> Result<bool, StoreError> {
        if !self.is_shared() {
            return Ok(false);
        }
        let found: Option<i64> = sqlx::query_scalar(
            "select 1::bigint from instances join hubs on hubs.id = instances.hub \
             where server = $1 and hub <> $2 and seen_at > $3 limit 1",
        )
        .bind(server)
        .bind(self.0.id.as_str())
        .bind(now - GONE_AFTER_MS)
        .fetch_optional(tx.sql())
        .await?;
        Ok(found.is_some())
    }

    /// Lets other hubs know what the shim's client starts without one.
    pub async fn tell_of_ungated(
        &self,
        (client_id, instance): (&ClientId, &InstanceId),
        ungated: &[Ungated],
    ) -> Result<(), StoreError> {
        if !self.is_shared() {
            return Ok(());
        }
        sqlx::query("update instances set ungated = $4 where client_id = $1 and instance = $2 and hub = $3")
            .bind(client_id.as_str())
            .bind(instance.as_str())
            .bind(self.0.id.as_str())
            .bind((!ungated.is_empty()).then(|| json!(ungated).to_string()))
            .execute(self.read())
            .await?;
        self.say(Word::Ungated).await;
        Ok(())
    }

    /// What clients of shims at other hubs start without one, by agent.
    pub async fn ungated_elsewhere(&self, now: i64) -> Result<Vec<(ClientId, Ungated)>, StoreError> {
        if !self.is_shared() {
            return Ok(Vec::new());
        }
        let found: Vec<(String, String)> = sqlx::query_as(
            "select client_id, ungated from instances join hubs on hubs.id = instances.hub \
             where ungated is not null and hub <> $1 and seen_at > $2",
        )
        .bind(self.0.id.as_str())
        .bind(now - GONE_AFTER_MS)
        .fetch_all(self.read())
        .await?;
        let of_one = |(client_id, ungated): (String, String)| {
            let items: Vec<Ungated> = serde_json::from_str(&ungated).unwrap_or_default();
            items.into_iter().map(move |item| (ClientId(client_id.clone()), item))
        };
        Ok(found.into_iter().flat_map(of_one).collect())
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
