//! How passing calls ended, as the log is told; what passes never depends on it.

use super::passing::RUNNING_AFTER;
use super::requests::MAX_PASSED;
use super::tests::{Stand, call, ruling, table};
use super::*;
use crate::core::messages::*;
use crate::core::peek::SEARCHED_BYTES;
use crate::core::policy::Ruling;

const RUNNING: u64 = RUNNING_AFTER.as_secs();

/// A stand with this passing call under way.
fn passing(id: &str) -> Stand {
    let mut stand = Stand::new();
    assert_eq!(stand.client(&call(id, "pass")), Fate::Forward);
    assert_eq!(stand.calls(), [], "it has not ended");
    stand
}

fn ends(calls: &[Activity]) -> Vec<(Option<Outcome>, Option<u64>)> {
    calls.iter().map(|call| (call.outcome, call.duration_ms)).collect()
}

#[test]
fn a_passing_call_is_told_with_its_end_and_how_long_it_took() {
    for (answer, outcome) in [
        (r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#.to_owned(), Outcome::Succeeded),
        (r#"{"result":{"content":[],"isError":true},"jsonrpc":"2.0","id":1}"#.to_owned(), Outcome::Failed),
        (r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no"}}"#.to_owned(), Outcome::Failed),
        // Not as servers write them: these are read, not looked at.
        (r#"{"jsonrpc":"2.0","id":1,"result":{"isError":true,"content":[]}}"#.to_owned(), Outcome::Failed),
        (
            r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"text":"\"isError\":true"}]}}"#.to_owned(),
            Outcome::Succeeded,
        ),
        (r#"{"_x":0,"jsonrpc":"2.0","id":1,"result":{"isError":true}}"#.to_owned(), Outcome::Failed),
        // A giant says at its end how it ended, or nobody knows.
        (giant(r#","isError":false"#), Outcome::Succeeded),
        (giant(r#","isError":true"#), Outcome::Failed),
    ] {
        let mut stand = passing("1");
        stand.now += Duration::from_millis(250);
        assert_eq!(stand.server(&answer), Fate::Forward);
        let told = stand.calls();
        assert_eq!(ends(&told), [(Some(outcome), Some(250))], "{answer:.80}");
        assert_eq!((told[0].tool.as_str(), told[0].verdict, told[0].age_ms), ("pass", Verdict::Pass, 250));
        assert_eq!(stand.server(&answer), Fate::Consumed, "there is one answer");
    }
}

fn giant(said: &str) -> String {
    let text = "x".repeat(SEARCHED_BYTES);
    format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"content":[{{"text":"{text}"}}]{said}}}}}"#)
}

#[test]
fn an_end_that_nobody_knows_is_never_guessed() {
    let mut stand = passing("1");
    stand.server(&giant(""));
    assert_eq!(ends(&stand.calls()), [(Some(Outcome::Unknown), None)], "a giant that does not say it");

    let mut stand = passing("1");
    assert_eq!(stand.client(&call("1", "pass")), Fate::Forward);
    assert_eq!(ends(&stand.calls()), [(Some(Outcome::Unknown), None); 2], "two calls under one id");

    let mut stand = passing("1");
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    assert_eq!(stand.client(cancel), Fate::Forward);
    assert_eq!(ends(&stand.calls()), [(Some(Outcome::Unknown), None)], "a cancelled call is not answered");

    let mut stand = passing("1");
    stand.gate.handle_server_gone(stand.now);
    assert_eq!(ends(&stand.calls()), [(Some(Outcome::Unknown), None)], "the server is gone");
}

#[test]
fn an_answer_ends_the_call_of_its_own_id_only() {
    let mut stand = passing("1");
    stand.client(&call(r#""1""#, "pass"));
    for line in [
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"what?"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#,
        "no JSON at all",
    ] {
        assert_eq!(stand.server(line), Fate::Forward);
        assert_eq!(stand.calls(), [], "{line}");
    }
    stand.server(r#"{"jsonrpc":"2.0","id":"\u0031","result":{}}"#);
    assert_eq!(stand.calls().len(), 1);
    stand.server(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    assert_eq!(stand.calls().len(), 1, "the number is another id than the string");
}

#[test]
fn while_something_is_held_passing_calls_are_told_of_all_the_same() {
    let mut stand = passing("1");
    stand.client(&call("2", "delete"));
    stand.actions();
    assert_eq!(stand.server(r#"{"jsonrpc":"2.0","id":2,"result":{}}"#), Fate::Consumed, "forged");
    assert_eq!(stand.server(r#"{"jsonrpc":"2.0","id":1,"result":{"isError":true}}"#), Fate::Forward);
    assert_eq!(ends(&stand.calls()), [(Some(Outcome::Failed), Some(0))]);
}

#[test]
fn a_call_that_runs_long_is_told_of_while_it_runs_and_again_at_its_end() {
    let mut stand = passing("1");
    stand.now += Duration::from_secs(1);
    stand.client(&call("2", "pass"));
    stand.pass_time(RUNNING - 1);
    let told = stand.calls();
    assert_eq!(ends(&told), [(Some(Outcome::Released), None)]);
    assert_eq!((told[0].age_ms, told[0].running), (RUNNING * 1000, Some(1)));
    stand.pass_time(1);
    assert_eq!(stand.calls()[0].running, Some(2), "each has a number of its own");
    stand.pass_time(60);
    assert_eq!(stand.calls(), [], "and is told of once");
    assert_eq!(stand.gate.poll_timeout(), None);

    stand.server(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    let told = stand.calls();
    assert_eq!(ends(&told), [(Some(Outcome::Succeeded), Some((RUNNING + 61) * 1000))]);
    assert_eq!(told[0].running, Some(1));
}

#[test]
fn of_too_many_calls_the_oldest_is_told_as_unknown() {
    let mut stand = passing("0");
    for id in 1..MAX_PASSED {
        stand.now += Duration::from_millis(1);
        stand.client(&call(&id.to_string(), "pass"));
    }
    assert_eq!(stand.calls(), []);
    stand.client(&call("-1", "pass"));
    assert_eq!(ends(&stand.calls()), [(Some(Outcome::Unknown), None)]);
    stand.server(r#"{"jsonrpc":"2.0","id":0,"result":{}}"#);
    assert_eq!(stand.calls(), [], "it is not awaited any more");
    stand.server(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    assert_eq!(stand.calls().len(), 1, "the second one is");
}

#[test]
fn a_bypassed_call_is_told_as_that_and_a_denied_one_as_not_executed() {
    let mut stand = Stand::new();
    let mut table = table();
    table.tools.insert("pass".into(), Ruling { bypass: true, ..ruling(Verdict::Pass) });
    stand.answer(Answer::Policy(table));
    stand.client(&call("1", "pass"));
    stand.server(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    let told = stand.calls();
    assert_eq!((told[0].bypass, told[0].outcome), (true, Some(Outcome::Succeeded)));
    stand.client(&call("2", "deny"));
    let told = stand.calls();
    assert_eq!((told[0].verdict, told[0].outcome), (Verdict::Deny, Some(Outcome::NotExecuted)));
}
