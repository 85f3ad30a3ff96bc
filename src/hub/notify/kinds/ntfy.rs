//! ntfy: one JSON message to the server's root.

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde_json::{Value, json};

use super::{Poster, Sender};
use crate::config::notify::{Event, Settings};
use crate::hub::notify::http::{Endpoint, needed};
use crate::hub::notify::message::{Message, NO_ARGUMENTS};

/// ntfy.sh lets sixty through at once, and then one in five seconds.
const PACE_MS: i64 = 1_000;

pub(super) fn sender(settings: &Settings) -> Result<impl Sender + use<>, String> {
    let topic = needed(settings.topic.as_ref(), "settings.topic")?.to_owned();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if topic.len() > 64 || !topic.bytes().all(fits) {
        return Err("settings.topic has at most 64 letters, digits, _ and -".to_owned());
    }
    let url = settings.url.as_ref().map_or("https://ntfy.sh", |url| &url.0);
    let endpoint = Endpoint::new(url, &[], settings.allow_private.unwrap_or(false))?.at("/");
    let mut headers = HeaderMap::new();
    if let Some(token) = &settings.token {
        let mut value = HeaderValue::try_from(format!("Bearer {}", token.0))
            .map_err(|_| "settings.token holds a character that no token has".to_owned())?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    let body = move |message: &Message| body(&topic, message);
    Ok(Poster { endpoint, headers, pace_ms: PACE_MS, body })
}

/// ntfy shows text as it is unless Markdown is asked for.
fn body(topic: &str, message: &Message) -> Value {
    let facts = message.facts().into_iter().skip(2).map(|(label, value)| format!("{label}: {value}"));
    let lines: Vec<_> = facts.chain(message.more()).chain([NO_ARGUMENTS.to_owned()]).collect();
    let waits = matches!(message.event, Event::Created | Event::Expiring);
    json!({
        "topic": topic,
        "title": message.headline(),
        "message": lines.join("\n"),
        "priority": if waits { 4 } else { 3 },
        "click": message.link(),
        "actions": [{ "action": "view", "label": message.link_words(), "url": message.link() }],
    })
}
