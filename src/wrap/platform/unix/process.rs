//! Processes that we start: the server, which dies with us, and the hub, which outlives us.

use std::io;
use std::process::{ExitStatus, Stdio};

use tokio::process::{Child, Command};

use super::ends::{Sink, Source};
use super::guard::{self, Guard};
use super::reap;
use crate::wrap::platform::{Signal, Streams};

/// A server's process.
#[derive(Debug)]
pub struct Process {
    child: Child,
    guard: Option<Guard>,
}

impl Process {
    /// Starts a server between two pipes. It stays in our process group and dies with us.
    pub fn spawn(mut command: Command) -> io::Result<(Self, Streams)> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let needs_guard = guard::is_needed();
        if !needs_guard {
            die_with_us(&mut command);
        }
        let mut child = command.spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("it has no stdin or stdout"));
        };
        if let Some(id) = child.id() {
            reap::spare(id);
        }
        // Without one, a server notices our end by that of its stdin.
        let guard = child.id().filter(|_| needs_guard).and_then(|id| Guard::over(id).ok());
        let streams =
            Streams { stdin: Sink::of(stdin.into_owned_fd()?)?, stdout: Source::of(stdout.into_owned_fd()?)? };
        Ok((Self { child, guard }, streams))
    }

    /// Waits for its end. Cancel safe.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await;
        self.guard = None;
        status
    }

    /// Sends it a signal.
    pub fn send(&self, signal: Signal) {
        send(signal, &self.child);
    }
}

/// Starts a program that outlives us: in nobody's way to end, and with nothing of ours but what `command` hands over.
pub fn spawn_outliving(mut command: Command) -> io::Result<Child> {
    inherit_nothing(&mut command);
    let process = command.process_group(0).spawn()?;
    if let Some(id) = process.id() {
        reap::spare(id);
    }
    Ok(process)
}

/// Sends a signal to a child; none to one that was waited for, whose id may be another's by now.
pub fn send(signal: Signal, process: &Child) {
    use rustix::process::{Pid, Signal as Number, kill_process};
    let number = match signal {
        Signal::Interrupt => Number::INT,
        Signal::Terminate => Number::TERM,
        Signal::HangUp => Number::HUP,
        Signal::Kill => Number::KILL,
    };
    if let Some(pid) = process.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
        // It fails only when the process is gone already.
        let _ = kill_process(pid, number);
    }
}

/// Asks the kernel to kill the child when the thread that started it ends, which is our main thread.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "what runs between fork and exec can be set in no other way")]
pub fn die_with_us(command: &mut Command) {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    let us = std::process::id();
    let before_exec = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // We may have died before the line above: then the child has another parent, and nobody would kill it.
        if getppid().is_none_or(|parent| parent.as_raw_pid().unsigned_abs() != us) {
            return Err(io::Error::from_raw_os_error(rustix::io::Errno::SRCH.raw_os_error()));
        }
        Ok(())
    };
    // SAFETY: between fork and exec only system calls are made; nothing is allocated and no lock is taken.
    unsafe { command.pre_exec(before_exec) };
}

/// Elsewhere nothing can be asked of the kernel.
#[cfg(not(target_os = "linux"))]
pub fn die_with_us(_: &mut Command) {}

/// Descriptors that our client left open to us are not for a program that outlives both: a lock would never be freed.
/// They stay open here, because the server may have been meant to have them.
#[expect(unsafe_code, reason = "what runs between fork and exec, and descriptors by number, are unsafe in the library")]
fn inherit_nothing(command: &mut Command) {
    use rustix::io::{FdFlags, fcntl_setfd};
    let open = open_descriptors();
    let close_on_exec = move || {
        for number in &open {
            // SAFETY: it is used for this one call, which fails on a descriptor that is not open any more.
            let descriptor = unsafe { std::os::fd::BorrowedFd::borrow_raw(*number) };
            let _ = fcntl_setfd(descriptor, FdFlags::CLOEXEC);
        }
        Ok(())
    };
    // SAFETY: between fork and exec only system calls are made; nothing is allocated and no lock is taken.
    unsafe { command.pre_exec(close_on_exec) };
}

/// The numbers of this process's descriptors beside the three that everybody has.
fn open_descriptors() -> Vec<i32> {
    let listed = std::fs::read_dir("/proc/self/fd").or_else(|_| std::fs::read_dir("/dev/fd"));
    let Ok(listed) = listed else { return (3..1024).collect() };
    let numbers = listed.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter(|number| *number > 2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_that_outlives_us_inherits_no_descriptor_of_our_client() {
        let (ours, _other) = std::io::pipe().unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&ours);
        rustix::io::fcntl_setfd(&ours, rustix::io::FdFlags::empty()).unwrap();
        let is_open = async |inherit: fn(&mut Command)| {
            let mut command = Command::new("sh");
            command.args(["-c", &format!("test -e /dev/fd/{number}")]).stderr(Stdio::null());
            inherit(&mut command);
            command.status().await.unwrap().success()
        };
        assert!(is_open(|_| {}).await);
        assert!(!is_open(inherit_nothing).await);
    }
}
