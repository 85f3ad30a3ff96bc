//! What the gate does with a line of the server: it may answer what it was given, and nothing that is held.

use std::time::Instant;

use super::learn::Ambiguous;
use super::released::{self, Released};
use super::{Action, Fate, Gate, MAX_OUTCOMES, MAX_OUTCOMES_AWAY};
use crate::core::approval::Outcome;
use crate::core::frame::{self, Id, ServerFrame};
use crate::core::json::{Member, member};
use crate::core::messages::{Ask, CallOutcome};
use crate::core::peek::{self, SEARCHED_BYTES, Sight};

impl Gate {
    /// A line that passes whatever it says: if it answers a call that passed, the log is told how that ended.
    pub(super) fn on_passing_line(&mut self, line: &[u8], now: Instant) {
        match peek::look(line) {
            Sight::NoAnswer => {}
            Sight::Answer(answer) => {
                if let Some(call) = self.awaited.take(answer.key) {
                    let outcome = answer.outcome().or_else(|| outcome_by_reading(line));
                    self.log_passed(call, outcome.unwrap_or(Outcome::Unknown), now);
                }
            }
            Sight::Unclear => {
                if let ServerFrame::Response { id, result } = frame::read_server(line) {
                    self.on_passing_response(&id, result.as_ref(), now);
                }
            }
        }
    }

    /// Whether a line says nothing but the tools that are known already, and nothing waits that it could touch.
    pub(super) fn is_known_list(&mut self, line: &[u8]) -> bool {
        let nothing_waits = self.held.is_empty() && self.released.is_empty();
        nothing_waits && self.listing.is_watching() && self.listing.repeats(peek::look(line))
    }

    fn on_passing_response(&mut self, id: &Id<'_>, result: Option<&Member<'_>>, now: Instant) {
        if let Some(call) = self.awaited.take(id.key.as_ref()) {
            self.log_passed(call, outcome_of(result), now);
        }
    }

    pub(super) fn on_response(&mut self, id: &Id<'_>, result: Option<&Member<'_>>, now: Instant) -> Fate {
        if self.held.iter().any(|held| held.key == id.key) {
            return self.drop_server_line(&format!("an answer to the held call {}", id.raw));
        }
        if let Some(released) = self.released.remove(id.key.as_ref()) {
            if let Some(asked) = result.and_then(|result| released::input_required(&result.inner))
                && !released.cancelled
            {
                self.continuations.expect(released, asked, now);
                return Fate::Forward;
            }
            let fate = if released.cancelled { Fate::Consumed } else { Fate::Forward };
            self.report(released, outcome_of(result), now);
            return fate;
        }
        self.on_passing_response(id, result, now);
        match self.listing.answered(&id.key, result, now) {
            Ok(()) => Fate::Forward,
            // What the client takes for the tools must be what the policy is on.
            Err(Ambiguous) => self.drop_server_line("a tool list that readers take differently"),
        }
    }

    pub(super) fn holds_token(&self, token: &Id<'_>) -> bool {
        self.held.iter().any(|held| held.token.as_ref().is_some_and(|held| held.key == token.key))
    }

    pub(super) fn drop_server_line(&mut self, what: &str) -> Fate {
        self.log(format!("dropped a line of the server: {what}"));
        Fate::Consumed
    }

    pub(super) fn report(&mut self, released: Released, outcome: Outcome, now: Instant) {
        let duration_ms = u64::try_from(now.saturating_duration_since(released.at).as_millis()).unwrap_or(u64::MAX);
        let outcome = CallOutcome { approval: released.approval, outcome, duration_ms };
        let most = if self.connected { MAX_OUTCOMES } else { MAX_OUTCOMES_AWAY };
        while self.outcomes.len() >= most {
            self.outcomes.pop_front();
        }
        self.outcomes.push_back(outcome.clone());
        self.actions.push_back(Action::ToHub(Ask::Outcome(outcome)));
    }
}

/// How a call ended that the server answered so; `None` is a protocol error.
fn outcome_of(result: Option<&Member<'_>>) -> Outcome {
    let is_error =
        |result: &Member<'_>| member(&result.inner, "isError").is_some_and(|is_error| is_error.raw == "true");
    if result.is_none_or(is_error) { Outcome::Failed } else { Outcome::Succeeded }
}

/// The same, read out of a line that is not too long for the log to be worth it.
fn outcome_by_reading(line: &[u8]) -> Option<Outcome> {
    match (line.len() <= SEARCHED_BYTES).then(|| frame::read_server(line))? {
        ServerFrame::Response { result, .. } => Some(outcome_of(result.as_ref())),
        _ => None,
    }
}
