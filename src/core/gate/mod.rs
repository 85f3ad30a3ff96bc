//! The gate: a machine that holds calls. No IO, no clock: frames, answers and the time go in, actions come out.
//!
//! Invariants: a gated call becomes [`Action::ToServer`] in one place only, `Gate::write_released` (in `hub`), after the hub
//! said *go* for the digest of that very line; its entry has left the state *held* by then, so it cannot happen twice.
//! A held call is answered once or, if its client took it back, never.

mod client;
mod denied;
mod forms;
mod hand_off;
mod held;
mod hub;
mod learn;
mod long;
mod passing;
mod released;
mod requests;
mod server;
mod talk;
mod tokens;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use self::hand_off::HandedOff;
use self::held::Held;
use self::learn::Listing;
use self::passing::Passing;
use self::released::Paused;
use self::requests::{Number, Requests, State};
pub use self::talk::{Answer, Ask};
use self::tokens::Tokens;
use super::approval::Outcome;
use super::frame::{self, ClientFrame, ServerFrame};
use super::ids::{ApprovalId, ClientId};
use super::patience::HoldFor;
use super::policy::{Table, Verdict};
use super::reply::{HubName, Refusal};
use crate::core::messages::{Activity, CallOutcome, Cancel, ClientInfo};

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
    /// Why it could not be reached last time, in words.
    away: Option<String>,
    client: Option<ClientInfo>,
    requests: Requests,
    tokens: Tokens,
    handed_off: HandedOff,
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
            away: None,
            client: None,
            requests: Requests::default(),
            tokens: Tokens::default(),
            handed_off: HandedOff::default(),
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
        self.tokens.note(line);
        match frame::read_client(line) {
            Ok(ClientFrame::Call(call)) => self.on_call(line, &call, now),
            Ok(ClientFrame::Cancelled { request, reason }) => self.on_cancelled(request, &reason, now),
            Ok(ClientFrame::ListTools { id, first }) => self.begins(&id, State::List { first }, now),
            Ok(ClientFrame::Initialize { id, client }) => {
                let fate = self.begins(&id, State::Passed, now);
                if fate == Fate::Forward {
                    self.client = client;
                }
                fate
            }
            Ok(ClientFrame::Request { id }) => self.begins(&id, State::Passed, now),
            Ok(ClientFrame::Other) => Fate::Forward,
            Err(_) if line.trim_ascii().is_empty() => Fate::Consumed,
            Err(_) if self.pass_values(line, now) => Fate::Forward,
            Err(refused) => {
                self.take_back_unclear(line, now);
                self.refuse_line(&refused)
            }
        }
    }

    /// A line from the server, without its line end. Every one is looked at, from the first on: an answer to a request that
    /// is still to come waits in the client's pipe until it does.
    pub fn handle_server(&mut self, line: &[u8], now: Instant) -> Fate {
        if !self.requests.guards() {
            return self.on_passing_line(line, now);
        }
        let lists = self.requests.lists() > 0;
        if lists && self.is_known_list(line) {
            return Fate::Forward;
        }
        match if lists { frame::read_list(line) } else { frame::read_server(line) } {
            ServerFrame::Response { id, result } => self.on_response(&id, result.as_ref(), now),
            ServerFrame::Progress { token, progress } => match self.objection_to_progress(&token, progress) {
                Some(why) => self.drop_server_line(&why),
                None => Fate::Forward,
            },
            ServerFrame::Stray { raw, is_progress: true } if self.is_held_token(raw) => {
                self.drop_server_line(&format!("progress for the token {raw}, which may be taken for a held call's"))
            }
            ServerFrame::Stray { raw, is_progress: true } if self.tokens.is_to_come(raw) => self.drop_early(raw),
            ServerFrame::Stray { raw, is_progress: false } => {
                self.drop_server_line(&format!("an answer to {raw}, which no request has as its id"))
            }
            ServerFrame::Twofold { id } if self.in_use(&id) => {
                self.drop_server_line(&format!("what may be taken for an answer to the call {}", id.raw))
            }
            ServerFrame::ToolsChanged => {
                self.forget_tools();
                Fate::Forward
            }
            ServerFrame::Unreadable => self.on_unreadable(line, now),
            ServerFrame::Twofold { .. } | ServerFrame::Stray { .. } | ServerFrame::Other => Fate::Forward,
        }
    }

    /// Whether the server has been given a request whose answer its client waits for.
    pub fn awaits_answer(&self) -> bool {
        !self.server_gone && self.requests.is_any_awaited()
    }

    /// Whether a line that cannot be read must not pass: it may be an answer to a held call, or a tool list.
    pub fn drops_noise(&self) -> bool {
        self.requests.held_count() + self.requests.lists() > 0
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
            Answer::Away(why) => self.away = Some(why),
            Answer::Refused => self.on_refused(now),
        }
        self.schedule();
    }

    /// `poll_timeout` has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        let (connected, hub) = (self.connected, self.settings.hub.clone());
        for number in self.requests.held_numbers() {
            let Some(held) = self.requests.held_at_mut(number) else { continue };
            if held.end(connected) <= now {
                self.give_up(number, now);
            } else if held.token.as_ref().is_some_and(|token| token.next <= now) {
                self.actions.extend(held.progress(now, connected, &hub).map(Action::ToClient));
            }
        }
        let running = self.requests.running(now);
        self.actions.extend(running.into_iter().map(|call| Action::ToHub(Ask::Call(call))));
        if self.listing.tell_at().is_some_and(|at| at <= now) {
            self.tell_tools();
        }
        self.end_paused(|paused| paused.until <= now, now);
        self.tell_handed_off(now);
        self.schedule();
    }

    /// The client closed its side, or a signal ends us: take everything back.
    pub fn handle_client_gone(&mut self, now: Instant) {
        self.tell_tools();
        for number in self.requests.held_numbers() {
            let Some(held) = self.requests.take_held(number) else { continue };
            let never_ran = held.is_releasing().then(|| held.approval.clone());
            self.cancel_at_hub(held.approval, "the client disconnected");
            never_ran.into_iter().for_each(|approval| self.never_ran(approval));
        }
        // It did not time out: it was ended.
        for cancel in self.handed_off.take_all() {
            self.cancel_at_hub(cancel.approval, "the client disconnected");
        }
        self.end_paused(|_| true, now);
        self.schedule();
    }

    /// Whether a call is held only because it is not known yet whether it may pass.
    pub fn is_undecided(&self) -> bool {
        !self.refused && self.requests.held().any(|(_, held)| self.policy.is_none() || held.doubtful)
    }

    /// The server ended: answer everything that waits.
    pub fn handle_server_gone(&mut self, now: Instant) {
        self.server_gone = true;
        self.tell_tools();
        for number in self.requests.held_numbers() {
            let Some(held) = self.requests.take_held(number) else { continue };
            self.refuse(&held, &Refusal::ServerGone, now);
            self.cancel_at_hub(held.approval, "the server ended");
        }
        self.end_paused(|_| true, now);
        for state in self.requests.take_all(|state| matches!(state, State::Released(_) | State::Running(_))) {
            self.lose(state, now);
        }
        self.schedule();
    }

    /// Approvals this shim still has something to say about: live requests, released calls without a result, and what
    /// it has handed off without the hub's knowing.
    pub fn held(&self) -> Vec<ApprovalId> {
        let waiting = self.requests.held().map(|(_, held)| held.approval.clone());
        let released = self.requests.released().map(|released| released.approval.clone());
        let paused = self.requests.paused().map(|paused| paused.released.approval.clone());
        waiting.chain(released).chain(paused).chain(self.handed_off.approvals()).collect()
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
        [self.wake, self.requests.wake(), self.listing.tell_at()].into_iter().flatten().min()
    }

    fn give_up(&mut self, number: Number, now: Instant) {
        let (connected, away) = (self.connected, self.away.as_deref());
        let Some(held) = self.requests.take_held(number) else { return };
        let refusal = held.refusal_at(now, connected, &self.settings.hub, away);
        if held.doubtful {
            self.log_gated(&held.tool, held.approval.clone());
        }
        self.refuse(&held, &refusal, now);
        match refusal {
            Refusal::Pending { .. } => {
                self.hand_off(held.approval, "the client cannot wait longer and was told to call again", now, now);
            }
            _ => self.cancel_at_hub(held.approval, "waiting ended"),
        }
    }

    /// Something has this id now; what that displaces has no known end.
    fn put(&mut self, key: &str, state: State, now: Instant) {
        for lost in self.requests.insert(key, state) {
            self.lose(lost, now);
        }
    }

    /// A call passes: the log is told when it is known how it ended.
    fn passes(&mut self, key: &str, call: Passing, now: Instant) {
        // Of two calls under one id, nobody can say which one an answer is for.
        if matches!(self.requests.state(key), Some(State::Running(_))) {
            self.put(key, State::Passed, now);
            return self.log_passed(call, Outcome::Unknown, now);
        }
        self.put(key, State::Running(call), now);
    }

    /// Nobody will know how this ended.
    fn lose(&mut self, state: State, now: Instant) {
        match state {
            State::Running(call) => self.log_passed(call, Outcome::Unknown, now),
            State::Released(released) => self.report(&released, Outcome::Unknown, now),
            State::Paused(paused) => self.report(&paused.released, Outcome::Unknown, now),
            // What it shows will not be read.
            State::List { .. } => self.forget_tools(),
            State::Held(_) | State::Passed | State::TakenBack | State::Ended { .. } => {}
        }
    }

    /// Ends what waits for its client to go on.
    fn end_paused(&mut self, which: impl Fn(&Paused) -> bool, now: Instant) {
        for state in self.requests.take_all(|state| matches!(state, State::Paused(paused) if which(paused))) {
            self.lose(state, now);
        }
    }

    /// Answers a call that was held, without the server.
    fn refuse(&mut self, held: &Held, refusal: &Refusal, now: Instant) {
        self.put(&held.key, State::Ended { sent: false }, now);
        self.answer(&held.id, &held.tool, Some(&held.approval), refusal);
        if held.is_releasing() {
            self.never_ran(held.approval.clone());
        }
    }

    fn answer(&mut self, id: &str, tool: &str, approval: Option<&ApprovalId>, refusal: &Refusal) {
        self.actions.push_back(Action::ToClient(refusal.line(id, tool, approval)));
    }

    /// Tells the hub that no live request stands behind an approval.
    fn cancel_at_hub(&mut self, approval: ApprovalId, reason: &str) {
        let cancel = Cancel { approval, reason: reason.to_owned(), keep: false };
        self.actions.push_back(Action::ToHub(Ask::Cancel(cancel)));
    }

    /// The same, and leaves the approval to an identical call; the hub hears of it when it is `due`, or back.
    fn hand_off(&mut self, approval: ApprovalId, reason: &str, due: Instant, now: Instant) {
        self.handed_off.push(approval, reason.to_owned(), due);
        self.tell_handed_off(now);
    }

    fn tell_handed_off(&mut self, now: Instant) {
        if self.connected {
            let due = self.handed_off.take_due(now);
            self.actions.extend(due.into_iter().map(|cancel| Action::ToHub(Ask::Cancel(cancel))));
        }
    }

    /// Tells the hub what tools there are, if it has not been told: nothing may be asked of it before that.
    fn tell_tools(&mut self) {
        let tools = self.listing.untold();
        self.actions.extend(tools.map(|tools| Action::ToHub(Ask::Tools(tools))));
    }

    /// What the client was shown so far is not what it is shown now.
    fn forget_tools(&mut self) {
        self.tell_tools();
        self.listing.forget();
    }

    fn log(&mut self, text: String) {
        self.actions.push_back(Action::Log(text));
    }

    /// One line for the log on a call that is held; how it ends is its approval's to say.
    fn log_gated(&mut self, tool: &str, approval: ApprovalId) {
        self.actions.push_back(Action::ToHub(Ask::Call(Activity {
            age_ms: 0,
            tool: tool.to_owned(),
            verdict: Verdict::Gate,
            bypass: false,
            approval: Some(approval),
            outcome: None,
            duration_ms: None,
            running: None,
            denied: None,
        })));
    }

    fn log_passed(&mut self, call: Passing, outcome: Outcome, now: Instant) {
        self.actions.push_back(Action::ToHub(Ask::Call(call.activity(outcome, now))));
    }

    fn schedule(&mut self) {
        let connected = self.connected;
        let held = self.requests.held().map(|(_, held)| held.next_wake(connected));
        let paused = self.requests.paused().map(|paused| paused.until);
        self.wake = held.chain(paused).chain(self.handed_off.due().filter(|_| connected)).min();
    }
}

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod passing_tests;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod readers;
#[cfg(test)]
mod tests;
