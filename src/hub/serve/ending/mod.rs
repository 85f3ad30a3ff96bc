//! What ends a hub from outside: a signal, or somebody at `hitl-hub stop`.

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub(super) use self::unix::Ending;
#[cfg(unix)]
pub use self::unix::ask_to_end;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub(super) use self::windows::Ending;
#[cfg(windows)]
pub use self::windows::ask_to_end;
