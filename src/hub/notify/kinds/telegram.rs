//! Telegram bots: one `sendMessage`, with names as code, in which nothing is a link or a mention.

use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::{Poster, Sender};
use crate::config::notify::Settings;
use crate::hub::notify::http::{Endpoint, needed};
use crate::hub::notify::message::{Message, NO_ARGUMENTS};
use crate::hub::notify::text::escape;

const HOSTS: [&str; 1] = ["api.telegram.org"];
/// Telegram takes one message a second for each chat.
const PACE_MS: i64 = 1_000;

pub(super) fn sender(settings: &Settings) -> Result<impl Sender + use<>, String> {
    let token = needed(settings.token.as_ref(), "settings.token")?;
    if !token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":_-".contains(&byte)) {
        return Err("settings.token is not a bot's token, such as 123456:ABC-DEF".to_owned());
    }
    let chat = settings.chat_id.clone().filter(|chat| !chat.trim().is_empty());
    let chat = chat.ok_or_else(|| "settings.chat_id is missing".to_owned())?;
    let url = settings.url.as_ref().map_or("https://api.telegram.org", |url| &url.0);
    let endpoint = Endpoint::new(url, &HOSTS, settings.allow_private.unwrap_or(false))?;
    let endpoint = endpoint.at(&format!("/bot{token}/sendMessage"));
    let body = move |message: &Message| body(&chat, message);
    Ok(Poster { endpoint, headers: HeaderMap::new(), pace_ms: PACE_MS, body })
}

fn body(chat: &str, message: &Message) -> Value {
    let mut text = format!("<b>{}</b>\n", escape(message.title()));
    for (label, value) in message.facts() {
        text.push_str(&format!("{label}: <code>{}</code>\n", escape(&value)));
    }
    if let Some(more) = message.more() {
        text.push_str(&format!("<b>{more}</b>\n"));
    }
    text.push_str(&format!("{NO_ARGUMENTS}\n{}", escape(&message.link())));
    let mut body = json!({
        "chat_id": chat,
        "parse_mode": "HTML",
        "text": text,
        "link_preview_options": { "is_disabled": true },
    });
    // Telegram refuses buttons that lead to a host without a public name.
    if message.base.starts_with("https://") {
        let button = json!({ "text": message.link_words(), "url": message.link() });
        body["reply_markup"] = json!({ "inline_keyboard": [[button]] });
    }
    body
}
