//! The command line of `hitl-wrap`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::install::command::{Manner, Selection};
use crate::config::wrap::Flags;

/// Holds the risky tool calls of an MCP server until a person approves them.
#[derive(Debug, Parser)]
#[command(
    name = "hitl-wrap",
    version,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    override_usage = "hitl-wrap [OPTIONS] [--] COMMAND [ARGS]...\n       hitl-wrap install | uninstall | status | doctor [OPTIONS]\n       \
                      hitl-wrap demo [OPTIONS]\n       hitl-wrap login URL\n       hitl-wrap completions SHELL",
    after_help = "Without a hub configured, the hub of this user on this machine is used, and started when none runs.\n\
                  The agent token is read from HITL_AGENT_TOKEN or from the file agent_token_file names, never from \
                  arguments.\n\
                  Example: hitl-wrap --server files -- npx -y @modelcontextprotocol/server-filesystem ."
)]
pub struct Cli {
    /// What else there is to do.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The shim itself.
    #[command(flatten)]
    pub wrap: WrapArgs,
}

/// Wrapping a server.
#[derive(Args, Debug)]
pub struct WrapArgs {
    /// Name of the server for policy and approvers [env: HITL_SERVER] [default: the command's base name]
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// Name of the client until it names itself [env: HITL_CLIENT]
    #[arg(long, value_name = "NAME")]
    client: Option<String>,
    // Not a doc comment: rustdoc would want brackets around the address, and the help would show them.
    #[arg(long, value_name = "URL", help = "Base URL of the hub, such as https://hitl.example.com [env: HITL_HUB]")]
    hub: Option<String>,
    /// Config file to use instead of this user's own [env: HITL_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// auto, forever, or the seconds a call is held before the client is told to call again [env: HITL_HOLD_FOR]
    #[arg(long, value_name = "SECONDS")]
    hold_for: Option<String>,
    /// Command that starts the MCP server, with its arguments
    #[arg(value_name = "COMMAND", trailing_var_arg = true, num_args = 1..)]
    pub command: Vec<OsString>,
}

/// Everything but wrapping.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Put the shim in front of the MCP servers in the files of Claude, Cursor, VS Code, Codex and other clients
    #[command(
        after_help = "Shows what it would change and asks first.\nExample: hitl-wrap install --client cursor --dry-run"
    )]
    Install {
        /// Which files and servers.
        #[command(flatten)]
        selection: Selection,
        /// Servers that lie elsewhere, too: they are started through mcp-remote, which signs in to them by itself
        #[arg(long)]
        remote: bool,
        /// How to go about it.
        #[command(flatten)]
        manner: Manner,
    },
    /// Take the shim away again: the files are as they were, and nothing else in them is touched
    #[command(after_help = "Example: hitl-wrap uninstall --yes")]
    Uninstall {
        /// Which files and servers.
        #[command(flatten)]
        selection: Selection,
        /// How to go about it.
        #[command(flatten)]
        manner: Manner,
    },
    /// Show which servers of which clients are gated; exits with 3 if one is not
    #[command(after_help = "Example: hitl-wrap status --json")]
    Status {
        /// Which files and servers.
        #[command(flatten)]
        selection: Selection,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Find out what is wrong on this machine, and what mends it; exits with 1 if something is wrong
    #[command(after_help = "Example: hitl-wrap doctor --start-servers")]
    Doctor {
        /// Which files and servers.
        #[command(flatten)]
        selection: Selection,
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Start each server as its client would, and list its tools
        #[arg(long)]
        start_servers: bool,
    },
    /// Play the whole product on this machine, with a built-in server and client
    #[command(after_help = "Example: hitl-wrap demo --auto approve")]
    Demo(Demo),
    /// The MCP server of the demo, on stdin and stdout
    #[command(hide = true)]
    DemoServer,
    /// Enrol this machine with a hub: an admin confirms a short code on its page
    #[command(after_help = "Example: hitl-wrap login https://hitl.example.com")]
    Login {
        /// Base URL of the hub, beginning with https:// (or http:// on this machine)
        #[arg(value_name = "URL")]
        hub: String,
        /// Config file to write instead of this user's own [env: HITL_CONFIG]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Print a completion script for a shell
    #[command(after_help = "Example: hitl-wrap completions bash")]
    Completions {
        /// The shell to complete in
        shell: Shell,
    },
}

/// Options of the demo.
#[derive(Args, Clone, Copy, Debug)]
pub struct Demo {
    /// Decide without a person, over the same API as the page
    #[arg(long, value_name = "DECISION")]
    pub auto: Option<Auto>,
    /// Print the sign-in link without opening a browser
    #[arg(long)]
    pub no_open: bool,
}

/// What the demo's own approver does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Auto {
    /// Approves.
    Approve,
    /// Rejects, with a reason.
    Reject,
}

impl Cli {
    /// Reads a command line, the program's name first.
    pub fn read(args: impl Iterator<Item = OsString>) -> Result<Self, clap::Error> {
        let args: Vec<_> = args.collect();
        let cli = Self::try_parse_from(&args)?;
        let before = args.len().checked_sub(cli.wrap.command.len() + 1).and_then(|index| args.get(index));
        let word = cli.wrap.command.first().and_then(|word| word.to_str());
        // Behind options of the shim a command of ours would be taken for a server.
        let is_ours = |word: &&str| Self::command().find_subcommand(word).is_some();
        match word.filter(|word| is_ours(word) && before.is_none_or(|before| before != "--")) {
            Some(word) => Err(misplaced(word)),
            None => Ok(cli),
        }
    }
}

fn misplaced(word: &str) -> clap::Error {
    let why =
        format!("`{word}` comes first, its options after it; for a server of that name, write `hitl-wrap -- {word}`");
    Cli::command().error(clap::error::ErrorKind::InvalidSubcommand, why)
}

impl WrapArgs {
    /// The flags without the command.
    pub fn flags(&self) -> Flags {
        Flags {
            server: self.server.clone(),
            client: self.client.clone(),
            hub: self.hub.clone(),
            config: self.config.clone(),
            hold_for: self.hold_for.clone(),
        }
    }
}

/// The completion script for a shell.
pub fn completions(shell: Shell) -> Vec<u8> {
    let whole = Cli::command();
    // The generators offer hidden commands too, and none can be taken away: so what is offered is put together.
    let shown = whole.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    let mut offered = clap::Command::new("hitl-wrap")
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_subcommand(true)
        .args(whole.get_arguments().cloned())
        .subcommands(shown);
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut offered, "hitl-wrap", &mut script);
    script
}

/// The error of a command line that names nothing to do.
pub fn no_command() -> clap::Error {
    Cli::command().error(
        clap::error::ErrorKind::MissingRequiredArgument,
        "no command to wrap: hitl-wrap [OPTIONS] [--] COMMAND [ARGS]...",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::read(std::iter::once("hitl-wrap").chain(line.split_whitespace()).map(Into::into))
    }

    fn wrapped(line: &str) -> (Flags, Vec<String>) {
        let cli = parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert!(cli.command.is_none(), "{line}: {:?}", cli.command);
        let command = cli.wrap.command.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        (cli.wrap.flags(), command)
    }

    #[test]
    fn options_stop_at_the_first_non_option_with_or_without_dashes() {
        for line in ["npx -y foo --server x", "-- npx -y foo --server x"] {
            assert_eq!(wrapped(line), (Flags::default(), "npx -y foo --server x".split(' ').map(Into::into).collect()));
        }
        let (flags, command) = wrapped("--server github --hub http://h npx -y foo -- --hub bar");
        assert_eq!((flags.server.as_deref(), flags.hub.as_deref()), (Some("github"), Some("http://h")));
        assert_eq!(command, ["npx", "-y", "foo", "--", "--hub", "bar"]);
    }

    #[test]
    fn a_command_named_like_a_subcommand_goes_after_the_dashes() {
        assert!(matches!(parse("demo --auto approve").unwrap().command, Some(Command::Demo(_))));
        assert_eq!(wrapped("-- demo --auto").1, ["demo", "--auto"]);
        assert_eq!(wrapped("--server x -- completions").1, ["completions"]);
        assert_eq!(wrapped("npx demo").1, ["npx", "demo"]);
        assert_eq!(wrapped("help").1, ["help"]);
    }

    #[test]
    fn a_server_named_like_a_command_goes_after_the_dashes() {
        assert_eq!(wrapped("-- doctor -y").1, ["doctor", "-y"]);
        assert_eq!(wrapped("--server x -- status").1, ["status"]);
        assert_eq!(wrapped("./install").1, ["./install"]);
        assert_eq!(wrapped("npx install").1, ["npx", "install"]);
        assert!(matches!(parse("status --json").unwrap().command, Some(Command::Status { json: true, .. })));
        assert!(parse("install -- npx").is_err() && parse("--server x install").is_err());
    }

    #[test]
    fn a_wrong_option_is_a_usage_error() {
        for line in ["--servre x npx", "--server", "demo --auto maybe", "demo extra", "completions"] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
        assert_eq!(no_command().exit_code(), 2);
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
        assert!(!completions(Shell::Bash).is_empty());
    }
}
