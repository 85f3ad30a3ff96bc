//! Released calls whose end is not known, and what may continue them.
//!
//! A server of the modern era may answer a call with `resultType: "input_required"`; the client then calls again with
//! `inputResponses` and the `requestState` it was given (2026-07-28, multi round-trip requests). That call continues
//! the approved one if tool, arguments, state and all else are exactly those, once; anything else is a new call.

use std::time::{Duration, Instant};

use crate::core::call::NO_ARGUMENTS;
use crate::core::frame::Call;
use crate::core::ids::ApprovalId;
use crate::core::json::{Member, member};

/// How long a continuation is waited for.
const CONTINUE_WITHIN: Duration = Duration::from_secs(600);
/// How many continuations are waited for at once.
const MAX_CONTINUATIONS: usize = 64;

/// A call the server has been given and not answered.
pub(super) struct Released {
    pub(super) id: String,
    pub(super) approval: ApprovalId,
    pub(super) at: Instant,
    /// The client took it back after the release: its answer is recorded and not passed on.
    pub(super) cancelled: bool,
    /// The progress token and the last progress (times 1000) that we said on it.
    pub(super) spoken: Option<(String, i64)>,
    tool: String,
    arguments: String,
    /// What else it carried, without what continued an earlier one.
    beside: Option<String>,
}

impl Released {
    /// Of the request `id`.
    pub(super) fn new(
        id: &str,
        approval: ApprovalId,
        (tool, arguments, beside): (&str, Option<&str>, Option<String>),
        at: Instant,
    ) -> Self {
        Self {
            beside,
            id: id.to_owned(),
            approval,
            at,
            cancelled: false,
            spoken: None,
            tool: tool.to_owned(),
            arguments: arguments.unwrap_or(NO_ARGUMENTS).to_owned(),
        }
    }

    /// Whether this progress on this token would not increase over what we said.
    pub(super) fn falls_back(&self, token: &str, progress: Option<f64>) -> bool {
        self.spoken.as_ref().is_some_and(|(key, last)| {
            // Thousandths of seconds left are far below the precision of a double.
            #[allow(clippy::cast_precision_loss)]
            let last = *last as f64 / 1000.0;
            key == token && progress.is_none_or(|progress| progress <= last)
        })
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

/// Continuations that are waited for.
#[derive(Default)]
pub(super) struct Continuations(Vec<(Released, InputRequired, Instant)>);

impl Continuations {
    /// The server wants more for a released call.
    pub(super) fn expect(&mut self, released: Released, asked: InputRequired, now: Instant) {
        if self.0.len() == MAX_CONTINUATIONS {
            self.0.remove(0);
        }
        self.0.push((released, asked, now + CONTINUE_WITHIN));
    }

    /// The approval that this call continues, used up by asking.
    pub(super) fn take(&mut self, call: &Call<'_>, now: Instant) -> Option<ApprovalId> {
        let continues = call.continues.as_ref()?;
        self.0.retain(|(_, _, until)| *until > now);
        let (arguments, beside) = (call.arguments.unwrap_or(NO_ARGUMENTS), call.extra.beside());
        let index = self.0.iter().position(|(released, asked, _)| {
            let same = released.tool == call.name && released.arguments == arguments;
            same && released.beside == beside && asked.state.as_deref() == continues.state
        })?;
        Some(self.0.remove(index).0.approval)
    }

    /// The approvals behind them.
    pub(super) fn approvals(&self) -> impl Iterator<Item = ApprovalId> {
        self.0.iter().map(|(released, _, _)| released.approval.clone())
    }
}
