//! The trusted agent bypass lists: who may skip approval on a server, by whose word, why and until when.
//!
//! An entry that has expired stays visible until somebody takes it off, and counts for nothing.

use std::collections::BTreeSet;

use serde::Deserialize as _;
use serde_json::Value;

use crate::core::ids::ClientId;
use crate::hub::error::ChangeError;
use crate::hub::model::{Bypass, BypassEntry};
use crate::hub::servers::row;
use crate::hub::store::{Connection, StoreError, Tx};

/// The most entries a server may have.
const MAX_ENTRIES: usize = 1000;
/// The longest reason, in characters.
const MAX_REASON: usize = 500;
/// The longest client id, in characters.
const MAX_ID: usize = 128;

/// An entry as it is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// As it is, or new without reason and expiry.
    Kept(ClientId),
    /// With this reason and expiry.
    Set(BypassEntry),
}

impl Wanted {
    fn client_id(&self) -> &ClientId {
        match self {
            Self::Kept(id) => id,
            Self::Set(entry) => &entry.client_id,
        }
    }
}

/// Reads a list as it came in JSON; a fault is named with its place.
pub(super) fn read(list: &[Value], now: i64) -> Result<Vec<Wanted>, ChangeError> {
    if list.len() > MAX_ENTRIES {
        return Err(fault("bypass", format!("a bypass list has at most {MAX_ENTRIES} agents")));
    }
    let mut seen = BTreeSet::new();
    let mut wanted = Vec::with_capacity(list.len());
    for (index, entry) in list.iter().enumerate() {
        let place = format!("bypass[{index}]");
        let entry = read_entry(entry, &place, now)?;
        if !seen.insert(entry.client_id().clone()) {
            return Err(fault(place, format!("{} is in the list already", entry.client_id())));
        }
        wanted.push(entry);
    }
    Ok(wanted)
}

fn read_entry(entry: &Value, place: &str, now: i64) -> Result<Wanted, ChangeError> {
    let wanted = match entry {
        Value::String(id) => Wanted::Kept(ClientId(id.clone())),
        _ => Wanted::Set(BypassEntry::deserialize(entry).map_err(|error| fault(place, error.to_string()))?),
    };
    let id = wanted.client_id().as_str();
    if id.is_empty() || id.trim() != id || id.chars().count() > MAX_ID || id.chars().any(char::is_control) {
        return Err(fault(place, format!("a client id is 1 to {MAX_ID} visible characters")));
    }
    let Wanted::Set(set) = &wanted else { return Ok(wanted) };
    if set.reason.as_ref().is_some_and(|words| words.chars().count() > MAX_REASON || words.contains('\0')) {
        return Err(fault(format!("{place}.reason"), format!("a reason has at most {MAX_REASON} characters")));
    }
    if set.expires_at.is_some_and(|at| at <= now) {
        return Err(fault(format!("{place}.expires_at"), "this time is past already".to_owned()));
    }
    Ok(wanted)
}

fn fault(place: impl Into<String>, why: String) -> ChangeError {
    ChangeError::Fault { place: place.into(), why }
}

/// The agents whose entries count now.
pub(super) fn in_force(entries: &[Bypass]) -> BTreeSet<ClientId> {
    entries.iter().filter(|entry| !entry.expired).map(|entry| entry.client_id.clone()).collect()
}

/// The entries of a server.
pub(super) async fn of_server(connection: &mut Connection, server: &str, now: i64) -> Result<Vec<Bypass>, StoreError> {
    let found = sqlx::query("select * from bypasses where server = $1 order by client_id")
        .bind(server)
        .fetch_all(connection)
        .await?;
    found.iter().map(|row| row::bypass(row, now)).collect()
}

/// Makes the list as it is wanted; what stays keeps its story.
pub(super) async fn store(
    tx: &mut Tx,
    server: &str,
    before: &[Bypass],
    wanted: &[Wanted],
    by: &str,
    now: i64,
) -> Result<(), StoreError> {
    for gone in before.iter().filter(|entry| !wanted.iter().any(|wanted| wanted.client_id() == &entry.client_id)) {
        sqlx::query("delete from bypasses where server = $1 and client_id = $2")
            .bind(server)
            .bind(gone.client_id.as_str())
            .execute(tx.sql())
            .await?;
    }
    for entry in wanted {
        let known = before.iter().find(|known| known.client_id == *entry.client_id());
        match entry {
            // An expired entry that is named anew is wanted anew.
            Wanted::Kept(id) if known.is_none_or(|known| known.expired) => put(tx, server, id, None, by, now).await?,
            Wanted::Kept(_) => {}
            Wanted::Set(set) if known.is_some_and(|known| same(known, set)) => {}
            Wanted::Set(set) => put(tx, server, &set.client_id, Some(set), by, now).await?,
        }
    }
    Ok(())
}

fn same(known: &Bypass, set: &BypassEntry) -> bool {
    known.reason == set.reason && known.expires_at == set.expires_at
}

async fn put(
    tx: &mut Tx,
    server: &str,
    id: &ClientId,
    set: Option<&BypassEntry>,
    by: &str,
    now: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into bypasses (server, client_id, added_by, added_at, reason, expires_at) \
         values ($1, $2, $3, $4, $5, $6) on conflict (server, client_id) do update set \
         added_by = excluded.added_by, added_at = excluded.added_at, reason = excluded.reason, \
         expires_at = excluded.expires_at",
    )
    .bind(server)
    .bind(id.as_str())
    .bind(by)
    .bind(now)
    .bind(set.and_then(|set| set.reason.clone()))
    .bind(set.and_then(|set| set.expires_at))
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Calls of this agent passed by the list.
pub async fn note_bypass(tx: &mut Tx, server: &str, id: &ClientId, at: i64) -> Result<(), StoreError> {
    sqlx::query("update bypasses set last_used_at = $3 where server = $1 and client_id = $2")
        .bind(server)
        .bind(id.as_str())
        .bind(at)
        .execute(tx.sql())
        .await?;
    Ok(())
}
