//! What the gate does with a line of the client: pass it, refuse it, or hold it.

use std::time::Instant;

use super::hand_off::SECOND_THOUGHT;
use super::held::{Held, Stage};
use super::hub::not_let_in;
use super::learn::Listing;
use super::passing::Passing;
use super::released::Spoken;
use super::requests::{Number, State};
use super::{Action, Fate, Gate, MAX_HELD, MAX_HELD_BYTES};
use crate::core::approval::Outcome;
use crate::core::frame::{self, Call, ClientFrame, Id, Refused};
use crate::core::gate::Ask;
use crate::core::messages::Continued;
use crate::core::outline;
use crate::core::patience::{self, Ending};
use crate::core::policy::{Ruling, Table, Verdict};
use crate::core::reply::{self, MAX_GATED_BYTES, Refusal};

/// Why a call does not go on that its client has taken back, or another one.
const UNCLEAR: &str = "the client took a call back in a message that cannot be read clearly";

impl Gate {
    pub(super) fn on_call(&mut self, line: &[u8], call: &Call<'_>, now: Instant) -> Fate {
        if self.in_use(&call.id) {
            return self.id_reused(&call.id);
        }
        let ruling = self.policy.as_ref().map(|policy| (policy, policy.ruling(&call.name)));
        let listing = &mut self.listing;
        match ruling.map(|(policy, ruling)| (verdict_on(&call.name, policy, listing), ruling.bypass)) {
            Some((Verdict::Pass, bypass)) => {
                self.passes(&call.id.key, Passing::new(&call.name, bypass, now), now);
                Fate::Forward
            }
            Some((Verdict::Deny, _)) => {
                let reasons = ruling.map(|(_, ruling)| ruling.reasons.clone()).unwrap_or_default();
                self.deny(call, &Refusal::Denied { reasons }, now);
                Fate::Consumed
            }
            Some((Verdict::Gate | Verdict::Ask, _)) | None => self.go_on(call, now).unwrap_or_else(|| {
                self.hold(line, call, now);
                Fate::Consumed
            }),
        }
    }

    /// Lets a call pass that goes on with an approved one, which the server asked its client for.
    fn go_on(&mut self, call: &Call<'_>, now: Instant) -> Option<Fate> {
        let client = self.client_named(call);
        let paused = self.requests.take_continued(call, &client, now)?;
        let token = call.token.as_ref().map(|token| Spoken { key: token.key.clone().into_owned(), last: None });
        let released = paused.go_on(token, now);
        self.log_gated(&call.name, released.approval.clone());
        let inputs = call.extra.inputs().unwrap_or_default();
        let continued = Continued { approval: released.approval.clone(), round: released.round, inputs };
        self.actions.push_back(Action::ToHub(Ask::Continued(continued)));
        self.put(&call.id.key, State::Released(Box::new(released)), now);
        Some(Fate::Forward)
    }

    fn hold(&mut self, line: &[u8], call: &Call<'_>, now: Instant) {
        if self.server_gone {
            return self.turn_down(call, &Refusal::ServerGone, now);
        }
        if self.refused {
            return self.deny(call, &not_let_in(), now);
        }
        if self.requests.held_count() >= MAX_HELD || self.requests.held_bytes() + line.len() > MAX_HELD_BYTES {
            return self.deny(call, &Refusal::Overloaded, now);
        }
        let client = self.client_named(call);
        let mut held = Held::new(line, call, &client, (self.settings.new_id)(), now);
        held.give_up = now + self.settings.hub_wait;
        held.definition = self.listing.definition(&call.name).cloned();
        held.client = held.client.or_else(|| self.client.clone());
        held.hand_off = self.settings.hold_for.budget(&client).map(|budget| now + budget);
        self.make_way_for(&held, now);
        self.put(&call.id.key, State::Held(Box::new(held)), now);
        if self.policy.is_some()
            && let Some(number) = self.requests.number(&call.id.key)
        {
            self.rule_held(number, now);
        }
        // The first progress is due at once.
        self.handle_timeout(now);
    }

    /// A client that calls again has given up the same call that still waits, with a word or without: that one is
    /// answered, and its approval stays for this one. An approval that is kept already is there for it, too.
    fn make_way_for(&mut self, again: &Held, now: Instant) {
        let replaced = self.requests.find_held(|held| held.may_be_replaced() && held.is_identical(again));
        if let Some(held) = replaced.and_then(|number| self.requests.take_held(number)) {
            self.refuse(&held, &Refusal::AskedAgain, now);
            self.hand_off(held.approval, "the client called again while it waited", now, now);
        }
        if self.connected {
            let kept = self.handed_off.take_all();
            self.actions.extend(kept.into_iter().map(|cancel| Action::ToHub(Ask::Cancel(cancel))));
        }
    }

    /// The client, as the command line, the call itself or `initialize` names it.
    pub(super) fn client_named(&self, call: &Call<'_>) -> String {
        let named = call.client.as_ref().or(self.client.as_ref()).map(|client| client.name.as_str());
        self.settings.client_name.as_deref().or(named).unwrap_or_default().to_owned()
    }

    /// Rules on a held call for the first time.
    pub(super) fn rule_held(&mut self, number: Number, now: Instant) {
        let Some((policy, held)) = self.policy.as_ref().zip(self.requests.held_at_mut(number)) else { return };
        let verdict = verdict_on(&held.tool, policy, &mut self.listing);
        match verdict {
            Verdict::Pass | Verdict::Deny => {
                let ruling = policy.ruling(&held.tool).clone();
                self.settle(number, &ruling, now);
            }
            Verdict::Gate | Verdict::Ask if held.line_len() > MAX_GATED_BYTES => {
                self.deny_at(number, &Refusal::TooLong, now);
            }
            Verdict::Gate | Verdict::Ask => {
                held.stage = Stage::Asked;
                held.timeout_seconds = u64::from(policy.timeout_seconds);
                // Most calls that only the hub can judge pass at once, and of a tool that is not in the table it may say
                // so too: nothing is said and logged of approval before it is known to be needed.
                held.doubtful = verdict == Verdict::Ask || !policy.tools.contains_key(&held.tool);
                if !held.doubtful {
                    self.announce(number, now);
                }
                self.ask(number);
            }
        }
    }

    /// A held call needs approval: says so, to its client and in the log.
    pub(super) fn announce(&mut self, number: Number, now: Instant) {
        let Some(held) = self.requests.held_at_mut(number) else { return };
        held.doubtful = false;
        held.speak(now);
        let (tool, approval) = (held.tool.clone(), held.approval.clone());
        self.log_gated(&tool, approval);
    }

    /// Ends a hold by a ruling of *pass* or anything else, which refuses.
    pub(super) fn settle(&mut self, number: Number, ruling: &Ruling, now: Instant) {
        if ruling.verdict != Verdict::Pass {
            return self.deny_at(number, &Refusal::Denied { reasons: ruling.reasons.clone() }, now);
        }
        let Some(held) = self.requests.take_held(number) else { return };
        self.passes(&held.key, Passing::new(&held.tool, ruling.bypass, now), now);
        self.actions.push_back(Action::ToServer(held.into_line()));
    }

    pub(super) fn ask(&mut self, number: Number) {
        self.tell_tools();
        if let Some((agent, held)) = self.agent.as_ref().zip(self.requests.held_at(number)) {
            let request = held.to_request(agent, &self.settings.server);
            self.actions.push_back(Action::ToHub(Ask::Request(request)));
        }
    }

    pub(super) fn on_cancelled(&mut self, request: Option<Id<'_>>, reason: &str, now: Instant) -> Fate {
        let Some(id) = request else { return Fate::Forward };
        match self.requests.state_mut(&id.key) {
            Some(State::Released(released)) => {
                released.cancelled = true;
                Fate::Forward
            }
            // What the client takes back may have been refused a moment ago: the server has never heard of it.
            Some(State::Ended { sent }) => {
                if *sent {
                    Fate::Forward
                } else {
                    Fate::Consumed
                }
            }
            Some(State::Held(_)) => {
                self.take_back(&id, reason, now);
                Fate::Consumed
            }
            Some(State::Paused(_)) => {
                // Nothing goes on with it any more.
                self.put(&id.key, State::Ended { sent: true }, now);
                Fate::Forward
            }
            // A server does not answer what was cancelled, or a moment too late.
            Some(State::Passed | State::List { .. } | State::Running(_) | State::TakenBack) => {
                if let Some(State::Running(call)) = self.requests.take(&id.key) {
                    self.log_passed(call, Outcome::Unknown, now);
                }
                self.put(&id.key, State::TakenBack, now);
                Fate::Forward
            }
            None => Fate::Forward,
        }
    }

    /// Whether each of several values on a line passes, and so the line as it came: which of them a server reads is its
    /// own affair. Without us it would not be answered either.
    pub(super) fn pass_values(&mut self, line: &[u8], now: Instant) -> bool {
        let Some(values) = frame::values(line) else { return false };
        let passes = |value: &&[u8]| frame::read_client(value).is_ok_and(|frame| self.would_pass(&frame));
        values.iter().all(passes) && values.iter().all(|value| self.handle_client(value, now) == Fate::Forward)
    }

    /// Whether a line with this alone would be forwarded.
    fn would_pass(&mut self, frame: &ClientFrame<'_>) -> bool {
        match frame {
            ClientFrame::Call(call) => {
                let verdict = self.policy.as_ref().map(|policy| verdict_on(&call.name, policy, &mut self.listing));
                verdict == Some(Verdict::Pass) && !self.in_use(&call.id)
            }
            ClientFrame::ListTools { id, .. } | ClientFrame::Initialize { id, .. } | ClientFrame::Request { id } => {
                !self.in_use(id)
            }
            ClientFrame::Cancelled { .. } => false,
            ClientFrame::Other => true,
        }
    }

    fn take_back(&mut self, id: &Id<'_>, reason: &str, now: Instant) {
        let Some(State::Held(held)) = self.requests.take(&id.key) else { return };
        self.put(&held.key, State::Ended { sent: false }, now);
        let said = if reason.is_empty() { "no reason given" } else { reason };
        let said = format!("the client cancelled the call: {said}");
        let releasing = held.is_releasing().then(|| held.approval.clone());
        match patience::ending(reason) {
            Ending::TimedOut => self.hand_off(held.approval, &said, now, now),
            Ending::Unclear => self.hand_off(held.approval, &said, now + SECOND_THOUGHT, now),
            Ending::TakenBack => self.cancel_at_hub(held.approval, &said),
        }
        if let Some(approval) = releasing {
            self.never_ran(approval);
        }
        self.schedule();
    }

    /// A line that cannot pass may take a call back, and its client waits for that no longer: each held call that it may
    /// be about is refused. The client that meant another learns it by the answer.
    pub(super) fn take_back_unclear(&mut self, line: &[u8], now: Instant) {
        if self.requests.held_count() == 0 || !outline::may_take_back(line) {
            return;
        }
        for number in self.requests.held_numbers() {
            if !self.requests.held_at(number).is_some_and(|held| names(line, held.id.as_bytes())) {
                continue;
            }
            let Some(held) = self.requests.take_held(number) else { continue };
            let never_ran = held.is_releasing().then(|| held.approval.clone());
            self.refuse(&held, &Refusal::Cancelled { reason: UNCLEAR.into() }, now);
            self.cancel_at_hub(held.approval, UNCLEAR);
            never_ran.into_iter().for_each(|approval| self.never_ran(approval));
        }
        self.schedule();
    }

    /// A request that passes, unless its id is in use.
    pub(super) fn begins(&mut self, id: &Id<'_>, state: State, now: Instant) -> Fate {
        if self.in_use(id) {
            return self.id_reused(id);
        }
        self.put(&id.key, state, now);
        Fate::Forward
    }

    /// Whether a gated call has this id, or one that some client takes for it.
    pub(super) fn in_use(&self, id: &Id<'_>) -> bool {
        self.requests.is_gating()
            && (self.requests.state(&id.key).is_some_and(State::is_open_gated)
                || self.requests.has_alike(&id.key, State::is_open_gated))
    }

    /// A second request under an id that waits for its answer: any answer would be taken for the first one's.
    fn id_reused(&mut self, id: &Id<'_>) -> Fate {
        self.log(format!("refused a request: its id {} is in use by a call that waits", id.raw));
        Fate::Consumed
    }

    /// A line of the client that does not pass: whoever waits for it is answered.
    pub fn refuse_line(&mut self, refused: &Refused) -> Fate {
        self.log(format!("refused a line of the client: {}", refused.why));
        // An error under an id that waits would be taken for that call's answer.
        let waits = |raw: &str| {
            let key = raw.strip_suffix('"').unwrap_or(raw);
            self.requests.state(key).is_some_and(State::is_open_gated)
                || self.requests.has_alike(key, State::is_open_gated)
        };
        let errors: Vec<_> = reply::errors(refused).filter(|(id, _)| !waits(id)).map(|(_, line)| line).collect();
        self.actions.extend(errors.into_iter().map(Action::ToClient));
        self.actions.extend(reply::stand_ins(refused).map(Action::InPlace));
        Fate::Consumed
    }
}

/// What policy says of a tool, unless the client was shown another one under that name than policy is on.
fn verdict_on(tool: &str, policy: &Table, listing: &mut Listing) -> Verdict {
    let verdict = policy.ruling(tool).verdict;
    let known = |listing: &mut Listing| policy.knows(tool, listing.definition(tool));
    if verdict == Verdict::Pass && !known(listing) { Verdict::Ask } else { verdict }
}

/// Whether an id stands in a line, in quotes or without.
fn names(line: &[u8], id: &[u8]) -> bool {
    let id = id.strip_prefix(b"\"").and_then(|id| id.strip_suffix(b"\"")).unwrap_or(id);
    let of_id =
        |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    memchr::memmem::find_iter(line, id).any(|at| {
        let before = at.checked_sub(1).and_then(|at| line.get(at));
        !of_id(before) && !of_id(line.get(at + id.len()))
    })
}
