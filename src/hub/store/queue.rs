//! What waits for the one writer, and in which order it gets its turn.
//!
//! What people decide and the hub does by itself comes first, and then the agents' calls; what agents report is in
//! batches of its own, in between. Of each agent one has its turn, so that none waits for another's hundred. A batch of
//! reports ends early when something else comes, and no two of the others are in a row while reports wait, so that
//! nothing waits for ever.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, Semaphore};

use crate::core::ids::ClientId;

/// How much of each kind one batch takes.
const FIRST: usize = 256;
const CALLS: usize = 256;
const REPORTS: usize = 512;
/// How much of what is reported is written in any case before others get their turn.
const REPORTS_AT_LEAST: usize = 64;
/// How many may wait of what comes first, and of what agents send; more wait for room.
const ROOM: usize = 1024;
const ROOM_OF_AGENTS: usize = 4096;

/// When a job gets its turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Before everything else.
    First,
    /// The same, for what people decide on a call.
    Decision,
    /// An agent asks to hold or release a call, takes one back, or says how one ended.
    Call(ClientId),
    /// An agent tells of its tools, its calls or itself, or what a large call is given.
    Report(ClientId),
    /// The hub keeps its store in order: as the reports of one more agent.
    Upkeep,
}

impl Turn {
    /// Whether such a job may change what is kept in memory of callers, policy and channels: those about calls do not.
    pub(super) fn changes_memory(&self) -> bool {
        match self {
            Self::First | Self::Report(_) => true,
            Self::Decision | Self::Call(_) | Self::Upkeep => false,
        }
    }
}

/// See the module.
pub(super) struct Queue<J> {
    waiting: Mutex<Waiting<J>>,
    come: Notify,
    first: Semaphore,
    agents: Semaphore,
}

struct Waiting<J> {
    first: VecDeque<Weighed<J>>,
    calls: Turns<J>,
    reports: Turns<J>,
    /// The last batch was of others.
    reports_are_next: bool,
    closed: bool,
}

/// What is done in one transaction.
pub(super) struct Batch<J> {
    pub(super) jobs: Vec<J>,
    /// Of reports, how much more may be added to it ([`Queue::more`]); nothing where none waits.
    pub(super) room: usize,
}

struct Weighed<J> {
    job: J,
    weight: usize,
}

/// Jobs of agents, one of each in turn.
struct Turns<J> {
    next: VecDeque<ClientId>,
    of: HashMap<ClientId, VecDeque<Weighed<J>>>,
}

impl<J> Queue<J> {
    pub(super) fn new() -> Self {
        let (calls, reports) = (Turns::default(), Turns::default());
        Self {
            waiting: Mutex::new(Waiting {
                first: VecDeque::new(),
                calls,
                reports,
                reports_are_next: false,
                closed: false,
            }),
            come: Notify::new(),
            first: Semaphore::new(ROOM),
            agents: Semaphore::new(ROOM_OF_AGENTS),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting<J>> {
        // Nothing below panics half way through a change.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for room, and then for the job's turn; `false` once it is closed. A job's weight is what it writes, in
    /// rows or so.
    pub(super) async fn push(&self, turn: Turn, weight: usize, job: J) -> bool {
        let room = match turn {
            Turn::First | Turn::Decision => &self.first,
            Turn::Call(_) | Turn::Report(_) | Turn::Upkeep => &self.agents,
        };
        // It is given back when the job is taken.
        if let Ok(permit) = room.acquire().await {
            permit.forget();
        }
        let mut waiting = self.waiting();
        if waiting.closed {
            room.add_permits(1);
            return false;
        }
        let job = Weighed { job, weight: weight.max(1) };
        match turn {
            Turn::First | Turn::Decision => waiting.first.push_back(job),
            Turn::Call(agent) => waiting.calls.push(agent, job),
            Turn::Report(agent) => waiting.reports.push(agent, job),
            // No agent has this id.
            Turn::Upkeep => waiting.reports.push(ClientId::from(""), job),
        }
        self.come.notify_one();
        true
    }

    /// The next batch, in the order of its turns; waits for one, and ends when it is closed and empty.
    pub(super) async fn take(&self) -> Option<Batch<J>> {
        loop {
            if let Some(batch) = self.batch() {
                return (!batch.jobs.is_empty()).then_some(batch);
            }
            self.come.notified().await;
        }
    }

    /// What is there now; `None` where nothing is yet, and an empty one at the end.
    fn batch(&self) -> Option<Batch<J>> {
        let mut waiting = self.waiting();
        let mut batch = Batch { jobs: Vec::new(), room: 0 };
        if waiting.others_wait() && !(waiting.reports_are_next && waiting.reports.wait()) {
            waiting.reports_are_next = true;
            let first = waiting.first.len().min(FIRST);
            batch.jobs.extend(waiting.first.drain(..first).map(|weighed| weighed.job));
            waiting.calls.take(CALLS, &mut batch.jobs);
            self.first.add_permits(first);
            self.agents.add_permits(batch.jobs.len() - first);
        } else {
            waiting.reports_are_next = false;
            let taken = waiting.reports.take(REPORTS_AT_LEAST, &mut batch.jobs);
            batch.room = if waiting.reports.wait() { REPORTS.saturating_sub(taken) } else { 0 };
            self.agents.add_permits(batch.jobs.len());
        }
        (waiting.closed || !batch.jobs.is_empty()).then_some(batch)
    }

    /// One more report for a batch that has room, unless something else waits.
    pub(super) fn more(&self, room: &mut usize) -> Option<J> {
        let mut waiting = self.waiting();
        if *room == 0 || waiting.others_wait() {
            return None;
        }
        let mut job = Vec::new();
        *room = room.saturating_sub(waiting.reports.take(1, &mut job));
        self.agents.add_permits(job.len());
        job.pop()
    }

    /// What comes from here on is refused; what waits is still taken.
    pub(super) fn close(&self) {
        self.waiting().closed = true;
        self.come.notify_one();
    }
}

impl<J> Waiting<J> {
    /// Whether anything but reports waits.
    fn others_wait(&self) -> bool {
        !self.first.is_empty() || self.calls.wait()
    }
}

impl<J> Default for Turns<J> {
    fn default() -> Self {
        Self { next: VecDeque::new(), of: HashMap::new() }
    }
}

impl<J> Turns<J> {
    fn push(&mut self, agent: ClientId, job: Weighed<J>) {
        let own = self.of.entry(agent.clone()).or_default();
        if own.is_empty() {
            self.next.push_back(agent);
        }
        own.push_back(job);
    }

    fn wait(&self) -> bool {
        !self.next.is_empty()
    }

    /// Takes one of each agent in turn until the weight is used up, and returns what they weigh; the first is taken
    /// whatever it weighs.
    fn take(&mut self, most: usize, batch: &mut Vec<J>) -> usize {
        let mut taken = 0_usize;
        while taken < most
            && let Some(agent) = self.next.pop_front()
        {
            let Some(own) = self.of.get_mut(&agent) else { continue };
            if let Some(Weighed { job, weight }) = own.pop_front() {
                taken = taken.saturating_add(weight);
                batch.push(job);
            }
            if own.is_empty() {
                self.of.remove(&agent);
            } else {
                self.next.push_back(agent);
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn call(agent: &str) -> Turn {
        Turn::Call(ClientId::from(agent))
    }

    fn report(agent: &str) -> Turn {
        Turn::Report(ClientId::from(agent))
    }

    async fn jobs<J>(queue: &Queue<J>) -> Vec<J> {
        queue.take().await.unwrap().jobs
    }

    #[tokio::test]
    async fn one_call_of_each_agent_comes_in_turn_after_decisions_and_before_reports() {
        let queue = Queue::new();
        for n in 0..300 {
            queue.push(report("flood"), 250, "flood's report").await;
            queue.push(call("flood"), 1, if n == 0 { "flood's first" } else { "flood's call" }).await;
        }
        queue.push(call("quiet"), 1, "quiet's call").await;
        queue.push(report("quiet"), 1, "quiet's report").await;
        queue.push(Turn::First, 1, "decision").await;
        let batch = jobs(&queue).await;
        assert_eq!(batch[..3], ["decision", "flood's first", "quiet's call"]);
        assert_eq!(batch.len(), 1 + 256);
        let mut reports = queue.take().await.unwrap();
        assert_eq!(reports.jobs, ["flood's report"], "more of it waits for what is left of the calls");
        assert_eq!(queue.more(&mut reports.room), None);
        assert_eq!(jobs(&queue).await.len(), 300 - 255);
        let mut reports = queue.take().await.unwrap();
        assert_eq!(reports.jobs, ["quiet's report", "flood's report"]);
        while let Some(job) = queue.more(&mut reports.room) {
            reports.jobs.push(job);
            if reports.jobs.len() == 3 {
                queue.push(call("quiet"), 1, "quiet's call").await;
            }
        }
        assert_eq!(reports.jobs.len(), 3, "a call came");
        assert_eq!(jobs(&queue).await, ["quiet's call"]);
        let mut reports = queue.take().await.unwrap();
        while let Some(job) = queue.more(&mut reports.room) {
            reports.jobs.push(job);
        }
        assert_eq!(reports.jobs.len(), 3, "which are 750 rows");
    }

    #[tokio::test]
    async fn what_is_heavier_than_a_batch_is_taken_alone_and_nothing_waits_for_ever() {
        let queue = Queue::new();
        queue.push(call("a"), usize::MAX, 1).await;
        queue.push(call("a"), 1, 2).await;
        queue.push(report("b"), usize::MAX, 3).await;
        for n in 10..400 {
            queue.push(Turn::First, 1, n).await;
        }
        let batch = jobs(&queue).await;
        assert!(batch.contains(&1) && !batch.contains(&2));
        assert_eq!(jobs(&queue).await, [3]);
        assert!(jobs(&queue).await.contains(&2));
    }

    #[tokio::test]
    async fn one_agent_that_fills_the_queue_leaves_room_for_decisions() {
        let queue = Queue::new();
        for _ in 0..ROOM_OF_AGENTS {
            assert!(queue.push(report("flood"), 1, ()).await);
        }
        let mut more = std::pin::pin!(queue.push(report("flood"), 1, ()));
        assert!(more.as_mut().now_or_never().is_none());
        assert!(queue.push(Turn::First, 1, ()).await);
        assert_eq!(jobs(&queue).await.len(), 1);
        jobs(&queue).await;
        assert!(more.await);
    }

    #[tokio::test]
    async fn a_closed_queue_hands_out_what_waits_and_takes_no_more() {
        let queue = Queue::new();
        queue.push(Turn::First, 1, 1).await;
        queue.push(report("a"), 1, 2).await;
        queue.close();
        assert!(!queue.push(Turn::First, 1, 3).await);
        assert_eq!(jobs(&queue).await, [1]);
        assert_eq!(jobs(&queue).await, [2]);
        assert!(queue.take().await.is_none());
    }
}
