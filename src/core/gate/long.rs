//! What the gate does with a line of the server that was too long to be read, when it has ended.

use std::time::Instant;

use super::requests::State;
use super::{Action, Fate, Gate};
use crate::core::approval::Outcome;
use crate::core::frame::Id;
use crate::core::outline::Object;
use crate::core::reply;

impl Gate {
    /// A line of the server that is longer than is kept in memory, by its outline; `fault` is why it cannot pass.
    /// [`Fate::Consumed`] is a line that must not be whole for the client.
    pub fn handle_long_server(&mut self, line: Option<&Object>, fault: Option<&str>, now: Instant) -> Fate {
        let Some(raw) = line.and_then(Object::answered) else { return self.on_long_message(line, fault) };
        let Some(id) = Id::of_raw(raw) else { return self.on_long_message(line, fault) };
        match self.requests.state(&id.key) {
            Some(State::Held(_)) => return self.drop_server_line(&format!("an answer to the held call {raw}")),
            _ if !self.is_open(&id.key) => return self.drop_stray_answer(raw),
            _ => {}
        }
        let (is_list, was_cancelled) = self.ended_long(&id, now);
        let Some(fault) = fault.or(is_list.then_some("it is a tool list")).filter(|_| !was_cancelled) else {
            return if was_cancelled { Fate::Consumed } else { Fate::Forward };
        };
        self.actions.push_back(Action::ToClient(reply::too_long(raw, fault)));
        self.drop_server_line(&format!("a long answer to the request {raw}: {fault}"))
    }

    /// A request that it answers has ended, nobody knows how; whether that asked for a page of tools, and whether its
    /// client took it back.
    fn ended_long(&mut self, id: &Id<'_>, now: Instant) -> (bool, bool) {
        match self.requests.take(&id.key) {
            Some(State::List { .. }) => (true, false),
            Some(State::Released(released)) => {
                self.put(&id.key, State::Ended { sent: true }, now);
                self.report(&released, Outcome::Unknown, now);
                (false, released.cancelled)
            }
            Some(state) => {
                self.lose(state, now);
                (false, false)
            }
            None => (false, false),
        }
    }

    /// No answer, or nothing that is surely none.
    fn on_long_message(&mut self, line: Option<&Object>, fault: Option<&str>) -> Fate {
        match line.and_then(Object::asked) {
            Some(method) if fault.is_none() && !method.contains("progress") && !method.contains('\\') => Fate::Forward,
            _ if line.is_some_and(Object::may_answer) => self.drop_server_line(
                "one too long to be read, which may be taken for an answer to what is no open request",
            ),
            _ => self.fate_of_doubtful(fault),
        }
    }

    fn fate_of_doubtful(&mut self, fault: Option<&str>) -> Fate {
        let Some(fault) = fault.or(self.drops_noise().then_some("it is not clearly one message")) else {
            return Fate::Forward;
        };
        self.drop_server_line(&format!("one too long to be read: {fault}"))
    }
}
