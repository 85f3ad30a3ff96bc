//! What neither side may do while a call is held.

use serde_json::Value;

use super::stand::{Stand, call, text_of};
use crate::core::gate::*;

#[test]
fn server_cannot_speak_for_a_held_call() {
    let mut stand = Stand::new();
    let _request = stand.held("1", "delete");
    for (line, fate) in [
        (r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#, Fate::Consumed),
        (r#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":""}}"#, Fate::Consumed),
        (
            r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":5}}"#,
            Fate::Consumed,
        ),
        (r#"[{"jsonrpc":"2.0","id":1,"result":{}}]"#, Fate::Consumed),
        (r#"{"jsonrpc":"2.0","id":2,"id":1,"result":{}}"#, Fate::Consumed),
        // A request to one reader, an answer to another.
        (r#"{"jsonrpc":"2.0","id":1,"method":"roots/list","result":{}}"#, Fate::Consumed),
        (r#"{"result":"1.0","id":1,"method":{}}"#, Fate::Consumed),
        // The answer to 1 for some clients, and to nothing that was asked for the others.
        (r#"{"jsonrpc":"2.0","id":"1","result":{}}"#, Fate::Consumed),
        (
            r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":0,"progress":5}}"#,
            Fate::Forward,
        ),
        (r#"{"jsonrpc":"2.0","id":1,"method":"roots/list"}"#, Fate::Forward),
    ] {
        assert_eq!(stand.server(line), fate, "{line}");
    }
}

#[test]
fn id_in_use_is_neither_forwarded_nor_answered() {
    let mut stand = Stand::new();
    let request = stand.held("1", "delete");
    for line in [
        call("1", "pass"),
        call("1", "delete"),
        r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#.into(),
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#.into(),
        r#"{"jsonrpc":"2.0","id":1,"method":"x","extra":1}"#.into(),
    ] {
        assert_eq!(stand.client(&line), Fate::Consumed, "{line}");
    }
    assert!(stand.actions().iter().all(|action| matches!(action, Action::Log(_))));
    stand.approve(&request);
    stand.go(&request);
    stand.actions();
    assert_eq!(stand.client(&call("1", "pass")), Fate::Consumed, "still in use after the release");
    stand.server(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    assert_eq!(stand.client(&call("1", "pass")), Fate::Forward);
}

#[test]
fn unreadable_lines_are_answered_where_an_id_can_be_read() {
    let mut stand = Stand::new();
    assert_eq!(stand.client(r#"{"jsonrpc":"2.0","id":7,"id2":8,"method":"x"}"#), Fate::Consumed);
    let answers = stand.client_lines();
    assert_eq!((&answers[0]["id"], &answers[0]["error"]["code"]), (&7.into(), &(-32600).into()));
    assert_eq!(stand.client("garbage"), Fate::Consumed);
    assert_eq!(stand.client_lines()[0]["id"], Value::Null);
    assert_eq!(stand.client("  "), Fate::Consumed);
    assert!(stand.client_lines().is_empty(), "a blank line says nothing");
    assert_eq!(stand.client(r#"{"jsonrpc":"2.0","id":8,"method":"ping"}"#), Fate::Forward, "the stream goes on");
}

#[test]
fn whoever_waits_for_a_refused_line_is_answered_but_not_a_held_call() {
    let mut stand = Stand::new();
    stand.held("1", "delete");
    let batch = format!("[{},{}]", call("1", "pass"), call("2", "pass"));
    assert_eq!(stand.client(&batch), Fate::Consumed);
    let [errors, in_place] = stand.refusals();
    let ids: Vec<_> = errors.iter().map(|(_, id)| id.as_str()).collect();
    assert_eq!((ids, in_place.len()), (vec!["null", "2"], 0));
}

#[test]
fn a_server_gets_an_error_for_an_answer_that_its_client_must_not_give() {
    let mut stand = Stand::new();
    stand.actions();
    assert_eq!(stand.client(r#"{"jsonrpc":"2.0","id":"s1","result":{"a":1,"a":2}}"#), Fate::Consumed);
    let [errors, in_place] = stand.refusals();
    assert_eq!((errors.len(), in_place), (0, vec![(-32603, "\"s1\"".to_owned())]));
}

#[test]
fn a_gated_call_too_long_to_be_shown_is_refused_under_its_id_and_an_ungated_one_passes() {
    let long = |tool: &str| call("1", tool).replace("\"n\":1", &format!("\"n\":\"{}\"", "x".repeat(9 << 20)));
    let mut stand = Stand::new();
    assert_eq!(stand.client(&long("pass")), Fate::Forward);
    assert_eq!(stand.client(&long("delete").replace("\"id\":1", "\"id\":2")), Fate::Consumed);
    let answers = stand.client_lines();
    assert_eq!((answers.len(), &answers[0]["id"]), (1, &2.into()));
    assert!(text_of(&answers[0]).contains("longer than the 8 MiB") && text_of(&answers[0]).contains("not executed"));

    let mut early = Stand::without_policy();
    early.client(&long("pass"));
    early.welcome();
    assert_eq!(early.server_lines(), [long("pass")], "it waited for the policy");
}

#[test]
fn held_memory_is_bounded() {
    let mut stand = Stand::new();
    for id in 0..=MAX_HELD {
        stand.client(&call(&id.to_string(), "delete"));
    }
    let refused: Vec<Value> = stand.client_lines().into_iter().filter(|line| line.get("result").is_some()).collect();
    assert_eq!(refused.len(), 1);
    assert!(text_of(&refused[0]).contains("too many calls"));
}
