//! `hitl-hub user`: the people who may sign in.

use std::io::{self, IsTerminal as _, Read as _};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Subcommand, ValueEnum};

use super::{open::base_url, open_or_make_store, open_store, terminal};
use crate::config::hub::Settings;
use crate::hub::Hub;
use crate::hub::model::Role;
use crate::hub::people::{LinkKind, PersonalToken, UserChange};
use crate::hub::who::Actor;

/// What to do with users.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add a user; without a password, print a one-time sign-in link for them
    #[command(after_help = "Example: hitl-hub user add alice --role approver")]
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
    /// Print a one-time sign-in link for a user, in place of those they have not used
    #[command(after_help = "Example: hitl-hub user link alice")]
    Link {
        /// Name of the user
        name: String,
    },
    /// List the users
    #[command(after_help = "Example: hitl-hub user list")]
    List,
    /// Say what a user may do
    #[command(after_help = "Example: hitl-hub user role alice viewer")]
    Role {
        /// Name of the user
        name: String,
        /// What they may do
        role: RoleName,
    },
    /// Remove a user, with their sessions, sign-in links and tokens
    #[command(after_help = "Example: hitl-hub user remove alice")]
    Remove {
        /// Name of the user
        name: String,
    },
    /// Print a personal token for a user's scripts, which is never shown again
    #[command(after_help = "Example: hitl-hub user token alice --expires 7d")]
    Token {
        /// Name of the user
        name: String,
        /// How long the token is good, such as 12h or 30d
        #[arg(long, value_name = "TIME", default_value = "30d", value_parser = time)]
        expires: Duration,
    },
    /// List a user's personal tokens
    #[command(after_help = "Example: hitl-hub user tokens alice")]
    Tokens {
        /// Name of the user
        name: String,
    },
    /// Make a personal token worthless
    #[command(after_help = "Example: hitl-hub user revoke 3f9c")]
    Revoke {
        /// Id of the token, as `hitl-hub user tokens` lists it
        id: String,
    },
    /// Set a user's password, which ends their sessions, sign-in links and tokens
    #[command(after_help = "Example: hitl-hub user passwd alice")]
    Passwd {
        /// Name of the user
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
    let hub = match command {
        Command::Add { .. } => open_or_make_store(settings).await?,
        _ => open_store(settings).await?,
    };
    let result = execute(command, &hub, settings).await;
    hub.close().await;
    result
}

async fn execute(command: Command, hub: &Hub, settings: &Settings) -> anyhow::Result<()> {
    match command {
        Command::Add { name, role, password_stdin } => {
            let password = password(password_stdin)?;
            let user = hub.people.add_user(&name, role.into(), password.as_deref(), &Actor::Operator).await?;
            eprintln!("hitl-hub: added {} {}", user.role.as_str(), user.name);
            if password.is_none() {
                offer_link(hub, settings, user.name).await?;
            }
        }
        Command::Link { name } => {
            let base = base_url(settings)?;
            let code = hub.people.add_link(&name, &Actor::Operator).await?;
            terminal::line(&format!("{base}/signin#{code}"))?;
        }
        Command::List => terminal::write(list(hub).await?.as_bytes())?,
        Command::Role { name, role } => {
            let change = UserChange { role: Some(role.into()), ..UserChange::default() };
            let user = hub.people.change_user(&name, change, &Actor::Operator).await?;
            eprintln!("hitl-hub: {} is {} now", user.name, user.role.as_str());
        }
        Command::Remove { name } => {
            hub.people.remove_user(&name, &Actor::Operator).await?;
            eprintln!("hitl-hub: removed {name}");
        }
        Command::Token { name, expires } => {
            let (token, secret) = hub.people.add_user_token(&name, expires, &Actor::Operator).await?;
            eprintln!("hitl-hub: added {} for {name}, good until {}", token.id, terminal::time(token.expires_at));
            terminal::line(&secret)?;
        }
        Command::Tokens { name } => terminal::write(tokens(hub, &name).await?.as_bytes())?,
        Command::Revoke { id } => {
            let token = hub.people.revoke_user_token(&id, &Actor::Operator).await?;
            eprintln!("hitl-hub: revoked {} of {}", token.id, token.user);
        }
        Command::Passwd { name, password_stdin } => {
            let password =
                password(password_stdin)?.context("a password is needed; pipe it in with --password-stdin")?;
            hub.people.set_password(&name, &password, &Actor::Operator).await?;
            eprintln!("hitl-hub: set the password of {name}; their sessions, sign-in links and tokens have ended");
        }
    }
    Ok(())
}

/// A user without a password needs another way in; there is one while a hub can be reached.
async fn offer_link(hub: &Hub, settings: &Settings, name: String) -> anyhow::Result<()> {
    let Ok(base) = base_url(settings) else {
        eprintln!(
            "hitl-hub: {name} has no password yet; set one with `hitl-hub user passwd {name}`, or, when the hub runs, \
             print a sign-in link with `hitl-hub user link {name}`"
        );
        return Ok(());
    };
    let code = hub.people.mint_link(LinkKind::SignIn(name)).await?;
    terminal::line(&format!("{base}/signin#{code}"))
}

async fn list(hub: &Hub) -> anyhow::Result<String> {
    let mut rows = vec![["NAME", "ROLE", "SINCE"].map(str::to_owned).to_vec()];
    rows.extend(
        hub.people.users().await?.iter().map(|user| {
            vec![terminal::inert(&user.name), user.role.as_str().to_owned(), terminal::time(user.created_at)]
        }),
    );
    Ok(terminal::table(&rows))
}

async fn tokens(hub: &Hub, name: &str) -> anyhow::Result<String> {
    let mut rows = vec![["ID", "SINCE", "UNTIL"].map(str::to_owned).to_vec()];
    let times =
        |token: PersonalToken| vec![token.id, terminal::time(token.created_at), terminal::time(token.expires_at)];
    rows.extend(hub.people.user_tokens(name).await?.into_iter().map(times));
    Ok(terminal::table(&rows))
}

/// A time with its unit: `90m`, `12h`, `30d`.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a time such as 90m, 12h or 30d");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number: u32 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    Ok(Duration::from_secs(u64::from(number) * seconds))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit() {
        assert_eq!(time("90m"), Ok(Duration::from_secs(5_400)));
        assert_eq!(time("30d"), Ok(Duration::from_secs(30 * 86_400)));
        for odd in ["", "30", "d", "-1d", "1.5h", "1µ", "99999999999d"] {
            assert!(time(odd).is_err(), "{odd}");
        }
    }
}
