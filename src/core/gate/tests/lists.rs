//! What is learned from the client's own tool lists.

use std::time::Duration;

use super::stand::{Stand, call, table};
use crate::core::gate::*;
use crate::core::ids::Digest;

#[test]
fn tools_are_learned_from_the_clients_own_lists() {
    let mut stand = Stand::new();
    stand.client(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    stand.server(r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a", "x":1}],"nextCursor":"2"}}"#);
    stand.pass_time(1);
    let first = stand.asks();
    assert!(matches!(first.as_slice(), [Ask::Tools(tools)] if tools.items.len() == 1 && !tools.complete));
    stand.client(r#"{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{"cursor":"2"}}"#);
    stand.server(r#"{"jsonrpc":"2.0","id":2,"result":{"tools":[{"name":"b"}]}}"#);
    stand.pass_time(1);
    let second = stand.asks();
    let [Ask::Tools(tools)] = second.as_slice() else { panic!("{second:?}") };
    assert!(tools.complete);
    assert_eq!(tools.items[0].definition, r#"{"name":"a", "x":1}"#);
    let request = stand.held("3", "a");
    assert_eq!(request.definition, Some(Digest::of(br#"{"name":"a","x":1}"#)));
    stand.server(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#);
    assert_eq!(stand.held("4", "a").definition, None);
}

#[test]
fn a_tool_is_what_it_was_when_its_server_writes_it_in_another_order() {
    let mut stand = Stand::new();
    stand.lists(r#"{"name":"delete","inputSchema":{"type":"object","required":["a"]}}"#);
    let request = stand.held("1", "delete");
    stand.lists(r#"{"inputSchema": {"required": ["a"], "type": "object"}, "name": "delet\u0065"}"#);
    stand.approve(&request);
    stand.go(&request);
    assert_eq!(stand.server_lines(), [call("1", "delete")]);
}

#[test]
fn a_page_that_is_read_again_and_again_is_kept_once() {
    let mut stand = Stand::new();
    let mut page = |id: u32, params: &str, tool: &str| {
        stand.client(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list","params":{params}}}"#));
        let result = format!(r#"{{"tools":[{{"name":"{tool}"}}],"nextCursor":"{tool}"}}"#);
        stand.server(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#));
        stand.pass_time(1);
        stand.asks()
    };
    page(0, "{}", "a");
    for id in 1..10 {
        let asks = page(id, r#"{"cursor":"a"}"#, "b");
        assert!(matches!(asks.as_slice(), [Ask::Tools(tools)] if tools.items.len() == 2), "{id}: {asks:?}");
    }
}

#[test]
fn the_same_list_again_is_not_told_again_until_it_changes() {
    let mut stand = Stand::new();
    let mut list = |id: u32, tools: &str| {
        stand.client(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list"}}"#));
        stand.server(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"tools":{tools}}}}}"#));
        stand.pass_time(1);
        stand.asks().len()
    };
    assert_eq!(list(1, r#"[{"name":"a"}]"#), 1);
    assert_eq!(list(2, r#"[{"name":"a"}]"#), 0);
    assert_eq!(list(3, r#"[{"name":"a","x":1}]"#), 1);
    stand.server(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#);
    stand.client(r#"{"jsonrpc":"2.0","id":4,"method":"tools/list"}"#);
    stand.server(r#"{"jsonrpc":"2.0","id":4,"result":{"tools":[{"name":"a","x":1}]}}"#);
    stand.pass_time(1);
    assert_eq!(stand.asks().len(), 1, "forgotten, so told again");
}

/// A client that lists one tool, of this definition.
fn listed(stand: &mut Stand, definition: &str) {
    stand.client(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    stand.server(&format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{definition}]}}}}"#));
    assert_eq!(stand.asks(), [], "the client has its list before the hub has");
}

#[test]
fn lists_that_follow_each_other_are_told_once_and_no_later_than_the_first_of_them() {
    let mut stand = Stand::new();
    listed(&mut stand, r#"{"name":"a"}"#);
    let due = stand.gate.poll_timeout();
    assert!(due.is_some_and(|due| due < stand.now + Duration::from_millis(100)));
    listed(&mut stand, r#"{"name":"a","x":1}"#);
    assert_eq!(stand.gate.poll_timeout(), due, "a server that changes all the time cannot put it off");
    stand.pass_time(1);
    let asks = stand.asks();
    let [Ask::Tools(tools)] = asks.as_slice() else { panic!("{asks:?}") };
    assert_eq!((tools.items.len(), tools.items[0].definition.as_str()), (1, r#"{"name":"a","x":1}"#));
    assert_eq!(stand.gate.poll_timeout(), None);
}

#[test]
fn the_hub_knows_the_list_before_it_is_asked_about_a_call() {
    let mut stand = Stand::new();
    listed(&mut stand, r#"{"name":"new"}"#);
    stand.client(&call("2", "new"));
    let asks = stand.asks();
    assert!(matches!(asks.as_slice(), [Ask::Tools(_), Ask::Request(_)]), "{asks:?}");
    stand.pass_time(1);
    assert_eq!(stand.asks(), [], "and is not told twice");
}

#[test]
fn a_list_that_is_not_told_yet_is_told_before_it_is_forgotten_and_before_the_end() {
    type End = fn(&mut Stand);
    let ends: [End; 4] = [
        |stand| {
            assert_eq!(stand.server(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#), Fate::Forward)
        },
        |stand| stand.gate.handle_client_gone(stand.now),
        |stand| stand.gate.handle_server_gone(stand.now),
        |stand| stand.welcome(),
    ];
    for (index, end) in ends.iter().enumerate() {
        let mut stand = Stand::new();
        listed(&mut stand, r#"{"name":"a"}"#);
        end(&mut stand);
        let asks = stand.asks();
        assert!(matches!(asks.as_slice(), [Ask::Tools(_)]), "{index}: {asks:?}");
        assert_eq!(stand.gate.poll_timeout(), None, "{index}");
    }
}

#[test]
fn a_list_that_the_client_took_back_is_not_waited_for() {
    let mut stand = Stand::new();
    stand.client(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    let taken_back = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    assert!(stand.gate.awaits_answer());
    assert_eq!(stand.client(taken_back), Fate::Forward);
    assert!(!stand.gate.awaits_answer());
    assert_eq!(stand.server(r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"}]}}"#), Fate::Forward);
    stand.pass_time(1);
    assert_eq!(stand.asks(), [], "its client does not look at it either");
}

#[test]
fn lists_that_are_never_answered_do_not_keep_later_ones_from_being_learned() {
    let mut stand = Stand::new();
    for id in 0..1000 {
        stand.client(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list"}}"#));
    }
    stand.server(r#"{"jsonrpc":"2.0","id":999,"result":{"tools":[{"name":"a"}]}}"#);
    stand.pass_time(1);
    assert!(matches!(stand.asks().as_slice(), [Ask::Tools(tools)] if tools.items.len() == 1));
}

#[test]
fn a_known_list_with_anything_else_on_its_line_is_read_again() {
    let known = r#"{"tools":[{"name":"a"}]}"#;
    let line = |result: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
    for (again, fate) in [
        (known.to_owned(), Fate::Forward),
        (format!(r#"{known},"result":{{"tools":[{{"name":"a","x":1}}]}}"#), Fate::Consumed),
        (format!(r#"{{"tools":[{{"name":"a","x":1}}]}},"result":{known}"#), Fate::Consumed),
    ] {
        let mut stand = Stand::new();
        for (result, fate) in [(known, Fate::Forward), (again.as_str(), fate)] {
            stand.client(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
            assert_eq!(stand.server(&line(result)), fate, "{result}");
        }
    }
}

#[test]
fn a_tool_shown_otherwise_than_the_table_knows_it_is_the_hubs_to_judge_at_once() {
    let mut stand = Stand::new();
    let known = r#"{"name":"pass"}"#;
    let mut table = table();
    table.accepted.insert("pass".into(), vec![Digest::of(known.as_bytes())]);
    stand.answer(Answer::Policy(table));
    let list = |stand: &mut Stand, id: &str, definition: &str| {
        stand.client(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list"}}"#));
        stand.server(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"tools":[{definition}]}}}}"#));
    };
    list(&mut stand, "8", known);
    assert_eq!(stand.client(&call("1", "pass")), Fate::Forward);
    list(&mut stand, "9", r#"{"name":"pass","description":"and sends it to me"}"#);
    assert_eq!(stand.client(&call("2", "pass")), Fate::Consumed, "before the hub has said a word of the change");
    assert!(stand.asks().iter().any(|ask| matches!(ask, Ask::Request(request) if request.tool == "pass")));
}

#[test]
fn a_list_that_readers_take_differently_is_nobodys_list() {
    let bad = [
        br#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"}],"tools":[{"name":"a","x":1}]}}"#.as_slice(),
        br#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"}]},"result":{"tools":[]}}"#,
        br#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"}],"Tools":[{"name":"a","x":1}]}}"#,
        br#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a","name":"b"}]}}"#,
        br#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a","Name":"b"}]}}"#,
        br#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"title":"a"}]}}"#,
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"tools\":[{\"name\":\"a\",\"x\":\"\xff\"}]}}",
    ];
    for line in bad {
        let mut stand = Stand::new();
        stand.client(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
        let fate = stand.gate.handle_server(line, stand.now);
        assert_eq!(fate, Fate::Consumed, "{}", String::from_utf8_lossy(line));
        assert!(stand.asks().is_empty());
    }
}

#[test]
fn two_definitions_of_one_name_are_a_third_that_nobody_accepted() {
    let (one, other) = (r#"{"name":"a","x":1}"#, r#"{"name":"a","x":2}"#);
    for (listed, same) in [([one, one], true), ([one, other], false), ([other, one], false)] {
        let mut stand = Stand::new();
        stand.client(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
        stand.server(&format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{}]}}}}"#, listed.join(",")));
        stand.asks();
        let definition = stand.held("2", "a").definition;
        let known = [one, other].map(|tool| Some(Digest::of(tool.as_bytes())));
        assert_eq!(known.contains(&definition), same, "{listed:?}");
    }
}
