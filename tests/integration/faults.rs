//! Hubs and servers that are not there, or go: each fault has its sentence, and a gated call is refused.

use std::process::Stdio;

use serde_json::json;

use crate::support::{Hub, Ledger, NOBODY, Wrap, binary, text_of};

#[tokio::test]
async fn call_is_refused_by_name_when_the_hub_cannot_be_reached() {
    let ledger = Ledger::new();
    let wrap =
        Wrap::around(ledger.server()).named("repos").with_hub_at(NOBODY, "hitl_a_none").env("HITL_HUB_WAIT", "2");
    let mut client = wrap.start();
    client.initialize().await;
    // An answer is waited for much shorter than an approval would be.
    let id = client.call("delete_repo", json!({ "repo": "a" })).await;
    let answer = client.answer(id).await;
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    let text = text_of(&answer);
    assert!(text.contains(NOBODY) && text.contains("not executed"), "{text}");
    assert_eq!(ledger.runs_of("delete_repo"), 0);
}

#[tokio::test]
async fn everything_but_calls_passes_when_the_hub_cannot_be_reached() {
    let ledger = Ledger::new();
    let mut client = Wrap::around(ledger.server()).named("repos").with_hub_at(NOBODY, "hitl_a_none").start();
    client.initialize().await;
    client.round_trip().await;
    assert!(client.end().await.success());
}

#[tokio::test]
async fn call_is_refused_when_the_hub_does_not_know_the_token() {
    let hub = Hub::start().await;
    let ledger = Ledger::new();
    let wrap = Wrap::around(ledger.server()).named("repos").with_hub(&hub, "hitl_a_wrong").env("HITL_HUB_WAIT", "2");
    let mut client = wrap.start();
    client.initialize().await;
    let id = client.call("list_repos", json!({})).await;
    let answer = client.answer(id).await;
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    assert!(text_of(&answer).contains("not executed"), "{answer}");
    let said = client.stderr.next_with("token").await;
    assert!(said.starts_with("hitl-wrap: "), "{said}");
    assert_eq!(ledger.runs_of("list_repos"), 0);
}

#[tokio::test]
async fn revoked_agent_is_refused() {
    let hub = Hub::start().await;
    let token = hub.add_agent("claude").await;
    hub.run(&["agent", "revoke", "claude"]).await;
    let ledger = Ledger::new();
    let wrap = Wrap::around(ledger.server()).named("repos").with_hub(&hub, &token).env("HITL_HUB_WAIT", "2");
    let mut client = wrap.start();
    client.initialize().await;
    let id = client.call("list_repos", json!({})).await;
    assert_eq!(client.answer(id).await["result"]["isError"], true);
    assert_eq!(ledger.runs_of("list_repos"), 0);
}

#[tokio::test]
async fn server_that_does_not_exist_ends_the_shim_with_127() {
    let mut client = Wrap::around(vec!["/nonexistent/server".into()]).with_hub_at(NOBODY, "hitl_a_none").start();
    assert_eq!(client.wait().await.code(), Some(127));
    let said = client.stderr.next_with("/nonexistent/server").await;
    assert!(said.starts_with("hitl-wrap: "), "{said}");
    assert_eq!(client.stdout.rest().await, b"");
}

#[tokio::test]
async fn server_that_may_not_be_run_ends_the_shim_with_126() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("server");
    std::fs::write(&file, "no program").unwrap();
    let mut client = Wrap::around(vec![file.display().to_string()]).with_hub_at(NOBODY, "hitl_a_none").start();
    assert_eq!(client.wait().await.code(), Some(126));
    client.stderr.next_with("hitl-wrap: ").await;
}

#[tokio::test]
async fn calls_held_when_the_server_dies_are_answered_once_each_and_cancelled() {
    let hub = Hub::start().await;
    let approver = hub.sign_in().await;
    let token = hub.add_agent("claude").await;
    let ledger = Ledger::new();
    let mut client = Wrap::around(ledger.server()).named("repos").with_hub(&hub, &token).start();
    client.initialize().await;
    let held = [
        client.call("delete_repo", json!({ "repo": "a" })).await,
        client.call("delete_repo", json!({ "repo": "b" })).await,
    ];
    let queue = approver.pending_approvals(2).await;
    client.call("die", json!({})).await;

    assert_eq!(client.wait().await.code(), Some(7));
    client.stdout.rest().await;
    let said = client.stdout.text();
    for id in held {
        let answers: Vec<serde_json::Value> = said
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .filter(|message: &serde_json::Value| message["id"] == id && message.get("method").is_none())
            .collect();
        assert_eq!(answers.len(), 1, "{said}");
        assert_eq!(answers[0]["result"]["isError"], true);
        assert!(text_of(&answers[0]).contains("not executed"), "{said}");
    }
    for approval in queue {
        approver.wait_for(approval["id"].as_str().unwrap(), "status", "cancelled").await;
        assert_eq!(approver.approve(&approval).await.status, 409);
    }
    assert_eq!(ledger.runs_of("delete_repo"), 0);
}

/// Runs `hitl-hub serve ARGS` that is expected to fail, and returns its stderr.
async fn refused_serve(args: &[&str]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let mut command = tokio::process::Command::new(binary("hitl-hub"));
    command.arg("serve").args(args).env("HOME", dir.path()).env_remove("HITL_DATA_DIR");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let run = command.spawn().unwrap().wait_with_output();
    let output = tokio::time::timeout(crate::support::PATIENCE, run).await.expect("serve gives up").unwrap();
    assert!(!output.status.success());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with("hitl-hub: ") && !stderr.contains("panicked"), "{stderr}");
    stderr
}

#[tokio::test]
async fn port_in_use_is_an_error_that_names_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = tempfile::tempdir().unwrap();
    let stderr = refused_serve(&["--listen", &address, "--data-dir", data.path().to_str().unwrap()]).await;
    assert!(stderr.contains(&address), "{stderr}");
}

#[tokio::test]
async fn data_dir_that_cannot_be_made_is_an_error_that_names_it() {
    // Root may write anywhere, so the obstacle is a file where a directory is needed.
    let file = tempfile::NamedTempFile::new().unwrap();
    let data = file.path().join("data");
    let stderr = refused_serve(&["--listen", "127.0.0.1:0", "--data-dir", data.to_str().unwrap()]).await;
    assert!(stderr.contains(data.to_str().unwrap()), "{stderr}");
}

#[tokio::test]
async fn password_in_the_command_line_is_refused_and_not_repeated() {
    for url in ["postgres://u:secret@localhost:1/hitl", "postgres://localhost:1/hitl?user=u&password=secret"] {
        let stderr = refused_serve(&["--listen", "127.0.0.1:0", "--database", url]).await;
        assert!(stderr.contains("HITL_DATABASE") && stderr.contains(".pgpass"), "{stderr}");
        assert!(!stderr.contains("secret"), "{stderr}");
    }
}

#[tokio::test]
async fn second_hub_on_the_same_store_is_refused() {
    let hub = Hub::start().await;
    let data = hub.data_dir().to_str().unwrap();
    let stderr = refused_serve(&["--listen", "127.0.0.1:0", "--data-dir", data]).await;
    assert!(stderr.contains(data), "{stderr}");
}

#[tokio::test]
async fn address_beyond_this_machine_is_refused_without_tls() {
    let data = tempfile::tempdir().unwrap();
    let stderr = refused_serve(&["--listen", "0.0.0.0:0", "--data-dir", data.path().to_str().unwrap()]).await;
    assert!(stderr.contains("tls_cert") && stderr.contains("behind_proxy"), "{stderr}");
}
