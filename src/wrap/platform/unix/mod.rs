//! Descriptors, signals, process groups and the death signal.

mod ends;
mod guard;
mod process;
mod reap;
mod signals;

use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

pub use self::ends::{Sink, Source};
pub use self::process::{Process, die_with_us, send, spawn_outliving};
pub use self::reap::start as reap_orphans;
pub use self::signals::Signals;

/// After the server's end, what it wrote is there at once; only a grandchild can keep the stream open longer.
pub const DRAIN: Duration = Duration::from_millis(250);

/// What must be so before the first process is started.
pub fn prepare() {}

/// The exit code for a status: the process's own, 128 + n for a signal.
pub fn exit_code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// Ends the program with a code of 0 to 255.
pub fn exit(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}

/// This user, where the environment does not say it.
pub fn user_id() -> Option<String> {
    Some(format!("uid {}", rustix::process::getuid().as_raw()))
}

/// This machine's name.
pub fn host() -> Option<String> {
    rustix::system::uname().nodename().to_str().ok().map(str::to_owned)
}
