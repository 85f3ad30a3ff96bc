//! The hub's settings: flag, then environment (`HITL_` and the key in capitals), then `config.toml`, then default.
//!
//! What the hub would refuse to serve (an open address without TLS, half a key pair) is refused here, before anything
//! is opened.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::database::Database;
use super::file::{File, LogFormat};
use super::secret::{self, Secret};
use super::way::Way;
use super::{env, paths};
use crate::core::trust::Level;

/// Where the hub listens when nothing else is said.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7420);

/// Default and longest time for each, in seconds: an hour is how long an approval may be pending at all.
const GRANT_FOR: (u64, u64) = (600, 3600);
const RESUME_WITHIN: (u64, u64) = (15, 3600);
const AUTHZ_TIMEOUT: (u64, u64) = (2, 60);
const AUTHZ_TTL: (u64, u64) = (10, 3600);

/// What the command line said.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--listen`.
    pub listen: Option<String>,
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
    /// `--database`.
    pub database: Option<String>,
}

/// Everything the hub must know before it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// Whether somebody chose that address; a local hub may take a free port otherwise.
    pub listen_named: bool,
    /// Where the hub keeps its data.
    pub data_dir: PathBuf,
    /// Where the store lies.
    pub database: Database,
    /// The PostgreSQL database where other hubs on the store are heard, if not there.
    pub listen_database: Option<Database>,
    /// The base URL that people use, such as `https://hub.example.org`, without a slash at its end.
    pub public_url: Option<PublicUrl>,
    /// Certificate chain and key, for TLS without a proxy.
    pub tls: Option<Tls>,
    /// A proxy in front of the hub ends TLS.
    pub behind_proxy: bool,
    /// The threshold of a server seen for the first time.
    pub new_server_threshold: Option<Level>,
    /// The external decision point, if there is one.
    pub decision_point: Option<DecisionPoint>,
    /// Seconds that an approval stays usable for the same call, when its client could not wait for it.
    pub grant_for: u64,
    /// Seconds that a shim which lost its connection has to come back.
    pub resume_within: u64,
    /// What a scraper of `/metrics` must show; without one, it must be on this machine.
    pub metrics_token: Option<Secret>,
    /// Notification channels that the file names.
    pub notify: Vec<super::notify::Channel>,
    /// Hosts of push services beside those of the usual browsers.
    pub push_hosts: Vec<String>,
    /// How log lines look.
    pub log_format: LogFormat,
}

/// How to ask an external decision point (AuthZEN).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionPoint {
    /// Its base URL, without a slash at its end.
    pub url: String,
    /// The bearer token it wants, if any.
    pub token: Option<Secret>,
    /// How long it has to answer.
    pub timeout: Duration,
    /// How long its answers hold.
    pub ttl: Duration,
}

/// Two PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificate chain.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// A base URL, taken apart as far as exact Host and Origin checks need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Host, and port unless it is the scheme's own, in lower case: what a browser sends as `Host`.
    pub host: String,
}

impl PublicUrl {
    /// The URL without a slash at its end; also what a browser sends as `Origin`.
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.host)
    }
}

impl Settings {
    /// The settings of this process.
    pub fn load(flags: &Flags) -> anyhow::Result<Self> {
        Self::resolve(flags, env::var)
    }

    /// The settings that these flags and this environment give; an empty variable counts as unset.
    pub fn resolve(flags: &Flags, env: impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let env = |key: &str| env(key).filter(|value| !value.is_empty());
        let file = load_file(flags, env("HITL_CONFIG"))?;
        let decision_point = decision_point(&env, &file)?;
        let metrics_token = token(&env, "METRICS_TOKEN", file.metrics_token_file.clone(), "metrics token")?;
        let listen = flags.listen.clone().or_else(|| env("HITL_LISTEN")).or(file.listen);
        let data_dir = flags.data_dir.clone().or_else(|| env("HITL_DATA_DIR").map(PathBuf::from)).or(file.data_dir);
        let data_dir = data_dir.map(paths::at_home).map_or_else(paths::data_dir, Ok)?;
        let database = flags.database.clone().or_else(|| env("HITL_DATABASE")).or(file.database);
        let database = match database {
            Some(address) => Database::parse(&address)?,
            None => Database::Sqlite(data_dir.join("hub.db")),
        };
        let listen_database = env("HITL_LISTEN_DATABASE").or(file.listen_database);
        let behind_proxy = match env("HITL_BEHIND_PROXY") {
            Some(text) => parse_bool("HITL_BEHIND_PROXY", &text)?,
            None => file.behind_proxy.unwrap_or(false),
        };
        let settings = Self {
            listen: listen.as_deref().map_or(Ok(DEFAULT_LISTEN), parse_listen)?,
            listen_named: listen.is_some(),
            listen_database: listen_database.map(|address| Database::parse_listen(&address, &database)).transpose()?,
            database,
            data_dir,
            public_url: env("HITL_PUBLIC_URL").or(file.public_url).as_deref().map(parse_public_url).transpose()?,
            tls: parse_tls(
                env("HITL_TLS_CERT").map(PathBuf::from).or(file.tls_cert).map(paths::at_home),
                env("HITL_TLS_KEY").map(PathBuf::from).or(file.tls_key).map(paths::at_home),
            )?,
            behind_proxy,
            new_server_threshold: env("HITL_NEW_SERVER_THRESHOLD")
                .or(file.new_server_threshold)
                .as_deref()
                .map_or(Ok(Some(Level::High)), parse_threshold)?,
            decision_point,
            grant_for: seconds("grant_for", env("HITL_GRANT_FOR"), file.grant_for, GRANT_FOR)?,
            resume_within: seconds("resume_within", env("HITL_RESUME_WITHIN"), file.resume_within, RESUME_WITHIN)?,
            metrics_token,
            notify: file.notify,
            push_hosts: super::notify::push_hosts(env("HITL_PUSH_HOSTS"), file.push_hosts)?,
            log_format: LogFormat::parse(env("HITL_LOG_FORMAT").or(file.log_format).as_deref())?,
        };
        settings.check_exposure()?;
        Ok(settings)
    }

    /// Settings from defaults and these variables alone, whatever the machine's own config file says.
    #[cfg(test)]
    pub(crate) fn of_env(data_dir: &std::path::Path, env: &[(&str, &str)]) -> Self {
        let config = tempfile::NamedTempFile::new().unwrap();
        let flags = Flags {
            config: Some(config.path().to_path_buf()),
            data_dir: Some(data_dir.to_path_buf()),
            ..Flags::default()
        };
        let lookup = |key: &str| env.iter().find(|(name, _)| *name == key).map(|(_, value)| (*value).to_owned());
        Self::resolve(&flags, lookup).unwrap()
    }

    /// Whether browsers reach the hub over TLS, so that its cookie can be `Secure`.
    pub fn secure(&self) -> bool {
        self.tls.is_some() || self.behind_proxy
    }

    /// Passwords and tokens must not cross a network in the clear.
    fn check_exposure(&self) -> anyhow::Result<()> {
        if self.listen.ip().is_loopback() || self.secure() {
            return Ok(());
        }
        bail!(
            "refusing to listen on {} without TLS; set tls_cert and tls_key, or behind_proxy = true if a proxy in \
             front of the hub ends TLS",
            self.listen
        )
    }
}

/// How a command gets to the hub at `base`.
pub fn way_to(base: &str, flags: &Flags) -> anyhow::Result<Way> {
    Way::to(base, &load_file(flags, env::var("HITL_CONFIG"))?, &env::var)
}

/// The config file: the one named by flag or environment, which must exist, or this user's, which may be missing.
fn load_file(flags: &Flags, env: Option<String>) -> anyhow::Result<File> {
    match flags.config.clone().or_else(|| env.map(PathBuf::from)).map(paths::at_home) {
        Some(path) => File::load(&path, true),
        // Without a home directory there is no such file; that is an error only for what needs one.
        None => paths::config_file().map_or_else(|_| Ok(File::default()), |path| File::load(&path, false)),
    }
}

fn parse_listen(text: &str) -> anyhow::Result<SocketAddr> {
    let numeric = text.strip_prefix("localhost:").map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"));
    numeric.parse().with_context(|| format!("listen = {text:?} is not an address and port, such as 127.0.0.1:7420"))
}

fn parse_public_url(text: &str) -> anyhow::Result<PublicUrl> {
    let wrong = || format!("public_url = {text:?} is not a base URL such as https://hub.example.org");
    let lower = text.to_ascii_lowercase();
    let (scheme, rest, own_port) = match (lower.strip_prefix("https://"), lower.strip_prefix("http://")) {
        (Some(rest), _) => ("https", rest, ":443"),
        (None, Some(rest)) => ("http", rest, ":80"),
        (None, None) => bail!(wrong()),
    };
    let host = rest.strip_suffix('/').unwrap_or(rest);
    let plain = |c: char| c.is_ascii_alphanumeric() || "-.:[]".contains(c);
    if host.is_empty() || host.starts_with(':') || !host.chars().all(plain) {
        bail!(wrong())
    }
    Ok(PublicUrl { scheme, host: host.strip_suffix(own_port).unwrap_or(host).to_owned() })
}

fn decision_point(env: &dyn Fn(&str) -> Option<String>, file: &File) -> anyhow::Result<Option<DecisionPoint>> {
    let Some(url) = env("HITL_AUTHZ_URL").or_else(|| file.authz_url.clone()) else { return Ok(None) };
    let token = token(env, "AUTHZ_TOKEN", file.authz_token_file.clone(), "authz token")?;
    let timeout = seconds("authz_timeout", env("HITL_AUTHZ_TIMEOUT"), file.authz_timeout, AUTHZ_TIMEOUT)?;
    let ttl = match env("HITL_AUTHZ_TTL").as_deref().map_or(file.authz_ttl, |text| text.parse().ok()) {
        Some(0) => 0,
        _ => seconds("authz_ttl", env("HITL_AUTHZ_TTL"), file.authz_ttl, AUTHZ_TTL)?,
    };
    let (timeout, ttl) = (Duration::from_secs(timeout), Duration::from_secs(ttl));
    Ok(Some(DecisionPoint { url: parse_authz_url(&url)?, token, timeout, ttl }))
}

/// A token from `HITL_KEY`, or from the file that `HITL_KEY_FILE` or the settings file names.
fn token(
    env: &dyn Fn(&str) -> Option<String>,
    key: &str,
    named: Option<PathBuf>,
    what: &str,
) -> anyhow::Result<Option<Secret>> {
    let file = env(&format!("HITL_{key}_FILE")).map(PathBuf::from).or(named).map(paths::at_home);
    match (env(&format!("HITL_{key}")), file) {
        (Some(token), _) => Ok(Some(Secret(token.trim().to_owned()))),
        (None, Some(path)) => secret::read(&path, what).map(Some),
        (None, None) => Ok(None),
    }
}

fn parse_authz_url(url: &str) -> anyhow::Result<String> {
    let wrong = || format!("authz_url = {url:?} is not a base URL such as http://127.0.0.1:7766");
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).with_context(wrong)?;
    let plain = rest.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'@' | b'"' | b'\\'));
    if !plain || rest.starts_with('/') || rest.is_empty() {
        bail!(wrong())
    }
    Ok(url.trim_end_matches('/').to_owned())
}

fn parse_tls(cert: Option<PathBuf>, key: Option<PathBuf>) -> anyhow::Result<Option<Tls>> {
    match (cert, key) {
        (Some(cert), Some(key)) => Ok(Some(Tls { cert, key })),
        (None, None) => Ok(None),
        (Some(_), None) => bail!("tls_cert is set and tls_key is not"),
        (None, Some(_)) => bail!("tls_key is set and tls_cert is not"),
    }
}

fn parse_threshold(text: &str) -> anyhow::Result<Option<Level>> {
    match (text, Level::from_name(text)) {
        ("off", _) => Ok(None),
        (_, Some(level)) => Ok(Some(level)),
        _ => bail!("new_server_threshold = {text:?} is none of low, medium, high, off"),
    }
}

/// A number of seconds: from the environment, else from the file, else the default.
fn seconds(key: &str, env: Option<String>, file: Option<u64>, (default, most): (u64, u64)) -> anyhow::Result<u64> {
    let number = |text: String| text.parse().with_context(|| format!("{key} = {text:?} is not a number of seconds"));
    let seconds = env.map(number).transpose()?.or(file).unwrap_or(default);
    if !(1..=most).contains(&seconds) {
        bail!("{key} = {seconds} is not between 1 and {most} seconds")
    }
    Ok(seconds)
}

fn parse_bool(key: &str, text: &str) -> anyhow::Result<bool> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => bail!("{key} = {text:?} is neither true nor false"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Settings from a config file's text and some variables.
    fn resolve(toml: &str, env: &[(&str, &str)], flags: Flags) -> anyhow::Result<Settings> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        std::fs::write(&path, toml).unwrap();
        let flags = Flags { config: Some(path), ..flags };
        let lookup = |key: &str| env.iter().find(|(name, _)| *name == key).map(|(_, value)| (*value).to_owned());
        Settings::resolve(&flags, lookup)
    }

    fn error(toml: &str) -> String {
        format!("{:#}", resolve(toml, &[("HITL_DATA_DIR", "/d")], Flags::default()).unwrap_err())
    }

    #[test]
    fn flag_beats_environment_beats_file_beats_default() {
        let file = "listen = \"127.0.0.1:1\"\ndata_dir = \"/file\"";
        let env = [("HITL_LISTEN", "127.0.0.1:2"), ("HITL_DATABASE", "")];
        let flags = Flags { listen: Some("localhost:3".to_owned()), ..Flags::default() };
        let settings = resolve(file, &env, flags).unwrap();
        assert_eq!(settings.listen.port(), 3);
        assert_eq!(settings.database, Database::Sqlite("/file/hub.db".into()));
        assert_eq!(resolve(file, &env, Flags::default()).unwrap().listen.port(), 2);
        assert_eq!(resolve(file, &[], Flags::default()).unwrap().listen.port(), 1);
        let settings = resolve("data_dir = \"/d\"", &[], Flags::default()).unwrap();
        assert_eq!((settings.listen, settings.listen_named), (DEFAULT_LISTEN, false));
        assert_eq!(settings.new_server_threshold, Some(Level::High));
    }

    #[test]
    fn an_open_address_needs_tls_or_a_proxy() {
        let open = "listen = \"0.0.0.0:7420\"\ndata_dir = \"/d\"\n";
        assert!(error(open).contains("refusing to listen on 0.0.0.0:7420 without TLS"));
        assert!(resolve(&format!("{open}behind_proxy = true"), &[], Flags::default()).is_ok());
        assert!(resolve(&format!("{open}tls_cert = \"c\"\ntls_key = \"k\""), &[], Flags::default()).is_ok());
        assert!(resolve("listen = \"[::1]:0\"\ndata_dir = \"/d\"", &[], Flags::default()).is_ok());
    }

    #[test]
    fn a_wrong_value_is_named() {
        for (toml, part) in [
            ("listen = \"7420\"", "listen"),
            ("database = \"mysql://u:secret@h/d\"", "mysql"),
            ("public_url = \"https://hub/app\"", "public_url"),
            ("public_url = \"hub.example.org\"", "public_url"),
            ("tls_cert = \"c\"", "tls_key is not"),
            ("new_server_threshold = \"none\"", "new_server_threshold"),
            ("log_format = \"xml\"", "log_format"),
            ("grant_for = 0", "grant_for"),
            ("authz_url = \"pdp:7766\"", "authz_url"),
            ("authz_url = \"http://user@pdp\"", "authz_url"),
            ("authz_url = \"http://pdp\"\nauthz_timeout = 0", "authz_timeout"),
            ("authz_url = \"http://pdp\"\nauthz_ttl = 86400", "authz_ttl"),
            ("authz_url = \"http://pdp\"\nauthz_token_file = \"/nonexistent\"", "authz token file"),
            ("resume_within = 86400", "resume_within"),
        ] {
            assert!(error(toml).contains(part), "{part} missing in {}", error(toml));
        }
        assert!(!error("database = \"mysql://u:secret@h/d\"").contains("secret"));
    }

    #[test]
    fn a_decision_point_is_asked_within_two_seconds_and_its_answers_hold_for_ten() {
        let point = |toml: &str, env: &[(&str, &str)]| {
            resolve(&format!("data_dir = \"/d\"\n{toml}"), env, Flags::default()).unwrap().decision_point
        };
        assert_eq!(point("", &[]), None);
        let plain = point("authz_url = \"http://pdp:7766/\"", &[("HITL_AUTHZ_TOKEN", "t")]).unwrap();
        assert_eq!((plain.url.as_str(), plain.token), ("http://pdp:7766", Some(Secret("t".to_owned()))));
        assert_eq!((plain.timeout.as_secs(), plain.ttl.as_secs()), (2, 10));
        let never = point("authz_url = \"http://pdp\"\nauthz_ttl = 5", &[("HITL_AUTHZ_TTL", "0")]).unwrap();
        assert_eq!(never.ttl.as_secs(), 0);
    }

    #[test]
    fn public_url_loses_its_schemes_own_port() {
        for (text, host) in [
            ("https://Hub.Example.org/", "hub.example.org"),
            ("https://hub.example.org:443", "hub.example.org"),
            ("http://hub:8080", "hub:8080"),
            ("https://[::1]:8443", "[::1]:8443"),
        ] {
            assert_eq!(parse_public_url(text).unwrap().host, host, "{text}");
        }
    }
}
