//! Channels: which approvals they hear of, who may change them, and what is shown of them.

use serde_json::{Value, json};

use super::receiver::Receiver;
use super::{slack, webhook};
use crate::config::notify::Channel;
use crate::core::trust::Level;
use crate::hub::error::ChangeError;
use crate::hub::notify::Change;
use crate::hub::tests::desk::Desk;
use crate::hub::who::Actor;

async fn waiting(desk: &Desk, id: &str) -> i64 {
    desk.channel(id).await.state.waiting
}

#[tokio::test]
async fn a_channel_hears_of_its_servers_its_level_and_outside_its_quiet_hours() {
    let desk = Desk::new().await;
    // The clock stands at 2027-01-15 08:00 UTC.
    let quiet = |from: &str, to: &str| json!({ "from": from, "to": to, "zone": "UTC" });
    let with = |id: &str, key: &str, value: Value| {
        let mut channel = slack(id, "http://127.0.0.1:9/");
        channel[key] = value;
        channel
    };
    desk.set(json!([
        with("all", "name", json!("")),
        with("this-server", "servers", json!(["github"])),
        with("other-server", "servers", json!(["GitHub"])),
        with("high", "threshold", json!("high")),
        with("night", "quiet_hours", quiet("22:00", "07:00")),
        with("morning", "quiet_hours", quiet("07:30", "09:00")),
        with("decided", "events", json!(["decided"])),
        with("off", "enabled", json!(false)),
    ]))
    .await;
    desk.hold().await;
    for (id, count) in [
        ("all", 1),
        ("this-server", 1),
        ("other-server", 0),
        ("high", 1),
        ("night", 1),
        ("morning", 0),
        ("decided", 0),
        ("off", 0),
    ] {
        assert_eq!(waiting(&desk, id).await, count, "{id}");
    }
    assert_eq!(desk.channel("high").await.threshold, Some(Level::High));
}

#[tokio::test]
async fn secrets_go_in_and_never_come_out() {
    let desk = Desk::new().await;
    let email = json!({ "id": "mail", "kind": "email", "settings": {
        "host": "localhost", "tls": "none", "username": "u", "password": "hunter2", "from": "hub@example.org", "to": ["a@example.org"],
    } });
    let telegram = json!({ "kind": "telegram", "settings": { "token": "123:ABC-hidden", "chat_id": "-100" } });
    let ntfy = json!({ "kind": "ntfy", "settings": { "topic": "hidden-topic" } });
    let answer = desk.set(json!([slack("s", "http://127.0.0.1:9/hidden-path"), email, telegram, ntfy])).await;
    let shown = serde_json::to_string(&answer).unwrap();
    for secret in ["hidden", "hunter2"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    let channel = desk.channel("s").await;
    assert_eq!((channel.target.as_str(), channel.secrets["url"]), ("127.0.0.1", true));
}

#[tokio::test]
async fn a_webhooks_secret_is_shown_once_and_stays_until_it_is_cleared() {
    let desk = Desk::new().await;
    let made = desk.set(json!([webhook("w", "http://127.0.0.1:9/")])).await;
    assert!(made.new_secrets["w"].starts_with("whsec_"));
    assert!(!serde_json::to_string(&made.items).unwrap().contains("whsec_"));
    let kept = json!([{ "id": "w", "kind": "webhook", "name": "renamed", "settings": { "allow_private": true } }]);
    let again = desk.set(kept).await;
    assert!(again.new_secrets.is_empty());
    assert!(again.items[0].secrets["secret"] && again.items[0].secrets["url"]);
    let mut cleared = webhook("w", "http://127.0.0.1:9/");
    cleared["settings"]["secret"] = json!("");
    assert_ne!(desk.set(json!([cleared])).await.new_secrets["w"], made.new_secrets["w"]);
}

#[tokio::test]
async fn a_secret_that_is_not_entered_again_does_not_follow_a_channel_to_another_address() {
    let desk = Desk::new().await;
    let mail = |key: &str, value: Value| {
        let mut settings = json!({ "host": "mx.example.org", "username": "u", "from": "f@x.org", "to": ["a@x.org"] });
        settings[key] = value;
        json!({ "id": "c", "kind": "email", "settings": settings })
    };
    let of = |kind: &str, settings: Value| json!({ "id": "c", "kind": kind, "settings": settings });
    let secret = format!("whsec_{}", "A".repeat(43) + "=");
    let hook = json!({ "url": "https://a.example/x", "secret": secret });
    let ntfy = json!({ "topic": "ops", "token": "tk_x" });
    let bot = json!({ "url": "https://api.telegram.org:443", "token": "1:A", "chat_id": "1" });
    for (before, after, words) in [
        (of("webhook", hook.clone()), of("webhook", json!({ "url": "https://b.example/x" })), "settings.secret"),
        (of("webhook", hook.clone()), of("webhook", json!({ "url": "https://a.example:8443/x" })), "settings.secret"),
        (of("ntfy", ntfy), of("ntfy", json!({ "topic": "ops", "url": "https://b.example" })), "settings.token"),
        (of("telegram", bot), of("telegram", json!({ "url": "", "chat_id": "1" })), "settings.token"),
        (mail("password", json!("hunter2")), mail("host", json!("b.example")), "settings.password"),
        (mail("password", json!("hunter2")), mail("port", json!(2525)), "settings.password"),
        (mail("password", json!("hunter2")), mail("tls", json!("tls")), "settings.password"),
    ] {
        desk.set(json!([])).await;
        desk.set(json!([before])).await;
        let error = desk.try_set(json!([after])).await.expect_err(&after.to_string());
        assert!(matches!(&error, ChangeError::Invalid(why) if why.contains(words)), "{after}: {error}");
    }
    desk.set(json!([])).await;
    desk.set(json!([of("webhook", hook)])).await;
    let moved_within = desk.set(json!([of("webhook", json!({ "url": "https://a.example:443/y" }))])).await;
    assert!(moved_within.new_secrets.is_empty(), "another path is the same address");
    let entered = desk.set(json!([of("webhook", json!({ "url": "https://b.example/", "secret": secret }))])).await;
    assert!(entered.new_secrets.is_empty(), "the same secret, entered again");
}

#[tokio::test]
async fn a_channel_that_makes_no_sense_is_refused_in_words() {
    let desk = Desk::new().await;
    for (channel, words) in [
        (json!({ "kind": "slack", "settings": {} }), "settings.url is missing"),
        (json!({ "kind": "slack", "settings": { "url": "https://evil.example" } }), "hooks.slack.com"),
        (json!({ "kind": "slack", "settings": { "url": "http://hooks.slack.com/x" } }), "https://"),
        (json!({ "kind": "webhook", "settings": { "url": "https://10.0.0.1/" } }), "private network"),
        (json!({ "kind": "webhook", "settings": { "url": "https://h/", "secret": "whsec_c2hvcnQ=" } }), "whsec_"),
        (json!({ "kind": "ntfy", "settings": { "topic": "a b" } }), "settings.topic"),
        (json!({ "kind": "telegram", "settings": { "token": "a/../b", "chat_id": "1" } }), "bot's token"),
        (json!({ "kind": "slack", "settings": { "url": "https://hooks.slack.com/x", "host": "h" } }), "settings.host"),
        (json!({ "kind": "email", "settings": { "host": "h", "from": "f@x.org", "to": ["x"] } }), "not an address"),
        (
            json!({ "kind": "email", "settings": { "host": "h", "tls": "none", "from": "f@x.org", "to": ["a@x.org"] } }),
            "in the clear",
        ),
        (json!({ "kind": "slack", "quiet_hours": { "from": "1", "to": "2", "zone": "UTC" } }), "quiet hours"),
        (json!({ "id": "a b", "kind": "slack" }), "id must be"),
    ] {
        let error = desk.try_set(json!([channel])).await.unwrap_err();
        assert!(matches!(&error, ChangeError::Invalid(why) if why.contains(words)), "{channel}: {error}");
    }
    assert!(desk.hub.notify.notifications().await.unwrap().0.is_empty());
}

#[tokio::test]
async fn only_an_administrator_changes_channels_and_only_from_what_is_there() {
    let desk = Desk::new().await;
    let change = |revision: Option<&str>| Change {
        channels: vec![serde_json::from_value(slack("s", "http://127.0.0.1:9/")).unwrap()],
        revision: revision.map(str::to_owned),
    };
    let by = Actor::User(desk.approver.clone());
    let refused = desk.hub.notify.change_notifications(change(None), &by).await;
    assert!(matches!(refused, Err(ChangeError::Forbidden)));
    let admin = Actor::User(desk.admin.clone());
    let (_, before) = desk.hub.notify.notifications().await.unwrap();
    desk.hub.notify.change_notifications(change(Some(&before)), &admin).await.unwrap();
    let late = desk.hub.notify.change_notifications(change(Some(&before)), &admin).await;
    assert!(matches!(late, Err(ChangeError::Conflict(_))));
    let records = desk.hub.store().audit(0, 100).await;
    assert!(serde_json::to_string(&records.unwrap()).unwrap().contains("notifications.changed"));
}

#[tokio::test]
async fn channels_of_the_file_follow_the_file_and_not_the_page() {
    let desk = Desk::new().await;
    let of_file = |ids: &[&str]| -> Vec<Channel> {
        ids.iter().map(|id| serde_json::from_value(slack(id, "http://127.0.0.1:9/")).unwrap()).collect()
    };
    desk.set(json!([slack("page", "http://127.0.0.1:9/")])).await;
    desk.hub.notify.use_channels_of_file(of_file(&["one", "two"])).await.unwrap();
    assert!(desk.channel("one").await.from_file && !desk.channel("page").await.from_file);
    let refused = desk.try_set(json!([slack("one", "http://127.0.0.1:9/")])).await;
    assert!(matches!(refused, Err(ChangeError::Conflict(why)) if why.contains("config file")));
    desk.set(json!([])).await;
    desk.hub.notify.use_channels_of_file(of_file(&["two"])).await.unwrap();
    let left: Vec<_> = desk.hub.notify.notifications().await.unwrap().0.into_iter().map(|channel| channel.id).collect();
    assert_eq!(left, ["two"]);
}

#[tokio::test]
async fn mail_waits_a_while_and_is_not_sent_when_the_approval_was_quick() {
    let desk = Desk::new().await;
    let email = json!({ "id": "mail", "kind": "email", "settings": {
        "host": "127.0.0.1", "port": 9, "tls": "none", "from": "hub@example.org", "to": ["a@example.org", "b@example.org"],
    } });
    desk.set(json!([email])).await;
    let approval = desk.hold().await;
    assert_eq!(desk.hub.notify.channels_due().await.unwrap(), [("mail".to_owned(), desk.hub.now() + 15_000)]);
    assert_eq!(waiting(&desk, "mail").await, 2, "one for each recipient");
    desk.hub.approvals.approve(&approval.id, &desk.approver, None).await.unwrap();
    desk.courier();
    desk.clock.advance(15_000);
    let state = desk.state("mail", "nothing waits", |state| state.waiting == 0).await;
    assert_eq!((state.last_at, state.given_up), (None, 0), "nobody was written to");
}

#[tokio::test]
async fn a_test_message_says_at_once_whether_it_arrived() {
    let desk = Desk::new().await;
    let receiver = Receiver::start().await;
    desk.set(json!([slack("works", &receiver.url), slack("fails", "http://127.0.0.1:9/")])).await;
    let admin = Actor::User(desk.admin.clone());
    assert_eq!(desk.hub.notify.test_notification("works", &admin).await.unwrap(), Ok(()));
    assert!(receiver.one().await.text.contains("Test message"));
    let why = desk.hub.notify.test_notification("fails", &admin).await.unwrap().unwrap_err();
    assert_eq!(desk.channel("fails").await.state.last_error, Some(why));
    assert!(matches!(desk.hub.notify.test_notification("none", &admin).await, Err(ChangeError::NotFound(_))));
}

#[tokio::test]
async fn mending_a_channel_sends_what_failed_at_once() {
    let desk = Desk::new().await;
    let receiver = Receiver::start().await;
    desk.set(json!([slack("s", "http://127.0.0.1:9/")])).await;
    desk.courier();
    desk.hold().await;
    desk.state("s", "an error", |state| state.last_error.is_some()).await;
    desk.set(json!([slack("s", &receiver.url)])).await;
    receiver.one().await;
}
