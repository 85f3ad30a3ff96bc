//! Real SDK clients as programs of their own, under `tests/clients/`.

use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::{Lines, Wrap, node22, test_file};

/// A running SDK client and what it saw.
pub struct Sdk {
    child: Child,
    stdout: Lines,
    stderr: Lines,
    _wrap: Option<Wrap>,
    _cwd: TempDir,
}

impl Sdk {
    /// The official Python SDK, v2: `session` as most programs use it, `client` looks for a modern server first.
    pub fn python(wrap: Wrap, api: &str, tool: &str, arguments: Value) -> Self {
        let program = test_file(".cache/venv/bin/python");
        Self::start(&[&program, &test_file("clients/python_client.py")], wrap, json!({ "api": api }), tool, arguments)
    }

    /// The official Python SDK, v2, under this client name, with several calls one after the other.
    pub fn python_named(wrap: Wrap, name: &str, calls: &[(&str, Value)]) -> Self {
        let program = test_file(".cache/venv/bin/python");
        let spec = json!({ "api": "session", "name": name });
        Self::start_all(&[&program, &test_file("clients/python_client.py")], wrap, spec, calls)
    }

    /// The official Python SDK, v1.
    pub fn python_v1(wrap: Wrap, tool: &str, arguments: Value) -> Self {
        let program = test_file(".cache/venv-v1/bin/python");
        Self::start(&[&program, &test_file("clients/python_client.py")], wrap, json!({}), tool, arguments)
    }

    /// The official TypeScript SDK, `v1` or `v2`.
    pub fn typescript(wrap: Wrap, sdk: &str, tool: &str, arguments: Value) -> Self {
        let script = test_file("clients/typescript_client.mjs");
        Self::start(&["node", &script], wrap, json!({ "sdk": sdk }), tool, arguments)
    }

    /// The official Python SDK, v2, with these calls, which may ask to be taken back.
    pub fn python_calling(wrap: Wrap, api: &str, calls: Value) -> Self {
        let program = [test_file(".cache/venv/bin/python"), test_file("clients/python_client.py")];
        Self::start_with(&program, wrap, json!({ "api": api }), calls)
    }

    /// The official Python SDK, v1, with these calls.
    pub fn python_v1_calling(wrap: Wrap, calls: Value) -> Self {
        let program = [test_file(".cache/venv-v1/bin/python"), test_file("clients/python_client.py")];
        Self::start_with(&program, wrap, json!({}), calls)
    }

    /// fastmcp, with these calls.
    pub fn fastmcp_calling(wrap: Wrap, calls: Value) -> Self {
        let program = [test_file(".cache/venv/bin/python"), test_file("clients/fastmcp_client.py")];
        Self::start_with(&program, wrap, json!({}), calls)
    }

    /// The official TypeScript SDK, `v1` or `v2`, with these calls.
    pub fn typescript_calling(wrap: Wrap, sdk: &str, calls: Value) -> Self {
        let node = if sdk == "v2" { node22() } else { "node".to_owned() };
        Self::start_with(&[node, test_file("clients/typescript_client.mjs")], wrap, json!({ "sdk": sdk }), calls)
    }

    fn start(program: &[&str], wrap: Wrap, spec: Value, tool: &str, arguments: Value) -> Self {
        Self::start_all(program, wrap, spec, &[(tool, arguments)])
    }

    fn start_all(program: &[&str], wrap: Wrap, spec: Value, calls: &[(&str, Value)]) -> Self {
        let calls = calls.iter().map(|(tool, arguments)| json!({ "tool": tool, "arguments": arguments }));
        let program: Vec<String> = program.iter().map(|part| (*part).to_owned()).collect();
        Self::start_with(&program, wrap, spec, calls.collect())
    }

    fn start_with(program: &[String], wrap: Wrap, mut spec: Value, calls: Value) -> Self {
        let cwd = tempfile::tempdir().unwrap();
        let mut env: serde_json::Map<_, _> =
            wrap.variables().into_iter().map(|(key, value)| (key, json!(value))).collect();
        env.insert("PATH".to_owned(), json!(std::env::var("PATH").unwrap()));
        spec["command"] = json!(wrap.command_line());
        spec["env"] = Value::Object(env);
        spec["calls"] = calls;
        let mut child = Command::new(&program[0])
            .args(&program[1..])
            .arg(spec.to_string())
            .current_dir(cwd.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stdout = Lines::of(child.stdout.take().unwrap());
        let stderr = Lines::of(child.stderr.take().unwrap());
        Self { child, stdout, stderr, _wrap: Some(wrap), _cwd: cwd }
    }

    /// Skips to the next event of that name.
    pub async fn next(&mut self, event: &str) -> Value {
        while let Some(line) = self.stdout.next().await {
            let seen: Value = serde_json::from_slice(&line).unwrap();
            if seen["event"] == event {
                return seen;
            }
        }
        panic!("the client ended without {event}:\n{}\n{}", self.stdout.text(), self.stderr.text());
    }

    /// The first it hears of waiting for an approver; on a slow machine it may hear of waiting for the hub before.
    pub async fn first_progress(&mut self) -> Value {
        loop {
            let progress = self.next("progress").await;
            if progress["message"].as_str().unwrap().contains("requires admin approval") {
                return progress;
            }
        }
    }

    /// Everything it said so far, for messages.
    pub fn said(&self) -> String {
        self.stdout.text()
    }

    /// Kills it without a word.
    pub async fn kill(&mut self) {
        self.child.start_kill().unwrap();
        self.child.wait().await.unwrap();
    }
}
