//! `hitl-hub agent`: the identities that shims connect with.

use clap::Subcommand;

use super::{open_or_make_store, open_store, terminal};
use crate::config::hub::Settings;
use crate::hub::Hub;
use crate::hub::who::Actor;

/// What to do with agents.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add an agent and print its token, which is never shown again
    Add {
        /// Its name
        name: String,
        /// The person it works for
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
    /// List the agents
    List,
    /// Make an agent's token worthless, cut its sessions and cancel what it holds
    Revoke {
        /// Its name or client id
        name: String,
    },
}

/// Does it.
pub(super) async fn run(command: Command, settings: &Settings) -> anyhow::Result<()> {
    let hub = match command {
        Command::Add { .. } => open_or_make_store(settings).await?,
        _ => open_store(settings).await?,
    };
    let result = execute(command, &hub).await;
    hub.close().await;
    result
}

async fn execute(command: Command, hub: &Hub) -> anyhow::Result<()> {
    match command {
        Command::Add { name, user } => {
            let (agent, token) = hub.agents.add_agent(&name, user.as_deref(), &Actor::Operator).await?;
            eprintln!("hitl-hub: added agent {} with client id {}", agent.name, agent.client_id);
            terminal::line(&token)?;
        }
        Command::List => terminal::write(list(hub).await?.as_bytes())?,
        Command::Revoke { name } => {
            let agent = hub.agents.revoke_agent(&name, &Actor::Operator).await?;
            eprintln!("hitl-hub: revoked agent {} with client id {}", agent.name, agent.client_id);
        }
    }
    Ok(())
}

async fn list(hub: &Hub) -> anyhow::Result<String> {
    let mut rows = vec![["CLIENT ID", "NAME", "USER", "LAST SEEN"].map(str::to_owned).to_vec()];
    rows.extend(hub.agents.agents().await?.iter().map(|agent| {
        vec![
            terminal::inert(agent.client_id.as_str()),
            terminal::inert(&agent.name),
            terminal::inert(agent.user.as_deref().unwrap_or("-")),
            agent.last_seen.map_or_else(|| "never".to_owned(), terminal::time),
        ]
    }));
    Ok(terminal::table(&rows))
}
