//! What the gate does with a line of the client: pass it, refuse it, or hold it.

use std::time::{Duration, Instant};

use super::held::{Held, Stage};
use super::hub::not_let_in;
use super::learn::Listing;
use super::released::Released;
use super::{Action, Fate, Gate, MAX_HELD, MAX_HELD_BYTES};
use crate::core::approval::Outcome;
use crate::core::frame::{Call, Id, Refused};
use crate::core::messages::Ask;
use crate::core::patience;
use crate::core::policy::{Ruling, Table, Verdict};
use crate::core::reply::{self, MAX_GATED_BYTES, Refusal};

impl Gate {
    pub(super) fn on_call(&mut self, line: &[u8], call: &Call<'_>, now: Instant) -> Fate {
        if self.in_use(&call.id) {
            return self.id_reused(&call.id);
        }
        self.unsent.forget(&call.id.key);
        let ruling = self.policy.as_ref().map(|policy| (policy, policy.ruling(&call.name)));
        let listing = &mut self.listing;
        match ruling.map(|(policy, ruling)| (verdict_on(&call.name, policy, listing), ruling.bypass)) {
            Some((Verdict::Pass, bypass)) => {
                self.expect_answer(&call.id.key, &call.name, bypass, now);
                Fate::Forward
            }
            Some((Verdict::Deny, _)) => {
                let reasons = ruling.map(|(_, ruling)| ruling.reasons.clone()).unwrap_or_default();
                self.log_call(&call.name, Verdict::Deny, None);
                self.turn_down(call, &Refusal::Denied { reasons });
                Fate::Consumed
            }
            Some((Verdict::Gate | Verdict::Ask, _)) | None => {
                if let Some(approval) = self.continuations.take(call, now) {
                    self.log_call(&call.name, Verdict::Gate, Some(approval.clone()));
                    let beside = call.extra.beside();
                    let what = (call.name.as_ref(), call.arguments, beside);
                    let released = Released::new(call.id.raw, approval, what, now);
                    self.released.insert(call.id.key.clone().into_owned(), released);
                    return Fate::Forward;
                }
                self.hold(line, call, now);
                Fate::Consumed
            }
        }
    }

    /// Refuses a call that was never held.
    fn turn_down(&mut self, call: &Call<'_>, refusal: &Refusal) {
        self.unsent.note(&call.id.key);
        self.answer(call.id.raw, &call.name, None, refusal);
    }

    fn hold(&mut self, line: &[u8], call: &Call<'_>, now: Instant) {
        if self.server_gone {
            return self.turn_down(call, &Refusal::ServerGone);
        }
        if self.refused {
            self.log_call(&call.name, Verdict::Deny, None);
            return self.turn_down(call, &not_let_in());
        }
        if self.held.len() >= MAX_HELD || self.held_bytes + line.len() > MAX_HELD_BYTES {
            return self.turn_down(call, &Refusal::Overloaded);
        }
        let request = (self.settings.new_id)();
        let mut held = Held::new(line, call, request, now, self.settings.hub_wait);
        held.definition = self.listing.definition(&call.name).cloned();
        held.client = held.client.or_else(|| self.client.clone());
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
    pub(super) fn rule_held(&mut self, index: usize, now: Instant) -> bool {
        let Some((policy, held)) = self.policy.as_ref().zip(self.held.get_mut(index)) else { return false };
        let verdict = verdict_on(&held.tool, policy, &mut self.listing);
        match verdict {
            Verdict::Pass | Verdict::Deny => {
                let ruling = policy.ruling(&held.tool).clone();
                self.settle(index, &ruling, now);
                false
            }
            Verdict::Gate | Verdict::Ask if held.line.len() > MAX_GATED_BYTES => {
                let tool = held.tool.clone();
                self.log_call(&tool, Verdict::Deny, None);
                if let Some(held) = self.take(index) {
                    self.refuse(&held, &Refusal::TooLong);
                }
                false
            }
            Verdict::Gate | Verdict::Ask => {
                held.stage = Stage::Asked;
                held.timeout_seconds = u64::from(policy.timeout_seconds);
                // Most calls that only the hub can judge pass at once, and of a tool that is not in the table it may say
                // so too: nothing is said and logged of approval before it is known to be needed.
                held.doubtful = verdict == Verdict::Ask || !policy.tools.contains_key(&held.tool);
                if !held.doubtful {
                    self.announce(index, now);
                }
                self.ask(index);
                true
            }
        }
    }

    /// A held call needs approval: says so, to its client and in the log.
    pub(super) fn announce(&mut self, index: usize, now: Instant) {
        let Some(held) = self.held.get_mut(index) else { return };
        held.doubtful = false;
        held.speak(now);
        let (tool, approval) = (held.tool.clone(), held.approval.clone());
        self.log_call(&tool, Verdict::Gate, Some(approval));
    }

    /// Ends a hold by a ruling of *pass* or anything else, which refuses.
    pub(super) fn settle(&mut self, index: usize, ruling: &Ruling, now: Instant) {
        let Some(held) = self.take(index) else { return };
        if ruling.verdict == Verdict::Pass {
            self.expect_answer(&held.key, &held.tool, ruling.bypass, now);
            self.actions.push_back(Action::ToServer(held.line));
        } else {
            self.log_call(&held.tool, Verdict::Deny, None);
            self.refuse(&held, &Refusal::Denied { reasons: ruling.reasons.clone() });
        }
    }

    pub(super) fn ask(&mut self, index: usize) {
        self.tell_tools();
        if let Some((agent, held)) = self.agent.as_ref().zip(self.held.get(index)) {
            let request = held.to_request(agent, &self.settings.server);
            self.actions.push_back(Action::ToHub(Ask::Request(request)));
        }
    }

    pub(super) fn on_cancelled(&mut self, request: Option<Id<'_>>, reason: &str, now: Instant) -> Fate {
        let Some(id) = request else { return Fate::Forward };
        self.listing.cancelled(&id.key);
        // A server does not answer what was cancelled.
        if let Some(call) = self.awaited.take(&id.key) {
            self.log_passed(call, Outcome::Unknown, now);
        }
        if let Some(released) = self.released.get_mut(id.key.as_ref()) {
            released.cancelled = true;
            return Fate::Forward;
        }
        // What the client takes back may have been refused a moment ago: the server has never heard of it.
        let Some(index) = self.held.iter().position(|held| held.key == id.key) else {
            return if self.unsent.holds(&id.key) { Fate::Consumed } else { Fate::Forward };
        };
        if let Some(held) = self.take(index) {
            self.unsent.note(&held.key);
            let keep = patience::is_client_timeout(reason);
            let reason = if reason.is_empty() { "no reason given" } else { reason };
            self.withdraw(held.approval, &format!("the client cancelled the call: {reason}"), keep);
        }
        self.schedule();
        Fate::Consumed
    }

    /// A request that passes.
    pub(super) fn begins(&mut self, id: &Id<'_>) -> Fate {
        self.unsent.forget(&id.key);
        Fate::Forward
    }

    pub(super) fn in_use(&self, id: &Id<'_>) -> bool {
        self.held.iter().any(|held| held.key == id.key) || self.released.contains_key(id.key.as_ref())
    }

    /// A second request under an id that waits for its answer: any answer would be taken for the first one's.
    pub(super) fn id_reused(&mut self, id: &Id<'_>) -> Fate {
        self.log(format!("refused a request: its id {} is in use by a call that waits", id.raw));
        Fate::Consumed
    }

    /// A line of the client that does not pass: whoever waits for it is answered.
    pub fn refuse_line(&mut self, refused: &Refused) -> Fate {
        self.log(format!("refused a line of the client: {}", refused.why));
        // An error under an id that waits would be taken for that call's answer.
        let waits = |raw: &str| {
            self.held.iter().any(|held| held.id == raw) || self.released.values().any(|released| released.id == raw)
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
