//! A hub for the shim to be connected to, on the other core.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A running hub; ended when dropped.
pub struct Hub {
    child: Child,
    data: PathBuf,
    _temporary: Option<TempDir>,
    database: Option<String>,
    /// Its base URL.
    pub url: String,
}

impl Hub {
    /// Starts one and waits until it listens.
    pub fn start() -> Self {
        Self::start_on(None, None)
    }

    /// The same in this directory, on this database.
    pub fn start_on(dir: Option<&str>, database: Option<&str>) -> Self {
        let temporary = dir.is_none().then(|| tempfile::tempdir().unwrap());
        let data = dir.map_or_else(|| temporary.as_ref().unwrap().path().to_owned(), PathBuf::from);
        let mut command = Command::new(env!("CARGO_BIN_EXE_hitl-hub"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(&data).env("HOME", &data);
        if let Some(database) = database {
            command.args(["--database", database]);
        }
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let pinned =
            Command::new("taskset").args(["-apc", "0", &child.id().to_string()]).stdout(Stdio::null()).status();
        drop(pinned);
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let url = lines.by_ref().find_map(|line| Some(line.ok()?.split_once("listening on ")?.1.trim().to_owned()));
        // What it complains of belongs beside the numbers.
        std::thread::spawn(move || {
            lines
                .map_while(Result::ok)
                .filter(|line| line.contains("WARN") || line.contains("ERROR"))
                .for_each(|line| eprintln!("{line}"))
        });
        Self {
            child,
            data,
            _temporary: temporary,
            database: database.map(str::to_owned),
            url: url.expect("the hub starts"),
        }
    }

    /// A new agent's token.
    pub fn add_agent(&self, name: &str) -> String {
        let mut command = self.command(&["agent", "add", name]);
        String::from_utf8(command.output().unwrap().stdout).unwrap().trim().to_owned()
    }

    /// A command beside the hub, on its store.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hitl-hub"));
        command.args(args).arg("--data-dir").arg(&self.data).env("HOME", &self.data);
        if let Some(database) = &self.database {
            command.args(["--database", database]);
        }
        command
    }

    /// Resident memory in KiB.
    pub fn rss_kib(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Its data dir, which serves the shim as home too.
    pub fn data_dir(&self) -> String {
        self.data.display().to_string()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
