//! `hitl-hub approvals watch`: follows the events, and comes back to a hub that was away to where it left off.

use std::time::{Duration, Instant};

use reqwest::Response;
use serde_json::Value;

use super::client::{Client, Needs, Refused};
use super::{Place, terminal};
use crate::hub::base_url::percent_encode;

/// A hub that is away for longer is not waited for.
const AWAY_AT_MOST: Duration = Duration::from_secs(600);
/// How often it is tried meanwhile.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Why nothing more comes.
enum End {
    /// The connection ended, or there was none; a hub that restarts comes back.
    Away(anyhow::Error),
    /// Trying again would change nothing.
    Final(anyhow::Error),
}

/// Prints a line for every change, until the reader ends it or the hub refuses.
pub(super) async fn run(hub: Option<String>, place: &Place, line: impl Fn(&Value) -> String) -> anyhow::Result<()> {
    let (mut last, mut away_since) = (None, None);
    loop {
        let mut connected = || {
            if away_since.take().is_some() {
                eprintln!("hitl-hub: connected again");
            }
        };
        let ended = tokio::select! {
            ended = follow(&hub, place, &mut last, &line, &mut connected) => ended,
            interrupted = tokio::signal::ctrl_c() => return interrupted.map_err(Into::into),
        };
        let error = match ended {
            End::Final(error) => return Err(error),
            End::Away(error) => error,
        };
        // The first connection must stand: the address may be wrong.
        if last.is_none() || away_since.is_some_and(|since: Instant| since.elapsed() >= AWAY_AT_MOST) {
            return Err(error);
        }
        if away_since.is_none() {
            eprintln!("hitl-hub: {error:#}; connecting again");
            away_since = Some(Instant::now());
        }
        tokio::time::sleep(TRY_AGAIN_AFTER).await;
    }
}

/// One connection's life.
async fn follow(
    hub: &Option<String>,
    place: &Place,
    last: &mut Option<String>,
    line: &impl Fn(&Value) -> String,
    connected: &mut impl FnMut(),
) -> End {
    let client = match Client::connect(hub.clone(), place, Needs::Look).await {
        Ok(client) => client,
        Err(error) => return End::Away(error),
    };
    let end = tokio::select! {
        end = print(&client, last, line, connected) => end,
        error = client.keep_alive() => End::Away(error),
    };
    let end = match end {
        End::Away(_) if client.is_ended().await => {
            End::Final(anyhow::anyhow!("somebody has ended this command at the hub; start it again if it is yours"))
        }
        end => end,
    };
    client.close().await;
    end
}

async fn print(
    client: &Client,
    last: &mut Option<String>,
    line: &impl Fn(&Value) -> String,
    connected: &mut impl FnMut(),
) -> End {
    let response = match client.events(last.as_deref()).await {
        Ok(response) => response,
        Err(error) => return end_of(error),
    };
    connected();
    let mut feed = Feed { response, unread: Vec::new() };
    let mut before = last.clone();
    while let Some(event) = feed.next().await {
        let approval = match event {
            Event::Id(id) => {
                before = last.replace(id);
                continue;
            }
            Event::Missed => {
                eprintln!("hitl-hub: more happened than is told again; `approvals list` shows what waits");
                continue;
            }
            Event::Approval(approval) => Ok(approval),
            Event::Large(id) => client.read(&format!("/approvals/{}", percent_encode(&id)), &[]).await,
        };
        match approval.map(|approval| terminal::line(&line(&approval))) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return End::Final(error),
            Err(error) => {
                // So that it is told again.
                *last = before;
                return end_of(error);
            }
        }
    }
    End::Away(anyhow::anyhow!("the connection to the hub has ended"))
}

/// What follows from an answer that is none: the hub's refusal stays what it is.
fn end_of(error: anyhow::Error) -> End {
    match error.downcast_ref::<Refused>() {
        Some(refused) if refused.status.is_client_error() => End::Final(error),
        _ => End::Away(error),
    }
}

/// What the stream says.
enum Event {
    Id(String),
    Approval(Value),
    /// The id of one that is too large to come with its event.
    Large(String),
    Missed,
}

/// An open stream of events.
struct Feed {
    response: Response,
    unread: Vec<u8>,
}

impl Feed {
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
            let mut data = serde_json::from_str::<Value>(data).ok()?;
            match data["approval"].take() {
                approval @ Value::Object(_) => Some(Event::Approval(approval)),
                _ if data["kind"] == "approval" => data["subject"].as_str().map(|id| Event::Large(id.to_owned())),
                _ => None,
            }
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
        let large = b"data: {\"kind\":\"approval\",\"subject\":\"b\",\"approval\":null}\n";
        assert!(matches!(read(large), Some(Event::Large(id)) if id == "b"));
        for line in [
            &b"data: {\"kind\":\"agents\",\"subject\":\"b\"}\n"[..],
            b": beat\n",
            b"\n",
            b"event: hello\n",
            b"data: \xff\n",
        ] {
            assert!(read(line).is_none(), "{line:?}");
        }
    }
}
