//! `hitl-hub agent`: the identities that shims connect with.

use std::time::Duration;

use anyhow::Context as _;
use clap::Subcommand;

use super::user::time;
use super::{open_or_make_store, open_store, terminal};
use crate::config::hub::Settings;
use crate::hub::Hub;
use crate::hub::agents::AgentChange;
use crate::hub::who::Actor;

/// What to do with agents.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add an agent and print its token, which is never shown again
    #[command(after_help = "Example: hitl-hub agent add ci --user alice")]
    Add {
        /// Name of the agent
        name: String,
        /// The person it works for
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
    /// List the agents
    #[command(after_help = "Example: hitl-hub agent list")]
    List,
    /// Print a new token for an agent, which keeps its client id; the one before stays good for a while
    #[command(after_help = "Example: hitl-hub agent rotate ci --overlap 12h")]
    Rotate {
        /// Name or client id of the agent
        name: String,
        /// How long the token before stays good, such as 12h or 7d; 0m ends it at once
        #[arg(long, value_name = "TIME", default_value = "24h", value_parser = time)]
        overlap: Duration,
    },
    /// Say which servers an agent may stand in front of
    #[command(after_help = "Example: hitl-hub agent servers ci github files")]
    Servers {
        /// Name or client id of the agent
        name: String,
        /// Names of the servers that it may stand in front of, and of no others
        #[arg(value_name = "SERVER", required_unless_present = "all", conflicts_with = "all")]
        servers: Vec<String>,
        /// Let it stand in front of every server
        #[arg(long)]
        all: bool,
    },
    /// Make an agent's token worthless, cut its sessions and cancel what it holds
    #[command(after_help = "Example: hitl-hub agent revoke ci")]
    Revoke {
        /// Name or client id of the agent
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
        Command::Rotate { name, overlap } => {
            let (agent, token) = hub.agents.rotate_token(&name, overlap, &Actor::Operator).await?;
            let until = agent.old_token_until.map(terminal::time).unwrap_or_default();
            eprintln!(
                "hitl-hub: {} keeps its client id {}; its old token is good until {until}: put the new one in its place \
                 and start its clients again by then",
                agent.name, agent.client_id
            );
            terminal::line(&token)?;
        }
        Command::Servers { name, servers, .. } => limit(hub, &name, servers).await?,
        Command::Revoke { name } => {
            let agent = hub.agents.revoke_agent(&name, &Actor::Operator).await?;
            eprintln!("hitl-hub: revoked agent {} with client id {}", agent.name, agent.client_id);
        }
    }
    Ok(())
}

/// Lets an agent stand in front of these servers; of none said, of every one.
async fn limit(hub: &Hub, name: &str, servers: Vec<String>) -> anyhow::Result<()> {
    let agent = hub.agents.agent(name).await?.with_context(|| format!("there is no agent {name}"))?;
    let servers = Some(servers).filter(|servers| !servers.is_empty());
    let change = AgentChange { servers: Some(servers), ..AgentChange::default() };
    let agent = hub.agents.change_agent(&agent.client_id, change, &Actor::Operator).await?;
    let servers = agent.servers.map_or_else(|| "every server".to_owned(), |servers| servers.join(", "));
    eprintln!("hitl-hub: {} may stand in front of {}", agent.name, terminal::inert(&servers));
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
