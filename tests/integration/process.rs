//! The shim as a process: exit codes, signals, stderr, environment.

use std::time::Instant;

use rustix::process::Signal;
use serde_json::json;

use hitl::wrap::child::GRACE_AFTER_EOF;

use crate::support::{Client, Hub, Ledger, Wrap, eventually, is_alive, shortest_of_five, text_of};

fn shell(script: &str) -> Vec<String> {
    vec!["sh".into(), "-c".into(), script.into()]
}

async fn shim_around(hub: &Hub, server: Vec<String>) -> Client {
    let token = hub.add_agent("claude").await;
    Wrap::around(server).named("repos").with_hub(hub, &token).start()
}

#[tokio::test]
async fn exit_code_is_the_servers() {
    let hub = Hub::start().await;
    for code in [0, 1, 3, 255] {
        let mut client = Wrap::around(shell(&format!("exit {code}"))).with_hub(&hub, "hitl_a_none").start();
        assert_eq!(client.wait().await.code(), Some(code));
    }
}

#[tokio::test]
async fn server_killed_by_a_signal_is_told_as_128_and_the_number() {
    let hub = Hub::start().await;
    for (name, number) in [("TERM", 15), ("KILL", 9)] {
        let mut client = Wrap::around(shell(&format!("kill -{name} $$"))).with_hub(&hub, "hitl_a_none").start();
        assert_eq!(client.wait().await.code(), Some(128 + number), "{name}");
    }
}

#[tokio::test]
async fn shim_ends_when_the_client_closes_its_side() {
    let hub = Hub::start().await;
    let token = hub.add_agent("claude").await;
    let ledger = Ledger::new();
    let session = async || {
        let mut client = Wrap::around(ledger.server()).named("repos").with_hub(&hub, &token).start();
        client.initialize().await;
        let children = client.children();
        let started = Instant::now();
        assert_eq!(client.end().await.code(), Some(0));
        let took = started.elapsed();
        assert!(children.iter().all(|pid| !is_alive(*pid)));
        took
    };
    let took = shortest_of_five(session, GRACE_AFTER_EOF).await;
    assert!(took < GRACE_AFTER_EOF, "{took:?}");
}

#[tokio::test]
async fn server_that_ignores_eof_is_ended_when_the_client_insists_and_may_save_its_work() {
    let hub = Hub::start().await;
    let script = "trap 'sleep 1; echo saved; exit 4' TERM; echo up; while :; do sleep 0.1; done";
    let mut client = Wrap::around(shell(script)).with_hub(&hub, "hitl_a_none").start();
    assert_eq!(client.stdout.next().await.unwrap(), b"up\n");
    client.close();
    client.signal(Signal::TERM);
    assert_eq!(client.wait().await.code(), Some(4));
    assert_eq!(client.stdout.rest().await, b"up\nsaved\n");
}

#[tokio::test]
async fn an_interrupted_server_ends_in_its_own_time_and_by_its_own_code() {
    let hub = Hub::start().await;
    let script = "trap 'sleep 0.5; echo saved; exit 5' INT; echo up; while :; do sleep 0.1; done";
    let mut codes = Vec::new();
    // Two seconds are its own, which a machine may be too slow for now and then.
    while codes.last() != Some(&Some(5)) {
        assert!(codes.len() < 5, "{codes:?}");
        let mut client = Wrap::around(shell(script)).with_hub(&hub, "hitl_a_none").start();
        assert_eq!(client.stdout.next().await.unwrap(), b"up\n");
        client.signal(Signal::INT);
        codes.push(client.wait().await.code());
        let said = client.stdout.rest().await;
        assert!(codes.last() != Some(&Some(5)) || said == b"up\nsaved\n", "{}", String::from_utf8_lossy(&said));
    }
}

#[tokio::test]
async fn last_line_without_a_line_feed_is_answered_as_the_server_answers_it() {
    let hub = Hub::start().await;
    let ledger = Ledger::new();
    for server in [ledger.server(), crate::support::everything()] {
        let ping = br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        let mut direct = Client::direct(&server);
        let mut wrapped = Wrap::around(server.clone()).with_hub(&hub, "hitl_a_none").start();
        let mut said = Vec::new();
        for client in [&mut direct, &mut wrapped] {
            client.write(ping).await;
            client.close();
            let code = client.wait().await.code();
            said.push((code, String::from_utf8(client.stdout.rest().await).unwrap()));
        }
        assert_eq!(said[0], said[1], "{server:?}");
    }
}

/// As the first process of a container, where this machine lets us make one.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_first_process_waits_for_orphans() {
    let alone = ["unshare", "--user", "--map-root-user", "--fork", "--pid", "--mount-proc"].map(str::to_owned);
    let may = tokio::process::Command::new(&alone[0]).args(&alone[1..]).arg("true").status().await;
    if !may.is_ok_and(|status| status.success()) {
        return;
    }
    // The orphans end while the server looks; `ps` is not everywhere.
    let script = "(sh -c 'sleep 0.1 & sleep 0.1 &'); while :; do \
                  grep -sl '^[0-9]* (sleep)' /proc/[0-9]*/stat >/dev/null || break; done; echo none";
    let mut line = alone.to_vec();
    line.extend(["env", "HITL_AGENT_TOKEN=hitl_a_none"].map(str::to_owned));
    let wrap = Wrap::around(shell(script)).arg("--config").arg("/dev/null").with_hub_at(crate::support::NOBODY, "");
    line.extend(wrap.command_line());
    let mut client = Client::direct(&line);
    assert_eq!(tokio::time::timeout(crate::support::PATIENCE, client.stdout.next()).await.unwrap().unwrap(), b"none\n");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn server_that_ignores_eof_ends_with_a_killed_shim() {
    for no_death_signal in ["", "1"] {
        let hub = Hub::start().await;
        let wrap = Wrap::around(shell("echo ready; while :; do sleep 0.1; done")).with_hub(&hub, "hitl_a_none");
        let mut client = wrap.env("HITL_TEST_NO_DEATH_SIGNAL", no_death_signal).start();
        client.stdout.next().await;
        let children = || async { Some(client.children()).filter(|all| all.len() > no_death_signal.len()) };
        let children = eventually("the server, and its guard", children).await;
        client.signal(Signal::KILL);
        client.wait().await;
        eventually("its end", || async { children.iter().all(|pid| !is_alive(*pid)).then_some(()) }).await;
    }
}

/// As on macOS, where the kernel does not kill a child with its parent.
#[tokio::test]
async fn a_guard_changes_no_exit_code_and_is_gone_with_the_session() {
    let hub = Hub::start().await;
    for (end, code) in [("exit 7", 7), ("kill -TERM $$", 143)] {
        let wrap = Wrap::around(shell(&format!("echo ready; read -r _; {end}"))).with_hub(&hub, "hitl_a_none");
        let mut client = wrap.env("HITL_TEST_NO_DEATH_SIGNAL", "1").start();
        client.stdout.next().await;
        let children = || async { Some(client.children()).filter(|all| all.len() == 2) };
        let children = eventually("the server and its guard", children).await;
        client.close();
        assert_eq!(client.wait().await.code(), Some(code));
        assert!(children.iter().all(|pid| !is_alive(*pid)));
    }
}

#[tokio::test]
async fn signal_ends_shim_and_server_at_once() {
    let hub = Hub::start().await;
    for signal in [Signal::TERM, Signal::INT] {
        let session = async || {
            let ledger = Ledger::new();
            let mut client = Wrap::around(ledger.server()).with_hub(&hub, "hitl_a_none").start();
            client.initialize().await;
            let children = client.children();
            let started = Instant::now();
            client.signal(signal);
            client.wait().await;
            let took = started.elapsed();
            assert!(children.iter().all(|pid| !is_alive(*pid)), "{signal:?}");
            took
        };
        let took = shortest_of_five(session, GRACE_AFTER_EOF).await;
        assert!(took < GRACE_AFTER_EOF, "{signal:?}: {took:?}");
    }
}

#[tokio::test]
async fn signal_with_calls_held_cancels_them() {
    let hub = Hub::start().await;
    let approver = hub.sign_in().await;
    let ledger = Ledger::new();
    let mut client = shim_around(&hub, ledger.server()).await;
    client.initialize().await;
    client.call("delete_repo", json!({})).await;
    let pending = approver.the_pending_approval().await;
    client.signal(Signal::TERM);
    client.wait().await;
    approver.wait_for(pending["id"].as_str().unwrap(), "status", "cancelled").await;
    assert_eq!(ledger.runs_of("delete_repo"), 0);
}

#[tokio::test]
async fn servers_stderr_is_inherited_as_it_is() {
    let hub = Hub::start().await;
    let ledger = Ledger::new();
    let mut client = shim_around(&hub, ledger.server()).await;
    client.initialize().await;
    client.end().await;
    assert_eq!(client.stderr.rest().await, b"ledger: ready\n");
}

#[tokio::test]
async fn server_sees_nothing_of_our_environment() {
    let hub = Hub::start().await;
    let ledger = Ledger::new();
    let mut client = shim_around(&hub, ledger.server()).await;
    client.initialize().await;
    let id = client.call("env", json!({})).await;
    assert_eq!(text_of(&client.answer(id).await), "");
}

#[tokio::test]
async fn options_end_at_the_command_with_or_without_two_dashes() {
    let hub = Hub::start().await;
    let with = Wrap::around(shell("exit 5")).with_hub(&hub, "hitl_a_none");
    let mut line = with.command_line();
    let dashes = line.iter().position(|arg| arg == "--").unwrap();
    line.remove(dashes);
    let status = tokio::process::Command::new(&line[0])
        .args(&line[1..])
        .env("HOME", with.home())
        .env("HITL_DATA_DIR", with.home())
        .env("HITL_AGENT_TOKEN", "hitl_a_none")
        .stdin(std::process::Stdio::null())
        .status();
    assert_eq!(status.await.unwrap().code(), Some(5));
    assert_eq!(with.start().wait().await.code(), Some(5));
}

#[tokio::test]
async fn usage_error_ends_with_2_and_says_so_on_stderr_only() {
    let mut client = Wrap::around(vec!["true".into()]).arg("--no-such-option").start();
    assert_eq!(client.wait().await.code(), Some(2));
    assert_eq!(client.stdout.rest().await, b"");
    assert!(String::from_utf8(client.stderr.rest().await).unwrap().contains("--no-such-option"));
}
