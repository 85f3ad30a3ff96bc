//! Calls that are refused without asking anyone: by policy, or because they are over a bound. The log keeps what they were.

use std::time::Instant;

use super::requests::{Number, State};
use super::{Action, Ask, Gate};
use crate::core::approval::Outcome;
use crate::core::call::{self, Bound, NO_ARGUMENTS};
use crate::core::frame::Call;
use crate::core::ids::Digest;
use crate::core::messages::{Activity, Denied};
use crate::core::policy::Verdict;
use crate::core::reply::Refusal;

impl Gate {
    /// Denies a call that was never held.
    pub(super) fn deny(&mut self, call: &Call<'_>, refusal: &Refusal, now: Instant) {
        let arguments = call.arguments.unwrap_or(NO_ARGUMENTS);
        let digest = self.digest_of(call, arguments);
        self.log_denied(&call.name, arguments, digest, refusal);
        self.turn_down(call, refusal, now);
    }

    /// Denies a call that is held.
    pub(super) fn deny_at(&mut self, number: Number, refusal: &Refusal, now: Instant) {
        let digest = self.digest_at(number);
        let Some(held) = self.requests.take_held(number) else { return };
        self.log_denied(&held.tool, held.sent(), digest, refusal);
        self.refuse(&held, refusal, now);
    }

    /// Refuses a call that was never held.
    pub(super) fn turn_down(&mut self, call: &Call<'_>, refusal: &Refusal, now: Instant) {
        self.put(&call.id.key, State::Ended { sent: false }, now);
        self.answer(call.id.raw, &call.name, None, refusal);
    }

    fn digest_of(&mut self, call: &Call<'_>, arguments: &str) -> Option<Digest> {
        let extra = call.extra.text(&self.client_named(call));
        let definition = self.listing.definition(&call.name);
        let (agent, server) = (self.agent.as_ref()?, &self.settings.server);
        let bound = Bound { agent, server, tool: &call.name, definition, arguments, extra: extra.as_deref() };
        Some(call::digest(&bound))
    }

    fn log_denied(&mut self, tool: &str, arguments: &str, digest: Option<Digest>, refusal: &Refusal) {
        let denied = Denied { reasons: refusal.reasons(), digest, arguments: Some(Denied::cut(arguments)) };
        self.actions.push_back(Action::ToHub(Ask::Call(Activity {
            age_ms: 0,
            tool: tool.to_owned(),
            verdict: Verdict::Deny,
            bypass: false,
            approval: None,
            outcome: Some(Outcome::NotExecuted),
            duration_ms: None,
            running: None,
            denied: Some(denied),
        })));
    }
}
