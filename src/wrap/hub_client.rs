//! The relay's end of the way to the hub: sends without waiting, and hears what comes.
//!
//! The connection itself is kept by a task of its own, in [`link`](super::link). It decides nothing, and the relay
//! never waits for it: what cannot be queued costs a new connection, which begins with everything that is wanted.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::link::{FromHub, GOODBYE_WITHIN, Link, QUEUE};
use crate::config::wrap::HubAt;
use crate::core::gate::Ask;
use crate::wire::{Hello, ToHub};

/// How long connecting waits for the server's first words: the client waits for those, and only calls for the hub.
const BEGIN_WITHIN: Duration = Duration::from_millis(30);

/// The relay's end.
#[derive(Debug)]
pub struct HubClient {
    to_link: mpsc::Sender<ToHub>,
    from_link: mpsc::Receiver<FromHub>,
    reset: Arc<Notify>,
    /// Rung once.
    begin: Option<Arc<Notify>>,
    task: JoinHandle<()>,
    /// Between our `hello` and the loss of the connection.
    greeted: bool,
}

impl HubClient {
    /// Connects in the background, soon or when [`begin`](Self::begin) says so.
    pub fn start(at: HubAt) -> Self {
        let (to_link, from_relay) = mpsc::channel(QUEUE);
        let (to_relay, from_link) = mpsc::channel(QUEUE);
        let reset = Arc::new(Notify::new());
        let link = Link::new(at, to_relay, from_relay, Arc::clone(&reset));
        let begin = Arc::new(Notify::new());
        let begun = Arc::clone(&begin);
        let task = async move {
            // Either way it is time.
            let _ = timeout(BEGIN_WITHIN, begun.notified()).await;
            link.run().await;
        };
        Self { to_link, from_link, reset, begin: Some(begin), task: tokio::spawn(task), greeted: false }
    }

    /// Connects now: the client has its first answer, or a call waits.
    pub fn begin(&mut self) {
        if let Some(begin) = self.begin.take() {
            begin.notify_one();
        }
    }

    /// A client whose connection the relay's test plays.
    #[cfg(all(test, unix))]
    pub(super) fn played() -> (Self, mpsc::Sender<FromHub>, mpsc::Receiver<ToHub>) {
        let (to_link, from_relay) = mpsc::channel(QUEUE);
        let (to_relay, from_link) = mpsc::channel(QUEUE);
        let task = tokio::spawn(std::future::ready(()));
        (Self { to_link, from_link, reset: Arc::default(), begin: None, task, greeted: false }, to_relay, from_relay)
    }

    /// What comes next from the hub; pends for ever when there is nothing. Cancel safe.
    pub async fn next(&mut self) -> FromHub {
        match self.from_link.recv().await {
            Some(from) => from,
            None => std::future::pending().await,
        }
    }

    /// Introduces this shim on a new connection.
    pub fn hello(&mut self, hello: Hello) {
        self.greeted = self.to_link.try_send(ToHub::Hello(hello)).is_ok();
    }

    /// The connection is lost.
    pub fn lost(&mut self) {
        self.greeted = false;
    }

    /// Sends what the gate asks.
    pub fn ask(&mut self, ask: Ask) {
        let message = match ask {
            Ask::Tools(tools) => ToHub::Tools(tools),
            Ask::Request(request) => ToHub::Request(request),
            Ask::Cancel(cancel) => ToHub::Cancel(cancel),
            Ask::Release(release) => ToHub::Release(release),
            Ask::Continued(continued) => ToHub::Continued(continued),
            Ask::Outcome(outcome) => ToHub::Outcome(outcome),
            Ask::Call(call) => ToHub::Calls { items: vec![call], dropped: 0 },
        };
        if self.greeted && self.to_link.try_send(message).is_err() {
            // The hub does not keep up. A new connection begins with everything that is still wanted.
            self.greeted = false;
            self.reset.notify_one();
        }
    }

    /// Whether a batch of calls would leave now.
    pub fn takes_calls(&self) -> bool {
        self.greeted && self.to_link.capacity() > QUEUE / 2
    }

    /// Sends a batch of calls.
    pub fn calls(&mut self, batch: ToHub) {
        // `takes_calls` was asked before; a batch that is lost here costs lines of a log.
        let _ = self.to_link.try_send(batch);
    }

    /// Says goodbye, if there is anyone to say it to, and waits a moment for it to leave.
    pub async fn goodbye(self) {
        let Self { to_link, task, greeted, .. } = self;
        let stop = task.abort_handle();
        if greeted && to_link.try_send(ToHub::Bye).is_ok() {
            drop(to_link);
            // A hub that takes longer notices the closed connection.
            let _ = timeout(GOODBYE_WITHIN, task).await;
        }
        stop.abort();
    }
}
