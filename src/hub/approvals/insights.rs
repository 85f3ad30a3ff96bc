//! The history in numbers: everything that fits, however much it is, a sealed chunk in one piece.

use std::cmp::Reverse;
use std::collections::HashMap;

use futures_util::TryStreamExt as _;

use crate::core::approval::Status;
use crate::core::ids::ClientId;
use crate::hub::approvals::Approvals;
use crate::hub::approvals::facts::{COLUMNS, Fact, Facts, Names};
use crate::hub::approvals::list::{ApprovalFilter, conditions, wanted};
use crate::hub::model::{AgentRate, AgentRef, DayCounts, Insights, ToolRate};
use crate::hub::store::{History, Span, StoreError, Wanted, pieces};

/// How many of the busiest are named.
const TOP: usize = 5;

impl Approvals {
    /// What the approvals that fit the filter come to. `days` is when each day begins, ascending, and when the last one
    /// ends.
    pub async fn insights(&self, filter: &ApprovalFilter, days: &[i64]) -> Result<Insights, StoreError> {
        // Words are looked for in the rows; everything else is known of a whole chunk at once.
        let wanted = if filter.q.is_some() { wanted(filter) } else { Wanted::default() };
        let mut walk = self.store.walk_chunks(History::Approvals, wanted, (filter.from, filter.to)).await?;
        let mut counted = Counted::new(filter, days);
        let mut chunks = Vec::new();
        while let Some(span) = walk.next().await? {
            match span {
                Span::Chunk(chunk, _) if filter.q.is_none() => chunks.push(chunk),
                span => counted.add(&self.facts(filter, &span).await?),
            }
        }
        for piece in pieces(&chunks) {
            for summary in self.store.summaries(History::Approvals, piece).await? {
                counted.add(&Facts::of_text(&summary)?);
            }
        }
        Ok(counted.insights())
    }

    async fn facts(&self, filter: &ApprovalFilter, span: &Span) -> Result<Facts, StoreError> {
        let (mut by, mut facts) = (conditions(filter, self.store.like()), Facts::default());
        by.within("number", span);
        let sql = format!("select {COLUMNS} from approvals where true{}", by.sql);
        let mut found = by.query(sql).fetch(self.store.read());
        while let Some(row) = found.try_next().await? {
            facts.add(&row)?;
        }
        Ok(facts)
    }
}

/// What was counted so far.
struct Counted<'f> {
    filter: &'f ApprovalFilter,
    count: i64,
    timed_out: i64,
    /// How long each decision took.
    took: Vec<i64>,
    days: Vec<DayCounts>,
    /// When the last day ends.
    end: i64,
    tools: HashMap<(String, String), Rate>,
    agents: HashMap<(String, String), Rate>,
}

/// How often calls were approved, of those that were decided or let time out.
#[derive(Clone, Copy, Debug, Default)]
struct Rate {
    approved: i64,
    answered: i64,
}

impl<'f> Counted<'f> {
    fn new(filter: &'f ApprovalFilter, days: &[i64]) -> Self {
        let (end, begin) = days.split_last().map_or((i64::MIN, days), |(end, begin)| (*end, begin));
        let days = begin.iter().map(|from| DayCounts { from: *from, ..DayCounts::default() }).collect();
        let (tools, agents) = (HashMap::new(), HashMap::new());
        Self { filter, count: 0, timed_out: 0, took: Vec::new(), days, end, tools, agents }
    }

    fn add(&mut self, facts: &Facts) {
        let passes = Passes::of(self.filter, &facts.names);
        let mut tools = vec![Rate::default(); facts.names.tools.len()];
        let mut agents = vec![Rate::default(); facts.names.agents.len()];
        for fact in facts.rows.iter().filter(|fact| passes.lets(fact)) {
            let Some(status) = facts.names.statuses.get(fact.status).copied() else { continue };
            self.count(status, fact);
            if let Some(rate) = tools.get_mut(fact.tool) {
                rate.count(status);
            }
            if let Some(rate) = agents.get_mut(fact.agent) {
                rate.count(status);
            }
        }
        merge(&mut self.tools, &facts.names.tools, &tools);
        merge(&mut self.agents, &facts.names.agents, &agents);
    }

    fn count(&mut self, status: Status, fact: &Fact) {
        self.count += 1;
        self.timed_out += i64::from(status == Status::TimedOut);
        if matches!(status, Status::Approved | Status::Rejected) {
            self.took.extend(fact.decided_at.map(|at| at - fact.created_at));
        }
        let over = fact.decided_at.unwrap_or(fact.created_at);
        if status == Status::Pending || over >= self.end {
            return;
        }
        let day = self.days.partition_point(|day| day.from <= over).checked_sub(1);
        let day = day.and_then(|day| self.days.get_mut(day));
        if let Some(count) = day.and_then(|day| day.of(status)) {
            *count += 1;
        }
    }

    fn insights(mut self) -> Insights {
        let tools = busiest(self.tools).into_iter().map(|((server, tool), rate)| {
            let Rate { approved, answered } = rate;
            ToolRate { server, tool, approved, answered }
        });
        let agents = busiest(self.agents).into_iter().map(|((name, client_id), rate)| {
            let (agent, Rate { approved, answered }) = (AgentRef { client_id: ClientId(client_id), name }, rate);
            AgentRate { agent, approved, answered }
        });
        Insights {
            count: self.count,
            timed_out: self.timed_out,
            median_ms: quantile(&mut self.took, 50),
            p95_ms: quantile(&mut self.took, 95),
            days: self.days,
            tools: tools.collect(),
            agents: agents.collect(),
        }
    }
}

impl Rate {
    fn count(&mut self, status: Status) {
        self.approved += i64::from(status == Status::Approved);
        self.answered += i64::from(matches!(status, Status::Approved | Status::Rejected | Status::TimedOut));
    }
}

fn merge(into: &mut HashMap<(String, String), Rate>, names: &[(String, String)], rates: &[Rate]) {
    for (name, rate) in names.iter().zip(rates).filter(|(_, rate)| rate.answered > 0) {
        let sum = into.entry(name.clone()).or_default();
        sum.approved += rate.approved;
        sum.answered += rate.answered;
    }
}

fn busiest(rates: HashMap<(String, String), Rate>) -> Vec<((String, String), Rate)> {
    let mut rates: Vec<_> = rates.into_iter().collect();
    rates.sort_by(|(name, rate), (other, others)| {
        (Reverse(rate.answered), name).cmp(&(Reverse(others.answered), other))
    });
    rates.truncate(TOP);
    rates
}

/// The time within which so many percent were.
fn quantile(took: &mut [i64], percent: usize) -> Option<i64> {
    let place = (took.len() * percent).div_ceil(100).checked_sub(1)?;
    Some(*took.select_nth_unstable(place).1)
}

/// Which names the filter lets through; what it says of words was asked of the store.
struct Passes<'f> {
    filter: &'f ApprovalFilter,
    statuses: Vec<bool>,
    tools: Vec<bool>,
    agents: Vec<bool>,
    users: Vec<bool>,
    deciders: Vec<bool>,
}

impl<'f> Passes<'f> {
    fn of(filter: &'f ApprovalFilter, names: &Names) -> Self {
        let is = |wanted: &Option<String>, name: &str| wanted.as_ref().is_none_or(|wanted| wanted == name);
        let may_be = |wanted: &Option<String>, name: &Option<String>| wanted.is_none() || wanted == name;
        let status = |status| filter.status.is_empty() || filter.status.contains(status);
        let tool = |(server, tool): &(String, String)| is(&filter.server, server) && is(&filter.tool, tool);
        let agent = |(name, id): &(String, String)| is(&filter.agent, name) || is(&filter.agent, id);
        Self {
            filter,
            statuses: names.statuses.iter().map(status).collect(),
            tools: names.tools.iter().map(tool).collect(),
            agents: names.agents.iter().map(agent).collect(),
            users: names.users.iter().map(|user| may_be(&filter.user, user)).collect(),
            deciders: names.deciders.iter().map(|decider| may_be(&filter.decided_by, decider)).collect(),
        }
    }

    fn lets(&self, fact: &Fact) -> bool {
        let is = |lets: &[bool], place: usize| lets.get(place).copied().unwrap_or_default();
        is(&self.statuses, fact.status)
            && is(&self.tools, fact.tool)
            && is(&self.agents, fact.agent)
            && is(&self.users, fact.user)
            && is(&self.deciders, fact.decider)
            && self.filter.from.is_none_or(|from| fact.created_at >= from)
            && self.filter.to.is_none_or(|to| fact.created_at < to)
    }
}
