//! A push service and a browser's keys, `tests/servers/push.py`.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::process::{Child, Command};

use super::{Lines, python, test_file};

/// A running one; killed when dropped.
pub struct Push {
    _child: Child,
    lines: Lines,
    ready: Value,
}

impl Push {
    /// Starts it on a free port.
    pub async fn start() -> Self {
        let mut command = Command::new(python());
        command
            .args(["-I", &test_file("servers/push.py")])
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut lines = Lines::of(child.stdout.take().unwrap());
        let ready = serde_json::from_slice(&lines.next().await.expect("it starts")).unwrap();
        Self { _child: child, lines, ready }
    }

    /// Where it is, as its own tokens must say.
    pub fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.ready["port"])
    }

    /// What a page sends to the hub to be told here.
    pub fn subscription(&self, path: &str) -> Value {
        let endpoint = format!("{}{path}", self.origin());
        json!({ "endpoint": endpoint, "keys": self.ready["keys"], "name": "Firefox on Linux" })
    }

    /// The next message it took, opened.
    pub async fn next(&mut self) -> Value {
        serde_json::from_slice(&self.lines.next().await.expect("it goes on")).unwrap()
    }
}
