//! The demo's hub: a real one, with a data dir of its own that is gone afterwards.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

use crate::config::private;
use crate::wrap::child::strip_environment;
use crate::wrap::identity::new_id;
use crate::wrap::local::hub_program;
use crate::wrap::platform::{Signal, die_with_us, send};

/// How long the hub may take to listen, and to end.
const READY_WITHIN: Duration = Duration::from_secs(30);
const END_WITHIN: Duration = Duration::from_secs(3);
/// How long a call may take to appear on the approvers' list.
const LISTED_WITHIN: Duration = Duration::from_secs(20);

/// The states from which nothing is decided any more.
const ENDED: &str = "approved,rejected,timed_out,cancelled";

/// A running hub.
pub struct Hub {
    process: Child,
    scratch: Scratch,
    /// Where it listens.
    pub url: String,
}

/// A directory that is removed with everything in it.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed lies in the temporary directory, where it is cleaned up one day.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Hub {
    /// Starts a hub on a free port and waits until it listens.
    pub async fn start() -> anyhow::Result<Self> {
        let scratch = Scratch(std::env::temp_dir().join(format!("hitl-demo-{}", new_id())));
        private::make_dir(&scratch.0).with_context(|| format!("cannot make {}", scratch.0.display()))?;
        // This user's own settings must not reach the demo: they may name a shared database.
        private::write(&scratch.config(), "")?;
        let mut command = scratch.hub(&["serve", "--local", "--listen", "127.0.0.1:0"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        die_with_us(&mut command);
        let mut process = command.spawn().context("cannot start hitl-hub; it is installed together with hitl-wrap")?;
        let stderr = process.stderr.take().context("the hub has no stderr")?;
        let mut lines = BufReader::new(stderr).lines();
        let url = timeout(READY_WITHIN, listening(&mut lines)).await.context("the hub did not start in time")??;
        // Somebody must read on, or the hub would wait for its log.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { process, scratch, url })
    }

    /// A one-time link that signs its reader in as the approver; with `open`, in a browser, too.
    pub async fn sign_in_link(&self, open: bool) -> anyhow::Result<String> {
        if !open {
            return Ok(self.output(&["open", "--no-browser"]).await?.trim().to_owned());
        }
        let mut command = self.scratch.hub(&["open"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut opening = command.spawn()?;
        let stdout = opening.stdout.take().context("hitl-hub open has no stdout")?;
        let link = BufReader::new(stdout).lines().next_line().await?.context("hitl-hub open printed no link")?;
        // It goes on until the browser has followed the link.
        tokio::spawn(async move { opening.wait().await });
        Ok(link.trim().to_owned())
    }

    /// Waits until a call of `tool` is on the approvers' list; returns its id.
    pub async fn pending(&self, tool: &str) -> anyhow::Result<String> {
        let listed = async {
            loop {
                let list = self.output(&["approvals", "list", "--json"]).await?;
                if let Some(id) = pending_in(&list, tool)? {
                    return Ok(id);
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(LISTED_WITHIN, listed).await.context("the call did not appear on the approvers' list")?
    }

    /// Waits until the hub, and with it every open page, knows how the call of `tool` ended.
    pub async fn told(&self, tool: &str) -> anyhow::Result<()> {
        loop {
            let list = self.output(&["approvals", "list", "--json", "--status", ENDED]).await?;
            if ended_in(&list, tool)? {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Approves, over the same API as the page.
    pub async fn approve(&self, id: &str) -> anyhow::Result<()> {
        self.output(&["approvals", "approve", id]).await.map(drop)
    }

    /// Rejects, over the same API as the page.
    pub async fn reject(&self, id: &str, reason: &str) -> anyhow::Result<()> {
        self.output(&["approvals", "reject", id, "--reason", reason]).await.map(drop)
    }

    /// A shim of this hub around `command`.
    pub fn wrap(&self, server: &str, command: &[&str]) -> anyhow::Result<Command> {
        let own = std::env::current_exe().context("cannot find my own executable")?;
        let mut wrap = Command::new(&own);
        strip_environment(&mut wrap);
        wrap.env("HITL_DATA_DIR", &self.scratch.0);
        wrap.arg("--config").arg(self.scratch.config()).args(["--server", server, "--"]).arg(own).args(command);
        Ok(wrap)
    }

    /// Ends the hub and removes its data.
    pub async fn stop(mut self) {
        send(Signal::Terminate, &self.process);
        if timeout(END_WITHIN, self.process.wait()).await.is_err() {
            // It is killed on drop anyway.
            let _ = self.process.kill().await;
        }
    }

    async fn output(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.scratch.hub(arguments).stdin(Stdio::null()).kill_on_drop(true).output().await?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "hitl-hub {} failed: {}", arguments.join(" "), said.trim());
        Ok(String::from_utf8(output.stdout)?)
    }
}

impl Scratch {
    fn config(&self) -> PathBuf {
        self.0.join("config.toml")
    }

    fn hub(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(hub_program());
        strip_environment(&mut command);
        let dir: &Path = &self.0;
        command.args(arguments).arg("--data-dir").arg(dir).arg("--config").arg(self.config());
        command
    }
}

/// Reads the hub's log up to the line that says where it listens.
async fn listening(lines: &mut Lines<BufReader<ChildStderr>>) -> anyhow::Result<String> {
    let mut said = String::new();
    while let Some(line) = lines.next_line().await? {
        if let Some((_, url)) = line.split_once("listening on ") {
            return Ok(url.trim().to_owned());
        }
        said.push_str(&line);
        said.push('\n');
    }
    bail!("the hub ended before it listened: {}", said.trim())
}

fn ended_in(list: &str, tool: &str) -> anyhow::Result<bool> {
    let open = |item: &Value| item["outcome"] == "waiting" || item["outcome"] == "released";
    Ok(items_of(list)?.iter().any(|item| item["tool"] == tool && !open(item)))
}

fn pending_in(list: &str, tool: &str) -> anyhow::Result<Option<String>> {
    let wanted = |item: &&Value| item["tool"] == tool && item["status"] == "pending";
    Ok(items_of(list)?.iter().find(wanted).and_then(|item| item["id"].as_str()).map(str::to_owned))
}

fn items_of(list: &str) -> anyhow::Result<Vec<Value>> {
    let list: Value = serde_json::from_str(list).context("hitl-hub approvals list --json printed no JSON")?;
    Ok(list.get("items").unwrap_or(&list).as_array().cloned().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_pending_call_of_the_tool_counts() {
        let list = r#"{"items":[{"id":"a","tool":"x","status":"approved"},{"id":"b","tool":"x","status":"pending"}]}"#;
        assert_eq!(pending_in(list, "x").unwrap().as_deref(), Some("b"));
        assert_eq!(pending_in(list, "y").unwrap(), None);
        assert!(pending_in("", "x").is_err());
        let ended =
            |outcome: &str| ended_in(&format!(r#"{{"items":[{{"tool":"x","outcome":"{outcome}"}}]}}"#), "x").unwrap();
        assert_eq!(["waiting", "released", "not_executed", "succeeded"].map(ended), [false, false, true, true]);
    }
}
