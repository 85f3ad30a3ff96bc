//! Clients that call again: because they could not wait, or because the server wants more of them.

use std::time::Duration;

use serde_json::Value;

use super::stand::{Stand, call, text_of};
use crate::core::gate::*;
use crate::core::messages::*;

#[test]
fn client_that_cannot_wait_is_told_to_call_again_and_the_approval_stays() {
    let mut stand = Stand::new();
    stand.client(concat!(
        r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"#,
        r#""clientInfo":{"name":"claude-ai","version":"1"}}}"#
    ));
    let request = stand.held("1", "delete");
    assert_eq!(request.hold_seconds, Some(50));
    stand.pass_time(49);
    assert!(stand.client_lines().iter().all(|line| line.get("result").is_none()));
    stand.pass_time(1);
    let actions = stand.actions();
    let answer = actions.iter().find_map(|action| match action {
        Action::ToClient(line) => serde_json::from_slice::<Value>(line).ok().filter(|line| line["id"] == 1),
        _ => None,
    });
    let answer = answer.unwrap();
    assert!(text_of(&answer).contains("http://hub/approvals/1"), "{answer}");
    assert_eq!(answer["result"]["_meta"]["dev.hitl/decision"]["status"], "pending");
    assert!(actions.iter().any(|action| matches!(action, Action::ToHub(Ask::Cancel(cancel)) if cancel.keep)));
    stand.approve(&request);
    stand.go(&request);
    assert!(stand.server_lines().is_empty(), "nothing executes without a live request");
}

#[test]
fn retry_that_joins_an_approval_uses_it() {
    let mut stand = Stand::new();
    stand.client(&call("2", "delete"));
    let asks = stand.asks();
    let [Ask::Request(request)] = asks.as_slice() else { panic!("{asks:?}") };
    stand.answer(Answer::Registered(Registered {
        id: request.id.clone(),
        approval: "earlier".into(),
        remaining_ms: 1000,
        link: "l".into(),
    }));
    let decision = Decision::Approved { digest: request.digest.clone(), by: "ada".into() };
    stand.answer(Answer::Decided(Decided { approval: "earlier".into(), decision }));
    assert!(matches!(stand.asks().as_slice(), [Ask::Release(release)] if release.approval.as_str() == "earlier"));
    stand.answer(Answer::Go(Release { approval: "earlier".into(), digest: request.digest.clone() }));
    assert_eq!(stand.server_lines().len(), 1);
}

#[test]
fn client_that_timed_out_leaves_the_approval_for_its_retry() {
    let mut stand = Stand::new();
    let request = stand.held("1", "delete");
    stand.client(concat!(
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","#,
        r#""params":{"requestId":1,"reason":"SdkError: Request timed out"}}"#
    ));
    let asks = stand.asks();
    assert!(matches!(asks.as_slice(), [Ask::Cancel(cancel)] if cancel.keep && cancel.approval == request.id));
}

/// Releases a call to which the server answers that it needs more from the client.
fn with_input_required(stand: &mut Stand) -> Request {
    let request = stand.held("1", "delete");
    stand.approve(&request);
    stand.go(&request);
    stand.actions();
    let answer =
        r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","requestState":"s1","inputRequests":{}}}"#;
    assert_eq!(stand.server(answer), Fate::Forward);
    assert_eq!(stand.asks(), [], "the call has not ended");
    request
}

fn retry(id: &str, arguments: &str, state: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"delete","arguments":{arguments},"inputResponses":{{}},"requestState":{state}}}}}"#
    )
}

#[test]
fn retry_with_the_servers_state_continues_an_approved_call_once() {
    let mut stand = Stand::new();
    let request = with_input_required(&mut stand);
    assert_eq!(stand.gate.held(), std::slice::from_ref(&request.id));
    assert_eq!(stand.client(&retry("2", r#"{"n":1}"#, "\"s1\"")), Fate::Forward);
    assert_eq!(stand.server(r#"{"jsonrpc":"2.0","id":2,"result":{"resultType":"complete"}}"#), Fate::Forward);
    let asks = stand.asks();
    assert!(matches!(asks.as_slice(), [Ask::Outcome(outcome)] if outcome.approval == request.id));
    assert_eq!(stand.client(&retry("3", r#"{"n":1}"#, "\"s1\"")), Fate::Consumed, "used up");
}

#[test]
fn retry_that_differs_is_gated_anew() {
    for line in [
        retry("2", r#"{"n":2}"#, "\"s1\""),
        retry("2", r#"{"n":1}"#, "\"s2\""),
        retry("2", r#"{"n":1}"#, "null"),
        retry("2", r#"{"n":1}"#, "\"s1\"").replace("\"requestState\"", "\"_meta\":{\"force\":true},\"requestState\""),
        retry("2", r#"{"n":1}"#, "\"s1\"").replace("\"requestState\"", "\"task\":{},\"requestState\""),
        call("1", "delete").replace("\"id\":1", "\"id\":2"),
    ] {
        let mut stand = Stand::new();
        with_input_required(&mut stand);
        assert_eq!(stand.client(&line), Fate::Consumed, "{line}");
        assert!(stand.asks().iter().any(|ask| matches!(ask, Ask::Request(_))), "{line}");
    }
    let mut late = Stand::new();
    with_input_required(&mut late);
    late.now += Duration::from_secs(601);
    assert_eq!(late.client(&retry("2", r#"{"n":1}"#, "\"s1\"")), Fate::Consumed);
}
