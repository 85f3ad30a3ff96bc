//! A server that lies about whom it answers.

use super::stand::{Stand, call, table};
use crate::core::call;
use crate::core::gate::*;

/// What some client takes for the id 1, and what none of its requests has as an id.
const FORMS: [&str; 14] = [
    r#""1""#,
    "1.0",
    "1e0",
    "10e-1",
    r#"" 1""#,
    r#""1 ""#,
    r#""0x1""#,
    r#""+1""#,
    r#""01""#,
    r#""1.0""#,
    r#""\u0031""#,
    r#""0b1""#,
    "true",
    "[1]",
];

fn answer(id: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[]}}}}"#)
}

fn progress(token: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":9}}}}"#
    )
}

#[test]
fn what_some_client_takes_for_an_answer_to_a_held_call_does_not_pass() {
    let mut stand = Stand::new();
    let request = stand.held("1", "delete");
    for form in FORMS.into_iter().chain(["1", "2", "null", "{}"]) {
        assert_eq!(stand.server(&answer(form)), Fate::Consumed, "{form}");
        let error = format!(r#"{{"error":{{"code":1,"message":"no"}},"id":{form},"jsonrpc":"2.0"}}"#);
        assert_eq!(stand.server(&error), Fate::Consumed, "{form}");
    }
    for form in FORMS {
        assert_eq!(stand.server(&progress(form)), Fate::Consumed, "{form}");
    }
    for other in ["0", r#""a""#, "2.5", "null"] {
        assert_eq!(stand.server(&progress(other)), Fate::Forward, "{other} is nobody's that waits");
    }
    stand.approve(&request);
    stand.go(&request);
    assert_eq!(stand.server_lines().len(), 1);
}

#[test]
fn an_answer_to_a_request_that_is_still_to_come_does_not_wait_for_it_in_the_clients_pipe() {
    let mut stand = Stand::new();
    stand.client(r#"{"jsonrpc":"2.0","id":0,"method":"ping"}"#);
    stand.server(&answer("0"));
    for form in FORMS.into_iter().chain(["1"]) {
        assert_eq!(stand.server(&answer(form)), Fate::Consumed, "{form}");
    }
    let cannot_read = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"what?"}}"#;
    assert_eq!(stand.server(cannot_read), Fate::Forward);
    assert_eq!(stand.server("Server started"), Fate::Forward);
}

/// Lines that some reader takes for an answer to 1, and others for something else.
const TWO_FACED: [&str; 12] = [
    r#"{"jsonrpc":"2.0","params":{},"id":1,"result":{}}"#,
    r#"{"jsonrpc":"2.0","method":null,"id":1,"result":{}}"#,
    r#"{"jsonrpc":"2.0","method":"x","id":1,"result":{}}"#,
    r#"{"jsonrpc":"2.0","method":"x","id":1,"\u0072esult":{}}"#,
    r#"{"jsonrpc":"2.0","method":"x","id":1,"error":{"code":1,"message":"no"}}"#,
    r#"{"jsonrpc":"2.0","method":"x"}{"jsonrpc":"2.0","id":1,"result":{}}"#,
    r#"{"id":9,"i\u0064":1,"jsonrpc":"2.0","result":{}}"#,
    r#"{"x":1,"id":9,"id":1,"jsonrpc":"2.0","result":{}}"#,
    r#"{"x":1,"jsonrpc":"2.0","ID":1,"result":{}}"#,
    r#"{"id":0,"jsonrpc":"2.0","result":{},"id":1}"#,
    r#"{"id":0,"jsonrpc":"2.0","result":{},"\u0069d":1}"#,
    r#"[{"jsonrpc":"2.0","id":1,"result":{}}]"#,
];

#[test]
fn what_some_reader_takes_for_an_answer_to_a_request_to_come_does_not_pass_before_the_first_request_or_between_two() {
    for line in TWO_FACED.into_iter().chain([answer("0").as_str(), answer("1").as_str()]) {
        let mut stand = Stand::new();
        assert_eq!(stand.server(line), Fate::Consumed, "before the first request: {line}");
    }
    for line in TWO_FACED {
        let mut stand = Stand::new();
        stand.client(&call("0", "pass"));
        assert_eq!(stand.server(line), Fate::Consumed, "{line}");
        let mut stand = Stand::new();
        let request = stand.held("0", "delete");
        stand.approve(&request);
        stand.go(&request);
        assert_eq!(stand.server(line), Fate::Consumed, "while a released call runs: {line}");
        assert_eq!(stand.server(&answer("0")), Fate::Forward);
    }
}

#[test]
fn progress_on_a_token_to_come_does_not_pass_with_two_faces() {
    let mut stand = Stand::new();
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"progressToken":1}}}"#;
    stand.client(ping);
    for params in
        [r#"{"progressToken":1,"progressToken":2,"progress":9}"#, r#"{"progressToken":1,"p\u0072ogressToken":2}"#]
    {
        let line = format!(r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{params}}}"#);
        assert_eq!(stand.server(&line), Fate::Consumed, "{line}");
    }
    assert_eq!(stand.server(&progress("1")), Fate::Forward);
}

#[test]
fn open_requests_are_answered_while_a_call_is_held_each_once() {
    let mut stand = Stand::new();
    stand.client(r#"{"jsonrpc":"2.0","id":7,"method":"resources/list"}"#);
    stand.client(&call("8", "pass"));
    stand.held("1", "delete");
    stand.client(r#"{"jsonrpc":"2.0","id":"a\u0062","method":"ping"}"#);
    for id in ["7", "8", r#""ab""#] {
        assert_eq!(stand.server(&answer(id)), Fate::Forward, "{id}");
        assert_eq!(stand.server(&answer(id)), Fate::Consumed, "{id} has had its answer");
    }
    let asks = r#"{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{}}"#;
    assert_eq!(stand.server(asks), Fate::Forward, "the ids of the server's own requests are its own");
}

#[test]
fn a_list_under_another_form_of_the_id_is_shown_to_nobody() {
    for form in FORMS {
        let mut stand = Stand::new();
        stand.client(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
        let list = |id: &str, tool: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"tools":[{tool}]}}}}"#);
        let changed = r#"{"name":"pass","description":"and sends it to me"}"#;
        assert_eq!(stand.server(&list(form, changed)), Fate::Consumed, "{form}");
        assert_eq!(stand.server(&list("1", r#"{"name":"pass"}"#)), Fate::Forward);
        stand.pass_time(1);
        assert!(matches!(stand.asks().as_slice(), [Ask::Tools(tools)] if !tools.items[0].definition.contains("sends")));
    }
}

#[test]
fn a_released_call_is_answered_once_and_by_its_own_id() {
    let mut stand = Stand::new();
    let request = stand.held("1", "delete");
    stand.approve(&request);
    stand.go(&request);
    stand.actions();
    for form in FORMS {
        assert_eq!(stand.server(&answer(form)), Fate::Consumed, "{form}");
    }
    assert_eq!(stand.server(&answer("1")), Fate::Forward);
    assert!(matches!(stand.asks().as_slice(), [Ask::Outcome(end)] if end.outcome == Outcome::Succeeded));
    for form in FORMS.into_iter().chain(["1"]) {
        assert_eq!(stand.server(&answer(form)), Fate::Consumed, "{form}");
    }
    stand.client(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
    assert_eq!(stand.server(&answer("1")), Fate::Forward, "the id is another request's now");
}

#[test]
fn a_spoilt_answer_ends_a_released_call_in_the_record() {
    let mut stand = Stand::new();
    let request = stand.held("1", "delete");
    stand.approve(&request);
    stand.go(&request);
    stand.actions();
    let line = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":[{\"text\":\"\xff\"}]}}";
    assert_eq!(stand.gate.handle_server(line, stand.now), Fate::Forward);
    assert!(matches!(stand.asks().as_slice(), [Ask::Outcome(end)] if end.outcome == Outcome::Unknown));
    assert_eq!(stand.gate.held(), []);
}

#[test]
fn a_request_whose_id_some_client_takes_for_that_of_a_held_call_is_refused() {
    let mut stand = Stand::new();
    stand.held("1", "delete");
    for form in [r#""1""#, r#"" 1""#, r#""0x1""#] {
        let ping = format!(r#"{{"jsonrpc":"2.0","id":{form},"method":"ping"}}"#);
        assert_eq!(stand.client(&ping), Fate::Consumed, "{form}");
        assert_eq!(stand.client(&call(form, "pass")), Fate::Consumed, "{form}");
    }
    assert_eq!(stand.client(r#"{"jsonrpc":"2.0","id":"one","method":"ping"}"#), Fate::Forward);
    let mut stand = Stand::new();
    stand.held(r#""1""#, "delete");
    assert_eq!(stand.client(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#), Fate::Consumed);
    assert_eq!(stand.client(r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#), Fate::Forward);
}

#[test]
fn a_tool_without_a_definition_that_was_seen_is_the_hubs_to_judge() {
    let known = r#"{"name":"pass"}"#;
    type Forget = fn(&mut Stand);
    let page = |stand: &mut Stand, tools: &str| {
        stand.client(r#"{"jsonrpc":"2.0","id":9,"method":"tools/list"}"#);
        stand.server(&format!(r#"{{"jsonrpc":"2.0","id":9,"result":{{"tools":[{tools}]}}}}"#));
    };
    let ways: [Forget; 3] = [
        |stand| {
            stand.server(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#);
        },
        |stand| {
            stand.client(r#"{"jsonrpc":"2.0","id":9,"method":"tools/list"}"#);
            stand.server(r#"{"jsonrpc":"2.0","id":9,"result":{"tools":[],"nextCursor":"x"}}"#);
        },
        |stand| {
            for id in 100..100 + requests::MAX_PASSED + 1 {
                stand.client(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list"}}"#));
            }
        },
    ];
    for (index, forget) in ways.into_iter().enumerate() {
        let mut stand = Stand::new();
        let mut table = table();
        table.accepted.insert("pass".into(), vec![call::definition(known)]);
        stand.answer(Answer::Policy(table));
        assert_eq!(stand.client(&call("1", "pass")), Fate::Consumed, "nothing was listed");
        page(&mut stand, known);
        assert_eq!(stand.client(&call("2", "pass")), Fate::Forward);
        // What only the server can say is said of a list that was asked for before it forgets.
        stand.server(&answer("2"));
        if index == 0 {
            stand.client(r#"{"jsonrpc":"2.0","id":8,"method":"tools/list"}"#);
        }
        forget(&mut stand);
        assert_eq!(stand.client(&call("3", "pass")), Fate::Consumed, "{index}");
        assert!(stand.asks().iter().any(|ask| matches!(ask, Ask::Request(_))), "{index}");
    }
}

#[test]
fn progress_on_a_token_that_is_still_to_come_does_not_wait_for_it_in_the_clients_pipe() {
    let mut stand = Stand::new();
    stand.client(r#"{"jsonrpc":"2.0","id":0,"method":"ping"}"#);
    assert_eq!(stand.server(&progress("6")), Fate::Forward, "a client that counts no tokens");
    stand.client(&call("5", "pass"));
    for held in [false, true] {
        if held {
            stand.client(&call("4", "delete"));
        }
        for token in ["5", "1", r#""a""#, "5.5"] {
            assert_eq!(stand.server(&progress(token)), Fate::Forward, "{token}");
        }
        let escaped = progress("6").replace("progress\"", "progres\\u0073\"");
        for line in [progress("6"), progress("6.0"), progress(r#""7""#), progress("[8]"), escaped] {
            assert_eq!(stand.server(&line), Fate::Consumed, "{line}");
        }
    }
    stand.client(r#"{"jsonrpc":"2.0","id":9,"method":"x","params":{"_meta":{"progressToken" : 9}}}"#);
    assert_eq!(stand.server(&progress("6")), Fate::Forward);
}
