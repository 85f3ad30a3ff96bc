//! `hitl-wrap demo`: the whole product on one machine.

use std::process::Stdio;

use crate::support::{PATIENCE, binary};

async fn demo(answer: &str) -> (bool, String) {
    let data = tempfile::tempdir().unwrap();
    let mut command = tokio::process::Command::new(binary("hitl-wrap"));
    command.args(["demo", "--no-open", "--auto", answer]).env("HITL_DATA_DIR", data.path()).env("HOME", data.path());
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await.expect("the demo ends").unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[tokio::test]
async fn demo_that_approves_runs_the_call() {
    let (success, said) = demo("approve").await;
    assert!(success, "{said}");
    assert!(said.contains("Tool 'delete_repo' requires admin approval before execution."), "{said}");
    assert!(said.contains("/signin#"), "the link is printed: {said}");
    assert!(said.contains("approved"), "{said}");
}

#[tokio::test]
async fn demo_that_rejects_shows_what_the_agent_is_told() {
    let (success, said) = demo("reject").await;
    assert!(success, "{said}");
    assert!(said.contains("was rejected by admin") && said.contains("not executed"), "{said}");
}
