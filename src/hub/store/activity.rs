//! The activity log: every call the shims reported, bounded.

use crate::core::approval::Outcome;
use crate::core::ids::{ApprovalId, ClientId, InstanceId};
use crate::core::messages::Activity;
use crate::hub::model::{ActivityRow, Approval, Page};
use crate::hub::store::paging::page_size;
use crate::hub::store::rows;
use crate::hub::store::{Store, StoreError, Tx};

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
    /// At most so many; 50 when nothing is said, never more than 500.
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// How many calls of one agent the log keeps, and how many of all of them.
const MAX_OF_ONE: i64 = 20_000;
const MAX_OF_ALL: i64 = 100_000;
/// Every so many rows the log is cut, by so many more than it must: counting reads all of it.
const CUT_EVERY: i64 = 1_000;

impl Store {
    /// A page of calls, newest first.
    pub async fn activity(&self, filter: &ActivityFilter) -> Result<Page<ActivityRow>, StoreError> {
        let before = filter.cursor.as_deref().and_then(|cursor| cursor.parse().ok()).unwrap_or(i64::MAX);
        let size = page_size(filter.limit);
        let found = sqlx::query(
            // The shim reports a gated call when it is held; how that ended is its approval's to say.
            "select a.*, p.id as held, p.outcome as held_outcome, p.duration_ms as held_ms from activity a \
             left join approvals p on p.id = a.approval or p.request_id = a.approval \
             where a.id < $1 and a.server = coalesce($2, a.server) and a.tool = coalesce($3, a.tool) \
             and coalesce($4, a.client_id) in (a.client_id, a.agent_name) and a.verdict = coalesce($5, a.verdict) \
             order by a.id desc limit $6",
        )
        .bind(before)
        .bind(filter.server.clone())
        .bind(filter.tool.clone())
        .bind(filter.agent.clone())
        .bind(filter.verdict.clone())
        .bind(size + 1)
        .fetch_all(self.read())
        .await?;
        let mut items = found.iter().map(rows::activity).collect::<Result<Vec<_>, _>>()?;
        let more = items.len() as i64 > size;
        items.truncate(size as usize);
        let next_cursor = items.last().filter(|_| more).map(|last| last.id.to_string());
        Ok(Page { items, next_cursor })
    }
}

/// Drops the oldest rows of the agents that have most, so that none pushes out what is known of another.
pub(in crate::hub) async fn bound(tx: &mut Tx, last: i64, now_last: i64) -> Result<(), StoreError> {
    if last / CUT_EVERY == now_last / CUT_EVERY {
        return Ok(());
    }
    let counts: Vec<(String, i64)> =
        sqlx::query_as("select client_id, count(*) from activity group by client_id").fetch_all(tx.sql()).await?;
    let share = share(counts.iter().map(|(_, count)| *count).collect());
    for (agent, _) in counts.iter().filter(|(_, count)| *count > share) {
        sqlx::query(
            "delete from activity where client_id = $1 and id <= \
             (select id from activity where client_id = $1 order by id desc limit 1 offset $2)",
        )
        .bind(agent.as_str())
        .bind(share)
        .execute(tx.sql())
        .await?;
    }
    Ok(())
}

/// How many rows each agent may keep so that all of them fit: who has fewer leaves room to the others.
fn share(mut counts: Vec<i64>) -> i64 {
    counts.sort_unstable();
    let (mut room, mut agents) = (MAX_OF_ALL - CUT_EVERY, i64::try_from(counts.len()).unwrap_or(i64::MAX));
    for count in counts {
        if count > room / agents {
            return (room / agents).clamp(1, MAX_OF_ONE - CUT_EVERY);
        }
        (room, agents) = (room - count, agents - 1);
    }
    MAX_OF_ONE - CUT_EVERY
}

/// The approval behind a call that a shim tells of under its request's id, and whether no live request stands behind
/// it any more: then this call ended without being executed, whatever becomes of the approval.
pub(in crate::hub) async fn approval_of(
    tx: &mut Tx,
    client_id: &ClientId,
    request: &str,
) -> Result<Option<(String, bool)>, StoreError> {
    let found: Option<(String, i64)> =
        sqlx::query_as("select id, kept from approvals where (id = $1 or request_id = $1) and client_id = $2")
            .bind(request)
            .bind(client_id.as_str())
            .fetch_optional(tx.sql())
            .await?;
    Ok(found.map(|(id, kept)| (id, kept == 1)))
}

/// A call that came again took an approval up: what was told of it under its request's id belongs there.
pub(in crate::hub) async fn attach(tx: &mut Tx, approval: &Approval, request: &ApprovalId) -> Result<(), StoreError> {
    sqlx::query(
        "update activity set approval = $1 where approval = $2 and client_id = $3 and server = $4 and tool = $5",
    )
    .bind(approval.id.as_str())
    .bind(request.as_str())
    .bind(approval.agent.client_id.as_str())
    .bind(approval.server.as_str())
    .bind(approval.tool.as_str())
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// No live request stands behind an approval any more: the call that did was not executed, whatever becomes of the
/// approval when it comes again.
pub(in crate::hub) async fn hand_off(tx: &mut Tx, approval: &Approval) -> Result<(), StoreError> {
    sqlx::query(
        "update activity set outcome = 'not_executed' where approval = $1 and client_id = $2 and server = $3 \
         and tool = $4 and outcome is null",
    )
    .bind(approval.id.as_str())
    .bind(approval.agent.client_id.as_str())
    .bind(approval.server.as_str())
    .bind(approval.tool.as_str())
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Writes the end of a call into the row that was made while it ran; `false` when there is none.
pub(in crate::hub) async fn end_running(
    tx: &mut Tx,
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
    .execute(tx.sql())
    .await?;
    Ok(changed.rows_affected() > 0)
}

/// The shim of these calls is gone, or all of an agent are: how what still runs ends will not be told.
pub(in crate::hub) async fn lose_running(
    tx: &mut Tx,
    client_id: &ClientId,
    instance: Option<&InstanceId>,
) -> Result<(), StoreError> {
    sqlx::query(
        "update activity set outcome = 'unknown' where client_id = $1 and instance = coalesce($2, instance) \
         and running is not null and outcome = 'released'",
    )
    .bind(client_id.as_str())
    .bind(instance.map(|instance| instance.as_str().to_owned()))
    .execute(tx.sql())
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_most_makes_room_first() {
        assert_eq!(share(vec![]), 19_000);
        assert_eq!(share(vec![1_000_000, 3]), 19_000, "one agent has a bound of its own");
        assert_eq!(share(vec![10_000; 9]), 19_000, "all fit");
        assert_eq!(share(vec![20_000, 20_000, 20_000, 20_000, 20_000, 9_000]), 18_000);
        assert_eq!(share(vec![2; 100_000]), 1, "every agent keeps its last");
    }
}
