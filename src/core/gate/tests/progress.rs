//! What a client hears while its call is held, and after.

use serde_json::Value;

use super::stand::{Stand, call};
use crate::core::gate::*;
use crate::core::messages::*;

#[test]
fn progress_speaks_at_once_then_every_ten_seconds_and_increases() {
    let mut stand = Stand::new();
    stand.client(&call("1", "delete"));
    let actions = stand.actions();
    let request = actions.iter().find_map(|action| match action {
        Action::ToHub(Ask::Request(request)) => Some(request.clone()),
        _ => None,
    });
    let first = actions.iter().find_map(|action| match action {
        Action::ToClient(line) => Some(serde_json::from_slice::<Value>(line).unwrap()),
        _ => None,
    });
    let first = first.unwrap();
    assert_eq!(first["params"]["progress"], -300);
    assert_eq!(first["params"]["progressToken"], 1);
    assert_eq!(first["params"].get("total"), None);
    assert_eq!(
        first["params"]["message"],
        "Tool 'delete' requires admin approval before execution. Waiting for approval (timeout: 5 minutes)..."
    );
    let request = request.unwrap();
    stand.register(&request);
    assert_eq!(stand.client_lines(), [] as [Value; 0]);
    stand.pass_time(10);
    let second = stand.client_lines();
    assert_eq!(second[0]["params"]["progress"], -290);
    assert!(second[0]["params"]["message"].as_str().unwrap().contains("http://hub/approvals/1"));
    stand.answer(Answer::Extended(Extended { approval: request.id.clone(), remaining_ms: 590_000 }));
    stand.pass_time(0);
    let third = stand.client_lines()[0]["params"]["progress"].as_f64().unwrap();
    assert!(third > -290.0, "progress must not fall when there is more time: {third}");
    stand.answer(Answer::Seen(request.id));
    stand.pass_time(0);
    let fourth = stand.client_lines();
    assert!(fourth[0]["params"]["message"].as_str().unwrap().contains("A reviewer has opened it."), "{fourth:?}");
}

#[test]
fn without_a_token_there_is_no_progress() {
    let mut stand = Stand::new();
    stand.client(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete"}}"#);
    stand.pass_time(20);
    assert!(stand.client_lines().is_empty());
}

#[test]
fn a_tool_not_in_the_table_speaks_when_the_hub_has_registered_it() {
    let mut stand = Stand::new();
    stand.client(&call("1", "new_tool"));
    let actions = stand.actions();
    assert!(!actions.iter().any(|action| matches!(action, Action::ToClient(_))), "the hub may let it pass");
    let request = actions.iter().find_map(|action| match action {
        Action::ToHub(Ask::Request(request)) => Some(request.clone()),
        _ => None,
    });
    stand.register(&request.unwrap());
    stand.pass_time(0);
    let first = stand.client_lines();
    assert!(first[0]["params"]["message"].as_str().unwrap().starts_with("Tool 'new_tool' requires admin approval"));
}

#[test]
fn progress_of_a_released_call_never_falls_behind_ours() {
    let mut stand = Stand::new();
    let request = stand.held("1", "delete");
    stand.approve(&request);
    stand.go(&request);
    let progress = |value: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":1,"progress":{value}}}}}"#
        )
    };
    assert_eq!(stand.server(&progress("-400")), Fate::Consumed);
    assert_eq!(stand.server(&progress("0")), Fate::Forward);
    assert_eq!(stand.server(&progress("0.5")), Fate::Forward);
}
