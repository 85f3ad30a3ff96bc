//! Slack incoming webhooks: Block Kit, plain text only, one message a second.

use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::{Poster, Sender, endpoint};
use crate::config::notify::Settings;
use crate::hub::notify::message::{Message, NO_ARGUMENTS};

const HOSTS: [&str; 2] = ["hooks.slack.com", "hooks.slack-gov.com"];
/// Slack takes one message a second for each webhook.
const PACE_MS: i64 = 1_000;

pub(super) fn sender(settings: &Settings) -> Result<impl Sender + use<>, String> {
    Ok(Poster { endpoint: endpoint(settings, &HOSTS)?, headers: HeaderMap::new(), pace_ms: PACE_MS, body })
}

/// Names stand in `plain_text` only, where nothing is a mention, a link or a style.
fn body(message: &Message) -> Value {
    let fields: Vec<_> = message.facts().iter().map(|(label, value)| plain(&format!("{label}\n{value}"))).collect();
    let mut blocks = vec![
        json!({ "type": "header", "text": plain(message.title()) }),
        json!({ "type": "section", "fields": fields }),
    ];
    if let Some(more) = message.more() {
        blocks.push(json!({ "type": "section", "text": plain(&more) }));
    }
    blocks.push(json!({ "type": "context", "elements": [plain(NO_ARGUMENTS)] }));
    let button = json!({
        "type": "button",
        "action_id": "open",
        "style": "primary",
        "text": plain(message.link_words()),
        "url": message.link(),
    });
    blocks.push(json!({ "type": "actions", "elements": [button] }));
    // What a phone shows; here `@` would still be read, if somebody had asked for it.
    let summary = entities(&message.headline()).replace('@', "@\u{2060}");
    json!({ "text": summary, "blocks": blocks, "link_names": false, "unfurl_links": false, "unfurl_media": false })
}

fn plain(text: &str) -> Value {
    json!({ "type": "plain_text", "text": entities(text), "emoji": false })
}

/// The three characters that Slack wants as entities, everywhere.
fn entities(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
