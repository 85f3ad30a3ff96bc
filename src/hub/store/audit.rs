//! The chained record: every decision and change, each record holding the hash of the one before.
//!
//! A record of what happened to an approval, a user, an agent or a server's policy holds the digest of its rows as they
//! were from then on, so that what page, API and command line show of it can be checked against the chain.

use std::collections::HashMap;

use futures_util::TryStreamExt as _;
use sqlx::AnyConnection;

use crate::core::call::{self, Bound};
use crate::core::ids::{ClientId, Digest};
use crate::hub::model::{AuditRecord, Given};
use crate::hub::store::seals::{self, KINDS, Kind};
use crate::hub::store::{Head, ROW, Store, StoreError, record_hash, rows};

const OTHERWISE: &str = "it is not as its last record left it";
/// How many records are read at once.
const CHUNK: u32 = 1000;

/// What checking the whole chain, and what it seals, found.
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
        /// How many people, agents and servers do.
        others: usize,
        /// How many of all of these were last changed by a version that recorded no digest of them.
        unsealed: usize,
    },
    /// The first record that does not fit, and why in words.
    Broken {
        /// Its place in the chain.
        seq: i64,
        /// What is wrong with it.
        why: String,
    },
    /// Something that does not fit its records.
    Altered {
        /// What: `approval`, `user`, `agent` or `server`, and its id or name.
        what: String,
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

    /// Recomputes the whole chain, and compares every approval, user, agent and policy with its last record.
    pub async fn verify_audit(&self) -> Result<ChainCheck, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let head = head(&mut snapshot).await?;
        if let Some(broken) = bounds(&mut snapshot, &head).await? {
            return Ok(broken);
        }
        let sealed = match walk(&mut snapshot, &head).await? {
            Ok(sealed) => sealed,
            Err(broken) => return Ok(broken),
        };
        compare(&mut snapshot, sealed, head).await
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

/// What the record says last of everything that it seals.
#[derive(Default)]
struct Sealed {
    /// The digest of each approval's row, where it is told.
    approvals: HashMap<String, Option<String>>,
    /// The same of the others; the inner one of those that are gone is nothing.
    others: HashMap<(Kind, String), Option<Option<String>>>,
}

impl Sealed {
    fn note(&mut self, record: AuditRecord) {
        let row = row_of(&record.detail);
        if record.action.starts_with("approval.") {
            self.approvals.insert(record.subject, row.flatten());
        } else if let Some(kind) = Kind::of(&record.action) {
            self.others.insert((kind, record.subject), row);
        }
    }
}

async fn walk(connection: &mut AnyConnection, head: &Head) -> Result<Result<Sealed, ChainCheck>, StoreError> {
    let (mut seq, mut hash, mut sealed) = (0, String::new(), Sealed::default());
    while seq < head.seq {
        let found = records(connection, seq, CHUNK).await?;
        if found.is_empty() {
            return Ok(Err(broken(seq + 1, "it is missing")));
        }
        for mut record in found {
            if let Err(why) = follows(&record, seq, &hash) {
                return Ok(Err(broken(seq + 1, why)));
            }
            (seq, hash) = (record.seq, std::mem::take(&mut record.hash));
            sealed.note(record);
        }
    }
    Ok(if hash == head.hash {
        Ok(sealed)
    } else {
        Err(broken(seq, "it is not the record that the chain's head names"))
    })
}

/// The digest of rows in a record, where it tells one; the inner one is that there are none.
fn row_of(detail: &str) -> Option<Option<String>> {
    let detail: serde_json::Value = serde_json::from_str(detail).ok()?;
    Some(detail.get(ROW)?.as_str().map(str::to_owned))
}

async fn compare(connection: &mut AnyConnection, sealed: Sealed, head: Head) -> Result<ChainCheck, StoreError> {
    let mut counts = Counts::default();
    let altered = match compare_approvals(connection, sealed.approvals, &mut counts).await? {
        None => compare_others(connection, sealed.others, &mut counts).await?,
        altered => altered,
    };
    let Counts { approvals, others, unsealed } = counts;
    let whole = ChainCheck::Whole { records: head.seq, head: head.hash, approvals, others, unsealed };
    Ok(altered.unwrap_or(whole))
}

#[derive(Default)]
struct Counts {
    approvals: usize,
    others: usize,
    unsealed: usize,
}

async fn compare_approvals(
    connection: &mut AnyConnection,
    mut seals: HashMap<String, Option<String>>,
    counts: &mut Counts,
) -> Result<Option<ChainCheck>, StoreError> {
    let altered = |id: String, why: &str| Ok(Some(altered("approval", &id, why)));
    // One at a time: each may hold megabytes of arguments.
    let mut found = rows::whole("order by id").fetch(connection);
    while let Some(row) = found.try_next().await? {
        let id: String = sqlx::Row::try_get(&row, "id")?;
        match seals.remove(&id) {
            None => return altered(id, "it is in no record"),
            Some(None) => counts.unsealed += 1,
            Some(Some(seal)) if rows::seal(&row)?.as_str() != seal => return altered(id, OTHERWISE),
            Some(Some(_)) => counts.approvals += 1,
        }
        if !is_what_was_asked_for(&row)? {
            return altered(id, "it is not given what was asked for");
        }
    }
    seals.into_keys().min().map_or(Ok(None), |missing| altered(missing, "it is missing"))
}

/// Whether what the call of an approval is given fits its digests, which are sealed.
fn is_what_was_asked_for(row: &rows::Row) -> Result<bool, StoreError> {
    // A large call may lack what it is given.
    let Ok(Some(Given { arguments, extra })) = rows::given(row) else { return Ok(false) };
    let (server, tool) = (rows::text(row, "server")?, rows::text(row, "tool")?);
    let definition = rows::optional(row, "definition_sha256")?.map(Digest);
    let bound = Bound {
        agent: &ClientId(rows::text(row, "client_id")?),
        server: &server,
        tool: &tool,
        definition: definition.as_ref(),
        arguments: &arguments,
        extra: extra.as_deref(),
    };
    let sha256 = Digest::of(arguments.as_bytes());
    Ok(call::digest(&bound).as_str() == rows::text(row, "digest")?
        && sha256.as_str() == rows::text(row, "arguments_sha256")?)
}

async fn compare_others(
    connection: &mut AnyConnection,
    mut seals: HashMap<(Kind, String), Option<Option<String>>>,
    counts: &mut Counts,
) -> Result<Option<ChainCheck>, StoreError> {
    for kind in KINDS {
        for name in seals::names(connection, kind).await? {
            let seal = seals::seal(connection, kind, &name).await?.map(|digest| digest.to_string());
            match seals.remove(&(kind, name.clone())) {
                None => return Ok(Some(altered(kind.word(), &name, "it is in no record"))),
                Some(None) => counts.unsealed += 1,
                Some(Some(told)) if told != seal => return Ok(Some(altered(kind.word(), &name, OTHERWISE))),
                Some(Some(_)) => counts.others += 1,
            }
        }
    }
    let missing = seals.into_iter().filter(|(_, told)| matches!(told, Some(Some(_)))).map(|(what, _)| what).min();
    Ok(missing.map(|(kind, name)| altered(kind.word(), &name, "it is missing")))
}

fn altered(kind: &str, name: &str, why: &str) -> ChainCheck {
    ChainCheck::Altered { what: format!("{kind} {name}"), why: why.to_owned() }
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
