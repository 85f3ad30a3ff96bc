//! The demo's agent: an MCP client that knows nothing of approvals, around a wrapped server.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How long the shim may take to end after its stdin did.
const END_WITHIN: Duration = Duration::from_secs(3);

/// A connected agent.
pub struct Agent {
    process: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    /// Where goes what is said while a call runs.
    messages: mpsc::UnboundedSender<String>,
    last_id: u64,
}

/// What a call came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The text that the model gets.
    pub text: String,
    /// Whether the call failed.
    pub is_error: bool,
    /// Why the shim refused it: `rejected`, `timed_out` and so on; `None` when the server answered.
    pub refused: Option<String>,
}

impl Agent {
    /// Starts `command` and introduces itself; what is said while calls run goes to `messages`.
    pub async fn start(mut command: Command, messages: mpsc::UnboundedSender<String>) -> anyhow::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().context("cannot start the shim")?;
        let stdin = process.stdin.take().context("the shim has no stdin")?;
        let stdout = process.stdout.take().context("the shim has no stdout")?;
        let lines = BufReader::new(stdout).lines();
        let mut agent = Self { process, stdin, lines, messages, last_id: 0 };
        let client = json!({"name": "hitl-demo-agent", "version": env!("CARGO_PKG_VERSION")});
        let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client});
        agent.ask("initialize", hello).await?;
        agent.say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await?;
        Ok(agent)
    }

    /// The names of the server's tools.
    pub async fn tools(&mut self) -> anyhow::Result<Vec<String>> {
        let result = self.ask("tools/list", json!({})).await?;
        let names = result["tools"].as_array().into_iter().flatten().filter_map(|tool| tool["name"].as_str());
        Ok(names.map(str::to_owned).collect())
    }

    /// Calls a tool and waits, however long it takes.
    pub async fn call(&mut self, tool: &str, arguments: Value) -> anyhow::Result<Outcome> {
        let token = self.last_id + 1;
        let call = json!({"name": tool, "arguments": arguments, "_meta": {"progressToken": token}});
        Ok(outcome(&self.ask("tools/call", call).await?))
    }

    /// Ends the server and the connection.
    pub async fn stop(self) {
        let Self { mut process, stdin, .. } = self;
        drop(stdin);
        // Killed on drop, should it hang.
        let _ = timeout(END_WITHIN, process.wait()).await;
    }

    async fn ask(&mut self, method: &str, params: Value) -> anyhow::Result<Value> {
        self.last_id += 1;
        let id = self.last_id;
        self.say(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})).await?;
        while let Some(line) = self.lines.next_line().await? {
            let mut message: Value = serde_json::from_str(&line).context("the shim wrote no JSON")?;
            if message["id"] == id && message.get("method").is_none() {
                if let Some(error) = message.get("error") {
                    bail!("{method} failed: {}", error["message"].as_str().unwrap_or("no reason given"));
                }
                return Ok(message["result"].take());
            }
            self.hear(&message);
        }
        bail!("the connection to the server is lost")
    }

    async fn say(&mut self, message: &Value) -> anyhow::Result<()> {
        self.stdin.write_all(format!("{message}\n").as_bytes()).await.context("the shim does not read")
    }

    fn hear(&self, message: &Value) {
        if message["method"] == "notifications/progress" {
            let text = message["params"]["message"].as_str().unwrap_or_default();
            // Nobody listens any more when the demo is over.
            let _ = self.messages.send(text.to_owned());
        }
    }
}

fn outcome(result: &Value) -> Outcome {
    let blocks = result["content"].as_array().into_iter().flatten();
    Outcome {
        text: blocks.filter_map(|block| block["text"].as_str()).collect(),
        is_error: result["isError"] == true,
        refused: result["_meta"]["dev.hitl/decision"]["status"].as_str().map(str::to_owned),
    }
}
