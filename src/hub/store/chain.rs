//! Writing the audit chain: one record per change, in the change's own transaction.

use sqlx::Row as _;

use super::mark::Head;
use super::seals::{Kind, seal};
use super::{ROW, StoreError, Tx};
use crate::core::ids::Digest;
use crate::hub::store::bus::{Notice, Target};

/// What a record says; place and hashes are the chain's.
pub struct Entry<'a> {
    /// When, in unix milliseconds.
    pub at: i64,
    /// Who did it.
    pub actor: &'a str,
    /// What was done.
    pub action: &'static str,
    /// What it was done to.
    pub subject: &'a str,
    /// JSON; `null` for nothing more to say.
    pub detail: serde_json::Value,
}

impl Tx {
    /// Appends a record and wakes `target` after the commit.
    /// What it is about is sealed as it is now, so the record comes after the change.
    pub async fn audit(&mut self, mut entry: Entry<'_>, target: Target) -> Result<i64, StoreError> {
        if let Some(kind) = Kind::of(entry.action) {
            entry.detail[ROW] = serde_json::json!(seal(self.sql(), kind, entry.subject).await?);
        }
        let head = match self.head.clone() {
            Some(head) => head,
            None => self.read_head(entry.at).await?,
        };
        self.append(head, entry, target).await
    }

    async fn append(&mut self, head: Head, entry: Entry<'_>, target: Target) -> Result<i64, StoreError> {
        let Head { seq, hash: previous } = head;
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
    async fn read_head(&mut self, at: i64) -> Result<Head, StoreError> {
        let sql = "select seq, hash, (select max(seq) from audit) as newest from chain where id = 1";
        let row = sqlx::query(sql).fetch_one(self.sql()).await?;
        let head = Head { seq: row.try_get("seq")?, hash: row.try_get("hash")? };
        if head.seq < self.known {
            return Err(StoreError::Failed(format!(
                "its record was set back from {} to {}; restart the hub to see what to do",
                self.known, head.seq
            )));
        }
        match row.try_get::<Option<i64>, _>("newest")? {
            Some(newest) if newest > head.seq => self.set_aside(head, at).await,
            _ => Ok(head),
        }
    }

    /// Rows behind the chain's head are none of its records, and stand in the way of the next: they are kept apart, and
    /// the chain says so.
    async fn set_aside(&mut self, head: Head, at: i64) -> Result<Head, StoreError> {
        let columns = "seq, at, actor, action, subject, detail, previous, hash";
        let kept = format!("insert into strays (found_at, {columns}) select $2, {columns} from audit where seq > $1");
        sqlx::query(sqlx::AssertSqlSafe(kept)).bind(head.seq).bind(at).execute(self.sql()).await?;
        let removed = sqlx::query("delete from audit where seq > $1").bind(head.seq).execute(self.sql()).await?;
        let count = removed.rows_affected();
        tracing::error!(count, after = head.seq, "rows behind the last record were set aside");
        let detail = serde_json::json!({ "rows": count });
        let entry = Entry { at, actor: "hub", action: "audit.strays_set_aside", subject: "audit", detail };
        self.append(head, entry, Target::Pages).await?;
        self.head.clone().ok_or(StoreError::Closed)
    }

    /// Writes the new head, as the transaction's last statement, and returns it.
    pub(super) async fn write_head(&mut self) -> Result<Option<Head>, StoreError> {
        let Some(head) = self.head.take() else { return Ok(None) };
        sqlx::query("update chain set seq = $1, hash = $2 where id = 1")
            .bind(head.seq)
            .bind(head.hash.as_str())
            .execute(self.sql())
            .await?;
        Ok(Some(head))
    }
}

/// The hash of a record: actor, action, subject, detail and the hash before it, after place and time.
pub(super) fn record_hash(seq: i64, at: i64, texts: [&str; 5]) -> Digest {
    let [actor, action, subject, detail, previous] = texts.map(str::as_bytes);
    let (seq, at) = (seq.to_be_bytes(), at.to_be_bytes());
    Digest::of_fields(&[b"hitl.audit.v1", &seq, &at, actor, action, subject, detail, previous])
}
