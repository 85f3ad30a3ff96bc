//! The client profile of `threats.md`, case by case.

use super::*;

fn read(line: &str) -> Result<ClientFrame<'_>, Refused> {
    read_client(line.as_bytes())
}

fn call_of(line: &str) -> Call<'_> {
    match read(line) {
        Ok(ClientFrame::Call(call)) => *call,
        other => panic!("{line} is {other:?}"),
    }
}

#[test]
fn a_call_is_read_as_sent() {
    let call = call_of(concat!(
        r#"{"jsonrpc":"2.0","id":9007199254740993,"method":"tools/call","params":"#,
        r#"{"name":"echo","arguments":{"n":1.0, "m":12345678901234567890},"_meta":{"progressToken":0}}}"#
    ));
    assert_eq!(call.id.raw, "9007199254740993");
    assert_eq!(call.name, "echo");
    assert_eq!(call.arguments, Some(r#"{"n":1.0, "m":12345678901234567890}"#));
    assert_eq!(call.token.map(|token| token.raw), Some("0"));
}

#[test]
fn escapes_do_not_hide_a_call() {
    let call = call_of(r#"{"jsonrpc":"2.0","id":"x","\u006dethod":"tools\/c\u0061ll","params":{"name":"d\u0065l"}}"#);
    assert_eq!(call.name, "del");
    assert_eq!(call.arguments, None);
}

#[test]
fn an_empty_string_is_a_token_and_a_fraction_is_none() {
    let with = |token: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"e","_meta":{{"progressToken":{token}}}}}}}"#
        )
    };
    assert!(call_of(&with("\"\"")).token.is_some());
    assert!(call_of(&with("1.5")).token.is_none());
    assert!(call_of(&with("null")).token.is_none());
}

#[test]
fn a_request_names_its_client() {
    let line = concat!(
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"e","_meta":{"#,
        r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
        r#""io.modelcontextprotocol/clientInfo":{"name":"c","version":"1","title":"x"}}}}"#
    );
    let call = call_of(line);
    assert_eq!(call.client.map(|client| client.name), Some("c".into()));
}

#[test]
fn ids_are_compared_by_type_and_value() {
    let key = |id: &str| {
        call_of(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"e"}}}}"#))
            .id
            .key
            .into_owned()
    };
    assert_ne!(key("1"), key("\"1\""));
    assert_eq!(key("\"a\""), key(r#""\u0061""#));
    assert_eq!(key("0"), key("-0"));
    assert_ne!(key("1"), key("-1"));
}

#[test]
fn what_is_not_forwarded_and_what_is_answered() {
    let deep =
        format!(r#"{{"jsonrpc":"2.0","id":4,"method":"x","params":{{"a":{}{}}}}}"#, "[".repeat(200), "]".repeat(200));
    let (too_long, digits) = (format!("\"{}\"", "x".repeat(257)), "1".repeat(41));
    let long_id = format!(r#"{{"jsonrpc":"2.0","id":{too_long},"method":"ping"}}"#);
    let long_name =
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{}"}}}}"#, "x".repeat(257));
    let long_number = format!(r#"{{"jsonrpc":"2.0","id":{digits},"method":"ping"}}"#);
    for (line, code, requests) in [
        // no JSON
        ("hello", -32600, &["null"][..]),
        ("", -32600, &["null"]),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping""#, -32700, &["1"]),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping"} {"a":1}"#, -32700, &["1"]),
        ("{\"jsonrpc\":\"2.0\",\"id\":1,\r\"method\":\"ping\"}", -32700, &["1"]),
        ("\u{feff}{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}", -32700, &["1"]),
        ("PRI * HTTP/2.0", -32600, &["null"]),
        (r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":NaN}}"#, -32700, &["1"]),
        (r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"a\ud800":1}}"#, -32700, &["1"]),
        (&deep, -32700, &["4"]),
        // two readings
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}"#, -32600, &["1"]),
        (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#, -32600, &["null"]),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}"#, -32600, &["1"]),
        (r#"{"jsonrpc":"2.0","id":1,"method":"x","Method":"tools/call"}"#, -32600, &["1"]),
        (r#"{"jsonrpc":"2.0","id":1,"method":"x","extra":1}"#, -32600, &["1"]),
        (r#"{"jsonrpc":"2.0","id":1,"method":"Tools/Call","params":{"name":"a"}}"#, -32600, &["1"]),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call ","params":{"name":"a"}}"#, -32600, &["1"]),
        ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/c\u{200b}all\"}", -32600, &["1"]),
        ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\u{ff54}ools/call\"}", -32600, &["1"]),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","Name":"b"}}"#, -32600, &["1"]),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name\u0000":"b"}}"#, -32600, &["1"]),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"a\",\"argument\u{17f}\":{}}}",
            -32600,
            &["1"][..],
        ),
        // shapes
        ("[]", -32600, &["null"][..]),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}}]"#, -32600, &["null", "1"]),
        (r#"{"id":1,"method":"ping"}"#, -32600, &["1"]),
        (r#"{"jsonrpc":2.0,"id":1,"method":"ping"}"#, -32600, &["1"]),
        (r#"{"jsonrpc":"2.0","id":1}"#, -32600, &["1"]),
        (r#"{"jsonrpc":"2.0","id":1,"method":"x","result":{}}"#, -32600, &["1"]),
        (r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#, -32600, &[]),
        (r#"{"jsonrpc":"2.0","result":{}}"#, -32600, &[]),
        (r#"{"jsonrpc":"2.0","id":null,"method":"tools/call","params":{"name":"a"}}"#, -32600, &["null"]),
        (r#"{"jsonrpc":"2.0","id":1.0,"method":"ping"}"#, -32600, &["1.0"]),
        (r#"{"jsonrpc":"2.0","id":1e3,"method":"ping"}"#, -32600, &["1e3"]),
        (r#"{"jsonrpc":"2.0","id":[1],"method":"ping"}"#, -32600, &["null"]),
        (&long_id, -32600, &[too_long.as_str()]),
        (&long_number, -32600, &[digits.as_str()]),
        (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, -32600, &["1"]),
        (r#"{"jsonrpc":"2.0","id":1,"method":"x","params":[1]}"#, -32600, &["1"]),
        (r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"a"}}"#, -32600, &[]),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#, -32600, &["1"]),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":["a"]}}"#, -32600, &["1"]),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":[1]}}"#, -32600, &["1"]),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","_meta":7}}"#, -32600, &["1"]),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call\ud83d","params":{"name":"a"}}"#, -32600, &["1"]),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a\udc00"}}"#, -32600, &["1"]),
        (r#"{"jsonrpc":"2.0","id":"\ud83d","method":"ping"}"#, -32600, &[r#""\ud83d""#]),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","_meta":[0]}}"#, -32600, &["1"]),
        (&long_name, -32600, &["1"]),
    ] {
        let refused = read(line).map(|frame| format!("{frame:?}")).expect_err(line);
        assert_eq!((refused.code, refused.requests), (code, list(requests)), "{line}: {}", refused.why);
    }
}

fn list(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

#[test]
fn an_answer_that_is_not_forwarded_says_which_request_of_the_server_it_was_for() {
    for (line, answers) in [
        (r#"{"jsonrpc":"2.0","id":"s1","result":{"a":1,"a":2}}"#, &["\"s1\""][..]),
        (r#"{"result":{"a":"\x"},"jsonrpc":"2.0","id":4}"#, &["4"]),
        (r#"{"jsonrpc":"2.0","id":4,"result":{},"error":{"code":1,"message":""}}"#, &["4"]),
        (r#"{"jsonrpc":"2.0","id":4,"result":{},"params":{}}"#, &["4"]),
        (r#"{"jsonrpc":"2.0","id":4,"result":{},"Method":"tools/call"}"#, &[]),
        (r#"{"jsonrpc":"2.0","result":{}}"#, &[]),
    ] {
        let refused = read(line).map(|frame| format!("{frame:?}")).expect_err(line);
        assert_eq!(refused.answers, list(answers), "{line}");
    }
}

#[test]
fn what_says_nothing_counts_as_left_out() {
    for (line, what) in [
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":null}"#, "Request"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[ ]}"#, "Request"),
        (r#"{"jsonrpc":"2.0","method":"notifications/initialized","params":null}"#, "Other"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":null,"error":null}"#, "Request"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":null}}"#, "first: true"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":null}"#, "first: true"),
        (r#"{"jsonrpc":"2.0","id":null,"method":"notifications/initialized"}"#, "Other"),
        (
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":null,"reason":null}}"#,
            "Cancelled",
        ),
        (r#"{"jsonrpc":"2.0","id":"s","result":{},"error":null,"method":null,"params":null}"#, "Other"),
        (r#"{"jsonrpc":"2.0","id":"s","result":null,"error":{"code":1,"message":""}}"#, "Other"),
        (r#"{"jsonrpc":"2.0","id":"s","result":null,"error":null}"#, "Other"),
        (r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":""}}"#, "Other"),
    ] {
        let frame = format!("{:?}", read(line).expect(line));
        assert!(frame.contains(what), "{line} is {frame}");
    }
}

#[test]
fn a_call_without_arguments_is_gated_with_what_was_sent_for_them() {
    for (params, arguments, continues) in [
        (r#""name":"t""#, None, false),
        (r#""name":"t","arguments":null,"_meta":null"#, Some("null"), false),
        (r#""name":"t","arguments":[ ],"_meta":[]"#, Some("[ ]"), false),
        (r#""name":"t","inputResponses":null,"requestState":null"#, None, false),
        (r#""name":"t","arguments":{},"requestState":"s""#, Some("{}"), true),
        (r#""name":"t","arguments":{"a":"\ud83d"}"#, Some(r#"{"a":"\ud83d"}"#), false),
    ] {
        let line = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{{params}}}}}"#);
        let call = call_of(&line);
        assert_eq!((call.arguments, call.continues.is_some()), (arguments, continues), "{params}");
    }
}

#[test]
fn bytes_that_are_not_utf8_are_refused() {
    for bytes in [&b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}"[..], b"\xc0\xaf", b"\xff\xfe{\0}\0"] {
        assert!(read_client(bytes).is_err());
    }
}

#[test]
fn ordinary_traffic_is_recognised() {
    for (line, what) in [
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, "Request"),
        (r#"{"method":"tools/list","jsonrpc":"2.0","id":2}"#, "first: true"),
        (r#"{"method":"tools/list","params":{"cursor":"x"},"jsonrpc":"2.0","id":2}"#, "first: false"),
        (r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, "Other"),
        (r#"{"jsonrpc":"2.0","id":0,"result":{"roots":[]}}"#, "Other"),
        (r#"{"jsonrpc":"2.0","id":0,"error":{"code":1,"message":"x"}}"#, "Other"),
        (
            r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"clientInfo":{"name":"c","version":"1"}}}"#,
            "Initialize",
        ),
        (
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"a","reason":"b"}}"#,
            "Cancelled",
        ),
    ] {
        let frame = format!("{:?}", read(line).expect(line));
        assert!(frame.contains(what), "{line} is {frame}");
    }
}

#[test]
fn server_lines_are_seen_through() {
    assert!(matches!(
        read_server(br#"{"result":{"isError":true,"a":{"x":1,"x":2,"y":"\ud800"}},"jsonrpc":"2.0","id":3}"#),
        ServerFrame::Response { id, result: Some(result) } if id.raw == "3" && result.inner.len() == 2
    ));
    assert!(matches!(
        read_server(br#"{"jsonrpc":"2.0","id":"e","error":{"code":-1,"message":"m"}}"#),
        ServerFrame::Response { result: None, .. }
    ));
    assert!(matches!(
        read_server(br#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":7,"progress":1}}"#),
        ServerFrame::Progress { token, progress: Some(1.0) } if token.raw == "7"
    ));
    for (line, what) in [
        ("\u{feff}{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{}}", "Response"),
        (r#"{"id":3,"method":null,"result":{},"error":null}"#, "result: Some"),
        (r#"{"id":3,"result":null,"error":{"code":1,"message":""}}"#, "result: None"),
        (r#"{"id":3,"method":"ping","result":null,"error":null}"#, "Twofold"),
        (r#"{"method":"notifications/tools/list_changed","error":null,"id":null}"#, "ToolsChanged"),
        (r#"{"id":3,"method":"ping","result":{}}"#, "Unreadable"),
        (r#"{"id":3,"error":{},"result":{}}"#, "Unreadable"),
    ] {
        let frame = format!("{:?}", read_server(line.as_bytes()));
        assert!(frame.contains(what), "{line} is {frame}");
    }
    for unreadable in ["[]", "noise", r#"{"id":1,"id":2,"result":{}}"#, r#"{"id":1,"Id":2,"result":{}}"#] {
        assert!(matches!(read_server(unreadable.as_bytes()), ServerFrame::Unreadable), "{unreadable}");
    }
}

#[test]
fn what_a_call_carries_besides_is_everything_but_the_transports_own() {
    for (params, extra) in [
        (r#""name":"t""#, None),
        (r#""name":"t","arguments":{"a":1},"_meta":{"progressToken":1,"traceparent":"x"}"#, None),
        (r#""name":"t","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#, None),
        (r#""name":"t","_meta":{"progressToken":1,"force": 1e2}"#, Some(r#"{"_meta":{"force":1e2}}"#)),
        (r#""task":{"ttl":1},"name":"t","x\u0022":[ ]"#, Some(r#"{"task":{"ttl":1},"x\"":[ ]}"#)),
        (
            r#""name":"t","inputResponses":{"a":1},"requestState":"s""#,
            Some(r#"{"inputResponses":{"a":1},"requestState":"s"}"#),
        ),
    ] {
        let line = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{{params}}}}}"#);
        assert_eq!(call_of(&line).extra.text("").as_deref(), extra, "{params}");
    }
}

#[test]
fn what_a_known_clients_transport_adds_is_left_out_for_that_client_only() {
    let line = concat!(
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","_meta":{"callId":"a","threadId":"T","#,
        r#""x-codex-turn-metadata":{"turn_id":"t"},"force":true,"progressToken":1}}}"#
    );
    let call = call_of(line);
    assert_eq!(call.extra.text("codex-mcp-client").as_deref(), Some(r#"{"_meta":{"force":true}}"#));
    let whole = r#"{"_meta":{"callId":"a","threadId":"T","x-codex-turn-metadata":{"turn_id":"t"},"force":true}}"#;
    assert_eq!(call.extra.text("another").as_deref(), Some(whole));
}
