//! Where things lie on this machine.
//!
//! In local mode the shim and the user's own hub find each other through two files under the data dir, both 0600:
//! [`local_url`] (present while the hub runs) and [`local_agent_token`].

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use directories::{BaseDirs, ProjectDirs};

/// The directories of this user, or why there are none.
fn project() -> anyhow::Result<ProjectDirs> {
    ProjectDirs::from("", "", "hitl")
        .context("cannot find this user's home directory; set HOME, or name a directory with HITL_DATA_DIR")
}

/// `config.toml` in this user's config dir.
pub fn config_file() -> anyhow::Result<PathBuf> {
    Ok(project()?.config_dir().join("config.toml"))
}

/// The hub's data dir when nothing else is said. A user without a home, as some containers have, is given one among the
/// temporary files.
pub fn data_dir() -> anyhow::Result<PathBuf> {
    match project() {
        Ok(project) => Ok(project.data_local_dir().to_path_buf()),
        Err(homeless) => make_temporary_dir().context(homeless),
    }
}

/// The data dir of a user without a home, where such a user can be given one.
#[cfg(unix)]
pub fn temporary_dir() -> Option<PathBuf> {
    Some(std::env::temp_dir().join(format!("hitl-{}", rustix::process::geteuid().as_raw())))
}

/// The data dir of a user without a home, where such a user can be given one.
#[cfg(not(unix))]
pub fn temporary_dir() -> Option<PathBuf> {
    None
}

/// Makes it this user's alone, whoever else may make directories there.
#[cfg(unix)]
fn make_temporary_dir() -> anyhow::Result<PathBuf> {
    use std::os::unix::fs::MetadataExt as _;
    let dir = temporary_dir().context("there is no place for temporary files")?;
    super::private::make_dir(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let there = dir.symlink_metadata()?;
    let own = rustix::process::geteuid().as_raw();
    let is_ours = there.is_dir() && there.uid() == own && there.mode() & 0o077 == 0;
    anyhow::ensure!(is_ours, "{} is not this user's alone", dir.display());
    Ok(dir)
}

#[cfg(not(unix))]
fn make_temporary_dir() -> anyhow::Result<PathBuf> {
    anyhow::bail!("and temporary files are no place for it")
}

/// Where the shim keeps what it changed in the files of clients.
pub fn state_dir() -> anyhow::Result<PathBuf> {
    let project = project()?;
    Ok(project.state_dir().unwrap_or_else(|| project.data_local_dir()).join("installs"))
}

/// A path as people write it, in which `~` is this user's home directory.
pub fn at_home(path: PathBuf) -> PathBuf {
    let Ok(below) = path.strip_prefix("~") else { return path };
    BaseDirs::new().map_or_else(|| path.clone(), |dirs| dirs.home_dir().join(below))
}

/// Locked by the hub that serves this data dir, for as long as it lives.
pub fn hub_lock(data_dir: &Path) -> PathBuf {
    data_dir.join("hub.lock")
}

/// Holds the base URL of the running local hub, such as `http://127.0.0.1:7420`.
pub fn local_url(data_dir: &Path) -> PathBuf {
    data_dir.join("local").join("hub.url")
}

/// Holds the agent token that local shims use.
pub fn local_agent_token(data_dir: &Path) -> PathBuf {
    data_dir.join("local").join("agent-token")
}

/// Where a hub started by a shim writes its log.
pub fn local_log(data_dir: &Path) -> PathBuf {
    data_dir.join("local").join("hub.log")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tilde_is_the_home_directory_at_the_beginning_only() {
        let home = BaseDirs::new().unwrap().home_dir().to_owned();
        for (path, expected) in [("~", home.clone()), ("~/a/b", home.join("a/b"))] {
            assert_eq!(at_home(path.into()), expected);
        }
        for path in ["/a/~/b", "a", "~other/b", "./~"] {
            assert_eq!(at_home(path.into()), PathBuf::from(path));
        }
    }
}
