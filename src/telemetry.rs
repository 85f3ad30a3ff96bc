//! Logs: to stderr, one line per event, never to stdout, which in the shim is the protocol.
//!
//! `HITL_LOG` takes levels as `RUST_LOG` does, for everything or for a target (`info`, `warn,hitl=debug`); without it,
//! `default` holds (such as `warn` or `hitl=info`). Level `trace` is in debug builds alone.

use std::io::IsTerminal as _;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{fmt, registry};

/// Starts logging for people, for the whole process, in colours where they see them at once; a second call changes
/// nothing.
pub fn text(default: &str) {
    let colours = std::io::stderr().is_terminal();
    let lines = fmt::layer().with_writer(std::io::stderr).with_target(false).with_ansi(colours);
    // The second initialisation of a test process is the only failure there is.
    drop(registry().with(lines).with(levels(default)).try_init());
}

/// Starts logging for machines, one JSON object per line; a second call changes nothing.
pub fn json(default: &str) {
    let lines = fmt::layer().json().flatten_event(true).with_writer(std::io::stderr);
    drop(registry().with(lines).with(levels(default)).try_init());
}

/// Levels by target; spans are not told apart, because that would take a regex engine into the shim.
#[expect(clippy::disallowed_methods, reason = "logs begin before there are settings")]
fn levels(default: &str) -> Targets {
    let wanted = std::env::var("HITL_LOG").ok();
    wanted.and_then(|text| text.parse().ok()).or_else(|| default.parse().ok()).unwrap_or_default()
}
