//! Writing down what there is to tell, in the transaction of what happened.

use std::sync::Arc;

use super::EXPIRING_MS;
use crate::config::notify::{Channel, Event, Kind};
use crate::core::ids::Digest;
use crate::hub::model::Approval;
use crate::hub::notify::message::Notice;
use crate::hub::notify::{push, quiet, stored};
use crate::hub::store::{Remembered, Sees as _, StoreError, Topic, Tx};

/// How long mail waits for a decision when nothing else is said.
const EMAIL_AFTER_SECONDS: u32 = 15;

/// Writes what there is to tell of a change, in its transaction.
pub async fn tell(tx: &mut Tx, approval: &Approval, action: &str, at: i64) -> Result<(), StoreError> {
    let Some(event) = event(action) else { return Ok(()) };
    for channel in &listening(tx).await?.0 {
        if !concerns(channel, approval) {
            continue;
        }
        if event != Event::Created && !push::heard_of(tx, channel, &approval.id, at).await? {
            continue;
        }
        for (event, due) in events(channel, event, approval, at) {
            for recipient in recipients(channel) {
                insert(tx, channel, recipient, event, approval, at, due).await?;
            }
        }
    }
    Ok(())
}

/// The channels that are on, kept in memory.
struct Listening(Vec<Channel>);

impl Remembered for Listening {
    const TOPIC: Topic = Topic::Channels;
}

async fn listening(tx: &mut Tx) -> Result<Arc<Listening>, StoreError> {
    if let Some(listening) = tx.recall::<Listening>("") {
        return Ok(listening);
    }
    let found: Vec<String> =
        sqlx::query_scalar("select config from channels where enabled = 1").fetch_all(tx.sql()).await?;
    let listening = Arc::new(Listening(found.iter().filter_map(|config| stored::read(config).ok()).collect()));
    tx.keep("", &listening);
    Ok(listening)
}

fn event(action: &str) -> Option<Event> {
    Some(match action {
        "approval.created" => Event::Created,
        "approval.approved" | "approval.rejected" => Event::Decided,
        "approval.timed_out" => Event::TimedOut,
        "approval.cancelled" => Event::Cancelled,
        _ => return None,
    })
}

fn concerns(channel: &Channel, approval: &Approval) -> bool {
    let server = channel.servers.is_empty() || channel.servers.contains(&approval.server);
    server && channel.threshold.is_none_or(|threshold| approval.trust >= threshold)
}

/// What this channel is told, and when. That an approval is about to time out is planned when it is created.
fn events(channel: &Channel, event: Event, approval: &Approval, at: i64) -> Vec<(Event, i64)> {
    let mut found = vec![(event, at)];
    if event == Event::Created {
        if channel.kind == Kind::Email {
            let seconds = channel.settings.email_after.unwrap_or(EMAIL_AFTER_SECONDS);
            found = vec![(event, at + i64::from(seconds) * 1000)];
        }
        let expiring = approval.deadline_at - EXPIRING_MS;
        found.extend((expiring > at).then_some((Event::Expiring, expiring)));
    }
    let usual = channel.kind.usual_events();
    let wanted = channel.events.as_ref().unwrap_or(&usual);
    found.retain(|(event, due)| wanted.contains(event) && !quiet::at(channel.quiet_hours.as_ref(), *due));
    found
}

fn recipients(channel: &Channel) -> Vec<&str> {
    match channel.kind {
        Kind::Email => channel.settings.to.iter().map(String::as_str).collect(),
        _ => vec![""],
    }
}

/// The id is the same for the same news, so that it is told once.
async fn insert(
    tx: &mut Tx,
    channel: &Channel,
    recipient: &str,
    event: Event,
    approval: &Approval,
    at: i64,
    due: i64,
) -> Result<(), StoreError> {
    let key = [channel.id.as_str(), recipient, event.as_str(), approval.id.as_str()].map(str::as_bytes);
    let id = format!("msg_{}", &Digest::of_fields(&key).as_str()[..32]);
    let payload = serde_json::to_string(&Notice::of(approval, at)).map_err(|e| StoreError::Failed(e.to_string()))?;
    sqlx::query(
        "insert into outbox (id, channel, recipient, event, approval, payload, created_at, attempts, next_at, \
         lease_until) values ($1, $2, $3, $4, $5, $6, $7, 0, $8, 0) on conflict (id) do nothing",
    )
    .bind(id)
    .bind(channel.id.as_str())
    .bind(recipient)
    .bind(event.as_str())
    .bind(approval.id.as_str())
    .bind(payload)
    .bind(at)
    .bind(due)
    .execute(tx.sql())
    .await?;
    Ok(())
}
