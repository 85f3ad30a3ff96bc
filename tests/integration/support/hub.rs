//! A real `hitl-hub serve` with a data dir of its own.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use rustix::process::Signal;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::{Approver, Lines, PATIENCE, binary, signal};

/// A running hub; killed when dropped.
pub struct Hub {
    child: Child,
    /// Its base URL.
    pub url: String,
    set_up_link: Option<String>,
    data: Arc<TempDir>,
}

impl Hub {
    /// A hub on a free port with an empty store.
    pub async fn start() -> Self {
        Self::start_with(Arc::new(tempfile::tempdir().unwrap()), "127.0.0.1:0", true).await
    }

    /// The same hub again, on the same address and store, as after a crash.
    pub async fn start_again(self) -> Self {
        let listen = self.url.strip_prefix("http://").unwrap().to_owned();
        let data = self.data.clone();
        drop(self);
        Self::start_with(data, &listen, false).await
    }

    async fn start_with(data: Arc<TempDir>, listen: &str, first: bool) -> Self {
        let mut child = serve(data.path(), listen).spawn().unwrap();
        let mut stderr = Lines::of(child.stderr.take().unwrap());
        // The set-up link comes before or after the address; both are there on a first start.
        let mut seen = stderr.clone();
        let address = stderr.next_with("hitl-hub: listening on ").await;
        let url = address.split("listening on ").nth(1).unwrap().trim().to_owned();
        let set_up_link = match first {
            true => Some(seen.next_with("set up your account: ").await),
            false => None,
        };
        let set_up_link = set_up_link.map(|line| line.split("account: ").nth(1).unwrap().trim().to_owned());
        Self { child, url, set_up_link, data }
    }

    /// Its data dir.
    pub fn data_dir(&self) -> &Path {
        self.data.path()
    }

    /// `hitl-hub ARGS --data-dir …` beside it: its stdout, trimmed.
    pub async fn run(&self, args: &[&str]) -> String {
        let output = command(&binary("hitl-hub"), self.data.path()).args(args).output().await.unwrap();
        assert!(output.status.success(), "hitl-hub {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// A new agent's token.
    pub async fn add_agent(&self, name: &str) -> String {
        self.run(&["agent", "add", name]).await
    }

    /// The administrator, signed in by the set-up link or a fresh sign-in link.
    pub async fn sign_in(&self) -> Approver {
        let fresh;
        let link = match &self.set_up_link {
            Some(link) if !self.data.path().join("set-up-used").exists() => {
                std::fs::write(self.data.path().join("set-up-used"), "").unwrap();
                link
            }
            _ => {
                fresh = self.run(&["open", "--no-browser"]).await;
                &fresh
            }
        };
        Approver::sign_in(&self.url, link).await
    }

    /// Kills it without a word, as a crash does.
    pub async fn crash(&mut self) {
        self.child.start_kill().unwrap();
        self.child.wait().await.unwrap();
    }

    /// Asks it to end, and waits.
    pub async fn terminate(&mut self) -> ExitStatus {
        signal(self.child.id().unwrap(), Signal::TERM);
        tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("the hub ends on SIGTERM").unwrap()
    }
}

/// `hitl-hub serve`, not started yet.
pub fn serve(data: &Path, listen: &str) -> Command {
    let mut command = command(&binary("hitl-hub"), data);
    command.args(["serve", "--listen", listen]).stdin(Stdio::null()).stderr(Stdio::piped()).stdout(Stdio::null());
    command
}

/// A program of ours that finds nothing of this user: its home, config and data lie in `dir`.
pub fn command(program: &PathBuf, dir: &Path) -> Command {
    let mut command = Command::new(program);
    for (key, _) in std::env::vars_os() {
        let name = key.to_string_lossy();
        if name.starts_with("HITL_") || name.starts_with("XDG_") {
            command.env_remove(&key);
        }
    }
    command.env("HOME", dir).env("HITL_DATA_DIR", dir).kill_on_drop(true);
    command
}
