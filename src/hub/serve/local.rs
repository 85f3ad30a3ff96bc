//! Local mode: a hub of one person on one machine, whose shims need no set-up.

use std::fs;
use std::process::Stdio;

use anyhow::bail;

use super::files::{DataDir, write_private};
use crate::config::{env, paths};
use crate::core::proof::Fingerprint;
use crate::hub::error::ChangeError;
use crate::hub::model::{Role, User};
use crate::hub::who::Actor;
use crate::hub::{Hub, people};

/// The agent that stands behind all shims without a hub of their own.
const AGENT: &str = "local";

/// Makes sure that the file local shims read holds a token that works.
pub(super) async fn ensure_agent(hub: &Hub, dir: &DataDir) -> anyhow::Result<()> {
    let path = paths::local_agent_token(dir.path());
    let own = hub.store().identity().await?.fingerprint().clone();
    if let Ok(token) = fs::read_to_string(&path)
        && Fingerprint::named_by(token.trim()) == Some(own)
        && hub.agents.agent_of_token(token.trim()).await?.is_some()
    {
        return Ok(());
    }
    // A token cannot be shown twice, so an agent whose token is lost is replaced.
    if hub.agents.agent(AGENT).await?.is_some() {
        hub.agents.revoke_agent(AGENT, &Actor::Operator).await?;
    }
    let (_, token) = hub.agents.add_agent(AGENT, account().await.as_deref(), &Actor::Operator).await?;
    write_private(&path, &token)
}

/// The administrator who was there first, made without a password if there is nobody at all; only for those who have
/// the data dir, and with it everything.
pub async fn first_admin(hub: &Hub) -> anyhow::Result<User> {
    if let Some(admin) = hub.people.first_admin().await? {
        return Ok(admin);
    }
    let best = os_user();
    for name in people::admin_names(&best) {
        match hub.people.add_user(&name, Role::Admin, None, &Actor::Operator).await {
            Err(ChangeError::Conflict(_)) => {
                // Another command, or the set-up link, was a moment faster; or somebody else has the name.
                if let Some(admin) = hub.people.first_admin().await? {
                    return Ok(admin);
                }
            }
            added => {
                let admin = added?;
                if admin.name != best {
                    eprintln!(
                        "hitl-hub: there was no administrator, and {best} cannot be one's name here; added {name}"
                    );
                }
                return Ok(admin);
            }
        }
    }
    bail!("there is no administrator, and every name for one is taken; add one with `hitl-hub user add`")
}

/// Whose account this is, as the system says. The environment says what the client wants that started this hub first.
async fn account() -> Option<String> {
    let said = tokio::process::Command::new("id").arg("-un").stdin(Stdio::null()).output().await.ok()?;
    String::from_utf8(said.stdout).ok().map(|name| name.trim().to_owned()).filter(|name| fits(name))
}

/// The operating system's name for this user, as far as it can be a name here.
pub(super) fn os_user() -> String {
    let names = ["USER", "LOGNAME", "USERNAME"].into_iter().filter_map(env::var);
    names.into_iter().find(|name| fits(name)).unwrap_or_else(|| "admin".to_owned())
}

/// Whether a name of the system can be one here.
fn fits(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !name.is_empty() && name.len() <= 64 && name.chars().all(plain)
}
