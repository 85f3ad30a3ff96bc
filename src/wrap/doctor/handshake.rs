//! Starts each server as its client would, shakes hands, lists its tools and ends it: only when it is asked for, because
//! a server may do anything when it starts.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::{Finding, Looked};
use crate::config::env;
use crate::core::trust::{self, Level};
use crate::wrap::install::entry::{Entry, State, words};
use crate::wrap::install::survey::Site;

/// A package may have to be downloaded first.
const WITHIN: Duration = Duration::from_secs(60);
/// What clients leave of their environment to a server, beside the entry's own.
const KEPT: [&str; 12] = [
    "HOME",
    "LOGNAME",
    "PATH",
    "SHELL",
    "TERM",
    "USER",
    "APPDATA",
    "LOCALAPPDATA",
    "SYSTEMROOT",
    "TEMP",
    "USERPROFILE",
    "PATHEXT",
];

pub(super) async fn check(looked: &Looked<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for site in looked.sites {
        let entries = site.read.as_ref().map(|(_, entries)| entries.as_slice()).unwrap_or_default();
        for entry in entries.iter().filter(|entry| matches!(entry.state, State::Direct | State::Gated(_))) {
            findings.extend(of_entry(site, entry).await);
        }
    }
    findings
}

async fn of_entry(site: &Site, entry: &Entry) -> Option<Finding> {
    let mut command = words(&entry.node, site.client.shape)?;
    // The server itself: the shim's own troubles are other findings.
    if let State::Gated(wrapped) = &entry.state {
        command = command.split_off(wrapped.words);
    }
    let about = format!("{}, {}", site.client.title, entry.name);
    let mend = format!(
        "run it in a terminal: {}",
        command.iter().map(|word| super::files::shell(word)).collect::<Vec<_>>().join(" ")
    );
    Some(match timeout(WITHIN, tools(&command, entry)).await {
        Ok(Ok(tools)) => listed(about, &tools),
        Ok(Err(error)) => Finding::wrong("does_not_start", about, format!("{error:#}"), mend),
        Err(_) => Finding::wrong(
            "does_not_answer",
            about,
            format!("it did not answer within {} seconds", WITHIN.as_secs()),
            mend,
        ),
    })
}

/// What the default policy makes of its tools.
fn listed(about: String, tools: &[Value]) -> Finding {
    let name = |tool: &Value| tool["name"].as_str().unwrap_or_default().to_owned();
    let destructive = |tool: &Value| tool["annotations"]["destructiveHint"] == json!(true);
    let high = |tool: &&Value| trust::of_tool(&name(tool), destructive(tool), None).0 == Level::High;
    let gated: Vec<String> = tools.iter().filter(high).map(name).collect();
    let gated = if gated.is_empty() { "none".to_owned() } else { gated.join(", ") };
    Finding::note("tools", about, format!("{} tools; of them wait by default: {gated}", tools.len()), "")
}

async fn tools(command: &[String], entry: &Entry) -> anyhow::Result<Vec<Value>> {
    let mut child = spawn(command, entry)?;
    let (input, output) =
        (child.stdin.take().context("it has no stdin")?, child.stdout.take().context("it has no stdout")?);
    let mut talk = Talk { input, output: BufReader::new(output).lines() };
    match talk.tools().await {
        Ok(tools) => Ok(tools),
        Err(error) => Err(error.context(last_words(&mut child).await)),
    }
}

fn spawn(command: &[String], entry: &Entry) -> anyhow::Result<Child> {
    let (program, args) = command.split_first().context("it names no command")?;
    let mut start = Command::new(crate::wrap::program::find(program.as_ref()));
    start.args(args).env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    start.envs(KEPT.iter().filter_map(|name| Some((*name, env::os(name)?))));
    let own = entry.node.get("env").map(|env| env.members()).unwrap_or_default();
    start.envs(own.iter().filter_map(|member| Some((member.name.as_str(), member.node.text()?))));
    start.spawn().with_context(|| format!("cannot run {program}"))
}

/// The conversation.
struct Talk {
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Talk {
    async fn tools(&mut self) -> anyhow::Result<Vec<Value>> {
        let hello = json!({
            "protocolVersion": "2025-06-18", "capabilities": {},
            "clientInfo": { "name": "hitl-wrap doctor", "version": env!("CARGO_PKG_VERSION") },
        });
        self.ask(1, "initialize", hello).await?;
        self.say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await?;
        let (mut tools, mut cursor) = (Vec::new(), None::<Value>);
        for id in 2..100 {
            let params = cursor.map_or_else(|| json!({}), |cursor| json!({ "cursor": cursor }));
            let mut page = self.ask(id, "tools/list", params).await?;
            if let Some(Value::Array(items)) = page.get_mut("tools").map(Value::take) {
                tools.extend(items);
            }
            cursor = page.get("nextCursor").filter(|cursor| cursor.is_string()).cloned();
            if cursor.is_none() {
                break;
            }
        }
        Ok(tools)
    }

    async fn ask(&mut self, id: u32, method: &str, params: Value) -> anyhow::Result<Value> {
        self.say(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })).await?;
        while let Some(line) = self.output.next_line().await.context("what it says cannot be read")? {
            let Ok(mut answer) = serde_json::from_str::<Value>(&line) else { continue };
            if answer["id"] != json!(id) || answer.get("method").is_some() {
                continue;
            }
            return match answer.get_mut("result") {
                Some(result) => Ok(result.take()),
                None => bail!("it answers {method} with an error: {}", answer["error"]["message"]),
            };
        }
        bail!("it ended before it answered {method}")
    }

    async fn say(&mut self, message: &Value) -> anyhow::Result<()> {
        let line = format!("{message}\n");
        self.input.write_all(line.as_bytes()).await.context("it takes no input")
    }
}

/// The end of what it wrote to stderr.
async fn last_words(child: &mut Child) -> String {
    let _ = child.start_kill();
    let mut said = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        let _ = timeout(Duration::from_secs(1), stderr.take(64 << 10).read_to_end(&mut said)).await;
    }
    let said = String::from_utf8_lossy(&said);
    let last: Vec<&str> = said.lines().rev().filter(|line| !line.trim().is_empty()).take(3).collect();
    let last: Vec<&str> = last.into_iter().rev().collect();
    if last.is_empty() { "it does not start".to_owned() } else { format!("it does not start ({})", last.join(" / ")) }
}
