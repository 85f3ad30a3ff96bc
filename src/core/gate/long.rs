//! What the gate does with a line of the server that was too long to be read, when it has ended.

use std::time::Instant;

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
        let Some(id) = Id::of_raw(raw) else { return self.fate_of_doubtful(fault) };
        if self.held.iter().any(|held| held.key == id.key) {
            return self.drop_server_line(&format!("an answer to the held call {raw}"));
        }
        let is_list = self.listing.is_asked(&id.key);
        self.listing.cancelled(&id.key);
        let was_cancelled = self.ended_long(&id, now);
        let Some(fault) = fault.or(is_list.then_some("it is a tool list")).filter(|_| !was_cancelled) else {
            return if was_cancelled { Fate::Consumed } else { Fate::Forward };
        };
        self.actions.push_back(Action::ToClient(reply::too_long(raw, fault)));
        self.drop_server_line(&format!("a long answer to the request {raw}: {fault}"))
    }

    /// A call that it answers has ended, nobody knows how; returns whether its client took it back.
    fn ended_long(&mut self, id: &Id<'_>, now: Instant) -> bool {
        if let Some(call) = self.awaited.take(id.key.as_ref()) {
            self.log_passed(call, Outcome::Unknown, now);
        }
        let Some(released) = self.released.remove(id.key.as_ref()) else { return false };
        let was_cancelled = released.cancelled;
        self.report(released, Outcome::Unknown, now);
        was_cancelled
    }

    /// No answer, or nothing that is surely none.
    fn on_long_message(&mut self, line: Option<&Object>, fault: Option<&str>) -> Fate {
        match line.and_then(Object::asked) {
            Some(method) if fault.is_none() && !method.contains("progress") && !method.contains('\\') => Fate::Forward,
            _ => self.fate_of_doubtful(fault),
        }
    }

    fn fate_of_doubtful(&mut self, fault: Option<&str>) -> Fate {
        let matters = !self.held.is_empty() || self.listing.is_watching();
        let Some(fault) = fault.or(matters.then_some("it is not clearly one message")) else { return Fate::Forward };
        self.drop_server_line(&format!("one too long to be read: {fault}"))
    }
}
