//! `hitl-wrap login URL`: enrols this machine with a hub. A short code is shown here and on the hub's page; when an
//! administrator confirms it, the token and the hub's URL are written to this user's config dir.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::connect::{self, Socket};
use super::say::say;
use super::{identity, platform};
use crate::config::env;
use crate::config::file::File;
use crate::config::way::Way;
use crate::config::wrap::{base_url, is_plain_text};
use crate::config::{paths, private};
use crate::core::inert::inert;
use crate::core::proof::Fingerprint;
use crate::wire::{self, EnrolHello, FromEnrolling, ToEnrolling};

/// How long the hub may take to note that the token arrived.
const CLOSED_WITHIN: Duration = Duration::from_secs(10);
const UNHEARD: &str = "the hub did not hear that its token arrived, and revokes it; log in again";

/// Enrols this machine; `config` is the config file to write instead of this user's own.
pub async fn run(url: &str, config: Option<PathBuf>) -> anyhow::Result<u8> {
    let base = base_url(url)?;
    if let Some(warning) = warning(&base) {
        say(&warning);
    }
    let config = config.map(paths::at_home).map_or_else(paths::config_file, Ok)?;
    // What cannot be written is found out before anybody is asked.
    let before = std::fs::read_to_string(&config).or_else(missing).context("cannot read the config file")?;
    let token_file = config.with_file_name("agent-token");
    let after = with_hub(&before, &base, &token_file)?;
    let way = Way::to(&base, &File::parse(&before).unwrap_or_default(), &env::var)?;
    let (mut socket, key) = connect::open_to_enrol(&base, &way).await?;
    let hello = EnrolHello {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        user: identity::user(),
        host: platform::host(),
        confirms: true,
    };
    socket.send(Message::text(wire::encode(&hello))).await.context("the hub closed the connection")?;
    loop {
        match hear(&mut socket).await? {
            ToEnrolling::Code { code, link, expires_seconds } => tell(&code, &link, key.as_ref(), expires_seconds)?,
            ToEnrolling::Refused { reason } => bail!("not enrolled: {}", plain(&reason)),
            ToEnrolling::Enrolled { client_id, name, token } => {
                // A stranger in between can pass on the hub's words, and not prove to be it.
                ensure!(
                    key.is_none() || Fingerprint::named_by(&token) == key,
                    "the token is for another hub than the one at {base}; nothing was written. Revoke the agent {}",
                    plain(&name)
                );
                write(&token_file, &format!("{token}\n"))?;
                write(&config, &after)?;
                socket.send(Message::text(wire::encode(&FromEnrolling::Received))).await.context(UNHEARD)?;
                let closed = timeout(CLOSED_WITHIN, async { while let Some(Ok(_)) = socket.next().await {} }).await;
                closed.context(UNHEARD)?;
                let text = format!(
                    "Enrolled as {} ({}). Wrote {} and {}.\n",
                    plain(&name),
                    plain(client_id.as_str()),
                    token_file.display(),
                    config.display()
                );
                std::io::stdout().write_all(text.as_bytes())?;
                return Ok(0);
            }
        }
    }
}

/// What there is to say before the token is on its way.
fn warning(base: &str) -> Option<String> {
    let why = "is not encrypted: whoever can listen on the way gets the agent token, too; use https://";
    is_plain_text(base).then(|| format!("the connection to the hub at {base} {why}"))
}

fn tell(code: &str, link: &str, key: Option<&Fingerprint>, seconds: u64) -> anyhow::Result<()> {
    let (code, link, minutes) = (plain(code), plain(link), seconds / 60);
    let key = key.map_or_else(String::new, |key| format!("if the page shows the hub's key {key}\n"));
    let text = format!(
        "Open {link}\nand confirm the code {code}\n{key}An admin of the hub has {minutes} minutes for it; waiting…\n"
    );
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

/// The hub's words without anything that a terminal obeys.
fn plain(text: &str) -> String {
    inert(&text.chars().take(500).collect::<String>())
}

async fn hear(socket: &mut Socket) -> anyhow::Result<ToEnrolling> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => {
                return wire::decode(&text).context("the hub says something unknown");
            }
            Some(Ok(Message::Close(_))) | None => bail!("the hub closed the connection; try again"),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(error).context("the connection to the hub broke"),
        }
    }
}

fn missing(error: std::io::Error) -> std::io::Result<String> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(String::new()) } else { Err(error) }
}

/// The config file's text with this hub and token file in it, everything else as it was.
fn with_hub(text: &str, hub: &str, token_file: &Path) -> anyhow::Result<String> {
    let token_file = token_file.to_str().context("the config dir's path is not UTF-8")?;
    let after = with_key(&with_key(text, "agent_token_file", token_file), "hub", hub);
    let read = File::parse(&after).map_err(|fault| anyhow!("the config file is not valid; mend it first: {fault}"))?;
    let as_meant = read.hub.as_deref() == Some(hub) && read.agent_token_file.as_deref() == Some(Path::new(token_file));
    ensure!(
        as_meant,
        "the config file sets hub or agent_token_file in a way that cannot be replaced; remove them first"
    );
    Ok(after)
}

/// Replaces the line that sets a key, else puts one at the top: at the end it might fall into a table.
fn with_key(text: &str, key: &str, value: &str) -> String {
    let line = format!("{key} = {}", toml::Value::String(value.to_owned()));
    let sets = |line: &str| line.trim_start().strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='));
    if !text.lines().any(sets) {
        return format!("{line}\n{text}");
    }
    text.lines().map(|old| if sets(old) { format!("{line}\n") } else { format!("{old}\n") }).collect()
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    private::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_config_file_keeps_everything_else() {
        let before = "# mine\nhub_wait = 5\nhub = \"http://old\" # was\n\n[hold_for_clients]\nx = 1\n";
        let after = with_hub(before, "https://new", Path::new("/c/agent-token")).unwrap();
        assert_eq!(
            after,
            "agent_token_file = \"/c/agent-token\"\n# mine\nhub_wait = 5\nhub = \"https://new\"\n\n[hold_for_clients]\nx = 1\n"
        );
        assert_eq!(with_hub(&after, "https://new", Path::new("/c/agent-token")).unwrap(), after);
        assert!(with_hub("nonsense", "https://new", Path::new("/t")).is_err());
    }

    #[test]
    fn the_hubs_words_neither_move_the_cursor_nor_turn_text_around() {
        assert_eq!(plain("a\u{1b}[2J\u{202e}b\u{200b}"), "a\\u{1b}[2J\\u{202e}b\\u{200b}");
    }

    #[test]
    fn a_token_that_would_cross_the_network_in_the_clear_is_warned_of() {
        assert!(warning("http://hub.example.com").unwrap().contains("agent token"));
        assert_eq!(warning("https://hub.example.com"), None);
        assert_eq!(warning("http://127.0.0.1:7420"), None);
    }
}
