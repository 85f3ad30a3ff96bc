//! A shim that has nothing to do does nothing.

#![cfg(target_os = "linux")]

use std::time::Duration;

use serde_json::json;

use crate::support::{Client, Hub, Ledger, Wrap};

/// How long the shim is watched at a time.
const WATCHED: Duration = Duration::from_secs(4);
/// How often it is, at most: on a slow machine it may still be busy with what was before. One that polls always is.
const TIMES: usize = 5;
/// How often it may wake meanwhile: for a ping of its own, one of the hub's, and what those bring.
const WAKES: u64 = 6;

/// How often the threads of a process have gone to sleep, and how long they ran, in nanoseconds.
fn spent(pid: u32) -> (u64, u64) {
    let (mut wakes, mut nanos) = (0, 0);
    for task in std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten() {
        let read = |name: &str| std::fs::read_to_string(task.path().join(name)).unwrap_or_default();
        let status = read("status");
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        wakes += line.and_then(|line| line.trim().parse::<u64>().ok()).unwrap_or_default();
        nanos += read("schedstat").split_whitespace().next().and_then(|n| n.parse::<u64>().ok()).unwrap_or_default();
    }
    (wakes, nanos)
}

async fn does_nothing(client: &mut Client, when: &str) {
    let mut seen = Vec::new();
    for _ in 0..TIMES {
        let (wakes, nanos) = spent(client.pid());
        client.stays_silent_for(WATCHED).await;
        let after = spent(client.pid());
        let (wakes, ran) = (after.0 - wakes, Duration::from_nanos(after.1 - nanos));
        if wakes <= WAKES && ran < WATCHED / 100 {
            return;
        }
        seen.push((wakes, ran));
    }
    panic!("{when}: woken so often, so long on a core: {seen:?}");
}

#[tokio::test]
async fn shim_sleeps_when_nothing_happens_also_while_a_call_is_held() {
    let hub = Hub::start().await;
    let (approver, token) = (hub.sign_in().await, hub.add_agent("claude").await);
    let ledger = Ledger::new();
    let mut client = Wrap::around(ledger.server()).named("repos").with_hub(&hub, &token).start();
    client.initialize().await;
    approver.knows_tool("repos", "list_repos").await;
    does_nothing(&mut client, "connected").await;

    client.call("delete_repo", json!({ "repo": "a" })).await;
    client.progress().await;
    approver.the_pending_approval().await;
    does_nothing(&mut client, "a call is held").await;
}
