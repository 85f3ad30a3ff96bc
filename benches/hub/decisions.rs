//! D1, D2 and H1: from the decision to the server, from the call to the page, and what held calls cost the others.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tokio::sync::mpsc;

use super::approver::Approver;
use super::hub::Hub;
use super::yardstick::Commits;
use super::{median, ms, row};

/// What waits once its toggle is on.
pub const GATED: &str = "tool_002";
/// An agent may hold no more.
const HELD: usize = 20;
/// An agent may ask for no more in a minute.
pub const EACH: usize = 25;

/// Prints D1, D2 and H1.
pub async fn measure(hub: &Hub, approver: &Approver, commits: &Commits, quick: bool) {
    let mut events = approver.listen().await;
    let (mut decided, mut shown) = (Vec::new(), Vec::new());
    for n in 0..if quick { 1 } else { 8 } {
        let mut wrap = Wrap::start(hub, &format!("decisions-{n}")).await;
        approver.ask(Method::PUT, &format!("/servers/bench/tools/{GATED}"), Some(json!({"hitl": true}))).await;
        // The toggle is pushed to the shim beside the answer.
        tokio::time::sleep(Duration::from_millis(100)).await;
        for id in 0..EACH {
            let began = Instant::now();
            wrap.call(id, GATED);
            let heard = events.recv().await.unwrap();
            shown.push(heard.at - began);
            let began = Instant::now();
            approver.approve(heard.approval["id"].as_str().unwrap()).await;
            // The server answers at once: this is a little later than when it had the call.
            decided.push(wrap.answer().await - began);
        }
    }
    let times = |time: Duration| format!("{:.1}", time.as_secs_f64() / commits.alone.as_secs_f64());
    let (decided, shown) = (median(&mut decided), median(&mut shown));
    row("D1 approve to the server's answer, both commits durable, p50", &ms(decided), &times(decided), "≤ 3");
    row("D2 call to the event on an open page, committed, p50", &ms(shown), &times(shown), "≤ 2");
    let ratio = held_beside_passing(hub, &mut events, if quick { 2 } else { 10 }).await;
    row(&format!("H1 passing calls while {HELD} are held"), "", &format!("{ratio:.2}"), "≤ 1.1");
}

/// The median of the ratios of rounds with and without held calls.
async fn held_beside_passing(
    hub: &Hub,
    events: &mut mpsc::UnboundedReceiver<super::approver::Heard>,
    rounds: usize,
) -> f64 {
    let mut idle = Wrap::start(hub, "idle").await;
    let mut busy = Wrap::start(hub, "busy").await;
    for id in 0..HELD {
        busy.call(1_000_000 + id, GATED);
        events.recv().await.unwrap();
    }
    let mut ratios = Vec::new();
    for round in 0..rounds {
        let (with, without) = match round % 2 {
            0 => (busy.passing(1000).await, idle.passing(1000).await),
            _ => {
                let without = idle.passing(1000).await;
                (busy.passing(1000).await, without)
            }
        };
        ratios.push(with.as_nanos() * 1000 / without.as_nanos());
    }
    median(&mut ratios) as f64 / 1000.0
}

/// A real shim around the echo server.
pub struct Wrap {
    child: Child,
    stdin: ChildStdin,
    answers: mpsc::UnboundedReceiver<Instant>,
}

impl Wrap {
    /// Connected, with policy known.
    pub async fn start(hub: &Hub, agent: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hitl-wrap"));
        command.args(["--server", "bench", "--hub", &hub.url, "--"]).arg(std::env::current_exe().unwrap());
        command.arg("echo-server").env("HITL_AGENT_TOKEN", hub.add_agent(agent)).env("HOME", hub.data_dir());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let (sender, answers) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in stdout.lines() {
                if line.is_err() || sender.send(Instant::now()).is_err() {
                    return;
                }
            }
        });
        let mut wrap = Self { child, stdin, answers };
        wrap.ask(r#"{"jsonrpc":"2.0","id":"i","method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}"#).await;
        wrap.ask(r#"{"jsonrpc":"2.0","id":"l","method":"tools/list"}"#).await;
        // Answered once policy is known.
        wrap.call(2_000_000, "echo");
        wrap.answer().await;
        wrap
    }

    /// Calls a tool.
    pub fn call(&mut self, id: usize, tool: &str) {
        let line = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"tools/call\",\"params\":{{\"name\":\"{tool}\",\"arguments\":{{\"n\":{id}}}}}}}\n"
        );
        self.stdin.write_all(line.as_bytes()).unwrap();
    }

    async fn ask(&mut self, line: &str) {
        self.stdin.write_all(format!("{line}\n").as_bytes()).unwrap();
        self.answer().await;
    }

    /// When the next answer was here.
    pub async fn answer(&mut self) -> Instant {
        self.answers.recv().await.expect("the shim is there")
    }

    /// The median round trip of so many passing calls.
    async fn passing(&mut self, count: usize) -> Duration {
        let mut times = Vec::with_capacity(count);
        for id in 0..count {
            let began = Instant::now();
            self.call(id, "echo");
            times.push(self.answer().await - began);
        }
        median(&mut times)
    }
}

impl Drop for Wrap {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
