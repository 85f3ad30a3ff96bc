//! Microsoft Teams webhooks (Workflows): an Adaptive Card.

use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::{Poster, Sender, endpoint};
use crate::config::notify::Settings;
use crate::hub::notify::message::{Message, NO_ARGUMENTS};

const HOSTS: [&str; 4] =
    ["*.webhook.office.com", "*.logic.azure.com", "*.environment.api.powerplatform.com", "*.logic.azure.us"];
/// Teams takes four messages a second.
const PACE_MS: i64 = 500;

pub(super) fn sender(settings: &Settings) -> Result<impl Sender + use<>, String> {
    Ok(Poster { endpoint: endpoint(settings, &HOSTS)?, headers: HeaderMap::new(), pace_ms: PACE_MS, body })
}

/// Names stand in text runs, the one kind of text on a card that knows no Markdown.
fn body(message: &Message) -> Value {
    let mut items = vec![json!({ "type": "TextBlock", "size": "Large", "weight": "Bolder", "text": message.title() })];
    for (label, value) in message.facts() {
        let label = json!({ "type": "TextRun", "text": format!("{label}: "), "weight": "Bolder" });
        let value = json!({ "type": "TextRun", "text": value });
        items.push(json!({ "type": "RichTextBlock", "inlines": [label, value], "spacing": "Small" }));
    }
    if let Some(more) = message.more() {
        items.push(json!({ "type": "TextBlock", "weight": "Bolder", "text": more }));
    }
    items.push(json!({ "type": "TextBlock", "isSubtle": true, "wrap": true, "text": NO_ARGUMENTS }));
    let card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": items,
        "actions": [{ "type": "Action.OpenUrl", "title": message.link_words(), "url": message.link() }],
    });
    let content_type = "application/vnd.microsoft.card.adaptive";
    json!({ "type": "message", "attachments": [{ "contentType": content_type, "contentUrl": null, "content": card }] })
}
