//! Settings of the shim: flag, else environment, else `config.toml`, else default.
//!
//! The agent token never comes from arguments: it is read from a file that only its owner can open, or from
//! `HITL_AGENT_TOKEN`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

use super::file::{File, LogFormat};
use super::paths;
use super::secret;
pub use super::secret::Secret;
use super::way::{Way, host_and_port, is_loopback};
use crate::core::names;
use crate::core::patience::HoldFor;

/// Seconds a gated call waits for a hub that cannot be reached, when nothing else is said.
pub const HUB_WAIT_SECONDS: u64 = 30;

/// What the command line said; everything is optional there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--server`.
    pub server: Option<String>,
    /// `--client`.
    pub client: Option<String>,
    /// `--hub`.
    pub hub: Option<String>,
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--hold-for`.
    pub hold_for: Option<String>,
}

/// The shim's settings, complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrap {
    /// The wrapped server's name.
    pub server: String,
    /// Somebody gave it that name; else it is the command's.
    pub is_named: bool,
    /// The client's name until it has named itself.
    pub client: Option<String>,
    /// Where decisions are made.
    pub hub: HubAt,
    /// How long a gated call waits for a hub that cannot be reached.
    pub hub_wait: Duration,
    /// How long a call is held before its client is told to call again.
    pub hold_for: HoldFor,
    /// How log lines look.
    pub log_format: LogFormat,
}

/// Where the hub is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HubAt {
    /// A hub that somebody set up.
    Remote {
        /// Where and with what.
        endpoint: Endpoint,
    },
    /// The hub of this user on this machine, started when it does not run.
    Local {
        /// Its data dir, where it says how to reach it.
        data_dir: PathBuf,
        /// The config file to start it with, when one was named.
        config: Option<PathBuf>,
    },
}

/// How to connect to a hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The base URL as people write it, `http://…` or `https://…`, without a slash at its end.
    pub base: String,
    /// The agent token.
    pub token: Secret,
    /// What else it takes to get there.
    pub way: Way,
}

impl Wrap {
    /// Puts the settings together; `env` looks up one environment variable.
    pub fn load(flags: Flags, command: &str, env: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        // A client config that passes an empty variable means "not set".
        let env = |name: &str| env(name).filter(|value| !value.is_empty());
        let named = flags.config.or_else(|| env("HITL_CONFIG").map(PathBuf::from)).map(paths::at_home);
        let file = match &named {
            Some(path) => File::load(path, true)?,
            // Without a home directory there is no file to read, and nothing else may need one.
            None => paths::config_file().map_or_else(|_| Ok(File::default()), |path| File::load(&path, false))?,
        };
        let given = flags.server.or_else(|| env("HITL_SERVER"));
        let is_named = given.is_some();
        let server = given.unwrap_or_else(|| base_name(command));
        ensure!(names::is_name(&server), "the server name {server:?} is not {}; give one with --server", names::RULE);
        let hub = match flags.hub.or_else(|| env("HITL_HUB")).or_else(|| file.hub.clone()) {
            Some(url) => {
                let base = base_url(&url)?;
                let way = Way::to(&base, &file, &env)?;
                HubAt::Remote { endpoint: Endpoint { base, token: token(&file, &env)?, way } }
            }
            None => HubAt::Local { data_dir: data_dir(&file, &env)?, config: named },
        };
        Ok(Self {
            server,
            is_named,
            client: flags.client.or_else(|| env("HITL_CLIENT")),
            hub,
            hub_wait: hub_wait(&file, &env)?,
            hold_for: hold_for(flags.hold_for, &file, &env)?,
            log_format: log_format(&file, &env)?,
        })
    }
}

impl Endpoint {
    /// Whether it leaves this machine without encryption.
    pub fn is_plain_text(&self) -> bool {
        is_plain_text(&self.base)
    }
}

/// The URL of a websocket at a hub: `ws` for `http`, `wss` for `https`, and the path that is asked for.
pub fn websocket(base: &str, path: &str) -> String {
    // `base_url` let nothing else than http and https through, and "http" is the beginning of both.
    format!("ws{}{path}", base.strip_prefix("http").unwrap_or(base))
}

/// Whether what is said to a hub at this URL leaves this machine without encryption.
pub fn is_plain_text(base: &str) -> bool {
    let Some(rest) = base.strip_prefix("http://") else { return false };
    let (host, _) = host_and_port(rest.split('/').next().unwrap_or_default(), 80);
    !is_loopback(host)
}

/// Checks a hub's URL and takes the slash off its end.
pub fn base_url(url: &str) -> anyhow::Result<String> {
    let url = url.trim();
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let scheme = scheme.to_ascii_lowercase();
    ensure!(
        scheme == "http" || scheme == "https",
        "the hub URL {url:?} must begin with https:// (or http:// on this machine)"
    );
    ensure!(!rest.contains('@'), "the hub URL must not contain a user or password");
    let plain = rest.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'"' | b'\\'));
    let host = rest.split('/').next().unwrap_or_default();
    ensure!(plain && !host.is_empty(), "the hub URL {url:?} must be a plain one, such as https://hitl.example.com");
    Ok(format!("{scheme}://{}", rest.trim_end_matches('/')))
}

type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

fn token(file: &File, env: Env<'_>) -> anyhow::Result<Secret> {
    if let Some(token) = env("HITL_AGENT_TOKEN") {
        return Ok(Secret(token.trim().to_owned()));
    }
    match env("HITL_AGENT_TOKEN_FILE").map(PathBuf::from).or_else(|| file.agent_token_file.clone()) {
        Some(path) => read_token(&paths::at_home(path)),
        None => bail!(
            "a hub is set but no agent token: put the output of `hitl-hub agent add NAME` into a file of mode 0600 \
             and name it with agent_token_file (or HITL_AGENT_TOKEN_FILE)"
        ),
    }
}

/// Reads the agent token from a file that nobody but its owner can open.
pub fn read_token(path: &Path) -> anyhow::Result<Secret> {
    secret::read(path, "agent token")
}

fn data_dir(file: &File, env: Env<'_>) -> anyhow::Result<PathBuf> {
    match env("HITL_DATA_DIR").map(PathBuf::from).or_else(|| file.data_dir.clone()) {
        Some(path) => Ok(paths::at_home(path)),
        None => paths::data_dir(),
    }
}

fn hub_wait(file: &File, env: Env<'_>) -> anyhow::Result<Duration> {
    let seconds = match env("HITL_HUB_WAIT") {
        Some(text) => text.parse().with_context(|| format!("HITL_HUB_WAIT is {text:?}, not a number of seconds"))?,
        None => file.hub_wait.unwrap_or(HUB_WAIT_SECONDS),
    };
    // Longer than an approval can live means nothing, and a huge number would overflow the clock.
    ensure!(seconds <= 3600, "hub_wait is {seconds}, at most 3600 seconds make sense");
    Ok(Duration::from_secs(seconds))
}

fn hold_for(flag: Option<String>, file: &File, env: Env<'_>) -> anyhow::Result<HoldFor> {
    let fixed = match flag.or_else(|| env("HITL_HOLD_FOR")).or_else(|| file.hold_for.clone()) {
        Some(text) => HoldFor::parse(&text).map_err(anyhow::Error::msg)?,
        None => None,
    };
    Ok(HoldFor { fixed, profiles: file.hold_for_clients.clone() })
}

fn log_format(file: &File, env: Env<'_>) -> anyhow::Result<LogFormat> {
    LogFormat::parse(env("HITL_LOG_FORMAT").or_else(|| file.log_format.clone()).as_deref())
}

/// The last part of a command's path, without `.exe` or `.cmd`.
fn base_name(command: &str) -> String {
    let name = command.rsplit(['/', '\\']).next().unwrap_or(command);
    let name = name.strip_suffix(".exe").or_else(|| name.strip_suffix(".cmd")).unwrap_or(name);
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Env<'static> = &|_| None;

    fn dir_with_config(text: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        (dir, path)
    }

    #[cfg(unix)]
    fn token_file(mode: u32) -> (tempfile::TempDir, PathBuf) {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        std::fs::write(&path, "hitl_a_x\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        (dir, path)
    }

    #[test]
    fn a_flag_beats_the_environment_which_beats_the_file() {
        let (_dir, config) = dir_with_config("hub = \"http://file:1\"\nhub_wait = 7\n");
        let env = |name: &str| match name {
            "HITL_HUB" => Some("http://env:1".to_owned()),
            "HITL_AGENT_TOKEN" => Some("t".to_owned()),
            "HITL_HUB_WAIT" => Some(String::new()),
            _ => None,
        };
        let base = |settings: &Wrap| match &settings.hub {
            HubAt::Remote { endpoint } => endpoint.base.clone(),
            HubAt::Local { .. } => "local".to_owned(),
        };
        let flags = Flags { config: Some(config), hub: Some("http://flag:1".to_owned()), ..Flags::default() };
        let by_flag = Wrap::load(flags.clone(), "npx", &env).unwrap();
        assert_eq!((base(&by_flag).as_str(), by_flag.hub_wait.as_secs()), ("http://flag:1", 7));
        let by_env = Wrap::load(Flags { hub: None, ..flags.clone() }, "npx", &env).unwrap();
        assert_eq!(base(&by_env), "http://env:1");
        let no_hub = |name: &str| env(name).filter(|_| name != "HITL_HUB");
        assert_eq!(base(&Wrap::load(Flags { hub: None, ..flags }, "npx", &no_hub).unwrap()), "http://file:1");
    }

    #[test]
    fn the_server_is_named_after_the_command_unless_told() {
        let (_dir, config) = dir_with_config("");
        let flags = Flags { config: Some(config), ..Flags::default() };
        for (command, name) in [("/usr/bin/npx", "npx"), ("uvx", "uvx"), (r"C:\node\npx.cmd", "npx")] {
            let settings = Wrap::load(flags.clone(), command, NOTHING).unwrap();
            assert_eq!((settings.server.as_str(), settings.is_named), (name, false));
        }
        let named = Flags { server: Some("github".to_owned()), ..flags };
        let settings = Wrap::load(named, "npx", NOTHING).unwrap();
        assert_eq!((settings.server.as_str(), settings.is_named), ("github", true));
    }

    #[test]
    fn a_server_name_that_no_hub_takes_is_refused_at_once() {
        let (_dir, config) = dir_with_config("");
        for name in ["  x", "..", "a\nb", &"x".repeat(129)] {
            let flags = Flags { server: Some(name.to_owned()), config: Some(config.clone()), ..Flags::default() };
            let message = Wrap::load(flags, "npx", NOTHING).unwrap_err().to_string();
            assert!(
                message.contains("1 to 128") && message.contains("--server") && !message.contains('\n'),
                "{message}"
            );
        }
    }

    #[test]
    fn hold_for_is_a_word_or_a_number() {
        for (text, seconds) in [("\"50\"", Some(50)), ("50", Some(50)), ("\"forever\"", Some(0)), ("\"auto\"", None)] {
            let (_dir, config) = dir_with_config(&format!("hold_for = {text}\n"));
            let flags = Flags { config: Some(config), ..Flags::default() };
            let settings = Wrap::load(flags, "npx", NOTHING).unwrap();
            assert_eq!(settings.hold_for.fixed.map(|fixed| fixed.as_secs()), seconds, "{text}");
        }
    }

    #[test]
    fn without_a_hub_it_is_local_mode_in_the_data_dir() {
        let (_dir, config) = dir_with_config("data_dir = \"/d\"\n");
        let flags = Flags { config: Some(config.clone()), ..Flags::default() };
        let local = |dir: &str| HubAt::Local { data_dir: dir.into(), config: Some(config.clone()) };
        assert_eq!(Wrap::load(flags.clone(), "npx", NOTHING).unwrap().hub, local("/d"));
        let env = |name: &str| (name == "HITL_DATA_DIR").then(|| "/e".to_owned());
        assert_eq!(Wrap::load(flags, "npx", &env).unwrap().hub, local("/e"));
    }

    #[test]
    fn a_hub_without_a_token_is_an_error_that_says_what_to_do() {
        let (_dir, config) = dir_with_config("hub = \"http://127.0.0.1:1\"\n");
        let flags = Flags { config: Some(config), ..Flags::default() };
        let message = format!("{:#}", Wrap::load(flags, "npx", NOTHING).unwrap_err());
        assert!(message.contains("hitl-hub agent add") && message.contains("agent_token_file"), "{message}");
    }

    #[cfg(unix)]
    #[test]
    fn a_token_file_that_others_can_open_is_refused() {
        for mode in [0o640, 0o604, 0o622] {
            let (_dir, path) = token_file(mode);
            let message = format!("{:#}", read_token(&path).unwrap_err());
            assert!(message.contains("chmod 600") && message.contains(&format!("{mode:04o}")), "{message}");
        }
        let (_dir, path) = token_file(0o600);
        assert_eq!(read_token(&path).unwrap(), Secret("hitl_a_x".to_owned()));
    }

    #[test]
    fn hub_urls_become_websocket_urls() {
        for (url, websocket) in [
            ("http://127.0.0.1:7420", "ws://127.0.0.1:7420/v1/wrap"),
            ("https://hub.example.com/", "wss://hub.example.com/v1/wrap"),
            ("HTTPS://hub.example.com/hitl/", "wss://hub.example.com/hitl/v1/wrap"),
            ("http://[::1]:7420", "ws://[::1]:7420/v1/wrap"),
        ] {
            assert_eq!(super::websocket(&base_url(url).unwrap(), "/v1/wrap"), websocket);
        }
    }

    #[test]
    fn plain_text_is_fine_on_this_machine_only() {
        for base in ["https://h", "http://127.0.0.1:7420", "http://localhost", "http://[::1]:7420/x"] {
            assert!(!is_plain_text(base), "{base}");
        }
        assert!(is_plain_text("http://hub:7420") && is_plain_text("http://10.0.0.1/127.0.0.1"));
        assert!(is_plain_text("http://127.0.0.1.example.com"));
    }

    #[test]
    fn a_hub_url_of_another_shape_is_refused() {
        for url in
            ["", "hub.example.com", "ftp://h", "http://", "https://u:p@h", "http://h?x=1", "http://h#f", "http://h h"]
        {
            assert!(base_url(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_secret_is_not_shown() {
        assert!(!format!("{:?}", Secret("hitl_a_x".to_owned())).contains("hitl_a_x"));
    }
}
