//! The activity log: every call the shims reported, bounded.

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
    /// Words to be found in tool, server, agent, reasons, digest or arguments.
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

/// How many calls of one agent the log keeps, and how many of all of them.
const KEPT: Most = Most { of_one: 20_000, of_all: 100_000 };
/// How many of them with their arguments.
const KEPT_WHOLE: Most = Most { of_one: 2_000, of_all: 10_000 };
/// Every so many rows the log is cut, by as large a part more than it must: counting reads all of it.
const CUT_EVERY: i64 = 1_000;
/// Where words are looked for.
const SEARCHED: [&str; 7] =
    ["a.tool", "a.server", "a.agent_name", "a.client_id", "a.reasons", "a.digest", "a.arguments"];

fn conditions(filter: &ActivityFilter, like: &str) -> Conditions {
    let mut conditions = Conditions::default();
    conditions.text("a.server = ?", filter.server.as_ref());
    conditions.text("a.tool = ?", filter.tool.as_ref());
    conditions.text("(a.client_id = ? or a.agent_name = ?)", filter.agent.as_ref());
    conditions.text("a.verdict = ?", filter.verdict.as_ref());
    conditions.and("a.at >= ?", filter.from.map(Value::Number));
    conditions.and("a.at < ?", filter.to.map(Value::Number));
    conditions.words(filter.q.as_ref(), &SEARCHED, like);
    let before = filter.cursor.as_deref().and_then(|cursor| cursor.parse().ok());
    conditions.and("a.id < ?", before.map(Value::Number));
    conditions
}

impl Store {
    /// A page of calls, newest first.
    pub async fn activity(&self, filter: &ActivityFilter) -> Result<Page<ActivityRow>, StoreError> {
        let (size, conditions) = (page_size(filter.limit), conditions(filter, self.like()));
        // The shim reports a gated call when it is held; how that ended is its approval's to say.
        let sql = format!(
            "select a.*, p.id as held, p.outcome as held_outcome, p.duration_ms as held_ms from activity a \
             left join approvals p on p.id = a.approval or p.request_id = a.approval \
             where true{} order by a.id desc limit {}",
            conditions.sql,
            size + 1
        );
        let found = conditions.query(sql).fetch_all(self.read()).await?;
        let mut items = found.iter().map(rows::activity).collect::<Result<Vec<_>, _>>()?;
        let more = items.len() as i64 > size;
        items.truncate(size as usize);
        let next_cursor = items.last().filter(|_| more).map(|last| last.id.to_string());
        Ok(Page { items, next_cursor })
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
            let sql = together::insert_many("activity", &COLUMNS, piece.len());
            piece.iter().fold(sqlx::query(AssertSqlSafe(sql)), bind).execute(self.sql()).await?;
        }
        Ok(())
    }

    /// Drops the oldest rows of the agents that have most, so that none pushes out what is known of another; and of those
    /// that stay, the arguments of the oldest.
    pub async fn bound_activity(&mut self, last: i64, now_last: i64) -> Result<(), StoreError> {
        if last / CUT_EVERY == now_last / CUT_EVERY {
            return Ok(());
        }
        let count = "select client_id, count(*) from activity group by client_id";
        let cut = "delete from activity where client_id = $1 and id <= \
                   (select id from activity where client_id = $1 order by id desc limit 1 offset $2)";
        shrink(self, &KEPT, count, cut).await?;
        let count = "select client_id, count(*) from activity where arguments is not null group by client_id";
        let cut = "update activity set arguments = null where client_id = $1 and arguments is not null and id <= \
                   (select id from activity where client_id = $1 and arguments is not null \
                   order by id desc limit 1 offset $2)";
        shrink(self, &KEPT_WHOLE, count, cut).await
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

/// Cuts what agents have down to their share.
async fn shrink(tx: &mut Tx, most: &Most, count: &'static str, cut: &'static str) -> Result<(), StoreError> {
    let counts: Vec<(String, i64)> = sqlx::query_as(count).fetch_all(tx.sql()).await?;
    let share = most.share(counts.iter().map(|(_, count)| *count).collect());
    for (agent, _) in counts.iter().filter(|(_, count)| *count > share) {
        sqlx::query(cut).bind(agent.as_str()).bind(share).execute(tx.sql()).await?;
    }
    Ok(())
}

/// How many of something one agent may have, and all of them.
struct Most {
    of_one: i64,
    of_all: i64,
}

impl Most {
    /// How many each agent may keep so that all of them fit: who has fewer leaves room to the others.
    fn share(&self, mut counts: Vec<i64>) -> i64 {
        counts.sort_unstable();
        let margin = self.of_one / 20;
        let (mut room, mut agents) = (self.of_all - margin, i64::try_from(counts.len()).unwrap_or(i64::MAX));
        for count in counts {
            if count > room / agents {
                return (room / agents).clamp(1, self.of_one - margin);
            }
            (room, agents) = (room - count, agents - 1);
        }
        self.of_one - margin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_most_makes_room_first() {
        assert_eq!(KEPT.share(vec![]), 19_000);
        assert_eq!(KEPT.share(vec![1_000_000, 3]), 19_000, "one agent has a bound of its own");
        assert_eq!(KEPT.share(vec![10_000; 9]), 19_000, "all fit");
        assert_eq!(KEPT.share(vec![20_000, 20_000, 20_000, 20_000, 20_000, 9_000]), 18_000);
        assert_eq!(KEPT.share(vec![2; 100_000]), 1, "every agent keeps its last");
    }
}
