//! Reading approvals: the queue, the history, one card with its timeline.

use futures_util::TryStreamExt;

use crate::core::approval::Status;
use crate::core::ids::ApprovalId;
use crate::hub::approvals::{Approvals, row};
use crate::hub::model::{Approval, Given, Page, TimelineEntry};
use crate::hub::store::{Conditions, History, StoreError, Value, Wanted, page_size, rows};

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
    /// Words to be found in tool, server, agent, user (claimed ones too), arguments or the reason of the decision: parts
    /// of them do, with letters from A to Z in either case.
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
pub(super) const SEARCHED: [&str; 8] =
    [rows::ARGUMENTS, "tool", "server", "agent_name", "client_id", "user_name", "claimed_user", "reason"];

/// What narrows a list of approvals.
pub(super) fn conditions(filter: &ApprovalFilter, like: &str) -> Conditions {
    let mut conditions = Conditions::default();
    if !filter.status.is_empty() {
        // Names of our own, so they may stand in the text: only then is the index on the pending ones used.
        let names: Vec<String> = filter.status.iter().map(|status| format!("status = '{}'", status.as_str())).collect();
        conditions.sql.push_str(&format!(" and ({})", names.join(" or ")));
    }
    // Rows are taken in their order, not by the index that has those of one server together.
    conditions.text("server || '' = ?", filter.server.as_ref());
    conditions.text("tool = ?", filter.tool.as_ref());
    conditions.text("(client_id = ? or agent_name = ?)", filter.agent.as_ref());
    conditions.text("user_name = ?", filter.user.as_ref());
    conditions.text("decided_by = ?", filter.decided_by.as_ref());
    conditions.and("created_at >= ?", filter.from.map(Value::Number));
    conditions.and("created_at < ?", filter.to.map(Value::Number));
    conditions.words(filter.q.as_ref(), &SEARCHED, like);
    conditions
}

/// What rows have that fit the filter, as [`mark`](super::history::mark) marks them; pending ones are never sealed.
pub(super) fn wanted(filter: &ApprovalFilter) -> Wanted {
    let mut wanted = Wanted::default();
    wanted.text("server", filter.server.as_ref());
    wanted.text("tool", filter.tool.as_ref());
    wanted.text("agent", filter.agent.as_ref());
    wanted.text("user", filter.user.as_ref());
    wanted.text("decided_by", filter.decided_by.as_ref());
    wanted.is("status", &filter.status.iter().map(|status| status.as_str()).collect::<Vec<_>>());
    wanted.words(filter.q.as_ref());
    wanted
}

/// A cursor of the queue is the last row's time and id.
fn position(cursor: &str) -> Option<(i64, String)> {
    let (at, id) = cursor.split_once('.')?;
    Some((at.parse().ok()?, id.to_owned()))
}

impl Approvals {
    /// A page of approvals, without timelines; shorter than asked where calls are large.
    pub async fn approvals(&self, filter: &ApprovalFilter) -> Result<Page<Approval>, StoreError> {
        if filter.status == [Status::Pending] { self.queue(filter).await } else { self.history(filter).await }
    }

    async fn queue(&self, filter: &ApprovalFilter) -> Result<Page<Approval>, StoreError> {
        let mut by = conditions(filter, self.store.like());
        if let Some((at, id)) = filter.cursor.as_deref().and_then(position) {
            let (at, id) = (by.value(Value::Number(at)), by.value(Value::Text(id)));
            by.sql.push_str(&format!(" and created_at >= {at} and (created_at > {at} or id > {id})"));
        }
        let mut listed = Listed::new(filter);
        self.read(by, "created_at, id", &mut listed).await?;
        Ok(listed.page(|last| format!("{}.{}", last.created_at, last.id)))
    }

    async fn history(&self, filter: &ApprovalFilter) -> Result<Page<Approval>, StoreError> {
        let before = filter.cursor.as_deref().and_then(|cursor| cursor.parse().ok()).unwrap_or(i64::MAX);
        let (numbers, times) = (0..=before.saturating_sub(1), (filter.from, filter.to));
        let mut walk = self.store.walk(History::Approvals, wanted(filter), numbers, times).await?;
        let mut listed = Listed::new(filter);
        while !listed.more
            && let Some(span) = walk.next().await?
        {
            let mut by = conditions(filter, self.store.like());
            by.within("number", &span);
            self.read(by, "number desc", &mut listed).await?;
        }
        listed.items.iter_mut().for_each(without_definitions);
        let last = listed.last;
        Ok(listed.page(|_| last.to_string()))
    }

    /// Goes on with a page.
    async fn read(&self, by: Conditions, order: &str, listed: &mut Listed) -> Result<(), StoreError> {
        let sql = format!(
            "select {} from approvals where true{} order by {order} limit {}",
            rows::WHOLE,
            by.sql,
            listed.room()
        );
        let mut found = by.query(sql).fetch(self.store.read());
        while let Some(found) = found.try_next().await? {
            if !listed.takes(row::number_of(&found)?, row::approval(&found)?) {
                break;
            }
        }
        Ok(())
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

/// A page as it is put together.
struct Listed {
    size: i64,
    items: Vec<Approval>,
    bytes: usize,
    /// The number of the last one.
    last: i64,
    /// Whether there is another one after it.
    more: bool,
}

impl Listed {
    fn new(filter: &ApprovalFilter) -> Self {
        Self { size: page_size(filter.limit), items: Vec::new(), bytes: 0, last: 0, more: false }
    }

    /// How many more are to be read: one shows that there are more.
    fn room(&self) -> i64 {
        self.size + 1 - self.items.len() as i64
    }

    /// Adds one, unless the page is full.
    fn takes(&mut self, number: i64, approval: Approval) -> bool {
        self.more = self.items.len() as i64 == self.size || self.bytes >= MAX_PAGE_BYTES;
        if !self.more {
            self.bytes += approval.given.as_ref().map_or(0, Given::bytes);
            self.last = number;
            self.items.push(approval);
        }
        !self.more
    }

    fn page(self, cursor: impl Fn(&Approval) -> String) -> Page<Approval> {
        let next_cursor = self.items.last().filter(|_| self.more).map(cursor);
        Page { items: self.items, next_cursor }
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
