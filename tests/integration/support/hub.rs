//! A real `hitl-hub serve` with a data dir of its own.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use rustix::process::Signal;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::{Approver, Lines, PATIENCE, binary, own_address, signal};

/// A running hub; killed when dropped.
pub struct Hub {
    child: Child,
    /// Its base URL.
    pub url: String,
    /// What it says on stderr.
    pub stderr: Lines,
    set_up_link: Option<String>,
    place: Arc<Place>,
}

/// What a hub finds again when it starts again.
struct Place {
    data: PathBuf,
    /// Goes away with the last hub here.
    _own: Option<TempDir>,
    database: Option<String>,
    env: Vec<(String, String)>,
}

impl Hub {
    /// A hub on a free port with an empty store.
    pub async fn start() -> Self {
        Self::start_first(None, &[]).await
    }

    /// The same with these variables set.
    pub async fn start_with(env: &[(&str, &str)]) -> Self {
        Self::start_first(None, env).await
    }

    /// A hub on a free port with its store in this database.
    pub async fn start_on(database: &str) -> Self {
        Self::start_first(Some(database.to_owned()), &[]).await
    }

    /// The same with these variables set.
    pub async fn start_on_with(database: &str, env: &[(&str, &str)]) -> Self {
        Self::start_first(Some(database.to_owned()), env).await
    }

    /// Another hub on that database, with a data dir of its own and these variables set.
    pub async fn start_beside(database: &str, env: &[(&str, &str)]) -> Self {
        let own = tempfile::tempdir().unwrap();
        let (data, database) = (own.path().to_path_buf(), Some(database.to_owned()));
        let place = Arc::new(Place { data, _own: Some(own), database, env: owned(env) });
        let hub = Self::start_at(place, &format!("{}:0", own_address())).await;
        // It has its administrator already.
        std::fs::write(hub.data_dir().join("set-up-link-used"), "").unwrap();
        hub
    }

    /// A hub on a free port with this data dir, and these variables set.
    pub async fn start_in(data: &Path, env: &[(&str, &str)]) -> Self {
        Self::start_at_first(Place { data: data.to_path_buf(), _own: None, database: None, env: owned(env) }).await
    }

    async fn start_first(database: Option<String>, env: &[(&str, &str)]) -> Self {
        let own = tempfile::tempdir().unwrap();
        let data = own.path().to_path_buf();
        Self::start_at_first(Place { data, _own: Some(own), database, env: owned(env) }).await
    }

    async fn start_at_first(place: Place) -> Self {
        let place = Arc::new(place);
        let mut hub = Self::start_at(place, &format!("{}:0", own_address())).await;
        let line = hub.stderr.next_with("set up your account: ").await;
        hub.set_up_link = line.split("account: ").nth(1).map(|link| link.trim().to_owned());
        hub
    }

    /// The same hub again, on the same address and store, as after a crash.
    pub async fn start_again(self) -> Self {
        let listen = self.url.strip_prefix("http://").unwrap().to_owned();
        let place = self.place.clone();
        drop(self);
        Self::start_at(place, &listen).await
    }

    async fn start_at(place: Arc<Place>, listen: &str) -> Self {
        let mut command = command(&binary("hitl-hub"), &place.data);
        command.args(["serve", "--listen", listen]).stdin(Stdio::null()).stderr(Stdio::piped()).stdout(Stdio::null());
        command.envs(place.env.iter().cloned());
        // Push services of tests are on this machine.
        command.env("HITL_PUSH_HOSTS", "127.0.0.1");
        if let Some(database) = &place.database {
            command.args(["--database", database]);
        }
        let mut child = command.spawn().unwrap();
        let stderr = Lines::of(child.stderr.take().unwrap());
        let address = stderr.clone().next_with("hitl-hub: listening on ").await;
        let url = address.split("listening on ").nth(1).unwrap().trim().to_owned();
        Self { child, url, stderr, set_up_link: None, place }
    }

    /// Its data dir.
    pub fn data_dir(&self) -> &Path {
        &self.place.data
    }

    /// `hitl-hub ARGS` beside it, on the same store: its stdout, trimmed.
    pub async fn run(&self, args: &[&str]) -> String {
        let mut command = command(&binary("hitl-hub"), self.data_dir());
        if let Some(database) = &self.place.database {
            command.env("HITL_DATABASE", database);
        }
        let output = command.args(args).output().await.unwrap();
        assert!(output.status.success(), "hitl-hub {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// A new agent's token.
    pub async fn add_agent(&self, name: &str) -> String {
        self.run(&["agent", "add", name]).await
    }

    /// The administrator, signed in by the set-up link the first time and by a fresh link later.
    pub async fn sign_in(&self) -> Approver {
        self.sign_in_at(&self.url).await
    }

    /// The same where the hub is reached at another address.
    pub async fn sign_in_at(&self, url: &str) -> Approver {
        let used = self.data_dir().join("set-up-link-used");
        match &self.set_up_link {
            Some(link) if !used.exists() => {
                std::fs::write(used, "").unwrap();
                Approver::sign_in(url, link).await
            }
            _ => Approver::sign_in(url, &self.run(&["open", "--no-browser"]).await).await,
        }
    }

    /// What it answers to `/readyz`.
    pub async fn ready(&self) -> (u16, String) {
        let answer = reqwest::get(format!("{}/readyz", self.url)).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
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

fn owned(env: &[(&str, &str)]) -> Vec<(String, String)> {
    env.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
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
