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
            r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":2,"progress":5}}"#,
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
    assert!(stand.client_lines().is_empty());
    assert_eq!(stand.client(r#"{"jsonrpc":"2.0","id":8,"method":"ping"}"#), Fate::Forward, "the stream goes on");
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
