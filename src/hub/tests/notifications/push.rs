//! Web Push as far as it can be seen without a browser: what is sent, to whom, and what becomes of it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::rand::SystemRandom;
use serde_json::{Value, json};

use super::eventually;
use super::receiver::{Answer, Got, Receiver};
use super::shapes::{HOSTILE, calm};
use crate::hub::Settings;
use crate::hub::notify::{Browser, Subscription};
use crate::hub::tests::desk::Desk;

/// A browser's keys; they open one message.
pub(super) struct Phone {
    private: EphemeralPrivateKey,
    public: Vec<u8>,
}

const AUTH: [u8; 16] = [7; 16];

impl Phone {
    pub(super) fn new() -> Self {
        let private = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).unwrap();
        let public = private.compute_public_key().unwrap().as_ref().to_vec();
        Self { private, public }
    }

    pub(super) fn subscription(&self, endpoint: &str) -> Subscription {
        let keys = json!({ "p256dh": BASE64.encode(&self.public), "auth": BASE64.encode(AUTH) });
        serde_json::from_value(json!({ "endpoint": endpoint, "keys": keys, "name": "Firefox on Linux" })).unwrap()
    }

    /// What the message says. `tests/servers/push.py` does the same with a library that is not ours.
    fn open(self, sealed: &[u8]) -> Value {
        let (salt, rest) = sealed.split_at(16);
        let (sender, rest) = rest[5..].split_at(65);
        let theirs = UnparsedPublicKey::new(&ECDH_P256, sender);
        let who = [b"WebPush: info\0".as_slice(), &self.public, sender];
        let material = agree_ephemeral(self.private, &theirs, |shared| expand(&AUTH, shared, &who, 32)).unwrap();
        let key = expand(salt, &material, &[b"Content-Encoding: aes128gcm\0"], 16);
        let nonce = expand(salt, &material, &[b"Content-Encoding: nonce\0"], 12);
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).unwrap());
        let nonce = Nonce::try_assume_unique_for_key(&nonce).unwrap();
        let mut rest = rest.to_vec();
        let plain = key.open_in_place(nonce, Aad::empty(), &mut rest).unwrap();
        serde_json::from_slice(plain.strip_suffix(&[2]).unwrap()).unwrap()
    }
}

struct Bytes(usize);

impl KeyType for Bytes {
    fn len(&self) -> usize {
        self.0
    }
}

fn expand(salt: &[u8], secret: &[u8], info: &[&[u8]], length: usize) -> Vec<u8> {
    let mut into = vec![0; length];
    let prk = Salt::new(HKDF_SHA256, salt).extract(secret);
    prk.expand(info, Bytes(length)).unwrap().fill(&mut into).unwrap();
    into
}

/// A desk whose hub may push to this machine.
pub(super) async fn desk() -> Desk {
    allowed(Desk::new().await).await
}

async fn allowed(desk: Desk) -> Desk {
    let base_url = Some("https://hitl.example.org".into());
    desk.served_with(Settings { base_url, push_hosts: vec!["127.0.0.1".into()], ..Settings::default() }).await
}

pub(super) async fn subscribed(desk: &Desk, receiver: &Receiver) -> Browser {
    desk.hub.notify.add_browser(Phone::new().subscription(&receiver.url), &desk.approver).await.unwrap()
}

/// The approver's browsers.
pub(super) async fn browsers(desk: &Desk) -> Vec<Browser> {
    desk.hub.notify.browsers(&desk.approver).await.unwrap()
}

/// Waits until the approver's one browser is so.
async fn until(desk: &Desk, what: &str, is_so: impl Fn(&Browser) -> bool) -> Browser {
    eventually(what, || async {
        let mut all = browsers(desk).await;
        match all.pop() {
            Some(browser) if is_so(&browser) => Ok(browser),
            other => Err(format!("{other:?}")),
        }
    })
    .await
}

pub(super) fn topic(got: &Got) -> &str {
    got.header("topic")
}

/// Who did what with browsers, as the audit says.
pub(super) async fn recorded(desk: &Desk) -> Vec<(String, String)> {
    let records = serde_json::to_value(desk.hub.store().audit(0, 100).await.unwrap()).unwrap();
    let mut found = Vec::new();
    for record in records.as_array().unwrap() {
        if let Some(what) = record["action"].as_str().unwrap().strip_prefix("notifications.") {
            found.push((record["actor"].as_str().unwrap().to_owned(), what.to_owned()));
        }
    }
    found
}

#[tokio::test]
async fn a_waiting_call_reaches_a_browser_sealed_for_it_with_harmless_names_and_no_arguments() {
    let (desk, receiver, phone) = (desk().await, Receiver::start().await, Phone::new());
    desk.rename_agent(&format!("agent{HOSTILE}")).await;
    desk.hub.notify.add_browser(phone.subscription(&receiver.url), &desk.approver).await.unwrap();
    desk.courier();
    let approval = desk.hold_tool(&format!("delete{HOSTILE}")).await;
    let got = receiver.one().await;
    let topic = approval.id.as_str().replace('-', "");
    for (name, value) in [
        ("content-encoding", "aes128gcm"),
        ("content-type", "application/octet-stream"),
        ("ttl", "300"),
        ("urgency", "high"),
        ("topic", topic.as_str()),
    ] {
        assert_eq!(got.header(name), value, "{name}");
    }
    assert!(got.header("authorization").starts_with("vapid t=ey"), "{}", got.header("authorization"));
    let said = phone.open(&got.bytes);
    calm(&said);
    for (key, beginning) in
        [("tool", "delete<!channel> @everyone"), ("agent", "agent<!channel>"), ("user", "agent<!channel>")]
    {
        assert!(said[key].as_str().unwrap().starts_with(beginning), "{said}");
    }
    for (key, value) in [
        ("title", json!("Approval needed")),
        ("server", json!("github")),
        ("seconds_left", json!(300)),
        ("tag", json!(approval.id)),
        ("link", json!(format!("https://hitl.example.org/approvals/{}", approval.id))),
    ] {
        assert_eq!(said[key], value, "{key}");
    }
    assert!(!said.to_string().contains("of the arguments"), "{said}");
}

#[tokio::test]
async fn an_outcome_replaces_the_notification_where_there_was_one_and_else_nobody_is_disturbed() {
    let (desk, receiver, phone) = (desk().await, Receiver::start().await, Phone::new());
    subscribed(&desk, &receiver).await;
    let quick = desk.hold().await;
    desk.hub.approvals.approve(&quick.id, &desk.approver, None).await.unwrap();
    desk.hub
        .notify
        .add_browser(Subscription { endpoint: format!("{}2", receiver.url), ..phone.subscription("") }, &desk.admin)
        .await
        .unwrap();
    desk.courier();
    let approval = desk.hold().await;
    receiver.got(2).await;
    until(&desk, "the first is sent", |browser| browser.state.last_at.is_some()).await;
    eventually("both are noted", || async {
        let waiting = desk.hub.notify.browsers(&desk.admin).await.unwrap()[0].state.waiting;
        if waiting == 0 { Ok(()) } else { Err(waiting.to_string()) }
    })
    .await;
    desk.clock.advance(1_000);
    desk.hub.approvals.reject(&approval.id, &desk.approver, Some("no".into())).await.unwrap();
    let all = receiver.got(4).await;
    assert!(all.iter().all(|got| topic(got) == approval.id.as_str().replace('-', "")), "{all:?}");
    assert_eq!((all[2].header("urgency"), all[2].header("ttl")), ("normal", "3600"));
    until(&desk, "nothing waits", |browser| browser.state.waiting == 0).await;
    assert_eq!(receiver.so_far().len(), 4);
}

#[tokio::test]
async fn many_at_once_become_one_notification_that_leads_to_the_queue() {
    let (desk, receiver, phone) = (desk().await, Receiver::start().await, Phone::new());
    desk.hub.notify.add_browser(phone.subscription(&receiver.url), &desk.approver).await.unwrap();
    let mut held = Vec::new();
    for _ in 0..5 {
        held.push(desk.hold().await);
    }
    desk.courier();
    let got = receiver.one().await;
    assert_eq!(topic(&got), "queue");
    let said = phone.open(&got.bytes);
    assert_eq!(
        (&said["more"], &said["link"]),
        (&json!("4 more are waiting."), &json!("https://hitl.example.org/approvals"))
    );
    until(&desk, "all are told", |browser| browser.state.waiting == 0).await;
    desk.clock.advance(1_000);
    desk.hub.approvals.approve(&held[0].id, &desk.approver, None).await.unwrap();
    assert_eq!(until(&desk, "it was asked", |_| true).await.state.waiting, 0, "it had no notification of its own");
}

#[tokio::test]
async fn a_browser_that_its_push_service_knows_no_longer_is_removed() {
    for code in [404, 410] {
        let desk = desk().await;
        let receiver = Receiver::answering([Answer::With(code, vec![], "gone".to_owned())]).await;
        let browser = subscribed(&desk, &receiver).await;
        desk.courier();
        desk.hold().await;
        eventually("it is removed", || async {
            let left = browsers(&desk).await;
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        })
        .await;
        assert_eq!(recorded(&desk).await.pop(), Some(("hub".into(), "browser_removed".into())));
        desk.hold().await;
        assert!(desk.hub.notify.channels_due().await.unwrap().iter().all(|(id, _)| *id != browser.id));
        assert_eq!(receiver.so_far().len(), 1);
    }
}

#[tokio::test]
async fn other_failures_are_retried_or_given_up_and_said_in_words() {
    let elsewhere = Receiver::start().await;
    let redirect = Answer::With(307, vec![("location", elsewhere.url.clone())], String::new());
    let with = |code| Answer::With(code, vec![], "nope".to_owned());
    for (answer, words, given_up) in [
        (with(500), "500", 0),
        (with(413), "413", 1),
        (with(403), "403", 1),
        (redirect, "redirects", 1),
        (Answer::Hang, "no answer within", 0),
    ] {
        let desk = desk().await;
        let hangs = matches!(answer, Answer::Hang);
        let receiver = Receiver::answering([answer]).await;
        subscribed(&desk, &receiver).await;
        if hangs {
            desk.impatient_courier()
        } else {
            desk.courier()
        }
        desk.hold().await;
        let browser = until(&desk, words, |browser| browser.state.last_error.is_some()).await;
        assert!(browser.state.last_error.as_ref().is_some_and(|error| error.contains(words)), "{browser:?}");
        assert_eq!((browser.state.given_up, browser.state.waiting), (given_up, 1 - given_up), "{words}");
    }
    assert!(elsewhere.so_far().is_empty());
}

#[tokio::test]
async fn a_push_service_that_asks_for_time_gets_it() {
    let desk = desk().await;
    let busy = Answer::With(429, vec![("retry-after", "30".to_owned())], String::new());
    let receiver = Receiver::answering([busy]).await;
    subscribed(&desk, &receiver).await;
    desk.courier();
    desk.hold().await;
    until(&desk, "the 429", |browser| browser.state.last_error.is_some()).await;
    assert_eq!(desk.hub.notify.channels_due().await.unwrap()[0].1, desk.hub.now() + 30_000);
    desk.clock.advance(30_000);
    let second = receiver.got(2).await.remove(1);
    assert_eq!(second.header("ttl"), "270", "no longer than the approval waits");
    until(&desk, "no error", |browser| browser.state.last_error.is_none()).await;
}

#[tokio::test]
async fn the_longest_names_fit_into_one_message() {
    let (desk, receiver, phone) = (desk().await, Receiver::start().await, Phone::new());
    let long = "\u{1f980}".repeat(1_000);
    desk.rename_agent(&long).await;
    desk.hub.notify.add_browser(phone.subscription(&receiver.url), &desk.approver).await.unwrap();
    desk.courier();
    desk.hold_tool(&long[..240]).await;
    let got = receiver.one().await;
    assert!((1_000..=4_096).contains(&got.bytes.len()), "{}", got.bytes.len());
    assert!(phone.open(&got.bytes)["agent"].as_str().unwrap().ends_with('…'));
}
