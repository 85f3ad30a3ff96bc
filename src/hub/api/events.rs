//! `/events`: what happened, as it happens, for live pages (server-sent events).
//!
//! A stream reads the record from where the listener was; the bus only says when to read. A listener that is too far
//! behind is told to load everything again, so that no queue grows for anyone.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use axum::response::sse::{Event as Sse, KeepAlive};
use futures_util::Stream;
use futures_util::stream;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::Api;
use super::listeners::Listening;
use super::looking::Look;
use super::problem::Problem;
use super::who::{Pass, Viewer};
use crate::core::ids::ApprovalId;
use crate::hub::model::Event;
use crate::hub::store::StoreError;

/// A listener further behind than this loads everything again.
const MAX_BEHIND: i64 = 500;
/// Events read at once.
const READ: u32 = 100;
/// A comment goes out this often, so that both sides notice a dead line, and the listener's pass is looked at.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// `GET /events`
pub async fn stream(
    State(api): State<Api>,
    Viewer(user): Viewer,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    let open = api.listeners.open(&user.name)?;
    let (store, asked) = (api.hub.store(), headers.get("last-event-id"));
    let asked = asked.map(|id| id.to_str().ok().and_then(|id| id.parse::<i64>().ok()));
    if asked.flatten().is_some_and(|seq| seq > store.last_seq()) {
        // It listened at another hub, which told of more than this one has heard yet.
        store.look_outside().await?;
    }
    let (last, news) = (store.last_seq(), store.subscribe());
    let replay = asked.flatten().filter(|seq| (0..=last).contains(seq) && last - seq <= MAX_BEHIND);
    let from = replay.unwrap_or(last);
    let mut out = VecDeque::from([hello(&api, from, last).await?]);
    if asked.is_some() && replay.is_none() {
        out.push_back(snapshot(last));
    }
    let stop = api.hub.shutdown();
    let keep = KeepAlive::new().interval(HEARTBEAT).text("");
    let pass = Pass::new(&api, user, &headers)?;
    let mut checks = tokio::time::interval(HEARTBEAT);
    checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (looking, ungated) = (api.looking.follow(), api.hub.shims.ungated_news());
    let events = Listener { api, pass, from, out, news, looking, ungated, checks, stop, _open: open }.events();
    // A proxy that collects answers would hold events back.
    let unbuffered = [(header::HeaderName::from_static("x-accel-buffering"), "no")];
    Ok((unbuffered, axum::response::Sse::new(events).keep_alive(keep)))
}

/// One page that listens.
struct Listener {
    api: Api,
    pass: Pass,
    from: i64,
    out: VecDeque<Sse>,
    news: watch::Receiver<i64>,
    looking: watch::Receiver<Vec<Look>>,
    ungated: watch::Receiver<u64>,
    checks: Interval,
    stop: CancellationToken,
    _open: Listening,
}

impl Listener {
    fn events(self) -> impl Stream<Item = Result<Sse, Infallible>> {
        stream::unfold(self, |mut listener| async move {
            let event = listener.next().await?;
            Some((Ok(event), listener))
        })
    }

    /// The next event; `None` ends the stream, after which the browser connects again and is judged anew.
    async fn next(&mut self) -> Option<Sse> {
        loop {
            // Seen before reading: what is committed after this wakes us again.
            let last = *self.news.borrow_and_update();
            if self.out.is_empty() && last > self.from {
                self.read(last).await.inspect_err(|error| tracing::error!(%error, "live events stopped")).ok()?;
            }
            // Right before each event: whoever was signed out meanwhile is told nothing more.
            if !self.pass.holds(&self.api).await {
                return None;
            }
            if let Some(event) = self.out.pop_front() {
                return Some(event);
            }
            if self.looking.has_changed().unwrap_or(false) {
                return Some(who_looks(&self.looking.borrow_and_update()));
            }
            if self.ungated.has_changed().unwrap_or(false) {
                self.ungated.mark_unchanged();
                return Some(Sse::default().event("ungated").data("{}"));
            }
            self.wait().await?;
        }
    }

    async fn read(&mut self, last: i64) -> Result<(), StoreError> {
        if last - self.from > MAX_BEHIND {
            self.out.push_back(snapshot(last));
            self.from = last;
            return Ok(());
        }
        let events = self.api.hub.store().events_after(self.from, READ).await?;
        self.from = events.last().map_or(last, |event| event.id);
        for event in events {
            let shown = show(&self.api, &event).await?;
            self.out.push_back(shown);
        }
        Ok(())
    }

    /// Until there is news or it is time to look at the pass again, for as long as the hub runs.
    async fn wait(&mut self) -> Option<()> {
        tokio::select! {
            () = self.stop.cancelled() => None,
            changed = self.news.changed() => changed.ok(),
            _ = self.looking.changed() => {
                self.looking.mark_changed();
                Some(())
            }
            _ = self.ungated.changed() => {
                self.ungated.mark_changed();
                Some(())
            }
            _ = self.checks.tick() => Some(()),
        }
    }
}

/// The first message: the hub's time, and where the stream stands. Its id is where a new connection continues.
async fn hello(api: &Api, from: i64, last: i64) -> Result<Sse, StoreError> {
    let data = json!({ "now": api.hub.now(), "seq": last, "pending": api.hub.approvals.pending_count().await? });
    Ok(Sse::default().event("hello").id(from.to_string()).data(data.to_string()))
}

/// Without an id: nothing of it is replayed.
fn who_looks(all: &[Look]) -> Sse {
    Sse::default().event("looking").data(json!({ "looking": all }).to_string())
}

fn snapshot(last: i64) -> Sse {
    Sse::default().event("snapshot").id(last.to_string()).data(json!({ "seq": last }).to_string())
}

async fn show(api: &Api, event: &Event) -> Result<Sse, StoreError> {
    let mut data = json!({ "id": event.id, "kind": event.kind, "subject": event.subject });
    if event.kind == "approval" {
        let id = ApprovalId::from(event.subject.as_str());
        // A large call is in no event: all that happens goes to all pages through one stream each, and a card behind
        // megabytes would come late.
        data["approval"] = json!(api.hub.approvals.small(&id).await?);
    }
    Ok(Sse::default().event(&event.kind).id(event.id.to_string()).data(data.to_string()))
}
