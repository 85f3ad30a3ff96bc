//! Sends what the outbox holds: one worker for each channel that has something due, so that none waits for another.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::task::{Id, JoinError, JoinSet};

use super::http::Failure;
use super::kinds::{self, Sender};
use super::message::Message;
use super::outbox::{ATTEMPTS, Claim, Way};
use super::stored::shown;
use crate::config::notify::{Channel, Event, Kind};
use crate::hub::notify::Notify;
use crate::hub::store::StoreError;

/// After shutdown, so long for what is due.
const FLUSH: Duration = Duration::from_secs(10);
/// After shutdown, what may be sent within this time counts as due: the pace of a channel that is flooded.
const FLUSH_AHEAD_MS: i64 = 1_000;
/// After a failure of the store, the next try.
const RETRY_MS: i64 = 1_000;

/// Until shutdown, and then for a while.
pub(super) async fn run(hub: &Notify, timeout: Duration) {
    let mut round =
        Round { hub: hub.clone(), timeout, senders: HashMap::new(), running: HashMap::new(), workers: JoinSet::new() };
    let (stop, mut news) = (hub.shutdown.clone(), hub.store.subscribe());
    while !stop.is_cancelled() {
        // What is committed after this wakes us again.
        news.borrow_and_update();
        let next = round.dispatch().await;
        tokio::select! {
            () = stop.cancelled() => {}
            _ = news.changed() => {}
            Some(done) = round.workers.join_next_with_id(), if !round.workers.is_empty() => round.note(done),
            () = hub.clock.sleep_until(next) => {}
        }
    }
    if tokio::time::timeout(FLUSH, round.flush()).await.is_err() {
        tracing::warn!("stopped before every notification was sent; the rest is sent after the next start");
    }
}

struct Round {
    hub: Notify,
    timeout: Duration,
    /// What was made for a channel, as long as the channel stays as it was.
    senders: HashMap<String, (i64, Arc<dyn Sender>)>,
    running: HashMap<Id, String>,
    workers: JoinSet<()>,
}

impl Round {
    /// Starts a worker for every channel with something due; returns when something else will be.
    async fn dispatch(&mut self) -> i64 {
        let due = match self.hub.channels_due().await {
            Ok(due) => due,
            Err(StoreError::Closed) => return i64::MAX,
            Err(error) => {
                tracing::error!(%error, "cannot read which notifications are due");
                return self.hub.now() + RETRY_MS;
            }
        };
        let mut next = i64::MAX;
        for (id, at) in due {
            if self.running.values().any(|busy| *busy == id) {
                continue;
            }
            if at > self.hub.now() {
                next = next.min(at);
                continue;
            }
            if let Err(error) = self.start(&id).await {
                tracing::error!(%error, channel = id, "cannot send notifications");
                next = next.min(self.hub.now() + RETRY_MS);
            }
        }
        next
    }

    async fn start(&mut self, id: &str) -> Result<(), StoreError> {
        let Some((channel, version)) = self.hub.stored_channel(id).await? else { return Ok(()) };
        let sender = match self.senders.get(id) {
            Some((same, sender)) if *same == version => sender.clone(),
            _ => self.hub.sender(&channel).await?.unwrap_or_else(|why| Arc::new(Broken(why))),
        };
        self.senders.insert(id.to_owned(), (version, sender.clone()));
        let worker = Worker { hub: self.hub.clone(), timeout: self.timeout, channel, version, sender };
        let task = self.workers.spawn(async move { worker.run().await });
        self.running.insert(task.id(), id.to_owned());
        Ok(())
    }

    fn note(&mut self, done: Result<(Id, ()), JoinError>) {
        let id = match done {
            Ok((id, ())) => id,
            Err(error) => {
                tracing::error!(%error, "a notification's worker failed");
                error.id()
            }
        };
        self.running.remove(&id);
    }

    /// Sends what is due, and nothing that has to wait.
    async fn flush(&mut self) {
        loop {
            let next = self.dispatch().await;
            match self.workers.join_next_with_id().await {
                Some(done) => self.note(done),
                None if next <= self.hub.now() + FLUSH_AHEAD_MS => self.hub.clock.sleep_until(next).await,
                None => return,
            }
        }
    }
}

/// Sends what one channel has due, one message after the other.
struct Worker {
    hub: Notify,
    timeout: Duration,
    channel: Channel,
    version: i64,
    sender: Arc<dyn Sender>,
}

impl Worker {
    async fn run(&self) {
        if let Err(error) = self.send_all().await
            && !matches!(error, StoreError::Closed)
        {
            tracing::error!(%error, channel = self.channel.id, "cannot note what became of a notification");
            // Not at once again: the store has its reasons.
            self.hub.clock.sleep_until(self.hub.now() + RETRY_MS).await;
        }
    }

    async fn send_all(&self) -> Result<(), StoreError> {
        let id = &self.channel.id;
        let way = Way { gathers: self.sender.gathers(), pace_ms: self.sender.pace_ms() };
        while let Some(claim) = self.hub.claim(id, self.version, way).await? {
            let message = self.message(&claim).await?;
            let outcome = within(self.timeout, self.sender.send(&message)).await;
            let error = outcome.clone().err();
            self.hub.tallies.notified(error.is_none());
            if self.hub.settle(id, claim, outcome).await? {
                self.log(error);
            }
        }
        Ok(())
    }

    async fn message(&self, claim: &Claim) -> Result<Message, StoreError> {
        let (event, mut notice) = (claim.first.event, claim.first.notice.clone());
        let wanted = self.channel.settings.arguments.unwrap_or(false);
        let arguments = if wanted { self.hub.store.arguments_of(&notice.approval).await? } else { None };
        // What still waits may have been given more time since it was written down.
        if matches!(event, Event::Created | Event::Expiring)
            && let Some(deadline) = self.hub.deadline_of(&notice.approval).await?
        {
            notice.deadline_at = deadline;
        }
        Ok(Message {
            id: claim.first.id.clone(),
            event,
            notice,
            more: claim.more,
            recipient: claim.first.recipient.clone(),
            arguments,
            test: false,
            base: self.hub.base_url.get(),
            now: self.hub.now(),
        })
    }

    /// Once when it begins to fail, and once when it is well again.
    fn log(&self, error: Option<Failure>) {
        let (id, name) = (&self.channel.id, shown(&self.channel));
        match error {
            Some(error) => tracing::warn!(channel = id, name, %error, attempts = ATTEMPTS, "notifications fail"),
            None => tracing::warn!(channel = id, name, "notifications get through again"),
        }
    }
}

impl Notify {
    /// The sender for a channel, or why there is none.
    pub(super) async fn sender(&self, channel: &Channel) -> Result<Result<Arc<dyn Sender>, String>, StoreError> {
        match channel.kind {
            Kind::Browser => self.browser_sender(&channel.id).await,
            _ => Ok(kinds::sender(channel)),
        }
    }
}

/// Bounds the time that sending may take.
pub(super) async fn within(timeout: Duration, sending: BoxFuture<'_, Result<(), Failure>>) -> Result<(), Failure> {
    let silent = || Failure::Unreachable(format!("no answer within {} s", timeout.as_secs_f32()));
    tokio::time::timeout(timeout, sending).await.unwrap_or_else(|_| Err(silent()))
}

/// A channel that cannot be used as it is stored.
struct Broken(String);

impl Sender for Broken {
    fn send<'s>(&'s self, _: &'s Message) -> BoxFuture<'s, Result<(), Failure>> {
        Box::pin(async { Err(Failure::Permanent(self.0.clone())) })
    }

    fn pace_ms(&self) -> i64 {
        0
    }
}
