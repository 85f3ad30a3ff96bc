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
        arguments: None,
    }));
    let decision = Decision::Approved { digest: request.digest.clone() };
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
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"delete","arguments":{arguments},"requestState":{state},"inputResponses":{{}}}}}}"#
    )
}

#[test]
fn retry_with_the_servers_state_continues_an_approved_call_once() {
    let mut stand = Stand::new();
    let request = with_input_required(&mut stand);
    assert_eq!(stand.gate.held(), std::slice::from_ref(&request.id));
    assert_eq!(stand.client(&retry("2", r#"{"n":1}"#, "\"s1\"")), Fate::Forward);
    let asks = stand.asks();
    let [Ask::Continued(continued)] = asks.as_slice() else { panic!("{asks:?}") };
    let inputs = r#"{"inputResponses":{},"requestState":"s1"}"#;
    assert_eq!((&continued.approval, continued.round, continued.inputs.as_str()), (&request.id, 1, inputs));
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

#[test]
fn a_call_is_continued_so_often_and_no_more() {
    let mut stand = Stand::new();
    let request = with_input_required(&mut stand);
    let asks_on = |id: u32| {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"input_required","requestState":"s1"}}}}"#)
    };
    for id in 2..2 + MAX_ROUNDS {
        assert_eq!(stand.client(&retry(&id.to_string(), r#"{"n":1}"#, "\"s1\"")), Fate::Forward, "{id}");
        stand.asks();
        assert_eq!(stand.server(&asks_on(id)), Fate::Forward);
    }
    let asks = stand.asks();
    assert!(matches!(asks.as_slice(), [Ask::Outcome(end)] if end.outcome == Outcome::Unknown), "{asks:?}");
    assert_eq!(stand.client(&retry("50", r#"{"n":1}"#, "\"s1\"")), Fate::Consumed, "a new card shows what it brings");
    let asks = stand.asks();
    let [Ask::Request(again)] = asks.as_slice() else { panic!("{asks:?}") };
    assert_ne!(again.id, request.id);
    assert!(again.extra.as_deref().is_some_and(|extra| extra.contains("inputResponses")));
}

#[test]
fn what_waits_to_be_continued_ends_with_its_time_its_client_and_its_cancellation() {
    type End = fn(&mut Stand);
    let ends: [End; 4] = [
        |stand| stand.pass_time(600),
        |stand| {
            let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
            assert_eq!(stand.client(cancel), Fate::Forward);
        },
        |stand| stand.gate.handle_client_gone(stand.now),
        |stand| stand.gate.handle_server_gone(stand.now),
    ];
    for (index, end) in ends.into_iter().enumerate() {
        let mut stand = Stand::new();
        let request = with_input_required(&mut stand);
        end(&mut stand);
        let asks = stand.asks();
        let [Ask::Outcome(told)] = asks.as_slice() else { panic!("{index}: {asks:?}") };
        assert_eq!((&told.approval, told.outcome), (&request.id, Outcome::Unknown), "{index}");
        assert_eq!(stand.gate.held(), [], "{index}");
        assert_ne!(stand.client(&retry("2", r#"{"n":1}"#, "\"s1\"")), Fate::Forward, "{index}");
    }
}

#[test]
fn the_same_call_again_takes_the_place_of_the_one_that_waits() {
    let mut stand = Stand::new();
    let first = stand.held("1", "delete");
    stand.actions();
    let again = call("2", "delete").replace(r#"{"n":2}"#, r#"{ "n":1 }"#);
    assert_eq!(stand.client(&again), Fate::Consumed);
    let actions = stand.actions();
    let told = actions.iter().find_map(|action| match action {
        Action::ToClient(line) => serde_json::from_slice::<Value>(line).ok().filter(|line| line["id"] == 1),
        _ => None,
    });
    let told = told.unwrap();
    assert_eq!(told["result"]["_meta"]["dev.hitl/decision"]["status"], "asked_again");
    let asks: Vec<_> = actions.iter().filter(|action| matches!(action, Action::ToHub(_))).collect();
    let [.., Action::ToHub(Ask::Cancel(kept)), Action::ToHub(Ask::Call(_)), Action::ToHub(Ask::Request(second))] =
        asks.as_slice()
    else {
        panic!("{asks:?}")
    };
    assert!(kept.keep && kept.approval == first.id && second.id != first.id);

    // What was shown is what runs, however the client wrote it the second time.
    stand.answer(Answer::Registered(Registered {
        id: second.id.clone(),
        approval: first.id.clone(),
        remaining_ms: 1000,
        link: "l".into(),
        arguments: Some(r#"{"n":1}"#.into()),
    }));
    stand.approve(&first);
    stand.go(&first);
    assert_eq!(stand.server_lines(), [again.replace(r#"{ "n":1 }"#, r#"{"n":1}"#)]);
}

#[test]
fn a_call_that_runs_already_or_differs_is_not_replaced() {
    let mut stand = Stand::new();
    let first = stand.held("1", "delete");
    stand.held("2", "delete");
    assert_eq!(stand.gate.held().len(), 2, "other arguments");
    stand.approve(&first);
    stand.client(&call("3", "delete").replace(r#"{"n":3}"#, r#"{"n":1}"#));
    assert_eq!(stand.gate.held().len(), 3, "the first is being released");
    stand.go(&first);
    assert_eq!(stand.server_lines(), [call("1", "delete")]);
}

#[test]
fn calls_that_may_pass_at_once_do_not_replace_each_other() {
    let mut stand = Stand::new();
    let same = |id: &str| call(id, "unknown").replace(&format!(r#"{{"n":{id}}}"#), r#"{"n":0}"#);
    for id in ["1", "2"] {
        assert_eq!(stand.client(&same(id)), Fate::Consumed);
    }
    let asks = stand.asks();
    let [Ask::Request(_), Ask::Request(_)] = asks.as_slice() else { panic!("{asks:?}") };
    assert_eq!(stand.gate.held().len(), 2);
}

#[test]
fn what_the_hub_says_was_shown_must_be_the_same_arguments() {
    for other in [r#"{"n":2}"#, r#"{"n":1.0}"#, "{}", "no JSON"] {
        let mut stand = Stand::new();
        stand.client(&call("1", "delete"));
        let asks = stand.asks();
        let [Ask::Request(request)] = asks.as_slice() else { panic!("{asks:?}") };
        stand.answer(Answer::Registered(Registered {
            id: request.id.clone(),
            approval: "earlier".into(),
            remaining_ms: 1000,
            link: "l".into(),
            arguments: Some(other.into()),
        }));
        let actions = stand.actions();
        assert!(actions.iter().any(|action| matches!(action, Action::ToHub(Ask::Cancel(cancel)) if !cancel.keep)));
        let refused = |action: &Action| matches!(action, Action::ToClient(line) if String::from_utf8_lossy(line).contains("not what would have run"));
        assert!(actions.iter().any(refused), "{other}: {actions:?}");
    }
}

#[test]
fn a_client_that_is_gone_a_moment_after_it_cancelled_was_ended_by_its_user() {
    let cancel = concat!(
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","#,
        r#""params":{"requestId":1,"reason":"MCP request cancelled by caller"}}"#
    );
    let mut stand = Stand::new();
    let request = stand.held("1", "delete");
    stand.client(cancel);
    assert_eq!(stand.asks(), [], "its timer says the same");
    assert_eq!(stand.gate.held(), std::slice::from_ref(&request.id));
    stand.gate.handle_client_gone(stand.now);
    assert!(matches!(stand.asks().as_slice(), [Ask::Cancel(cancel)] if !cancel.keep && cancel.approval == request.id));

    let mut stand = Stand::new();
    let request = stand.held("1", "delete");
    stand.client(cancel);
    stand.pass_time(2);
    assert!(matches!(stand.asks().as_slice(), [Ask::Cancel(cancel)] if cancel.keep && cancel.approval == request.id));
    stand.gate.handle_client_gone(stand.now);
    assert_eq!(stand.asks(), [], "its successor may come back for it");
}
