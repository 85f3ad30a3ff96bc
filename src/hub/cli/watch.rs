//! `hitl-hub approvals watch`: follows the events, and comes back to a hub that was away to where it left off.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use reqwest::Response;
use serde_json::Value;

use super::client::{Client, Refused};
use super::{Place, terminal};

/// How long its token lives.
const TOKEN_TTL: Duration = Duration::from_secs(12 * 3600);
/// A hub that is away for longer is not waited for.
const AWAY_AT_MOST: Duration = Duration::from_secs(600);
/// How often it is tried meanwhile.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Prints a line for every change, until the reader or the hub refuses.
pub(super) async fn run(hub: Option<String>, place: &Place, line: impl Fn(&Value) -> String) -> anyhow::Result<()> {
    let mut last = None;
    let mut feed = Feed::open(&hub, place, None).await?;
    loop {
        while let Some(event) = feed.next().await {
            match event {
                Event::Id(id) => last = Some(id),
                Event::Approval(approval) => terminal::line(&line(&approval))?,
                Event::Missed => {
                    eprintln!("hitl-hub: more happened than is told again; `approvals list` shows what waits")
                }
            }
        }
        eprintln!("hitl-hub: the connection to the hub has ended; connecting again");
        feed = reopen(&hub, place, last.as_deref()).await?;
        eprintln!("hitl-hub: connected again");
    }
}

/// Tries until the hub is back, refuses, or has been away for too long.
async fn reopen(hub: &Option<String>, place: &Place, last: Option<&str>) -> anyhow::Result<Feed> {
    let begun = Instant::now();
    loop {
        tokio::time::sleep(TRY_AGAIN_AFTER).await;
        let error = match Feed::open(hub, place, last).await {
            Ok(feed) => return Ok(feed),
            Err(error) => error,
        };
        let refused = error.downcast_ref::<Refused>().is_some_and(|refused| refused.status.is_client_error());
        if refused || begun.elapsed() >= AWAY_AT_MOST {
            return Err(error).context("the watch has ended");
        }
    }
}

/// What the stream says.
enum Event {
    Id(String),
    Approval(Value),
    Missed,
}

/// An open stream of events.
struct Feed {
    response: Response,
    unread: Vec<u8>,
}

impl Feed {
    async fn open(hub: &Option<String>, place: &Place, last: Option<&str>) -> anyhow::Result<Self> {
        let client = Client::connect(hub.clone(), place, TOKEN_TTL).await?;
        Ok(Self { response: client.events(last).await?, unread: Vec::new() })
    }

    /// The next event that matters; `None` when the stream has ended, in whatever way.
    async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                if let Some(event) = read(&line) {
                    return Some(event);
                }
            }
            self.unread.extend_from_slice(&self.response.chunk().await.ok()??);
        }
    }
}

fn read(line: &[u8]) -> Option<Event> {
    let (field, value) = std::str::from_utf8(line).ok()?.trim_end().split_once(':')?;
    match (field, value.trim_start()) {
        ("id", id) => Some(Event::Id(id.to_owned())),
        ("event", "snapshot") => Some(Event::Missed),
        ("data", data) => {
            let approval = serde_json::from_str::<Value>(data).ok()?["approval"].take();
            approval.is_object().then_some(Event::Approval(approval))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_that_matter_are_read() {
        assert!(matches!(read(b"id: 7\n"), Some(Event::Id(id)) if id == "7"));
        assert!(matches!(read(b"event: snapshot\r\n"), Some(Event::Missed)));
        assert!(matches!(read(b"data:{\"approval\":{\"id\":\"a\"}}\n"), Some(Event::Approval(_))));
        for line in [&b"data: {\"approval\":null}\n"[..], b": beat\n", b"\n", b"event: hello\n", b"data: \xff\n"] {
            assert!(read(line).is_none(), "{line:?}");
        }
    }
}
