//! `config.toml`: flat keys, read by both programs; `config.example.toml` is its manual.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::meant::meant;
use super::notify;
use crate::core::patience::HoldFor;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line, for machines.
    Json,
}

impl LogFormat {
    /// The value of `log_format`, or the default where there is none.
    pub fn parse(text: Option<&str>) -> anyhow::Result<Self> {
        match text {
            None | Some("text") => Ok(Self::Text),
            Some("json") => Ok(Self::Json),
            Some(other) => bail!("log_format = {other:?} is neither text nor json"),
        }
    }
}

/// Every key there is; an unknown one is an error that names file, line and key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// wrap: base URL of the hub; without it, the hub of this user on this machine.
    pub hub: Option<String>,
    /// wrap: file that holds the agent token, 0600.
    pub agent_token_file: Option<PathBuf>,
    /// both: file of certificates (PEM) of authorities that a hub's certificate may come from, beside the machine's own.
    pub ca_file: Option<PathBuf>,
    /// both: HTTP proxy on the way to the hub, such as `http://proxy.example.com:3128`, or `off`.
    pub proxy: Option<String>,
    /// wrap: seconds a gated call waits for a hub that cannot be reached.
    pub hub_wait: Option<u64>,
    /// wrap: `auto`, `forever` or seconds: how long a call is held before the client is told to call again.
    #[serde(default, deserialize_with = "hold_for")]
    pub hold_for: Option<String>,
    /// wrap: seconds by `clientInfo.name`, instead of what is known of that client; 0 is for ever.
    #[serde(default)]
    pub hold_for_clients: BTreeMap<String, u64>,
    /// hub: seconds that an approval given to a client that went away stays usable for the same call.
    pub grant_for: Option<u64>,
    /// hub: seconds a shim that lost its connection has to come back before its calls are cancelled.
    pub resume_within: Option<u64>,
    /// hub: address to listen on.
    pub listen: Option<String>,
    /// hub (and local mode): where the hub keeps its data.
    pub data_dir: Option<PathBuf>,
    /// hub: `sqlite:…` or `postgres://…`; without it, `hub.db` in the data dir.
    pub database: Option<String>,
    /// hub: `postgres://…` where other hubs on the store are heard, if not at `database`.
    pub listen_database: Option<String>,
    /// hub: the base URL that people use, for links and for the exact Host and Origin checks.
    pub public_url: Option<String>,
    /// hub: PEM certificate chain.
    pub tls_cert: Option<PathBuf>,
    /// hub: PEM private key.
    pub tls_key: Option<PathBuf>,
    /// hub: a proxy in front of it ends TLS.
    pub behind_proxy: Option<bool>,
    /// hub: threshold of a server seen for the first time: `low`, `medium`, `high` or `off`.
    pub new_server_threshold: Option<String>,
    /// hub: base URL of an external decision point that speaks AuthZEN.
    pub authz_url: Option<String>,
    /// hub: file that holds its bearer token, 0600.
    pub authz_token_file: Option<PathBuf>,
    /// hub: seconds it has to answer.
    pub authz_timeout: Option<u64>,
    /// hub: seconds its answers hold; 0 asks every time.
    pub authz_ttl: Option<u64>,
    /// hub: file that holds the bearer token of who reads `/metrics`, 0600.
    pub metrics_token_file: Option<PathBuf>,
    /// hub: `[[notify]]`, notification channels that the page shows and cannot change.
    #[serde(default)]
    pub notify: Vec<notify::Channel>,
    /// hub: hosts of push services beside those of the usual browsers.
    pub push_hosts: Option<Vec<String>>,
    /// both: `text` or `json` log lines.
    pub log_format: Option<String>,
}

impl File {
    /// Reads the file; one that was not asked for by name may be missing.
    pub fn load(path: &Path, named: bool) -> anyhow::Result<Self> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !named => return Ok(Self::default()),
            Err(error) => return Err(error).with_context(|| format!("cannot read config file {}", path.display())),
        };
        Self::parse(&text).map_err(|fault| anyhow!("config file {}, {fault}", path.display()))
    }

    /// Reads its text; a fault is one line that says where it is, at which key, and what.
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            before.map(|before| format!("{}: ", place(before))).unwrap_or_default() + &words(error.message().trim())
        })
    }
}

/// What is wrong; of an unknown key, which one may be meant instead of all there are.
fn words(message: &str) -> String {
    let unknown = message.strip_prefix("unknown field `").and_then(|rest| rest.split_once("`, expected "));
    let Some((key, known)) = unknown else { return message.to_owned() };
    match meant(key, known.split('`').skip(1).step_by(2)) {
        Some(meant) => format!("there is no key {key}; did you mean {meant}?"),
        None => format!("there is no key {key}; config.example.toml has them all"),
    }
}

/// Where in a text one is after this much of it, as people count, and whose value begins there. The value itself may be
/// a secret.
fn place(before: &str) -> String {
    let (line, last) = (before.matches('\n').count() + 1, before.rsplit('\n').next().unwrap_or_default());
    let key = last.split_once('=').map(|(key, _)| format!(", {}", key.trim())).unwrap_or_default();
    format!("line {line}, column {}{key}", last.chars().count() + 1)
}

/// A number of seconds, or one of the words; checked here, where the place of a fault is known.
fn hold_for<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "hold_for must be \"auto\", \"forever\" or a number of seconds")]
    enum Given {
        Seconds(u64),
        Words(String),
    }
    let text = match Given::deserialize(from)? {
        Given::Seconds(seconds) => seconds.to_string(),
        Given::Words(words) => words,
    };
    HoldFor::parse(&text).map_err(D::Error::custom)?;
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_key_is_an_error_that_names_file_line_and_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        std::fs::write(&path, "hub = \"http://127.0.0.1:1\"\nhubb_wait = 3\n").unwrap();
        let message = format!("{:#}", File::load(&path, true).unwrap_err());
        for part in ["config.toml, line 2, column 1: ", "no key hubb_wait; did you mean hub_wait?"] {
            assert!(message.contains(part), "{part} missing in {message}");
        }
    }

    #[test]
    fn a_fault_is_one_line_that_says_where_it_is_and_what() {
        for (text, place, what) in [
            ("hub = \"é\"\nhub_wait = \"x\"", "line 2, column 12, hub_wait: ", "string \"x\""),
            (
                "hold_for = \"soon\"",
                "line 1, column 12, hold_for: ",
                "\"forever\" or a number of seconds, not \"soon\"",
            ),
            ("hub_wait = 1\n\nhold_for = 0", "line 3, column ", "a number of seconds"),
            ("hold_for = -1", "line 1, column ", "a number of seconds"),
            ("hold_for = [1]", "line 1, column ", "a number of seconds"),
            ("hub = 'x", "line 1, column ", "'"),
            ("[[notify]]\nkind = \"x\"\n", "line ", "x"),
            ("nothing_like_it = 1", "line 1, column 1: ", "no key nothing_like_it; config.example.toml"),
        ] {
            let fault = File::parse(text).unwrap_err();
            assert!(fault.starts_with(place) && fault.contains(what) && !fault.contains('\n'), "{fault}");
        }
        assert_eq!(File::parse("hold_for = 50").unwrap().hold_for.as_deref(), Some("50"));
    }

    #[test]
    fn a_missing_file_is_an_error_only_when_it_was_named() {
        let path = Path::new("/nonexistent/hitl/config.toml");
        assert_eq!(File::load(path, false).unwrap(), File::default());
        assert!(File::load(path, true).is_err());
    }
}
