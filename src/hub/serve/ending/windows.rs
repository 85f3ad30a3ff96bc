//! Console events, which reach only who shares the hub's console, and a bell for everybody else of its user: a pipe that
//! the system lets only this user and those above all users write to, with a name and a word in a file for this user.

use std::fs::OpenOptions;
use std::future::pending;
use std::io::{self, Write as _};
use std::os::windows::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::AsyncReadExt as _;
use tokio::net::windows::named_pipe::{NamedPipeServer, ServerOptions};
use tokio::signal::ctrl_c;
use tokio::signal::windows::{ctrl_break, ctrl_close, ctrl_logoff, ctrl_shutdown};
use tokio::time::timeout;
use windows_sys::Win32::Storage::FileSystem::SECURITY_IDENTIFICATION;

use crate::chance;
use crate::hub::serve::{DataDir, Published};

/// Whoever rings has so long to say the word.
const SAY_WITHIN: Duration = Duration::from_secs(5);

/// What a hub waits for beside its work.
#[derive(Debug)]
pub(in crate::hub::serve) struct Ending(Option<Bell>);

impl Ending {
    /// For the hub of a data dir. One that cannot be asked serves all the same.
    pub(in crate::hub::serve) fn of(dir: &DataDir) -> Self {
        let bell = Bell::hang(dir);
        Self(bell.inspect_err(|why| tracing::warn!("hitl-hub stop will not reach this hub: {why:#}")).ok())
    }

    /// Until the hub should end.
    pub(in crate::hub::serve) async fn come(self) -> io::Result<()> {
        let (mut stop, mut close, mut leave, mut shutdown) =
            (ctrl_break()?, ctrl_close()?, ctrl_logoff()?, ctrl_shutdown()?);
        tokio::select! {
            result = ctrl_c() => result,
            _ = stop.recv() => Ok(()),
            _ = close.recv() => Ok(()),
            _ = leave.recv() => Ok(()),
            _ = shutdown.recv() => Ok(()),
            () = rung(self.0) => Ok(()),
        }
    }
}

/// Asks the hub that lives on a data dir to end; who it is, for messages.
pub fn ask_to_end(dir: &DataDir) -> anyhow::Result<String> {
    let path = bell_of(dir);
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}, so end hitl-hub yourself", path.display()))?;
    let (name, word) = text.split_once('\n').with_context(|| format!("{} is damaged", path.display()))?;
    #[expect(clippy::disallowed_methods, reason = "nothing is made")]
    let mut pipe = OpenOptions::new();
    // Whoever has that pipe may know who we are, and no more.
    let pipe = pipe.write(true).security_qos_flags(SECURITY_IDENTIFICATION).open(name);
    pipe.and_then(|mut pipe| pipe.write_all(word.as_bytes())).context("cannot reach it, so end hitl-hub yourself")?;
    Ok(format!("which hears on {name}"))
}

async fn rung(bell: Option<Bell>) {
    if let Some(mut bell) = bell {
        match bell.ring().await {
            Ok(()) => return,
            Err(why) => tracing::warn!("hitl-hub stop does not reach this hub any more: {why}"),
        }
    }
    pending().await
}

fn bell_of(dir: &DataDir) -> PathBuf {
    dir.path().join("hub.stop")
}

#[derive(Debug)]
struct Bell {
    pipe: NamedPipeServer,
    word: String,
    _published: Published,
}

impl Bell {
    fn hang(dir: &DataDir) -> anyhow::Result<Self> {
        let (name, word) = (format!(r"\\.\pipe\hitl-hub-{}", chance::secret()?), chance::secret()?);
        // A pipe's usual list lets everybody read, and nobody reads this one.
        let mut options = ServerOptions::new();
        options.first_pipe_instance(true).max_instances(1).access_outbound(false).reject_remote_clients(true);
        let pipe = options.create(&name).with_context(|| format!("cannot make {name}"))?;
        let published = dir.publish(&bell_of(dir), &format!("{name}\n{word}"))?;
        Ok(Self { pipe, word, _published: published })
    }

    /// Until somebody has said the word.
    async fn ring(&mut self) -> io::Result<()> {
        loop {
            self.pipe.connect().await?;
            let mut said = Vec::new();
            let most = self.word.len() as u64 + 1;
            // Whoever says nothing, or cannot be read, has not said it.
            let _ = timeout(SAY_WITHIN, (&mut self.pipe).take(most).read_to_end(&mut said)).await;
            self.pipe.disconnect()?;
            if said == self.word.as_bytes() {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::private;

    #[tokio::test]
    async fn a_bell_rings_for_its_word_alone() {
        let parent = tempfile::tempdir().unwrap();
        let dir = DataDir::open(&parent.path().join("data")).unwrap();
        let mut bell = Bell::hang(&dir).unwrap();
        let path = bell_of(&dir);
        assert_eq!(private::others(&std::fs::File::open(&path).unwrap()).unwrap(), None);
        let right = std::fs::read_to_string(&path).unwrap();
        let mut wrong = right.clone();
        wrong.pop();
        let rings = tokio::spawn(async move { bell.ring().await });
        for text in [wrong, format!("{right}x")] {
            private::write(&path, text).unwrap();
            ask_when_free(&dir).await;
            assert!(!rings.is_finished());
        }
        private::write(&path, &right).unwrap();
        ask_when_free(&dir).await;
        rings.await.unwrap().unwrap();
        assert!(!path.exists(), "it goes with the bell");
        assert!(ask_to_end(&dir).is_err());
    }

    /// A pipe that is being heard takes no second caller.
    async fn ask_when_free(dir: &DataDir) {
        while ask_to_end(dir).is_err() {
            tokio::task::yield_now().await;
        }
    }
}
