//! Reading and exchanging a client's file: links followed, mode kept, written whole or not at all.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use crate::config::private;

/// A file as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// As the client names it.
    pub path: PathBuf,
    /// Where it really lies, behind all links.
    pub real: PathBuf,
    /// What stood in it.
    pub text: String,
}

impl Found {
    /// Reads it.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let real = path.canonicalize().with_context(|| match path.is_symlink() {
            true => format!("{} is a link that leads nowhere", path.display()),
            false => format!("cannot find {}", path.display()),
        })?;
        let bytes = std::fs::read(&real).with_context(|| format!("cannot read {}", path.display()))?;
        let text = String::from_utf8(bytes).map_err(|_| anyhow::anyhow!("{} is not UTF-8 text", path.display()))?;
        Ok(Self { path: path.to_owned(), real, text })
    }

    /// Exchanges its text, unless somebody else changed the file since it was read.
    pub fn replace(&self, text: &str) -> anyhow::Result<()> {
        let path = self.path.display();
        self.check_owner()?;
        let directory = self.real.parent().context("it lies in no directory")?;
        let metadata = std::fs::metadata(&self.real).with_context(|| format!("cannot look at {path}"))?;
        ensure!(!metadata.permissions().readonly(), "{path} is read-only; make it writable first");
        let mut new = tempfile_in(directory).with_context(|| format!("cannot write beside {path}"))?;
        let written = new
            .file
            .write_all(text.as_bytes())
            .and_then(|()| new.file.set_permissions(metadata.permissions()))
            .and_then(|()| keep_group(&new.path, &metadata))
            .and_then(|()| new.file.sync_all());
        written.with_context(|| format!("cannot write beside {path}"))?;
        // As late as can be: a client may rewrite its file at any time.
        let now = Self::read(&self.path)?;
        ensure!(now == *self, "{path} was changed meanwhile, so it is left as it is; try again");
        std::fs::rename(&new.path, &self.real).with_context(|| format!("cannot replace {path}"))?;
        new.kept = true;
        sync_directory(directory);
        Ok(())
    }

    /// A file of somebody else would become ours, and its client could not write it any more.
    #[cfg(unix)]
    fn check_owner(&self) -> anyhow::Result<()> {
        use std::os::unix::fs::MetadataExt as _;
        let owner = std::fs::metadata(&self.real)?.uid();
        let own = rustix::process::geteuid().as_raw();
        if owner != own {
            anyhow::bail!("{} belongs to another user (uid {owner}); run this as that user", self.path.display());
        }
        Ok(())
    }

    #[cfg(not(unix))]
    fn check_owner(&self) -> anyhow::Result<()> {
        Ok(())
    }
}

/// A new file that is removed again unless it was put into place.
struct New {
    path: PathBuf,
    file: std::fs::File,
    kept: bool,
}

impl Drop for New {
    fn drop(&mut self) {
        if !self.kept {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn tempfile_in(directory: &Path) -> std::io::Result<New> {
    let path = directory.join(format!(".hitl-{}.tmp", uuid::Uuid::now_v7().simple()));
    let file = private::new_file_in_place(&path)?;
    Ok(New { path, file, kept: false })
}

#[cfg(unix)]
fn keep_group(path: &Path, metadata: &std::fs::Metadata) -> std::io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    if std::fs::metadata(path)?.gid() == metadata.gid() {
        return Ok(());
    }
    std::os::unix::fs::chown(path, None, Some(metadata.gid()))
}

#[cfg(not(unix))]
fn keep_group(_: &Path, _: &std::fs::Metadata) -> std::io::Result<()> {
    Ok(())
}

/// The new name is on the disk, too; where a directory cannot be synced, it is there soon.
fn sync_directory(directory: &Path) {
    if let Ok(directory) = std::fs::File::open(directory) {
        let _ = directory.sync_all();
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_link_stays_a_link_and_its_file_keeps_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let (real, middle, link) = (dir.path().join("dot/real"), dir.path().join("middle"), dir.path().join("link"));
        std::fs::create_dir(dir.path().join("dot")).unwrap();
        std::fs::write(&real, "one").unwrap();
        std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&real, &middle).unwrap();
        symlink("middle", &link).unwrap();
        Found::read(&link).unwrap().replace("two").unwrap();
        assert!(link.is_symlink() && middle.is_symlink());
        assert_eq!(std::fs::read_to_string(&real).unwrap(), "two");
        assert_eq!(std::fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(std::fs::read_dir(dir.path().join("dot")).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn what_cannot_be_replaced_safely_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        symlink("nowhere", &path).unwrap();
        assert!(Found::read(&path).unwrap_err().to_string().contains("leads nowhere"));
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "one").unwrap();
        let found = Found::read(&path).unwrap();
        std::fs::write(&path, "by the client").unwrap();
        assert!(found.replace("two").unwrap_err().to_string().contains("changed meanwhile"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "by the client");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
        assert!(Found::read(&path).unwrap().replace("two").unwrap_err().to_string().contains("read-only"));
        std::fs::write(dir.path().join("b"), b"\xff").unwrap();
        assert!(Found::read(&dir.path().join("b")).unwrap_err().to_string().contains("UTF-8"));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
