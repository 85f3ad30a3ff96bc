//! What becomes of a line of the server that is too long to be read.

use super::stand::{Stand, call};
use crate::core::approval::Outcome;
use crate::core::gate::*;
use crate::core::outline::Outline;

fn long(stand: &mut Stand, line: &str, fault: Option<&str>) -> Fate {
    let mut outline = Outline::default();
    outline.push(line.as_bytes());
    stand.gate.handle_long_server(outline.objects().first(), fault, stand.now)
}

#[test]
fn an_answer_passes_and_its_call_has_ended_nobody_knows_how() {
    let mut stand = Stand::new();
    stand.client(&call("1", "pass"));
    assert_eq!(long(&mut stand, r#"{"result":{"a":1},"jsonrpc":"2.0","id":1}"#, None), Fate::Forward);
    let calls = stand.calls();
    assert_eq!((calls.len(), calls[0].outcome), (1, Some(Outcome::Unknown)));
}

#[test]
fn an_answer_to_a_released_call_passes_and_is_its_outcome() {
    let mut stand = Stand::new();
    let request = stand.held("1", "delete");
    stand.approve(&request);
    stand.go(&request);
    stand.actions();
    assert_eq!(long(&mut stand, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, None), Fate::Forward);
    let asks = stand.asks();
    assert!(matches!(&asks[..], [Ask::Outcome(outcome)] if outcome.outcome == Outcome::Unknown), "{asks:?}");
}

#[test]
fn nothing_that_may_be_an_answer_to_a_held_call_or_its_progress_is_whole() {
    let mut stand = Stand::new();
    stand.held("1", "delete");
    for line in [
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":{}}"#,
        r#"{"id":2,"result":{},"id":1}"#,
        r#"{"id":2,"result":{},"Id":1}"#,
        r#"{"id":1.0,"result":{}}"#,
        r#"{"id":1,"result":{},"method":"x"}"#,
        r#"{"method":"notifications/progress","params":{"progressToken":1}}"#,
        r#"{"method":"notifications\/pro\u0067ress","params":{"progressToken":1}}"#,
        "[1]",
    ] {
        assert_eq!(long(&mut stand, line, None), Fate::Consumed, "{line}");
        assert!(stand.client_lines().is_empty(), "{line}");
    }
    stand.client(r#"{"jsonrpc":"2.0","id":2,"method":"resources/list"}"#);
    for line in [r#"{"jsonrpc":"2.0","id":2,"result":{}}"#, r#"{"method":"notifications/message","params":{}}"#] {
        assert_eq!(long(&mut stand, line, None), Fate::Forward, "{line}");
    }
    assert_eq!(long(&mut stand, r#"{"jsonrpc":"2.0","id":2,"result":{}}"#, None), Fate::Consumed, "it has its answer");
}

#[test]
fn an_answer_that_cannot_pass_fails_its_request_under_its_own_id() {
    let mut stand = Stand::new();
    let answer = r#"{"jsonrpc":"2.0","id":"a","result":{"tools":[]}}"#;
    stand.client(r#"{"jsonrpc":"2.0","id":"a","method":"resources/list"}"#);
    assert_eq!(long(&mut stand, answer, Some("it is broken")), Fate::Consumed);
    let answers = stand.client_lines();
    assert_eq!((answers.len(), &answers[0]["id"]), (1, &"a".into()));
    assert!(answers[0]["error"]["message"].as_str().unwrap_or_default().contains("it is broken"));

    // A list that the client reads and we do not would be of unknown tools.
    stand.client(r#"{"jsonrpc":"2.0","id":"a","method":"tools/list"}"#);
    assert_eq!(long(&mut stand, answer, None), Fate::Consumed);
    assert_eq!(stand.client_lines()[0]["id"], "a");
}
