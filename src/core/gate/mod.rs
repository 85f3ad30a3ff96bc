//! The gate: a machine that holds calls. No IO, no clock: frames, answers and the time go in, actions come out.

pub mod messages;

use std::time::{Duration, Instant};

use self::messages::{Answer, Ask, ClientInfo};
use super::ids::{ApprovalId, InstanceId};

/// What the gate must know from the start.
pub struct Settings {
    /// The wrapped server's name, from the command line.
    pub server: String,
    /// The hub as refusals name it, usually its URL.
    pub hub: String,
    /// This run of the shim.
    pub instance: InstanceId,
    /// How long a call waits for a hub that cannot be reached.
    pub hub_wait: Duration,
    /// Makes the ids of approvals.
    pub new_id: Box<dyn FnMut() -> ApprovalId + Send>,
}

/// What the relay does with the line it just showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Write it on, byte for byte.
    Forward,
    /// The gate took it, or it must not pass.
    Consumed,
}

/// Something the relay is to do; frames come without their line feed.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Write this line to the server.
    ToServer(Vec<u8>),
    /// Write this line to the client.
    ToClient(Vec<u8>),
    /// Send this to the hub; lost when there is no connection, because the gate says it again after a `Welcome`.
    ToHub(Ask),
    /// Say this on stderr.
    Log(String),
}

/// The machine. After every `handle_*`, take all of [`poll_action`](Self::poll_action).
pub struct Gate {}

#[allow(clippy::todo, unused_variables, missing_docs)]
impl Gate {
    pub fn new(settings: Settings) -> Self {
        todo!()
    }
    /// A line from the client, without its line end.
    pub fn handle_client(&mut self, line: &[u8], now: Instant) -> Fate {
        todo!()
    }
    /// A line from the server, without its line end. Needs calling only while [`watches_server`](Self::watches_server).
    pub fn handle_server(&mut self, line: &[u8], now: Instant) -> Fate {
        todo!()
    }
    /// Whether server lines must be shown to the gate; otherwise they may be copied unseen.
    pub fn watches_server(&self) -> bool {
        todo!()
    }
    /// A message of the hub, or the loss of its connection.
    pub fn handle_answer(&mut self, answer: Answer, now: Instant) {
        todo!()
    }
    /// `poll_timeout` has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        todo!()
    }
    /// The client closed its side, or a signal ends us: take everything back.
    pub fn handle_client_gone(&mut self, now: Instant) {
        todo!()
    }
    /// The server ended: answer everything that waits.
    pub fn handle_server_gone(&mut self, now: Instant) {
        todo!()
    }
    /// Approvals with a live request, for `hello.resume`.
    pub fn held(&self) -> Vec<ApprovalId> {
        todo!()
    }
    /// The client as `initialize` named it.
    pub fn client(&self) -> Option<ClientInfo> {
        todo!()
    }
    pub fn poll_action(&mut self) -> Option<Action> {
        todo!()
    }
    pub fn poll_timeout(&self) -> Option<Instant> {
        todo!()
    }
}
