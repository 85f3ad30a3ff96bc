//! The activity log: every call the shims reported, bounded.

use futures_util::TryStreamExt as _;
use serde_json::json;
use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe};

use crate::core::approval::Outcome;
use crate::core::ids::{ApprovalId, ClientId, InstanceId};
use crate::core::messages::{Activity, Denied};
use crate::hub::model::{ActivityRow, AgentRef, Approval, Page};
use crate::hub::store::conditions::{Conditions, Value};
use crate::hub::store::paging::page_size;
use crate::hub::store::rows::Row;
use crate::hub::store::sieve::{History, Sealing, Span, Wanted};
use crate::hub::store::{Store, StoreError, Tx, rows, together};

/// Which calls; what is left out does not narrow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActivityFilter {
    /// The server's exact name.
    pub server: Option<String>,
    /// The tool's exact name.
    pub tool: Option<String>,
    /// An agent's client id or name.
    pub agent: Option<String>,
    /// `pass`, `bypass`, `gate`, `deny` or `dropped`.
    pub verdict: Option<String>,
    /// Words to be found in tool, server, agent, reasons, digest or arguments: parts of them do, with letters from A to Z
    /// in either case.
    pub q: Option<String>,
    /// Called at this time or later.
    pub from: Option<i64>,
    /// Called before this time.
    pub to: Option<i64>,
    /// At most so many; 50 when nothing is said, never more than 500.
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// Where words are looked for.
const SEARCHED: [&str; 7] =
    ["a.tool", "a.server", "a.agent_name", "a.client_id", "a.reasons", "a.digest", "a.arguments"];

/// What rows have that fit the filter, as [`mark`] marks them.
fn wanted(filter: &ActivityFilter) -> Wanted {
    let mut wanted = Wanted::default();
    wanted.text("server", filter.server.as_ref());
    wanted.text("tool", filter.tool.as_ref());
    wanted.text("agent", filter.agent.as_ref());
    wanted.text("verdict", filter.verdict.as_ref());
    wanted.words(filter.q.as_ref());
    wanted
}

fn mark(found: &Row, sealing: &mut Sealing) -> Result<(), StoreError> {
    let mut marking = sealing.row(rows::number(found, "id")?, rows::number(found, "at")?);
    for column in SEARCHED {
        if let Some(text) = rows::optional(found, column.trim_start_matches("a."))? {
            marking.text(&text);
        }
    }
    for (field, column) in [
        ("server", "server"),
        ("tool", "tool"),
        ("agent", "client_id"),
        ("agent", "agent_name"),
        ("verdict", "verdict"),
    ] {
        marking.value(field, &rows::text(found, column)?);
    }
    Ok(())
}

fn conditions(filter: &ActivityFilter, like: &str) -> Conditions {
    let mut conditions = Conditions::default();
    // Rows are taken in their order, not by the index that has those of one tool together.
    conditions.text("a.server || '' = ?", filter.server.as_ref());
    conditions.text("a.tool = ?", filter.tool.as_ref());
    conditions.text("(a.client_id = ? or a.agent_name = ?)", filter.agent.as_ref());
    conditions.text("a.verdict = ?", filter.verdict.as_ref());
    conditions.and("a.at >= ?", filter.from.map(Value::Number));
    conditions.and("a.at < ?", filter.to.map(Value::Number));
    conditions.words(filter.q.as_ref(), &SEARCHED, like);
    conditions
}

impl Store {
    /// A page of calls, newest first.
    pub async fn activity(&self, filter: &ActivityFilter) -> Result<Page<ActivityRow>, StoreError> {
        let size = page_size(filter.limit);
        let before = filter.cursor.as_deref().and_then(|cursor| cursor.parse().ok()).unwrap_or(i64::MAX);
        let (numbers, times) = (0..=before.saturating_sub(1), (filter.from, filter.to));
        let mut walk = self.walk(History::Activity, wanted(filter), numbers, times).await?;
        let mut items = Vec::new();
        while items.len() as i64 <= size
            && let Some(span) = walk.next().await?
        {
            items.extend(self.activity_of(filter, &span, size + 1 - items.len() as i64).await?);
        }
        let more = items.len() as i64 > size;
        items.truncate(size as usize);
        let next_cursor = items.last().filter(|_| more).map(|last| last.id.to_string());
        Ok(Page { items, next_cursor })
    }

    async fn activity_of(
        &self,
        filter: &ActivityFilter,
        span: &Span,
        room: i64,
    ) -> Result<Vec<ActivityRow>, StoreError> {
        let mut conditions = conditions(filter, self.like());
        conditions.within("a.id", span);
        // The shim reports a gated call when it is held; how that ended is its approval's to say.
        let sql = format!(
            "select a.*, p.id as held, p.outcome as held_outcome, p.duration_ms as held_ms from activity a \
             left join approvals p on p.id = a.approval or p.request_id = a.approval \
             where true{} order by a.id desc limit {room}",
            conditions.sql,
        );
        conditions.query(sql).fetch_all(self.read()).await?.iter().map(rows::activity).collect()
    }

    /// Seals the full chunks, and forgets those whose calls are gone.
    pub async fn seal_activity(&self) -> Result<(), StoreError> {
        let ends: (Option<i64>, Option<i64>) =
            sqlx::query_as("select (select min(id) from activity), (select max(id) from activity)")
                .fetch_one(self.read())
                .await?;
        let (Some(oldest), Some(newest)) = ends else { return Ok(()) };
        for chunk in self.unsealed(History::Activity, oldest, newest).await? {
            let ((first, last), mut sealing) =
                (History::Activity.numbers(chunk), Sealing::new(History::Activity, chunk));
            let sql = "select * from activity where id between $1 and $2 order by id";
            let mut found = sqlx::query(sql).bind(first).bind(last).fetch(self.read());
            while let Some(found) = found.try_next().await? {
                mark(&found, &mut sealing)?;
            }
            drop(found);
            self.seal(sealing, None).await?;
        }
        self.forget_before(History::Activity, oldest).await
    }
}

/// A call as it is written, or so many that were `dropped`.
pub struct Logged {
    /// Its number in the log.
    pub id: i64,
    /// When it was called, in unix milliseconds.
    pub at: i64,
    /// Who called.
    pub agent: AgentRef,
    /// The server.
    pub server: String,
    /// The tool.
    pub tool: String,
    /// `pass`, `bypass`, `gate`, `deny` or `dropped`.
    pub verdict: &'static str,
    /// The approval that it waited for.
    pub approval: Option<String>,
    /// What became of it.
    pub outcome: Option<Outcome>,
    /// How long it ran, in milliseconds.
    pub duration_ms: Option<u64>,
    /// How many calls were left out in its place.
    pub dropped: i64,
    /// The run of the shim that tells of it while it runs, and the number there.
    pub running: Option<(InstanceId, u64)>,
    /// What was denied, and why.
    pub denied: Option<Denied>,
}

impl Tx {
    /// The number of the newest call in the log.
    pub async fn last_activity(&mut self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar("select coalesce(max(id), 0) from activity").fetch_one(self.sql()).await?)
    }

    /// Appends calls.
    pub async fn add_activity(&mut self, calls: &[Logged]) -> Result<(), StoreError> {
        for piece in together::pieces(calls) {
            let sql = self.insert_many("activity", &COLUMNS, piece.len());
            piece.iter().fold(sqlx::query(AssertSqlSafe(sql)), bind).execute(self.sql()).await?;
        }
        Ok(())
    }

    /// The approval behind a call that a shim tells of under its request's id, and whether no live request stands behind
    /// it any more: then this call ended without being executed, whatever becomes of the approval.
    pub async fn approval_behind(
        &mut self,
        client_id: &ClientId,
        request: &str,
    ) -> Result<Option<(String, bool)>, StoreError> {
        let found: Option<(String, i64)> =
            sqlx::query_as("select id, kept from approvals where (id = $1 or request_id = $1) and client_id = $2")
                .bind(request)
                .bind(client_id.as_str())
                .fetch_optional(self.sql())
                .await?;
        Ok(found.map(|(id, kept)| (id, kept == 1)))
    }

    /// A call that came again took an approval up: what was told of it under its request's id belongs there.
    pub async fn attach_activity(&mut self, approval: &Approval, request: &ApprovalId) -> Result<(), StoreError> {
        sqlx::query(
            "update activity set approval = $1 where approval = $2 and client_id = $3 and server = $4 and tool = $5",
        )
        .bind(approval.id.as_str())
        .bind(request.as_str())
        .bind(approval.agent.client_id.as_str())
        .bind(approval.server.as_str())
        .bind(approval.tool.as_str())
        .execute(self.sql())
        .await?;
        Ok(())
    }

    /// No live request stands behind an approval any more: the call that did was not executed, whatever becomes of the
    /// approval when it comes again.
    pub async fn hand_off_activity(&mut self, approval: &Approval) -> Result<(), StoreError> {
        sqlx::query(
            "update activity set outcome = 'not_executed' where approval = $1 and client_id = $2 and server = $3 \
             and tool = $4 and outcome is null",
        )
        .bind(approval.id.as_str())
        .bind(approval.agent.client_id.as_str())
        .bind(approval.server.as_str())
        .bind(approval.tool.as_str())
        .execute(self.sql())
        .await?;
        Ok(())
    }

    /// Writes the end of a call into the row that was made while it ran; `false` when there is none.
    pub async fn end_activity(
        &mut self,
        client_id: &ClientId,
        instance: &InstanceId,
        call: &Activity,
    ) -> Result<bool, StoreError> {
        let changed = sqlx::query(
            "update activity set outcome = $4, duration_ms = $5 \
             where client_id = $1 and instance = $2 and running = $3 and outcome in ('released', 'unknown')",
        )
        .bind(client_id.as_str())
        .bind(instance.as_str())
        .bind(call.running.map(|number| i64::try_from(number).unwrap_or(i64::MAX)))
        .bind(call.outcome.unwrap_or(Outcome::Unknown).as_str())
        .bind(call.duration_ms.map(|ms| i64::try_from(ms).unwrap_or(i64::MAX)))
        .execute(self.sql())
        .await?;
        Ok(changed.rows_affected() > 0)
    }

    /// The shim of these calls is gone, or all of an agent are: how what still runs ends will not be told.
    pub async fn lose_activity(
        &mut self,
        client_id: &ClientId,
        instance: Option<&InstanceId>,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "update activity set outcome = 'unknown' where client_id = $1 and instance = coalesce($2, instance) \
             and running is not null and outcome = 'released'",
        )
        .bind(client_id.as_str())
        .bind(instance.map(|instance| instance.as_str().to_owned()))
        .execute(self.sql())
        .await?;
        Ok(())
    }
}

const COLUMNS: [&str; 16] = [
    "id",
    "at",
    "client_id",
    "agent_name",
    "server",
    "tool",
    "verdict",
    "approval",
    "outcome",
    "duration_ms",
    "dropped",
    "instance",
    "running",
    "reasons",
    "digest",
    "arguments",
];

fn bind<'q>(insert: Query<'q, Any, AnyArguments>, call: &Logged) -> Query<'q, Any, AnyArguments> {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let denied = call.denied.as_ref();
    insert
        .bind(call.id)
        .bind(call.at)
        .bind(call.agent.client_id.as_str().to_owned())
        .bind(call.agent.name.clone())
        .bind(call.server.clone())
        .bind(call.tool.clone())
        .bind(call.verdict)
        .bind(call.approval.clone())
        .bind(call.outcome.map(|outcome| outcome.as_str().to_owned()))
        .bind(call.duration_ms.map(number))
        .bind(call.dropped)
        .bind(call.running.as_ref().map(|(instance, _)| instance.as_str().to_owned()))
        .bind(call.running.as_ref().map(|(_, place)| number(*place)))
        .bind(denied.map(|denied| json!(denied.reasons).to_string()))
        .bind(denied.and_then(|denied| denied.digest.as_ref()).map(|digest| digest.as_str().to_owned()))
        .bind(denied.and_then(|denied| denied.arguments.clone()))
}
