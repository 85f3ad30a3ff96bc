//! Reading approvals: the queue, the history, one card with its timeline.

use futures_util::TryStreamExt;

use crate::core::approval::Status;
use crate::core::ids::ApprovalId;
use crate::hub::approvals::{Approvals, row};
use crate::hub::model::{Approval, Given, Page, TimelineEntry};
use crate::hub::store::{Conditions, StoreError, Value, page_size, rows};

/// Which approvals; what is left out does not narrow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApprovalFilter {
    /// Any of these; empty is all. Exactly `[Pending]` is the queue, oldest first; everything else is newest first.
    pub status: Vec<Status>,
    /// The server's exact name.
    pub server: Option<String>,
    /// The tool's exact name.
    pub tool: Option<String>,
    /// An agent's client id or name.
    pub agent: Option<String>,
    /// The person the agent works for, as an administrator set it.
    pub user: Option<String>,
    /// Who decided.
    pub decided_by: Option<String>,
    /// Words to be found in tool, server, agent, user (claimed ones too), arguments or the reason of the decision.
    pub q: Option<String>,
    /// Registered at this time or later.
    pub from: Option<i64>,
    /// Registered before this time.
    pub to: Option<i64>,
    /// At most so many; 50 when nothing is said, never more than 500.
    pub limit: Option<u32>,
    /// `next_cursor` of the page before; one that is not ours begins at the start.
    pub cursor: Option<String>,
}

/// A page ends after so many bytes of what calls are given, so that no list costs the hub more than a few large calls.
const MAX_PAGE_BYTES: usize = 16 << 20;

/// Where words are looked for.
const SEARCHED: [&str; 8] =
    [rows::ARGUMENTS, "tool", "server", "agent_name", "client_id", "user_name", "claimed_user", "reason"];

/// What narrows a list of approvals.
pub(super) fn conditions(filter: &ApprovalFilter, like: &str) -> Conditions {
    let mut conditions = Conditions::default();
    if !filter.status.is_empty() {
        // Names of our own, so they may stand in the text: only then is the index on the pending ones used.
        let names: Vec<String> = filter.status.iter().map(|status| format!("status = '{}'", status.as_str())).collect();
        conditions.sql.push_str(&format!(" and ({})", names.join(" or ")));
    }
    conditions.text("server = ?", filter.server.as_ref());
    conditions.text("tool = ?", filter.tool.as_ref());
    conditions.text("(client_id = ? or agent_name = ?)", filter.agent.as_ref());
    conditions.text("user_name = ?", filter.user.as_ref());
    conditions.text("decided_by = ?", filter.decided_by.as_ref());
    conditions.and("created_at >= ?", filter.from.map(Value::Number));
    conditions.and("created_at < ?", filter.to.map(Value::Number));
    conditions.words(filter.q.as_ref(), &SEARCHED, like);
    conditions
}

/// A cursor is the last row's time and id.
fn position(cursor: &str) -> Option<(i64, String)> {
    let (at, id) = cursor.split_once('.')?;
    Some((at.parse().ok()?, id.to_owned()))
}

impl Approvals {
    /// A page of approvals, without timelines; shorter than asked where calls are large.
    pub async fn approvals(&self, filter: &ApprovalFilter) -> Result<Page<Approval>, StoreError> {
        let queue = filter.status == [Status::Pending];
        let (after, order) = if queue { (">", "asc") } else { ("<", "desc") };
        let mut conditions = conditions(filter, self.store.like());
        if let Some((at, id)) = filter.cursor.as_deref().and_then(position) {
            let (at, id) = (conditions.value(Value::Number(at)), conditions.value(Value::Text(id)));
            let after = format!(" and created_at {after}= {at} and (created_at {after} {at} or id {after} {id})");
            conditions.sql.push_str(&after);
        }
        let size = page_size(filter.limit);
        let sql = format!(
            "select {} from approvals where true{} order by created_at {order}, id {order} limit {}",
            rows::WHOLE,
            conditions.sql,
            size + 1
        );
        let (mut items, mut bytes, mut more) = (Vec::new(), 0, false);
        let mut found = conditions.query(sql).fetch(self.store.read());
        while let Some(found) = found.try_next().await? {
            more = items.len() as i64 == size || bytes >= MAX_PAGE_BYTES;
            if more {
                break;
            }
            let approval = row::approval(&found)?;
            bytes += approval.given.as_ref().map_or(0, Given::bytes);
            items.push(approval);
        }
        drop(found);
        if !queue {
            items.iter_mut().for_each(without_definitions);
        }
        let next_cursor = items.last().filter(|_| more).map(|last| format!("{}.{}", last.created_at, last.id));
        Ok(Page { items, next_cursor })
    }

    /// How many approvals are pending.
    pub async fn pending_count(&self) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar("select count(*) from approvals where status = 'pending'")
            .fetch_one(self.store.read())
            .await?;
        Ok(count.unsigned_abs())
    }

    /// One approval with its timeline.
    pub async fn approval(&self, id: &ApprovalId) -> Result<Option<Approval>, StoreError> {
        let row = rows::whole("where id = $1").bind(id.as_str()).fetch_optional(self.store.read()).await?;
        let Some(row) = row else { return Ok(None) };
        let timeline = Some(self.timeline(id).await?);
        Ok(Some(Approval { timeline, ..row::approval(&row)? }))
    }

    /// One approval without its timeline, unless its call is a large one.
    pub async fn small(&self, id: &ApprovalId) -> Result<Option<Approval>, StoreError> {
        let sql = "select * from approvals where id = $1 and arguments is not null";
        let row = sqlx::query(sql).bind(id.as_str()).fetch_optional(self.store.read()).await?;
        row.as_ref().map(row::approval).transpose()
    }

    async fn timeline(&self, id: &ApprovalId) -> Result<Vec<TimelineEntry>, StoreError> {
        let in_chain = "select * from audit where subject = $1 and action like 'approval.%' \
                        and seq between 1 and (select seq from chain where id = 1) order by seq";
        let found = sqlx::query(in_chain).bind(id.as_str()).fetch_all(self.store.read()).await?;
        found.iter().map(|row| rows::record(row).map(entry)).collect()
    }
}

/// Definitions are long, and a list of what was decided is read for other things.
fn without_definitions(approval: &mut Approval) {
    if let Some(drift) = &mut approval.drift {
        (drift.old, drift.new) = (None, None);
    }
}

fn entry(record: crate::hub::model::AuditRecord) -> TimelineEntry {
    let detail: serde_json::Value = serde_json::from_str(&record.detail).unwrap_or_default();
    let words = ["reason", "outcome", "inputs"].iter().find_map(|key| detail.get(key)?.as_str().map(str::to_owned));
    TimelineEntry { at: record.at, actor: record.actor, action: record.action, detail: words }
}
