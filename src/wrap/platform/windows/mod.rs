//! Inherited handles, console events and a job.

mod ends;
mod job;
mod process;
mod signals;

use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

pub use self::ends::{Sink, Source};
pub use self::process::{Process, die_with_us, send, spawn_outliving};
pub use self::signals::Signals;
use crate::config::env;

/// After the server's end, a thread has so long to bring what it wrote, on a machine that has much else to do; only a
/// grandchild can keep the stream open longer.
pub const DRAIN: Duration = Duration::from_secs(3);

/// What must be so before the first process is started: it inherits no end of our client's, or the client would never
/// see the end of a stream that a program which outlives us holds open.
pub fn prepare() {
    ends::keep_to_ourselves();
}

/// The exit code for a status: the process's own, in all its 32 bits.
pub fn exit_code(status: ExitStatus) -> i32 {
    status.code().unwrap_or(1)
}

/// Ends the program with any code that a server may have. What servers started goes on, as it would without us, unless
/// a server had to be killed: then nobody is left to end the rest.
pub fn exit(code: i32) -> ExitCode {
    job::let_go();
    #[expect(clippy::disallowed_methods, reason = "an `ExitCode` has 8 bits; nothing is held any more")]
    std::process::exit(code)
}

/// This user, where the environment does not say it.
pub fn user_id() -> Option<String> {
    None
}

/// This machine's name.
pub fn host() -> Option<String> {
    env::var("COMPUTERNAME")
}

/// Nobody inherits orphans.
pub fn reap_orphans() {}
