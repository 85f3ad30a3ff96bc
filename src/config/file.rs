//! `config.toml`: flat keys, read by both programs; `config.example.toml` is its manual.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::Deserialize;

use super::notify;

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
    /// wrap: seconds a gated call waits for a hub that cannot be reached.
    pub hub_wait: Option<u64>,
    /// wrap: `auto`, `forever` or seconds: how long a call is held before the client is told to call again.
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
        // toml's message names line, column and key.
        toml::from_str(&text).with_context(|| format!("config file {} is not valid", path.display()))
    }
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
        for part in ["config.toml", "line 2", "hubb_wait"] {
            assert!(message.contains(part), "{part} missing in {message}");
        }
    }

    #[test]
    fn a_missing_file_is_an_error_only_when_it_was_named() {
        let path = Path::new("/nonexistent/hitl/config.toml");
        assert_eq!(File::load(path, false).unwrap(), File::default());
        assert!(File::load(path, true).is_err());
    }
}
