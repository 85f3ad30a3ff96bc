//! Files and directories for this user alone, from the start: by their mode, or by their access list.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub use self::unix::{keep_all, make_dir, meddler, new_file, new_file_in_place, options, others, sync_dir};

#[cfg(windows)]
mod windows;
#[cfg(all(windows, test))]
pub use self::windows::make_open_dir;
#[cfg(windows)]
pub use self::windows::{keep_all, make_dir, meddler, new_file, new_file_in_place, options, others, sync_dir};

/// Somebody else who could change what is this user's, and so decide in this user's name.
#[derive(Debug, PartialEq, Eq)]
pub struct Meddler {
    /// How they could.
    pub why: String,
    /// What to do about it.
    pub mend: &'static str,
}

impl fmt::Display for Meddler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, who could decide in your name; {}", self.why, self.mend)
    }
}

/// Writes a file whole or not at all, whatever stood there and whoever could read that; its directory is made as well.
pub fn write(path: &Path, text: impl AsRef<[u8]>) -> io::Result<()> {
    make_dir(directory_of(path))?;
    let draft = draft_of(path);
    // One of a process that was killed may have other rights.
    let _ = fs::remove_file(&draft);
    let mut file = new_file(&draft)?;
    let written = file.write_all(text.as_ref()).and_then(|()| file.sync_all());
    drop(file);
    let written = written.and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written
}

/// Where a file lies; `.` for a bare name.
pub fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn draft_of(path: &Path) -> PathBuf {
    let mut draft = OsString::from(path);
    draft.push(format!(".new-{}", std::process::id()));
    draft.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_ours_alone(path: &Path) -> bool {
        others(&fs::File::open(path).unwrap()).unwrap().is_none()
    }

    #[test]
    fn what_is_written_is_nobody_elses_to_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("made").join("too").join("token");
        write(&path, "one").unwrap();
        assert!(is_ours_alone(&path));
        fs::write(draft_of(&path), "of one that was killed").unwrap();
        fs::rename(draft_of(&path), &path).unwrap();
        fs::write(draft_of(&path), "of another").unwrap();
        write(&path, "two").unwrap();
        assert!(is_ours_alone(&path));
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::read_dir(directory_of(&path)).unwrap().count(), 1, "no draft stays");
    }

    #[test]
    fn what_cannot_be_put_in_place_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("taken");
        fs::create_dir(&path).unwrap();
        assert!(write(&path, "text").is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
