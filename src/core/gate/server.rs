//! What the gate does with a line of the server: it may answer what it was given, and nothing that is held.

use std::time::Instant;

use super::messages::{Ask, CallOutcome};
use super::released::{self, Released};
use super::{Action, Fate, Gate, MAX_OUTCOMES};
use crate::core::approval::Outcome;
use crate::core::frame::Id;
use crate::core::json::{Member, member};

impl Gate {
    pub(super) fn on_response(&mut self, id: &Id<'_>, result: Option<&[Member<'_>]>, now: Instant) -> Fate {
        if self.held.iter().any(|held| held.key == id.key) {
            return self.drop_server_line(&format!("an answer to the held call {}", id.raw));
        }
        if let Some(released) = self.released.remove(id.key.as_ref()) {
            if let Some(asked) = result.and_then(released::input_required)
                && !released.cancelled
            {
                self.continuations.expect(released, asked, now);
                return Fate::Forward;
            }
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

    pub(super) fn holds_token(&self, token: &Id<'_>) -> bool {
        self.held.iter().any(|held| held.token.as_ref().is_some_and(|held| held.key == token.key))
    }

    pub(super) fn drop_server_line(&mut self, what: &str) -> Fate {
        self.log(format!("dropped from the server while calls wait: {what}"));
        Fate::Consumed
    }

    pub(super) fn report(&mut self, released: Released, outcome: Outcome, now: Instant) {
        let duration_ms = u64::try_from(now.saturating_duration_since(released.at).as_millis()).unwrap_or(u64::MAX);
        let outcome = CallOutcome { approval: released.approval, outcome, duration_ms };
        if self.outcomes.len() == MAX_OUTCOMES {
            self.outcomes.pop_front();
        }
        self.outcomes.push_back(outcome.clone());
        self.actions.push_back(Action::ToHub(Ask::Outcome(outcome)));
    }
}
