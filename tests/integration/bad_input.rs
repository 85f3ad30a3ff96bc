//! Client lines that two readers could understand differently: refused, never forwarded, and the stream goes on.

use serde_json::json;

use crate::support::{Client, Hub, Ledger, Wrap};

const SMUGGLED: &str =
    r#"{"jsonrpc":"2.0","id":66,"method":"tools/call","params":{"name":"delete_repo","arguments":{}}}"#;

/// Lines that must not reach the server, with a name for the report.
fn bad_lines() -> Vec<(&'static str, Vec<u8>)> {
    let text = |name, line: &str| (name, line.as_bytes().to_vec());
    vec![
        text("not JSON", "this is not JSON"),
        text("cut off", r#"{"jsonrpc":"2.0","id":1,"method":"tools/call""#),
        text("two objects", &format!(r#"{{"jsonrpc":"2.0","id":2,"method":"ping"}}{SMUGGLED}"#)),
        text("a batch", &format!("[{SMUGGLED}]")),
        text("an empty batch", "[]"),
        text("not an object", "42"),
        text(
            "carriage return inside",
            &format!("{{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"ping\",\"x\":1\r{SMUGGLED}\r}}"),
        ),
        text("CR between messages", &format!("{{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"ping\"}}\r{SMUGGLED}")),
        text(
            "duplicate method",
            r#"{"jsonrpc":"2.0","id":5,"method":"ping","method":"tools/call","params":{"name":"delete_repo"}}"#,
        ),
        text(
            "duplicate name",
            r#"{"jsonrpc":"2.0","id":6,"method":"tools/call","params":{"name":"list_repos","name":"delete_repo"}}"#,
        ),
        text(
            "duplicate by escape",
            r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"list_repos","n\u0061me":"delete_repo"}}"#,
        ),
        text(
            "duplicate deep inside",
            r#"{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"list_repos","arguments":{"a":{"b":1,"b":2}}}}"#,
        ),
        text(
            "look-alike method key",
            r#"{"jsonrpc":"2.0","id":9,"method":"ping","Method":"tools/call","params":{"name":"delete_repo"}}"#,
        ),
        text(
            "look-alike params key",
            r#"{"jsonrpc":"2.0","id":10,"method":"tools/call","params":{"name":"list_repos"},"PARAMS":{"name":"delete_repo"}}"#,
        ),
        text(
            "look-alike name key",
            r#"{"jsonrpc":"2.0","id":11,"method":"tools/call","params":{"name":"list_repos","Name":"delete_repo"}}"#,
        ),
        text(
            "look-alike method value",
            r#"{"jsonrpc":"2.0","id":12,"method":"Tools/Call","params":{"name":"delete_repo"}}"#,
        ),
        text("unknown envelope member", r#"{"jsonrpc":"2.0","id":13,"method":"ping","extra":1}"#),
        text(
            "request and response at once",
            r#"{"jsonrpc":"2.0","id":14,"method":"tools/call","params":{"name":"delete_repo"},"result":{}}"#,
        ),
        text("null id", r#"{"jsonrpc":"2.0","id":null,"method":"tools/call","params":{"name":"delete_repo"}}"#),
        text("fraction as id", r#"{"jsonrpc":"2.0","id":1.5,"method":"tools/call","params":{"name":"delete_repo"}}"#),
        text("call without an id", r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"delete_repo"}}"#),
        text("call without a name", r#"{"jsonrpc":"2.0","id":15,"method":"tools/call","params":{"arguments":{}}}"#),
        text(
            "name is not a string",
            r#"{"jsonrpc":"2.0","id":16,"method":"tools/call","params":{"name":["delete_repo"]}}"#,
        ),
        text(
            "arguments are not an object",
            r#"{"jsonrpc":"2.0","id":17,"method":"tools/call","params":{"name":"list_repos","arguments":[1]}}"#,
        ),
        text("params are not an object", r#"{"jsonrpc":"2.0","id":18,"method":"tools/call","params":["delete_repo"]}"#),
        text("byte order mark", &format!("\u{feff}{SMUGGLED}")),
        text("half of a pair in a name", r#"{"jsonrpc":"2.0","id":19,"method":"ping","params":{"a\ud800":1}}"#),
        text("NaN", r#"{"jsonrpc":"2.0","id":20,"method":"ping","params":{"a":NaN}}"#),
        text("trailing comma", r#"{"jsonrpc":"2.0","id":21,"method":"ping","params":{"a":1,}}"#),
        text("comment", r#"{"jsonrpc":"2.0","id":22,"method":"ping"/* */}"#),
        text(
            "too deep",
            &format!(
                r#"{{"jsonrpc":"2.0","id":23,"method":"ping","params":{{"a":{}1{}}}}}"#,
                "[".repeat(200),
                "]".repeat(200)
            ),
        ),
        text("HTTP/2 preface", "PRI * HTTP/2.0"),
        (
            "not UTF-8",
            b"{\"jsonrpc\":\"2.0\",\"id\":24,\"method\":\"tools/call\",\"params\":{\"name\":\"delete_repo\xff\"}}"
                .to_vec(),
        ),
        (
            "overlong UTF-8",
            b"{\"jsonrpc\":\"2.0\",\"id\":25,\"method\":\"ping\",\"params\":{\"a\":\"\xc0\xaf\"}}".to_vec(),
        ),
        ("NUL byte", b"{\"jsonrpc\":\"2.0\",\"id\":26,\"method\":\"ping\",\"params\":{\"a\":\"\x00\"}}".to_vec()),
    ]
}

async fn ledger_client(hub: &Hub, ledger: &Ledger) -> Client {
    let token = hub.add_agent("claude").await;
    let mut client = Wrap::around(ledger.server()).named("repos").with_hub(hub, &token).start();
    client.initialize().await;
    client
}

#[tokio::test]
async fn ambiguous_line_reaches_nobody_and_the_stream_goes_on() {
    let hub = Hub::start().await;
    let ledger = Ledger::new();
    let mut client = ledger_client(&hub, &ledger).await;
    for (name, line) in bad_lines() {
        let before = ledger.bytes();
        client.write(&[&line, b"\n".as_slice()].concat()).await;
        client.round_trip().await;
        let after = ledger.bytes();
        let added = String::from_utf8_lossy(&after[before.len()..]).into_owned();
        assert_eq!(added.lines().count(), 1, "{name} reached the server: {added}");
        assert!(added.contains("\"ping\"") && !added.contains("delete_repo"), "{name} reached the server: {added}");
    }
    assert_eq!(ledger.runs_of("delete_repo"), 0);
}

#[tokio::test]
async fn refused_line_is_answered_where_its_id_can_be_read() {
    let hub = Hub::start().await;
    let ledger = Ledger::new();
    let mut client = ledger_client(&hub, &ledger).await;
    let duplicate =
        r#"{"jsonrpc":"2.0","id":501,"method":"tools/call","params":{"name":"list_repos","name":"delete_repo"}}"#;
    client.write(format!("{duplicate}\n").as_bytes()).await;
    let code = client.answer(501).await["error"]["code"].as_i64().unwrap();
    assert!(code == -32600 || code == -32700, "{code}");
}

#[tokio::test]
async fn line_over_the_limit_is_refused_and_the_next_one_is_read() {
    let hub = Hub::start().await;
    let ledger = Ledger::new();
    let mut client = ledger_client(&hub, &ledger).await;
    let before = ledger.bytes().len();
    // The tail of the long line is a call by itself, should anybody start reading in the middle.
    let head = r#"{"jsonrpc":"2.0","id":700,"method":"ping","params":{"a":""#;
    client.write(head.as_bytes()).await;
    for _ in 0..9 {
        client.write(&vec![b' '; 1 << 20]).await;
    }
    client.write(format!("{SMUGGLED}\n").as_bytes()).await;
    client.round_trip().await;
    let after = ledger.bytes();
    assert!(after.len() - before < 200, "the long line reached the server");
    assert_eq!(ledger.runs_of("delete_repo"), 0);
}

#[tokio::test]
async fn same_id_twice_while_held_is_one_call() {
    let hub = Hub::start().await;
    let approver = hub.sign_in().await;
    let ledger = Ledger::new();
    let mut client = ledger_client(&hub, &ledger).await;
    let call = json!({ "jsonrpc": "2.0", "id": "x", "method": "tools/call", "params": { "name": "delete_repo", "arguments": { "repo": "a" } } });
    client.send(&call).await;
    let pending = approver.the_pending_approval().await;
    client.send(&call).await;
    client.round_trip().await;
    approver.approve(&pending).await;
    approver.wait_for(pending["id"].as_str().unwrap(), "outcome", "succeeded").await;
    assert_eq!(ledger.runs_of("delete_repo"), 1);
}

#[tokio::test]
async fn approved_call_is_the_line_that_was_sent_to_the_byte() {
    let hub = Hub::start().await;
    let approver = hub.sign_in().await;
    let ledger = Ledger::new();
    let mut client = ledger_client(&hub, &ledger).await;
    let line = "{ \"params\":{\"arguments\":{\"z\":1.0,\"a\":12345678901234567890123,\"t\":\"\\u00e9\u{e9}\"},\t\"name\":\"delete_repo\"},\"id\":\"odd \\u0041\",  \"method\":\"tools/call\",\"jsonrpc\":\"2.0\"}";
    client.write(format!("{line}\n").as_bytes()).await;
    let pending = approver.the_pending_approval().await;
    assert_eq!(pending["arguments"], "{\"z\":1.0,\"a\":12345678901234567890123,\"t\":\"\\u00e9\u{e9}\"}");
    approver.approve(&pending).await;
    approver.wait_for(pending["id"].as_str().unwrap(), "outcome", "succeeded").await;
    let ledger = String::from_utf8(ledger.bytes()).unwrap();
    assert_eq!(ledger.lines().filter(|seen| *seen == line).count(), 1, "{ledger}");
}
