//! The channels in the store.

use crate::config::notify::Channel;
use crate::core::ids::Digest;
use crate::hub::store::{Connection, StoreError, Tx};

/// A channel as it is stored.
pub(super) struct Stored {
    pub(super) channel: Channel,
    pub(super) from_file: bool,
}

/// What a channel is called where it has no name.
pub(super) fn shown(channel: &Channel) -> &str {
    if channel.name.is_empty() { channel.kind.as_str() } else { &channel.name }
}

/// Writes a channel.
pub(super) async fn put(
    tx: &mut Tx,
    channel: &Channel,
    place: usize,
    from_file: bool,
    now: i64,
) -> Result<(), StoreError> {
    let config = serde_json::to_string(channel).map_err(|error| StoreError::Failed(error.to_string()))?;
    // What failed before is tried again at once: somebody has just changed something.
    sqlx::query(
        "insert into channels (id, place, from_file, kind, enabled, config, version, ready_at, failures) \
         values ($1, $2, $3, $4, $5, $6, 1, 0, 0) on conflict (id) do update set place = excluded.place, \
         from_file = excluded.from_file, kind = excluded.kind, enabled = excluded.enabled, \
         ready_at = case when channels.config = excluded.config then channels.ready_at else 0 end, \
         version = channels.version + 1, config = excluded.config",
    )
    .bind(channel.id.as_str())
    .bind(i64::try_from(place).unwrap_or(i64::MAX))
    .bind(i64::from(from_file))
    .bind(channel.kind.as_str())
    .bind(i64::from(channel.enabled))
    .bind(config)
    .execute(tx.sql())
    .await?;
    sqlx::query(
        "update outbox set next_at = $2 where channel = $1 and ended_at is null and attempts > 0 and next_at > $2",
    )
    .bind(channel.id.as_str())
    .bind(now)
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Removes a channel, and what waits for it.
pub(super) async fn remove(tx: &mut Tx, id: &str) -> Result<(), StoreError> {
    sqlx::query("delete from outbox where channel = $1").bind(id).execute(tx.sql()).await?;
    sqlx::query("delete from channels where id = $1").bind(id).execute(tx.sql()).await?;
    Ok(())
}

/// What waits for a channel that was switched off is not sent, today or when it is switched on again.
pub(super) async fn drop_unheard(tx: &mut Tx, now: i64) -> Result<(), StoreError> {
    sqlx::query(
        "update outbox set ended = 'stale', ended_at = $1 where ended_at is null \
         and channel in (select id from channels where enabled = 0)",
    )
    .bind(now)
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// All channels but those of browsers, those of the file first.
pub(super) async fn all(connection: &mut Connection) -> Result<Vec<Stored>, StoreError> {
    let found: Vec<(String, i64)> = sqlx::query_as(
        "select config, from_file from channels where kind <> 'browser' order by from_file desc, place, id",
    )
    .fetch_all(connection)
    .await?;
    let stored = |(config, from_file): (String, i64)| Ok(Stored { channel: read(&config)?, from_file: from_file != 0 });
    found.into_iter().map(stored).collect()
}

/// A channel's stored text.
pub(super) fn read(config: &str) -> Result<Channel, StoreError> {
    serde_json::from_str(config).map_err(|_| StoreError::Failed("a row holds no valid channel".to_owned()))
}

/// Changes whenever a channel does.
pub(super) fn revision_of(channels: &[Stored]) -> String {
    let texts: Vec<_> = channels.iter().map(|one| serde_json::to_string(&one.channel).unwrap_or_default()).collect();
    let fields: Vec<_> = texts.iter().map(String::as_bytes).collect();
    Digest::of_fields(&fields).as_str()[..16].to_owned()
}
