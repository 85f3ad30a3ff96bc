//! `hitl-wrap login` against a real hub: the code, the administrator's word, and the files a shim then finds.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::support::hub::command;
use crate::support::{Hub, Ledger, Wrap, binary};

#[tokio::test]
async fn a_machine_that_logged_in_wraps_servers_with_the_token_it_was_given() {
    let hub = Hub::start().await;
    let admin = hub.sign_in().await;
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("config.toml");
    std::fs::write(&config, "hub_wait = 7\n").unwrap();
    let mut login = command(&binary("hitl-wrap"), dir.path())
        .args(["login", &hub.url, "--config"])
        .arg(&config)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(login.stdout.take().unwrap()).lines();
    let code = loop {
        let line = said.next_line().await.unwrap().expect("login shows a code");
        if let Some(code) = line.strip_prefix("and confirm the code ") {
            break code.to_owned();
        }
    };
    let answer = admin.ask(Method::POST, &format!("/enrolments/{code}"), Some(json!({ "name": "laptop" }))).await;
    assert_eq!(answer.status, 201);
    assert!(login.wait().await.unwrap().success());
    let mode = std::fs::metadata(dir.path().join("agent-token")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(std::fs::read_to_string(&config).unwrap().contains("hub_wait = 7"), "what stood there stays");

    let ledger = Ledger::new();
    let wrap = Wrap::around(ledger.server()).named("github").arg("--config").arg(config.display().to_string());
    let mut client = wrap.start();
    client.initialize().await;
    client.call("delete_repo", json!({})).await;
    let approval = admin.the_pending_approval().await;
    assert_eq!(approval["agent"]["name"], "laptop");
}
