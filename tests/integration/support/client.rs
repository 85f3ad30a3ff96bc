//! `hitl-wrap` in front of a server, spoken to line by line.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStdin, Command};

use super::hub::command;
use super::{Hub, Lines, PATIENCE, binary, signal};

/// How a shim is to be started.
pub struct Wrap {
    home: TempDir,
    args: Vec<String>,
    env: Vec<(String, String)>,
    server: Vec<String>,
}

impl Wrap {
    /// A shim in front of this command, with no hub named.
    pub fn around(server: Vec<String>) -> Self {
        Self { home: tempfile::tempdir().unwrap(), args: Vec::new(), env: Vec::new(), server }
    }

    /// Names the hub and brings an agent's token.
    pub fn with_hub(self, hub: &Hub, token: &str) -> Self {
        self.with_hub_at(&hub.url, token)
    }

    /// Names a hub that may not be there.
    pub fn with_hub_at(self, url: &str, token: &str) -> Self {
        self.arg("--hub").arg(url).env("HITL_AGENT_TOKEN", token)
    }

    /// Names the server.
    pub fn named(self, name: &str) -> Self {
        self.arg("--server").arg(name)
    }

    /// Adds an argument of ours.
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Sets a variable.
    pub fn env(mut self, key: &str, value: impl Into<String>) -> Self {
        self.env.push((key.to_owned(), value.into()));
        self
    }

    /// Where it looks for its home, config and data.
    pub fn home(&self) -> PathBuf {
        self.home.path().to_path_buf()
    }

    /// The whole command line, for a client that starts the shim itself.
    pub fn command_line(&self) -> Vec<String> {
        let mut line = vec![binary("hitl-wrap").display().to_string()];
        line.extend(self.args.iter().cloned());
        line.push("--".to_owned());
        line.extend(self.server.iter().cloned());
        line
    }

    /// The variables for such a client.
    pub fn variables(&self) -> Vec<(String, String)> {
        let home = self.home.path().display().to_string();
        let mut all = vec![("HOME".to_owned(), home.clone()), ("HITL_DATA_DIR".to_owned(), home)];
        all.extend(self.env.iter().cloned());
        all
    }

    /// Starts it.
    pub fn start(self) -> Client {
        let line = self.command_line();
        let mut command = command(&PathBuf::from(&line[0]), self.home.path());
        command.args(&line[1..]).envs(self.variables());
        Client::spawn(command, Some(self.home))
    }
}

/// A client that sees lines.
pub struct Client {
    child: Child,
    stdin: Option<ChildStdin>,
    /// What came on stdout.
    pub stdout: Lines,
    /// What came on stderr.
    pub stderr: Lines,
    next_id: i64,
    _home: Option<TempDir>,
}

impl Client {
    /// A server without the shim.
    pub fn direct(server: &[String]) -> Self {
        let mut command = Command::new(&server[0]);
        command.args(&server[1..]).kill_on_drop(true);
        Self::spawn(command, None)
    }

    fn spawn(mut command: Command, home: Option<TempDir>) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let stdout = Lines::of(child.stdout.take().unwrap());
        let stderr = Lines::of(child.stderr.take().unwrap());
        let stdin = child.stdin.take();
        Self { child, stdin, stdout, stderr, next_id: 1, _home: home }
    }

    /// The shim's process id.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("the process runs")
    }

    /// Writes bytes as they are.
    pub async fn write(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        stdin.write_all(bytes).await.unwrap();
        stdin.flush().await.unwrap();
    }

    /// Writes one message to a shim that may be gone; whether it was there.
    pub async fn try_send(&mut self, message: &Value) -> bool {
        let Some(stdin) = self.stdin.as_mut() else { return false };
        stdin.write_all(format!("{message}\n").as_bytes()).await.is_ok()
    }

    /// Skips to the answer to a request; `None` when the stream ends before.
    pub async fn try_answer(&mut self, id: i64) -> Option<Value> {
        loop {
            let message: Value = serde_json::from_slice(&self.stdout.next().await?).unwrap();
            if message["id"] == id && message.get("method").is_none() {
                return Some(message);
            }
        }
    }

    /// Writes one message.
    pub async fn send(&mut self, message: &Value) {
        self.write(format!("{message}\n").as_bytes()).await;
    }

    /// An id that no request has had.
    pub fn next_id(&mut self) -> i64 {
        self.next_id += 1;
        self.next_id - 1
    }

    /// Sends a request without waiting, and returns its id.
    pub async fn request(&mut self, method: &str, params: Value) -> i64 {
        let id = self.next_id();
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })).await;
        id
    }

    /// Calls a tool without waiting; progress is asked for under token `id`.
    pub async fn call(&mut self, tool: &str, arguments: Value) -> i64 {
        let token = self.next_id;
        let params = json!({ "name": tool, "arguments": arguments, "_meta": { "progressToken": token } });
        self.request("tools/call", params).await
    }

    /// The next message.
    pub async fn next(&mut self) -> Value {
        let line = self.stdout.next().await;
        let line = line.unwrap_or_else(|| panic!("the stream ended; stderr:\n{}", self.stderr.text()));
        serde_json::from_slice(&line).unwrap_or_else(|_| panic!("not JSON: {}", String::from_utf8_lossy(&line)))
    }

    /// Skips to the answer to a request, which must come in time whatever else comes.
    pub async fn answer(&mut self, id: i64) -> Value {
        let found = async {
            loop {
                let message = self.next().await;
                if message["id"] == id && message.get("method").is_none() {
                    return message;
                }
            }
        };
        tokio::time::timeout(PATIENCE, found)
            .await
            .unwrap_or_else(|_| panic!("waited {PATIENCE:?} for the answer to {id}"))
    }

    /// Skips to the next progress notification and returns its message.
    pub async fn progress(&mut self) -> String {
        loop {
            let message = self.next().await;
            if message["method"] == "notifications/progress" {
                return message["params"]["message"].as_str().unwrap_or_default().to_owned();
            }
        }
    }

    /// Shakes hands and lists the tools, as every client does first.
    pub async fn initialize(&mut self) {
        self.initialize_as("line-client").await;
    }

    /// The same under this name.
    pub async fn initialize_as(&mut self, name: &str) {
        let params = json!({
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": { "name": name, "version": "1" },
        });
        let id = self.request("initialize", params).await;
        self.answer(id).await;
        self.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
        self.list_tools().await;
    }

    /// Lists the tools, and returns what it was shown.
    pub async fn list_tools(&mut self) -> Value {
        let id = self.request("tools/list", json!({})).await;
        self.answer(id).await["result"]["tools"].take()
    }

    /// Takes a request back.
    pub async fn cancel(&mut self, id: i64) {
        self.cancel_because(id, "the user pressed stop").await;
    }

    /// The same, with these words.
    pub async fn cancel_because(&mut self, id: i64, reason: &str) {
        let params = json!({ "requestId": id, "reason": reason });
        self.send(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params })).await;
    }

    /// A round trip that needs nobody: what was sent before has been read by then.
    pub async fn round_trip(&mut self) {
        let id = self.request("ping", json!({})).await;
        self.answer(id).await;
    }

    /// Closes stdin.
    pub fn close(&mut self) {
        self.stdin = None;
    }

    /// Sends a signal.
    pub fn signal(&self, which: Signal) {
        signal(self.pid(), which);
    }

    /// Closes stdin and waits for the end.
    pub async fn end(&mut self) -> ExitStatus {
        self.close();
        self.wait().await
    }

    /// Waits for the end.
    pub async fn wait(&mut self) -> ExitStatus {
        match tokio::time::timeout(PATIENCE, self.child.wait()).await {
            Ok(status) => status.unwrap(),
            Err(_) => panic!("still running after {PATIENCE:?}; stderr:\n{}", self.stderr.text()),
        }
    }

    /// Fails if anything comes within a short while; only for what must never come.
    pub async fn stays_silent_for(&mut self, time: Duration) {
        if let Ok(line) = tokio::time::timeout(time, self.stdout.next()).await {
            panic!("silence was expected, not {:?}", line.map(|line| String::from_utf8_lossy(&line).into_owned()));
        }
    }

    /// The process ids of its children.
    pub fn children(&self) -> Vec<u32> {
        children_of(self.pid())
    }

    /// The process ids of its children, of theirs, and so on.
    pub fn descendants(&self) -> Vec<u32> {
        let mut all = self.children();
        let mut at = 0;
        while let Some(pid) = all.get(at) {
            all.extend(children_of(*pid));
            at += 1;
        }
        all
    }
}

fn children_of(pid: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let texts = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    texts.flat_map(|text| text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect()
}

/// The text of a tool result.
pub fn text_of(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text in {answer}"))
}
