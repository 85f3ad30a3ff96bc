//! The commands of `hitl-hub` beside a running hub.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::support::hub::command;
use crate::support::{Approver, Hub, Ledger, PATIENCE, Wrap, binary, browser, eventually, text_of};

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
async fn a_person_decides_in_a_terminal_far_from_the_hub_with_a_token_of_their_own() {
    let hub = Hub::start().await;
    let approver = hub.sign_in().await;
    let agent = hub.add_agent("claude").await;
    let ledger = Ledger::new();
    let mut client = Wrap::around(ledger.server()).named("repos").with_hub(&hub, &agent).start();
    client.initialize().await;
    hub.run(&["user", "add", "grace", "--role", "approver"]).await;
    let token = hub.run(&["user", "token", "grace", "--expires", "2h"]).await;
    assert!(token.starts_with("hitl_u_") && !token.contains(char::is_whitespace), "{token}");
    let tokens = hub.run(&["user", "tokens", "grace"]).await;
    assert!(!tokens.contains(&token), "it is shown once");
    let id = tokens.split_whitespace().find(|word| word.starts_with("token-")).expect("its id").to_owned();

    let elsewhere = tempfile::tempdir().unwrap();
    let decide = async |args: &[&str]| {
        let mut command = command(&binary("hitl-hub"), elsewhere.path());
        command.arg("approvals").args(args).args(["--hub", &hub.url]).env("HITL_USER_TOKEN", &token);
        command.output().await.unwrap()
    };
    let call = client.call("delete_repo", json!({ "repo": "a" })).await;
    let pending = approver.the_pending_approval().await;
    let done = decide(&["approve", pending["id"].as_str().unwrap()]).await;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(text_of(&client.answer(call).await).contains("delete_repo done"));
    assert_eq!(approver.approval(pending["id"].as_str().unwrap()).await["decided_by"], "grace");

    let call = client.call("delete_repo", json!({ "repo": "b" })).await;
    let pending = approver.the_pending_approval().await;
    let short = pending["id"].as_str().and_then(|id| id.get(28..)).unwrap();
    let list = hub.run(&["approvals", "list"]).await;
    assert!(list.lines().any(|line| line.starts_with(&format!("{short}  pending"))), "{list}");
    let unknown =
        command(&binary("hitl-hub"), hub.data_dir()).args(["approvals", "show", "ffff"]).output().await.unwrap();
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("no approval ends in ffff"), "{unknown:?}");
    hub.run(&["approvals", "reject", short]).await;
    client.answer(call).await;
    let record = hub.run(&["audit", "export"]).await;
    let via = |action: &str| {
        let mut records = record.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let found = records.find(|record| record["action"] == action).expect("a record of the decision");
        serde_json::from_str::<Value>(found["detail"].as_str().unwrap()).unwrap()["via"].clone()
    };
    assert_eq!((via("approval.approved"), via("approval.rejected")), (json!("token"), json!("cli")));
    assert!(!record.contains(&token));

    hub.run(&["user", "revoke", &id]).await;
    assert!(!decide(&["list"]).await.status.success(), "a revoked token opens nothing");
}

#[tokio::test]
async fn a_hub_that_cannot_be_reached_is_named_with_the_cause() {
    let data = tempfile::tempdir().unwrap();
    let mut list = command(&binary("hitl-hub"), data.path());
    list.args(["approvals", "list", "--hub", "http://127.0.0.1:1"]).env("HITL_USER_TOKEN", "hitl_u_none");
    let said = String::from_utf8(list.output().await.unwrap().stderr).unwrap();
    assert!(said.contains("hitl-hub: cannot reach the hub at http://127.0.0.1:1: Connection refused"), "{said}");
}

#[tokio::test]
async fn a_hub_without_an_administrator_is_opened_even_if_somebody_has_the_best_name_for_one() {
    let hub = Hub::start().await;
    hub.run(&["user", "add", "ada", "--role", "approver"]).await;
    let mut open = command(&binary("hitl-hub"), hub.data_dir());
    let output = open.args(["open", "--no-browser"]).env("USER", "ada").output().await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("ada") && said.contains("added admin"), "{said}");
    let approver = Approver::sign_in(&hub.url, String::from_utf8(output.stdout).unwrap().trim()).await;
    assert_eq!(approver.get("/session").await["user"], json!({ "name": "admin", "role": "admin" }));
}

#[tokio::test]
async fn whoever_has_the_port_of_a_hub_that_is_gone_is_told_nothing() {
    let mut hub = Hub::start().await;
    hub.sign_in().await;
    hub.run(&["user", "add", "ada", "--role", "admin"]).await;
    let token = hub.run(&["user", "token", "ada"]).await;
    hub.crash().await;
    assert!(hub.data_dir().join("hub.url").exists(), "it had no time to take it away");
    let heard = Eavesdropper::at(&hub.url).await;
    for args in [&["approvals", "list"][..], &["approvals", "watch"], &["open", "--no-browser"], &["healthcheck"]] {
        let output = command(&binary("hitl-hub"), hub.data_dir()).args(args).output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains("no hub is running"), "{args:?}: {said}");
    }
    assert_eq!(heard.all(), "", "the lock says that nobody serves the data dir");
    let mut list = command(&binary("hitl-hub"), hub.data_dir());
    list.args(["approvals", "list", "--hub", &hub.url]).env("HITL_USER_TOKEN", &token);
    let output = list.output().await.unwrap();
    assert!(!output.status.success());
    assert!(heard.all().contains("/v1/hub?nonce=") && !heard.all().contains("hitl_u_"), "{}", heard.all());
}

/// A program that listens where a hub was, answers everything with `{}`, and keeps what it hears.
struct Eavesdropper(Arc<Mutex<String>>);

impl Eavesdropper {
    async fn at(url: &str) -> Self {
        let listener = TcpListener::bind(url.strip_prefix("http://").unwrap()).await.unwrap();
        let heard = Arc::new(Mutex::new(String::new()));
        let said = heard.clone();
        tokio::spawn(async move {
            while let Ok((mut caller, _)) = listener.accept().await {
                let said = said.clone();
                tokio::spawn(async move {
                    let mut bytes = [0; 4096];
                    while let Ok(count @ 1..) = caller.read(&mut bytes).await {
                        said.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
                        let answer =
                            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
                        if caller.write_all(answer).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self(heard)
    }

    fn all(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn looking_makes_no_administrator_and_leaves_the_set_up_link() {
    let hub = Hub::start().await;
    let listed: Value = serde_json::from_str(&hub.run(&["approvals", "list", "--json"]).await).unwrap();
    assert_eq!(listed["items"], json!([]));
    hub.run(&["healthcheck"]).await;
    assert_eq!(hub.run(&["user", "list"]).await.lines().count(), 1, "nobody but the table's head");
    let approver = hub.sign_in().await;
    assert_eq!(approver.get("/session").await["user"]["role"], "admin");
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

#[tokio::test]
async fn a_command_in_the_wrong_place_says_so_and_leaves_nothing_there() {
    let home = tempfile::tempdir().unwrap();
    let nowhere = home.path().join("mistyped");
    for args in [
        &["audit", "verify"][..],
        &["audit", "export"],
        &["user", "list"],
        &["user", "link", "ada"],
        &["agent", "revoke", "claude"],
        &["approvals", "list"],
        &["open", "--no-browser"],
    ] {
        let output = command(&binary("hitl-hub"), &nowhere).args(args).output().await.unwrap();
        let words = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && words.contains(&nowhere.display().to_string()), "{args:?}: {words}");
        assert!(output.stdout.is_empty() && !nowhere.exists(), "{args:?}");
    }
    let output = command(&binary("hitl-hub"), &nowhere).args(["agent", "add", "claude"]).output().await.unwrap();
    assert!(output.status.success(), "what begins a hub makes its place");
}

#[tokio::test]
async fn link_of_a_user_stands_alone_on_stdout_and_signs_them_in() {
    let hub = Hub::start().await;
    hub.run(&["user", "add", "ada", "--role", "approver"]).await;
    let link = hub.run(&["user", "link", "ada"]).await;
    let ada = Approver::sign_in(&hub.url, &link).await;
    assert_eq!(ada.get("/session").await["user"], json!({ "name": "ada", "role": "approver" }));
}

#[tokio::test]
async fn an_agent_gets_a_new_token_and_other_servers_and_a_user_another_role_by_command() {
    let hub = Hub::start().await;
    let approver = hub.sign_in().await;
    let old = hub.add_agent("claude").await;
    let ledger = Ledger::new();
    let start = async |token: &str| {
        let mut client = Wrap::around(ledger.server()).named("repos").with_hub(&hub, token).start();
        client.initialize().await;
        approver.knows_tool("repos", "list_repos").await;
        client
    };
    let mut before = start(&old).await;
    let new = hub.run(&["agent", "rotate", "claude", "--overlap", "1h"]).await;
    assert!(new.starts_with("hitl_a_") && new != old, "{new}");
    let mut after = start(&new).await;
    for client in [&mut before, &mut after] {
        let id = client.call("list_repos", json!({})).await;
        assert!(text_of(&client.answer(id).await).contains("list_repos done"));
    }
    hub.run(&["agent", "servers", "claude", "mail", "files"]).await;
    eventually("the end of its sessions", || async {
        (approver.get("/servers/repos").await["sessions"] == 0).then_some(())
    })
    .await;
    // The shim hears of it a moment after the hub has ended its session.
    let refused = async {
        loop {
            let id = after.call("list_repos", json!({})).await;
            let answer = after.answer(id).await;
            match text_of(&answer) {
                refused if refused.contains("does not let this agent in") => break,
                other => assert!(other.contains("list_repos done"), "{other}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.expect("its calls are refused");
    let agents = approver.get("/agents").await;
    assert_eq!(agents["items"][0]["servers"], json!(["mail", "files"]));
    hub.run(&["agent", "servers", "claude", "--all"]).await;
    assert_eq!(approver.get("/agents").await["items"][0]["servers"], Value::Null);

    hub.run(&["user", "add", "grace", "--role", "viewer"]).await;
    hub.run(&["user", "role", "grace", "approver"]).await;
    assert!(hub.run(&["user", "list"]).await.lines().any(|line| line.contains("grace") && line.contains("approver")));
}

#[tokio::test]
async fn what_is_logged_to_a_file_has_no_colours() {
    let hub = Hub::start().await;
    let wrong = browser().post(format!("{}/api/v1/session", hub.url)).header("Origin", &hub.url);
    assert_eq!(wrong.json(&json!({ "code": "wrong" })).send().await.unwrap().status(), 401);
    let line = hub.stderr.clone().next_with("could not sign in").await;
    assert!(line.contains("WARN") && !line.contains('\u{1b}'), "{line:?}");
}

#[tokio::test]
async fn a_watch_goes_on_where_it_was_when_the_hub_comes_back() {
    let hub = Hub::start().await;
    let (approver, token, ledger) = (hub.sign_in().await, hub.add_agent("claude").await, Ledger::new());
    let mut watch = command(&binary("hitl-hub"), hub.data_dir());
    watch.args(["approvals", "watch"]).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut watch = watch.spawn().unwrap();
    let mut changes = crate::support::Lines::of(watch.stdout.take().unwrap());
    let mut said = crate::support::Lines::of(watch.stderr.take().unwrap());
    let mut client = Wrap::around(ledger.server()).named("repos").with_hub(&hub, &token).start();
    client.initialize().await;
    client.call("delete_repo", json!({ "repo": "a" })).await;
    let pending = approver.the_pending_approval().await;
    let id = pending["id"].as_str().unwrap().to_owned();
    changes.next_with(&id).await;
    let hub = hub.start_again().await;
    said.next_with("the connection to the hub has ended").await;
    said.next_with("connected again").await;
    hub.run(&["approvals", "reject", &id]).await;
    assert!(changes.next_with("rejected").await.contains(&id));
}
