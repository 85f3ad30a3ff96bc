//! Logs: to stderr, one line per event, never to stdout, which in the shim is the protocol.

use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object per line, for machines.
    Json,
}

/// Starts logging for the whole process; a second call changes nothing.
///
/// `HITL_LOG` takes filters as `RUST_LOG` does; without it, `default` holds (such as `warn` or `hitl=info`).
pub fn init(default: &str, format: Format) {
    let filter = EnvFilter::try_from_env("HITL_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let result = match format {
        Format::Text => builder.with_target(false).try_init(),
        Format::Json => builder.json().flatten_event(true).try_init(),
    };
    // The second initialisation of a test process is the only failure there is.
    drop(result);
}
