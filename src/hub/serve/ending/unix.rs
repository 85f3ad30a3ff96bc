//! Signals.

use std::io;

use anyhow::{Context as _, anyhow};
use rustix::process::{Pid, Signal, kill_process};
use tokio::signal::ctrl_c;
use tokio::signal::unix::{SignalKind, signal};

use crate::hub::serve::DataDir;

/// What a hub waits for beside its work.
#[derive(Debug)]
pub(in crate::hub::serve) struct Ending;

impl Ending {
    /// For the hub of a data dir.
    pub(in crate::hub::serve) fn of(_: &DataDir) -> Self {
        Self
    }

    /// Until the hub should end.
    pub(in crate::hub::serve) async fn come(self) -> io::Result<()> {
        let (mut terminate, mut hang_up) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
        tokio::select! {
            result = ctrl_c() => result,
            _ = terminate.recv() => Ok(()),
            _ = hang_up.recv() => Ok(()),
        }
    }
}

/// Asks the hub that lives on a data dir to end, as a service manager would; who it is, for messages.
pub fn ask_to_end(dir: &DataDir) -> anyhow::Result<String> {
    let process = dir.process().ok_or_else(|| {
        anyhow!("the hub on data dir {} does not say which process it is; end hitl-hub yourself", dir.path().display())
    })?;
    let pid = Pid::from_raw(process).context("that is no process")?;
    kill_process(pid, Signal::TERM).with_context(|| format!("cannot end process {process}"))?;
    Ok(format!("process {process}"))
}
