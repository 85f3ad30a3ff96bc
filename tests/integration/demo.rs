//! `hitl-wrap demo`: the whole product on one machine.

use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::support::{Approver, Lines, PATIENCE, binary};

fn demo(data: &TempDir, args: &[&str]) -> Command {
    let mut command = Command::new(binary("hitl-wrap"));
    command.args(["demo", "--no-open"]).args(args).env("HITL_DATA_DIR", data.path()).env("HOME", data.path());
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Signs in with the link that the demo shows.
async fn follow(screen: &mut Lines) -> Approver {
    let line = screen.next_with("/signin#").await;
    let link = line.split_whitespace().find(|word| word.contains("/signin#")).unwrap();
    Approver::sign_in(link.split("/signin#").next().unwrap(), link).await
}

async fn played_by_itself(answer: &str) -> String {
    let data = tempfile::tempdir().unwrap();
    let run = tokio::time::timeout(PATIENCE, demo(&data, &["--auto", answer]).output());
    let output = run.await.expect("the demo ends").unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("Tool 'delete_repo' requires admin approval before execution."), "{said}");
    said
}

#[tokio::test]
async fn demo_that_approves_runs_the_call() {
    let said = played_by_itself("approve").await;
    assert!(said.contains("Deleted") && said.contains("Approved"), "{said}");
}

#[tokio::test]
async fn demo_that_rejects_shows_what_the_agent_is_told() {
    let said = played_by_itself("reject").await;
    assert!(said.contains("was rejected by admin") && said.contains("not executed"), "{said}");
    assert!(!said.contains("Deleted"), "{said}");
}

#[tokio::test]
async fn demo_waits_for_the_person_who_follows_its_link() {
    let data = tempfile::tempdir().unwrap();
    let mut child = demo(&data, &[]).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = Lines::of(child.stdout.take().unwrap());
    let approver = follow(&mut stdout).await;
    let pending = approver.the_pending_approval().await;
    assert_eq!(pending["tool"], "delete_repo");
    let page = tokio::spawn(approver.listen(None).await.expect("the page listens").rest());
    approver.approve(&pending).await;
    stdout.next_with("hitl-wrap install").await;
    let status = tokio::time::timeout(PATIENCE, child.wait()).await.expect("the demo ends").unwrap();
    assert!(status.success());
    stdout.rest().await;
    assert!(stdout.text().contains("Approved"), "{}", stdout.text());
    let shown = page.await.unwrap();
    assert!(shown.contains("\"outcome\":\"succeeded\""), "the page has shown how it ended: {shown}");
}

#[tokio::test]
async fn demo_in_a_terminal_goes_on_until_somebody_ends_it() {
    let data = tempfile::tempdir().unwrap();
    let mut terminal = Command::new("script");
    terminal.args(["-qec", &format!("{} demo --no-open", binary("hitl-wrap").display()), "/dev/null"]);
    terminal.env("HITL_DATA_DIR", data.path()).env("HOME", data.path());
    let mut child = terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut screen = Lines::of(child.stdout.take().unwrap());
    let approver = follow(&mut screen).await;
    let pending = approver.the_pending_approval().await;
    approver.approve(&pending).await;
    screen.next_with("press Enter").await;
    assert!(child.try_wait().unwrap().is_none());
    // The page is there, and knows.
    approver.wait_for(pending["id"].as_str().unwrap(), "outcome", "succeeded").await;
    child.stdin.take().unwrap().write_all(b"\n").await.unwrap();
    let status = tokio::time::timeout(PATIENCE, child.wait()).await.expect("the demo ends").unwrap();
    assert!(status.success(), "{}", screen.text());
}
