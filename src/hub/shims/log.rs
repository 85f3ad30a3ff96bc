//! What a shim tells of its calls: those that passed, and those that were held or denied.
//!
//! All of it is a claim, and how much of it is kept of one agent is bounded.

use crate::core::approval::Outcome;
use crate::core::messages::{Activity, Denied};
use crate::core::policy::Verdict;
use crate::hub::model::AgentRef;
use crate::hub::servers::{MAX_TOOL_NAME, note_bypass};
use crate::hub::shims::Shims;
use crate::hub::store::{Cost, Logged, PIECE, StoreError, Turn, Tx};
use crate::hub::who::Shim;

/// The longest approval id kept with a call.
const MAX_ID: usize = 64;
/// How many calls of one message are kept.
const MAX_CALLS: usize = 4096;
/// How many reasons are kept with a denied call, and how many characters of each.
const MAX_REASONS: usize = 10;
const MAX_REASON: usize = 600;

impl Shims {
    /// Appends calls to the activity log and drops its oldest where it is full.
    ///
    /// They are written in pieces, so that other agents get their turn between two of them. What the shim or we had to
    /// drop is counted in a row of its own, so that the log says where it has a hole.
    pub async fn log_calls(&self, shim: &Shim, mut calls: Vec<Activity>, dropped: u64) -> Result<(), StoreError> {
        let (agent, told) = (&shim.client_id, calls.len());
        let wanted = i64::try_from(told.min(MAX_CALLS)).unwrap_or(i64::MAX);
        let kept = self.budgets.spend_up_to_at(&self.store, agent, Cost::Row, wanted, self.now()).await?;
        calls.truncate(usize::try_from(kept).unwrap_or_default());
        let excess = u64::try_from(told - calls.len()).unwrap_or(u64::MAX);
        self.budgets.leave_out(agent, Cost::Row, dropped.saturating_add(excess));
        for call in &mut calls {
            if let Some(denied) = call.denied.take() {
                call.denied = Some(self.kept_of(shim, denied).await?);
            }
        }
        while !calls.is_empty() {
            let rest = calls.split_off(calls.len().min(PIECE));
            self.log_piece(shim, std::mem::replace(&mut calls, rest)).await?;
        }
        self.log_left_out(shim).await
    }

    /// What is kept of a denied call: no arguments, where its agent has had too many denied of late.
    async fn kept_of(&self, shim: &Shim, denied: Denied) -> Result<Denied, StoreError> {
        let clean = |text: &str| text.replace('\0', "");
        let reasons = denied.reasons.iter().take(MAX_REASONS);
        let reasons = reasons.map(|reason| clean(reason).chars().take(MAX_REASON).collect()).collect();
        let arguments = denied.arguments.map(|arguments| clean(&Denied::cut(&arguments)));
        let kib = arguments.as_ref().map_or(0, |arguments| arguments.len().div_ceil(1024));
        let kib = i64::try_from(kib).unwrap_or(i64::MAX);
        let (agent, now) = (&shim.client_id, self.now());
        let there = self.budgets.spend_at(&self.store, agent, Cost::DeniedKiB, kib, now).await?.is_ok();
        Ok(Denied {
            reasons,
            digest: denied.digest.filter(|digest| digest.is_whole()),
            arguments: arguments.filter(|_| there),
        })
    }

    async fn log_piece(&self, shim: &Shim, calls: Vec<Activity>) -> Result<(), StoreError> {
        let (clock, shim, turn) = (self.clock.clone(), shim.clone(), Turn::Report(shim.client_id.clone()));
        let verdicts: Vec<_> = calls.iter().map(verdict).collect();
        let (last, now_last) = self
            .store
            .write_in(turn, calls.len(), move |tx| {
                Box::pin(async move {
                    if calls.iter().any(|call| call.bypass) {
                        note_bypass(tx, &shim.server, &shim.client_id, clock.now()).await?;
                    }
                    let last = tx.last_activity().await?;
                    let (mut id, mut rows) = (last, Vec::new());
                    for call in calls {
                        id += 1;
                        if call.running.is_some() {
                            // It may have begun in a row that is not written yet.
                            tx.add_activity(&std::mem::take(&mut rows)).await?;
                        }
                        rows.extend(logged(tx, &shim, id, call, clock.now()).await?);
                    }
                    tx.add_activity(&rows).await?;
                    Ok::<_, StoreError>((last, id))
                })
            })
            .await?;
        verdicts.into_iter().for_each(|verdict| self.tallies.called(verdict, 1));
        self.store.bound_activity(last, now_last).await
    }

    /// Counts what was left out, where the agent may have a row for it.
    async fn log_left_out(&self, shim: &Shim) -> Result<(), StoreError> {
        let agent = &shim.client_id;
        let left_out = self.budgets.left_out(agent, Cost::Row);
        if left_out == 0 {
            return Ok(());
        }
        if self.budgets.spend_at(&self.store, agent, Cost::Row, 1, self.now()).await?.is_err() {
            self.budgets.leave_out(agent, Cost::Row, left_out);
            return Ok(());
        }
        let (clock, shim, turn) = (self.clock.clone(), shim.clone(), Turn::Report(agent.clone()));
        let last = self
            .store
            .write_in(turn, 1, move |tx| {
                Box::pin(async move {
                    let last = tx.last_activity().await?;
                    let dropped = i64::try_from(left_out).unwrap_or(i64::MAX);
                    tx.add_activity(&[hole(&shim, last + 1, dropped, clock.now())]).await?;
                    Ok::<_, StoreError>(last)
                })
            })
            .await?;
        self.tallies.called("dropped", left_out);
        self.store.bound_activity(last, last + 1).await
    }
}

/// The row that says that so many calls are not in the log.
fn hole(shim: &Shim, id: i64, dropped: i64, now: i64) -> Logged {
    Logged {
        id,
        at: now,
        agent: agent(shim),
        server: shim.server.clone(),
        tool: String::new(),
        verdict: "dropped",
        approval: None,
        outcome: None,
        duration_ms: None,
        dropped,
        running: None,
        denied: None,
    }
}

fn agent(shim: &Shim) -> AgentRef {
    AgentRef { client_id: shim.client_id.clone(), name: shim.agent_name.clone() }
}

/// What the log says of a call.
fn verdict(call: &Activity) -> &'static str {
    if call.bypass && call.verdict == Verdict::Pass { "bypass" } else { call.verdict.as_str() }
}

/// The row of a call; none for one that has a row since it ran.
async fn logged(tx: &mut Tx, shim: &Shim, id: i64, call: Activity, now: i64) -> Result<Option<Logged>, StoreError> {
    if call.running.is_some() && tx.end_activity(&shim.client_id, &shim.instance, &call).await? {
        return Ok(None);
    }
    let named = call.approval.as_ref().map(ToString::to_string).filter(|id| id.len() <= MAX_ID);
    let (approval, handed_off) = match named {
        Some(named) => {
            let (approval, handed_off) = tx.approval_behind(&shim.client_id, &named).await?.unwrap_or((named, false));
            (Some(approval), handed_off)
        }
        None => (None, false),
    };
    let age = i64::try_from(call.age_ms).unwrap_or(i64::MAX);
    Ok(Some(Logged {
        id,
        at: now.saturating_sub(age).max(0),
        agent: agent(shim),
        server: shim.server.clone(),
        tool: call.tool.chars().filter(|c| *c != '\0').take(MAX_TOOL_NAME).collect(),
        verdict: verdict(&call),
        approval,
        outcome: call.outcome.or(handed_off.then_some(Outcome::NotExecuted)),
        duration_ms: call.duration_ms,
        dropped: 0,
        running: call.running.map(|number| (shim.instance.clone(), number)),
        denied: call.denied.filter(|_| call.verdict == Verdict::Deny),
    }))
}
