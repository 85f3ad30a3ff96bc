//! `hitl-hub user`: the people who may sign in.

use std::io::{self, IsTerminal as _, Read as _};

use anyhow::{Context as _, bail};
use clap::{Subcommand, ValueEnum};

use super::{open::base_url, open_store, terminal};
use crate::config::hub::Settings;
use crate::hub::Hub;
use crate::hub::error::Actor;
use crate::hub::links::LinkKind;
use crate::hub::model::Role;

/// What to do with users.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add a user; without a password, print a one-time sign-in link for them
    Add {
        /// The name to sign in with
        name: String,
        /// What they may do
        #[arg(long)]
        role: RoleName,
        /// Read the password from stdin
        #[arg(long)]
        password_stdin: bool,
    },
    /// List the users
    List,
    /// Remove a user, with their sessions and tokens
    Remove {
        /// Whom
        name: String,
    },
    /// Set a user's password, which ends their sessions
    Passwd {
        /// Whose
        name: String,
        /// Read the password from stdin
        #[arg(long)]
        password_stdin: bool,
    },
}

/// [`Role`] on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum RoleName {
    /// Looks, decides, and changes policy, agents and users
    Admin,
    /// Looks and decides
    Approver,
    /// Looks
    Viewer,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Admin => Self::Admin,
            RoleName::Approver => Self::Approver,
            RoleName::Viewer => Self::Viewer,
        }
    }
}

/// Does it.
pub(super) async fn run(command: Command, settings: &Settings) -> anyhow::Result<()> {
    let hub = open_store(settings).await?;
    let result = execute(command, &hub, settings).await;
    hub.close().await;
    result
}

async fn execute(command: Command, hub: &Hub, settings: &Settings) -> anyhow::Result<()> {
    match command {
        Command::Add { name, role, password_stdin } => {
            let password = password(password_stdin)?;
            let user = hub.add_user(&name, role.into(), password.as_deref(), &Actor::Operator).await?;
            eprintln!("hitl-hub: added {} {}", user.role.as_str(), user.name);
            if password.is_none() {
                offer_link(hub, settings, user.name).await?;
            }
        }
        Command::List => terminal::write(list(hub).await?.as_bytes())?,
        Command::Remove { name } => {
            hub.remove_user(&name, &Actor::Operator).await?;
            eprintln!("hitl-hub: removed {name}");
        }
        Command::Passwd { name, password_stdin } => {
            let password =
                password(password_stdin)?.context("a password is needed; pipe it in with --password-stdin")?;
            hub.set_password(&name, &password, &Actor::Operator).await?;
            eprintln!("hitl-hub: set the password of {name}; their sessions have ended");
        }
    }
    Ok(())
}

/// A user without a password needs another way in; there is one while a hub can be reached.
async fn offer_link(hub: &Hub, settings: &Settings, name: String) -> anyhow::Result<()> {
    let Ok(base) = base_url(settings) else {
        eprintln!("hitl-hub: {name} has no password yet; set one with `hitl-hub user passwd {name}`");
        return Ok(());
    };
    let code = hub.mint_link(LinkKind::SignIn(name)).await?;
    terminal::line(&format!("{base}/signin#{code}"))
}

async fn list(hub: &Hub) -> anyhow::Result<String> {
    let mut rows = vec![["NAME", "ROLE", "SINCE"].map(str::to_owned).to_vec()];
    rows.extend(
        hub.users().await?.iter().map(|user| {
            vec![terminal::inert(&user.name), user.role.as_str().to_owned(), terminal::time(user.created_at)]
        }),
    );
    Ok(terminal::table(&rows))
}

/// The password: from stdin when asked to, typed when somebody is there to type it, else none.
fn password(from_stdin: bool) -> anyhow::Result<Option<String>> {
    if from_stdin {
        let mut text = String::new();
        io::stdin().take(4096).read_to_string(&mut text).context("cannot read the password from stdin")?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        return Ok(Some(text.strip_suffix('\r').unwrap_or(text).to_owned()));
    }
    if !io::stdin().is_terminal() {
        return Ok(None);
    }
    let typed = rpassword::prompt_password("Password (empty for none): ").context("cannot read the password")?;
    if typed.is_empty() {
        return Ok(None);
    }
    if rpassword::prompt_password("Again: ").context("cannot read the password")? != typed {
        bail!("the two passwords differ; nothing was changed");
    }
    Ok(Some(typed))
}
