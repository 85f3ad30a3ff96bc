//! Writing the audit chain: one record per change, in the change's own transaction.

use super::hearing::CHANNEL;
use super::mark::Head;
use super::memory::{self, Versions};
use super::seals::{Kind, seal};
use super::{ROW, StoreError, Tx, together};
use crate::core::ids::Digest;
use crate::hub::model::AuditRecord;
use crate::hub::store::bus::{Notice, Target};

const COLUMNS: [&str; 8] = ["seq", "at", "actor", "action", "subject", "detail", "previous", "hash"];

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
            None => self.found_head(entry.at).await?,
        };
        self.append(head, entry, target)
    }

    fn append(&mut self, head: Head, entry: Entry<'_>, target: Target) -> Result<i64, StoreError> {
        let Head { seq, hash: previous } = head;
        let seq = seq + 1;
        let detail = if entry.detail.is_null() { "{}".to_owned() } else { entry.detail.to_string() };
        // It would fail the others that are written with it.
        if [entry.actor, entry.subject, &detail].iter().any(|text| text.contains('\0')) {
            return Err(StoreError::Failed("a record cannot hold a NUL".to_owned()));
        }
        let hash = record_hash(seq, entry.at, [entry.actor, entry.action, entry.subject, &detail, &previous]);
        self.head = Some(Head { seq, hash: hash.0.clone() });
        self.records.push(AuditRecord {
            seq,
            at: entry.at,
            actor: entry.actor.to_owned(),
            action: entry.action.to_owned(),
            subject: entry.subject.to_owned(),
            detail,
            previous,
            hash: hash.0,
        });
        self.notices.push(Notice { seq, target });
        Ok(seq)
    }

    /// The head as the transaction found it, with nothing behind it.
    async fn found_head(&mut self, at: i64) -> Result<Head, StoreError> {
        let head = self.found.head.clone();
        if head.seq < self.known {
            return Err(StoreError::Failed(format!(
                "its record was set back from {} to {}; restart the hub to see what to do",
                self.known, head.seq
            )));
        }
        match self.found.newest {
            Some(newest) if newest > head.seq => self.set_aside(head, at).await,
            _ => Ok(head),
        }
    }

    /// Rows behind the chain's head are none of its records, and stand in the way of the next: they are kept apart, and
    /// the chain says so.
    async fn set_aside(&mut self, head: Head, at: i64) -> Result<Head, StoreError> {
        let columns = COLUMNS.join(", ");
        let kept = format!("insert into strays (found_at, {columns}) select $2, {columns} from audit where seq > $1");
        sqlx::query(sqlx::AssertSqlSafe(kept)).bind(head.seq).bind(at).execute(self.sql()).await?;
        let removed = sqlx::query("delete from audit where seq > $1").bind(head.seq).execute(self.sql()).await?;
        let count = removed.rows_affected();
        tracing::error!(count, after = head.seq, "rows behind the last record were set aside");
        let detail = serde_json::json!({ "rows": count });
        let entry = Entry { at, actor: "hub", action: "audit.strays_set_aside", subject: "audit", detail };
        self.append(head, entry, Target::Pages)?;
        self.head.clone().ok_or(StoreError::Closed)
    }

    /// Writes the records and the new head, as the transaction's last statements; returns the head, and how often each
    /// topic has changed by then.
    pub(super) async fn write_chain(&mut self) -> Result<Option<(Head, Versions)>, StoreError> {
        let Some(head) = self.head.take() else { return Ok(None) };
        let records = std::mem::take(&mut self.records);
        for piece in together::pieces(&records) {
            self.write_records(piece).await?;
        }
        let notifies = self.notifies.take();
        // Others hear of it with the commit, and not without it.
        let notify =
            if notifies.is_some() { format!(", pg_notify('{CHANNEL}', $3)::text as notified") } else { String::new() };
        let sql = format!("update chain set seq = $1, hash = $2 where id = 1 returning {}{notify}", memory::COLUMNS);
        let mut update = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(head.seq).bind(head.hash.as_str());
        if let Some(id) = notifies {
            update = update.bind(format!("{id} {}", head.seq));
        }
        let versions = Versions::of(&update.fetch_one(self.sql()).await?)?;
        Ok(Some((head, versions)))
    }

    async fn write_records(&mut self, records: &[AuditRecord]) -> Result<(), StoreError> {
        let mut insert = sqlx::query(sqlx::AssertSqlSafe(self.insert_many("audit", &COLUMNS, records.len())));
        for AuditRecord { seq, at, actor, action, subject, detail, previous, hash } in records {
            insert = insert.bind(*seq).bind(*at);
            for text in [actor, action, subject, detail, previous, hash] {
                insert = insert.bind(text.as_str());
            }
        }
        insert.execute(self.sql()).await?;
        Ok(())
    }
}

/// The hash of a record: actor, action, subject, detail and the hash before it, after place and time.
pub(super) fn record_hash(seq: i64, at: i64, texts: [&str; 5]) -> Digest {
    let [actor, action, subject, detail, previous] = texts.map(str::as_bytes);
    let (seq, at) = (seq.to_be_bytes(), at.to_be_bytes());
    Digest::of_fields(&[b"hitl.audit.v1", &seq, &at, actor, action, subject, detail, previous])
}
