//! Argument rules on real calls: every operator, with server-filesystem and server-everything.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Approver, Client, Fate, Hub, Wrap, everything, filesystem};

/// A client of this server, which is named `files`; the hub looks at each of its calls.
async fn open(server: Vec<String>, harmless: &str) -> (Hub, Approver, Client) {
    let hub = Hub::start().await;
    let approver = hub.sign_in().await;
    let token = hub.add_agent("claude").await;
    let mut client = Wrap::around(server).named("files").with_hub(&hub, &token).start();
    client.initialize().await;
    approver.knows_tool("files", harmless).await;
    approver.set_policy("files", json!({ "threshold": null })).await;
    client.is_looked_at(&approver, "files", harmless).await;
    (hub, approver, client)
}

/// Sets rules, which the hub looks at from the very next call of these tools on.
async fn set_rules(approver: &Approver, rules: Value) {
    approver.set_policy("files", json!({ "rules": rules })).await;
}

fn gated(reason: &str) -> Fate {
    Fate::gated(&format!("argument rule: {reason}"))
}

fn denied(reason: &str) -> Fate {
    Fate::denied(&format!("argument rule: {reason}"))
}

/// Plays calls whose fate must be this one; of a call that passes only that.
async fn play(client: &mut Client, approver: &Approver, calls: Vec<(&str, Value, Option<Fate>)>) {
    for (tool, arguments, expected) in calls {
        let fate = client.fate(approver, tool, arguments.clone()).await;
        match expected {
            Some(expected) => assert_eq!(fate, expected, "{tool} {arguments}"),
            None => assert!(fate.passed(), "{tool} {arguments}: {fate:?}"),
        }
    }
}

/// Rules over paths and contents; `dir` is what the server may touch.
fn file_rules(dir: &Path) -> Value {
    let inside = format!("{}/**", dir.display());
    json!([
        { "tool": "write_file", "effect": "gate", "description": "secrets",
          "when": [{ "pointer": "/path", "op": "glob", "value": format!("{}/secret/**", dir.display()) }] },
        { "tool": "write_*", "effect": "deny", "description": "no passwords",
          "when": [{ "pointer": "/content", "op": "contains", "value": "password=" }] },
        { "tool": "write_*", "effect": "gate", "description": "scripts", "priority": 7,
          "when": [{ "pointer": "/path", "op": "regex", "value": "\\.(sh|py)$" }] },
        { "tool": "move_file", "effect": "deny", "description": "leaves the folder",
          "when": [{ "pointer": "/destination", "op": "glob", "value": inside, "not": true }] },
        { "tool": "list_directory_with_sizes", "effect": "gate", "description": "sorted",
          "when": [{ "pointer": "/sortBy", "op": "exists" }] },
        { "tool": "edit_file", "effect": "gate", "description": "edits for real, of a config",
          "when": [{ "pointer": "/path", "op": "glob", "value": "**/*.toml" },
                   { "pointer": "/dryRun", "op": "equals", "value": true, "not": true }] },
        { "tool": "read_multiple_files", "effect": "gate", "description": "the list names the log",
          "when": [{ "pointer": "/paths", "op": "contains", "value": format!("{}/log", dir.display()) }] },
        { "tool": "read_text_file", "effect": "gate", "description": "many lines",
          "when": [{ "pointer": "/head", "op": "greater", "value": 1000 }] },
        { "tool": "read_text_file", "effect": "gate", "description": "no limit",
          "when": [{ "pointer": "/head", "op": "exists", "not": true },
                   { "pointer": "/tail", "op": "exists", "not": true }] },
    ])
}

#[tokio::test]
async fn every_operator_rules_on_real_file_calls() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().canonicalize().unwrap();
    std::fs::create_dir(dir.join("secret")).unwrap();
    let at = |name: &str| dir.join(name).display().to_string();
    for name in ["log", "a.toml", "note"] {
        std::fs::write(dir.join(name), "one\ntwo\n").unwrap();
    }
    let (_hub, approver, mut client) = open(filesystem(&dir), "list_allowed_directories").await;
    set_rules(&approver, file_rules(&dir)).await;

    let write = |name: &str, content: &str| json!({ "path": at(name), "content": content });
    let edit = |dry: Value| json!({ "path": at("a.toml"), "edits": [{ "oldText": "one", "newText": "three" }], "dryRun": dry });
    let read = |more: Value| {
        let mut arguments = json!({ "path": at("note") });
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        arguments
    };
    let calls = vec![
        ("write_file", write("plain", "text"), None),
        ("write_file", write("secret/key", "text"), Some(gated("secrets"))),
        ("write_file", write("note", "password=1"), Some(denied("no passwords"))),
        // A denial outweighs what would gate, and of two that gate the one of higher priority is named first.
        ("write_file", write("secret/run.sh", "password=1"), Some(denied("no passwords"))),
        (
            "write_file",
            write("secret/run.sh", "ls"),
            Some(Fate::Gated(vec!["argument rule: scripts".into(), "argument rule: secrets".into()])),
        ),
        ("write_file", write("run.shell", "ls"), None),
        ("move_file", json!({ "source": at("plain"), "destination": at("plainer") }), None),
        ("move_file", json!({ "source": at("note"), "destination": "/tmp/out" }), Some(denied("leaves the folder"))),
        // A rule turned round also holds where there is no such member; the server would have refused this one itself.
        ("move_file", json!({ "source": at("note") }), Some(denied("leaves the folder"))),
        ("list_directory_with_sizes", json!({ "path": at("") }), None),
        ("list_directory_with_sizes", json!({ "path": at(""), "sortBy": "size" }), Some(gated("sorted"))),
        ("edit_file", edit(json!(true)), None),
        ("edit_file", edit(json!(false)), Some(gated("edits for real, of a config"))),
        ("read_multiple_files", json!({ "paths": [at("note"), at("a.toml")] }), None),
        ("read_multiple_files", json!({ "paths": [at("note"), at("log")] }), Some(gated("the list names the log"))),
        ("read_text_file", read(json!({ "head": 1000 })), None),
        ("read_text_file", read(json!({ "head": 1000.5 })), Some(gated("many lines"))),
        ("read_text_file", read(json!({ "tail": 1 })), None),
        ("read_text_file", read(json!({})), Some(gated("no limit"))),
        (
            "read_text_file",
            read(json!({ "head": "all" })),
            Some(gated("many lines: cannot be evaluated (/head is a string)")),
        ),
    ];
    play(&mut client, &approver, calls).await;

    // What was said to have happened did, and nothing else.
    let names = |dir: &Path| {
        let mut names: Vec<_> = dir.read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&dir), ["a.toml", "log", "note", "plainer", "run.shell", "secret"]);
    assert!(names(&dir.join("secret")).is_empty());
    assert_eq!(std::fs::read_to_string(at("note")).unwrap(), "one\ntwo\n");
    assert_eq!(std::fs::read_to_string(at("a.toml")).unwrap(), "one\ntwo\n");
}

#[tokio::test]
async fn rules_compare_numbers_and_change_between_two_calls() {
    let (_hub, approver, mut client) = open(everything(), "get-env").await;
    let sum = |a: Value, b: Value| json!({ "a": a, "b": b });
    let rule = |op: &str, value: Value, effect: &str| {
        json!([{ "tool": "get-*", "effect": effect, "description": op,
                 "when": [{ "pointer": "/a", "op": op, "value": value }] }])
    };
    for (op, value, a, hit) in [
        ("less", json!(0), json!(-1), true),
        ("less", json!(0), json!(0), false),
        ("greater", json!(1e9), json!(1_000_000_001_i64), true),
        ("greater", json!(1e9), json!(1e9), false),
        ("equals", json!(7), json!(7.0), true),
        ("equals", json!(7), json!(8), false),
    ] {
        set_rules(&approver, rule(op, value.clone(), "gate")).await;
        let expected = hit.then(|| gated(op));
        play(&mut client, &approver, vec![("get-sum", sum(a.clone(), json!(1)), expected)]).await;
        set_rules(&approver, rule(op, value, "deny")).await;
        let expected = hit.then(|| denied(op));
        play(&mut client, &approver, vec![("get-sum", sum(a, json!(1)), expected)]).await;
    }
    // A member that is missing meets no condition.
    set_rules(&approver, rule("less", json!(1e300), "deny")).await;
    play(
        &mut client,
        &approver,
        vec![("get-env", json!({}), None), ("get-sum", sum(json!(1), json!(1)), Some(denied("less")))],
    )
    .await;
}
