//! One shim's connection, from upgrade to close.
//!
//! One task owns it: it hears the shim, the bus and the clock, and what it says it has just read in the store. A shim
//! that does not read what it is sent is cut, so that it holds up nobody else.

mod calls;
mod greeting;
mod parting;
mod policy;
mod telling;
mod weighing;

use std::net::IpAddr;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};

use self::parting::{part, say_goodbye};
use self::policy::{news_of_tools, shown};
use self::telling::Told;
use self::weighing::{Weighed, Weighing};
use crate::core::ids::{ApprovalId, Digest};
use crate::core::messages::Tools;
use crate::hub::agents::Bearer;
use crate::hub::aside::{LONG_BYTES, aside};
use crate::hub::live::{Cut, Joined};
use crate::hub::servers::{Shown, Tabled};
use crate::hub::shims::Shims;
use crate::hub::shims::meeting::OPENED;
use crate::hub::shims::meter::Meter;
use crate::hub::store::{Cost, StoreError};
use crate::hub::who::Shim;
use crate::wire::{self, ToHub, ToWrap, close};

/// A message that cannot be sent in this time ends the session; so long may a shim take to close its side.
const SEND_WITHIN: Duration = Duration::from_secs(10);
/// What a ping takes beside its payload, and more than what TLS takes beside the messages between two ticks.
const CONTROL_BYTES: usize = 6;
const TLS_BYTES: usize = 256;
/// The websocket's own close code for what breaks a rule of ours.
const POLICY: u16 = 1008;
/// The whole life of one shim's connection, opened by an agent's token.
pub fn handle(
    hub: Shims,
    socket: WebSocket,
    bearer: Bearer,
    meter: Meter,
    peer: Option<IpAddr>,
) -> impl Future<Output = ()> {
    let tracker = hub.sessions.clone();
    meter.vouch(hub.room.of(&bearer.agent.client_id));
    tracker.track_future(live(hub, socket, bearer, meter, peer))
}

async fn live(hub: Shims, mut socket: WebSocket, bearer: Bearer, meter: Meter, peer: Option<IpAddr>) {
    let agent = &bearer.agent;
    // Boxed, so that an idle session does not keep the room that its beginning and its end take.
    let ended = match Box::pin(greeting::greet(&hub, &mut socket, &bearer)).await {
        Ok((shim, joined, Tabled { told: table, until })) => {
            let table = table.digest();
            tracing::info!(agent.name = %agent.name, server = %shim.server, ?peer, "a shim connected");
            meter.dealt_with();
            let number = joined.number;
            let (told, shown, weighing) = (Told::default(), Shown::default(), Weighing::default());
            let mut session = Session {
                hub: &hub,
                socket: &mut socket,
                shim: &shim,
                bearer: &bearer,
                table,
                until,
                told,
                shown,
                weighing,
                unlearned: None,
                asked_to_choose: false,
                meter: &meter,
                quiet_until: None,
                policy_from: Instant::now(),
                readings: 0,
            };
            let end = session.run(joined).await;
            tracing::info!(agent.name = %agent.name, server = %shim.server, ?end, "a shim's connection ended");
            Box::pin(part(&hub, &shim, number, &end)).await;
            end
        }
        Err(end) => {
            if let End::Refused(code, why) = &end {
                tracing::warn!(agent.name = %agent.name, ?peer, code, why, "a shim is not let in");
            }
            end
        }
    };
    Box::pin(say_goodbye(&mut socket, ended)).await;
}

/// Why a session ends.
#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    /// The shim said goodbye.
    Bye,
    /// The connection broke, or nothing came through it for too long.
    Lost,
    /// The hub stops.
    Draining,
    /// The hub cuts it.
    Cut(Cut),
    /// What the shim sent breaks the protocol; the close code and why.
    Refused(u16, String),
    /// The store does not answer; the shim shall try again.
    StoreFailed,
}

impl From<StoreError> for End {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a session ends because of the store");
        Self::StoreFailed
    }
}

async fn send(socket: &mut WebSocket, message: &ToWrap) -> Result<(), End> {
    send_frame(socket, Message::Text(wire::encode(message).into())).await
}

async fn send_frame(socket: &mut WebSocket, frame: Message) -> Result<(), End> {
    match timeout(SEND_WITHIN, socket.send(frame)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(End::Lost),
        Err(_) => Err(End::Cut(Cut::Slow)),
    }
}

struct Session<'s> {
    hub: &'s Shims,
    socket: &'s mut WebSocket,
    shim: &'s Shim,
    bearer: &'s Bearer,
    /// The digest of the table that was last sent.
    table: Digest,
    /// When it changes by itself.
    until: Option<i64>,
    /// What the shim knows of its approvals.
    told: Told,
    /// The definitions that the client was shown.
    shown: Shown,
    /// Calls that the external decision point is being asked about.
    weighing: Weighing,
    /// The last list, where the agent told of too many of late, and when its turn comes.
    unlearned: Option<(Tools, i64)>,
    /// The shim was told that nobody has chosen what waits on its server.
    asked_to_choose: bool,
    meter: &'s Meter,
    /// Until when nothing is heard of it, because its agent sends too much.
    quiet_until: Option<i64>,
    /// Before then policy is not read again for tools that changed.
    policy_from: Instant,
    /// How often it was read in a row.
    readings: u32,
}

enum Event {
    Heard(Option<Result<Message, axum::Error>>),
    News(Option<ApprovalId>),
    PolicyChanged,
    Cut(Cut),
    Draining,
    Tick,
    Stale,
    Learn,
    Weighed(Box<Weighed>),
    Quieted,
}

impl Session<'_> {
    async fn run(&mut self, mut joined: Joined) -> End {
        let shutdown = self.hub.shutdown.clone();
        let mut ping = tokio::time::interval(Duration::from_secs(wire::PING_SECONDS));
        let mut heard_at = Instant::now();
        loop {
            let event = tokio::select! {
                biased;
                () = shutdown.cancelled() => Event::Draining,
                Ok(cut) = joined.cut.wait_for(Option::is_some) => cut.map_or(Event::Draining, Event::Cut),
                () = joined.changes.policy.notified() => Event::PolicyChanged,
                () = news_of_tools(&joined.changes.tools, self.policy_from) => Event::PolicyChanged,
                approval = joined.news.recv() => Event::News(approval),
                () = self.hub.clock.sleep_until(self.until.unwrap_or(i64::MAX)), if self.until.is_some() => Event::Stale,
                () = self.hub.clock.sleep_until(self.turn()), if self.unlearned.is_some() => Event::Learn,
                weighed = self.weighing.next() => Event::Weighed(Box::new(weighed)),
                () = self.hub.clock.sleep_until(self.quiet_until.unwrap_or(i64::MAX)), if self.quiet_until.is_some() => Event::Quieted,
                heard = self.socket.recv(), if self.quiet_until.is_none() => Event::Heard(heard),
                _ = ping.tick() => Event::Tick,
            };
            if matches!(event, Event::Heard(_) | Event::Quieted) {
                heard_at = Instant::now();
            }
            let silent = heard_at.elapsed().as_secs() >= wire::DEAD_SECONDS;
            // Boxed, so that an idle session does not keep the room that this takes.
            if let Err(end) = Box::pin(self.deal_with(event, silent, &mut joined)).await {
                return end;
            }
        }
    }

    async fn deal_with(&mut self, event: Event, silent: bool, joined: &mut Joined) -> Result<(), End> {
        match event {
            Event::Heard(Some(Ok(frame))) => self.hear(frame).await,
            Event::Heard(_) => Err(End::Lost),
            Event::News(Some(approval)) => self.tell_news(approval).await,
            Event::News(None) => Err(End::Cut(Cut::Replaced)),
            Event::Cut(cut) => Err(self.cut(cut, joined).await),
            Event::Draining => Err(self.drain().await),
            Event::PolicyChanged => self.push_policy().await,
            Event::Stale => self.look_at_policy().await,
            Event::Learn => self.learn(None).await,
            Event::Weighed(weighed) => self.register(weighed.request, weighed.opinion).await,
            Event::Quieted => {
                self.quiet_until = None;
                Ok(())
            }
            Event::Tick if self.meter.is_overdue() => {
                Err(End::Refused(POLICY, "a message did not come to its end in time".to_owned()))
            }
            Event::Tick if self.quiet_until.is_none() && silent => Err(End::Lost),
            Event::Tick => {
                self.meter.forgive(TLS_BYTES);
                send_frame(self.socket, Message::Ping(Default::default())).await
            }
        }
    }

    async fn drain(&mut self) -> End {
        let _ = send(self.socket, &ToWrap::Draining).await;
        End::Draining
    }

    /// What became of the calls that are held is told first, where the shim may not come back to hear it.
    async fn cut(&mut self, cut: Cut, joined: &mut Joined) -> End {
        if !matches!(cut, Cut::Revoked | Cut::Elsewhere) {
            return End::Cut(cut);
        }
        while let Ok(approval) = joined.news.try_recv() {
            if let Err(end) = self.tell_news(approval).await {
                return end;
            }
        }
        End::Cut(cut)
    }

    async fn hear(&mut self, frame: Message) -> Result<(), End> {
        match frame {
            Message::Text(text) => {
                self.spend(text.len());
                let turn = self.turn_for(text.len()).await;
                let heard = self.hear_text(&text).await;
                drop(turn);
                drop(text);
                self.meter.dealt_with();
                heard
            }
            Message::Binary(_) => Err(End::Refused(close::BAD_MESSAGE, "binary frames are not spoken here".to_owned())),
            Message::Close(_) => Err(End::Lost),
            Message::Ping(payload) | Message::Pong(payload) => {
                self.meter.forgive(payload.len() + CONTROL_BYTES);
                Ok(())
            }
        }
    }

    /// What an agent sends is counted, whatever it is; one that sends too much is not listened to for a while.
    fn spend(&mut self, bytes: usize) {
        let (now, kib) = (self.hub.now(), i64::try_from(bytes.div_ceil(1024).max(1)).unwrap_or(i64::MAX));
        self.quiet_until = self.hub.budgets.owe(&self.shim.client_id, Cost::HeardKiB, kib, now);
    }

    /// Reading a message takes several times its length: of long ones, one at a time for each agent.
    async fn turn_for(&mut self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let turns = (bytes > LONG_BYTES).then(|| self.hub.long_messages.of(&self.shim.client_id))?;
        turns.acquire_owned().await.ok()
    }

    async fn hear_text(&mut self, text: &str) -> Result<(), End> {
        match aside(text.len(), || wire::decode::<ToHub>(text)) {
            Ok(message) => self.answer(message).await,
            Err(wire::DecodeError::UnknownType(of)) => {
                let of = of.chars().take(100).collect();
                send(self.socket, &ToWrap::Unsupported { of }).await
            }
            Err(error) => Err(End::Refused(close::BAD_MESSAGE, error.to_string())),
        }
    }

    async fn answer(&mut self, message: ToHub) -> Result<(), End> {
        match message {
            ToHub::Hello(_) => Err(End::Refused(close::BAD_MESSAGE, "there was a hello already".to_owned())),
            ToHub::Tools(tools) => {
                self.count().await?;
                self.shown = aside(tools.bytes(), || shown(&tools));
                self.learn(Some(tools)).await
            }
            ToHub::Request(request) => {
                self.count().await?;
                self.request(request).await
            }
            ToHub::Cancel(cancel) => {
                self.told.forget(&cancel.approval);
                self.weighing.forget(&cancel.approval);
                Ok(self.hub.approvals.cancel(self.shim, cancel).await?)
            }
            ToHub::Release(release) => self.release(release).await,
            ToHub::Continued(continued) => Ok(self.hub.approvals.continued(self.shim, continued).await?),
            ToHub::Outcome(outcome) => {
                self.told.forget(&outcome.approval);
                Ok(self.hub.approvals.finish(self.shim, outcome).await?)
            }
            ToHub::Calls { items, dropped } => {
                if dropped > 0 {
                    tracing::warn!(server = %self.shim.server, dropped, "a shim had to drop records of calls");
                }
                Ok(self.hub.log_calls(self.shim, items, dropped).await?)
            }
            ToHub::Ungated { items } => {
                let shim = (&self.shim.client_id, &self.shim.instance);
                let kept = self.hub.live.tell_of(shim.0, shim.1, items);
                Ok(self.hub.store.tell_of_ungated(shim, &kept).await?)
            }
            ToHub::Bye => Err(End::Bye),
        }
    }

    /// From the first tools or request on, people see the session.
    async fn count(&mut self) -> Result<(), End> {
        if self.hub.live.count(&self.shim.client_id, &self.shim.instance) {
            self.hub.note_session(self.shim, OPENED).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_output<F>(_: impl FnOnce(Shims, WebSocket, Bearer, Meter, Option<IpAddr>) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn an_idle_session_keeps_little_room() {
        let size = size_of_output(handle);
        assert!(size <= 5 << 10, "thousands of them wait at a time, each of {size} bytes");
    }
}
