//! A server whose tools are what the test says, also while it runs.

use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{python, test_file};

/// The file that `tests/servers/toolbox.py` lists.
pub struct Toolbox {
    dir: TempDir,
}

impl Toolbox {
    /// One with these tools.
    pub fn of(tools: &[Value]) -> Self {
        let toolbox = Self { dir: tempfile::tempdir().unwrap() };
        toolbox.put(tools);
        toolbox
    }

    /// One whose tools have these names.
    pub fn named(names: &[&str]) -> Self {
        Self::of(&names.iter().map(|name| tool(name, "A tool.")).collect::<Vec<_>>())
    }

    /// From the next list on, these are its tools.
    pub fn put(&self, tools: &[Value]) {
        std::fs::write(self.path(), json!(tools).to_string()).unwrap();
    }

    /// The command that starts it.
    pub fn server(&self) -> Vec<String> {
        vec![python(), "-I".into(), test_file("servers/toolbox.py"), self.path().display().to_string()]
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("tools.json")
    }
}

/// A tool's definition.
pub fn tool(name: &str, description: &str) -> Value {
    json!({ "name": name, "description": description, "inputSchema": { "type": "object" } })
}
