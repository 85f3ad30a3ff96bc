//! What each operator compares, what a doubt does, and where a fault is.

use super::*;

fn rules(json: &str) -> Result<Rules, RuleFault> {
    Rules::compile(&serde_json::from_str::<Vec<Rule>>(json).unwrap())
}

fn one(condition: &str) -> Rules {
    rules(&format!(r#"[{{"when":[{condition}],"effect":"gate","description":"d"}}]"#)).unwrap()
}

fn reason(condition: &str, arguments: &str) -> Option<String> {
    one(condition).hits("t", arguments).pop().map(|hit| hit.reason)
}

#[test]
fn operators_compare_as_they_say() {
    for (condition, arguments, hit) in [
        (r#"{"pointer":"/a","op":"equals","value":"x"}"#, r#"{"a":"x"}"#, true),
        (r#"{"pointer":"/a","op":"equals","value":1}"#, r#"{"a":1.0}"#, true),
        (r#"{"pointer":"/a","op":"equals","value":1}"#, r#"{"a":"1"}"#, false),
        (r#"{"pointer":"/a","op":"equals"}"#, r#"{"a":null}"#, true),
        (r#"{"pointer":"/a","op":"glob","value":"/etc/**"}"#, r#"{"a":"/etc/ssh/key"}"#, true),
        (r#"{"pointer":"/a","op":"glob","value":"/etc/*"}"#, r#"{"a":"/etc/ssh/key"}"#, false),
        (r#"{"pointer":"/a","op":"regex","value":"^rm\\b"}"#, r#"{"a":"rm -rf /"}"#, true),
        (r#"{"pointer":"/a","op":"contains","value":"prod"}"#, r#"{"a":"db-prod-1"}"#, true),
        (r#"{"pointer":"/a","op":"contains","value":"prod"}"#, r#"{"a":["dev","prod"]}"#, true),
        (r#"{"pointer":"/a/0/b","op":"greater","value":10}"#, r#"{"a":[{"b":10.5}]}"#, true),
        (r#"{"pointer":"/a","op":"less","value":10}"#, r#"{"a":10}"#, false),
        (r#"{"pointer":"/a~1b","op":"exists"}"#, r#"{"a/b":null}"#, true),
        (r#"{"pointer":"","op":"exists"}"#, r#"{}"#, true),
        (r#"{"pointer":"/a","op":"exists","not":true}"#, r#"{}"#, true),
        (r#"{"pointer":"/a","op":"glob","value":"/tmp/**","not":true}"#, r#"{"a":"/etc/x"}"#, true),
        (r#"{"pointer":"/a","op":"glob","value":"/tmp/**","not":true}"#, r#"{}"#, true),
        (r#"{"pointer":"/a","op":"glob","value":"/tmp/**"}"#, r#"{}"#, false),
        (r#"{"pointer":"/a","op":"glob","value":"/tmp/**"}"#, "null", false),
        (r#"{"pointer":"/a","op":"exists","not":true}"#, "[ ]", true),
    ] {
        assert_eq!(reason(condition, arguments).is_some(), hit, "{condition} on {arguments}");
    }
}

#[test]
fn what_cannot_be_compared_gates_and_says_why() {
    assert_eq!(
        reason(r#"{"pointer":"/a","op":"greater","value":10}"#, r#"{"a":"11"}"#).as_deref(),
        Some("d: cannot be evaluated (/a is a string)")
    );
    assert!(reason(r#"{"pointer":"/a","op":"regex","value":"x","not":true}"#, r#"{"a":{}}"#).is_some());
    assert!(reason(r#"{"pointer":"/a","op":"exists"}"#, "not json").is_some());
}

#[test]
fn a_member_that_looks_like_the_one_meant_puts_a_rule_in_doubt() {
    let deny = rules(
        r#"[{"effect":"deny","description":"no /etc","when":[{"pointer":"/path","op":"glob","value":"/etc/**"}]}]"#,
    )
    .unwrap();
    for arguments in [r#"{"Path":"/etc/passwd"}"#, r#"{"path":"/tmp/x","PATH":"/etc/passwd"}"#, r#"{"p\u0061th ":1}"#] {
        let hits = deny.hits("t", arguments);
        assert!(hits.len() == 1 && hits[0].doubt && hits[0].effect == Effect::Deny, "{arguments}: {hits:?}");
    }
    assert_eq!(
        deny.hits("t", r#"{"Path":"/tmp"}"#)[0].reason,
        r#"no /etc: cannot be evaluated (/path could be read from the member "Path")"#
    );
    assert!(deny.hits("t", r#"{"paths":"/etc/passwd"}"#).is_empty());
}

#[test]
fn conditions_hold_together_and_tools_are_globs() {
    let both = rules(
        r#"[{"tool":"write_*","effect":"deny","description":"no keys","priority":1,"when":[
            {"pointer":"/path","op":"contains","value":".ssh"},{"pointer":"/force","op":"equals","value":true}]},
           {"tool":"*","effect":"gate"}]"#,
    )
    .unwrap();
    assert!(both.concern("write_file") && both.concern("x"));
    let hits = both.hits("write_file", r#"{"path":"/home/.ssh/id","force":true}"#);
    assert_eq!(hits[0], Hit { effect: Effect::Deny, doubt: false, reason: "no keys".into() });
    assert_eq!(hits[1], Hit { effect: Effect::Gate, doubt: false, reason: "rule 2".into() });
    assert_eq!(both.hits("write_file", r#"{"path":"/home/.ssh/id"}"#).len(), 1);
}

#[test]
fn faults_are_named_with_their_place() {
    for (json, place) in [
        (r#"[{"effect":"gate"},{"effect":"gate","when":[{"pointer":"a","op":"exists"}]}]"#, "rules[1].when[0].pointer"),
        (r#"[{"effect":"gate","when":[{"pointer":"/a","op":"regex","value":"("}]}]"#, "rules[0].when[0].value"),
        (r#"[{"effect":"gate","when":[{"pointer":"/a","op":"less","value":"1"}]}]"#, "rules[0].when[0].value"),
        (r#"[{"effect":"gate","when":[{"pointer":"/a","op":"exists","value":1}]}]"#, "rules[0].when[0].value"),
        (r#"[{"effect":"gate","tool":"[a"}]"#, "rules[0].tool"),
        (r#"[{"effect":"gate"},{"effect":"gate"}]"#, "rules[1]"),
        (
            r#"[{"effect":"gate","when":[{"pointer":"/a","op":"regex","value":"(.{1000}){1000}"}]}]"#,
            "rules[0].when[0].value",
        ),
    ] {
        assert_eq!(rules(json).unwrap_err().place, place, "{json}");
    }
}

#[test]
fn what_is_no_rule_at_all_is_named_with_its_place_too() {
    for (json, place, word) in [
        (r#"[{"effect":"gate"},7]"#, "rules[1]", "struct Rule"),
        (r#"[{"effect":"allow"}]"#, "rules[0]", "allow"),
        (r#"[{"tool":"*"}]"#, "rules[0]", "effect"),
        (r#"[{"effect":"gate","tol":"*"}]"#, "rules[0]", "tol"),
        (
            r#"[{"effect":"gate","when":[{"pointer":"/a","op":"exists"},{"pointer":"/a","op":"is"}]}]"#,
            "rules[0].when[1]",
            "is",
        ),
        (r#"[{"effect":"gate","when":{}}]"#, "rules[0]", "sequence"),
    ] {
        let fault = read(&serde_json::from_str::<Vec<Value>>(json).unwrap()).unwrap_err();
        assert_eq!(fault.place, place, "{json}");
        assert!(fault.why.contains(word), "{fault}");
    }
}

#[test]
fn rules_that_cannot_be_read_put_every_call_in_doubt() {
    let broken = Rules::broken();
    assert!(broken.concern("t") && broken.may_deny("t") && broken.deny_anything());
    assert!(broken.hits("t", "{}")[0].doubt);
}

#[test]
fn a_regex_that_would_explode_elsewhere_ends_at_once() {
    let evil = format!(r#"{{"a":"{}!"}}"#, "a".repeat(100_000));
    assert_eq!(reason(r#"{"pointer":"/a","op":"regex","value":"^(a+)+$"}"#, &evil), None);
}
