//! The chained record: every decision and change, each record holding the hash of the one before.

use crate::hub::model::AuditRecord;
use crate::hub::store::{Store, StoreError, record_hash, rows};

/// How many records are read at once.
const CHUNK: u32 = 1000;

/// What checking the whole chain found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainCheck {
    /// So many records, unbroken; the hash of the last.
    Whole {
        /// How many.
        records: i64,
        /// The last one's hash.
        head: String,
    },
    /// The first record that does not fit, and why in words.
    Broken {
        /// Its place in the chain.
        seq: i64,
        /// What is wrong with it.
        why: String,
    },
}

impl Store {
    /// Records after `after`, oldest first, at most `limit` (and never more than 1000).
    pub async fn audit(&self, after: i64, limit: u32) -> Result<Vec<AuditRecord>, StoreError> {
        let found = sqlx::query("select * from audit where seq > $1 order by seq limit $2")
            .bind(after)
            .bind(i64::from(limit.min(CHUNK)))
            .fetch_all(self.read())
            .await?;
        found.iter().map(rows::record).collect()
    }

    /// Recomputes the whole chain.
    pub async fn verify_audit(&self) -> Result<ChainCheck, StoreError> {
        // The head first: records that come meanwhile are checked too, and one that is missing at the end is noticed.
        let (end, head): (i64, String) =
            sqlx::query_as("select seq, hash from chain where id = 1").fetch_one(self.read()).await?;
        let (mut seq, mut hash) = (0, String::new());
        while seq < end {
            let records = self.audit(seq, CHUNK).await?;
            if records.is_empty() {
                return Ok(broken(seq + 1, "it is missing"));
            }
            for record in records.into_iter().take_while(|record| record.seq <= end) {
                if let Err(why) = follows(&record, seq, &hash) {
                    return Ok(broken(seq + 1, why));
                }
                (seq, hash) = (record.seq, record.hash);
            }
        }
        if hash != head {
            return Ok(broken(end, "it is not the record that the chain's head names"));
        }
        Ok(ChainCheck::Whole { records: seq, head })
    }
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
