//! A hub for the shim to be connected to, on the other core.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A running hub; ended when dropped.
pub struct Hub {
    child: Child,
    data: TempDir,
    /// Its base URL.
    pub url: String,
}

impl Hub {
    /// Starts one and waits until it listens.
    pub fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_hitl-hub"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data.path()).env("HOME", data.path());
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
        Self { child, data, url: url.expect("the hub starts") }
    }

    /// A new agent's token.
    pub fn add_agent(&self, name: &str) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hitl-hub"));
        command.args(["agent", "add", name, "--data-dir"]).arg(self.data.path()).env("HOME", self.data.path());
        String::from_utf8(command.output().unwrap().stdout).unwrap().trim().to_owned()
    }

    /// Resident memory in KiB.
    pub fn rss_kib(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Its data dir, which serves the shim as home too.
    pub fn data_dir(&self) -> String {
        self.data.path().display().to_string()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
