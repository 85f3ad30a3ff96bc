//! Two things at once: one wins, and both are told.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Approver, Client, Hub, Ledger, Wrap, drift, eventually, text_of};

/// How often the race of a cancellation with an approval is run.
const ROUNDS: u32 = 100;
/// The hub refuses an agent's thirty-first call in a minute.
const ROUNDS_OF_AN_AGENT: u32 = 25;

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
async fn of_many_deciders_one_wins_and_the_others_learn_who() {
    let ledger = Ledger::new();
    let (_hub, approver, mut client, id) = a_held_call(&ledger).await;
    let pending = approver.the_pending_approval().await;
    let deciders: Vec<_> = (0..8)
        .map(|n| {
            let (approver, pending) = (approver.clone(), pending.clone());
            tokio::spawn(async move {
                match n % 2 {
                    0 => approver.approve(&pending).await,
                    _ => approver.reject(&pending, "No").await,
                }
            })
        })
        .collect();
    let mut answers = Vec::new();
    for decider in deciders {
        answers.push(decider.await.unwrap());
    }

    let winners = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(winners, 1, "{answers:?}");
    let done = approver.approval(pending["id"].as_str().unwrap()).await;
    for loser in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(loser.status, 409, "{loser:?}");
        assert_eq!(loser.body["approval"]["status"], done["status"]);
        assert_eq!(loser.body["approval"]["decided_by"], done["decided_by"]);
    }
    client.answer(id).await;
    assert_eq!(ledger.runs_of("delete_repo"), usize::from(done["status"] == "approved"));
}

#[tokio::test]
async fn cancelled_call_is_never_answered_and_a_late_approval_runs_nothing() {
    let ledger = Ledger::new();
    let (_hub, approver, mut client, id) = a_held_call(&ledger).await;
    let pending = approver.the_pending_approval().await;
    client.cancel(id).await;
    approver.wait_for(pending["id"].as_str().unwrap(), "status", "cancelled").await;
    assert_eq!(approver.approve(&pending).await.status, 409);

    client.round_trip().await;
    client.stays_silent_for(Duration::from_millis(300)).await;
    let seen = client.stdout.text();
    let answers = seen.lines().filter(|line| line.contains(&format!("\"id\":{id},")) && !line.contains("\"method\""));
    assert_eq!(answers.count(), 0, "{seen}");
    assert_eq!(ledger.runs_of("delete_repo"), 0);
    assert!(!String::from_utf8(ledger.bytes()).unwrap().contains("cancelled"), "the server never saw the call");
}

/// A client with an agent of its own, because the hub takes only so many calls a minute from one.
async fn another_client(hub: &Hub, ledger: &Ledger, number: u32) -> Client {
    let token = hub.add_agent(&format!("claude-{number}")).await;
    let mut client = Wrap::around(ledger.server()).named("repos").with_hub(hub, &token).start();
    client.initialize().await;
    client
}

/// Where in the ledger the server was given the call on this repository, and where its cancellation for
/// this reason.
fn places_of(ledger: &Ledger, repo: &str) -> (Vec<usize>, Vec<usize>) {
    let (mut calls, mut cancels) = (Vec::new(), Vec::new());
    for (place, line) in ledger.bytes().split(|byte| *byte == b'\n').enumerate() {
        let Ok(message) = serde_json::from_slice::<Value>(line) else { continue };
        if message["params"]["arguments"]["repo"] == repo {
            calls.push(place);
        }
        if message["method"] == "notifications/cancelled" && message["params"]["reason"] == repo {
            cancels.push(place);
        }
    }
    (calls, cancels)
}

#[tokio::test]
async fn whenever_a_client_cancels_the_call_runs_at_most_once_and_server_and_record_agree() {
    let hub = Hub::start().await;
    let approver = hub.sign_in().await;
    let ledger = Ledger::new();
    let mut client = another_client(&hub, &ledger, 0).await;
    let (mut took, mut ran) = (Duration::from_millis(5), 0);
    for round in 0..ROUNDS {
        if round > 0 && round % ROUNDS_OF_AN_AGENT == 0 {
            client.end().await;
            client = another_client(&hub, &ledger, round).await;
        }
        let repo = format!("r{round}");
        let id = client.call("delete_repo", json!({ "repo": repo, "slowly": round % 2 == 1 })).await;
        let pending = approver.the_pending_approval().await;
        // From well before the decision arrives to well after the call is out.
        let moment = took.mul_f64(f64::from(round * 37 % ROUNDS) / f64::from(ROUNDS) * 3.0);
        let started = Instant::now();
        let cancel = async {
            drift(moment).await;
            client.cancel_because(id, &repo).await;
        };
        let approve = async { (approver.approve(&pending).await, started.elapsed()) };
        let (_, (answer, elapsed)) = tokio::join!(cancel, approve);
        took = elapsed.min(Duration::from_millis(50));
        client.round_trip().await;
        let done = eventually("the end of the record", || async {
            let done = approver.approval(pending["id"].as_str().unwrap()).await;
            let open = done["status"] == "pending" || done["outcome"] == "waiting";
            // Of a call that the server has and does not answer, nothing else will be known.
            let never = round % 2 == 1 && !places_of(&ledger, &repo).0.is_empty();
            let open = open || done["outcome"] == "released" && !never;
            (!open).then_some(done)
        });
        let done = done.await;
        let (calls, cancels) = places_of(&ledger, &repo);
        let runs = usize::from(done["outcome"] != "not_executed");
        let told = format!("round {round}, cancelled after {moment:?}: {done}");
        assert_eq!(answer.status == 200, done["status"] == "approved", "{told}");
        assert_eq!(calls.len(), runs, "{told}");
        assert_eq!(cancels.len(), runs, "the server hears of the cancellation once, and only of a call it has: {told}");
        assert!(calls.first() <= cancels.first(), "and only after it: {told}");
        ran += runs;
    }
    println!("{ran} of {ROUNDS} ran");
}

#[tokio::test]
async fn ungated_calls_pass_while_many_are_held_and_each_held_one_is_answered_once() {
    let hub = Hub::start().await;
    let approver = hub.sign_in().await;
    let token = hub.add_agent("claude").await;
    let ledger = Ledger::new();
    let mut client = Wrap::around(ledger.server()).named("repos").with_hub(&hub, &token).start();
    client.initialize().await;
    let mut held = Vec::new();
    for n in 0..8 {
        held.push(client.call("delete_repo", json!({ "repo": format!("r{n}") })).await);
    }
    let queue = approver.pending_approvals(8).await;
    let id = client.call("list_repos", json!({})).await;
    assert!(text_of(&client.answer(id).await).contains("list_repos done"));
    assert_eq!(ledger.runs_of("delete_repo"), 0);

    let ids: Vec<_> = queue.iter().map(|approval| approval["id"].clone()).collect();
    let (yes, no) = ids.split_at(4);
    for (ids, action) in [(yes, "approve"), (no, "reject")] {
        let body = json!({ "ids": ids, "action": action });
        let answer = approver.ask(reqwest::Method::POST, "/approvals/batch", Some(body)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let mut answered = Vec::new();
    while answered.len() < held.len() {
        let message = client.next().await;
        if message.get("method").is_none() {
            answered.push(message["id"].as_i64().unwrap());
        }
    }
    answered.sort_unstable();
    assert_eq!(answered, held);
    assert_eq!(ledger.runs_of("delete_repo"), 4);
}
