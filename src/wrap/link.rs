//! One task that keeps a connection to the hub, connects again when it is lost, and passes messages on.
//!
//! Every connection begins with `hello`, which the relay writes because it alone knows what is held; what the relay
//! said before that is dropped, because the gate says it again after a `welcome`.

use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::{Notify, mpsc};
use tokio::time::{MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::backoff::Backoff;
use super::connect::{self, Refused, Socket};
use super::local::Local;
use super::neighbours::Neighbours;
use super::say::say;
use crate::config::wrap::{Endpoint, HubAt};
use crate::core::gate::{Answer, MAX_HELD, MAX_OUTCOMES_AWAY};
use crate::core::inert::inert;
use crate::core::messages::{Ruled, Ungated};
use crate::core::policy::{Ruling, Verdict};
use crate::core::trust::Level;
use crate::wire::{self, DEAD_SECONDS, DecodeError, MAX_MESSAGE_BYTES, PING_SECONDS, ToHub, ToWrap, Welcome};

/// Messages on their way in each direction: room for everything that is said at once after a welcome, or a shim with
/// more to say would connect again and again without having said it.
pub const QUEUE: usize = 1024;
const _: () = assert!(MAX_HELD + MAX_OUTCOMES_AWAY < QUEUE);
/// How long the end of the program waits for the goodbye.
pub const GOODBYE_WITHIN: Duration = Duration::from_millis(200);
/// How long a hub may take to accept a connection, and then to answer `hello`.
pub const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long a message may take to leave; a hub that does not read is as good as gone.
const SEND_WITHIN: Duration = Duration::from_secs(DEAD_SECONDS);
/// A hub that is away for so many attempts is worth a line on stderr.
const AWAY_AFTER: u32 = 4;
/// So much is repeated of why the hub closed the connection; a close frame has room for 123 bytes.
const MAX_REASON_CHARS: usize = 200;
/// What stands for the code of a close frame that has none.
const NO_CODE: u16 = 1005;

/// What the connection tells the relay.
#[derive(Debug)]
pub enum FromHub {
    /// A connection stands: answer with [`ToHub::Hello`].
    Connected,
    /// Something for the gate.
    Answer(Answer),
}

enum At {
    Remote(Endpoint),
    Local(Box<Local>),
}

/// The task, not running yet.
pub struct Link {
    at: At,
    to_relay: mpsc::Sender<FromHub>,
    from_relay: mpsc::Receiver<ToHub>,
    reset: Arc<Notify>,
    /// Attempts since the last connection.
    failures: u32,
    /// What was said on stderr last, so that it is said once.
    said: Option<String>,
    neighbours: Neighbours,
}

/// How a connection ended.
#[derive(Debug, PartialEq)]
enum End {
    /// The relay is done.
    Bye,
    /// It was never made, or is lost; try again soon.
    Lost(String),
    /// The hub stops for a moment.
    Draining,
    /// The hub does not want us until a person does something; what it said of it.
    Refused(Refused, String),
}

impl Link {
    /// A link to the hub that tells `to_relay` what it hears and sends what comes from `from_relay`; `reset` makes it
    /// connect again.
    pub fn new(
        at: HubAt,
        to_relay: mpsc::Sender<FromHub>,
        from_relay: mpsc::Receiver<ToHub>,
        reset: Arc<Notify>,
    ) -> Self {
        let at = match at {
            HubAt::Remote { endpoint } => At::Remote(endpoint),
            HubAt::Local { data_dir, config } => At::Local(Box::new(Local::new(data_dir, config))),
        };
        Self { at, to_relay, from_relay, reset, failures: 0, said: None, neighbours: Neighbours::default() }
    }

    /// Connects again and again until the relay is done.
    pub async fn run(mut self) {
        let mut backoff = Backoff::default();
        loop {
            let (end, welcomed) = self.connect_and_talk().await;
            if welcomed {
                backoff = Backoff::default();
                if self.to_relay.send(FromHub::Answer(Answer::Lost)).await.is_err() {
                    return;
                }
            }
            let wait = match end {
                End::Bye => return,
                End::Lost(why) => {
                    self.away(&why);
                    if !welcomed && !self.tell_away(why).await {
                        return;
                    }
                    backoff.lost()
                }
                End::Draining => backoff.lost(),
                End::Refused(refused, reason) => {
                    if refused.is_about_us() && self.to_relay.send(FromHub::Answer(Answer::Refused)).await.is_err() {
                        return;
                    }
                    let local = matches!(self.at, At::Local(_));
                    let advice = refused.advice(&self.name(), &reason, local);
                    if !refused.is_about_us() && !self.tell_away(advice.clone()).await {
                        return;
                    }
                    self.say_once(advice);
                    backoff.refused()
                }
            };
            if self.wait(wait).await == Waited::RelayIsDone {
                return;
            }
        }
    }

    /// One connection's life; the flag tells whether it came to a `welcome`.
    async fn connect_and_talk(&mut self) -> (End, bool) {
        let endpoint = match &self.at {
            At::Remote(endpoint) => Ok(endpoint.clone()),
            At::Local(local) => local.locate().map_err(|error| format!("{error:#}")),
        };
        let connected = match endpoint {
            Ok(endpoint) => match timeout(CONNECT_WITHIN, connect::open(&endpoint)).await {
                Ok(result) => result,
                Err(_) => Err(connect::Failure::Unreachable("no answer in time".to_owned())),
            },
            Err(why) => Err(connect::Failure::Unreachable(why)),
        };
        match connected {
            Ok(socket) => {
                if let At::Local(local) = &mut self.at {
                    local.connected();
                }
                self.introduce(socket).await
            }
            Err(connect::Failure::Refused(refused, said)) => (End::Refused(refused, said), false),
            Err(connect::Failure::Unreachable(why)) => {
                let own = match &mut self.at {
                    At::Local(local) => local.unreachable(),
                    At::Remote(_) => None,
                };
                (End::Lost(own.unwrap_or(why)), false)
            }
        }
    }

    async fn introduce(&mut self, mut socket: Socket) -> (End, bool) {
        if self.to_relay.send(FromHub::Connected).await.is_err() {
            return (End::Bye, false);
        }
        let hello = loop {
            match timeout(CONNECT_WITHIN, self.from_relay.recv()).await {
                Ok(Some(ToHub::Hello(hello))) => break hello,
                // Said on an earlier connection.
                Ok(Some(message)) if message != ToHub::Bye => {}
                Ok(_) => return (End::Bye, false),
                Err(_) => return (End::Lost("the relay did not introduce itself".to_owned()), false),
            }
        };
        let server = hello.server.clone();
        if let Err(end) = send(&mut socket, &ToHub::Hello(hello)).await {
            return (end, false);
        }
        let mut early = Vec::new();
        let welcome = match timeout(CONNECT_WITHIN, self.await_welcome(&mut socket, &mut early)).await {
            Ok(Ok(welcome)) => welcome,
            Ok(Err(end)) => return (end, false),
            Err(_) => return (End::Lost("no welcome in time".to_owned()), false),
        };
        if welcome.version != wire::VERSION {
            return (End::Refused(Refused::Version, String::new()), false);
        }
        (self.failures, self.said) = (0, None);
        let welcome = Answer::Welcome { client_id: welcome.client_id, policy: welcome.table };
        if self.to_relay.send(FromHub::Answer(welcome)).await.is_err() {
            return (End::Bye, true);
        }
        for message in early {
            if let Err(end) = self.say_to(&mut socket, message).await {
                return (end, true);
            }
        }
        (self.talk(socket, &server).await, true)
    }

    /// The hub's answer to `hello`. What the relay says before it comes waits in `early`, except its goodbye: the end
    /// of the program must not wait for the hub.
    async fn await_welcome(&mut self, socket: &mut Socket, early: &mut Vec<ToHub>) -> Result<Welcome, End> {
        loop {
            let said = tokio::select! {
                message = next(socket) => match message? {
                    Some(ToWrap::Welcome(welcome)) => return Ok(welcome),
                    other => return Err(End::Lost(format!("instead of a welcome came {other:?}"))),
                },
                said = self.from_relay.recv(), if early.len() < QUEUE => said.unwrap_or(ToHub::Bye),
            };
            if said != ToHub::Bye {
                early.push(said);
                continue;
            }
            for message in early.drain(..).chain([ToHub::Bye]) {
                self.say_to(socket, message).await?;
            }
        }
    }

    async fn talk(&mut self, mut socket: Socket, server: &str) -> End {
        let period = Duration::from_secs(PING_SECONDS);
        let mut ping = interval_at(tokio::time::Instant::now() + period, period);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut heard, mut told) = (Instant::now(), false);
        loop {
            let event = tokio::select! {
                message = next(&mut socket) => Event::FromHub(message),
                message = self.from_relay.recv() => Event::ToHub(message.unwrap_or(ToHub::Bye)),
                _ = ping.tick() => Event::Ping,
                items = self.neighbours.of(server), if !told => Event::Neighbours(items),
                () = self.reset.notified() => return End::Lost("it does not keep up".to_owned()),
            };
            let done = match event {
                Event::FromHub(message) => {
                    heard = Instant::now();
                    match message {
                        Ok(message) => self.hear(message).await,
                        Err(end) => Err(end),
                    }
                }
                Event::ToHub(message) => self.say_to(&mut socket, message).await,
                Event::Neighbours(items) => {
                    told = true;
                    self.tell_of(&mut socket, items).await
                }
                Event::Ping if heard.elapsed() >= Duration::from_secs(DEAD_SECONDS) => {
                    Err(End::Lost("it went silent".to_owned()))
                }
                Event::Ping => write(&mut socket, Message::Ping(Vec::new().into())).await,
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    async fn tell_of(&mut self, socket: &mut Socket, items: Vec<Ungated>) -> Result<(), End> {
        if items.is_empty() { Ok(()) } else { self.say_to(socket, ToHub::Ungated { items }).await }
    }

    /// Passes a message of the hub on.
    async fn hear(&mut self, message: Option<ToWrap>) -> Result<(), End> {
        /// A hub that comes back says it again.
        static SAID: Once = Once::new();
        let answer = match message {
            Some(ToWrap::Welcome(welcome)) => Answer::Welcome { client_id: welcome.client_id, policy: welcome.table },
            Some(ToWrap::Policy { table }) => Answer::Policy(table),
            Some(ToWrap::Registered(registered)) => Answer::Registered(registered),
            Some(ToWrap::Decision(decided)) => Answer::Decided(decided),
            Some(ToWrap::Go(go)) => Answer::Go(go),
            Some(ToWrap::Extended(extended)) => Answer::Extended(extended),
            Some(ToWrap::Seen { approval }) => Answer::Seen(approval),
            Some(ToWrap::Verdict(ruled)) => Answer::Ruled(ruled),
            Some(ToWrap::Undescribed { tools, link }) => {
                SAID.call_once(|| {
                    say(&format!("{tools} tools, none described by their server: choose what waits, at {link}"))
                });
                return Ok(());
            }
            Some(ToWrap::Draining) => return Err(End::Draining),
            Some(ToWrap::Unsupported { of }) => {
                tracing::debug!(hub.message = of, "the hub does not know a message");
                return Ok(());
            }
            None => return Ok(()),
        };
        self.to_relay.send(FromHub::Answer(answer)).await.map_err(|_| End::Bye)
    }

    async fn say_to(&mut self, socket: &mut Socket, message: ToHub) -> Result<(), End> {
        let text = wire::encode(&message);
        if text.len() > MAX_MESSAGE_BYTES {
            return self.too_large(message).await;
        }
        if message != ToHub::Bye {
            return write_text(socket, text).await;
        }
        // One write for the goodbye and the close.
        let leave = async { socket.feed(Message::text(text)).await.and(socket.close(None).await) };
        let _ = timeout(GOODBYE_WITHIN, leave).await;
        Err(End::Bye)
    }

    /// A call whose arguments double in size when they are quoted: no approver could be shown it.
    async fn too_large(&mut self, message: ToHub) -> Result<(), End> {
        let ToHub::Request(request) = message else {
            say("a message for the hub is too large and was not sent");
            return Ok(());
        };
        let reasons = vec!["its arguments are too large to be shown to an approver".to_owned()];
        let ruling = Ruling { verdict: Verdict::Deny, bypass: false, trust: Level::High, reasons };
        let ruled = Answer::Ruled(Ruled { id: request.id, ruling, busy: false });
        self.to_relay.send(FromHub::Answer(ruled)).await.map_err(|_| End::Bye)
    }

    /// Waits before the next attempt, unless the relay ends first.
    async fn wait(&mut self, wait: Duration) -> Waited {
        let over = tokio::time::sleep(wait);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return Waited::Enough,
                message = self.from_relay.recv() => {
                    if matches!(message, None | Some(ToHub::Bye)) {
                        return Waited::RelayIsDone;
                    }
                }
            }
        }
    }

    fn away(&mut self, why: &str) {
        self.failures += 1;
        tracing::debug!(attempt = self.failures, why, "no connection to the hub");
        if self.failures == AWAY_AFTER {
            let name = self.name();
            // What keeps a local one from starting was said when it was found out.
            let why = if self.is_troubled() { String::new() } else { format!(": {why}") };
            self.say_once(format!("{name} cannot be reached{why}; calls that need approval wait for it"));
        }
    }

    fn is_troubled(&self) -> bool {
        matches!(&self.at, At::Local(local) if local.is_troubled())
    }

    /// The refusals of calls that wait in vain say why; `false` when the relay is done.
    async fn tell_away(&self, why: String) -> bool {
        self.to_relay.send(FromHub::Answer(Answer::Away(why))).await.is_ok()
    }

    fn say_once(&mut self, text: String) {
        if self.said.as_ref() != Some(&text) {
            say(&text);
            self.said = Some(text);
        }
    }

    fn name(&self) -> String {
        match &self.at {
            At::Remote(endpoint) => format!("the hub at {}", endpoint.base),
            At::Local(_) => "the hub on this machine".to_owned(),
        }
    }
}

enum Event {
    FromHub(Result<Option<ToWrap>, End>),
    ToHub(ToHub),
    Neighbours(Vec<Ungated>),
    Ping,
}

#[derive(PartialEq)]
enum Waited {
    Enough,
    RelayIsDone,
}

/// The next message; `None` for a frame that carries none for us. Cancel safe.
async fn next(socket: &mut Socket) -> Result<Option<ToWrap>, End> {
    match socket.next().await {
        None => Err(End::Lost("it closed the connection".to_owned())),
        Some(Err(error)) => Err(End::Lost(error.to_string())),
        Some(Ok(Message::Close(frame))) => Err(closed(frame)),
        Some(Ok(Message::Text(text))) => match wire::decode(&text) {
            Ok(message) => Ok(Some(message)),
            Err(DecodeError::UnknownType(kind)) => {
                tracing::debug!(hub.message = kind, "ignored an unknown message of the hub");
                Ok(None)
            }
            Err(error) => Err(End::Lost(error.to_string())),
        },
        Some(Ok(_)) => Ok(None),
    }
}

/// What a close frame says, or that there is none.
fn closed(frame: Option<CloseFrame>) -> End {
    let code = frame.as_ref().map_or(NO_CODE, |frame| u16::from(frame.code));
    let reason = frame.map_or_else(String::new, |frame| inert(frame.reason.trim()));
    let reason: String = reason.chars().take(MAX_REASON_CHARS).collect();
    match Refused::from_close(code) {
        Some(refused) => End::Refused(refused, reason),
        None if reason.is_empty() => End::Lost(format!("it closed the connection (code {code})")),
        None => End::Lost(format!("it closed the connection (code {code}: {reason})")),
    }
}

async fn send(socket: &mut Socket, message: &ToHub) -> Result<(), End> {
    write_text(socket, wire::encode(message)).await
}

async fn write_text(socket: &mut Socket, text: String) -> Result<(), End> {
    in_time(connect::send_text(socket, text)).await
}

async fn write(socket: &mut Socket, message: Message) -> Result<(), End> {
    in_time(socket.send(message)).await
}

async fn in_time(written: impl Future<Output = Result<(), Error>>) -> Result<(), End> {
    match timeout(SEND_WITHIN, written).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(End::Lost(error.to_string())),
        Err(_) => Err(End::Lost("it does not read".to_owned())),
    }
}

#[cfg(test)]
#[path = "link_tests.rs"]
mod tests;
