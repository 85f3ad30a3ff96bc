//! Programs killed with calls held: nothing runs unapproved, nothing runs twice, nothing is lost.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::support::{Approver, Client, Hub, Ledger, Wrap, drift, eventually, is_alive, text_of};

/// How often the hub is killed.
const KILLS: u64 = 20;
/// How often a shim is; the hub lets one agent have so many calls open.
const SHIMS: u64 = 20;

/// A hub, its administrator, and a client with `delete_repo` on hold.
async fn a_held_call(ledger: &Ledger) -> (Hub, Approver, Client, i64) {
    let hub = Hub::start().await;
    let approver = hub.sign_in().await;
    let token = hub.add_agent("claude").await;
    let mut client = Wrap::around(ledger.server()).named("repos").with_hub(&hub, &token).start();
    client.initialize().await;
    let id = client.call("delete_repo", json!({ "repo": "acme/website" })).await;
    client.progress().await;
    (hub, approver, client, id)
}

#[tokio::test]
async fn held_call_survives_a_killed_hub_and_runs_once() {
    let ledger = Ledger::new();
    let (mut hub, approver, mut client, id) = a_held_call(&ledger).await;
    let before = approver.the_pending_approval().await;
    hub.crash().await;
    let hub = hub.start_again().await;
    let approver = hub.sign_in().await;
    let after = approver.the_pending_approval().await;
    assert_eq!(after["id"], before["id"]);
    assert_eq!(after["arguments"], before["arguments"]);

    assert_eq!(approver.approve(&after).await.status, 200);
    assert!(text_of(&client.answer(id).await).contains("delete_repo done"));
    approver.wait_for(after["id"].as_str().unwrap(), "outcome", "succeeded").await;
    assert_eq!(ledger.runs_of("delete_repo"), 1);
}

#[tokio::test]
async fn held_call_survives_an_orderly_restart_of_the_hub() {
    let ledger = Ledger::new();
    let (mut hub, approver, mut client, id) = a_held_call(&ledger).await;
    approver.the_pending_approval().await;
    assert!(hub.terminate().await.success());
    let hub = hub.start_again().await;
    let approver = hub.sign_in().await;
    let pending = approver.the_pending_approval().await;
    approver.reject(&pending, "Not today").await;
    assert!(text_of(&client.answer(id).await).contains("'Not today'"));
    assert_eq!(ledger.runs_of("delete_repo"), 0);
}

#[tokio::test]
async fn passing_calls_go_on_while_the_hub_is_away() {
    let ledger = Ledger::new();
    let (mut hub, approver, mut client, _) = a_held_call(&ledger).await;
    approver.the_pending_approval().await;
    hub.crash().await;
    for _ in 0..3 {
        let id = client.call("list_repos", json!({})).await;
        assert!(text_of(&client.answer(id).await).contains("list_repos done"));
    }
    assert_eq!(ledger.runs_of("delete_repo"), 0);
}

#[tokio::test]
async fn approval_of_a_killed_shim_is_cancelled_and_its_server_is_gone() {
    let ledger = Ledger::new();
    let (_hub, approver, mut client, _) = a_held_call(&ledger).await;
    let pending = approver.the_pending_approval().await;
    let children = client.children();
    assert_eq!(children.len(), 1, "the shim has one child");

    client.signal(Signal::KILL);
    client.wait().await;
    eventually("the end of the server", || async { (!is_alive(children[0])).then_some(()) }).await;
    let id = pending["id"].as_str().unwrap();
    approver.wait_for(id, "status", "cancelled").await;
    assert_eq!(approver.approve(&pending).await.status, 409);
    assert_eq!(ledger.runs_of("delete_repo"), 0);
}

#[tokio::test]
async fn approved_call_of_a_shim_killed_first_never_runs() {
    let ledger = Ledger::new();
    let (_hub, approver, mut client, _) = a_held_call(&ledger).await;
    let pending = approver.the_pending_approval().await;
    client.signal(Signal::KILL);
    client.wait().await;
    // The hub may still wait for the shim to come back: an approval is taken, and expires unused.
    let status = approver.approve(&pending).await.status;
    assert!(status == 200 || status == 409, "{status}");
    approver.wait_for(pending["id"].as_str().unwrap(), "outcome", "not_executed").await;
    assert_eq!(ledger.runs_of("delete_repo"), 0);
}

/// Approves whatever waits, for as long as it is polled.
async fn keep_approving(approver: &Approver) {
    loop {
        for pending in approver.queue().await {
            approver.approve_if_there(&pending).await;
        }
        drift(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn whenever_the_hub_is_killed_a_call_is_not_lost_and_runs_once() {
    let mut hub = Hub::start().await;
    let (approver, token) = (hub.sign_in().await, hub.add_agent("claude").await);
    let ledger = Ledger::new();
    let mut client = Wrap::around(ledger.server()).named("repos").with_hub(&hub, &token).start();
    client.initialize().await;
    for kill in 0..KILLS {
        let id = client.call("delete_repo", json!({ "repo": format!("r{kill}") })).await;
        let moment = Duration::from_micros(kill * 500);
        match kill % 4 {
            // While it is registered.
            0 => drift(moment).await,
            // While it waits.
            1 => drop(approver.the_pending_approval().await),
            // While it is approved and released.
            2 => {
                let pending = approver.the_pending_approval().await;
                tokio::select! {
                    () = drift(moment) => {}
                    () = approver.approve_if_there(&pending) => {}
                }
            }
            // While it runs, or has just run.
            _ => {
                let pending = approver.the_pending_approval().await;
                approver.approve(&pending).await;
                drift(moment / 4).await;
            }
        }
        hub.crash().await;
        hub = hub.start_again().await;
        let answer = tokio::select! {
            answer = client.answer(id) => answer,
            () = keep_approving(&approver) => unreachable!(),
        };
        assert!(text_of(&answer).contains("delete_repo done"), "kill {kill}: {answer}");
        let runs = ledger
            .calls_of("delete_repo")
            .iter()
            .filter(|call| call["arguments"]["repo"] == format!("r{kill}"))
            .count();
        assert_eq!(runs, 1, "kill {kill}");
    }
    let all = approver.get("/approvals?limit=100").await["items"].as_array().unwrap().clone();
    assert_eq!(all.len() as u64, KILLS, "one card each");
    for approval in all {
        approver.wait_for(approval["id"].as_str().unwrap(), "outcome", "succeeded").await;
    }
}

#[tokio::test]
async fn whenever_a_shim_is_killed_or_left_its_call_runs_at_most_once_and_the_record_does_not_lie() {
    let hub = Hub::start().await;
    let (approver, token) = (hub.sign_in().await, hub.add_agent("claude").await);
    let ledger = Ledger::new();
    let mut ends = Vec::new();
    for round in 0..SHIMS {
        let mut client = Wrap::around(ledger.server()).named("repos").with_hub(&hub, &token).start();
        client.initialize().await;
        client.call("delete_repo", json!({ "repo": format!("r{round}") })).await;
        let pending = eventually("its card", || async {
            let queue = approver.queue().await;
            queue.into_iter().find(|card| card["arguments"].as_str().unwrap().contains(&format!("\"r{round}\"")))
        });
        let pending = pending.await;
        let leave = async {
            drift(Duration::from_micros(round * 700)).await;
            if round % 2 == 0 { client.signal(Signal::KILL) } else { client.close() }
        };
        let (answer, ()) = tokio::join!(approver.approve(&pending), leave);
        client.wait().await;
        ends.push((pending["id"].as_str().unwrap().to_owned(), answer.status));
    }
    for (round, (id, status)) in ends.into_iter().enumerate() {
        // A killed shim has a while to come back before the record is closed.
        let done = eventually("the end of the record", || async {
            let done = approver.approval(&id).await;
            (done["outcome"] != "waiting" && done["outcome"] != "released").then_some(done)
        });
        let done = done.await;
        let arguments = json!({ "repo": format!("r{round}") });
        let runs = ledger.calls_of("delete_repo").iter().filter(|call| call["arguments"] == arguments).count();
        match done["outcome"].as_str().unwrap() {
            "not_executed" => assert_eq!(runs, 0, "round {round}: {done}"),
            "succeeded" => assert_eq!(runs, 1, "round {round}: {done}"),
            _ => assert!(runs <= 1 && status == 200, "round {round}: {done}"),
        }
    }
}
