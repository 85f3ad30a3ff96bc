//! The order of verdicts, word for word; the whole table of cases is `tests/verdicts.jsonl`.

use std::sync::Arc;

use super::*;

fn tool(name: &str, trust: Level, hitl: bool) -> Tool {
    Tool { name: name.into(), trust, trust_from: Source::Name, hitl, reason: None, drift: None, accepted: Vec::new() }
}

fn scales(change: impl FnOnce(&mut Scales)) -> Scales {
    let mut scales = Scales {
        caller: Caller::unlimited("ci".into()),
        policy: ServerPolicy::of_new_server(None),
        rules: Arc::default(),
        all_known: true,
        tools: Arc::new(vec![tool("delete", Level::High, false), tool("list", Level::Low, false)]),
    };
    change(&mut scales);
    let ready = Rules::compile(&scales.policy.rules).unwrap();
    Scales { rules: Arc::new(ready), ..scales }
}

fn tools(scales: &mut Scales) -> &mut Vec<Tool> {
    Arc::make_mut(&mut scales.tools)
}

fn rule(json: &str) -> Rule {
    serde_json::from_str(json).unwrap()
}

#[test]
fn nothing_set_passes_without_reasons() {
    let ruling = scales(|_| ()).weigh("delete", "{}", &Opinion::None);
    assert_eq!((ruling.verdict, ruling.reasons.len()), (Verdict::Pass, 0));
}

#[test]
fn gates_stack_and_each_says_why() {
    let strict = scales(|scales| {
        scales.policy.require_all = true;
        scales.policy.threshold = Some(Level::High);
        scales.policy.rules = vec![rule(r#"{"effect":"gate","description":"always"}"#)];
        tools(scales)[0].hitl = true;
        tools(scales)[0].reason = Some("it cannot be undone".into());
        tools(scales)[0].drift = Some(Drift::Changed);
    });
    let ruling = strict.weigh("delete", "{}", &Opinion::None);
    assert_eq!(ruling.verdict, Verdict::Gate);
    assert_eq!(
        ruling.reasons,
        [
            "approval is switched on for this tool",
            "this server requires approval for all tools",
            "trust high ≥ threshold high",
            "the tool's definition changed, and nobody has accepted the new one yet",
            "argument rule: always",
            "an administrator's note: it cannot be undone",
        ]
    );
}

#[test]
fn bypass_beats_every_gate_but_not_a_denial() {
    let bypassed = |scales: &mut Scales| {
        scales.policy.bypass.insert("ci".into());
        scales.policy.require_all = true;
        scales.policy.rules = vec![rule(r#"{"tool":"list","effect":"deny","description":"no"}"#)];
    };
    let ruling = scales(bypassed).weigh("delete", "{}", &Opinion::None);
    assert_eq!((ruling.verdict, ruling.bypass), (Verdict::Pass, true));
    assert_eq!(scales(bypassed).weigh("list", "{}", &Opinion::None).verdict, Verdict::Deny);
    assert_eq!(scales(bypassed).weigh("delete", "{}", &Opinion::No("no".into())).verdict, Verdict::Deny);
    let limited = scales(|scales| {
        bypassed(scales);
        scales.caller.agent_trust = Level::Medium;
    });
    assert_eq!(limited.weigh("delete", "{}", &Opinion::None).verdict, Verdict::Deny);
}

#[test]
fn the_lower_of_agent_and_user_limits_and_the_denial_says_what_there_is() {
    let limited = scales(|scales| {
        scales.caller.user_ceiling = Level::Low;
        scales.caller.agent_trust = Level::Medium;
    });
    let ruling = limited.weigh("delete", "{}", &Opinion::None);
    assert_eq!(ruling.reasons, ["the tool needs trust high, the user's ceiling on this server is low"]);
}

#[test]
fn a_rule_in_doubt_gates_and_denies_only_where_nobody_is_asked() {
    let doubtful = |bypass: bool, effect: &str| {
        let ruled = scales(|scales| {
            let condition = r#"{"pointer":"/n","op":"less","value":1}"#;
            scales.policy.rules = vec![rule(&format!(r#"{{"effect":"{effect}","when":[{condition}]}}"#))];
            scales.policy.bypass.extend(bypass.then(|| ClientId::from("ci")));
        });
        ruled.weigh("list", r#"{"n":"x"}"#, &Opinion::None).verdict
    };
    assert_eq!(doubtful(false, "gate"), Verdict::Gate);
    assert_eq!(doubtful(false, "deny"), Verdict::Gate);
    assert_eq!(doubtful(true, "gate"), Verdict::Pass);
    assert_eq!(doubtful(true, "deny"), Verdict::Deny);
}

#[test]
fn unlisted_tool_is_gated_when_anything_is_gated() {
    let toggled = scales(|scales| tools(scales)[1].hitl = true);
    assert_eq!(toggled.weigh("b", "{}", &Opinion::None).verdict, Verdict::Gate);
    assert_eq!(scales(|_| ()).weigh("b", "{}", &Opinion::None).verdict, Verdict::Pass);
    let table = toggled.table(&Opinion::None);
    assert_eq!(table.ruling("b").verdict, Verdict::Gate);
    assert_eq!(table.ruling("List").verdict, Verdict::Gate, "a look-alike is another tool");
}

#[test]
fn a_threshold_that_no_tool_reaches_gates_no_tool_but_by_its_own_level() {
    let benign = |change: fn(&mut Scales)| {
        scales(|scales| {
            scales.policy.threshold = Some(Level::High);
            tools(scales).remove(0);
            change(scales);
        })
    };
    let nothing = benign(|_| ());
    assert_eq!(nothing.weigh("frobnicate", "{}", &Opinion::None).verdict, Verdict::Pass);
    let named = nothing.weigh("delete_all", "{}", &Opinion::None);
    assert_eq!((named.verdict, named.reasons), (Verdict::Gate, vec!["trust high ≥ threshold high".to_owned()]));
    assert_eq!(nothing.table(&Opinion::None).unlisted.verdict, Verdict::Ask, "only the hub weighs names");
    let new = benign(|scales| tools(scales)[0].drift = Some(Drift::New)).weigh("list", "{}", &Opinion::None);
    assert_eq!(new.verdict, Verdict::Gate, "what is known to be new waits all the same");
    let always = benign(|scales| scales.policy.gate_changed_tools = Some(true));
    assert_eq!(always.weigh("frobnicate", "{}", &Opinion::None).verdict, Verdict::Gate);
    let bypassed = benign(|scales| scales.policy.bypass.extend([ClientId::from("ci")]));
    assert_eq!(bypassed.table(&Opinion::None).unlisted.verdict, Verdict::Pass);

    let unknown = benign(|scales| scales.all_known = false).weigh("frobnicate", "{}", &Opinion::None);
    let why = "the server has not listed this tool, and not all of its tools are known";
    assert_eq!((unknown.verdict, unknown.reasons), (Verdict::Gate, vec![why.to_owned()]));
}

#[test]
fn unlisted_tool_of_a_limited_caller_is_the_hubs_to_judge() {
    let limited = |scales: &mut Scales| scales.caller.agent_trust = Level::Medium;
    assert_eq!(scales(limited).table(&Opinion::None).unlisted.verdict, Verdict::Ask);
    let bypassed = scales(|scales| {
        limited(scales);
        scales.policy.bypass.insert("ci".into());
    });
    assert_eq!(bypassed.table(&Opinion::None).unlisted.verdict, Verdict::Ask);
}

#[test]
fn the_table_asks_where_arguments_or_an_external_decision_matter() {
    let rules = |bypass: bool, effect: &str, when: &str| {
        scales(|scales| {
            scales.policy.rules = vec![rule(&format!(r#"{{"tool":"l*","effect":"{effect}","when":[{when}]}}"#))];
            scales.policy.bypass.extend(bypass.then(|| ClientId::from("ci")));
        })
        .table(&Opinion::None)
    };
    let ruled = |bypass: bool, effect: &str| rules(bypass, effect, r#"{"pointer":"/n","op":"exists"}"#);
    assert_eq!(ruled(false, "gate").ruling("list").verdict, Verdict::Ask);
    assert_eq!(ruled(false, "gate").ruling("delete").verdict, Verdict::Pass);
    assert_eq!(ruled(true, "gate").ruling("list").verdict, Verdict::Pass);
    assert_eq!(ruled(true, "deny").ruling("list").verdict, Verdict::Ask);
    assert_eq!(ruled(true, "deny").ruling("other").verdict, Verdict::Ask);
    assert_eq!(ruled(false, "deny").ruling("list").reasons, ["denied where an argument rule matches: rule 1"]);
    let always = rules(false, "deny", "").ruling("list").clone();
    assert_eq!((always.verdict, always.reasons), (Verdict::Deny, vec!["argument rule: rule 1".to_owned()]));
    assert_eq!(rules(true, "gate", "").ruling("list").verdict, Verdict::Pass, "who is let through is, all the same");
    let table = scales(|scales| scales.policy.require_all = true).table(&Opinion::Unasked);
    assert!(table.tools.values().chain([&table.unlisted]).all(|ruling| ruling.verdict == Verdict::Ask));
}

#[test]
fn a_call_that_was_seen_is_never_asked_about_again() {
    for arguments in ["{}", "{\"n\":1}", "not json"] {
        for opinion in [Opinion::None, Opinion::Yes, Opinion::No("no".into())] {
            let ruled = scales(|scales| {
                let condition = r#"{"pointer":"/n","op":"less","value":1}"#;
                scales.policy.rules = vec![rule(&format!(r#"{{"effect":"deny","when":[{condition}]}}"#))];
            });
            assert_ne!(ruled.weigh("list", arguments, &opinion).verdict, Verdict::Ask);
        }
    }
}

#[test]
fn drift_gates_where_anything_is_gated_or_where_it_is_switched_on() {
    let new = |setting: Option<bool>, threshold: Option<Level>| {
        scales(|scales| {
            tools(scales)[1].drift = Some(Drift::New);
            scales.policy.gate_changed_tools = setting;
            scales.policy.threshold = threshold;
        })
        .weigh("list", "{}", &Opinion::None)
        .verdict
    };
    assert_eq!(new(None, None), Verdict::Pass);
    assert_eq!(new(None, Some(Level::High)), Verdict::Gate);
    assert_eq!(new(Some(true), None), Verdict::Gate);
    assert_eq!(new(Some(false), Some(Level::High)), Verdict::Pass);
}
