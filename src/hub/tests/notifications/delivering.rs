//! Once, in spite of everything: failures of the other side, and of the hub itself.

use serde_json::json;

use super::receiver::{Answer, Got, Receiver};
use super::{courier, eventually, slack, webhook};
use crate::core::ids::ApprovalId;
use crate::core::messages::Cancel;
use crate::hub::tests::desk::Desk;

fn status(status: u16) -> Answer {
    Answer::With(status, vec![], "no".to_owned())
}

#[tokio::test]
async fn what_was_committed_before_a_crash_is_sent_after_it() {
    for desk in Desk::everywhere().await {
        let receiver = Receiver::start().await;
        desk.set(json!([webhook("w", &receiver.url)])).await;
        let approval = desk.hold().await;
        assert!(receiver.so_far().is_empty());
        let desk = desk.restarted().await;
        desk.courier();
        assert_eq!(receiver.one().await.body["data"]["id"], approval.id.as_str());
        desk.state("w", "nothing waits", |state| state.waiting == 0 && state.last_at.is_some()).await;
    }
}

#[tokio::test]
async fn a_claim_whose_hub_died_is_sent_when_its_lease_is_over_with_the_same_id() {
    let desk = Desk::new().await;
    let receiver = Receiver::answering([Answer::Hang]).await;
    desk.set(json!([webhook("w", &receiver.url)])).await;
    desk.hold().await;
    let dying = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let hub = desk.hub.clone();
    dying.spawn(async move { hub.notify.run_within(super::PATIENCE).await });
    let first = receiver.one().await;
    dying.shutdown_background();
    desk.courier();
    desk.clock.advance(20_000);
    let second = receiver.got(2).await.remove(1);
    assert_eq!(first.header("webhook-id"), second.header("webhook-id"));
    assert_eq!(receiver.so_far().len(), 2);
}

#[tokio::test]
async fn a_failure_is_tried_again_and_shown_until_it_is_over() {
    let desk = Desk::new().await;
    let receiver = Receiver::answering([status(500), status(502)]).await;
    desk.set(json!([webhook("w", &receiver.url)])).await;
    desk.courier();
    desk.hold().await;
    for (count, code) in [(1, "500"), (2, "502")] {
        receiver.got(count).await;
        let state = desk.state("w", "the error", |state| state.last_error.iter().any(|e| e.contains(code))).await;
        assert_eq!((state.waiting, state.given_up), (1, 0));
        desk.clock.advance(4_000);
    }
    let all = receiver.got(3).await;
    desk.state("w", "no error", |state| state.last_error.is_none()).await;
    assert!(all.iter().all(|got| got.header("webhook-id") == all[0].header("webhook-id")));
}

#[tokio::test]
async fn ten_failures_are_enough_and_the_page_says_so() {
    let desk = Desk::new().await;
    let receiver = Receiver::answering(vec![status(500); 10]).await;
    let mut channel = webhook("w", &receiver.url);
    channel["events"] = json!(["created"]);
    desk.set(json!([channel])).await;
    desk.courier();
    desk.hold().await;
    for count in 1..=10 {
        receiver.got(count).await;
        desk.state("w", "the attempt", |state| state.last_at.is_some_and(|at| at == desk.hub.now())).await;
        desk.clock.advance(600_000);
    }
    let state = desk.state("w", "it is given up", |state| state.given_up == 1).await;
    assert_eq!((state.waiting, receiver.so_far().len()), (0, 10));
}

#[tokio::test]
async fn an_endpoint_that_asks_for_time_gets_it() {
    let desk = Desk::new().await;
    let busy = Answer::With(429, vec![("retry-after", "7".to_owned())], String::new());
    let receiver = Receiver::answering([busy]).await;
    desk.set(json!([slack("s", &receiver.url)])).await;
    desk.courier();
    desk.hold().await;
    receiver.one().await;
    desk.state("s", "the 429", |state| state.last_error.iter().any(|error| error.contains("429"))).await;
    let (_, due) = desk.hub.notify.channels_due().await.unwrap().remove(0);
    assert_eq!(due, desk.hub.now() + 7_000);
    desk.clock.advance(7_000);
    receiver.got(2).await;
}

#[tokio::test]
async fn a_refusal_or_a_redirect_is_given_up_at_once() {
    let elsewhere = Receiver::start().await;
    let redirect = Answer::With(307, vec![("location", elsewhere.url.clone())], String::new());
    for (answer, words) in [(status(404), "404"), (status(401), "401"), (redirect, "redirects")] {
        let desk = Desk::new().await;
        let receiver = Receiver::answering([answer]).await;
        desk.set(json!([slack("s", &receiver.url)])).await;
        desk.courier();
        desk.hold().await;
        let state = desk.state("s", "it is given up", |state| state.given_up == 1).await;
        assert!(state.last_error.as_ref().is_some_and(|error| error.contains(words)), "{state:?}");
    }
    assert!(elsewhere.so_far().is_empty());
}

#[tokio::test]
async fn a_hanging_endpoint_holds_up_nothing_else() {
    let desk = Desk::new().await;
    let hanging = Receiver::answering(vec![Answer::Hang; 5]).await;
    let fine = Receiver::start().await;
    desk.set(json!([webhook("hangs", &hanging.url), webhook("fine", &fine.url)])).await;
    desk.courier();
    desk.hold().await;
    hanging.one().await;
    for _ in 1..5 {
        desk.hold().await;
    }
    fine.got(5).await;
    let state = desk.channel("hangs").await.state;
    assert_eq!((state.last_at, state.waiting), (None, 5), "it still hangs");
}

#[tokio::test]
async fn an_endpoint_that_hangs_is_given_so_long() {
    let desk = Desk::new().await;
    let hanging = Receiver::answering([Answer::Hang]).await;
    desk.set(json!([webhook("hangs", &hanging.url)])).await;
    desk.impatient_courier();
    desk.hold().await;
    let state = desk.state("hangs", "the time-out", |state| state.last_error.is_some()).await;
    assert!(state.last_error.is_some_and(|error| error.contains("no answer within")));
}

#[tokio::test]
async fn a_huge_answer_and_a_closed_port_become_short_words() {
    let huge = Answer::With(500, vec![], "<b>x\u{202e}</b>".repeat(1 << 20));
    let desk = Desk::new().await;
    let receiver = Receiver::answering([huge]).await;
    // Nobody listens there, and no test ever does.
    desk.set(json!([slack("huge", &receiver.url), slack("closed", "http://127.0.0.1:1/secret-path")])).await;
    desk.courier();
    desk.hold().await;
    let huge = desk.state("huge", "an error", |state| state.last_error.is_some()).await.last_error.unwrap();
    assert!(huge.chars().count() < 300 && !huge.contains('\u{202e}'), "{huge}");
    let closed = desk.state("closed", "an error", |state| state.last_error.is_some()).await.last_error.unwrap();
    assert!(closed.contains("refused") && !closed.contains("secret-path"), "{closed}");
}

#[tokio::test]
async fn two_hubs_on_one_store_send_each_message_once() {
    for desk in Desk::everywhere().await {
        let receiver = Receiver::start().await;
        let mut channel = webhook("w", &receiver.url);
        channel["events"] = json!(["created", "decided"]);
        desk.set(json!([channel])).await;
        let other = crate::hub::store::Store::open(&desk.fresh.url).await.unwrap();
        let settings = crate::hub::Settings::default();
        let other = crate::hub::Hub::open(other, settings, desk.clock.clone()).await.unwrap();
        desk.courier();
        courier(&other, super::PATIENCE);
        for _ in 0..20 {
            let approval = desk.hold().await;
            desk.hub.approvals.approve(&approval.id, &desk.approver, None).await.unwrap();
            other.store.look_outside().await.unwrap();
        }
        desk.state("w", "all are sent", |state| state.waiting == 0).await;
        let got = receiver.so_far();
        let mut ids: Vec<_> = got.iter().map(|got| got.header("webhook-id").to_owned()).collect();
        ids.sort();
        ids.dedup();
        assert_eq!((got.len(), ids.len()), (40, 40));
    }
}

#[tokio::test]
async fn shutdown_sends_what_is_due_first() {
    let desk = Desk::new().await;
    let receiver = Receiver::start().await;
    desk.set(json!([webhook("w", &receiver.url)])).await;
    let approval = desk.hold().await;
    desk.hub.approvals.reject(&approval.id, &desk.approver, None).await.unwrap();
    desk.hub.shutdown().cancel();
    desk.hub.notify.run_within(super::PATIENCE).await;
    assert_eq!(receiver.so_far().len(), 2);
}

#[tokio::test]
async fn nobody_is_told_of_what_is_decided_already_but_programs_are() {
    let desk = Desk::new().await;
    let (people, programs) = (Receiver::start().await, Receiver::start().await);
    desk.set(json!([slack("people", &people.url), webhook("programs", &programs.url)])).await;
    let approval = desk.hold().await;
    desk.hub.approvals.approve(&approval.id, &desk.approver, None).await.unwrap();
    desk.courier();
    let got = programs.got(2).await;
    assert_eq!([&got[0].body["type"], &got[1].body["type"]], ["approval.created", "approval.decided"]);
    desk.state("people", "nothing waits", |state| state.waiting == 0).await;
    assert!(people.so_far().is_empty());
}

#[tokio::test]
async fn a_minute_before_the_deadline_is_told_and_an_extension_puts_it_off() {
    let desk = Desk::new().await;
    let receiver = Receiver::start().await;
    let mut channel = slack("s", &receiver.url);
    channel["events"] = json!(["expiring"]);
    desk.set(json!([channel])).await;
    desk.courier();
    let approval = desk.hold().await;
    let extended = desk.hub.approvals.extend(&approval.id, &desk.approver, None).await.unwrap();
    desk.clock.advance(approval.deadline_at - 60_000 - desk.hub.now());
    eventually("the new time", || async {
        match desk.hub.notify.channels_due().await.unwrap().as_slice() {
            [(_, due)] if *due == extended.deadline_at - 60_000 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert!(receiver.so_far().is_empty());
    desk.clock.advance(extended.deadline_at - 60_000 - desk.hub.now());
    assert!(receiver.one().await.text.contains("about to time out"));
}

#[tokio::test]
async fn what_still_waits_is_told_of_with_the_time_it_has_now() {
    for desk in Desk::everywhere().await {
        let (people, programs) = (Receiver::start().await, Receiver::start().await);
        let mut channel = slack("people", &people.url);
        channel["events"] = json!(["created", "expiring"]);
        desk.set(json!([channel, webhook("programs", &programs.url)])).await;
        let approval = desk.hold().await;
        let extended = desk.hub.approvals.extend(&approval.id, &desk.approver, None).await.unwrap();
        desk.courier();
        for (count, left) in [(1, "10 min 0 s"), (2, "1 min 0 s")] {
            let words = people.got(count).await.remove(count - 1).text;
            assert!(words.contains(left), "{left}: {words}");
            let told = programs.got(count).await.remove(count - 1).body;
            assert_eq!(told["data"]["deadline_at"], extended.deadline_at, "{told}");
            desk.clock.advance(extended.deadline_at - 60_000 - desk.hub.now());
        }
    }
}

#[tokio::test]
async fn what_is_planned_for_the_last_minute_does_not_count_as_waiting() {
    for desk in Desk::everywhere().await {
        let mut channel = slack("s", "http://127.0.0.1:9/");
        channel["events"] = json!(["expiring"]);
        desk.set(json!([channel])).await;
        let approval = desk.hold().await;
        assert_eq!(desk.channel("s").await.state.waiting, 0);
        desk.clock.advance(approval.deadline_at - 60_000 - desk.hub.now());
        assert_eq!(desk.channel("s").await.state.waiting, 1, "it is due");
    }
}

#[tokio::test]
async fn programs_hear_of_every_turn_that_an_approval_can_take() {
    let desk = Desk::new().await;
    let receiver = Receiver::start().await;
    desk.set(json!([webhook("w", &receiver.url)])).await;
    desk.courier();
    let _joined = desk.connect();
    let sweeper = desk.hub.clone();
    tokio::spawn(async move { sweeper.run_background().await });
    let (timed_out, cancelled) = (desk.hold().await, desk.hold().await);
    let stop = Cancel { approval: cancelled.id, reason: "the user pressed stop".into(), keep: false };
    desk.hub.approvals.cancel(&desk.shim, stop).await.unwrap();
    desk.clock.advance(timed_out.deadline_at - 60_000 - desk.hub.now());
    receiver.until("that it expires", |all| all.iter().any(|got| got.body["type"] == "approval.expiring")).await;
    desk.clock.advance(60_000);
    let mut heard: Vec<_> = receiver.got(5).await.iter().map(|got| told(got, &timed_out.id)).collect();
    heard.sort();
    let expected = [
        ("approval.cancelled", false),
        ("approval.created", false),
        ("approval.created", true),
        ("approval.expiring", true),
        ("approval.timed_out", true),
    ];
    assert_eq!(heard, expected.map(|(kind, this)| (kind.to_owned(), this)));
    desk.state("w", "nothing waits", |state| state.waiting == 0).await;
}

/// What was told, and whether of this approval.
fn told(got: &Got, id: &ApprovalId) -> (String, bool) {
    (got.body["type"].as_str().unwrap().to_owned(), got.body["data"]["id"] == id.as_str())
}
