//! Released calls whose end is not known, and what may continue them.
//!
//! A server of the modern era may answer a call with `resultType: "input_required"`; the client then calls again with
//! `inputResponses` and the `requestState` it was given (2026-07-28, multi round-trip requests). That call continues
//! the approved one if tool, arguments, state and all else are exactly those, once, in time, and not for ever; anything
//! else is a new call.

use std::time::{Duration, Instant};

use crate::core::call::NO_ARGUMENTS;
use crate::core::frame::Call;
use crate::core::ids::ApprovalId;
use crate::core::json::{Member, member};
use crate::core::messages::MAX_ROUNDS;

/// How long a continuation is waited for.
const CONTINUE_WITHIN: Duration = Duration::from_secs(600);
/// How long after its release an approved call may be continued.
const CONTINUE_FOR: Duration = Duration::from_secs(3600);

/// A call the server has been given and not answered.
#[derive(Debug)]
pub(super) struct Released {
    pub(super) approval: ApprovalId,
    pub(super) at: Instant,
    /// The client took it back after the release: its answer is recorded and not passed on.
    pub(super) cancelled: bool,
    /// The progress token.
    pub(super) token: Option<Spoken>,
    /// How often it was continued before.
    pub(super) round: u32,
    /// When it was released first.
    first: Instant,
    tool: String,
    arguments: String,
    /// What else it carried, without what continued an earlier one.
    beside: Option<String>,
}

/// A progress token, and what we said on it.
#[derive(Clone, Debug)]
pub(super) struct Spoken {
    pub(super) key: String,
    /// The last progress, times 1000.
    pub(super) last: Option<i64>,
}

/// What of a call must be the same in one that continues it.
pub(super) struct What {
    pub(super) tool: String,
    pub(super) arguments: String,
    pub(super) beside: Option<String>,
}

impl Released {
    /// One that the server is given now.
    pub(super) fn new(approval: ApprovalId, what: What, token: Option<Spoken>, now: Instant) -> Self {
        Self {
            approval,
            at: now,
            cancelled: false,
            token,
            round: 0,
            first: now,
            tool: what.tool,
            arguments: what.arguments,
            beside: what.beside,
        }
    }

    /// Whether this progress on this token would not increase over what we said.
    pub(super) fn falls_back(&self, token: &str, progress: Option<f64>) -> bool {
        let Some(Spoken { key, last: Some(last) }) = &self.token else { return false };
        // Thousandths of seconds left are far below the precision of a double.
        let last = *last as f64 / 1000.0;
        key == token && progress.is_none_or(|progress| progress <= last)
    }

    /// Waits for its client, unless it has been continued often or long enough.
    pub(super) fn pause(self: Box<Self>, asked: InputRequired, now: Instant) -> Result<Paused, Box<Self>> {
        let until = (now + CONTINUE_WITHIN).min(self.first + CONTINUE_FOR);
        if self.round >= MAX_ROUNDS || until <= now {
            return Err(self);
        }
        Ok(Paused { released: *self, state: asked.state, until })
    }
}

/// What a result that wants more from the client hands it: the raw `requestState`, if any.
pub(super) struct InputRequired {
    state: Option<String>,
}

/// Whether a result asks the client for input before the call can go on.
pub(super) fn input_required(result: &[Member<'_>]) -> Option<InputRequired> {
    let wants_more = member(result, "resultType").is_some_and(|kind| kind.raw == "\"input_required\"");
    wants_more.then(|| InputRequired { state: member(result, "requestState").map(|state| state.raw.to_owned()) })
}

/// A released call whose client was asked for more.
#[derive(Debug)]
pub(super) struct Paused {
    pub(super) released: Released,
    state: Option<String>,
    pub(super) until: Instant,
}

impl Paused {
    /// Whether this call goes on with it.
    pub(super) fn goes_on_with(&self, call: &Call<'_>, client: &str, now: Instant) -> bool {
        let Some(continues) = &call.continues else { return false };
        let of = &self.released;
        let same = of.tool == call.name && of.arguments == call.arguments.unwrap_or(NO_ARGUMENTS);
        same && of.beside == call.extra.beside(client) && self.state.as_deref() == continues.state && now < self.until
    }

    /// The call goes on, as this request.
    pub(super) fn go_on(self, token: Option<Spoken>, now: Instant) -> Released {
        let round = self.released.round + 1;
        Released { at: now, cancelled: false, token, round, ..self.released }
    }
}
