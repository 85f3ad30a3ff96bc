//! What was changed in which file, so that it can be undone to the byte: a journal and copies of the files as they were,
//! in this user's state directory. They hold what the files hold, secrets included, and are for this user only.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use serde::{Deserialize, Serialize};

use super::splice::Before;
use crate::config::private;
use crate::core::ids::Digest;

/// The journal of a state directory.
#[derive(Debug)]
pub struct Journal {
    dir: PathBuf,
    records: Vec<Record>,
}

/// One file in which the shim was put in front of servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Where it really lies.
    pub file: PathBuf,
    /// The client's id.
    pub client: String,
    /// SHA-256 of the file as we left it.
    pub after: Digest,
    /// The servers.
    pub servers: Vec<Server>,
}

/// A server that the shim was put in front of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// The way to it from the top of the file.
    pub path: Vec<String>,
    /// What its entry was.
    pub before: Before,
}

impl Journal {
    /// Opens the journal in this directory; none is an empty one.
    pub fn open(dir: &Path) -> anyhow::Result<Self> {
        let path = dir.join("installs.json");
        let records = match std::fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text)
                .map_err(|error| anyhow!("{} cannot be read ({error}); move it away", path.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        Ok(Self { dir: dir.to_owned(), records })
    }

    /// One in which nothing stands, for looking only.
    pub fn empty() -> Self {
        Self { dir: PathBuf::new(), records: Vec::new() }
    }

    /// What is known of a file.
    pub fn of(&self, file: &Path) -> Option<&Record> {
        self.records.iter().find(|record| record.file == file)
    }

    /// All records.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The file as it was before the shim came, if it is still as we left it.
    pub fn original(&self, file: &Path, now: &str) -> Option<String> {
        let record = self.of(file).filter(|record| record.after == Digest::of(now.as_bytes()))?;
        std::fs::read_to_string(self.copy(&record.file)).ok()
    }

    /// Keeps the file as it was, before it is changed. What was kept of an untouched change stays.
    pub fn keep(&mut self, file: &Path, before: &str) -> anyhow::Result<()> {
        if self.original(file, before).is_none() {
            write(&self.copy(file), before)?;
        }
        Ok(())
    }

    /// Notes what was changed.
    pub fn note(&mut self, record: Record) -> anyhow::Result<()> {
        self.records.retain(|other| other.file != record.file);
        self.records.push(record);
        self.save()
    }

    /// Forgets a file, and the copy of it.
    pub fn forget(&mut self, file: &Path) -> anyhow::Result<()> {
        self.records.retain(|record| record.file != file);
        let _ = std::fs::remove_file(self.copy(file));
        self.save()
    }

    fn copy(&self, file: &Path) -> PathBuf {
        let name = Digest::of(file.as_os_str().as_encoded_bytes());
        self.dir.join(format!("{}.bak", name.as_str()))
    }

    fn save(&self) -> anyhow::Result<()> {
        let path = self.dir.join("installs.json");
        if self.records.is_empty() {
            let _ = std::fs::remove_file(&path);
            let _ = std::fs::remove_dir(&self.dir);
            return Ok(());
        }
        let text = serde_json::to_string_pretty(&self.records)?;
        write(&path, &(text + "\n"))
    }
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    private::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_had_back_to_the_byte_as_long_as_nobody_else_changed_it() {
        let dir = tempfile::tempdir().unwrap();
        let (state, file) = (dir.path().join("state"), dir.path().join("mcp.json"));
        let record = |after: &str| Record {
            file: file.clone(),
            client: "cursor".to_owned(),
            after: Digest::of(after.as_bytes()),
            servers: vec![Server { path: vec!["mcpServers".to_owned(), "x".to_owned()], before: Before::default() }],
        };
        let mut journal = Journal::open(&state).unwrap();
        journal.keep(&file, "before").unwrap();
        journal.note(record("after")).unwrap();
        let mut journal = Journal::open(&state).unwrap();
        assert_eq!(journal.original(&file, "after").as_deref(), Some("before"));
        assert_eq!(journal.original(&file, "changed"), None);
        journal.keep(&file, "after").unwrap();
        journal.note(record("after two")).unwrap();
        assert_eq!(journal.original(&file, "after two").as_deref(), Some("before"), "two steps are undone as one");
        journal.forget(&file).unwrap();
        assert!(!state.exists(), "nothing is left");
    }

    #[cfg(unix)]
    #[test]
    fn what_is_kept_is_for_this_user_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let mut journal = Journal::open(&state).unwrap();
        journal.keep(Path::new("/f"), "secret").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&state), 0o700);
        assert!(std::fs::read_dir(&state).unwrap().all(|entry| mode(&entry.unwrap().path()) == 0o600));
    }
}
