//! Clients that cannot wait: told to call again, and however often they do, there is one card and one run.

use serde_json::{Value, json};

use crate::support::{Client, Place, Sdk, Wrap, eventually, text_of};

/// A client's name that the config file below gives little patience.
const IMPATIENT: &str = "claude-ai";

impl Place {
    /// A shim that keeps the impatient client waiting for so many seconds.
    fn impatient_for(&self, seconds: u32) -> Wrap {
        let wrap = self.wrap();
        let config = wrap.home().join("hold.toml");
        std::fs::write(&config, format!("hold_for_clients = {{ \"{IMPATIENT}\" = {seconds} }}\n")).unwrap();
        wrap.env("HITL_CONFIG", config.display().to_string())
    }

    async fn client(&self) -> Client {
        let mut client = self.impatient_for(3).start();
        client.initialize_as(IMPATIENT).await;
        // On a slow machine it may take longer than its patience until the shim has met the hub.
        self.approver.knows_tool("repos", "delete_repo").await;
        client
    }

    async fn the_only_card(&self) -> Value {
        let all = self.approver.get("/approvals").await["items"].as_array().unwrap().clone();
        assert_eq!(all.len(), 1, "one card: {all:?}");
        all[0].clone()
    }
}

fn is_pending(answer: &Value) -> bool {
    answer["result"]["_meta"]["dev.hitl/decision"]["status"] == "pending"
}

/// Calls until it is told anything else than to call again, as such a client does: on a slow machine its patience may
/// end before the answer comes. Returns how often it called, too.
async fn call_until_told(client: &mut Client) -> (Value, usize) {
    for tries in 1.. {
        let id = client.call("delete_repo", json!({ "repo": "a" })).await;
        let answer = client.answer(id).await;
        if !is_pending(&answer) {
            return (answer, tries);
        }
    }
    unreachable!("it has all the time in the world")
}

/// A `tools/call` line whose arguments are written with other white space than the client's own calls.
fn spread_out(id: u32) -> Vec<u8> {
    let params = r#"{ "name": "delete_repo", "arguments": { "repo" : "a" } }"#;
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"tools/call\",\"params\":{params}}}\n").into_bytes()
}

#[tokio::test]
async fn however_often_the_client_calls_again_there_is_one_card_and_one_run() {
    let place = Place::new().await;
    let mut client = place.client().await;
    for round in 0..3 {
        let id = client.call("delete_repo", json!({ "repo": "a" })).await;
        let answer = client.answer(id).await;
        assert!(is_pending(&answer), "{round}: {answer}");
        assert!(text_of(&answer).contains("not executed") && text_of(&answer).contains("/approvals/"), "{answer}");
        assert_eq!(place.the_only_card().await["status"], "pending");
    }
    // Another session of the same agent goes on with it, after the first one is gone.
    client.end().await;
    let mut client = place.client().await;
    client.write(&spread_out(70)).await;
    assert!(is_pending(&client.answer(70).await));
    let card = place.the_only_card().await;
    assert_eq!(card["arguments"], r#"{"repo":"a"}"#, "what was shown is what would run");
    assert_eq!(card["asked_again"], 3);

    assert_eq!(place.approver.approve(&card).await.status, 200);
    assert_eq!(place.ledger.runs_of("delete_repo"), 0, "nothing executes without a live request");
    let (answer, _) = call_until_told(&mut client).await;
    assert!(text_of(&answer).contains("delete_repo done"), "{answer}");
    place.approver.wait_for(card["id"].as_str().unwrap(), "outcome", "succeeded").await;
    assert_eq!(place.ledger.runs_of("delete_repo"), 1);

    let id = client.call("delete_repo", json!({ "repo": "a" })).await;
    assert!(is_pending(&client.answer(id).await), "an approval is used once");
    assert_eq!(place.ledger.runs_of("delete_repo"), 1);
}

#[tokio::test]
async fn approval_while_the_retry_waits_runs_the_retry() {
    let place = Place::new().await;
    let mut client = place.client().await;
    let id = client.call("delete_repo", json!({ "repo": "a" })).await;
    assert!(is_pending(&client.answer(id).await));
    let card = place.the_only_card().await;
    let id = client.call("delete_repo", json!({ "repo": "a" })).await;
    client.progress().await;
    place.approver.approve(&card).await;
    let answer = client.answer(id).await;
    // The retry may be told "pending" just before the decision; a later one then finds it approved.
    let answer = if is_pending(&answer) { call_until_told(&mut client).await.0 } else { answer };
    assert!(text_of(&answer).contains("delete_repo done"), "{answer}");
    assert_eq!(place.ledger.runs_of("delete_repo"), 1);
    place.the_only_card().await;
}

#[tokio::test]
async fn rejection_nobody_heard_is_told_to_the_retry() {
    let place = Place::new().await;
    let mut client = place.client().await;
    let id = client.call("delete_repo", json!({ "repo": "a" })).await;
    assert!(is_pending(&client.answer(id).await));
    place.approver.reject(&place.the_only_card().await, "Not this one").await;
    let (answer, _) = call_until_told(&mut client).await;
    assert!(text_of(&answer).contains("rejected by admin: 'Not this one'"), "{answer}");
    place.the_only_card().await;
    assert_eq!(place.ledger.runs_of("delete_repo"), 0);
}

#[tokio::test]
async fn client_whose_own_timer_fired_finds_its_card_again() {
    let place = Place::new().await;
    let mut client = place.impatient_for(3).start();
    client.initialize().await;
    let id = client.call("delete_repo", json!({ "repo": "a" })).await;
    client.progress().await;
    let card = place.approver.the_pending_approval().await;
    let params = json!({ "requestId": id, "reason": "McpError: MCP error -32001: Request timed out" });
    client.send(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params })).await;
    client.round_trip().await;
    let id = client.call("delete_repo", json!({ "repo": "a" })).await;
    client.progress().await;
    let same = place.the_only_card().await;
    assert_eq!((&same["id"], &same["status"]), (&card["id"], &json!("pending")));
    place.approver.approve(&same).await;
    assert!(text_of(&client.answer(id).await).contains("delete_repo done"));
    assert_eq!(place.ledger.runs_of("delete_repo"), 1);
}

#[tokio::test]
async fn python_client_that_calls_again_gets_its_result_from_one_card() {
    let place = Place::new().await;
    let calls = [("delete_repo", json!({ "repo": "a" })), ("delete_repo", json!({ "repo": "a" }))];
    // It calls again at once: so long there is to approve.
    let mut client = Sdk::python_named(place.impatient_for(6), IMPATIENT, &calls);
    let first = client.next("result").await;
    assert_eq!(first["is_error"], true, "{first}");
    assert!(first["text"].as_str().unwrap().contains("Call the tool again"), "{first}");
    let card = place.the_only_card().await;
    assert_eq!(card["client"]["name"], IMPATIENT);
    place.approver.approve(&card).await;
    let second = client.next("result").await;
    let ran = place.ledger.runs_of("delete_repo");
    assert_eq!((second["is_error"] == false, ran), (true, 1), "{second}");
    place.the_only_card().await;
}

#[tokio::test]
async fn only_the_try_that_ran_is_logged_as_executed() {
    let place = Place::new().await;
    let mut client = place.client().await;
    for _ in 0..2 {
        let id = client.call("delete_repo", json!({ "repo": "a" })).await;
        assert!(is_pending(&client.answer(id).await));
    }
    let card = place.the_only_card().await;
    place.approver.approve(&card).await;
    let (answer, more) = call_until_told(&mut client).await;
    assert!(text_of(&answer).contains("delete_repo done"), "{answer}");
    let outcomes = eventually("all tries in the log", || async {
        let log = place.approver.get("/activity?tool=delete_repo").await["items"].as_array().unwrap().clone();
        let ended = log.len() == 2 + more && log[0]["outcome"] == "succeeded";
        ended.then(|| log.iter().map(|call| (call["approval"].clone(), call["outcome"].clone())).collect::<Vec<_>>())
    })
    .await;
    let with = |outcome: &str| (card["id"].clone(), json!(outcome));
    assert_eq!(outcomes[0], with("succeeded"));
    assert!(outcomes[1..].iter().all(|one| *one == with("not_executed")), "{outcomes:?}");
}
