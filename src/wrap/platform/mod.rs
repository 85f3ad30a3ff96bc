//! What differs between operating systems in how the shim lives between its client and its server: the streams, the
//! signals, and what becomes of the processes that it starts. The rules above know only the names of this file.

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub use self::unix::{
    DRAIN, Process, Signals, Sink, Source, die_with_us, exit, exit_code, host, prepare, reap_orphans, send,
    spawn_outliving, user_id,
};

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub use self::windows::{
    DRAIN, Process, Signals, Sink, Source, die_with_us, exit, exit_code, host, prepare, reap_orphans, send,
    spawn_outliving, user_id,
};

/// A server's streams: what it reads and what it writes.
#[derive(Debug)]
pub struct Streams {
    /// Its stdin.
    pub stdin: Sink,
    /// Its stdout.
    pub stdout: Source,
}

/// What ends us, and what we send to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGHUP.
    HangUp,
    /// SIGKILL.
    Kill,
}

impl Signal {
    /// How a program that it ended exits, in a shell's eyes.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::HangUp => 129,
            Self::Interrupt => 130,
            Self::Kill => 137,
            Self::Terminate => 143,
        }
    }
}
