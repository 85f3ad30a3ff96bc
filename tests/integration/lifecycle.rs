//! Every way a session ends, again and again: nobody is left behind, and the exit code is the one without the shim.

use std::path::Path;

use reqwest::Method;
use rustix::process::Signal;
use serde_json::json;

use crate::support::{Client, Hub, Wrap, eventually, is_alive, test_file};

/// How often each way is gone.
const TIMES: usize = 20;

/// How a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Eof,
    Signal(Signal),
    ServerExits,
}

/// Each way, and how a server that does as it is told makes the shim exit.
///
/// A shell catches the interrupt before it dies of it; where it does not run at once, the SIGTERM that follows comes
/// first.
const WAYS: [(Way, &[Option<i32>]); 6] = [
    (Way::Eof, &[Some(0)]),
    (Way::Signal(Signal::INT), &[Some(130), Some(143)]),
    (Way::Signal(Signal::TERM), &[Some(143)]),
    (Way::Signal(Signal::HUP), &[Some(129)]),
    (Way::Signal(Signal::KILL), &[None]),
    (Way::ServerExits, &[Some(7)]),
];

/// A server that answers every line, and leaves when it is told to.
const SERVER: &str = r#"n=0; while read -r line; do
    case $line in *leave*) exit 7 ;; esac
    n=$((n + 1)); printf '{"jsonrpc":"2.0","id":%s,"result":{}}\n' $n
done"#;

fn shell(script: &str) -> Vec<String> {
    ["sh", "-c", script].map(str::to_owned).into()
}

/// A server that a launcher starts, as `npx` and `uvx` do: the shim's child is not the server.
fn launched() -> Vec<String> {
    ["sh", "-c", r#"sh -c "$0"; exit $?"#, SERVER].map(str::to_owned).into()
}

/// Takes the session to its end; returns the exit code.
async fn end(client: &mut Client, way: Way) -> Option<i32> {
    match way {
        Way::Eof => client.close(),
        Way::Signal(signal) => client.signal(signal),
        Way::ServerExits => client.send(&json!({ "jsonrpc": "2.0", "method": "leave" })).await,
    }
    client.wait().await.code()
}

async fn are_gone(pids: &[u32], how: &str) {
    let all = || async { pids.iter().all(|pid| !is_alive(*pid)).then_some(()) };
    eventually(&format!("the end of {pids:?}: {how}"), all).await;
}

async fn a_hub_that_gates_nothing() -> (Hub, String) {
    let hub = Hub::start().await;
    let (approver, token) = (hub.sign_in().await, hub.add_agent("claude").await);
    let mut client = Wrap::around(shell(SERVER)).named("small").with_hub(&hub, &token).start();
    let known = || async { (approver.ask(Method::GET, "/servers/small", None).await.status == 200).then_some(()) };
    eventually("the server at the hub", known).await;
    approver.set_policy("small", json!({ "threshold": null })).await;
    client.end().await;
    (hub, token)
}

#[tokio::test]
async fn however_often_a_session_ends_in_whatever_way_its_server_is_gone_and_the_exit_code_is_right() {
    let (hub, token) = a_hub_that_gates_nothing().await;
    for round in 0..TIMES {
        for (way, codes) in WAYS {
            let mut client = Wrap::around(shell(SERVER)).named("small").with_hub(&hub, &token).start();
            client.round_trip().await;
            // Some sessions end before the shim has met the hub; a call passes when it has.
            if round % 2 == 1 {
                let call = client.call("anything", json!({})).await;
                client.answer(call).await;
            }
            let server = client.descendants();
            assert_eq!(server.len(), 1, "{way:?}");
            let seen = end(&mut client, way).await;
            assert!(codes.contains(&seen), "{way:?}, round {round}: {seen:?}: {}", client.stderr.text());
            are_gone(&server, &format!("{way:?}, round {round}")).await;
        }
    }
}

#[tokio::test]
async fn nobody_is_left_behind_a_launcher_that_starts_the_server_as_a_child_of_its_own() {
    let (hub, token) = a_hub_that_gates_nothing().await;
    for round in 0..TIMES {
        for (way, codes) in WAYS {
            let mut client = Wrap::around(launched()).named("small").with_hub(&hub, &token).start();
            client.round_trip().await;
            let both = client.descendants();
            assert_eq!(both.len(), 2, "{way:?}: launcher and server");
            let seen = end(&mut client, way).await;
            // Of a launcher ended by a signal, shells differ in what they say.
            if matches!(way, Way::Eof | Way::ServerExits) {
                assert!(codes.contains(&seen), "{way:?}, round {round}: {seen:?}");
            }
            are_gone(&both, &format!("{way:?}, round {round}")).await;
        }
    }
}

#[tokio::test]
async fn nobody_is_left_behind_npx() {
    let hub = Hub::start().await;
    let token = hub.add_agent("claude").await;
    let tests = Path::new(&test_file("node_modules")).parent().unwrap().display().to_string();
    let npx = ["npx", "--no", "--prefix", &tests, "mcp-server-everything", "stdio"].map(str::to_owned);
    for (way, codes) in [WAYS[0], WAYS[1], WAYS[2], WAYS[4]] {
        let mut client = Wrap::around(npx.to_vec()).named("everything").with_hub(&hub, &token).start();
        client.initialize().await;
        let all = client.descendants();
        assert!(all.len() > 1, "npx and its server: {all:?}");
        let seen = end(&mut client, way).await;
        // Nobody waits for longer than two seconds for so many processes.
        if way == Way::Eof {
            assert!(codes.contains(&seen) || seen == Some(137), "{seen:?}");
        }
        are_gone(&all, &format!("{way:?}")).await;
    }
}
