//! The history in numbers, counted by the store: everything that fits, however much it is.

use crate::core::approval::Status;
use crate::core::ids::ClientId;
use crate::hub::approvals::Approvals;
use crate::hub::approvals::list::{ApprovalFilter, conditions};
use crate::hub::model::{AgentRate, AgentRef, DayCounts, Insights, ToolRate};
use crate::hub::store::rows::{Row, named, number, text};
use crate::hub::store::{Conditions, Store, StoreError, Value};

/// What a person decided.
const DECIDED: &str = "status in ('approved', 'rejected') and decided_at is not null";
/// What was decided, or let time out.
const ANSWERED: &str = "status in ('approved', 'rejected', 'timed_out')";
/// When it was over.
const ENDED_AT: &str = "coalesce(decided_at, created_at)";
/// How many of the busiest are named.
const TOP: u32 = 5;
/// Wherever people are, their midnight is a multiple of this.
const QUARTER_MS: i64 = 900_000;

impl Approvals {
    /// What the approvals that fit the filter come to. `days` is when each day begins, ascending, and when the last one
    /// ends.
    pub async fn insights(&self, filter: &ApprovalFilter, days: &[i64]) -> Result<Insights, StoreError> {
        let narrowed = Narrowed { store: &self.store, by: conditions(filter, self.store.like()) };
        let [count, timed_out, decided] = narrowed.totals().await?;
        let (median_ms, p95_ms, days, tools, agents) = tokio::try_join!(
            narrowed.quantile(decided, 50),
            narrowed.quantile(decided, 95),
            narrowed.days(days),
            narrowed.tools(),
            narrowed.agents()
        )?;
        Ok(Insights { count, timed_out, median_ms, p95_ms, days, tools, agents })
    }
}

/// Some approvals of a store.
struct Narrowed<'s> {
    store: &'s Store,
    by: Conditions,
}

impl Narrowed<'_> {
    /// Reads `select {what} from approvals where {which} and …{rest}`.
    async fn read(&self, what: &str, which: &str, rest: &str) -> Result<Vec<Row>, StoreError> {
        read(self.store, self.by.clone(), what, which, rest).await
    }

    /// How many there are, how many timed out, and how many a person decided.
    async fn totals(&self) -> Result<[i64; 3], StoreError> {
        let what = format!(
            "count(*) as all_of_them, count(case when status = 'timed_out' then 1 end) as timed_out, \
             count(case when {DECIDED} then 1 end) as decided"
        );
        let found = self.read(&what, "true", "").await?;
        let row = found.first().ok_or_else(|| StoreError::Failed("nothing was counted".to_owned()))?;
        Ok([number(row, "all_of_them")?, number(row, "timed_out")?, number(row, "decided")?])
    }

    /// The time within which so many percent of the decided ones were.
    async fn quantile(&self, decided: i64, percent: i64) -> Result<Option<i64>, StoreError> {
        if decided == 0 {
            return Ok(None);
        }
        let place = (decided * percent + 99) / 100 - 1;
        // From the nearer end: what need not be sorted is not.
        let (order, offset) = if 2 * place > decided { ("desc", decided - 1 - place) } else { ("asc", place) };
        let rest = format!("order by took {order} limit 1 offset {offset}");
        let found = self.read("decided_at - created_at as took", DECIDED, &rest).await?;
        found.first().map(|row| number(row, "took")).transpose()
    }

    /// What was over on each day.
    async fn days(&self, days: &[i64]) -> Result<Vec<DayCounts>, StoreError> {
        let mut counts: Vec<_> = days.iter().map(|from| DayCounts { from: *from, ..DayCounts::default() }).collect();
        let (Some(begin), Some(end)) = (days.first(), counts.pop().map(|last| last.from)) else { return Ok(counts) };
        let mut by = self.by.clone();
        by.and(&format!("{ENDED_AT} >= ?"), Some(Value::Number(*begin)));
        by.and(&format!("{ENDED_AT} < ?"), Some(Value::Number(end)));
        let what = format!("{ENDED_AT} / {QUARTER_MS} as quarter, status, count(*) as so_many");
        for row in read(self.store, by, &what, "status <> 'pending'", "group by 1, 2").await? {
            let at = number(&row, "quarter")? * QUARTER_MS;
            let day = days.partition_point(|from| *from <= at).saturating_sub(1);
            let status = named(&text(&row, "status")?, "status", Status::from_name)?;
            if let Some(count) = counts.get_mut(day).and_then(|counts| counts.of(status)) {
                *count += number(&row, "so_many")?;
            }
        }
        Ok(counts)
    }

    /// How often calls of the busiest tools were approved.
    async fn tools(&self) -> Result<Vec<ToolRate>, StoreError> {
        let found = self.rates("server, tool").await?;
        let rate = |row: &Row| {
            let (approved, answered) = (number(row, "approved")?, number(row, "answered")?);
            Ok(ToolRate { server: text(row, "server")?, tool: text(row, "tool")?, approved, answered })
        };
        found.iter().map(rate).collect()
    }

    /// How often calls of the busiest agents were approved.
    async fn agents(&self) -> Result<Vec<AgentRate>, StoreError> {
        // In this order, or SQLite follows the index on client ids and reads every row for the rest.
        let found = self.rates("agent_name, client_id").await?;
        let rate = |row: &Row| {
            let (approved, answered) = (number(row, "approved")?, number(row, "answered")?);
            let agent = AgentRef { client_id: ClientId(text(row, "client_id")?), name: text(row, "agent_name")? };
            Ok(AgentRate { agent, approved, answered })
        };
        found.iter().map(rate).collect()
    }

    async fn rates(&self, of: &str) -> Result<Vec<Row>, StoreError> {
        let approved = "count(case when status = 'approved' then 1 end) as approved";
        let rest = format!("group by {of} order by answered desc, {of} limit {TOP}");
        self.read(&format!("{of}, count(*) as answered, {approved}"), ANSWERED, &rest).await
    }
}

async fn read(store: &Store, by: Conditions, what: &str, which: &str, rest: &str) -> Result<Vec<Row>, StoreError> {
    let sql = format!("select {what} from approvals where {which}{} {rest}", by.sql);
    Ok(by.query(sql).fetch_all(store.read()).await?)
}
