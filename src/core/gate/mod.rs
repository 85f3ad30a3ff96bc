//! The gate: a machine that holds calls. No IO, no clock: frames, answers and the time go in, actions come out.
//!
//! Invariants: a gated call becomes [`Action::ToServer`] in one place only, `Gate::write_released` (in `hub`), after the hub
//! said *go* for the digest of that very line; its entry is gone from `held` by then, so it cannot happen twice. A
//! held call is answered once or, if its client took it back, never.

mod awaited;
mod client;
mod held;
mod hub;
mod learn;
mod long;
mod released;
mod server;
mod unsent;

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use self::awaited::{Awaited, Passing};
use self::held::Held;
use self::learn::Listing;
use self::released::{Continuations, Released};
use self::unsent::Unsent;
use super::approval::Outcome;
use super::frame::{self, ClientFrame, ServerFrame};
use super::ids::{ApprovalId, ClientId, InstanceId};
use super::patience::HoldFor;
use super::policy::{Table, Verdict};
use super::reply::{HubName, Refusal};
use crate::core::messages::{Activity, Answer, Ask, CallOutcome, Cancel, ClientInfo};

/// How many calls are held at once, at most.
pub const MAX_HELD: usize = 256;
/// How many bytes of held calls there are, at most.
pub const MAX_HELD_BYTES: usize = 64 << 20;
/// How many outcomes are kept to be told again after a reconnect: the hub may not have heard the last ones.
const MAX_OUTCOMES: usize = 64;
/// How many are kept while the hub is away, because it has heard none of those.
pub const MAX_OUTCOMES_AWAY: usize = 512;
/// How many written approvals are remembered, to know a repeated *go* for what it is.
const MAX_WRITTEN: usize = 1024;

/// What the gate must know from the start.
pub struct Settings {
    /// The wrapped server's name, from the command line.
    pub server: String,
    /// The hub as refusals name it.
    pub hub: HubName,
    /// This run of the shim.
    pub instance: InstanceId,
    /// How long a call waits for a hub that cannot be reached.
    pub hub_wait: Duration,
    /// How long a call is held before *pending, call again*.
    pub hold_for: HoldFor,
    /// The client's name from the command line, for a client that does not name itself.
    pub client_name: Option<String>,
    /// Makes the ids of approvals.
    pub new_id: Box<dyn FnMut() -> ApprovalId + Send>,
}

/// What the relay does with the line it just showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Write it on, byte for byte.
    Forward,
    /// The gate took it, or it must not pass.
    Consumed,
}

/// Something the relay is to do; frames come without their line feed.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Write this line to the server.
    ToServer(Vec<u8>),
    /// Write this line to the server, which waits for an answer that the client gave and that must not pass.
    InPlace(Vec<u8>),
    /// Write this line to the client.
    ToClient(Vec<u8>),
    /// Send this to the hub. Without a connection it may be dropped, because the gate says it again after a
    /// [`Answer::Welcome`]; only [`Ask::Call`] is to be queued.
    ToHub(Ask),
    /// Say this on stderr.
    Log(String),
}

/// The machine. After every `handle_*`, take all of [`poll_action`](Self::poll_action).
pub struct Gate {
    settings: Settings,
    policy: Option<Table>,
    agent: Option<ClientId>,
    connected: bool,
    /// The hub was reached last time and did not let this agent in.
    refused: bool,
    client: Option<ClientInfo>,
    /// In the order they came.
    held: Vec<Held>,
    held_bytes: usize,
    /// Released calls whose result has not come, by request id.
    released: HashMap<String, Released>,
    /// Calls that passed and are not answered yet.
    awaited: Awaited,
    unsent: Unsent,
    continuations: Continuations,
    listing: Listing,
    outcomes: VecDeque<CallOutcome>,
    written: VecDeque<ApprovalId>,
    actions: VecDeque<Action>,
    wake: Option<Instant>,
    server_gone: bool,
}

impl Gate {
    /// A gate that knows no policy yet and therefore holds every call.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            policy: None,
            agent: None,
            connected: false,
            refused: false,
            client: None,
            held: Vec::new(),
            held_bytes: 0,
            released: HashMap::new(),
            awaited: Awaited::default(),
            unsent: Unsent::default(),
            continuations: Continuations::default(),
            listing: Listing::default(),
            outcomes: VecDeque::new(),
            written: VecDeque::new(),
            actions: VecDeque::new(),
            wake: None,
            server_gone: false,
        }
    }

    /// A line from the client, without its line end.
    pub fn handle_client(&mut self, line: &[u8], now: Instant) -> Fate {
        match frame::read_client(line) {
            Ok(ClientFrame::Call(call)) => self.on_call(line, &call, now),
            Ok(ClientFrame::Cancelled { request, reason }) => self.on_cancelled(request, &reason, now),
            Ok(ClientFrame::ListTools { id, first }) if !self.in_use(&id) => {
                self.listing.asked(&id.key, first);
                self.begins(&id)
            }
            Ok(ClientFrame::Initialize { id, client }) if !self.in_use(&id) => {
                self.client = client;
                self.begins(&id)
            }
            Ok(ClientFrame::Request { id }) if !self.in_use(&id) => self.begins(&id),
            Ok(
                ClientFrame::ListTools { id, .. } | ClientFrame::Initialize { id, .. } | ClientFrame::Request { id },
            ) => self.id_reused(&id),
            Ok(ClientFrame::Other) => Fate::Forward,
            Err(_) if line.trim_ascii().is_empty() => Fate::Consumed,
            Err(refused) => self.refuse_line(&refused),
        }
    }

    /// A line from the server, without its line end. Needs calling only while
    /// [`watches_server`](Self::watches_server).
    pub fn handle_server(&mut self, line: &[u8], now: Instant) -> Fate {
        if !self.reads_server() && !self.awaited.is_empty() {
            self.on_passing_line(line, now);
            return Fate::Forward;
        }
        if self.is_known_list(line) {
            return Fate::Forward;
        }
        let frame = if self.listing.is_watching() { frame::read_list(line) } else { frame::read_server(line) };
        match frame {
            ServerFrame::Response { id, result } => self.on_response(&id, result.as_ref(), now),
            ServerFrame::Progress { token, .. } if self.holds_token(&token) => {
                self.drop_server_line(&format!("progress for the held call's token {}", token.raw))
            }
            // Progress must increase, also over what was said while the call was held.
            ServerFrame::Progress { token, progress }
                if self.released.values().any(|r| r.falls_back(&token.key, progress)) =>
            {
                self.drop_server_line("progress that falls behind what was said while the call was held")
            }
            ServerFrame::Twofold { id } if self.in_use(&id) => {
                self.drop_server_line(&format!("what may be taken for an answer to the call {}", id.raw))
            }
            ServerFrame::ToolsChanged => {
                self.tell_tools();
                self.listing.forget();
                Fate::Forward
            }
            // It may be an answer to a held call, or a tool list that the client reads and we do not.
            ServerFrame::Unreadable if !self.held.is_empty() || self.listing.is_watching() => {
                self.drop_server_line("a line that is not one unambiguous JSON object")
            }
            ServerFrame::Progress { .. }
            | ServerFrame::Twofold { .. }
            | ServerFrame::Other
            | ServerFrame::Unreadable => Fate::Forward,
        }
    }

    /// Whether server lines must be shown to the gate; otherwise they may be copied unseen.
    pub fn watches_server(&self) -> bool {
        !self.awaited.is_empty() || self.reads_server()
    }

    /// Whether what the server says may matter for what passes; otherwise a look for the log is enough.
    fn reads_server(&self) -> bool {
        !self.held.is_empty() || !self.released.is_empty() || self.listing.is_watching()
    }

    /// A message of the hub, or the loss of its connection.
    pub fn handle_answer(&mut self, answer: Answer, now: Instant) {
        match answer {
            Answer::Welcome { client_id, policy } => self.on_welcome(client_id, policy, now),
            Answer::Policy(policy) => self.policy = Some(policy),
            Answer::Registered(registered) => self.on_registered(registered, now),
            Answer::Ruled(ruled) => self.on_ruled(ruled, now),
            Answer::Decided(decided) => self.on_decided(decided, now),
            Answer::Go(go) => self.on_go(&go, now),
            Answer::Extended(extended) => {
                self.with_waiting(&extended.approval, now, |deadline, _| {
                    *deadline = now + Duration::from_millis(extended.remaining_ms);
                });
            }
            Answer::Seen(approval) => self.with_waiting(&approval, now, |_, seen| *seen = true),
            Answer::Lost => self.connected = false,
            Answer::Refused => self.on_refused(),
        }
        self.schedule();
    }

    /// `poll_timeout` has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        let (connected, hub) = (self.connected, self.settings.hub.clone());
        let mut index = 0;
        while index < self.held.len() {
            if self.held[index].end(connected) <= now {
                self.give_up(index, now);
                continue;
            }
            if self.held[index].token.as_ref().is_some_and(|token| token.next <= now) {
                let line = self.held[index].progress(now, connected, &hub);
                self.actions.extend(line.map(Action::ToClient));
            }
            index += 1;
        }
        let running = self.awaited.running(now);
        self.actions.extend(running.into_iter().map(|call| Action::ToHub(Ask::Call(call))));
        if self.listing.tell_at().is_some_and(|at| at <= now) {
            self.tell_tools();
        }
        self.schedule();
    }

    /// The client closed its side, or a signal ends us: take everything back.
    pub fn handle_client_gone(&mut self) {
        self.tell_tools();
        while let Some(held) = self.take(0) {
            self.cancel_at_hub(held.approval, "the client disconnected");
        }
        self.schedule();
    }

    /// Whether a call is held only because it is not known yet whether it may pass.
    pub fn is_undecided(&self) -> bool {
        !self.refused && self.held.iter().any(|held| self.policy.is_none() || held.doubtful)
    }

    /// The server ended: answer everything that waits.
    pub fn handle_server_gone(&mut self, now: Instant) {
        self.server_gone = true;
        self.tell_tools();
        while let Some(held) = self.take(0) {
            self.refuse(&held, &Refusal::ServerGone);
            self.cancel_at_hub(held.approval, "the server ended");
        }
        for (_, released) in std::mem::take(&mut self.released) {
            self.report(released, Outcome::Unknown, now);
        }
        for call in self.awaited.take_all() {
            self.log_passed(call, Outcome::Unknown, now);
        }
        self.schedule();
    }

    /// Approvals this shim still has something to say about: live requests and released calls without a result.
    pub fn held(&self) -> Vec<ApprovalId> {
        let waiting = self.held.iter().map(|held| held.approval.clone());
        let released = self.released.values().map(|released| released.approval.clone());
        waiting.chain(released).chain(self.continuations.approvals()).collect()
    }

    /// The client as `initialize` named it.
    pub fn client(&self) -> Option<ClientInfo> {
        self.client.clone()
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.wake, self.awaited.wake(), self.listing.tell_at()].into_iter().flatten().min()
    }

    fn give_up(&mut self, index: usize, now: Instant) {
        let connected = self.connected;
        let Some(held) = self.take(index) else { return };
        if held.doubtful {
            self.log_call(&held.tool, Verdict::Gate, Some(held.approval.clone()));
        }
        let refusal = held.refusal_at(now, connected, &self.settings.hub);
        self.refuse(&held, &refusal);
        let keep = matches!(refusal, Refusal::Pending { .. });
        let reason = if keep { "the client cannot wait longer and was told to call again" } else { "waiting ended" };
        self.withdraw(held.approval, reason, keep);
    }

    fn take(&mut self, index: usize) -> Option<Held> {
        let held = (index < self.held.len()).then(|| self.held.remove(index))?;
        self.held_bytes -= held.line.len();
        Some(held)
    }

    fn refuse(&mut self, held: &Held, refusal: &Refusal) {
        self.unsent.note(&held.key);
        self.answer(&held.id, &held.tool, Some(&held.approval), refusal);
    }

    fn answer(&mut self, id: &str, tool: &str, approval: Option<&ApprovalId>, refusal: &Refusal) {
        self.actions.push_back(Action::ToClient(refusal.line(id, tool, approval)));
    }

    fn cancel_at_hub(&mut self, approval: ApprovalId, reason: &str) {
        self.withdraw(approval, reason, false);
    }

    /// Tells the hub that no live request stands behind an approval; `keep` leaves it to an identical call.
    fn withdraw(&mut self, approval: ApprovalId, reason: &str, keep: bool) {
        let cancel = Cancel { approval, reason: reason.to_owned(), keep };
        self.actions.push_back(Action::ToHub(Ask::Cancel(cancel)));
    }

    /// Tells the hub what tools there are, if it has not been told: nothing may be asked of it before that.
    fn tell_tools(&mut self) {
        let tools = self.listing.untold();
        self.actions.extend(tools.map(|tools| Action::ToHub(Ask::Tools(tools))));
    }

    fn log(&mut self, text: String) {
        self.actions.push_back(Action::Log(text));
    }

    /// One line for the log on a call that is held or denied; how a held one ends is its approval's to say.
    fn log_call(&mut self, tool: &str, verdict: Verdict, approval: Option<ApprovalId>) {
        let outcome = (verdict == Verdict::Deny).then_some(Outcome::NotExecuted);
        self.actions.push_back(Action::ToHub(Ask::Call(Activity {
            age_ms: 0,
            tool: tool.to_owned(),
            verdict,
            bypass: false,
            arguments_sha256: None,
            approval,
            outcome,
            duration_ms: None,
            running: None,
        })));
    }

    /// A call passes: the log is told when it is known how it ended.
    fn expect_answer(&mut self, key: &str, tool: &str, bypass: bool, now: Instant) {
        for lost in self.awaited.expect(key, tool, bypass, now) {
            self.log_passed(lost, Outcome::Unknown, now);
        }
    }

    fn log_passed(&mut self, call: Passing, outcome: Outcome, now: Instant) {
        self.actions.push_back(Action::ToHub(Ask::Call(call.activity(outcome, now))));
    }

    fn schedule(&mut self) {
        let connected = self.connected;
        self.wake = self.held.iter().map(|held| held.next_wake(connected)).min();
    }
}

#[cfg(test)]
mod awaited_tests;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod readers;
#[cfg(test)]
mod tests;
