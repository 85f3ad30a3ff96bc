//! Before the hub is there, while it is away, and when it does not let us in.

use serde_json::Value;

use super::stand::{Stand, call, text_of};
use crate::core::gate::*;
use crate::core::messages::*;

#[test]
fn before_any_policy_every_call_waits_and_then_goes_its_way() {
    let mut stand = Stand::without_policy();
    for (id, tool) in [("1", "pass"), ("2", "deny"), ("3", "delete")] {
        assert_eq!(stand.client(&call(id, tool)), Fate::Consumed);
    }
    assert_eq!(stand.client(r#"{"jsonrpc":"2.0","id":9,"method":"ping"}"#), Fate::Forward);
    assert_eq!(stand.actions(), []);
    stand.welcome();
    let actions = stand.actions();
    assert!(actions.contains(&Action::ToServer(call("1", "pass").into_bytes())));
    assert!(
        actions.iter().any(|action| matches!(action, Action::ToHub(Ask::Request(request)) if request.tool == "delete"))
    );
    assert_eq!(actions.iter().filter(|action| matches!(action, Action::ToClient(_))).count(), 1, "the denial");
}

#[test]
fn hub_that_cannot_be_reached_refuses_in_time_with_a_sentence() {
    let mut stand = Stand::without_policy();
    stand.client(&call("1", "pass"));
    stand.pass_time(29);
    let answers = stand.client_lines();
    assert!(answers.iter().all(|line| line["method"] == "notifications/progress"), "{answers:?}");
    assert!(answers[0]["params"]["message"].as_str().unwrap().contains("http://hub"));
    stand.answer(Answer::Away("connection refused".into()));
    stand.pass_time(1);
    assert!(
        text_of(&stand.client_lines()[0])
            .contains("http://hub cannot be reached: connection refused. It was not executed")
    );
    stand.welcome();
    assert_eq!(stand.actions(), [], "the refused call is gone");
}

#[test]
fn a_hub_that_is_there_and_does_not_rule_in_time_is_not_called_away() {
    let mut stand = Stand::new();
    stand.client(&call("1", "other"));
    stand.actions();
    stand.pass_time(30);
    let answers = stand.client_lines();
    let text = text_of(&answers[answers.len() - 1]);
    assert!(text.contains("did not say in time") && text.contains("Call the tool again"), "{text}");
}

#[test]
fn how_calls_ended_while_the_hub_was_away_is_told_of_all_of_them() {
    let mut stand = Stand::new();
    let ids: Vec<String> = (1..=200).map(|id| id.to_string()).collect();
    for id in &ids {
        let request = stand.held(id, "delete");
        stand.approve(&request);
        stand.go(&request);
        assert_eq!(stand.server_lines(), [call(id, "delete")]);
    }
    stand.answer(Answer::Lost);
    for id in &ids {
        stand.server(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
    }
    stand.actions();
    stand.welcome();
    let told = stand.asks();
    assert_eq!(told.iter().filter(|ask| matches!(ask, Ask::Outcome(_))).count(), ids.len());
}

#[test]
fn hub_lost_and_back_is_asked_again_with_the_same_id() {
    let mut stand = Stand::new();
    let request = stand.held("1", "delete");
    stand.answer(Answer::Lost);
    assert_eq!(stand.gate.held(), std::slice::from_ref(&request.id));
    stand.pass_time(60);
    stand.actions();
    stand.welcome();
    assert_eq!(stand.asks(), [Ask::Request(request.clone())]);
    stand.register(&request);
    stand.approve(&request);
    stand.answer(Answer::Lost);
    stand.actions();
    stand.pass_time(9);
    stand.welcome();
    assert!(matches!(stand.asks().as_slice(), [Ask::Release(_)]), "an unanswered release is asked again");
    stand.pass_time(9);
    stand.go(&request);
    assert_eq!(stand.server_lines().len(), 1);
}

#[test]
fn registered_call_waits_for_a_lost_hub_until_its_deadline() {
    let mut stand = Stand::new();
    let request = stand.held("1", "delete");
    stand.answer(Answer::Lost);
    stand.pass_time(299);
    assert!(stand.client_lines().iter().all(|line| line.get("result").is_none()));
    stand.pass_time(1);
    assert!(text_of(&stand.client_lines()[0]).contains("was not approved within 5 minutes"));
    stand.welcome();
    stand.approve(&request);
    stand.go(&request);
    assert!(stand.server_lines().is_empty());
}

#[test]
fn an_agent_that_the_hub_does_not_let_in_may_do_nothing_until_it_does() {
    let mut stand = Stand::new();
    let held = stand.held("1", "gated");
    stand.answer(Answer::Lost);
    assert_eq!(stand.client(&call("2", "pass")), Fate::Forward, "a hub that is away takes nothing back");
    stand.answer(Answer::Refused);
    let said = stand.client_lines();
    assert_eq!((said.len(), &said[0]["id"]), (1, &Value::from(1)));
    assert!(said[0].to_string().contains("Permission denied"), "{said:?}");
    assert_eq!(stand.client(&call("3", "pass")), Fate::Consumed);
    assert!(stand.client_lines()[0].to_string().contains("does not let this agent in"));
    stand.answer(Answer::Go(Release { approval: held.id.clone(), digest: held.digest.clone() }));
    assert_eq!(stand.server_lines(), Vec::<String>::new());
    stand.welcome();
    assert_eq!(stand.client(&call("4", "pass")), Fate::Forward);
}

#[test]
fn a_release_whose_go_is_lost_is_told_as_not_executed_when_the_hub_is_back() {
    type End = fn(&mut Stand);
    let ends: [End; 3] = [
        |stand| stand.pass_time(11),
        |stand| {
            let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
            stand.client(cancel);
        },
        |stand| stand.gate.handle_server_gone(stand.now),
    ];
    for (index, end) in ends.into_iter().enumerate() {
        let mut stand = Stand::new();
        let request = stand.held("1", "delete");
        stand.approve(&request);
        stand.answer(Answer::Lost);
        end(&mut stand);
        assert!(stand.server_lines().is_empty(), "{index}");
        stand.welcome();
        let told = CallOutcome { approval: request.id.clone(), outcome: Outcome::NotExecuted, duration_ms: 0 };
        assert!(stand.asks().contains(&Ask::Outcome(told)), "{index}");
        stand.go(&request);
        assert!(stand.server_lines().is_empty(), "{index}: a go that comes late");
    }
}

#[test]
fn a_hand_off_while_the_hub_is_away_is_told_when_it_is_back() {
    let mut stand = Stand::new();
    stand.client(concat!(
        r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"#,
        r#""clientInfo":{"name":"claude-ai","version":"1"}}}"#
    ));
    let request = stand.held("1", "delete");
    stand.answer(Answer::Lost);
    stand.pass_time(50);
    assert!(!stand.asks().iter().any(|ask| matches!(ask, Ask::Cancel(_))), "nobody would hear it");
    assert_eq!(stand.gate.held(), std::slice::from_ref(&request.id), "the hub is not to take it back");
    assert_eq!(stand.gate.poll_timeout(), None);
    stand.client(&call("2", "delete").replace(r#"{"n":2}"#, r#"{"n":1}"#));
    stand.asks();
    stand.welcome();
    let asks = stand.asks();
    let kept = asks.iter().position(|ask| matches!(ask, Ask::Cancel(cancel) if cancel.keep));
    let again = asks.iter().position(|ask| matches!(ask, Ask::Request(_)));
    assert!(kept.is_some() && kept < again, "{asks:?}");
}
