//! Browsers: whose they are, what is taken for one, and the key they all know the hub by.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::json;

use super::push::{Phone, browsers, desk, recorded, subscribed, topic};
use super::receiver::Receiver;
use super::slack;
use crate::config::notify::Channel;
use crate::hub::Settings;
use crate::hub::error::ChangeError;
use crate::hub::model::{Role, User};
use crate::hub::notify::check_file;
use crate::hub::tests::desk::Desk;
use crate::hub::who::Actor;

#[tokio::test]
async fn hubs_on_one_store_are_one_sender_and_stay_it_over_restarts() {
    for desk in Desk::everywhere().await {
        let key = desk.hub.notify.push_public_key().await.unwrap();
        assert_eq!(BASE64.decode(&key).unwrap().len(), 65);
        let fresh: Vec<_> = futures_util::future::join_all((0..4).map(|_| async {
            let store = crate::hub::store::Store::open(&desk.fresh.url).await.unwrap();
            let hub = crate::hub::Hub::open(store, Settings::default(), desk.clock.clone()).await.unwrap();
            hub.notify.push_public_key().await.unwrap()
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
        let keys = futures_util::future::join_all(hubs.iter().map(|hub| hub.notify.push_public_key())).await;
        let keys: Vec<_> = keys.into_iter().map(Result::unwrap).collect();
        assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    }
}

#[tokio::test]
async fn a_browser_is_its_owners_to_see_to_try_and_to_remove() {
    let (desk, receiver) = (desk().await, Receiver::start().await);
    let browser = subscribed(&desk, &receiver).await;
    assert_eq!((browser.name.as_str(), browser.added_at), ("Firefox on Linux", desk.hub.now()));
    assert!(desk.hub.notify.browsers(&desk.admin).await.unwrap().is_empty());
    let (admin, owner) = (Actor::User(desk.admin.clone()), Actor::User(desk.approver.clone()));
    let refused = desk.hub.notify.test_notification(&browser.id, &admin).await;
    assert!(matches!(refused, Err(ChangeError::Forbidden)), "{refused:?}");
    assert_eq!(desk.hub.notify.test_notification(&browser.id, &owner).await.unwrap(), Ok(()));
    assert_eq!(topic(&receiver.one().await), "test");
    let refused = desk.hub.notify.remove_browser(&browser.id, &desk.admin).await;
    assert!(matches!(refused, Err(ChangeError::NotFound(_))), "{refused:?}");
    desk.hub.notify.remove_browser(&browser.id, &desk.approver).await.unwrap();
    assert!(browsers(&desk).await.is_empty());
    assert_eq!(
        recorded(&desk).await,
        [("bob".into(), "browser_added".into()), ("bob".into(), "browser_removed".into())]
    );
}

#[tokio::test]
async fn a_browser_goes_over_to_whoever_signs_in_there_and_to_nobody_who_only_knows_its_address() {
    let (desk, receiver) = (desk().await, Receiver::start().await);
    let phone = Phone::new();
    let subscription = phone.subscription(&receiver.url);
    desk.hub.notify.add_browser(subscription.clone(), &desk.approver).await.unwrap();
    let mut stolen = subscription.clone();
    stolen.keys.auth = BASE64.encode([9; 16]);
    let refused = desk.hub.notify.add_browser(stolen, &desk.admin).await;
    assert!(matches!(refused, Err(ChangeError::Conflict(_))), "{refused:?}");
    desk.hub.notify.add_browser(subscription, &desk.admin).await.unwrap();
    assert!(browsers(&desk).await.is_empty());
    assert_eq!(desk.hub.notify.browsers(&desk.admin).await.unwrap().len(), 1);
}

#[tokio::test]
async fn nobody_has_more_than_twenty_browsers_and_none_outlives_its_user() {
    let desk = desk().await;
    let user: User = desk.hub.people.add_user("kim", Role::Viewer, None, &Actor::Operator).await.unwrap();
    let phone = Phone::new();
    for number in 0..20 {
        desk.hub.notify.add_browser(phone.subscription(&format!("http://127.0.0.1:9/{number}")), &user).await.unwrap();
    }
    let refused = desk.hub.notify.add_browser(phone.subscription("http://127.0.0.1:9/more"), &user).await;
    assert!(matches!(refused, Err(ChangeError::Conflict(_))), "{refused:?}");
    desk.hub.notify.add_browser(phone.subscription("http://127.0.0.1:9/0"), &user).await.unwrap();
    desk.hub.people.remove_user("kim", &Actor::Operator).await.unwrap();
    assert!(desk.hub.notify.browsers(&user).await.unwrap().is_empty());
    desk.hold().await;
    assert!(desk.hub.notify.channels_due().await.unwrap().is_empty(), "nothing is written for them");
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
        let refused = desk.hub.notify.add_browser(subscription, &desk.approver).await.unwrap_err();
        assert!(matches!(&refused, ChangeError::Invalid(why) if why.contains(words)), "{refused:?}");
    }
}

#[tokio::test]
async fn browsers_are_no_channels_of_the_page_or_the_file() {
    let (desk, receiver) = (desk().await, Receiver::start().await);
    let browser = subscribed(&desk, &receiver).await;
    desk.set(json!([slack("s", "http://127.0.0.1:9/")])).await;
    desk.hub.notify.use_channels_of_file(vec![]).await.unwrap();
    assert_eq!(desk.hub.notify.notifications().await.unwrap().0.len(), 1);
    assert_eq!(browsers(&desk).await.len(), 1);
    for channel in [json!({ "id": "b", "kind": "browser" }), slack(&browser.id, "http://127.0.0.1:9/")] {
        let refused = desk.try_set(json!([channel])).await.unwrap_err();
        assert!(matches!(&refused, ChangeError::Invalid(why) if why.contains("on the page")), "{refused:?}");
        let channel: Channel = serde_json::from_value(channel).unwrap();
        assert!(check_file(&[channel]).unwrap_err().contains("on the page"));
    }
}
