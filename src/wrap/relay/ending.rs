//! How a session ends: the client closes its side or stops reading, a signal comes, the server closes its stream or
//! exits; nobody is hurried who still owes or takes an answer.

use std::io;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use super::{Asked, Relay};
use crate::wrap::child;
use crate::wrap::platform::{DRAIN, Signal};
use crate::wrap::run::Run;

/// A client that said everything at once and closed its side still wants its answers: so long may the hub take to say
/// what passes.
const DECIDED_WITHIN: Duration = Duration::from_secs(5);
/// When everybody else has ended, a client that reads nothing is waited for so long.
const GIVE_UP_AFTER: Duration = Duration::from_secs(2);
/// So often, while a server works on its last answers, it is asked whether anybody still reads them.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How far the end has come.
#[derive(Debug, Default)]
pub(super) struct End {
    /// How the server's process ended.
    pub(super) status: Option<ExitStatus>,
    /// When the server's stream is given up after its process ended.
    pub(super) drained_at: Option<Instant>,
    /// When a client that does not read is given up.
    pub(super) given_up_at: Option<Instant>,
    /// The client closed its side, and calls of it wait until then for word of whether they may pass.
    pub(super) undecided_until: Option<Instant>,
    /// Since when the server has been left alone: nothing more comes, and it says nothing.
    pub(super) quiet_since: Option<Instant>,
    /// When it is next looked whether anybody reads the answers that are still to come.
    pub(super) look_at: Option<Instant>,
    /// The gate has been told that the server is gone.
    pub(super) told: bool,
}

impl Relay {
    /// The client closed its side. What it said last may have no line feed: whether it counts is the server's to say.
    pub(super) fn on_client_end(&mut self, now: Instant) {
        let rest = self.from_client.take_rest();
        if self.long_client.is_some() {
            self.on_long_client_line(rest, true);
        } else if !rest.is_empty() {
            let mut run = Run::default();
            self.on_client_line(rest.clone(), rest, self.framing, &mut run, now);
            run.pass(&mut self.from_client, &mut self.to_server);
        }
        self.from_client.close();
        self.end.undecided_until = Some(now + DECIDED_WITHIN);
    }

    /// Everything that the client holds is taken back, and the server sees the end of its input. It is not hurried
    /// while it owes an answer: without us nobody would.
    pub(super) fn on_client_gone(&mut self, now: Instant) {
        self.from_client.close();
        self.end.undecided_until = None;
        self.gate.handle_client_gone(now);
        self.to_server.finish();
        self.end.quiet_since = Some(now);
        self.end.look_at = Some(now + LOOK_EVERY);
        self.give_up_by(now + GIVE_UP_AFTER);
    }

    /// When something about the end is due next.
    pub(super) fn ending_wake(&self) -> Option<Instant> {
        let ended = self.end.status.is_some();
        let drained = self.end.drained_at.filter(|_| ended && self.reads_server());
        let given_up = self.end.given_up_at.filter(|_| ended);
        let all = [drained, given_up, self.end.undecided_until, self.gives_up_server_at(), self.looks_at()];
        all.into_iter().flatten().min()
    }

    /// Does what of it is due.
    pub(super) fn on_ending_timer(&mut self, now: Instant) {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if due(self.gives_up_server_at()) {
            self.end.quiet_since = None;
            self.child.end_by(Signal::Terminate, now);
        }
        if due(self.looks_at()) {
            self.end.look_at = Some(now + LOOK_EVERY);
            if self.to_client.is_abandoned() {
                self.to_client.close();
            }
        }
        if due(self.end.drained_at) && self.reads_server() {
            self.on_server_closed(now);
        }
        if due(self.end.given_up_at) && self.end.status.is_some() {
            self.to_client.close();
        }
    }

    /// Whether an answer is to come that somebody waits for.
    ///
    /// None comes from a server that closed its stdout; and one that has not read all it was sent must go on reading or
    /// say something. While the client has not taken what there is, the server may be waiting for that.
    fn owes_answers(&self) -> bool {
        let awaited = self.gate.awaits_answer() || self.asked == Asked::Unheard;
        let comes = self.to_client.has_work() || awaited && !self.to_server.has_work();
        self.to_client.is_open() && self.from_server.is_open() && comes
    }

    fn gives_up_server_at(&self) -> Option<Instant> {
        let quiet = self.end.quiet_since.filter(|_| self.end.status.is_none() && !self.owes_answers())?;
        Some(quiet + child::GRACE_AFTER_EOF)
    }

    fn looks_at(&self) -> Option<Instant> {
        self.end.look_at.filter(|_| self.end.status.is_none() && self.to_client.is_open())
    }

    /// The client does not read any more: the server learns it when it writes, as it would without us.
    pub(super) fn on_client_closed(&mut self, now: Instant) {
        self.from_server.close();
        if self.from_client.is_open() || self.end.undecided_until.is_some() {
            self.on_client_gone(now);
            self.act(now);
        }
    }

    /// Somebody takes what is written: nobody has stopped.
    pub(super) fn on_wrote(&mut self, now: Instant) {
        self.keep_draining(now);
        self.end.quiet_since = self.end.quiet_since.map(|_| now);
    }

    pub(super) fn on_signal(&mut self, signal: Signal, now: Instant) {
        self.from_client.close();
        self.end.undecided_until = None;
        self.gate.handle_client_gone(now);
        // In this order: a server that sees EOF first may be gone with another exit code than without us.
        self.child.end_by(signal, now);
        self.to_server.close();
        self.give_up_by(now + GIVE_UP_AFTER);
    }

    pub(super) fn on_exited(&mut self, status: io::Result<ExitStatus>, now: Instant) {
        // A status that cannot be had is an end like any other.
        self.end.status = Some(status.unwrap_or_default());
        self.keep_draining(now);
        self.to_server.close();
    }

    pub(super) fn keep_draining(&mut self, now: Instant) {
        if self.end.status.is_some() {
            self.end.drained_at = Some(now + DRAIN);
            // A client that reads is not given up, however slowly it does.
            self.end.given_up_at = self.end.given_up_at.map(|at| at.max(now + GIVE_UP_AFTER));
        }
    }

    fn give_up_by(&mut self, at: Instant) {
        self.end.given_up_at = Some(self.end.given_up_at.map_or(at, |earlier| earlier.min(at)));
    }

    pub(super) fn is_done(&self) -> bool {
        self.end.told && self.end.status.is_some() && !self.to_client.has_work()
    }
}
