//! Writing the audit chain: one record per change, in the change's own transaction.

use sqlx::Row as _;

use super::{StoreError, Tx};
use crate::core::ids::Digest;
use crate::hub::bus::{Notice, Target};

/// What a record says; place and hashes are the chain's.
pub(in crate::hub) struct Entry<'a> {
    pub(in crate::hub) at: i64,
    pub(in crate::hub) actor: &'a str,
    pub(in crate::hub) action: &'static str,
    pub(in crate::hub) subject: &'a str,
    /// JSON; `null` for nothing more to say.
    pub(in crate::hub) detail: serde_json::Value,
}

impl Tx {
    /// Appends a record and wakes `target` after the commit.
    pub(in crate::hub) async fn audit(&mut self, entry: Entry<'_>, target: Target) -> Result<i64, StoreError> {
        let head = sqlx::query("update chain set seq = seq + 1 where id = 1 returning seq, hash")
            .fetch_one(self.sql())
            .await?;
        let (seq, previous): (i64, String) = (head.try_get("seq")?, head.try_get("hash")?);
        let detail = if entry.detail.is_null() { "{}".to_owned() } else { entry.detail.to_string() };
        let hash = record_hash(seq, entry.at, [entry.actor, entry.action, entry.subject, &detail, &previous]);
        sqlx::query(
            "insert into audit (seq, at, actor, action, subject, detail, previous, hash) \
             values ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(seq)
        .bind(entry.at)
        .bind(entry.actor)
        .bind(entry.action)
        .bind(entry.subject)
        .bind(detail)
        .bind(previous)
        .bind(hash.as_str())
        .execute(self.sql())
        .await?;
        sqlx::query("update chain set hash = $1 where id = 1").bind(hash.as_str()).execute(self.sql()).await?;
        self.notices.push(Notice { seq, target });
        Ok(seq)
    }
}

/// The hash of a record: actor, action, subject, detail and the hash before it, after place and time.
pub(in crate::hub) fn record_hash(seq: i64, at: i64, texts: [&str; 5]) -> Digest {
    let [actor, action, subject, detail, previous] = texts.map(str::as_bytes);
    let (seq, at) = (seq.to_be_bytes(), at.to_be_bytes());
    Digest::of_fields(&[b"hitl.audit.v1", &seq, &at, actor, action, subject, detail, previous])
}
