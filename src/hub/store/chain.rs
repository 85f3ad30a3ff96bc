//! Writing the audit chain: one record per change, in the change's own transaction.

use sqlx::Row as _;

use super::{StoreError, Tx};
use crate::core::ids::Digest;
use crate::hub::store::bus::{Notice, Target};

/// What a record says; place and hashes are the chain's.
pub(in crate::hub) struct Entry<'a> {
    pub(in crate::hub) at: i64,
    pub(in crate::hub) actor: &'a str,
    pub(in crate::hub) action: &'static str,
    pub(in crate::hub) subject: &'a str,
    /// JSON; `null` for nothing more to say.
    pub(in crate::hub) detail: serde_json::Value,
}

/// The last record's place and hash.
#[derive(Clone)]
pub(super) struct Head {
    seq: i64,
    hash: String,
}

impl Tx {
    /// Appends a record and wakes `target` after the commit.
    pub(in crate::hub) async fn audit(&mut self, entry: Entry<'_>, target: Target) -> Result<i64, StoreError> {
        let Head { seq, hash: previous } = self.head().await?;
        let seq = seq + 1;
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
        self.head = Some(Head { seq, hash: hash.0 });
        self.notices.push(Notice { seq, target });
        Ok(seq)
    }

    /// Read once per transaction, which has the write lock, and from there on known.
    async fn head(&mut self) -> Result<Head, StoreError> {
        if let Some(head) = &self.head {
            return Ok(head.clone());
        }
        let row = sqlx::query("select seq, hash from chain where id = 1").fetch_one(self.sql()).await?;
        Ok(Head { seq: row.try_get("seq")?, hash: row.try_get("hash")? })
    }

    /// Writes the new head, as the transaction's last statement.
    pub(super) async fn write_head(&mut self) -> Result<(), StoreError> {
        if let Some(Head { seq, hash }) = self.head.take() {
            sqlx::query("update chain set seq = $1, hash = $2 where id = 1")
                .bind(seq)
                .bind(hash)
                .execute(self.sql())
                .await?;
        }
        Ok(())
    }
}

/// The hash of a record: actor, action, subject, detail and the hash before it, after place and time.
pub(in crate::hub) fn record_hash(seq: i64, at: i64, texts: [&str; 5]) -> Digest {
    let [actor, action, subject, detail, previous] = texts.map(str::as_bytes);
    let (seq, at) = (seq.to_be_bytes(), at.to_be_bytes());
    Digest::of_fields(&[b"hitl.audit.v1", &seq, &at, actor, action, subject, detail, previous])
}
