//! What the gate does with a line of the server: it may answer what it was given, once, and nothing that is held.

use std::sync::LazyLock;
use std::time::Instant;

use memchr::memmem::Finder;

use super::forms;
use super::held::Token;
use super::learn::Ambiguous;
use super::released::{self, Released};
use super::requests::State;
use super::{Action, Fate, Gate, MAX_OUTCOMES, MAX_OUTCOMES_AWAY};
use crate::core::approval::Outcome;
use crate::core::frame::{self, Id, ServerFrame};
use crate::core::gate::Ask;
use crate::core::json::{self, Member, member};
use crate::core::messages::CallOutcome;
use crate::core::outline::{self, Object, Part};
use crate::core::peek::{self, SEARCHED_BYTES, Sight};

/// A longer message says something else than that tools changed.
const SHORT_BYTES: usize = 4 << 10;

impl Gate {
    /// A line while nothing is open that it could be forged for: it answers an open request, or none; if that is a call
    /// that passed, the log is told how it ended.
    pub(super) fn on_passing_line(&mut self, line: &[u8], now: Instant) -> Fate {
        match peek::look(line) {
            Sight::NoAnswer if !is_of_lists(line) && !self.tokens.may_be_early(line) => Fate::Forward,
            Sight::Answer(answer) if !self.is_open(answer.key) => self.drop_stray_answer(answer.key),
            Sight::Answer(answer) => {
                if let Some(State::Running(call)) = self.requests.take(answer.key) {
                    let outcome = answer.outcome().or_else(|| outcome_by_reading(line));
                    self.log_passed(call, outcome.unwrap_or(Outcome::Unknown), now);
                }
                Fate::Forward
            }
            Sight::NoAnswer | Sight::Unclear => self.on_doubtful_line(line, now),
        }
    }

    /// The same of one for which a look is not enough.
    fn on_doubtful_line(&mut self, line: &[u8], now: Instant) -> Fate {
        match frame::read_server(line) {
            ServerFrame::Response { id, .. } if !self.is_open(&id.key) => self.drop_stray_answer(&id.key),
            ServerFrame::Response { id, result } => {
                self.on_passing_response(&id, result.as_ref(), now);
                Fate::Forward
            }
            // Under null, a server says that it could not read something.
            ServerFrame::Stray { raw, is_progress: false } if raw != "null" => self.drop_stray_answer(raw),
            ServerFrame::Progress { token: Id { raw, .. }, .. } | ServerFrame::Stray { raw, is_progress: true }
                if self.tokens.is_to_come(raw) =>
            {
                self.drop_early(raw)
            }
            ServerFrame::ToolsChanged => {
                self.forget_tools();
                Fate::Forward
            }
            ServerFrame::Unreadable => self.on_unreadable(line, now),
            _ => Fate::Forward,
        }
    }

    /// Whether a request of this id, as it was sent, waits for its answer.
    pub(super) fn is_open(&self, key: &str) -> bool {
        self.requests.state(key).is_some_and(|state| !state.is_over())
    }

    pub(super) fn drop_stray_answer(&mut self, id: &str) -> Fate {
        self.drop_server_line(&format!("an answer to {}, which is no open request", id.trim_start_matches('"')))
    }

    /// Whether a line says nothing but the tools that are known already, and nothing waits that it could touch.
    pub(super) fn is_known_list(&mut self, line: &[u8]) -> bool {
        if self.requests.is_gating() {
            return false;
        }
        let Sight::Answer(peek::Answer { key, result: Some(result) }) = peek::look(line) else { return false };
        let first = matches!(self.requests.state(key), Some(State::List { first: true }));
        first && self.listing.repeats(result) && self.requests.take(key).is_some()
    }

    fn on_passing_response(&mut self, id: &Id<'_>, result: Option<&Member<'_>>, now: Instant) {
        if let Some(State::Running(call)) = self.requests.take(&id.key) {
            self.log_passed(call, outcome_of(result), now);
        }
    }

    pub(super) fn on_response(&mut self, id: &Id<'_>, result: Option<&Member<'_>>, now: Instant) -> Fate {
        match self.requests.state(&id.key) {
            Some(State::Held(_)) => self.drop_server_line(&format!("an answer to the held call {}", id.raw)),
            Some(State::Released(_)) => self.on_released_response(id, result, now),
            Some(State::List { first }) => {
                let first = *first;
                self.requests.take(&id.key);
                match self.listing.answered(first, result, now) {
                    Ok(()) => Fate::Forward,
                    // What the client takes for the tools must be what the policy is on.
                    Err(Ambiguous) => self.drop_server_line("a tool list that readers take differently"),
                }
            }
            Some(State::Passed | State::Running(_) | State::TakenBack) => {
                self.on_passing_response(id, result, now);
                Fate::Forward
            }
            // The client may take it for the answer to what is awaited or held.
            Some(State::Ended { .. } | State::Paused(_)) | None => self.drop_stray_answer(id.raw),
        }
    }

    fn on_released_response(&mut self, id: &Id<'_>, result: Option<&Member<'_>>, now: Instant) -> Fate {
        let Some(State::Released(released)) = self.requests.take(&id.key) else { return Fate::Consumed };
        let fate = if released.cancelled { Fate::Consumed } else { Fate::Forward };
        let asked = result.and_then(|result| released::input_required(&result.inner));
        let ended = match asked.filter(|_| !released.cancelled) {
            None => Some((released, outcome_of(result))),
            Some(asked) => match released.pause(asked, now) {
                Ok(paused) => {
                    self.put(&id.key, State::Paused(Box::new(paused)), now);
                    self.schedule();
                    None
                }
                Err(released) => Some((released, Outcome::Unknown)),
            },
        };
        if let Some((released, outcome)) = ended {
            self.put(&id.key, State::Ended { sent: true }, now);
            self.report(&released, outcome, now);
        }
        fate
    }

    /// A line that readers take differently. What is held, awaited or still to come must not be forged; the answer to a
    /// call that runs is its server's to spoil, and the record learns of it what can be seen.
    pub(super) fn on_unreadable(&mut self, line: &[u8], now: Instant) -> Fate {
        if self.drops_noise() {
            return self.drop_server_line("a line that is not one unambiguous JSON object");
        }
        let objects = outline::objects(line);
        if objects.iter().any(|object| object.method != Part::Absent) && self.tokens.may_be_early(line) {
            return self.drop_server_line("what may be progress, and readers take differently");
        }
        let mut answers = objects.iter().filter(|object| object.may_answer());
        let answered = |answer: &Object| answer.answered().and_then(Id::of_raw).map(|id| id.key.into_owned());
        match (answers.next(), answers.next()) {
            (None, _) => Fate::Forward,
            (Some(answer), None) if answered(answer).is_some_and(|key| self.is_spoilt(&key, now)) => Fate::Forward,
            _ => self.drop_server_line("an answer that readers take differently"),
        }
    }

    /// Whether a request is open that has this answer, which spoils what is known of its end.
    fn is_spoilt(&mut self, key: &str, now: Instant) -> bool {
        if !self.is_open(key) {
            return false;
        }
        if let Some(state) = self.requests.take(key) {
            if matches!(state, State::Released(_)) {
                self.put(key, State::Ended { sent: true }, now);
            }
            self.lose(state, now);
        }
        true
    }

    /// Why progress on this token may not pass, if so.
    pub(super) fn objection_to_progress(&self, token: &Id<'_>, progress: Option<f64>) -> Option<String> {
        if self.is_held_token(token.raw) {
            return Some(format!("progress for the held call's token {}", token.raw));
        }
        if self.tokens.is_to_come(token.raw) {
            return Some(early(token.raw));
        }
        // Progress must increase, also over what was said while the call was held.
        let falls_back = self.requests.released().any(|released| released.falls_back(&token.key, progress));
        falls_back.then(|| "progress that falls behind what was said while the call was held".to_owned())
    }

    pub(super) fn drop_early(&mut self, token: &str) -> Fate {
        self.drop_server_line(&early(token))
    }

    /// Whether some client takes a token for that of a held call.
    pub(super) fn is_held_token(&self, raw: &str) -> bool {
        let key = if raw.starts_with('"') { format!("\"{}", json::unescape(raw)) } else { raw.to_owned() };
        let number = forms::number_of_any(raw);
        let tokens = self.requests.held().filter_map(|(_, held)| held.token.as_ref());
        let is = |token: &Token| token.key == key || number.is_some() && forms::number(&token.key) == number;
        tokens.into_iter().any(is)
    }

    pub(super) fn drop_server_line(&mut self, what: &str) -> Fate {
        self.log(format!("dropped a line of the server: {what}"));
        Fate::Consumed
    }

    pub(super) fn report(&mut self, released: &Released, outcome: Outcome, now: Instant) {
        let duration_ms = u64::try_from(now.saturating_duration_since(released.at).as_millis()).unwrap_or(u64::MAX);
        self.tell_outcome(CallOutcome { approval: released.approval.clone(), outcome, duration_ms });
    }

    /// Tells the hub how a call ended, now and whenever the connection is made again: it may not have heard.
    pub(super) fn tell_outcome(&mut self, outcome: CallOutcome) {
        let most = if self.connected { MAX_OUTCOMES } else { MAX_OUTCOMES_AWAY };
        while self.outcomes.len() >= most {
            self.outcomes.pop_front();
        }
        self.outcomes.push_back(outcome.clone());
        self.actions.push_back(Action::ToHub(Ask::Outcome(outcome)));
    }
}

fn early(token: &str) -> String {
    format!("progress for the token {token}, which no request has had yet")
}

/// Whether a message may say that tools changed.
fn is_of_lists(line: &[u8]) -> bool {
    static WORD: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"list_changed"));
    line.len() <= SHORT_BYTES && WORD.find(line).is_some()
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
