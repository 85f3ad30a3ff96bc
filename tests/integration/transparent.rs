//! With nothing gated, the session is the one without the shim: same bytes both ways, same exit code, same stderr.

use std::path::Path;

use serde_json::json;

use crate::support::{Client, Hub, Wrap, everything, filesystem, python, test_file};

/// What one run of a session left behind.
#[derive(PartialEq, Eq)]
struct Session {
    to_server: Vec<u8>,
    to_client: Vec<u8>,
    stderr: String,
    code: Option<i32>,
}

#[derive(serde::Deserialize)]
struct Envelope {
    id: Option<serde_json::Value>,
}

/// The same lines, written in the odd ways that JSON allows: a rewriting proxy changes at least one of them.
fn script(calls: &[&str]) -> Vec<String> {
    let mut lines = vec![
        r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"script","version":"1"}}}"#.to_owned(),
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.to_owned(),
        r#"{ "method" : "tools/list",  "id":"list-é-é",	"jsonrpc":"2.0" }"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":9007199254740991,"method":"ping"}"#.to_owned(),
        "{\"jsonrpc\":\"2.0\",\"id\":-7,\"method\":\"ping\"}\r".to_owned(),
        r#"{"jsonrpc":"2.0","id":"nope","method":"no/such/method","params":{"n":1e400,"big":123456789012345678901234567890}}"#.to_owned(),
    ];
    lines.extend(calls.iter().map(|call| (*call).to_owned()));
    lines
}

/// Plays the script one answer at a time, so that both runs have one order.
async fn play(mut client: Client, lines: &[String], record: &Path) -> Session {
    for line in lines {
        client.write(format!("{line}\n").as_bytes()).await;
        // Only the id is read, because the script has numbers that no float holds.
        let Envelope { id } = serde_json::from_str(line).unwrap();
        while id.is_some() && client.next().await.get("id") != id.as_ref() {}
    }
    let code = client.end().await.code();
    let to_client = client.stdout.rest().await;
    let stderr = String::from_utf8(client.stderr.rest().await).unwrap();
    Session { to_server: std::fs::read(record).unwrap(), to_client, stderr, code }
}

async fn is_the_same_with_and_without_the_shim(name: &str, server: Vec<String>, calls: &[&str]) {
    let hub = Hub::start().await;
    let token = hub.add_agent("claude").await;
    let dir = tempfile::tempdir().unwrap();
    let recorded = |record: &Path| {
        let recorder = vec![python(), "-I".into(), test_file("servers/record.py"), record.display().to_string()];
        [recorder, server.clone()].concat()
    };
    let lines = script(calls);
    let (direct, wrapped) = (dir.path().join("direct"), dir.path().join("wrapped"));
    let without = play(Client::direct(&recorded(&direct)), &lines, &direct).await;
    let shim = Wrap::around(recorded(&wrapped)).named(name).with_hub(&hub, &token).start();
    let with = play(shim, &lines, &wrapped).await;

    let sent: Vec<u8> = lines.iter().flat_map(|line| format!("{line}\n").into_bytes()).collect();
    assert_eq!(String::from_utf8_lossy(&without.to_server), String::from_utf8_lossy(&sent), "{name}: the recorder");
    assert_eq!(
        String::from_utf8_lossy(&with.to_server),
        String::from_utf8_lossy(&without.to_server),
        "{name}: to the server"
    );
    assert_eq!(
        String::from_utf8_lossy(&with.to_client),
        String::from_utf8_lossy(&without.to_client),
        "{name}: to the client"
    );
    assert_eq!(with.stderr, without.stderr, "{name}: stderr");
    assert_eq!(with.code, without.code, "{name}: exit code");
    assert!(with == without, "{name}");
}

#[tokio::test]
async fn ungated_session_with_server_everything_is_byte_identical() {
    let calls = [
        r#"{"jsonrpc":"2.0","id":10,"method":"tools/call","params":{"name":"echo","arguments":{"message":"a\u00e9\ud83d\ude00 b"}}}"#,
        r#"{"params":{"arguments":{"a":1.0,"b":2},"name":"get-sum"},"method":"tools/call","id":11,"jsonrpc":"2.0"}"#,
        r#"{"jsonrpc":"2.0","id":12,"method":"tools/call","params":{"name":"get-tiny-image","arguments":{}}}"#,
        r#"{"jsonrpc":"2.0","id":13,"method":"tools/call","params":{"name":"trigger-long-running-operation","arguments":{"duration":0.2,"steps":4},"_meta":{"progressToken":"p"}}}"#,
        r#"{"jsonrpc":"2.0","id":14,"method":"resources/list"}"#,
        r#"{"jsonrpc":"2.0","id":15,"method":"prompts/list"}"#,
    ];
    is_the_same_with_and_without_the_shim("everything", everything(), &calls).await;
}

#[tokio::test]
async fn ungated_session_with_server_filesystem_is_byte_identical() {
    let dir = tempfile::tempdir().unwrap();
    // The server resolves links, and the temporary directory may be behind one.
    let dir = dir.path().canonicalize().unwrap();
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("note.txt"), "first\nsecond\n").unwrap();
    let call = |id: u32, tool: &str, arguments: serde_json::Value| {
        json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": tool, "arguments": arguments } }).to_string()
    };
    let calls = [
        call(20, "list_allowed_directories", json!({})),
        call(21, "read_text_file", json!({ "path": dir.join("note.txt") })),
        call(22, "read_text_file", json!({ "path": "/etc/passwd" })),
    ];
    let calls: Vec<&str> = calls.iter().map(String::as_str).collect();
    is_the_same_with_and_without_the_shim("filesystem", filesystem(&dir), &calls).await;
}
