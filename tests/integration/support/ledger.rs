//! A server that writes down every line it reads: what is not in its ledger did not happen.

use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

use super::{python, test_file};

/// The file of `tests/servers/ledger.py`.
pub struct Ledger {
    dir: TempDir,
}

impl Ledger {
    /// An empty one.
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("ledger")
    }

    /// The command that starts its server.
    pub fn server(&self) -> Vec<String> {
        self.server_of("servers/ledger.py")
    }

    /// The command of another server that keeps the same ledger.
    pub fn server_of(&self, script: &str) -> Vec<String> {
        vec![python(), "-I".into(), test_file(script), self.path().display().to_string()]
    }

    /// Every line the server read, as it came.
    pub fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.path()).unwrap_or_default()
    }

    /// The `params` of every `tools/call` the server was given, of that tool.
    pub fn calls_of(&self, tool: &str) -> Vec<Value> {
        self.bytes()
            .split(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
            .filter(|message| message["method"] == "tools/call" && message["params"]["name"] == tool)
            .map(|message| message["params"].clone())
            .collect()
    }

    /// How often the server was told to run that tool.
    pub fn runs_of(&self, tool: &str) -> usize {
        self.calls_of(tool).len()
    }
}
