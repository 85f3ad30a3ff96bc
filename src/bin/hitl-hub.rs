//! The hub's binary: arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser as _;
use hitl::hub::cli::{self, Cli};

fn main() -> ExitCode {
    let result = cli::run(Cli::parse());
    result.unwrap_or_else(|error| {
        eprintln!("hitl-hub: {error:#}");
        ExitCode::FAILURE
    })
}
