//! Files and directories for this user alone: 0600 and 0700 from the start.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// How a private file is opened: for nothing yet, and 0600 if it is made.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub fn options() -> OpenOptions {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "the mode is set on Unix"))]
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Makes a directory that nobody else can enter, with its parents; one that is there stays as it is.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub fn make_dir(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(path)
}

/// Writes a file whole or not at all, whatever stood there and whoever could read that; its directory is made as well.
pub fn write(path: &Path, text: impl AsRef<[u8]>) -> io::Result<()> {
    make_dir(directory_of(path))?;
    let draft = draft_of(path);
    // One of a process that was killed may have other rights.
    let _ = fs::remove_file(&draft);
    let mut file = options().write(true).create_new(true).open(&draft)?;
    let written = file.write_all(text.as_ref()).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&draft, path));
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
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_is_written_is_nobody_elses_to_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("made").join("too").join("token");
        write(&path, "one").unwrap();
        assert_eq!((mode(&path), mode(directory_of(&path))), (0o600, 0o700));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(draft_of(&path), "of one that was killed").unwrap();
        write(&path, "two").unwrap();
        assert_eq!((mode(&path), fs::read_to_string(&path).unwrap()), (0o600, "two".to_owned()));
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
