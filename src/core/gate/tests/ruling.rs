//! What policy and the hub rule without a person.

use super::stand::{Stand, call, ruling, table, text_of};
use crate::core::call::{self, Bound};
use crate::core::gate::*;
use crate::core::messages::*;
use crate::core::policy::Ruling;

#[test]
fn passing_and_denied_calls_need_no_hub() {
    let mut stand = Stand::new();
    stand.answer(Answer::Lost);
    assert_eq!(stand.client(&call("1", "pass")), Fate::Forward);
    assert_eq!(stand.client(&call("2", "deny")), Fate::Consumed);
    assert!(text_of(&stand.client_lines()[0]).starts_with("Permission denied: tool 'deny'"));
}

#[test]
fn hub_may_rule_on_a_call_itself() {
    let mut stand = Stand::new();
    stand.client(&call("1", "ask"));
    stand.client(&call("2", "ask"));
    let asks = stand.asks();
    let [Ask::Request(first), Ask::Request(second)] = asks.as_slice() else { panic!("{asks:?}") };
    stand.answer(Answer::Ruled(Ruled { id: first.id.clone(), ruling: ruling(Verdict::Pass), busy: false }));
    assert_eq!(stand.server_lines(), [call("1", "ask")]);
    stand.answer(Answer::Ruled(Ruled { id: second.id.clone(), ruling: ruling(Verdict::Ask), busy: false }));
    assert!(text_of(&stand.client_lines()[0]).starts_with("Permission denied"), "anything but pass refuses");
}

#[test]
fn a_call_of_too_many_is_told_to_wait_and_not_that_it_is_forbidden() {
    let mut stand = Stand::new();
    stand.client(&call("1", "gate"));
    let asks = stand.asks();
    let Some(Ask::Request(request)) = asks.iter().find(|ask| matches!(ask, Ask::Request(_))) else {
        panic!("{asks:?}")
    };
    let ruling = Ruling { reasons: vec!["20 calls wait".into()], ..ruling(Verdict::Deny) };
    stand.answer(Answer::Ruled(Ruled { id: request.id.clone(), ruling, busy: true }));
    let answer = &stand.client_lines()[0];
    let text = text_of(answer);
    assert!(text.contains("20 calls wait") && text.contains("Wait for the decisions"), "{text}");
    assert!(!text.contains("Permission"), "{text}");
}

#[test]
fn a_call_that_the_hub_must_look_at_passes_without_a_word_of_approval() {
    let mut stand = Stand::new();
    let mut table = table();
    table.tools.insert("ruled".into(), ruling(Verdict::Ask));
    stand.answer(Answer::Policy(table));
    stand.client(&call("1", "ruled"));
    let actions = stand.actions();
    let said = |action: &Action| matches!(action, Action::ToClient(_) | Action::ToHub(Ask::Call(_)));
    assert!(!actions.iter().any(said), "nothing is known yet: {actions:?}");
    let request = actions.iter().find_map(|action| match action {
        Action::ToHub(Ask::Request(request)) => Some(request.clone()),
        _ => None,
    });
    stand.answer(Answer::Ruled(Ruled { id: request.unwrap().id, ruling: ruling(Verdict::Pass), busy: false }));
    let actions = stand.actions();
    assert!(actions.iter().any(|action| matches!(action, Action::ToServer(_))));
    stand.server(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    let logged = stand.calls();
    assert_eq!(logged.len(), 1, "once, and as what it was: {logged:?}");
    assert_eq!((logged[0].verdict, logged[0].outcome), (Verdict::Pass, Some(Outcome::Succeeded)));
}

/// What the log is told of the calls that were denied.
fn denied(stand: &mut Stand) -> Vec<Denied> {
    stand.calls().into_iter().map(|call| call.denied.unwrap_or_else(|| panic!("{} is not denied", call.tool))).collect()
}

#[test]
fn the_log_is_told_what_a_denied_call_was_and_why() {
    let mut stand = Stand::new();
    stand.client(&call("1", "deny"));
    let [table] = &denied(&mut stand)[..] else { panic!("one") };
    assert_eq!(
        (table.reasons.as_slice(), table.arguments.as_deref()),
        (&["because".to_owned()][..], Some(r#"{"n":1}"#))
    );
    let agent = ClientId::from("agent");
    let bound = Bound::plain(&agent, "s", "deny", None, r#"{"n":1}"#);
    assert_eq!(table.digest, Some(call::digest(&bound)));

    // The hub denies one that it was asked about, and takes no more of them.
    for (id, busy) in [("2", false), ("3", true)] {
        assert_eq!(stand.client(&call(id, "delete")), Fate::Consumed);
        let actions = stand.actions();
        let request = actions.iter().find_map(|action| match action {
            Action::ToHub(Ask::Request(request)) => Some(request.clone()),
            _ => None,
        });
        let request = request.unwrap();
        stand.answer(Answer::Ruled(Ruled { id: request.id, ruling: ruling(Verdict::Deny), busy }));
        let [told] = &denied(&mut stand)[..] else { panic!("one") };
        assert!(told.reasons[0].ends_with("because"), "{told:?}");
        assert_eq!(told.digest.as_ref(), Some(&request.digest), "the digest that the hub was told");
    }

    // Over a bound of the shim's own.
    for id in 10..10 + MAX_HELD {
        stand.client(&call(&id.to_string(), "delete"));
    }
    stand.actions();
    stand.client(&call("9999", "delete"));
    let [told] = &denied(&mut stand)[..] else { panic!("one") };
    assert_eq!(told.reasons, ["too many calls wait for approval already"]);
    let long = format!(r#"{{"n":"{}"}}"#, "ü".repeat(MAX_DENIED_ARGUMENTS));
    let line = call("10000", "deny").replace(r#"{"n":10000}"#, &long);
    stand.client(&line);
    let arguments = denied(&mut stand)[0].arguments.clone().unwrap();
    assert!(arguments.len() <= MAX_DENIED_ARGUMENTS + 3 && arguments.ends_with("ü…"), "{}", arguments.len());
}
