//! Processes that we start: the server, which dies with us, and the hub, which outlives us.

use std::io;
use std::process::{ExitStatus, Stdio};

use tokio::process::{Child, Command};
use windows_sys::Win32::Foundation::ERROR_ACCESS_DENIED;
use windows_sys::Win32::System::Console::GetConsoleCP;
use windows_sys::Win32::System::Threading::{
    CREATE_BREAKAWAY_FROM_JOB, CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW, TerminateProcess,
};

use super::ends::{Sink, Source};
use super::job;
use crate::wrap::platform::{Signal, Streams};

/// A server's process.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Starts a server between two pipes. It shares our console, where Ctrl-C reaches it, or opens none where we have
    /// none, and dies with us.
    pub fn spawn(mut command: Command) -> io::Result<(Self, Streams)> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        die_with_us(&mut command);
        if !has_console() {
            command.creation_flags(CREATE_NO_WINDOW);
        }
        let mut child = command.spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("it has no stdin or stdout"));
        };
        let streams =
            Streams { stdin: Sink::of(stdin.into_owned_handle()?)?, stdout: Source::of(stdout.into_owned_handle()?)? };
        Ok((Self(child), streams))
    }

    /// Waits for its end. Cancel safe.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.0.wait().await
    }

    /// Sends it a signal.
    pub fn send(&self, signal: Signal) {
        send(signal, &self.0);
    }
}

/// Starts a program that outlives us: without a window, out of reach of our console's Ctrl-C, and in no job of ours.
pub fn spawn_outliving(mut command: Command) -> io::Result<Child> {
    let hidden = CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP;
    match command.creation_flags(hidden | CREATE_BREAKAWAY_FROM_JOB).spawn() {
        // Our client keeps all that it starts in a job. It has to end with that, or with us if we have to kill.
        Err(error) if error.raw_os_error() == i32::try_from(ERROR_ACCESS_DENIED).ok() => {
            command.creation_flags(hidden).spawn()
        }
        started => started,
    }
}

/// What starts from here on dies with us.
pub fn die_with_us(_: &mut Command) {
    job::enter();
}

/// Ends a child, by force: there is nothing softer for a program that may have no console. Of what a console tells, it
/// has heard as we have; else it sees the end of its stdin.
#[expect(unsafe_code, reason = "the standard library ends a process with code 1 only")]
pub fn send(signal: Signal, process: &Child) {
    let (Signal::Terminate | Signal::Kill, Some(handle)) = (signal, process.raw_handle()) else { return };
    job::has_killed();
    // SAFETY: the handle is open for as long as the child is borrowed.
    unsafe { TerminateProcess(handle, signal.exit_code().into()) };
}

/// Whether a program that we start shares our console, seen or not; else it would be given one that is seen.
#[expect(unsafe_code, reason = "the standard library does not know consoles")]
fn has_console() -> bool {
    // SAFETY: it takes nothing.
    unsafe { GetConsoleCP() != 0 }
}
