//! By mode: 0600 and 0700.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use super::Meddler;

/// How a private file is opened: for nothing yet, and for this user alone if it is made.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// Makes a file, for writing, that must not be there yet.
pub fn new_file(path: &Path) -> io::Result<File> {
    options().write(true).create_new(true).open(path)
}

/// Makes a file, for writing, that must not be there yet and takes the place of another, whose mode it is given last.
pub fn new_file_in_place(path: &Path) -> io::Result<File> {
    new_file(path)
}

/// Makes a directory that nobody else can enter, with its parents; one that is there stays as it is.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub fn make_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).recursive(true).create(path)
}

/// What others may do with an open file that is meant for one user, and how to forbid it.
pub fn others(file: &File) -> io::Result<Option<String>> {
    let mode = file.metadata()?.permissions().mode() & 0o777;
    let shared = mode & 0o077 != 0;
    Ok(shared.then(|| format!("its mode is {mode:04o}, so others can read or change it; run chmod 600 on it")))
}

/// Who else could change what stands at a path; `None`, too, where nothing stands there.
pub fn meddler(path: &Path) -> io::Result<Option<Meddler>> {
    let Ok(metadata) = fs::metadata(path) else { return Ok(None) };
    let (owner, own) = (metadata.uid(), rustix::process::geteuid().as_raw());
    if owner != own && owner != 0 {
        let why = format!("belongs to another user (uid {owner})");
        return Ok(Some(Meddler { why, mend: "choose another data dir" }));
    }
    let mode = metadata.permissions().mode() & 0o7777;
    let shared = mode & 0o022 != 0;
    let why = || format!("can be changed by others (its mode is {mode:04o})");
    Ok(shared.then(|| Meddler { why: why(), mend: "chmod go-w it" }))
}

/// From here on, nothing this process makes is for others, what libraries make included.
pub fn keep_all() {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
}

/// Makes what was renamed in a directory last.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_made_for_this_user_alone_with_its_parents() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("made").join("too");
        make_dir(&path).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o700, 0o700));
    }
}
