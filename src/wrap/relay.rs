//! The one task that owns the gate: it learns what happened, and then acts.
//!
//! Lines that pass keep their bytes; each direction has one writer and bounded memory. A side is not read while what
//! it sends to is full, so a server that stops reading slows its own client and nothing else.

mod ending;

use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use tokio::time::Sleep;

use self::ending::End;
use super::activity::Activities;
use super::child::Child;
use super::framing::Framing;
use super::hub_client::HubClient;
use super::identity::Identity;
use super::lines::{Found, LIMIT, Lines, content, has_inner_cr};
use super::link::FromHub;
use super::long::Long;
use super::platform::{self, Signal, Signals, Sink, Source, Streams};
use super::run::Run;
use super::say::Bounded;
use super::writer::Writer;
use crate::core::frame::Refused;
use crate::core::gate::{Action, Fate, Gate};
use crate::core::gate::{Answer, Ask};
use crate::core::outline::Outline;
use crate::failpoint;

/// A direction with more than this waiting is full.
const FULL: usize = 1 << 20;
/// Our own lines to the client go on top of what the server sends.
const FULL_OF_REPLIES: usize = 4 << 20;

/// Everything a run of the shim consists of.
pub struct Relay {
    gate: Gate,
    identity: Identity,
    hub: HubClient,
    child: Child,
    signals: Signals,
    from_client: Lines,
    to_client: Writer,
    from_server: Lines,
    to_server: Writer,
    /// How the client tells its messages apart.
    framing: Framing,
    /// A line of the client that is over the limit.
    long_client: Option<Outline>,
    /// The same of the server, and what we have to say to the client behind it.
    long_server: Option<Long>,
    behind_long: Vec<Vec<u8>>,
    activities: Activities,
    log: Bounded,
    timer: Pin<Box<Sleep>>,
    timer_at: Option<Instant>,
    asked: Asked,
    end: End,
}

/// What is known of answers that are still to come, beside what the gate knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// The server has been told nothing.
    Nothing,
    /// It was told something, and has never said a word: it may still be starting.
    Unheard,
    /// It has spoken.
    Heard,
}

enum Event {
    FromClient(io::Result<bool>),
    FromServer(io::Result<bool>),
    Wrote,
    FromHub(FromHub),
    Timer,
    Signal(Signal),
    Exited(io::Result<ExitStatus>),
}

/// What the relay is made of.
pub struct Parts {
    /// Decides what passes.
    pub gate: Gate,
    /// Who we are to the hub.
    pub identity: Identity,
    /// The way to the hub.
    pub hub: HubClient,
    /// The server's process.
    pub child: Child,
    /// The server's streams.
    pub streams: Streams,
    /// Where the client writes.
    pub stdin: Source,
    /// Where the client reads.
    pub stdout: Sink,
    /// What ends us.
    pub signals: Signals,
}

impl Relay {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Self {
        Self {
            gate: parts.gate,
            identity: parts.identity,
            hub: parts.hub,
            child: parts.child,
            signals: parts.signals,
            from_client: Lines::new(parts.stdin, LIMIT),
            to_client: Writer::new(parts.stdout),
            from_server: Lines::new(parts.streams.stdout, LIMIT),
            to_server: Writer::new(parts.streams.stdin),
            framing: Framing::default(),
            long_client: None,
            long_server: None,
            behind_long: Vec::new(),
            activities: Activities::default(),
            log: Bounded::default(),
            timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
            timer_at: None,
            asked: Asked::Nothing,
            end: End::default(),
        }
    }

    /// Relays until the server has ended and everything it said has reached the client; returns the exit code.
    pub async fn run(mut self) -> i32 {
        while !self.is_done() {
            let event = self.next_event().await;
            self.handle(event, Instant::now());
        }
        let code = self.end.status.map_or(1, platform::exit_code);
        if let Some(batch) = self.hub.takes_calls().then(|| self.activities.take(Instant::now())).flatten() {
            self.hub.calls(batch);
        }
        self.log.tell_at_end();
        self.hub.goodbye().await;
        code
    }

    async fn next_event(&mut self) -> Event {
        let wake = self.wake();
        if self.timer_at != wake
            && let Some(at) = wake
        {
            self.timer.as_mut().reset(at.into());
        }
        self.timer_at = wake;
        let (reads_client, reads_server) = (self.reads_client(), self.reads_server());
        tokio::select! {
            more = self.from_client.fill(), if reads_client => Event::FromClient(more),
            more = self.from_server.fill(), if reads_server => Event::FromServer(more),
            () = self.to_server.flush_some(), if self.to_server.has_work() => Event::Wrote,
            () = self.to_client.flush_some(), if self.to_client.has_work() => Event::Wrote,
            from = self.hub.next() => Event::FromHub(from),
            () = &mut self.timer, if wake.is_some() => Event::Timer,
            signal = self.signals.next() => Event::Signal(signal),
            status = self.child.wait(), if self.end.status.is_none() => Event::Exited(status),
        }
    }

    fn handle(&mut self, event: Event, now: Instant) {
        match event {
            Event::FromClient(Ok(true)) => self.on_client_lines(now),
            Event::FromClient(Ok(false)) => self.on_client_end(now),
            Event::FromClient(Err(_)) => self.on_client_gone(now),
            Event::FromServer(Ok(true)) => self.on_server_lines(now),
            Event::FromServer(_) => self.on_server_closed(now),
            Event::Wrote => self.on_wrote(now),
            Event::FromHub(from) => self.on_hub(from, now),
            Event::Timer => self.on_timer(now),
            Event::Signal(signal) => self.on_signal(signal, now),
            Event::Exited(status) => self.on_exited(status, now),
        }
        self.act(now);
        if self.from_server.is_open() && !self.to_client.is_open() {
            self.on_client_closed(now);
        }
        if self.end.undecided_until.is_some_and(|until| until <= now || !self.gate.is_undecided()) {
            self.on_client_gone(now);
            self.act(now);
        }
        if !self.from_server.is_open() && !self.end.told {
            self.end.told = true;
            self.gate.handle_server_gone(now);
            self.act(now);
            // The client sees the end of the stream when the server ends it, also when the process lives on.
            self.to_client.finish();
        }
        if self.activities.is_full() {
            self.send_calls(now);
        }
    }

    // Lines.

    fn on_client_lines(&mut self, now: Instant) {
        let mut run = Run::default();
        while let Some(found) = self.from_client.next_line() {
            let (line, message, framing) = match found {
                Found::Line(line) => (line.clone(), line, Framing::Lines),
                Found::Framed { whole, body, line_end } => (whole, body, Framing::Headers(line_end)),
                Found::Part { bytes, ends, .. } => {
                    run.pass(&mut self.from_client, &mut self.to_server);
                    self.on_long_client_line(bytes, ends);
                    continue;
                }
            };
            self.on_client_line(line, message, framing, &mut run, now);
        }
        run.pass(&mut self.from_client, &mut self.to_server);
        self.from_client.compact();
    }

    /// `message` is what of the line is not its header.
    fn on_client_line(
        &mut self,
        line: Range<usize>,
        message: Range<usize>,
        framing: Framing,
        run: &mut Run,
        now: Instant,
    ) {
        let message = content(self.from_client.bytes(message));
        if !message.is_empty() {
            self.framing = framing;
        }
        match self.gate.handle_client(message, now) {
            Fate::Forward => {
                run.add(line);
                if self.asked == Asked::Nothing {
                    self.asked = Asked::Unheard;
                }
            }
            Fate::Consumed => {
                run.pass(&mut self.from_client, &mut self.to_server);
                self.hub.begin();
            }
        }
        while let Some(action) = self.gate.poll_action() {
            if matches!(action, Action::ToServer(_) | Action::InPlace(_)) {
                run.pass(&mut self.from_client, &mut self.to_server);
            }
            self.perform(action, now);
        }
    }

    /// Whether such a line may pass could be known only if all of it were kept.
    fn on_long_client_line(&mut self, bytes: Range<usize>, ends: bool) {
        let mut line = self.long_client.take().unwrap_or_default();
        line.push(self.from_client.bytes(bytes));
        if ends {
            let why = format!("the line is longer than {} MiB", LIMIT >> 20);
            self.gate.refuse_line(&Refused::new(-32600, why, line.owed()));
        } else {
            self.long_client = Some(line);
        }
    }

    fn on_server_lines(&mut self, now: Instant) {
        self.keep_draining(now);
        self.asked = Asked::Heard;
        self.end.quiet_since = self.end.quiet_since.map(|_| now);
        let mut run = Run::default();
        while let Some(found) = self.from_server.next_line() {
            match found {
                Found::Line(line) => self.on_server_line(line.clone(), line, &mut run, now),
                Found::Framed { whole, body, .. } => self.on_server_line(whole, body, &mut run, now),
                Found::Part { bytes, ends, framed } => {
                    run.pass(&mut self.from_server, &mut self.to_client);
                    self.on_long_server_line(bytes, framed);
                    if ends {
                        self.end_long_server_line(now);
                    }
                }
            }
        }
        run.pass(&mut self.from_server, &mut self.to_client);
        self.from_server.compact();
        self.hub.begin();
    }

    /// `message` is what of the line is not its header.
    fn on_server_line(&mut self, line: Range<usize>, message: Range<usize>, run: &mut Run, now: Instant) {
        match self.fate_of_server_line(message, now) {
            Fate::Forward => run.add(line),
            Fate::Consumed => run.pass(&mut self.from_server, &mut self.to_client),
        }
        while let Some(action) = self.gate.poll_action() {
            if matches!(action, Action::ToClient(_)) {
                run.pass(&mut self.from_server, &mut self.to_client);
            }
            self.perform(action, now);
        }
    }

    fn fate_of_server_line(&mut self, line: Range<usize>, now: Instant) -> Fate {
        let bytes = self.from_server.bytes(line);
        if has_inner_cr(bytes) {
            let why =
                "dropped a line of the server: it holds a carriage return, which some clients take for a line end";
            self.log.say(why, now);
            return Fate::Consumed;
        }
        self.gate.handle_server(content(bytes), now)
    }

    /// A part of a line that is over the limit: all that can do no harm passes.
    fn on_long_server_line(&mut self, bytes: Range<usize>, framed: bool) {
        let line = self.long_server.get_or_insert_with(|| Long::new(framed, self.gate.drops_noise()));
        let passes = line.push(self.from_server.bytes(bytes.clone()));
        Run::of(bytes.start..bytes.start + passes).pass(&mut self.from_server, &mut self.to_client);
    }

    fn end_long_server_line(&mut self, now: Instant) {
        let Some(end) = self.long_server.take().map(Long::end) else { return };
        let fate = self.gate.handle_long_server(end.object.as_ref(), end.fault, now);
        self.to_client.write(if fate == Fate::Forward { &end.tail } else { end.cut });
        for line in std::mem::take(&mut self.behind_long) {
            self.tell_client(line);
        }
        self.act(now);
    }

    /// The server's stream ended; what it said last needs no line feed to count.
    fn on_server_closed(&mut self, now: Instant) {
        self.from_server.close();
        let rest = self.from_server.take_rest();
        let mut run = Run::default();
        self.end_long_server_line(now);
        if !rest.is_empty() {
            self.on_server_line(rest.clone(), rest, &mut run, now);
        }
        run.pass(&mut self.from_server, &mut self.to_client);
    }

    // The gate.

    fn act(&mut self, now: Instant) {
        while let Some(action) = self.gate.poll_action() {
            self.perform(action, now);
        }
    }

    fn perform(&mut self, action: Action, now: Instant) {
        failpoint::reach_with("gate", &action);
        match action {
            Action::ToServer(line) | Action::InPlace(line) => self.tell_server(line),
            Action::ToClient(line) => self.tell_client(line),
            Action::ToHub(Ask::Call(call)) => self.activities.push(call, now),
            Action::ToHub(ask) => {
                // The hub must know of a call before it hears that its client will call again.
                if matches!(&ask, Ask::Cancel(cancel) if cancel.keep) {
                    self.send_calls(now);
                }
                self.hub.ask(ask);
            }
            Action::Log(text) => self.log.say(&text, now),
        }
    }

    /// A message as the client would have written it.
    fn tell_server(&mut self, message: Vec<u8>) {
        match self.framing {
            Framing::Headers(line_end) => self.to_server.write_framed(&message, line_end),
            Framing::Lines => self.to_server.write_line(message),
        }
        failpoint::reach("written");
    }

    /// A message of our own, as the client writes its own; never in the middle of one of the server.
    fn tell_client(&mut self, message: Vec<u8>) {
        match self.framing {
            _ if self.long_server.is_some() => self.behind_long.push(message),
            Framing::Headers(line_end) => self.to_client.write_framed(&message, line_end),
            Framing::Lines => self.to_client.write_line(message),
        }
    }

    // The hub.

    fn on_hub(&mut self, from: FromHub, now: Instant) {
        match from {
            FromHub::Connected => self.hub.hello(self.identity.hello(self.gate.client(), self.gate.held())),
            FromHub::Answer(answer) => {
                failpoint::reach_with("hub", &answer);
                if matches!(answer, Answer::Lost | Answer::Refused) {
                    self.hub.lost();
                }
                self.gate.handle_answer(answer, now);
            }
        }
    }

    fn send_calls(&mut self, now: Instant) {
        if self.hub.takes_calls()
            && let Some(batch) = self.activities.take(now)
        {
            self.hub.calls(batch);
        }
    }

    // Time.

    /// When something is due next. Everything in here is done with, or leaves, when [`on_timer`](Self::on_timer) ran.
    fn wake(&self) -> Option<Instant> {
        let calls = self.activities.due().filter(|_| self.hub.takes_calls());
        let all = [self.gate.poll_timeout(), calls, self.child.escalates_at(), self.log.due(), self.ending_wake()];
        all.into_iter().flatten().min()
    }

    fn on_timer(&mut self, now: Instant) {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if due(self.gate.poll_timeout()) {
            self.gate.handle_timeout(now);
        }
        if due(self.activities.due()) {
            self.send_calls(now);
        }
        self.child.escalate(now);
        self.log.tell(now);
        self.on_ending_timer(now);
    }

    fn reads_client(&self) -> bool {
        let room = self.to_server.queued() < FULL && self.to_client.queued() < FULL_OF_REPLIES;
        self.from_client.is_open() && room
    }

    fn reads_server(&self) -> bool {
        self.from_server.is_open() && self.to_client.queued() < FULL
    }
}

#[cfg(test)]
#[cfg(unix)]
#[path = "relay_tests.rs"]
mod tests;
