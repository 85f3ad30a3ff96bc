//! Discord webhooks: an embed that mentions nobody.

use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::{Poster, Sender, endpoint};
use crate::config::notify::Settings;
use crate::hub::notify::message::{Message, NO_ARGUMENTS};

const HOSTS: [&str; 4] = ["discord.com", "discordapp.com", "canary.discord.com", "ptb.discord.com"];
/// Discord takes about five messages in two seconds.
const PACE_MS: i64 = 500;

pub(super) fn sender(settings: &Settings) -> Result<impl Sender + use<>, String> {
    Ok(Poster { endpoint: endpoint(settings, &HOSTS)?, headers: HeaderMap::new(), pace_ms: PACE_MS, body })
}

fn body(message: &Message) -> Value {
    let fields: Vec<_> = message
        .facts()
        .into_iter()
        .map(|(label, value)| json!({ "name": label, "value": literal(&value), "inline": true }))
        .collect();
    let words = message.more().map_or_else(|| NO_ARGUMENTS.to_owned(), |more| format!("{more}\n{NO_ARGUMENTS}"));
    let embed = json!({
        "title": format!("{} – {}", message.title(), message.link_words()),
        "url": message.link(),
        "description": words,
        "fields": fields,
    });
    json!({ "embeds": [embed], "allowed_mentions": { "parse": [] } })
}

/// Every sign behind a backslash, so that none is Markdown, a link or a mention; a field must not be empty.
fn literal(text: &str) -> String {
    let mut literal = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_punctuation() {
            literal.push('\\');
        }
        literal.push(c);
    }
    if literal.is_empty() { "–".to_owned() } else { literal }
}
