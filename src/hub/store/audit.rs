//! The chained record: every decision and change, each record holding the hash of the one before.
//!
//! The record of what happened to an approval holds the digest of the approval's row as it was from then on, so that
//! what page, API and command line show of it can be checked against the chain.

use std::collections::HashMap;

use futures_util::TryStreamExt as _;
use sqlx::AnyConnection;

use crate::core::ids::Digest;
use crate::hub::model::AuditRecord;
use crate::hub::store::{Head, ROW, Store, StoreError, record_hash, rows};

/// How many records are read at once.
const CHUNK: u32 = 1000;

/// What checking the whole chain, and every approval against it, found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainCheck {
    /// Nothing was altered.
    Whole {
        /// How many records.
        records: i64,
        /// The last one's hash.
        head: String,
        /// How many approvals fit their last record.
        approvals: usize,
        /// How many were last changed by a version that recorded no digest of them.
        unsealed: usize,
    },
    /// The first record that does not fit, and why in words.
    Broken {
        /// Its place in the chain.
        seq: i64,
        /// What is wrong with it.
        why: String,
    },
    /// An approval that does not fit its records.
    Altered {
        /// Its id.
        approval: String,
        /// What is wrong with it.
        why: String,
    },
}

impl Store {
    /// Records after `after`, oldest first, at most `limit` (and never more than 1000); what stands outside of the
    /// chain is none.
    pub async fn audit(&self, after: i64, limit: u32) -> Result<Vec<AuditRecord>, StoreError> {
        let mut connection = self.read().acquire().await?;
        records(&mut connection, after, limit).await
    }

    /// Recomputes the whole chain, and compares every approval with its last record.
    pub async fn verify_audit(&self) -> Result<ChainCheck, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let head = head(&mut snapshot).await?;
        if let Some(broken) = bounds(&mut snapshot, &head).await? {
            return Ok(broken);
        }
        let seals = match walk(&mut snapshot, &head).await? {
            Ok(seals) => seals,
            Err(broken) => return Ok(broken),
        };
        compare(&mut snapshot, seals, head).await
    }
}

async fn records(connection: &mut AnyConnection, after: i64, limit: u32) -> Result<Vec<AuditRecord>, StoreError> {
    let found = sqlx::query(
        "select * from audit where seq > $1 and seq <= (select seq from chain where id = 1) order by seq limit $2",
    )
    .bind(after.max(0))
    .bind(i64::from(limit.min(CHUNK)))
    .fetch_all(connection)
    .await?;
    found.iter().map(rows::record).collect()
}

async fn head(connection: &mut AnyConnection) -> Result<Head, StoreError> {
    let (seq, hash) = sqlx::query_as("select seq, hash from chain where id = 1").fetch_one(connection).await?;
    Ok(Head { seq, hash })
}

/// There are as many records as the head says, from the first to the head's.
async fn bounds(connection: &mut AnyConnection, head: &Head) -> Result<Option<ChainCheck>, StoreError> {
    let (first, last): (Option<i64>, Option<i64>) =
        sqlx::query_as("select min(seq), max(seq) from audit").fetch_one(connection).await?;
    Ok(match (first, last) {
        (Some(first), _) if first < 1 => Some(broken(first, "it stands before the first record")),
        (_, Some(last)) if last > head.seq => Some(broken(head.seq + 1, "it stands behind the last record")),
        _ if head.seq < 0 => Some(broken(head.seq, "the chain ends before its beginning")),
        _ => None,
    })
}

/// What the record says last of each approval: where, and the digest of its row.
type Seals = HashMap<String, Option<String>>;

async fn walk(connection: &mut AnyConnection, head: &Head) -> Result<Result<Seals, ChainCheck>, StoreError> {
    let (mut seq, mut hash, mut seals) = (0, String::new(), Seals::new());
    while seq < head.seq {
        let found = records(connection, seq, CHUNK).await?;
        if found.is_empty() {
            return Ok(Err(broken(seq + 1, "it is missing")));
        }
        for record in found {
            if let Err(why) = follows(&record, seq, &hash) {
                return Ok(Err(broken(seq + 1, why)));
            }
            if record.action.starts_with("approval.") {
                seals.insert(record.subject, row_of(&record.detail));
            }
            (seq, hash) = (record.seq, record.hash);
        }
    }
    Ok(if hash == head.hash { Ok(seals) } else { Err(broken(seq, "it is not the record that the chain's head names")) })
}

/// The digest of the approval's row in its record.
fn row_of(detail: &str) -> Option<String> {
    let detail: serde_json::Value = serde_json::from_str(detail).ok()?;
    detail.get(ROW)?.as_str().map(str::to_owned)
}

async fn compare(connection: &mut AnyConnection, mut seals: Seals, head: Head) -> Result<ChainCheck, StoreError> {
    let (mut approvals, mut unsealed) = (0, 0);
    // One at a time: each may hold megabytes of arguments.
    let mut found = sqlx::query("select * from approvals order by id").fetch(connection);
    while let Some(row) = found.try_next().await? {
        let id: String = sqlx::Row::try_get(&row, "id")?;
        match seals.remove(&id) {
            None => return Ok(altered(id, "it is in no record")),
            Some(None) => unsealed += 1,
            Some(Some(seal)) if rows::seal(&row)?.as_str() != seal => {
                return Ok(altered(id, "it is not as its last record left it"));
            }
            Some(Some(_)) => approvals += 1,
        }
        let (arguments, sha256): (String, String) =
            (sqlx::Row::try_get(&row, "arguments")?, sqlx::Row::try_get(&row, "arguments_sha256")?);
        if Digest::of(arguments.as_bytes()).as_str() != sha256 {
            return Ok(altered(id, "its arguments are not those that were asked for"));
        }
    }
    Ok(match seals.into_keys().min() {
        Some(missing) => altered(missing, "it is missing"),
        None => ChainCheck::Whole { records: head.seq, head: head.hash, approvals, unsealed },
    })
}

fn altered(approval: String, why: &str) -> ChainCheck {
    ChainCheck::Altered { approval, why: why.to_owned() }
}

fn broken(seq: i64, why: &str) -> ChainCheck {
    ChainCheck::Broken { seq, why: why.to_owned() }
}

fn follows(record: &AuditRecord, seq: i64, hash: &str) -> Result<(), &'static str> {
    if record.seq != seq + 1 {
        return Err("it is missing");
    }
    if record.previous != hash {
        return Err("it does not follow the record before it");
    }
    let texts = [&record.actor, &record.action, &record.subject, &record.detail, &record.previous];
    if record_hash(record.seq, record.at, texts.map(String::as_str)).as_str() != record.hash {
        return Err("it was altered");
    }
    Ok(())
}
