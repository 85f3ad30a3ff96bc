//! The shim's program: parses, runs, maps the result to an exit code.

use std::io::Write as _;
use std::process::ExitCode;

use hitl::config::env;
use hitl::config::file::LogFormat;
use hitl::config::wrap::Wrap;
use hitl::telemetry;
use hitl::wrap::cli::{Cli, Command, WrapArgs};
use hitl::wrap::{self, cli, demo, doctor, install, login, platform, say};

/// Our own mistakes and our user's: the settings, or what the machine does not give us.
const USAGE: i32 = 2;

fn main() -> ExitCode {
    let cli = Cli::read(std::env::args_os()).unwrap_or_else(|error| error.exit());
    platform::prepare();
    let code = match cli.command {
        Some(command) => run(command).map(i32::from),
        None => wrap(&cli.wrap),
    };
    let code = code.unwrap_or_else(|error| {
        say::say(&format!("{error:#}"));
        USAGE
    });
    say::flush();
    platform::exit(code)
}

fn run(command: Command) -> anyhow::Result<u8> {
    match command {
        Command::Completions { shell } => completions(shell),
        Command::Install { selection, remote, manner } => install::command::install(selection, remote, manner),
        Command::Uninstall { selection, manner } => install::command::uninstall(selection, manner),
        Command::Status { selection, json } => install::command::status(selection, json),
        Command::Doctor { selection, json, start_servers } => block_on(doctor::run(selection, json, start_servers)),
        Command::Demo(options) => block_on(demo::run(options)),
        Command::Login { hub, config } => {
            let config = config.or_else(|| env::os("HITL_CONFIG").map(Into::into));
            block_on(login::run(&hub, config))
        }
        Command::DemoServer => demo::server::serve().map(|()| 0),
    }
}

fn wrap(args: &WrapArgs) -> anyhow::Result<i32> {
    let Some(program) = args.command.first() else { cli::no_command().exit() };
    env::unknown().iter().for_each(|words| say::say(words));
    let settings = Wrap::load(args.flags(), &program.to_string_lossy(), &env::var)?;
    // Nobody who did not ask reads it, and building the filter would cost every start.
    if env::os("HITL_LOG").is_some() {
        match settings.log_format {
            LogFormat::Text => telemetry::text("off"),
            LogFormat::Json => telemetry::json("off"),
        }
    }
    block_on(wrap::run(settings, args.command.clone()))
}

fn completions(shell: clap_complete::Shell) -> anyhow::Result<u8> {
    std::io::stdout().write_all(&cli::completions(shell))?;
    Ok(0)
}

/// One thread: the relay is one task, and a second thread would cost every message a wake-up.
fn block_on<T>(task: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(task);
    // A name lookup that hangs must not keep us from ending.
    runtime.shutdown_background();
    result
}
