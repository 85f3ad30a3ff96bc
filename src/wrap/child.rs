//! The wrapped server's process.
//!
//! It stays in our process group, inherits our stderr and our environment without `HITL_*`, and is killed by the
//! kernel when we die without a chance to do it (Linux).

use std::ffi::OsString;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tokio::process::Command;

use super::platform::{Process, Signal, Streams};
use super::program;
use crate::config::env;

/// A server that has nothing left to answer, and whose stdin is closed, may be silent this long.
pub const GRACE_AFTER_EOF: Duration = Duration::from_secs(30);
/// One that was told to end may take this long; a client that is in a hurry kills us, and the kernel the server.
pub const GRACE_AFTER_SIGNAL: Duration = Duration::from_secs(10);
/// Python servers ignore an interrupt for seconds; all obey this one. Clients wait as long with it.
const TERMINATE_AFTER_INTERRUPT: Duration = Duration::from_secs(2);

/// A command that could not be run.
#[derive(Debug, thiserror::Error)]
#[error("cannot run {command:?}: {error}")]
pub struct SpawnError {
    command: OsString,
    error: io::Error,
}

impl SpawnError {
    /// As a shell would exit: 127 for a command that is not there, 126 for one that cannot be run.
    pub fn exit_code(&self) -> u8 {
        if self.error.kind() == io::ErrorKind::NotFound { 127 } else { 126 }
    }
}

/// A running server; its streams are apart.
#[derive(Debug)]
pub struct Child {
    process: Process,
    escalation: Escalation,
}

impl Child {
    /// Starts `command`, program first.
    pub fn spawn(command: &[OsString]) -> Result<(Self, Streams), SpawnError> {
        let Some((program, arguments)) = command.split_first() else {
            let error = io::Error::new(io::ErrorKind::NotFound, "no command given");
            return Err(SpawnError { command: OsString::new(), error });
        };
        start(program, arguments).map_err(|error| SpawnError { command: program.clone(), error })
    }

    /// Waits for its end. Cancel safe.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.process.wait().await
    }

    /// A signal ends us: pass it on at once, and insist.
    pub fn end_by(&mut self, signal: Signal, now: Instant) {
        self.send(signal);
        if signal == Signal::Interrupt {
            self.escalation.add(now + TERMINATE_AFTER_INTERRUPT, Signal::Terminate);
        }
        self.escalation.add(now + GRACE_AFTER_SIGNAL, Signal::Kill);
    }

    /// When the next, harder signal is due.
    pub fn escalates_at(&self) -> Option<Instant> {
        self.escalation.0.first().map(|(at, _)| *at)
    }

    /// Sends what is due.
    pub fn escalate(&mut self, now: Instant) {
        while let Some(signal) = self.escalation.take_due(now) {
            self.send(signal);
        }
    }

    fn send(&self, signal: Signal) {
        self.process.send(signal);
    }
}

/// Signals to come, the earliest first.
#[derive(Debug, Default)]
struct Escalation(Vec<(Instant, Signal)>);

impl Escalation {
    fn add(&mut self, at: Instant, signal: Signal) {
        self.0.push((at, signal));
        self.0.sort_by_key(|(at, _)| *at);
    }

    fn take_due(&mut self, now: Instant) -> Option<Signal> {
        (self.0.first()?.0 <= now).then(|| self.0.remove(0).1)
    }
}

fn start(program: &OsString, arguments: &[OsString]) -> io::Result<(Child, Streams)> {
    let mut command = Command::new(program::find(program));
    command.args(arguments).stderr(Stdio::inherit());
    strip_environment(&mut command);
    let (process, streams) = Process::spawn(command)?;
    Ok((Child { process, escalation: Escalation::default() }, streams))
}

/// Our settings are not the server's business, least of all the agent token.
pub fn strip_environment(command: &mut Command) {
    for (key, _) in env::all().filter(|(key, _)| key.as_encoded_bytes().starts_with(b"HITL_")) {
        command.env_remove(key);
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::wrap::platform::{Source, exit_code};

    fn sh(script: &str) -> (Child, Streams) {
        Child::spawn(&["sh".into(), "-c".into(), script.into()]).unwrap()
    }

    async fn output(stdout: &mut Source) -> String {
        let mut bytes = Vec::with_capacity(1024);
        while stdout.read(&mut bytes).await.unwrap() > 0 {}
        String::from_utf8(bytes).unwrap()
    }

    async fn first_line(stdout: &mut Source) {
        let mut bytes = Vec::with_capacity(1024);
        while !bytes.contains(&b'\n') {
            assert!(stdout.read(&mut bytes).await.unwrap() > 0);
        }
    }

    async fn end_of(child: &mut Child) -> i32 {
        loop {
            let due = child.escalates_at().unwrap_or_else(|| Instant::now() + Duration::from_secs(10));
            tokio::select! {
                status = child.wait() => return exit_code(status.unwrap()),
                () = tokio::time::sleep_until(due.into()) => child.escalate(Instant::now()),
            }
        }
    }

    #[tokio::test]
    async fn exit_codes_are_the_childs() {
        for (script, code) in [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143), ("kill -KILL $$", 137)] {
            assert_eq!(end_of(&mut sh(script).0).await, code, "{script}");
        }
    }

    #[tokio::test]
    async fn a_command_that_cannot_be_run_exits_as_in_a_shell() {
        let missing = Child::spawn(&["/nonexistent/server".into()]).unwrap_err();
        assert_eq!(missing.exit_code(), 127);
        let directory = Child::spawn(&["/".into()]).unwrap_err();
        assert_eq!(directory.exit_code(), 126);
        assert!(missing.to_string().contains("/nonexistent/server"));
    }

    #[tokio::test]
    async fn a_server_that_ends_at_eof_is_not_signalled() {
        let (mut child, streams) = sh("cat; exit 5");
        drop(streams.stdin);
        assert_eq!(child.escalates_at(), None);
        assert_eq!(end_of(&mut child).await, 5);
    }

    #[tokio::test]
    async fn a_server_that_ignores_interrupts_is_terminated_soon() {
        let (mut child, mut streams) =
            sh("trap '' INT; trap 'exit 9' TERM; echo; while :; do read -r _ || sleep 0.01; done");
        first_line(&mut streams.stdout).await;
        let begun = Instant::now();
        child.end_by(Signal::Interrupt, begun);
        assert_eq!(child.escalates_at(), Some(begun + TERMINATE_AFTER_INTERRUPT));
        child.escalate(begun + TERMINATE_AFTER_INTERRUPT);
        // The shell takes the time it needs: being killed is due next, and is another test's.
        assert_eq!(exit_code(child.wait().await.unwrap()), 9);
    }

    #[tokio::test]
    async fn a_server_that_ignores_everything_is_killed() {
        let (mut child, mut streams) = sh("trap '' INT TERM HUP; echo; while :; do read -r _ || sleep 0.01; done");
        first_line(&mut streams.stdout).await;
        let begun = Instant::now();
        child.end_by(Signal::HangUp, begun);
        assert_eq!(child.escalates_at(), Some(begun + GRACE_AFTER_SIGNAL));
        child.escalate(begun + GRACE_AFTER_SIGNAL);
        assert_eq!(end_of(&mut child).await, 137);
    }

    #[tokio::test]
    async fn the_child_shares_our_process_group() {
        let (_child, mut streams) = sh("ps -o pgid= -p $$ 2>/dev/null || cut -d' ' -f5 /proc/$$/stat");
        let group = rustix::process::getpgrp().as_raw_pid().to_string();
        assert_eq!(output(&mut streams.stdout).await.trim(), group);
    }
}
