//! Each payload against its vendor's documented shape, with names that try to be more than names.

use serde_json::{Value, json};

use super::receiver::{Got, Receiver};
use super::webhook;
use crate::hub::tests::desk::Desk;

/// Markup of every vendor, mentions, a line end, a header, a right-to-left override, a NUL's neighbour.
pub(super) const HOSTILE: &str =
    "<!channel> @everyone @channel [x](http://evil.example) <b>&\"'*_`~|\r\nBcc: eve@x\u{202e}\u{200b}<at>all</at>";

/// What a channel of this kind is sent for a call with a hostile name.
async fn message(kind: &str, settings: Value) -> (Got, String) {
    let receiver = Receiver::start().await;
    let desk = Desk::new().await;
    desk.rename_agent(&format!("agent{HOSTILE}")).await;
    let mut settings = settings;
    settings["url"] = json!(receiver.url);
    settings["allow_private"] = json!(true);
    desk.set(json!([{ "id": "c", "kind": kind, "settings": settings }])).await;
    desk.courier();
    let approval = desk.hold_tool(&format!("delete{HOSTILE}")).await;
    let got = receiver.one().await;
    assert!(!got.text.contains("of the arguments"), "arguments never leave: {}", got.text);
    assert_eq!(got.header("content-type"), "application/json");
    (got, format!("http://127.0.0.1:7420/approvals/{}", approval.id))
}

/// No value anywhere in the payload holds a line end of the name's, or hidden characters.
pub(super) fn calm(value: &Value) {
    match value {
        Value::String(text) => {
            assert!(!text.contains("\r\nBcc") && !text.contains(['\u{202e}', '\u{200b}', '\r']), "{text:?}");
        }
        Value::Array(items) => items.iter().for_each(calm),
        Value::Object(members) => members.values().for_each(calm),
        _ => {}
    }
}

fn texts<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(members) => members.values().for_each(|member| texts(member, found)),
        _ => {}
    }
}

#[tokio::test]
async fn slack_gets_blocks_of_plain_text_within_its_limits() {
    let (got, link) = message("slack", json!({})).await;
    calm(&got.body);
    let mut all = Vec::new();
    texts(&got.body, &mut all);
    assert!(all.iter().all(|text| !text.contains(['<', '>'])), "{all:?}");
    assert!(!got.text.contains("mrkdwn"));
    assert!(!got.body["text"].as_str().unwrap().contains("@channel"));
    let blocks = got.body["blocks"].as_array().unwrap();
    assert!(blocks.len() <= 50);
    let of = |kind: &str| blocks.iter().find(|block| block["type"] == kind).unwrap();
    assert!(of("header")["text"]["text"].as_str().unwrap().chars().count() <= 150);
    let fields = of("section")["fields"].as_array().unwrap();
    assert!(fields.len() <= 10);
    for (field, label) in fields.iter().zip(["Tool", "Server", "Agent", "User", "Risk", "Time left"]) {
        let text = field["text"].as_str().unwrap();
        assert!(text.starts_with(label) && text.chars().count() <= 2000, "{text}");
    }
    assert!(of("context")["elements"][0]["text"].as_str().unwrap().contains("Arguments are not shown"));
    let button = &of("actions")["elements"][0];
    assert_eq!((&button["type"], button["url"].as_str().unwrap()), (&json!("button"), link.as_str()));
    assert!(button["text"]["text"].as_str().unwrap().chars().count() <= 75);
}

#[tokio::test]
async fn teams_gets_an_adaptive_card_with_names_in_text_runs() {
    let (got, link) = message("teams", json!({})).await;
    calm(&got.body);
    assert_eq!(got.body["type"], "message");
    let attachment = &got.body["attachments"][0];
    assert_eq!(attachment["contentType"], "application/vnd.microsoft.card.adaptive");
    let card = &attachment["content"];
    assert_eq!((&card["type"], &card["version"]), (&json!("AdaptiveCard"), &json!("1.4")));
    assert_eq!(card["actions"][0], json!({ "type": "Action.OpenUrl", "title": "Open the approval", "url": link }));
    assert!(got.body.get("entities").is_none() && card.get("msteams").is_none());
    for item in card["body"].as_array().unwrap() {
        match item["type"].as_str().unwrap() {
            "TextBlock" => assert!(!item["text"].as_str().unwrap().contains("delete"), "Markdown would be read here"),
            "RichTextBlock" => assert!(item["inlines"].as_array().unwrap().iter().all(|run| run["type"] == "TextRun")),
            other => panic!("unexpected {other}"),
        }
    }
    assert!(got.text.len() < 28 << 10);
}

#[tokio::test]
async fn discord_gets_an_embed_that_mentions_nobody() {
    let (got, link) = message("discord", json!({})).await;
    calm(&got.body);
    assert_eq!(got.body["allowed_mentions"], json!({ "parse": [] }));
    let embed = &got.body["embeds"][0];
    assert_eq!(embed["url"].as_str().unwrap(), link);
    assert!(embed["title"].as_str().unwrap().chars().count() <= 256);
    let fields = embed["fields"].as_array().unwrap();
    let tool = fields[0]["value"].as_str().unwrap();
    assert!(fields.len() <= 25 && tool.chars().count() <= 1024);
    for markup in ["[x](", "http://", "<!", "**"] {
        assert!(!tool.contains(markup), "{markup} in {tool}");
    }
}

#[tokio::test]
async fn telegram_gets_html_with_names_as_code() {
    let (got, link) = message("telegram", json!({ "token": "123:ABC", "chat_id": "-42" })).await;
    calm(&got.body);
    assert_eq!(got.path, "/bot123:ABC/sendMessage");
    assert_eq!((&got.body["chat_id"], &got.body["parse_mode"]), (&json!("-42"), &json!("HTML")));
    let text = got.body["text"].as_str().unwrap();
    assert!(text.contains("Tool: <code>delete&lt;!channel&gt;") && text.contains(&link), "{text}");
    assert!(text.chars().count() <= 4096 && got.body.get("reply_markup").is_none(), "no button without https");
    let tags: Vec<_> = text.split('<').skip(1).filter_map(|rest| rest.split('>').next()).collect();
    assert!(tags.iter().all(|tag| ["b", "/b", "code", "/code"].contains(tag)), "{tags:?}");
}

#[tokio::test]
async fn ntfy_gets_json_with_a_title_and_a_link() {
    let (got, link) = message("ntfy", json!({ "topic": "ops", "token": "tk_x" })).await;
    calm(&got.body);
    assert_eq!((got.path.as_str(), got.header("authorization")), ("/", "Bearer tk_x"));
    assert_eq!((&got.body["topic"], got.body["click"].as_str().unwrap()), (&json!("ops"), link.as_str()));
    assert!(got.body["title"].as_str().unwrap().starts_with("Approval needed: delete"));
    assert!(got.body["message"].as_str().unwrap().len() <= 4096 && got.body.get("markdown").is_none());
    assert_eq!(got.body["actions"][0]["action"], "view");
}

#[tokio::test]
async fn a_webhooks_signature_is_good_for_a_library_that_is_not_ours() {
    let desk = Desk::new().await;
    let receiver = Receiver::start().await;
    let made = desk.set(json!([webhook("w", &receiver.url)])).await;
    desk.courier();
    // The library compares with the wall.
    let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    desk.clock.advance(i64::try_from(wall).unwrap() - desk.hub.now());
    let approval = desk.hold_tool(&format!("delete{HOSTILE}")).await;
    desk.hub.approvals.reject(&approval.id, &desk.approver, Some("Wrong environment".into())).await.unwrap();
    let got = receiver.got(2).await;
    let verifier = standardwebhooks::Webhook::new(&made.new_secrets["w"]).unwrap();
    for message in &got {
        let mut headers = message.headers.clone();
        verifier.verify(message.text.as_bytes(), &headers).unwrap();
        assert!(verifier.verify(format!("{} ", message.text).as_bytes(), &headers).is_err());
        headers.insert("webhook-id", "msg_other".parse().unwrap());
        assert!(verifier.verify(message.text.as_bytes(), &headers).is_err());
        assert!(!message.text.contains("of the arguments"));
    }
    let decided = &got[1].body;
    assert_eq!(decided["type"], "approval.decided");
    assert!(decided["timestamp"].as_str().unwrap().ends_with('Z'));
    assert_eq!(decided["data"]["id"], approval.id.as_str());
    assert_eq!(decided["data"]["tool"], format!("delete{HOSTILE}"), "programs get the name as it is");
    assert_eq!((&decided["data"]["status"], &decided["data"]["decided_by"]), (&json!("rejected"), &json!("bob")));
    assert_eq!(decided["data"]["reason"], "Wrong environment");
}
