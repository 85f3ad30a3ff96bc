//! The first process of a container inherits every orphan, and must wait for each: or they stay in the table of
//! processes when they have ended, until it is full.

use std::sync::{Mutex, PoisonError};

/// Our own children, for whom somebody else waits.
static SPARED: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// Leaves this child to whoever started it.
pub(super) fn spare(id: u32) {
    SPARED.lock().unwrap_or_else(PoisonError::into_inner).push(id);
}

/// Waits for orphans from here on, if they are ours to wait for.
#[cfg(target_os = "linux")]
pub fn start() {
    use tokio::signal::unix::{SignalKind, signal};
    if std::process::id() != 1 {
        return;
    }
    let Ok(mut ended) = signal(SignalKind::child()) else { return };
    tokio::spawn(async move {
        while ended.recv().await.is_some() {
            orphans().into_iter().for_each(reap);
        }
    });
}

/// Elsewhere nobody is the first process.
#[cfg(not(target_os = "linux"))]
pub fn start() {}

/// Children that have ended and that nobody waits for.
#[cfg(target_os = "linux")]
fn orphans() -> Vec<u32> {
    let spared = SPARED.lock().unwrap_or_else(PoisonError::into_inner);
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| !spared.contains(id) && is_ended_child(*id)).collect()
}

#[cfg(target_os = "linux")]
fn is_ended_child(id: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // The name before it may hold anything, also brackets.
    let after_name = stat.rsplit_once(')').map_or("", |(_, after)| after);
    let mut fields = after_name.split_ascii_whitespace();
    fields.next() == Some("Z") && fields.next() == Some(&std::process::id().to_string())
}

#[cfg(target_os = "linux")]
fn reap(id: u32) {
    use rustix::process::{Pid, WaitOptions, waitpid};
    if let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) {
        // How an orphan ended is nobody's business.
        let _ = waitpid(Some(pid), WaitOptions::NOHANG);
    }
}
