//! What the gate does with a message of the hub, and the one place where a held call is let go.

use std::time::{Duration, Instant};

use super::held::Stage;
use super::released::Released;
use super::{Action, Gate, MAX_WRITTEN};
use crate::core::approval::{Outcome, RELEASE_GRACE_MS};
use crate::core::ids::{ApprovalId, ClientId, Digest};
use crate::core::messages::{Ask, CallOutcome, Decided, Decision, Registered, Release, Ruled};
use crate::core::policy::{Table, Verdict};
use crate::core::reply::Refusal;

impl Gate {
    pub(super) fn on_welcome(&mut self, agent: ClientId, policy: Table, now: Instant) {
        self.connected = true;
        self.refused = false;
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

    /// The table was this agent's; whoever is not let in any more has none.
    pub(super) fn on_refused(&mut self) {
        self.connected = false;
        self.refused = true;
        self.policy = None;
        self.continuations = super::released::Continuations::default();
        while let Some(held) = self.take(0) {
            self.refuse(&held, &not_let_in());
        }
    }

    pub(super) fn on_registered(&mut self, registered: Registered, now: Instant) {
        // One taken back while the registration was under way was withdrawn by its own id, right behind the request; a
        // second word on it could hit an identical call that has joined the approval since.
        let Some(index) = self.held.iter().position(|held| held.request == registered.id) else { return };
        let held = &mut self.held[index];
        if matches!(held.stage, Stage::Asked | Stage::Waiting { .. }) {
            let seen = matches!(held.stage, Stage::Waiting { seen: true, .. });
            let deadline = now + Duration::from_millis(registered.remaining_ms);
            held.approval = registered.approval;
            held.stage = Stage::Waiting { deadline, link: registered.link, seen };
            if held.doubtful {
                self.announce(index, now);
            }
        }
    }

    pub(super) fn on_ruled(&mut self, ruled: Ruled, now: Instant) {
        let index = self.held.iter().position(|held| held.request == ruled.id && held.stage == Stage::Asked);
        match index {
            Some(index) if ruled.busy => self.turn_away(index, &ruled.ruling.reasons),
            Some(index) => self.settle(index, &ruled.ruling, now),
            None => {}
        }
    }

    /// Ends a hold for which the hub has no room now.
    fn turn_away(&mut self, index: usize, reasons: &[String]) {
        let Some(held) = self.take(index) else { return };
        self.log_call(&held.tool, Verdict::Deny, None);
        self.refuse(&held, &Refusal::Busy { why: reasons.join("; ") });
    }

    pub(super) fn on_decided(&mut self, decided: Decided, now: Instant) {
        let Some(index) = self.held.iter().position(|held| held.approval == decided.approval) else { return };
        let refusal = match decided.decision {
            Decision::Approved { digest, .. } => match self.objection(index, &digest) {
                Some(refusal) => {
                    self.cancel_at_hub(decided.approval, why_not(&refusal));
                    refusal
                }
                None => {
                    let grace = Duration::from_millis(u64::try_from(RELEASE_GRACE_MS).unwrap_or_default());
                    self.held[index].stage = Stage::Releasing { deadline: now + grace };
                    return self.ask_release(index);
                }
            },
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

    fn digest_at(&self, index: usize) -> Option<Digest> {
        Some(self.held.get(index)?.digest(self.agent.as_ref()?, &self.settings.server))
    }

    /// Why an approved call may not run all the same, if so: the approval must be of this very line, and of the tool as
    /// the client was shown it last.
    fn objection(&mut self, index: usize, approved: &Digest) -> Option<Refusal> {
        let own = self.digest_at(index);
        let Some(held) = self.held.get(index).filter(|_| own.as_ref() == Some(approved)) else {
            return Some(Refusal::Mismatch);
        };
        let shown = self.listing.definition(&held.tool);
        if held.definition.as_ref().zip(shown).is_some_and(|(approved, shown)| approved != shown) {
            Some(Refusal::ToolChanged)
        } else {
            self.server_gone.then_some(Refusal::ServerGone)
        }
    }

    pub(super) fn ask_release(&mut self, index: usize) {
        if let Some(digest) = self.digest_at(index) {
            let approval = self.held[index].approval.clone();
            self.actions.push_back(Action::ToHub(Ask::Release(Release { approval, digest })));
        }
    }

    pub(super) fn on_go(&mut self, go: &Release, now: Instant) {
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
        let objection = self.objection(index, &go.digest);
        let Some(mut held) = self.take(index) else { return };
        if let Some(refusal) = objection {
            let outcome =
                CallOutcome { approval: held.approval.clone(), outcome: Outcome::NotExecuted, duration_ms: 0 };
            self.actions.push_back(Action::ToHub(Ask::Outcome(outcome)));
            return self.refuse(&held, &refusal);
        }
        if self.written.len() == MAX_WRITTEN {
            self.written.pop_front();
        }
        self.written.push_back(held.approval.clone());
        let arguments = held.arguments().to_owned();
        let what = (held.tool.as_str(), Some(arguments.as_str()), held.beside.clone());
        let mut released = Released::new(&held.id, held.approval.clone(), what, now);
        released.spoken = held.take_spoken();
        self.released.insert(held.key, released);
        self.actions.push_back(Action::ToServer(held.line));
    }

    pub(super) fn with_waiting(
        &mut self,
        approval: &ApprovalId,
        now: Instant,
        change: impl FnOnce(&mut Instant, &mut bool),
    ) {
        let held = self.held.iter_mut().find(|held| held.approval == *approval);
        if let Some(held) = held
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
