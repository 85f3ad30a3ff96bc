//! The gate: a machine that holds calls. No IO, no clock: frames, answers and the time go in, actions come out.
//!
//! Invariants: a gated call becomes [`Action::ToServer`] in one place only, `Gate::write_released`, after the hub
//! said *go* for the digest of that very line; its entry is gone from `held` by then, so it cannot happen twice. A
//! held call is answered once or, if its client took it back, never.

mod held;
mod learn;
pub mod messages;

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use self::held::{Held, Stage};
use self::learn::Listing;
use self::messages::{
    Activity, Answer, Ask, CallOutcome, Cancel, ClientInfo, Decided, Decision, Registered, Release, Ruled,
};
use super::approval::{Outcome, RELEASE_GRACE_MS};
use super::frame::{self, Call, ClientFrame, Id, Refused, ServerFrame};
use super::ids::{ApprovalId, ClientId, InstanceId};
use super::json::{Member, member};
use super::patience::{self, HoldFor};
use super::policy::{Ruling, Table, Verdict};
use super::reply::{self, Refusal};

/// How many calls are held at once, at most.
pub const MAX_HELD: usize = 256;
/// How many bytes of held calls there are, at most.
pub const MAX_HELD_BYTES: usize = 64 << 20;
/// How many outcomes are kept to be told again after a reconnect.
const MAX_OUTCOMES: usize = 64;
/// How many written approvals are remembered, to know a repeated *go* for what it is.
const MAX_WRITTEN: usize = 1024;

/// What the gate must know from the start.
pub struct Settings {
    /// The wrapped server's name, from the command line.
    pub server: String,
    /// The hub as refusals name it, usually its URL.
    pub hub: String,
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
    client: Option<ClientInfo>,
    /// In the order they came.
    held: Vec<Held>,
    held_bytes: usize,
    /// Released calls whose result has not come, by request id.
    released: HashMap<String, Released>,
    listing: Listing,
    outcomes: VecDeque<CallOutcome>,
    written: VecDeque<ApprovalId>,
    actions: VecDeque<Action>,
    wake: Option<Instant>,
    server_gone: bool,
}

struct Released {
    id: String,
    approval: ApprovalId,
    at: Instant,
    /// The client took it back after the release: its answer is recorded and not passed on.
    cancelled: bool,
}

impl Gate {
    /// A gate that knows no policy yet and therefore holds every call.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            policy: None,
            agent: None,
            connected: false,
            client: None,
            held: Vec::new(),
            held_bytes: 0,
            released: HashMap::new(),
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
            Ok(ClientFrame::Cancelled { request, reason }) => self.on_cancelled(request, &reason),
            Ok(ClientFrame::ListTools { id, first }) if !self.in_use(&id) => {
                self.listing.asked(&id.key, first);
                Fate::Forward
            }
            Ok(ClientFrame::Initialize { id, client }) if !self.in_use(&id) => {
                self.client = client;
                Fate::Forward
            }
            Ok(ClientFrame::Request { id }) if !self.in_use(&id) => Fate::Forward,
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
        match frame::read_server(line) {
            ServerFrame::Response { id, result } => self.on_response(&id, result.as_deref(), now),
            ServerFrame::Progress { token } if self.holds_token(&token) => {
                self.drop_server_line(&format!("progress for the held call's token {}", token.raw))
            }
            ServerFrame::ToolsChanged => {
                self.listing.forget();
                Fate::Forward
            }
            ServerFrame::Unreadable if !self.held.is_empty() => {
                self.drop_server_line("a line that is not one unambiguous JSON object")
            }
            ServerFrame::Progress { .. } | ServerFrame::Other | ServerFrame::Unreadable => Fate::Forward,
        }
    }

    /// Whether server lines must be shown to the gate; otherwise they may be copied unseen.
    pub fn watches_server(&self) -> bool {
        !self.held.is_empty() || !self.released.is_empty() || self.listing.is_watching()
    }

    /// A message of the hub, or the loss of its connection.
    pub fn handle_answer(&mut self, answer: Answer, now: Instant) {
        match answer {
            Answer::Welcome { client_id, policy } => self.on_welcome(client_id, policy, now),
            Answer::Policy(policy) => self.policy = Some(policy),
            Answer::Registered(registered) => self.on_registered(registered, now),
            Answer::Ruled(ruled) => self.on_ruled(ruled),
            Answer::Decided(decided) => self.on_decided(decided, now),
            Answer::Go(go) => self.on_go(&go, now),
            Answer::Extended(extended) => {
                self.with_waiting(&extended.approval, now, |deadline, _| {
                    *deadline = now + Duration::from_millis(extended.remaining_ms);
                });
            }
            Answer::Seen(approval) => self.with_waiting(&approval, now, |_, seen| *seen = true),
            Answer::Lost => self.connected = false,
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
        self.schedule();
    }

    /// The client closed its side, or a signal ends us: take everything back.
    pub fn handle_client_gone(&mut self) {
        while let Some(held) = self.take(0) {
            self.cancel_at_hub(held.approval, "the client disconnected");
        }
        self.schedule();
    }

    /// The server ended: answer everything that waits.
    pub fn handle_server_gone(&mut self, now: Instant) {
        self.server_gone = true;
        while let Some(held) = self.take(0) {
            self.refuse(&held, &Refusal::ServerGone);
            self.cancel_at_hub(held.approval, "the server ended");
        }
        for (_, released) in std::mem::take(&mut self.released) {
            self.report(released, Outcome::Unknown, now);
        }
        self.schedule();
    }

    /// Approvals this shim still has something to say about: live requests and released calls without a result.
    pub fn held(&self) -> Vec<ApprovalId> {
        let waiting = self.held.iter().map(|held| held.approval.clone());
        waiting.chain(self.released.values().map(|released| released.approval.clone())).collect()
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
        self.wake
    }

    // From the client.

    fn on_call(&mut self, line: &[u8], call: &Call<'_>, now: Instant) -> Fate {
        if self.in_use(&call.id) {
            return self.id_reused(&call.id);
        }
        let ruling = self.policy.as_ref().map(|policy| policy.ruling(&call.name));
        match ruling.map(|ruling| (ruling.verdict, ruling.bypass)) {
            Some((Verdict::Pass, bypass)) => {
                self.log_call(&call.name, Verdict::Pass, bypass, None);
                Fate::Forward
            }
            Some((Verdict::Deny, _)) => {
                let reasons = ruling.map(|ruling| ruling.reasons.clone()).unwrap_or_default();
                self.log_call(&call.name, Verdict::Deny, false, None);
                self.answer(call.id.raw, &call.name, None, &Refusal::Denied { reasons });
                Fate::Consumed
            }
            Some((Verdict::Gate | Verdict::Ask, _)) | None => {
                self.hold(line, call, now);
                Fate::Consumed
            }
        }
    }

    fn hold(&mut self, line: &[u8], call: &Call<'_>, now: Instant) {
        if self.held.len() >= MAX_HELD || self.held_bytes + line.len() > MAX_HELD_BYTES {
            return self.answer(call.id.raw, &call.name, None, &Refusal::Overloaded);
        }
        let request = (self.settings.new_id)();
        let mut held = Held::new(line, call, request, now, self.settings.hub_wait);
        held.definition = self.listing.definition(&call.name);
        held.hand_off = self.hold_budget(call).map(|budget| now + budget);
        self.held_bytes += held.line.len();
        self.held.push(held);
        if self.policy.is_some() {
            self.rule_held(self.held.len() - 1, now);
        }
        // The first progress is due at once.
        self.handle_timeout(now);
    }

    fn hold_budget(&self, call: &Call<'_>) -> Option<Duration> {
        let named = call.client.as_ref().or(self.client.as_ref()).map(|client| client.name.as_str());
        self.settings.hold_for.budget(self.settings.client_name.as_deref().or(named).unwrap_or_default())
    }

    /// Rules on a held call for the first time; returns whether it is still held.
    fn rule_held(&mut self, index: usize, now: Instant) -> bool {
        let Some((policy, held)) = self.policy.as_ref().zip(self.held.get_mut(index)) else { return false };
        let ruling = policy.ruling(&held.tool).clone();
        match ruling.verdict {
            Verdict::Pass | Verdict::Deny => {
                self.settle(index, &ruling);
                false
            }
            Verdict::Gate | Verdict::Ask => {
                held.stage = Stage::Asked;
                held.timeout_seconds = u64::from(policy.timeout_seconds);
                held.speak(now);
                let (tool, approval) = (held.tool.clone(), held.approval.clone());
                self.log_call(&tool, Verdict::Gate, false, Some(approval));
                self.ask(index);
                true
            }
        }
    }

    /// Ends a hold by a ruling of *pass* or anything else, which refuses.
    fn settle(&mut self, index: usize, ruling: &Ruling) {
        let Some(held) = self.take(index) else { return };
        self.log_call(&held.tool, ruling.verdict, ruling.bypass, None);
        if ruling.verdict == Verdict::Pass {
            self.actions.push_back(Action::ToServer(held.line));
        } else {
            self.refuse(&held, &Refusal::Denied { reasons: ruling.reasons.clone() });
        }
    }

    fn ask(&mut self, index: usize) {
        if let Some((agent, held)) = self.agent.as_ref().zip(self.held.get(index)) {
            let request = held.to_request(agent, &self.settings.server);
            self.actions.push_back(Action::ToHub(Ask::Request(request)));
        }
    }

    fn on_cancelled(&mut self, request: Option<Id<'_>>, reason: &str) -> Fate {
        let Some(id) = request else { return Fate::Forward };
        if let Some(released) = self.released.get_mut(id.key.as_ref()) {
            released.cancelled = true;
            return Fate::Forward;
        }
        let Some(index) = self.held.iter().position(|held| held.key == id.key) else { return Fate::Forward };
        if let Some(held) = self.take(index) {
            let keep = patience::is_client_timeout(reason);
            let reason = if reason.is_empty() { "no reason given" } else { reason };
            self.withdraw(held.approval, &format!("the client cancelled the call: {reason}"), keep);
        }
        self.schedule();
        Fate::Consumed
    }

    fn in_use(&self, id: &Id<'_>) -> bool {
        self.held.iter().any(|held| held.key == id.key) || self.released.contains_key(id.key.as_ref())
    }

    /// A second request under an id that waits for its answer: any answer would be taken for the first one's.
    fn id_reused(&mut self, id: &Id<'_>) -> Fate {
        self.log(format!("refused a request: its id {} is in use by a call that waits", id.raw));
        Fate::Consumed
    }

    fn refuse_line(&mut self, refused: &Refused) -> Fate {
        self.log(format!("refused a line of the client: {}", refused.why));
        // An error under an id that waits would be taken for that call's answer.
        let waits = |raw: &str| {
            self.held.iter().any(|held| held.id == raw) || self.released.values().any(|released| released.id == raw)
        };
        if !refused.id.as_deref().is_some_and(waits) {
            self.actions.extend(reply::error_line(refused).map(Action::ToClient));
        }
        Fate::Consumed
    }

    // From the server.

    fn on_response(&mut self, id: &Id<'_>, result: Option<&[Member<'_>]>, now: Instant) -> Fate {
        if self.held.iter().any(|held| held.key == id.key) {
            return self.drop_server_line(&format!("an answer to the held call {}", id.raw));
        }
        if let Some(released) = self.released.remove(id.key.as_ref()) {
            let failed =
                result.is_none_or(|result| member(result, "isError").is_some_and(|is_error| is_error.raw == "true"));
            let fate = if released.cancelled { Fate::Consumed } else { Fate::Forward };
            self.report(released, if failed { Outcome::Failed } else { Outcome::Succeeded }, now);
            return fate;
        }
        if let Some(tools) = self.listing.answered(&id.key, result) {
            self.actions.push_back(Action::ToHub(Ask::Tools(tools)));
        }
        Fate::Forward
    }

    fn holds_token(&self, token: &Id<'_>) -> bool {
        self.held.iter().any(|held| held.token.as_ref().is_some_and(|held| held.key == token.key))
    }

    fn drop_server_line(&mut self, what: &str) -> Fate {
        self.log(format!("dropped from the server while calls wait: {what}"));
        Fate::Consumed
    }

    fn report(&mut self, released: Released, outcome: Outcome, now: Instant) {
        let duration_ms = u64::try_from(now.saturating_duration_since(released.at).as_millis()).unwrap_or(u64::MAX);
        let outcome = CallOutcome { approval: released.approval, outcome, duration_ms };
        if self.outcomes.len() == MAX_OUTCOMES {
            self.outcomes.pop_front();
        }
        self.outcomes.push_back(outcome.clone());
        self.actions.push_back(Action::ToHub(Ask::Outcome(outcome)));
    }

    // From the hub.

    fn on_welcome(&mut self, agent: ClientId, policy: Table, now: Instant) {
        self.connected = true;
        self.agent = Some(agent);
        self.policy = Some(policy);
        self.actions.extend(self.listing.known().map(|tools| Action::ToHub(Ask::Tools(tools))));
        self.actions.extend(self.outcomes.iter().cloned().map(|outcome| Action::ToHub(Ask::Outcome(outcome))));
        let mut index = 0;
        while index < self.held.len() {
            let kept = match self.held[index].stage {
                Stage::Unruled => self.rule_held(index, now),
                // A request that is registered already is only told again where it stands.
                Stage::Asked | Stage::Waiting { .. } => {
                    self.ask(index);
                    true
                }
                Stage::Releasing { .. } => {
                    self.ask_release(index);
                    true
                }
            };
            index += usize::from(kept);
        }
    }

    fn on_registered(&mut self, registered: Registered, now: Instant) {
        let Some(held) = self.held.iter_mut().find(|held| held.request == registered.id) else {
            // Taken back while the registration was under way.
            return self.cancel_at_hub(registered.approval, "the client took the call back");
        };
        if matches!(held.stage, Stage::Asked | Stage::Waiting { .. }) {
            let seen = matches!(held.stage, Stage::Waiting { seen: true, .. });
            let deadline = now + Duration::from_millis(registered.remaining_ms);
            held.approval = registered.approval;
            held.stage = Stage::Waiting { deadline, link: registered.link, seen };
        }
    }

    fn on_ruled(&mut self, ruled: Ruled) {
        let index = self.held.iter().position(|held| held.request == ruled.id && held.stage == Stage::Asked);
        if let Some(index) = index {
            self.settle(index, &ruled.ruling);
        }
    }

    fn on_decided(&mut self, decided: Decided, now: Instant) {
        let Some(index) = self.held.iter().position(|held| held.approval == decided.approval) else { return };
        let refusal = match decided.decision {
            Decision::Approved { digest, .. } => {
                if self.digest_at(index).as_ref() == Some(&digest) {
                    let grace = Duration::from_millis(u64::try_from(RELEASE_GRACE_MS).unwrap_or_default());
                    self.held[index].stage = Stage::Releasing { deadline: now + grace };
                    return self.ask_release(index);
                }
                self.cancel_at_hub(decided.approval, "the digest of the approved call does not match");
                Refusal::Mismatch
            }
            Decision::Rejected { reason, .. } => Refusal::Rejected { reason },
            Decision::TimedOut => Refusal::TimedOut { after_seconds: self.waited(index, now) },
            Decision::Cancelled { reason } => Refusal::Cancelled { reason },
        };
        if let Some(held) = self.take(index) {
            self.refuse(&held, &refusal);
        }
    }

    /// How long a call has waited, in seconds: its timeout, extensions included.
    fn waited(&self, index: usize, now: Instant) -> u64 {
        let waited = now.saturating_duration_since(self.held[index].since);
        (waited + Duration::from_millis(500)).as_secs().max(self.held[index].timeout_seconds)
    }

    fn digest_at(&self, index: usize) -> Option<super::ids::Digest> {
        Some(self.held.get(index)?.digest(self.agent.as_ref()?, &self.settings.server))
    }

    fn ask_release(&mut self, index: usize) {
        if let Some(digest) = self.digest_at(index) {
            let approval = self.held[index].approval.clone();
            self.actions.push_back(Action::ToHub(Ask::Release(Release { approval, digest })));
        }
    }

    fn on_go(&mut self, go: &Release, now: Instant) {
        let index = self.held.iter().position(|held| held.approval == go.approval);
        match index {
            Some(index) if matches!(self.held[index].stage, Stage::Releasing { .. }) => {
                self.write_released(index, go, now);
            }
            Some(_) => self.log(format!("ignored a go for {}, which was not asked for", go.approval)),
            None if self.written.contains(&go.approval) => {}
            None => {
                // Taken back while the release was under way: say so, or the record would call it released for ever.
                let outcome =
                    CallOutcome { approval: go.approval.clone(), outcome: Outcome::NotExecuted, duration_ms: 0 };
                self.actions.push_back(Action::ToHub(Ask::Outcome(outcome)));
            }
        }
    }

    /// The only way from held to the server. The entry is taken and marked before the line is handed on.
    fn write_released(&mut self, index: usize, go: &Release, now: Instant) {
        let matches = self.digest_at(index).as_ref() == Some(&go.digest);
        let Some(held) = self.take(index) else { return };
        if !matches || self.server_gone {
            let outcome =
                CallOutcome { approval: held.approval.clone(), outcome: Outcome::NotExecuted, duration_ms: 0 };
            self.actions.push_back(Action::ToHub(Ask::Outcome(outcome)));
            return self.refuse(&held, if matches { &Refusal::ServerGone } else { &Refusal::Mismatch });
        }
        if self.written.len() == MAX_WRITTEN {
            self.written.pop_front();
        }
        self.written.push_back(held.approval.clone());
        let released = Released { id: held.id, approval: held.approval, at: now, cancelled: false };
        self.released.insert(held.key, released);
        self.actions.push_back(Action::ToServer(held.line));
    }

    fn with_waiting(&mut self, approval: &ApprovalId, now: Instant, change: impl FnOnce(&mut Instant, &mut bool)) {
        let held = self.held.iter_mut().find(|held| held.approval == *approval);
        if let Some(held) = held
            && let Stage::Waiting { deadline, seen, .. } = &mut held.stage
        {
            change(deadline, seen);
            held.speak(now);
        }
    }

    // Ends.

    fn give_up(&mut self, index: usize, now: Instant) {
        let connected = self.connected;
        let Some(held) = self.take(index) else { return };
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

    fn log(&mut self, text: String) {
        self.actions.push_back(Action::Log(text));
    }

    fn log_call(&mut self, tool: &str, verdict: Verdict, bypass: bool, approval: Option<ApprovalId>) {
        self.actions.push_back(Action::ToHub(Ask::Call(Activity {
            age_ms: 0,
            tool: tool.to_owned(),
            verdict,
            bypass,
            arguments_sha256: None,
            approval,
            outcome: None,
            duration_ms: None,
        })));
    }

    fn schedule(&mut self) {
        let connected = self.connected;
        self.wake = self.held.iter().map(|held| held.next_wake(connected)).min();
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
