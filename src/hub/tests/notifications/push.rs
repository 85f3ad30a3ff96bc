//! Web Push as far as it can be seen without a browser: what is sent, to whom, and what becomes of it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::rand::SystemRandom;
use serde_json::{Value, json};

use super::receiver::{Answer, Got, Receiver};
use super::shapes::{HOSTILE, calm};
use super::{eventually, slack};
use crate::config::notify::Channel;
use crate::hub::Settings;
use crate::hub::error::{Actor, ChangeError};
use crate::hub::model::{Role, User};
use crate::hub::notify::{Browser, Subscription, check_file};
use crate::hub::tests::desk::Desk;

/// A browser's keys; they open one message.
struct Phone {
    private: EphemeralPrivateKey,
    public: Vec<u8>,
}

const AUTH: [u8; 16] = [7; 16];

impl Phone {
    fn new() -> Self {
        let private = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).unwrap();
        let public = private.compute_public_key().unwrap().as_ref().to_vec();
        Self { private, public }
    }

    fn subscription(&self, endpoint: &str) -> Subscription {
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
async fn desk() -> Desk {
    allowed(Desk::new().await).await
}

async fn allowed(desk: Desk) -> Desk {
    let base_url = Some("https://hitl.example.org".into());
    desk.served_with(Settings { base_url, push_hosts: vec!["127.0.0.1".into()], ..Settings::default() }).await
}

async fn subscribed(desk: &Desk, receiver: &Receiver) -> Browser {
    desk.hub.add_browser(Phone::new().subscription(&receiver.url), &desk.approver).await.unwrap()
}

/// The approver's browsers.
async fn browsers(desk: &Desk) -> Vec<Browser> {
    desk.hub.browsers(&desk.approver).await.unwrap()
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

fn topic(got: &Got) -> &str {
    got.header("topic")
}

#[tokio::test]
async fn a_waiting_call_reaches_a_browser_sealed_for_it_with_harmless_names_and_no_arguments() {
    let (desk, receiver, phone) = (desk().await, Receiver::start().await, Phone::new());
    desk.hub.add_browser(phone.subscription(&receiver.url), &desk.approver).await.unwrap();
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
    assert!(said["tool"].as_str().unwrap().starts_with("delete<!channel> @everyone"), "{said}");
    for (key, value) in [
        ("title", json!("Approval needed")),
        ("server", json!("github")),
        ("agent", json!("ci")),
        ("user", json!("eve")),
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
    desk.hub.approve(&quick.id, &desk.approver, None).await.unwrap();
    desk.hub
        .add_browser(Subscription { endpoint: format!("{}2", receiver.url), ..phone.subscription("") }, &desk.admin)
        .await
        .unwrap();
    desk.courier();
    let approval = desk.hold().await;
    receiver.got(2).await;
    until(&desk, "the first is sent", |browser| browser.state.last_at.is_some()).await;
    eventually("both are noted", || async {
        let waiting = desk.hub.browsers(&desk.admin).await.unwrap()[0].state.waiting;
        if waiting == 0 { Ok(()) } else { Err(waiting.to_string()) }
    })
    .await;
    desk.clock.advance(1_000);
    desk.hub.reject(&approval.id, &desk.approver, Some("no".into())).await.unwrap();
    let all = receiver.got(4).await;
    assert!(all.iter().all(|got| topic(got) == approval.id.as_str().replace('-', "")), "{all:?}");
    assert_eq!((all[2].header("urgency"), all[2].header("ttl")), ("normal", "3600"));
    until(&desk, "nothing waits", |browser| browser.state.waiting == 0).await;
    assert_eq!(receiver.so_far().len(), 4);
}

#[tokio::test]
async fn many_at_once_become_one_notification_that_leads_to_the_queue() {
    let (desk, receiver, phone) = (desk().await, Receiver::start().await, Phone::new());
    desk.hub.add_browser(phone.subscription(&receiver.url), &desk.approver).await.unwrap();
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
    desk.hub.approve(&held[0].id, &desk.approver, None).await.unwrap();
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
        desk.hold().await;
        assert!(desk.hub.channels_due().await.unwrap().iter().all(|(id, _)| *id != browser.id));
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
        let receiver = Receiver::answering([answer]).await;
        subscribed(&desk, &receiver).await;
        desk.courier();
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
    assert_eq!(desk.hub.channels_due().await.unwrap()[0].1, desk.hub.now() + 30_000);
    desk.clock.advance(30_000);
    let second = receiver.got(2).await.remove(1);
    assert_eq!(second.header("ttl"), "270", "no longer than the approval waits");
    until(&desk, "no error", |browser| browser.state.last_error.is_none()).await;
}

#[tokio::test]
async fn hubs_on_one_store_are_one_sender_and_stay_it_over_restarts() {
    for desk in Desk::everywhere().await {
        let key = desk.hub.push_public_key().await.unwrap();
        assert_eq!(BASE64.decode(&key).unwrap().len(), 65);
        let fresh: Vec<_> = futures_util::future::join_all((0..4).map(|_| async {
            let store = crate::hub::store::Store::open(&desk.fresh.url).await.unwrap();
            let hub = crate::hub::Hub::open(store, Settings::default(), desk.clock.clone()).await.unwrap();
            hub.push_public_key().await.unwrap()
        }))
        .await;
        assert!(fresh.iter().all(|other| *other == key), "{key} {fresh:?}");
    }
}

#[tokio::test]
async fn hubs_that_start_together_on_an_empty_store_make_one_key() {
    for desk in Desk::everywhere().await {
        let hubs = (0..4).map(|_| async {
            let store = crate::hub::store::Store::open(&desk.fresh.url).await.unwrap();
            crate::hub::Hub::open(store, Settings::default(), desk.clock.clone()).await.unwrap()
        });
        let hubs = futures_util::future::join_all(hubs).await;
        let keys = futures_util::future::join_all(hubs.iter().map(|hub| hub.push_public_key())).await;
        let keys: Vec<_> = keys.into_iter().map(Result::unwrap).collect();
        assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    }
}

#[tokio::test]
async fn a_browser_is_its_owners_to_see_to_try_and_to_remove() {
    let (desk, receiver) = (desk().await, Receiver::start().await);
    let browser = subscribed(&desk, &receiver).await;
    assert_eq!((browser.name.as_str(), browser.added_at), ("Firefox on Linux", desk.hub.now()));
    assert!(desk.hub.browsers(&desk.admin).await.unwrap().is_empty());
    let (admin, owner) = (Actor::User(desk.admin.clone()), Actor::User(desk.approver.clone()));
    let refused = desk.hub.test_notification(&browser.id, &admin).await;
    assert!(matches!(refused, Err(ChangeError::Forbidden)), "{refused:?}");
    assert_eq!(desk.hub.test_notification(&browser.id, &owner).await.unwrap(), Ok(()));
    assert_eq!(topic(&receiver.one().await), "test");
    let refused = desk.hub.remove_browser(&browser.id, &desk.admin).await;
    assert!(matches!(refused, Err(ChangeError::NotFound(_))), "{refused:?}");
    desk.hub.remove_browser(&browser.id, &desk.approver).await.unwrap();
    assert!(browsers(&desk).await.is_empty());
}

#[tokio::test]
async fn a_browser_goes_over_to_whoever_signs_in_there_and_to_nobody_who_only_knows_its_address() {
    let (desk, receiver) = (desk().await, Receiver::start().await);
    let phone = Phone::new();
    let subscription = phone.subscription(&receiver.url);
    desk.hub.add_browser(subscription.clone(), &desk.approver).await.unwrap();
    let mut stolen = subscription.clone();
    stolen.keys.auth = BASE64.encode([9; 16]);
    let refused = desk.hub.add_browser(stolen, &desk.admin).await;
    assert!(matches!(refused, Err(ChangeError::Conflict(_))), "{refused:?}");
    desk.hub.add_browser(subscription, &desk.admin).await.unwrap();
    assert!(browsers(&desk).await.is_empty());
    assert_eq!(desk.hub.browsers(&desk.admin).await.unwrap().len(), 1);
}

#[tokio::test]
async fn nobody_has_more_than_twenty_browsers_and_none_outlives_its_user() {
    let desk = desk().await;
    let user: User = desk.hub.add_user("kim", Role::Viewer, None, &Actor::Operator).await.unwrap();
    let phone = Phone::new();
    for number in 0..20 {
        desk.hub.add_browser(phone.subscription(&format!("http://127.0.0.1:9/{number}")), &user).await.unwrap();
    }
    let refused = desk.hub.add_browser(phone.subscription("http://127.0.0.1:9/more"), &user).await;
    assert!(matches!(refused, Err(ChangeError::Conflict(_))), "{refused:?}");
    desk.hub.add_browser(phone.subscription("http://127.0.0.1:9/0"), &user).await.unwrap();
    desk.hub.remove_user("kim", &Actor::Operator).await.unwrap();
    assert!(desk.hub.browsers(&user).await.unwrap().is_empty());
    desk.hold().await;
    assert!(desk.hub.channels_due().await.unwrap().is_empty(), "nothing is written for them");
}

#[tokio::test]
async fn what_is_no_subscription_to_a_push_service_is_refused_in_words() {
    let desk = Desk::new().await;
    let phone = Phone::new();
    let mut nameless = phone.subscription("https://fcm.googleapis.com/x");
    nameless.name = " ".into();
    let mut keyless = phone.subscription("https://fcm.googleapis.com/x");
    keyless.keys.p256dh = "AAAA".into();
    for (subscription, words) in [
        (phone.subscription("https://192.168.0.1/x"), "push_hosts"),
        (phone.subscription("http://127.0.0.1:9/x"), "push_hosts"),
        (phone.subscription("https://evil.example/x"), "\"evil.example\" is no push service"),
        (nameless, "name"),
        (keyless, "keys.p256dh"),
        (phone.subscription(&format!("https://fcm.googleapis.com/{}", "x".repeat(2000))), "endpoint"),
    ] {
        let refused = desk.hub.add_browser(subscription, &desk.approver).await.unwrap_err();
        assert!(matches!(&refused, ChangeError::Invalid(why) if why.contains(words)), "{refused:?}");
    }
}

#[tokio::test]
async fn browsers_are_no_channels_of_the_page_or_the_file() {
    let (desk, receiver) = (desk().await, Receiver::start().await);
    let browser = subscribed(&desk, &receiver).await;
    desk.set(json!([slack("s", "http://127.0.0.1:9/")])).await;
    desk.hub.use_channels_of_file(vec![]).await.unwrap();
    assert_eq!(desk.hub.notifications().await.unwrap().0.len(), 1);
    assert_eq!(browsers(&desk).await.len(), 1);
    for channel in [json!({ "id": "b", "kind": "browser" }), slack(&browser.id, "http://127.0.0.1:9/")] {
        let refused = desk.try_set(json!([channel])).await.unwrap_err();
        assert!(matches!(&refused, ChangeError::Invalid(why) if why.contains("on the page")), "{refused:?}");
        let channel: Channel = serde_json::from_value(channel).unwrap();
        assert!(check_file(&[channel]).unwrap_err().contains("on the page"));
    }
}
