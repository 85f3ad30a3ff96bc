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

/// The hub's data dir when nothing else is said.
pub fn data_dir() -> anyhow::Result<PathBuf> {
    Ok(project()?.data_local_dir().to_path_buf())
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
