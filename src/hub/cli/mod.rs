//! The command line of `hitl-hub`.
//!
//! Commands that manage people and agents work on the store itself, next to a running hub; commands that decide go
//! over the hub's API like everybody else, so that one place judges them.

mod agent;
mod approvals;
mod audit;
mod client;
mod configure;
mod migrate;
mod open;
mod server;
mod stop;
mod terminal;
mod user;
mod watch;
mod way;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

use super::Hub;
use super::serve::{self, DataDir};
use crate::config::database::Database;
use crate::config::env;
use crate::config::file::LogFormat;
use crate::config::hub::{Flags, Settings};
use crate::config::private;
use crate::telemetry;

/// Where people approve or reject the tool calls of AI agents.
#[derive(Debug, Parser)]
#[command(
    name = "hitl-hub",
    version,
    propagate_version = true,
    after_help = "Example: hitl-hub serve --config hub.toml"
)]
pub struct Cli {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: Command,
}

/// Which hub a command is about.
#[derive(Debug, Args)]
struct Place {
    /// Where the hub keeps its data [env: HITL_DATA_DIR]
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// sqlite:PATH or postgres://…; default: hub.db in the data dir [env: HITL_DATABASE]
    #[arg(long, global = true, value_name = "URL")]
    database: Option<String>,
    /// Settings file [env: HITL_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the hub, until a signal or `hitl-hub stop` ends it
    #[command(after_help = "Example: hitl-hub serve --listen 127.0.0.1:7420")]
    Serve {
        /// Address and port to listen on [env: HITL_LISTEN] [default: 127.0.0.1:7420]
        #[arg(long, value_name = "ADDR")]
        listen: Option<String>,
        /// Be this user's own hub, which shims on this machine find by themselves
        #[arg(long)]
        local: bool,
        /// Serve a store that was set back, by a restored backup or a lost file: what is open in it ends
        #[arg(long)]
        accept_rollback: bool,
    },
    /// Print a one-time sign-in link for the first administrator, and open it in a browser
    #[command(after_help = "Example: hitl-hub open --no-browser")]
    Open {
        /// Print the link without opening a browser
        #[arg(long)]
        no_browser: bool,
    },
    /// Bring the store's schema up to date, before hubs of this version start
    #[command(after_help = "Example: hitl-hub migrate --database postgres://hitl@localhost/hitl")]
    Migrate,
    /// End the hub that runs on the data dir
    #[command(after_help = "Example: hitl-hub stop")]
    Stop,
    /// Manage the people who may sign in
    #[command(after_help = "Example: hitl-hub user add alice --role approver")]
    #[command(subcommand)]
    User(user::Command),
    /// Manage the identities that shims connect with
    #[command(after_help = "Example: hitl-hub agent add ci")]
    #[command(subcommand)]
    Agent(agent::Command),
    /// See the MCP servers that shims have named
    #[command(after_help = "Example: hitl-hub server list")]
    #[command(subcommand)]
    Server(server::Command),
    /// See and decide what waits, over the hub's API
    #[command(after_help = "Example: hitl-hub approvals list")]
    Approvals(approvals::Approvals),
    /// Export or check the chained record of decisions and changes
    #[command(after_help = "Example: hitl-hub audit verify")]
    #[command(subcommand)]
    Audit(audit::Command),
    /// Check the settings, or print a settings file
    #[command(after_help = "Example: hitl-hub config check --config hub.toml")]
    #[command(subcommand)]
    Config(configure::Command),
    /// Succeed if the hub answers and its store does
    #[command(after_help = "Example: hitl-hub healthcheck --hub http://127.0.0.1:7420")]
    Healthcheck {
        /// The hub's URL; default: the hub that runs on the data dir
        #[arg(long, value_name = "URL")]
        hub: Option<String>,
    },
    /// Print a completion script for a shell
    #[command(after_help = "Example: hitl-hub completions bash")]
    Completions {
        /// The shell to complete in
        shell: Shell,
    },
}

/// Does what the command line says.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    private::keep_all();
    // The process has one TLS provider; a second installation is refused and changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    if matches!(cli.command, Command::Serve { .. }) {
        // Before there are threads, so that all of them have it.
        serve::short_slices();
    }
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    runtime.block_on(execute(cli))
}

async fn execute(cli: Cli) -> anyhow::Result<ExitCode> {
    let Cli { place, command } = cli;
    place.refuse_password()?;
    match command {
        Command::Serve { listen, local, accept_rollback } => {
            let settings = place.settings(listen)?;
            env::unknown().iter().for_each(|words| eprintln!("hitl-hub: {words}"));
            serve::run(settings, local, accept_rollback).await?;
        }
        Command::Open { no_browser } => open::open(&place.settings(None)?, no_browser).await?,
        Command::Migrate => migrate::migrate(&place.settings(None)?).await?,
        Command::Stop => stop::stop(&place.settings(None)?).await?,
        Command::User(command) => user::run(command, &place.settings(None)?).await?,
        Command::Agent(command) => agent::run(command, &place.settings(None)?).await?,
        Command::Server(command) => server::run(command, &place.settings(None)?).await?,
        Command::Approvals(approvals) => approvals::run(approvals, &place).await?,
        Command::Audit(command) => return audit::run(command, &place.settings(None)?).await,
        Command::Config(command) => configure::run(&command, &place)?,
        Command::Healthcheck { hub } => return client::healthcheck(hub, &place).await,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "hitl-hub", &mut script);
            terminal::write(&script)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl Place {
    /// Every user of a machine can read the arguments of every program, now and in the shell's history.
    fn refuse_password(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            !self.database.as_deref().is_some_and(has_password),
            "--database holds a password, which every user of this machine can read there: put the URL into HITL_DATABASE or \
             the settings file, or the password into ~/.pgpass, and change it where others have seen it"
        );
        Ok(())
    }

    /// The settings, with logs as they say.
    fn flags(&self) -> Flags {
        Flags {
            config: self.config.clone(),
            listen: None,
            data_dir: self.data_dir.clone(),
            database: self.database.clone(),
        }
    }

    fn settings(&self, listen: Option<String>) -> anyhow::Result<Settings> {
        let flags = Flags {
            config: self.config.clone(),
            listen,
            data_dir: self.data_dir.clone(),
            database: self.database.clone(),
        };
        let settings = Settings::load(&flags)?;
        match settings.log_format {
            LogFormat::Text => telemetry::text("warn"),
            LogFormat::Json => telemetry::json("warn"),
        }
        Ok(settings)
    }
}

/// Whether a URL holds one.
fn has_password(url: &str) -> bool {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let user = place.split('/').next().and_then(|host| host.rsplit_once('@')).map_or("", |(user, _)| user);
    user.contains(':') || query.split('&').any(|field| field.starts_with("password="))
}

/// The hub's use cases on a store that is there, for one command; [`Hub::close`] it afterwards. Only what begins a hub
/// makes a store: a mistyped or emptied place must not pass for a hub that has nothing to tell.
async fn open_store(settings: &Settings) -> anyhow::Result<Hub> {
    must_exist(settings)?;
    open_or_make_store(settings).await
}

fn must_exist(settings: &Settings) -> anyhow::Result<()> {
    if let Database::Sqlite(path) = &settings.database
        && !path.exists()
    {
        anyhow::bail!("there is no hub store at {}; is this the right data dir?", path.display());
    }
    Ok(())
}

/// The same for those who only look, even where the store was set back.
async fn open_store_to_look(settings: &Settings) -> anyhow::Result<Hub> {
    must_exist(settings)?;
    serve::open_hub_as_it_is(settings, None).await
}

/// The same, made where it is missing.
async fn open_or_make_store(settings: &Settings) -> anyhow::Result<Hub> {
    DataDir::open(&settings.data_dir)?.refuse_lost_store(&settings.database)?;
    let base_url = settings.public_url.as_ref().map(|url| url.origin());
    serve::open_hub(settings, base_url).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_password_in_a_url_is_noticed() {
        for url in ["postgres://u:p@h/db", "postgres://u:p%40@h", "postgres://h/db?user=u&password=p"] {
            assert!(has_password(url), "{url}");
        }
        for url in ["postgres://u@h:5432/db", "postgres://h/db?sslmode=require", "sqlite:/a:b@c/hub.db", "sqlite://x"] {
            assert!(!has_password(url), "{url}");
        }
    }

    #[test]
    fn place_may_stand_before_and_after_the_command() {
        for line in ["hitl-hub --data-dir /d agent list", "hitl-hub agent list --data-dir /d"] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(cli.place.data_dir, Some(PathBuf::from("/d")));
        }
    }
}
