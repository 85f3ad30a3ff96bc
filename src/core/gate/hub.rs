//! What the gate does with a message of the hub, and the one place where a held call is let go.

use std::time::{Duration, Instant};

use super::held::Stage;
use super::released::Released;
use super::requests::{Number, State};
use super::{Action, Gate, MAX_WRITTEN};
use crate::core::approval::{Outcome, RELEASE_GRACE_MS};
use crate::core::gate::Ask;
use crate::core::ids::{ApprovalId, ClientId, Digest};
use crate::core::messages::{CallOutcome, Decided, Decision, Registered, Release, Ruled};
use crate::core::policy::Table;
use crate::core::reply::Refusal;

impl Gate {
    pub(super) fn on_welcome(&mut self, agent: ClientId, policy: Table, now: Instant) {
        self.connected = true;
        self.refused = false;
        self.away = None;
        self.agent = Some(agent);
        self.policy = Some(policy);
        self.actions.extend(self.listing.known().map(|tools| Action::ToHub(Ask::Tools(tools))));
        self.actions.extend(self.outcomes.iter().cloned().map(|outcome| Action::ToHub(Ask::Outcome(outcome))));
        self.tell_handed_off(now);
        for number in self.requests.held_numbers() {
            match self.requests.held_at(number).map(|held| &held.stage) {
                Some(Stage::Unruled) => self.rule_held(number, now),
                // A request that is registered already is only told again where it stands.
                Some(Stage::Asked | Stage::Waiting { .. }) => self.ask(number),
                // As at the hub, which gives what may still be used a new grace.
                Some(Stage::Releasing { .. }) => self.approved(number, now),
                None => {}
            }
        }
    }

    /// The table was this agent's; whoever is not let in any more has none.
    pub(super) fn on_refused(&mut self, now: Instant) {
        self.connected = false;
        self.refused = true;
        self.policy = None;
        self.end_paused(|_| true, now);
        for number in self.requests.held_numbers() {
            self.refuse_at(number, &not_let_in(), now);
        }
    }

    pub(super) fn on_registered(&mut self, registered: Registered, now: Instant) {
        // One taken back while the registration was under way was withdrawn by its own id, right behind the request; a
        // second word on it could hit an identical call that has joined the approval since.
        let Some(number) = self.requests.find_held(|held| held.request == registered.id) else { return };
        let Some(held) = self.requests.held_at_mut(number) else { return };
        if !held.is_asked() {
            return;
        }
        held.approval = registered.approval;
        if registered.arguments.is_some_and(|shown| !held.show(shown)) {
            let approval = held.approval.clone();
            self.cancel_at_hub(approval, why_not(&Refusal::Mismatch));
            return self.refuse_at(number, &Refusal::Mismatch, now);
        }
        let seen = matches!(held.stage, Stage::Waiting { seen: true, .. });
        let deadline = now + Duration::from_millis(registered.remaining_ms);
        held.stage = Stage::Waiting { deadline, link: registered.link, seen };
        if held.doubtful {
            self.announce(number, now);
        }
    }

    pub(super) fn on_ruled(&mut self, ruled: Ruled, now: Instant) {
        let asked = self.requests.find_held(|held| held.request == ruled.id && held.stage == Stage::Asked);
        match asked {
            Some(number) if ruled.busy => {
                self.deny_at(number, &Refusal::Busy { why: ruled.ruling.reasons.join("; ") }, now);
            }
            Some(number) => self.settle(number, &ruled.ruling, now),
            None => {}
        }
    }

    pub(super) fn on_decided(&mut self, decided: Decided, now: Instant) {
        let Some(number) = self.requests.find_held(|held| held.approval == decided.approval) else { return };
        let refusal = match decided.decision {
            Decision::Approved { digest, .. } => match self.objection(number, &digest) {
                Some(refusal) => {
                    self.cancel_at_hub(decided.approval, why_not(&refusal));
                    refusal
                }
                None => return self.approved(number, now),
            },
            Decision::Rejected { reason, .. } => Refusal::Rejected { reason },
            Decision::TimedOut => Refusal::TimedOut { after_seconds: self.waited(number, now) },
            Decision::Cancelled { reason } => Refusal::Cancelled { reason },
        };
        self.refuse_at(number, &refusal, now);
    }

    fn approved(&mut self, number: Number, now: Instant) {
        let grace = Duration::from_millis(u64::try_from(RELEASE_GRACE_MS).unwrap_or_default());
        if let Some(held) = self.requests.held_at_mut(number) {
            held.stage = Stage::Releasing { deadline: now + grace };
        }
        self.ask_release(number);
    }

    /// Ends a hold without the server.
    pub(super) fn refuse_at(&mut self, number: Number, refusal: &Refusal, now: Instant) {
        if let Some(held) = self.requests.take_held(number) {
            self.refuse(&held, refusal, now);
        }
    }

    /// How long a call has waited, in seconds: its timeout, extensions included.
    fn waited(&self, number: Number, now: Instant) -> u64 {
        let Some(held) = self.requests.held_at(number) else { return 0 };
        let waited = now.saturating_duration_since(held.since);
        (waited + Duration::from_millis(500)).as_secs().max(held.timeout_seconds)
    }

    pub(super) fn digest_at(&self, number: Number) -> Option<Digest> {
        Some(self.requests.held_at(number)?.digest(self.agent.as_ref()?, &self.settings.server))
    }

    /// Why an approved call may not run all the same, if so: the approval must be of this very line, and of the tool as
    /// the client was shown it last.
    fn objection(&mut self, number: Number, approved: &Digest) -> Option<Refusal> {
        let own = self.digest_at(number);
        let Some(held) = self.requests.held_at(number).filter(|_| own.as_ref() == Some(approved)) else {
            return Some(Refusal::Mismatch);
        };
        let shown = self.listing.definition(&held.tool);
        if held.definition.as_ref().zip(shown).is_some_and(|(approved, shown)| approved != shown) {
            Some(Refusal::ToolChanged)
        } else {
            self.server_gone.then_some(Refusal::ServerGone)
        }
    }

    fn ask_release(&mut self, number: Number) {
        if let Some((digest, held)) = self.digest_at(number).zip(self.requests.held_at(number)) {
            let release = Release { approval: held.approval.clone(), digest };
            self.actions.push_back(Action::ToHub(Ask::Release(release)));
        }
    }

    pub(super) fn on_go(&mut self, go: &Release, now: Instant) {
        let number = self.requests.find_held(|held| held.approval == go.approval);
        match number {
            Some(number) if self.requests.held_at(number).is_some_and(super::held::Held::is_releasing) => {
                self.write_released(number, go, now);
            }
            Some(_) => self.log(format!("ignored a go for {}, which was not asked for", go.approval)),
            None if self.written.contains(&go.approval) => {}
            // Taken back while the release was under way: say so, or the record would call it released for ever.
            None => self.never_ran(go.approval.clone()),
        }
    }

    /// The record may call a call released that has not reached the server, and will not.
    pub(super) fn never_ran(&mut self, approval: ApprovalId) {
        self.tell_outcome(CallOutcome { approval, outcome: Outcome::NotExecuted, duration_ms: 0 });
    }

    /// The only way from held to the server. The entry is taken and marked before the line is handed on.
    fn write_released(&mut self, number: Number, go: &Release, now: Instant) {
        let objection = self.objection(number, &go.digest);
        let Some(held) = self.requests.take_held(number) else { return };
        if let Some(refusal) = objection {
            return self.refuse(&held, &refusal, now);
        }
        if self.written.len() == MAX_WRITTEN {
            self.written.pop_front();
        }
        self.written.push_back(held.approval.clone());
        let released = Released::new(held.approval.clone(), held.what(), held.spoken(), now);
        self.put(&held.key, State::Released(Box::new(released)), now);
        self.actions.push_back(Action::ToServer(held.into_line()));
    }

    pub(super) fn with_waiting(
        &mut self,
        approval: &ApprovalId,
        now: Instant,
        change: impl FnOnce(&mut Instant, &mut bool),
    ) {
        let number = self.requests.find_held(|held| held.approval == *approval);
        if let Some(held) = number.and_then(|number| self.requests.held_at_mut(number))
            && let Stage::Waiting { deadline, seen, .. } = &mut held.stage
        {
            change(deadline, seen);
            held.speak(now);
        }
    }
}

/// The same for the record.
fn why_not(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::ToolChanged => "the tool was defined otherwise after the approver had been shown it",
        Refusal::ServerGone => "the server ended",
        _ => "the digest of the approved call does not match",
    }
}

/// What a call is told whose agent the hub does not let in.
pub(super) fn not_let_in() -> Refusal {
    Refusal::Denied {
        reasons: vec!["the hub does not let this agent in (unknown, revoked, or not for this server)".to_owned()],
    }
}
