//! `hitl-hub server`: the MCP servers that the hub has a policy for.

use clap::Subcommand;

use super::{open_store_to_look, terminal};
use crate::config::hub::Settings;
use crate::hub::Hub;

/// What to do with servers.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the servers that shims have named
    #[command(after_help = "Example: hitl-hub server list --json")]
    List {
        /// Print a JSON list of names
        #[arg(long)]
        json: bool,
    },
}

/// Does it.
pub(super) async fn run(command: Command, settings: &Settings) -> anyhow::Result<()> {
    let Command::List { json } = command;
    let hub = open_store_to_look(settings).await?;
    let listed = list(&hub, json).await;
    hub.close().await;
    terminal::write(listed?.as_bytes())
}

async fn list(hub: &Hub, json: bool) -> anyhow::Result<String> {
    let servers = hub.servers.servers().await?;
    if json {
        let names: Vec<&str> = servers.iter().map(|server| server.name.as_str()).collect();
        return Ok(terminal::inert_json(&serde_json::to_string(&names)?) + "\n");
    }
    let mut rows = vec![["NAME", "TOOLS", "COMMAND"].map(str::to_owned).to_vec()];
    rows.extend(servers.iter().map(|server| {
        let command = terminal::inert(&server.command.join(" "));
        vec![terminal::inert(&server.name), server.tools.len().to_string(), terminal::shorten(&command, 80)]
    }));
    Ok(terminal::table(&rows))
}
