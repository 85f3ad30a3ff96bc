//! The commands of `hitl-hub` beside a running hub, and both programs' completions.

use serde_json::{Value, json};

use crate::support::{Hub, Ledger, Wrap, binary, text_of};

#[tokio::test]
async fn token_of_a_new_agent_stands_alone_on_stdout() {
    let hub = Hub::start().await;
    let token = hub.run(&["agent", "add", "claude", "--user", "alice"]).await;
    assert!(token.starts_with("hitl_a_") && !token.contains(char::is_whitespace), "{token}");
    let list = hub.run(&["agent", "list"]).await;
    assert!(list.contains("claude") && list.contains("alice"), "{list}");
    assert!(!list.contains(&token), "the token is shown once");
}

#[tokio::test]
async fn approval_is_decided_in_a_terminal() {
    let hub = Hub::start().await;
    let approver = hub.sign_in().await;
    let token = hub.add_agent("claude").await;
    let ledger = Ledger::new();
    let mut client = Wrap::around(ledger.server()).named("repos").with_hub(&hub, &token).start();
    client.initialize().await;

    let id = client.call("delete_repo", json!({ "repo": "a" })).await;
    let pending = approver.the_pending_approval().await;
    let approval = pending["id"].as_str().unwrap();
    assert!(hub.run(&["approvals", "list"]).await.contains("delete_repo"));
    let shown: Value = serde_json::from_str(&hub.run(&["approvals", "show", approval, "--json"]).await).unwrap();
    assert_eq!(shown["arguments"], pending["arguments"]);
    hub.run(&["approvals", "extend", approval]).await;
    let extended = approver.approval(approval).await;
    assert!(extended["deadline_at"].as_i64() > pending["deadline_at"].as_i64(), "{extended}");
    hub.run(&["approvals", "approve", approval]).await;
    assert!(text_of(&client.answer(id).await).contains("delete_repo done"));

    let id = client.call("delete_repo", json!({ "repo": "b" })).await;
    let pending = approver.the_pending_approval().await;
    hub.run(&["approvals", "reject", pending["id"].as_str().unwrap(), "--reason", "Suspicious arguments"]).await;
    assert!(text_of(&client.answer(id).await).contains("'Suspicious arguments'"));
    assert_eq!(ledger.runs_of("delete_repo"), 1);
}

#[tokio::test]
async fn both_programs_write_completions_for_every_shell() {
    for (program, commands) in [("hitl-wrap", ["demo"]), ("hitl-hub", ["approvals"])] {
        for shell in ["bash", "zsh", "fish"] {
            let output = std::process::Command::new(binary(program)).args(["completions", shell]).output().unwrap();
            let script = String::from_utf8(output.stdout).unwrap();
            assert!(output.status.success(), "{program} {shell}");
            for command in commands {
                assert!(script.contains(program) && script.contains(command), "{program} {shell}");
            }
        }
    }
}

#[test]
fn both_programs_tell_their_version() {
    for program in ["hitl-wrap", "hitl-hub"] {
        let output = std::process::Command::new(binary(program)).arg("--version").output().unwrap();
        assert_eq!(
            String::from_utf8(output.stdout).unwrap().trim(),
            format!("{program} {}", env!("CARGO_PKG_VERSION"))
        );
    }
}
