//! The newest record that this data dir knows of its store, in a file of its own: a store that is behind it was set
//! back, by a restored backup or by what a crash of the machine lost.
//!
//! It is written and synced after each commit that recorded something, before anybody is answered.

use std::fmt;
use std::fs;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::config::private;
use crate::core::ids::Digest;

/// Two places are written in turn, each a disk's sector: one that is torn leaves the other.
const SLOT: usize = 512;

/// A record's place and hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its number.
    pub seq: i64,
    /// Its hash, in hex.
    pub hash: String,
}

/// A store that is behind what its data dir knows of it, or has another history.
#[derive(Clone, Debug)]
pub struct SetBack {
    /// What is known; `None` where that cannot be read.
    pub known: Option<Head>,
    /// The newest record that is there.
    pub found: Head,
}

impl fmt::Display for SetBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = self.found.seq;
        match &self.known {
            None => {
                write!(f, "it cannot be told whether the store was set back, because what was noted of it is damaged")
            }
            Some(known) if known.seq > found => {
                write!(
                    f,
                    "the store was set back: it ends with record {found}, and record {} was written to it",
                    known.seq
                )
            }
            Some(known) => {
                write!(f, "the store has another history: its record {} is not the one that was written", known.seq)
            }
        }
    }
}

/// The file.
#[derive(Clone, Debug)]
pub struct MarkFile(PathBuf);

impl MarkFile {
    /// The one with this name.
    pub fn at(path: PathBuf) -> Self {
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// What it holds; `None` where there is none. One that holds nothing readable is an error.
    pub fn read(&self) -> io::Result<Option<Head>> {
        let text = match fs::read(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let unreadable = || io::Error::new(io::ErrorKind::InvalidData, "it is damaged");
        newest(&text).map(|(_, head)| Some(head)).ok_or_else(unreadable)
    }

    /// Notes a newer record; an older one than it holds changes nothing, because other processes note theirs, too.
    pub(super) fn note(&self, head: &Head) -> io::Result<()> {
        let mut file = match private::options().read(true).write(true).open(&self.0) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.set(head),
            Err(error) => return Err(error),
        };
        file.lock()?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        let slot = match newest(&text) {
            Some((_, before)) if before.seq >= head.seq => return Ok(()),
            Some((slot, _)) => 1 - slot,
            None => 0,
        };
        file.seek(SeekFrom::Start((slot * SLOT) as u64))?;
        file.write_all(&written(head))?;
        file.sync_data()
    }

    /// Makes it hold this record, whatever it held.
    pub(super) fn set(&self, head: &Head) -> io::Result<()> {
        private::write(&self.0, [written(head), written(head)].concat())?;
        // The name is durable with its directory.
        private::sync_dir(private::directory_of(&self.0))
    }
}

/// The writer's hand on the file.
pub(super) struct Marking {
    file: Option<MarkFile>,
    /// What could not be noted when it was committed.
    unnoted: Option<Head>,
    /// Whether all was.
    good: Arc<AtomicBool>,
}

impl Marking {
    pub(super) fn of(file: Option<MarkFile>, good: Arc<AtomicBool>) -> Self {
        Self { file, unnoted: None, good }
    }

    /// After a commit. What it recorded stands, noted or not; the next commit tries again.
    pub(super) async fn note(&mut self, head: Option<Head>) {
        let (Some(file), Some(head)) = (self.file.clone(), head.or(self.unnoted.take())) else { return };
        let noted = tokio::task::spawn_blocking({
            let head = head.clone();
            move || file.note(&head)
        });
        let noted = noted.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        if let Err(error) = &noted {
            tracing::error!(%error, seq = head.seq, "the newest record cannot be noted in the data dir");
            self.unnoted = Some(head);
        }
        self.good.store(noted.is_ok(), Ordering::Relaxed);
    }
}

fn line(head: &Head) -> String {
    format!("{} {}", head.seq, head.hash)
}

/// A slot: a line with its own digest, and blanks.
fn written(head: &Head) -> Vec<u8> {
    let line = line(head);
    let mut slot = format!("{line} {}", Digest::of(line.as_bytes())).into_bytes();
    slot.resize(SLOT - 1, b' ');
    slot.push(b'\n');
    slot
}

fn read_slot(slot: &[u8]) -> Option<Head> {
    let text = std::str::from_utf8(slot).ok()?;
    // The hash of an empty record is empty.
    let (line, digest) = text.trim_end().rsplit_once(' ')?;
    let (seq, hash) = line.split_once(' ')?;
    let head = Head { seq: seq.parse().ok()?, hash: hash.to_owned() };
    (Digest::of(line.as_bytes()).as_str() == digest).then_some(head)
}

/// The newer of what the slots hold, and in which it is.
fn newest(text: &[u8]) -> Option<(usize, Head)> {
    let slots = text.chunks(SLOT).take(2).enumerate();
    slots.filter_map(|(n, slot)| Some((n, read_slot(slot)?))).max_by_key(|(_, head)| head.seq)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(seq: i64) -> Head {
        Head { seq, hash: Digest::of(&seq.to_be_bytes()).to_string() }
    }

    fn fresh() -> (tempfile::TempDir, MarkFile) {
        let dir = tempfile::tempdir().unwrap();
        let file = MarkFile::at(dir.path().join("hub.head"));
        (dir, file)
    }

    #[test]
    fn the_newest_record_is_read_back_and_none_goes_back() {
        let (_dir, file) = fresh();
        assert_eq!(file.read().unwrap(), None);
        file.note(&Head { seq: 0, hash: String::new() }).unwrap();
        assert_eq!(file.read().unwrap().unwrap(), Head { seq: 0, hash: String::new() });
        for seq in [1, 2, 3, 7, 5] {
            file.note(&head(seq)).unwrap();
        }
        assert_eq!(file.read().unwrap(), Some(head(7)));
        file.set(&head(2)).unwrap();
        assert_eq!(file.read().unwrap(), Some(head(2)));
    }

    #[test]
    fn a_torn_place_leaves_the_one_before_and_two_are_an_error() {
        let (_dir, file) = fresh();
        file.note(&head(1)).unwrap();
        file.note(&head(2)).unwrap();
        let text = fs::read(file.path()).unwrap();
        let (slot, _) = newest(&text).unwrap();
        let mut torn = text.clone();
        torn[slot * SLOT + 3] ^= 1;
        fs::write(file.path(), &torn).unwrap();
        assert_eq!(file.read().unwrap(), Some(head(1)));
        file.note(&head(3)).unwrap();
        assert_eq!(file.read().unwrap(), Some(head(3)));
        fs::write(file.path(), "").unwrap();
        assert!(file.read().is_err());
    }

    #[test]
    fn processes_that_note_at_once_leave_the_newest() {
        let (_dir, file) = fresh();
        file.note(&head(0)).unwrap();
        std::thread::scope(|scope| {
            for first in 1..=4 {
                let file = file.clone();
                scope.spawn(move || (first..200).step_by(4).for_each(|seq| file.note(&head(seq)).unwrap()));
            }
        });
        assert_eq!(file.read().unwrap(), Some(head(199)));
    }
}
