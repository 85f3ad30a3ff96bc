//! Two things at once: one wins, and both are told.

use std::time::Duration;

use serde_json::json;

use crate::support::{Approver, Client, Hub, Ledger, Wrap, text_of};

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

#[tokio::test]
async fn cancel_and_approval_at_once_run_the_call_at_most_once() {
    let hub = Hub::start().await;
    let approver = hub.sign_in().await;
    let token = hub.add_agent("claude").await;
    let ledger = Ledger::new();
    let mut client = Wrap::around(ledger.server()).named("repos").with_hub(&hub, &token).start();
    client.initialize().await;
    for round in 0..10 {
        let id = client.call("delete_repo", json!({ "repo": format!("r{round}") })).await;
        let pending = approver.the_pending_approval().await;
        let (_, answer) = tokio::join!(client.cancel(id), approver.approve(&pending));
        let approval = pending["id"].as_str().unwrap();
        let ran = || {
            ledger
                .calls_of("delete_repo")
                .iter()
                .filter(|call| call["arguments"]["repo"] == format!("r{round}"))
                .count()
        };
        client.round_trip().await;
        match answer.status {
            409 => assert_eq!(ran(), 0, "a refused approval runs nothing"),
            200 => {
                let done = crate::support::eventually("an outcome", || async {
                    let done = approver.approval(approval).await;
                    (done["outcome"] != "waiting" && done["outcome"] != "released").then_some(done)
                });
                let done = done.await;
                assert_eq!(ran(), usize::from(done["outcome"] != "not_executed"), "{done}");
            }
            other => panic!("{other}: {answer:?}"),
        }
    }
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
