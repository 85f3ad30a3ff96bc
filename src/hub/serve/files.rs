//! The data dir: made for its owner alone, locked by the hub that serves it, and where the running hub says how it is
//! reached.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::config::database::Database;
use crate::config::{paths, private};
use crate::core::ids::Digest;
use crate::hub::store;

/// A data dir.
#[derive(Clone, Debug)]
pub struct DataDir(PathBuf);

impl DataDir {
    /// Removes what a hub left that was killed: whoever listens there now is a stranger.
    pub fn forget_urls(&self) {
        for url in [self.hub_url(), paths::local_url(&self.0)] {
            // Mostly there is none.
            let _ = fs::remove_file(url);
        }
    }

    /// Makes it if it is missing, 0700.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        private::make_dir(path)
            .with_context(|| format!("cannot use data dir {}; choose another with --data-dir", path.display()))?;
        refuse_shared(path)?;
        Ok(Self(path.to_path_buf()))
    }

    /// The one that should be there; nothing is made.
    pub fn at(path: &Path) -> Self {
        Self(path.to_path_buf())
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Holds the URL of the running hub, for programs of this user.
    pub fn hub_url(&self) -> PathBuf {
        self.0.join("hub.url")
    }

    /// The URL of the hub that serves this data dir. What a hub said that was killed is not believed: somebody else may
    /// listen there by now.
    pub fn running_hub(&self) -> anyhow::Result<String> {
        refuse_shared(&self.0)?;
        if !self.is_served() {
            bail!("no hub is running on data dir {}; start it with `hitl-hub serve`", self.0.display());
        }
        match fs::read_to_string(self.hub_url()) {
            Ok(url) => Ok(url.trim().to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                bail!("no hub is running on data dir {}; start it with `hitl-hub serve`", self.0.display())
            }
            Err(error) => Err(error).with_context(|| format!("cannot read {}", self.hub_url().display())),
        }
    }

    /// Knows the newest record of a store.
    pub fn mark(&self, database: &Database) -> PathBuf {
        let name = match database {
            Database::Sqlite(path) if real(path) == real(&self.0.join("hub.db")) => return self.0.join("hub.head"),
            Database::Sqlite(path) => real(path).display().to_string(),
            // Whoever asks may have another name and password.
            Database::Postgres(url) => {
                let (scheme, rest) = url.split_once("://").unwrap_or_default();
                let host = rest.find('/').unwrap_or(rest.len());
                let place = rest[..host].rfind('@').map_or(rest, |at| &rest[at + 1..]);
                format!("{scheme}://{place}")
            }
        };
        let name = Digest::of(name.as_bytes());
        self.0.join(format!("{}.head", &name.as_str()[..16]))
    }

    /// A data dir that knows of records has lost its store where that is missing, and is no fresh one.
    pub fn refuse_lost_store(&self, database: &Database) -> anyhow::Result<()> {
        let Database::Sqlite(path) = database else { return Ok(()) };
        let known = store::MarkFile::at(self.mark(database)).read();
        match known {
            Ok(None) => Ok(()),
            Ok(Some(head)) if head.seq == 0 || path.exists() => Ok(()),
            Err(_) if path.exists() => Ok(()),
            _ => bail!("the store {} is missing, and records were written to it; {RESTORE}", path.display()),
        }
    }

    /// The process of the hub that lives, by its lock file.
    pub fn process(&self) -> Option<i32> {
        fs::read_to_string(paths::hub_lock(&self.0)).ok()?.trim().parse().ok().filter(|process| *process > 0)
    }

    /// Whether a hub of this data dir lives.
    pub fn is_served(&self) -> bool {
        let lock = File::open(paths::hub_lock(&self.0));
        lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// Writes a file, 0600, that goes away with the value.
    pub fn publish(&self, path: &Path, text: &str) -> anyhow::Result<Published> {
        write_private(path, text)?;
        Ok(Published(path.to_path_buf()))
    }
}

/// A file that is true only while this lives.
#[derive(Debug)]
pub struct Published(PathBuf);

impl Drop for Published {
    fn drop(&mut self) {
        // It may be gone already, and who reads a stale one finds nobody there.
        let _ = fs::remove_file(&self.0);
    }
}

/// Writes a file that only this user can read, whole or not at all; its directory is made as well.
pub(super) fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    private::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// How often, and how far apart, a taken lock is tried again: a shim that asks whether a hub runs holds it for a moment.
const TRIES: u32 = 50;
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(10);

/// Held for as long as a hub serves; the operating system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    /// The locks of a hub: on its data dir, and on its SQLite store, beside the one real file whatever leads there.
    pub(super) fn of_hub(dir: &DataDir, database: &Database) -> anyhow::Result<Vec<Self>> {
        let mut own = Self::take(&paths::hub_lock(dir.path()), dir.path())?;
        own.sign().with_context(|| format!("cannot write {}", paths::hub_lock(dir.path()).display()))?;
        let mut locks = vec![own];
        if let Database::Sqlite(path) = database {
            let real =
                store::private_file(path).with_context(|| format!("cannot open the store {}", path.display()))?;
            let mut lock = real.clone().into_os_string();
            lock.push(".lock");
            locks.push(Self::take(Path::new(&lock), &real)?);
        }
        Ok(locks)
    }

    /// Says in the file whose it is, so that `hitl-hub stop` finds the process.
    fn sign(&mut self) -> io::Result<()> {
        self.0.set_len(0)?;
        write!(self.0, "{}", std::process::id())
    }

    fn take(path: &Path, of: &Path) -> anyhow::Result<Self> {
        let file = private::options().write(true).create(true).truncate(false).open(path);
        let file = file.with_context(|| format!("cannot open lock file {}", path.display()))?;
        let mut locked = file.try_lock();
        for _ in 1..TRIES {
            if !matches!(locked, Err(TryLockError::WouldBlock)) {
                break;
            }
            std::thread::sleep(TRY_AGAIN_AFTER);
            locked = file.try_lock();
        }
        match locked {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => bail!(
                "another hitl-hub is serving {} already; stop it first, or choose another with --data-dir",
                of.display()
            ),
            Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
        }
    }
}

/// What to do about a store that is lost or was set back.
pub(super) const RESTORE: &str = "put the newest copy of it in its place, or go on with what there is by \
                           `hitl-hub serve --accept-rollback`: what is open in it ends, and the record says so";

/// The one real path, as far as there is one.
fn real(path: &Path) -> PathBuf {
    let beside = || Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?));
    path.canonicalize().ok().or_else(beside).unwrap_or_else(|| path.to_path_buf())
}

/// Refuses what others could change under the hub: whoever writes the data dir decides, and reads every token.
fn refuse_shared(path: &Path) -> anyhow::Result<()> {
    let shown = path.display();
    match private::meddler(path).with_context(|| format!("cannot tell who may change {shown}"))? {
        Some(why) => bail!("{shown} {why}"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_hub_on_the_same_data_dir_or_store_is_refused() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let [one, two] = [&one, &two].map(|dir| DataDir::open(&dir.path().join("data")).unwrap());
        let own = Database::Sqlite(one.path().join("hub.db"));
        let other = Database::Sqlite(one.path().join("other.db"));
        let held = Lock::of_hub(&one, &own).unwrap();
        let error = Lock::of_hub(&one, &own).unwrap_err().to_string();
        assert!(error.contains("another hitl-hub is serving"), "{error}");
        let shared = Lock::of_hub(&two, &other).unwrap();
        drop(held);
        assert!(Lock::of_hub(&one, &other).is_err(), "the store is locked, wherever the data dir is");
        drop(shared);
        assert!(Lock::of_hub(&one, &other).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn a_store_has_one_lock_however_it_is_named() {
        use std::os::unix::fs::symlink;
        let (home, away) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let dir = DataDir::open(&home.path().join("data")).unwrap();
        let file = dir.path().join("hub.db");
        let held = Lock::of_hub(&dir, &Database::Sqlite(file.clone())).unwrap();
        symlink(dir.path(), away.path().join("dir")).unwrap();
        symlink(&file, away.path().join("link.db")).unwrap();
        fs::hard_link(&file, away.path().join("hard.db")).unwrap();
        let relative = pathdiff(&file);
        let names = [
            file.display().to_string(),
            format!("{}/../data/./hub.db", dir.path().display()),
            format!("//{}?mode=rwc", file.display()),
            format!("file:{}", file.display()),
            file.display().to_string().replace("hub.db", "%68ub.db"),
            away.path().join("dir/hub.db").display().to_string(),
            away.path().join("link.db").display().to_string(),
            away.path().join("hard.db").display().to_string(),
            relative,
        ];
        let elsewhere = DataDir::open(&away.path().join("data")).unwrap();
        for name in names {
            let database = Database::parse(&format!("sqlite:{name}")).unwrap();
            assert!(Lock::of_hub(&elsewhere, &database).is_err(), "{name}");
        }
        drop(held);
        let hard = Lock::of_hub(&elsewhere, &Database::Sqlite(file.clone())).unwrap_err();
        assert!(format!("{hard:#}").contains("hard link"), "{hard:#}");
        fs::remove_file(away.path().join("hard.db")).unwrap();
        assert!(Lock::of_hub(&elsewhere, &Database::Sqlite(away.path().join("link.db"))).is_ok());
    }

    /// Its lock and its journal would stand beside the other name.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_store_that_is_mounted_without_its_directory_is_refused() {
        use std::process::Command;
        let (home, away) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let [file, mounted] = [home.path(), away.path()].map(|dir| dir.join("hub.db"));
        fs::write(&file, "").unwrap();
        fs::write(&mounted, "").unwrap();
        let bound = Command::new("mount").arg("--bind").args([&file, &mounted]).output();
        if !bound.is_ok_and(|output| output.status.success()) {
            println!("skipped: nothing can be mounted here");
            return;
        }
        let dir = DataDir::open(&away.path().join("data")).unwrap();
        let refused = Lock::of_hub(&dir, &Database::Sqlite(mounted.clone())).unwrap_err();
        let _ = Command::new("umount").arg(&mounted).output();
        assert!(format!("{refused:#}").contains("bind mount"), "{refused:#}");
        assert!(Lock::of_hub(&dir, &Database::Sqlite(file)).is_ok());
    }

    /// From the working directory.
    #[cfg(unix)]
    fn pathdiff(file: &Path) -> String {
        let here = std::env::current_dir().unwrap();
        format!("{}{}", "../".repeat(here.components().count() - 1), file.strip_prefix("/").unwrap().display())
    }

    #[test]
    fn a_data_dir_that_cannot_be_made_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let error = format!("{:#}", DataDir::open(&file.join("data")).unwrap_err());
        assert!(error.contains("cannot use data dir") && error.contains("--data-dir"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn what_others_could_change_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let parent = tempfile::tempdir().unwrap();
        let dir = DataDir::open(&parent.path().join("data")).unwrap();
        let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        set(dir.path(), 0o777);
        let error = DataDir::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("chmod") && error.contains(&dir.path().display().to_string()), "{error}");
        set(dir.path(), 0o755);
        assert!(DataDir::open(dir.path()).is_ok());
        // The store may be elsewhere.
        let elsewhere = tempfile::tempdir().unwrap();
        let file = elsewhere.path().join("hub.db");
        fs::write(&file, "").unwrap();
        for (path, bad, good) in [(elsewhere.path(), 0o777, 0o755), (file.as_path(), 0o620, 0o600)] {
            set(path, bad);
            let error = format!("{:#}", Lock::of_hub(&dir, &Database::Sqlite(file.clone())).unwrap_err());
            assert!(error.contains("chmod") && error.contains(&path.display().to_string()), "{error}");
            set(path, good);
        }
        assert!(Lock::of_hub(&dir, &Database::Sqlite(file.clone())).is_ok());
        set(dir.path(), 0o770);
        assert!(dir.running_hub().unwrap_err().to_string().contains("chmod"));
    }

    #[cfg(unix)]
    #[test]
    fn what_is_written_is_for_its_owner_only_and_goes_away() {
        use std::os::unix::fs::PermissionsExt as _;
        let parent = tempfile::tempdir().unwrap();
        let dir = DataDir::open(&parent.path().join("data")).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(dir.path()), 0o700);
        let published = dir.publish(&dir.hub_url(), "http://127.0.0.1:1").unwrap();
        assert_eq!(mode(&dir.hub_url()), 0o600);
        assert!(dir.running_hub().is_err(), "the hub that wrote it is gone");
        let _lock = Lock::take(&paths::hub_lock(dir.path()), dir.path()).unwrap();
        assert_eq!(dir.running_hub().unwrap(), "http://127.0.0.1:1");
        drop(published);
        assert!(dir.running_hub().unwrap_err().to_string().contains("no hub is running"));
    }
}
