//! A real mail server, `tests/servers/smtp.py`.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::process::{Child, Command};

use super::{Lines, python, test_file};

/// A running one; killed when dropped.
pub struct Smtp {
    _child: Child,
    lines: Lines,
    mode: &'static str,
    port: u64,
    ca: String,
}

impl Smtp {
    /// Starts it: `plain`, `starttls` or `tls`.
    pub async fn start(mode: &'static str) -> Self {
        let mut command = Command::new(python());
        command
            .args(["-I", &test_file("servers/smtp.py"), mode])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut lines = Lines::of(child.stdout.take().unwrap());
        let ready: Value = serde_json::from_slice(&lines.next().await.expect("it starts")).unwrap();
        let (port, ca) = (ready["port"].as_u64().unwrap(), ready["ca"].as_str().unwrap().to_owned());
        Self { _child: child, lines, mode, port, ca }
    }

    /// An email channel through it, for one recipient, sent at once.
    pub fn channel(&self, id: &str, to: &str) -> Value {
        let mut settings = json!({
            "host": "localhost", "port": self.port, "from": "hitl <hub@example.org>", "to": [to], "email_after": 0,
            "tls": if self.mode == "plain" { "none" } else { self.mode },
        });
        if self.mode != "plain" {
            settings["ca_pem"] = json!(self.ca);
            settings["username"] = json!("hub");
            settings["password"] = json!("right");
        }
        json!({ "id": id, "kind": "email", "settings": settings })
    }

    /// The next mail it took.
    pub async fn next(&mut self) -> Value {
        serde_json::from_slice(&self.lines.next().await.expect("it goes on")).unwrap()
    }
}
