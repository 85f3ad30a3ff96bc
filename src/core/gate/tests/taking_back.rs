//! Calls that are taken back, and sides that are gone.

use super::stand::{Stand, call};
use crate::core::gate::*;
use crate::core::messages::*;

#[test]
fn cancelled_call_is_swallowed_unanswered_and_a_late_approval_does_nothing() {
    let mut stand = Stand::new();
    let request = stand.held("1", "delete");
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,"reason":"user"}}"#;
    assert_eq!(stand.client(cancel), Fate::Consumed);
    let asks = stand.asks();
    assert!(matches!(asks.as_slice(), [Ask::Cancel(cancel)] if cancel.approval == request.id), "{asks:?}");
    stand.approve(&request);
    stand.go(&request);
    stand.pass_time(400);
    let actions = stand.actions();
    let outcome = CallOutcome { approval: request.id, outcome: Outcome::NotExecuted, duration_ms: 0 };
    assert_eq!(actions, [Action::ToHub(Ask::Outcome(outcome))], "only the truth for the record");
    assert_eq!(stand.client(cancel), Fate::Consumed, "the server has never heard of it");
    assert_eq!(stand.client(&call("1", "pass")), Fate::Forward);
    assert_eq!(stand.client(cancel), Fate::Forward, "but it has of the next request under this id");
}

#[test]
fn cancel_of_a_call_that_was_refused_meanwhile_does_not_reach_the_server() {
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    let mut stand = Stand::new();
    let request = stand.held("1", "delete");
    stand.decide(&request, Decision::TimedOut);
    assert_eq!(stand.client(cancel), Fate::Consumed, "timed out");
    stand.client(&call("1", "deny"));
    assert_eq!(stand.client(cancel), Fate::Consumed, "denied");
    stand.client(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
    assert_eq!(stand.client(cancel), Fate::Forward, "the server has this one");
    let other = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"1"}}"#;
    assert_eq!(stand.client(other), Fate::Forward, "an id we know nothing of is none of our business");
}

#[test]
fn cancel_of_a_released_call_is_forwarded_and_its_answer_suppressed() {
    let mut stand = Stand::new();
    let request = stand.held("1", "delete");
    stand.approve(&request);
    assert!(!stand.gate.awaits_answer(), "the server knows nothing of it yet");
    stand.go(&request);
    assert!(stand.gate.awaits_answer());
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    assert_eq!(stand.client(cancel), Fate::Forward);
    assert!(!stand.gate.awaits_answer(), "nobody waits any more");
    stand.actions();
    assert_eq!(stand.server(r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#), Fate::Consumed);
    let asks = stand.asks();
    assert!(matches!(asks.as_slice(), [Ask::Outcome(outcome)] if outcome.outcome == Outcome::Succeeded));
}

#[test]
fn client_gone_takes_everything_back_and_nothing_runs() {
    let mut stand = Stand::new();
    let request = stand.held("1", "delete");
    stand.gate.handle_client_gone(stand.now);
    assert!(matches!(stand.asks().as_slice(), [Ask::Cancel(_)]));
    stand.approve(&request);
    stand.go(&request);
    assert!(stand.server_lines().is_empty());
    assert_eq!(stand.gate.poll_timeout(), None);
}

#[test]
fn server_gone_answers_each_held_call_once_and_released_ones_are_unknown() {
    let mut stand = Stand::new();
    let released = stand.held("1", "delete");
    stand.approve(&released);
    stand.go(&released);
    let _held = stand.held("2", "delete");
    stand.actions();
    stand.gate.handle_server_gone(stand.now);
    let actions = stand.actions();
    let answers = actions.iter().filter(|action| matches!(action, Action::ToClient(_))).count();
    assert_eq!(answers, 1);
    assert!(actions.iter().any(|action| matches!(
        action,
        Action::ToHub(Ask::Outcome(outcome)) if outcome.outcome == Outcome::Unknown && outcome.approval == released.id
    )));
}

#[test]
fn a_cancellation_that_cannot_be_read_clearly_refuses_each_held_call_it_may_be_about_and_no_other() {
    let method = r#""method":"notifications/cancelled""#;
    for line in [
        format!(r#"{{"jsonrpc":"2.0",{method},"params":{{"requestId":1,"requestId":3}}}}"#),
        format!(r#"{{"jsonrpc":"2.0",{method},{method},"params":{{"requestId":1}}}}"#),
        format!(r#"{{"jsonrpc":"2.0",{method},"params":{{"requestId": 1,"reason":"a","reason":"b"}}}}"#),
        format!(r#"{{"jsonrpc":"2.0",{method},"params":{{"requestid":"1"}}}}"#),
        r#"{"jsonrpc":"2.0","method":"Notifications\u002fcancelled","params":{"requestId":1,"requestId":1}}"#
            .to_owned(),
    ] {
        let mut stand = Stand::new();
        let (named, other) = (stand.held("1", "delete"), stand.held("11", "delete"));
        stand.actions();
        assert_eq!(stand.client(&line), Fate::Consumed, "{line}");
        let actions = stand.actions();
        let cancelled =
            |action: &Action| matches!(action, Action::ToHub(Ask::Cancel(cancel)) if cancel.approval == named.id);
        assert!(actions.iter().any(cancelled), "{line}: {actions:?}");
        let told = actions.iter().filter(|action| matches!(action, Action::ToClient(_))).count();
        assert_eq!(told, 1, "{line}: {actions:?}");
        stand.approve(&named);
        stand.go(&named);
        assert!(stand.server_lines().is_empty(), "{line}");
        stand.approve(&other);
        stand.go(&other);
        assert_eq!(stand.server_lines().len(), 1, "{line}");
    }
    for line in [
        format!(r#"{{"jsonrpc":"2.0",{method},"params":{{"requestId":2,"requestId":3}}}}"#),
        r#"{"jsonrpc":"2.0","method":"x","params":{"requestId":1},"params":{"requestId":1}}"#.to_owned(),
    ] {
        let mut stand = Stand::new();
        let request = stand.held("1", "delete");
        assert_eq!(stand.client(&line), Fate::Consumed, "{line}");
        stand.approve(&request);
        stand.go(&request);
        assert_eq!(stand.server_lines().len(), 1, "{line}");
    }
}
