//! Logs: to stderr, one line per event, never to stdout, which in the shim is the protocol.
//!
//! `HITL_LOG` takes filters as `RUST_LOG` does; without it, `default` holds (such as `warn` or `hitl=info`).

use tracing_subscriber::EnvFilter;

/// Starts logging for people, for the whole process; a second call changes nothing.
pub fn text(default: &str) {
    let builder = tracing_subscriber::fmt().with_env_filter(filter(default)).with_writer(std::io::stderr);
    // The second initialisation of a test process is the only failure there is.
    drop(builder.with_target(false).try_init());
}

/// Starts logging for machines, one JSON object per line; a second call changes nothing.
pub fn json(default: &str) {
    let builder = tracing_subscriber::fmt().with_env_filter(filter(default)).with_writer(std::io::stderr);
    drop(builder.json().flatten_event(true).try_init());
}

fn filter(default: &str) -> EnvFilter {
    EnvFilter::try_from_env("HITL_LOG").unwrap_or_else(|_| EnvFilter::new(default))
}
