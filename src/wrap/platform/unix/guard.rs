//! Where no kernel kills a child with its parent, as on macOS, a shell does: it reads from a pipe of ours, and kills the
//! server when that ends without a word from us.

use std::io::{self, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::config::env;

/// Ctrl-C in a terminal is for the server, which may take its time.
const SCRIPT: &str = r#"trap '' HUP INT TERM; read -r _ || kill -KILL "$0""#;

/// Kills a process when we die. Dropping it says that the process has ended, and ends the guard.
#[derive(Debug)]
pub(super) struct Guard {
    process: Child,
    pipe: Option<ChildStdin>,
}

/// Whether this system needs a guard; tests of a debug build say that Linux does.
pub(super) fn is_needed() -> bool {
    !cfg!(target_os = "linux") || cfg!(debug_assertions) && env::os("HITL_TEST_NO_DEATH_SIGNAL").is_some()
}

impl Guard {
    /// Watches over a process that was just started.
    pub(super) fn over(id: u32) -> io::Result<Self> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", SCRIPT, &id.to_string()]).env_clear();
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = std::os::unix::process::CommandExt::process_group(&mut command, 0).spawn()?;
        let pipe = process.stdin.take();
        super::reap::spare(process.id());
        Ok(Self { process, pipe })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(mut pipe) = self.pipe.take() {
            // A guard that is gone needs no word.
            let _ = pipe.write_all(b"\n");
        }
        let _ = self.process.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper() -> Child {
        Command::new("sleep").arg("600").spawn().unwrap()
    }

    #[test]
    fn a_guard_that_hears_no_word_kills_and_one_that_is_told_does_not() {
        let mut one = sleeper();
        let mut guard = Guard::over(one.id()).unwrap();
        drop(guard.pipe.take());
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&one.wait().unwrap()), Some(9));
        let mut other = sleeper();
        drop(Guard::over(other.id()).unwrap());
        assert_eq!(other.try_wait().unwrap(), None);
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
