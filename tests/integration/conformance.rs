//! The official conformance suite against one stdio server, direct and wrapped: every check has the same outcome.
//!
//! The suite speaks HTTP only; `tests/conformance/bridge.mjs` stands in front of the server, or of the shim.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use crate::support::{Hub, Lines, Wrap, node22, test_file};

/// Every check of every scenario with its outcome.
async fn checks(command: &[String], env: Vec<(String, String)>) -> BTreeMap<String, Vec<String>> {
    let mut bridge = Command::new(node22());
    bridge.arg(test_file("conformance/bridge.mjs")).args(command).envs(env);
    bridge.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut bridge = bridge.spawn().unwrap();
    let url = Lines::of(bridge.stdout.take().unwrap()).next_with("http://").await;
    let results = tempfile::tempdir().unwrap();
    let mut suite = Command::new(node22());
    suite.arg(test_file("node_modules/@modelcontextprotocol/conformance/dist/index.js"));
    suite.args(["server", "--url", &url, "--output-dir"]).arg(results.path()).kill_on_drop(true);
    let output = suite.output().await.unwrap();
    let found = read(results.path());
    assert!(found.len() >= 25, "the suite ran: {}", String::from_utf8_lossy(&output.stdout));
    found
}

fn read(results: &Path) -> BTreeMap<String, Vec<String>> {
    let scenario = |dir: std::fs::DirEntry| {
        let name = dir.file_name().into_string().unwrap();
        // The name ends with the time of the run.
        let name = name.split("-20").next().unwrap_or_default().to_owned();
        let text = std::fs::read_to_string(dir.path().join("checks.json")).ok()?;
        let checks: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        let outcome = |check: &serde_json::Value| format!("{}: {}", check["id"], check["status"]);
        Some((name, checks.iter().map(outcome).collect()))
    };
    std::fs::read_dir(results).unwrap().filter_map(|dir| scenario(dir.unwrap())).collect()
}

/// How often the suite is run at most: it gives each answer so much time and no more, which may be too little for the
/// server itself on a slow machine. What the shim makes different it always does.
const TIMES: usize = 3;

#[tokio::test]
async fn conformance_suite_finds_no_difference_between_direct_and_wrapped() {
    let hub = Hub::start().await;
    let token = hub.add_agent("claude").await;
    let server = vec![node22(), test_file("conformance/server.mjs")];
    let wrap = Wrap::around(server.clone()).named("conformance").with_hub(&hub, &token);
    for time in 1..=TIMES {
        let direct = checks(&server, Vec::new()).await;
        let wrapped = checks(&wrap.command_line(), wrap.variables()).await;
        let failed: Vec<_> = direct.iter().filter(|(_, checks)| checks.iter().any(|c| c.contains("FAIL"))).collect();
        if wrapped == direct && failed.is_empty() {
            return;
        }
        println!("run {time}: the server itself fails: {failed:?}");
        assert!(time < TIMES, "wrapped: {wrapped:#?}\ndirect: {direct:#?}");
    }
}
