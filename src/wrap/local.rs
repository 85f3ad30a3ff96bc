//! Local mode: the hub of this user on this machine, found through two files in the data dir, started when it does
//! not run.
//!
//! Several shims may start at once: a lock file lets one of them start the hub, the others wait for it.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use tokio::process::{Child, Command};

use super::platform;
use super::say::say;
use crate::config::way::Way;
use crate::config::wrap::{Endpoint, base_url, read_token};
use crate::config::{env, paths, private};

/// A hub that ended is not started again before this has passed.
const START_AGAIN_AFTER: Duration = Duration::from_secs(20);

/// The way to the local hub.
#[derive(Debug)]
pub struct Local {
    data_dir: PathBuf,
    config: Option<PathBuf>,
    started: Option<Started>,
    next_start: Option<Instant>,
    /// What keeps a hub from starting, said once.
    trouble: Option<String>,
}

/// A hub on its way up. Dropping it leaves the hub alone.
#[derive(Debug)]
struct Started {
    process: Child,
    /// Held until the hub answers or ends.
    _lock: File,
}

impl Local {
    /// Looks in `data_dir`; a hub that has to be started is given `config`.
    pub fn new(data_dir: PathBuf, config: Option<PathBuf>) -> Self {
        Self { data_dir, config, started: None, next_start: None, trouble: None }
    }

    /// Where the running hub says it is. What a hub said that was killed is not believed: somebody else may listen
    /// there by now, and would be given the token.
    pub fn locate(&self) -> anyhow::Result<Endpoint> {
        let dir = self.data_dir.display();
        // Whoever can put files there says which hub this is, and so what passes.
        if let Some(meddler) =
            private::meddler(&self.data_dir).with_context(|| format!("cannot tell who may change {dir}"))?
        {
            bail!("{dir} {meddler}");
        }
        ensure!(self.runs(), "no hub serves {dir}");
        let url = paths::local_url(&self.data_dir);
        let text = std::fs::read_to_string(&url).with_context(|| format!("cannot read {}", url.display()))?;
        let token = read_token(&paths::local_agent_token(&self.data_dir))?;
        Ok(Endpoint { base: base_url(&text)?, token, way: Way::default() })
    }

    /// Whether a hub of this data dir lives.
    pub fn runs(&self) -> bool {
        let lock = File::open(paths::hub_lock(&self.data_dir));
        lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// The hub answered.
    pub fn connected(&mut self) {
        // It stays our child, and tokio reaps it if it ends before us.
        self.started = None;
        self.trouble = None;
    }

    /// The hub cannot be reached: start one, unless one is on its way. Returns what keeps it from starting, if anything.
    pub fn unreachable(&mut self) -> Option<String> {
        let now = Instant::now();
        if self.on_its_way() || self.next_start.is_some_and(|at| now < at) {
            return self.trouble.clone();
        }
        match self.start() {
            Ok(started) => self.started = started,
            Err(error) => self.complain(format!("cannot start a hub on this machine: {error:#}")),
        }
        if self.started.is_some() || self.trouble.is_some() {
            self.next_start = Some(now + START_AGAIN_AFTER);
        }
        self.trouble.clone()
    }

    /// Whether something keeps a hub from starting, and was said.
    pub fn is_troubled(&self) -> bool {
        self.trouble.is_some()
    }

    fn on_its_way(&mut self) -> bool {
        let Some(started) = &mut self.started else { return false };
        match started.process.try_wait() {
            Ok(None) => true,
            Ok(Some(status)) => {
                self.started = None;
                let log = paths::local_log(&self.data_dir);
                self.complain(format!("the hub on this machine ended ({status}); its log is {}", log.display()));
                false
            }
            Err(_) => false,
        }
    }

    /// Starts a hub; `None` when another shim is doing so.
    fn start(&self) -> anyhow::Result<Option<Started>> {
        let data_dir = std::path::absolute(&self.data_dir)?;
        let log = paths::local_log(&data_dir);
        let dir = log.parent().unwrap_or(&data_dir);
        private::make_dir(dir).with_context(|| {
            format!("cannot make {}; name another directory with data_dir or HITL_DATA_DIR", dir.display())
        })?;
        let path = dir.join("start.lock");
        let lock = private_file(&path)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => bail!(
                "cannot lock {}: {error}; name a directory on a disk of this machine with data_dir or HITL_DATA_DIR",
                path.display()
            ),
        }
        let log = private_file(&log)?;
        let program = hub_program();
        let process = platform::spawn_outliving(self.command(&program, &data_dir, log)?).with_context(|| {
            format!("cannot run {}; install hitl-hub, or name a hub with --hub or in config.toml", program.display())
        })?;
        Ok(Some(Started { process, _lock: lock }))
    }

    fn command(&self, program: &Path, data_dir: &Path, log: File) -> anyhow::Result<Command> {
        let mut command = Command::new(program);
        command.args(["serve", "--local", "--data-dir"]).arg(data_dir);
        if let Some(config) = &self.config {
            command.arg("--config").arg(std::path::absolute(config)?);
        }
        // The hub outlives us and serves other shims: it is in nobody's way to end, and keeps nothing of this one.
        command.env_clear().envs(env::all().filter(|(key, _)| is_the_hubs(&key.to_string_lossy())));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).current_dir(data_dir);
        Ok(command)
    }

    fn complain(&mut self, text: String) {
        if self.trouble.is_none() {
            say(&text);
        }
        self.trouble = Some(text);
    }
}

/// Whether a hub needs this variable; all others are those of the first server that happened to start it.
fn is_the_hubs(key: &str) -> bool {
    const OF_THE_MACHINE: [&str; 21] = [
        "HOME",
        "LANG",
        "LOGNAME",
        "PATH",
        "RUST_BACKTRACE",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
        "TEMP",
        "TMP",
        "TMPDIR",
        "TZ",
        "USER",
        "USERNAME",
        "SYSTEMROOT",
        "APPDATA",
        "LOCALAPPDATA",
        "USERPROFILE",
        "ALL_PROXY",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
    ];
    let key = key.to_ascii_uppercase();
    env::concerns_the_hub(&key)
        || OF_THE_MACHINE.contains(&key.as_str())
        || key.starts_with("XDG_")
        || key.starts_with("LC_")
}

/// `hitl-hub` beside our own executable, else the one on PATH.
pub fn hub_program() -> PathBuf {
    let name = format!("hitl-hub{}", std::env::consts::EXE_SUFFIX);
    let beside = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.join(&name)));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| name.into())
}

fn private_file(path: &Path) -> anyhow::Result<File> {
    // Windows locks no file that is open for appending alone.
    private::options()
        .read(true)
        .append(true)
        .create(true)
        .open(path)
        .with_context(|| format!("cannot open {}", path.display()))
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_running_hub_is_found_through_its_files() {
        let dir = tempfile::tempdir().unwrap();
        let local = Local::new(dir.path().to_owned(), None);
        assert!(local.locate().is_err());
        private::write(&paths::local_url(dir.path()), "http://127.0.0.1:7421\n").unwrap();
        private::write(&paths::local_agent_token(dir.path()), "hitl_a_x\n").unwrap();
        assert!(local.locate().is_err(), "the hub that wrote them is gone");
        let lock = private_file(&paths::hub_lock(dir.path())).unwrap();
        assert!(local.locate().is_err(), "and left its lock file");
        lock.try_lock().unwrap();
        let endpoint = local.locate().unwrap();
        assert_eq!((endpoint.base.as_str(), endpoint.token.0.as_str()), ("http://127.0.0.1:7421", "hitl_a_x"));
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(format!("{:#}", local.locate().unwrap_err()).contains("chmod"), "others can say which hub this is");
    }

    #[test]
    fn a_hub_knows_nothing_of_the_first_server_that_started_it() {
        for key in
            ["GITHUB_TOKEN", "HITL_AGENT_TOKEN", "HITL_USER_TOKEN", "HITL_HUB", "NODE_OPTIONS", "LD_PRELOAD", "PWD"]
        {
            assert!(!is_the_hubs(key), "{key}");
        }
        for key in ["HOME", "PATH", "HITL_LISTEN", "HITL_DATABASE", "LC_ALL", "XDG_DATA_HOME", "https_proxy", "TZ"] {
            assert!(is_the_hubs(key), "{key}");
        }
    }

    #[test]
    fn only_one_of_several_shims_starts_the_hub() {
        let dir = tempfile::tempdir().unwrap();
        let lock = dir.path().join("local").join("start.lock");
        private::make_dir(lock.parent().unwrap()).unwrap();
        let held = private_file(&lock).unwrap();
        held.try_lock().unwrap();
        assert!(Local::new(dir.path().to_owned(), None).start().unwrap().is_none());
        assert_eq!(std::fs::metadata(&lock).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
