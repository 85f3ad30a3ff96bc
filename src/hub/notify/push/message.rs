//! What a browser is told. The service worker (`page/assets/sw.js`) puts it into words.

use serde_json::{Value, json};

use crate::config::notify::Event;
use crate::hub::notify::message::Message;

/// When it is no news any more that something was decided, in seconds.
const OUTCOME_TTL: i64 = 3_600;
/// Several at once, and everything that replaces that.
const QUEUE: &str = "queue";

/// Who is concerned by a message and how urgent it is, as the push service may know it.
pub(super) struct Envelope {
    /// Seconds after which the push service may drop it.
    pub(super) ttl: i64,
    /// Whether it is worth waking a phone that saves its battery.
    pub(super) urgency: &'static str,
    /// What takes the place of an earlier one that was not delivered yet.
    pub(super) topic: String,
}

/// An approval that waits is of no use after its deadline.
pub(super) fn envelope(message: &Message) -> Envelope {
    let waits = waits(message);
    let left = (message.notice.deadline_at - message.now) / 1000;
    Envelope {
        ttl: if waits { left.max(1) } else { OUTCOME_TTL },
        urgency: if waits { "high" } else { "normal" },
        // At most 32 characters of base64url: what a UUID is without its hyphens.
        topic: tag(message).chars().filter(char::is_ascii_alphanumeric).take(32).collect(),
    }
}

fn waits(message: &Message) -> bool {
    matches!(message.event, Event::Created | Event::Expiring)
}

/// The name of the notification, which a later one with the same name replaces.
fn tag(message: &Message) -> String {
    match (message.test, message.more) {
        (true, _) => "test".to_owned(),
        (_, 0) => message.notice.approval.to_string(),
        _ => QUEUE.to_owned(),
    }
}

/// Names only, each one plain line; never arguments.
pub(super) fn body(message: &Message) -> Value {
    let mut body = json!({
        "title": message.title(),
        "tag": tag(message),
        "link": message.link(),
        "waits": waits(message),
        "test": message.test,
        "more": message.more(),
        "trust": message.notice.trust,
        "deadline_at": message.notice.deadline_at,
        "seconds_left": ((message.notice.deadline_at - message.now) / 1000).max(0),
    });
    for (label, value) in message.facts() {
        if ["Tool", "Server", "Agent", "User", "By"].contains(&label) {
            body[label.to_ascii_lowercase()] = json!(value);
        }
    }
    body
}
