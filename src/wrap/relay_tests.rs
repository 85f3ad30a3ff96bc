//! The relay between real pipes and a real child, with the hub played by the test.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::*;
use crate::PATIENCE;
use crate::core::approval::Outcome;
use crate::core::gate::Settings;
use crate::core::ids::ApprovalId;
use crate::core::messages::{Decided, Decision, Registered, Release, Request};
use crate::core::policy::{Ruling, Table, Verdict};
use crate::core::trust::Level;
use crate::wire::ToHub;

struct Stand {
    stdin: Option<pipe::Sender>,
    stdout: Option<pipe::Receiver>,
    read: Vec<u8>,
    to_relay: mpsc::Sender<FromHub>,
    from_relay: mpsc::Receiver<ToHub>,
    relay: JoinHandle<i32>,
}

impl Stand {
    /// A relay around `sh -c SCRIPT`, without a hub.
    fn without_hub(script: &str) -> Self {
        let (child, streams) = Child::spawn(&["sh".into(), "-c".into(), script.into()]).unwrap();
        let (client_end, stdin) = io::pipe().unwrap();
        let (stdout, server_end) = io::pipe().unwrap();
        let (hub, to_relay, from_relay) = HubClient::played();
        let identity = Identity::new("s".into(), &[], None);
        let mut count = 0;
        let gate = Gate::new(Settings {
            server: "s".into(),
            hub: "http://hub".into(),
            hub_wait: Duration::from_secs(30),
            hold_for: Default::default(),
            client_name: None,
            new_id: Box::new(move || {
                count += 1;
                ApprovalId(format!("approval-{count}"))
            }),
        });
        let relay = Relay::new(Parts {
            gate,
            identity,
            hub,
            child,
            streams,
            stdin: Source::of(client_end.into()).unwrap(),
            stdout: Sink::of(server_end.into()).unwrap(),
            signals: Signals::new().unwrap(),
        });
        Self {
            stdin: Some(pipe::Sender::from_owned_fd(stdin.into()).unwrap()),
            stdout: Some(pipe::Receiver::from_owned_fd(stdout.into()).unwrap()),
            read: Vec::new(),
            to_relay,
            from_relay,
            relay: tokio::spawn(relay.run()),
        }
    }

    /// A relay with a hub that gates the tool `gated` and nothing else.
    async fn new(script: &str) -> Self {
        let mut stand = Self::without_hub(script);
        stand.to_relay.send(FromHub::Connected).await.unwrap();
        assert!(matches!(stand.asked().await, ToHub::Hello(_)));
        stand.answer(Answer::Welcome { client_id: "agent".into(), policy: table() }).await;
        stand
    }

    async fn write(&mut self, text: &str) {
        let write = self.stdin.as_mut().unwrap().write_all(text.as_bytes());
        tokio::time::timeout(PATIENCE, write).await.expect("the relay reads").unwrap();
    }

    async fn line(&mut self) -> String {
        let stdout = self.stdout.as_mut().unwrap();
        let mut seen = 0;
        loop {
            if let Some(feed) = memchr::memchr(b'\n', &self.read[seen..]) {
                let rest = self.read.split_off(seen + feed + 1);
                return String::from_utf8(std::mem::replace(&mut self.read, rest)).unwrap();
            }
            seen = self.read.len();
            let count = tokio::time::timeout(PATIENCE, stdout.read_buf(&mut self.read)).await.expect("a line").unwrap();
            assert!(count > 0, "the stream ended after {:?}", String::from_utf8_lossy(&self.read));
        }
    }

    async fn bytes(&mut self, count: usize) -> String {
        let stdout = self.stdout.as_mut().unwrap();
        while self.read.len() < count {
            let read = tokio::time::timeout(PATIENCE, stdout.read_buf(&mut self.read)).await.expect("bytes").unwrap();
            assert!(read > 0, "the stream ended after {:?}", String::from_utf8_lossy(&self.read));
        }
        let rest = self.read.split_off(count);
        String::from_utf8(std::mem::replace(&mut self.read, rest)).unwrap()
    }

    async fn rest(&mut self) -> Vec<u8> {
        let stdout = self.stdout.as_mut().unwrap();
        tokio::time::timeout(PATIENCE, stdout.read_to_end(&mut self.read)).await.expect("an end").unwrap();
        std::mem::take(&mut self.read)
    }

    async fn answer(&self, answer: Answer) {
        self.to_relay.send(FromHub::Answer(answer)).await.unwrap();
    }

    async fn asked(&mut self) -> ToHub {
        tokio::time::timeout(PATIENCE, self.from_relay.recv()).await.expect("a message for the hub").unwrap()
    }

    async fn request(&mut self) -> Request {
        loop {
            if let ToHub::Request(request) = self.asked().await {
                return request;
            }
        }
    }

    async fn release(&mut self) -> Release {
        loop {
            if let ToHub::Release(release) = self.asked().await {
                return release;
            }
        }
    }

    async fn exit_code(self) -> i32 {
        tokio::time::timeout(PATIENCE, self.relay).await.expect("an end").unwrap()
    }
}

fn table() -> Table {
    let ruling = |verdict| Ruling { verdict, bypass: false, trust: Level::Low, reasons: Vec::new() };
    let tools = BTreeMap::from([("gated".to_owned(), ruling(Verdict::Gate))]);
    Table { tools, unlisted: ruling(Verdict::Pass), timeout_seconds: 300, accepted: Default::default() }
}

fn call(id: u32, tool: &str) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"tools/call\",\"params\":{{\"name\":\"{tool}\"}}}}\n")
}

#[tokio::test]
async fn lines_that_pass_are_byte_identical_both_ways() {
    let mut stand = Stand::new("cat").await;
    let giant =
        format!("{{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"x\",\"params\":{{\"a\":\"{}\"}}}}\n", "ü".repeat(1 << 20));
    let lines = [
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\r\n",
        " { \"id\" : 9007199254740993, \"method\":\"\\u0061\",\t\"jsonrpc\":\"2.0\" }\n",
        &giant,
        &call(3, "open"),
    ];
    for line in lines {
        stand.write(line).await;
        assert_eq!(stand.line().await, line);
    }
    stand.stdin = None;
    assert_eq!(stand.rest().await, b"");
    assert_eq!(stand.exit_code().await, 0);
}

#[tokio::test]
async fn an_answer_that_a_server_gives_before_it_is_asked_waits_in_no_pipe() {
    let mut stand = Stand::without_hub(
        r#"printf '{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}\n{"jsonrpc":"2.0","method":"a"}\n'; exec cat"#,
    );
    assert_eq!(stand.line().await, "{\"jsonrpc\":\"2.0\",\"method\":\"a\"}\n");
}

#[tokio::test]
async fn what_follows_a_giant_passes_though_a_line_between_is_held_back() {
    // The giant takes the buffer with it, so what was found behind it has moved.
    let giant =
        format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"params\":{{\"a\":\"{}\"}}}}\n", "a".repeat(3 << 20));
    let next = call(2, "open");
    for between in [call(3, "gated"), "not JSON\n".to_owned()] {
        let mut stand = Stand::new("cat").await;
        let mut stdin = stand.stdin.take().unwrap();
        let all = [giant.as_str(), &between, &next, &next].concat();
        let write = tokio::spawn(async move { stdin.write_all(all.as_bytes()).await.map(|()| stdin) });
        for line in [&giant, &next, &next] {
            let mut seen = stand.line().await;
            if seen.contains("-32600") {
                seen = stand.line().await;
            }
            assert!(seen == *line, "a line is broken");
        }
        drop(write.await.unwrap().unwrap());
    }
}

#[tokio::test]
async fn what_follows_a_servers_giant_passes_though_a_line_between_is_dropped() {
    let script = "head -c 3000000 /dev/zero | tr '\\0' 'x'; printf '\\nbad\\rline\\nnext\\nlast\\n'";
    let mut stand = Stand::new(script).await;
    let all = stand.rest().await;
    assert!(all == ["x".repeat(3_000_000).as_bytes(), b"\nnext\nlast\n"].concat(), "{} bytes", all.len());
}

#[tokio::test]
async fn a_gated_call_reaches_the_server_once_after_go_and_as_it_came() {
    let mut stand = Stand::new("cat").await;
    stand.write(&call(1, "gated")).await;
    let Request { id, digest, .. } = stand.request().await;
    // Traffic beside the held call goes on.
    stand.write(&call(2, "open")).await;
    assert_eq!(stand.line().await, call(2, "open"));
    let registered =
        Registered { id: id.clone(), approval: id.clone(), remaining_ms: 300_000, link: "l".into(), arguments: None };
    stand.answer(Answer::Registered(registered)).await;
    let decision = Decision::Approved { digest: digest.clone() };
    stand.answer(Answer::Decided(Decided { approval: id, decision })).await;
    let release = stand.release().await;
    assert_eq!(release.digest, digest);
    stand.answer(Answer::Go(release.clone())).await;
    stand.answer(Answer::Go(release)).await;
    assert_eq!(stand.line().await, call(1, "gated"));
    stand.stdin = None;
    assert_eq!(stand.rest().await, b"");
}

#[tokio::test]
async fn a_server_that_does_not_read_stops_neither_its_output_nor_the_hub() {
    let mut stand = Stand::new("head -c 3000000 /dev/zero | tr '\\0' '\\n'; cat >/dev/null").await;
    let mut stdin = stand.stdin.take().unwrap();
    // More than every buffer on the way holds, so the write ends only when the server reads at last.
    let line = call(1, "open");
    let count = (4 << 20) / line.len();
    let write = tokio::spawn(async move { stdin.write_all(line.repeat(count).as_bytes()).await.map(|()| stdin) });
    // Every call is reported within a second, so a longer silence says that nothing more comes in.
    assert!(matches!(stand.asked().await, ToHub::Calls { .. }));
    while tokio::time::timeout(Duration::from_millis(1200), stand.from_relay.recv()).await.is_ok() {}
    assert!(!write.is_finished(), "the relay took more than it could pass on");
    let drain = tokio::spawn(async move { while stand.from_relay.recv().await.is_some() {} });
    let mut all = Vec::new();
    let mut stdout = stand.stdout.take().unwrap();
    while all.len() < 3_000_000 {
        tokio::time::timeout(PATIENCE, stdout.read_buf(&mut all)).await.expect("output").unwrap();
    }
    drop(write.await.unwrap().unwrap());
    assert_eq!(tokio::time::timeout(PATIENCE, stand.relay).await.expect("an end").unwrap(), 0);
    drain.abort();
}

#[tokio::test]
async fn a_server_that_ends_has_its_held_calls_answered_after_its_own_last_words() {
    let mut stand = Stand::new("read -r _; printf '{\"last\":1}\\nword'; exit 7").await;
    stand.write(&call(1, "gated")).await;
    stand.request().await;
    stand.write(&call(2, "open")).await;
    let all = String::from_utf8(stand.rest().await).unwrap();
    let lines: Vec<_> = all.lines().collect();
    // While a call is held, an unreadable tail could be a forged answer and is dropped.
    assert_eq!((lines.len(), lines[0]), (2, "{\"last\":1}"), "{all}");
    assert!(lines[1].contains("\"id\":1") && lines[1].contains("not executed"), "{all}");
    assert_eq!(stand.exit_code().await, 7);
}

#[tokio::test]
async fn the_last_bytes_of_a_server_pass_without_a_line_feed() {
    let mut stand = Stand::new("printf 'one\\r\\r\\r\\nt\\rwo\\nthree'").await;
    assert_eq!(stand.rest().await, b"one\r\r\r\nthree", "a line that two readers split differently is dropped");
    assert_eq!(stand.exit_code().await, 0);
}

/// A call as TypeScript clients write it, of a length in MiB.
fn long_call(id: u32, tool: &str, mib: usize) -> String {
    let arguments = format!("{{\"a\":\"{}\"}}", "x".repeat(mib << 20));
    format!(
        "{{\"method\":\"tools/call\",\"params\":{{\"name\":\"{tool}\",\"arguments\":{arguments}}},\"jsonrpc\":\"2.0\",\"id\":{id}}}\n"
    )
}

#[tokio::test]
async fn an_ungated_call_passes_at_any_length_that_is_kept_and_a_longer_one_fails_under_its_id() {
    let mut stand = Stand::new("cat").await;
    let mut stdin = stand.stdin.take().unwrap();
    let write = tokio::spawn(async move {
        for line in [long_call(1, "open", 9), long_call(2, "open", 65), long_call(3, "gated", 9), call(4, "open")] {
            stdin.write_all(line.as_bytes()).await.unwrap();
        }
        stdin
    });
    assert!(stand.line().await == long_call(1, "open", 9), "a line is broken");
    let refusal = stand.line().await;
    assert!(refusal.contains("\"id\":2,") && refusal.contains("longer than 64 MiB"), "{refusal}");
    let refusal = stand.line().await;
    assert!(refusal.contains("\"id\":3,") && refusal.contains("not executed"), "{refusal}");
    assert_eq!(stand.line().await, call(4, "open"));
    drop(write.await.unwrap());
    assert_eq!(stand.exit_code().await, 0);
}

/// Prints an answer of 70 MB to the request `id`.
fn long_answer(id: u32) -> String {
    format!(
        "printf '{{\"result\":{{\"a\":\"'; head -c 70000000 /dev/zero | tr '\\0' x; printf '\"}},\"jsonrpc\":\"2.0\",\"id\":{id}}}\\n'"
    )
}

#[tokio::test]
async fn a_result_over_the_limit_streams_through_and_our_own_lines_come_behind_it() {
    let mut stand = Stand::new(&format!("read -r line; printf '%s\\n' \"$line\"; {}; cat", long_answer(1))).await;
    stand.write(&call(1, "open")).await;
    assert_eq!(stand.line().await, call(1, "open"));
    let line = stand.line().await;
    assert!(line.len() > 70_000_000 && line.ends_with("x\"},\"jsonrpc\":\"2.0\",\"id\":1}\n"), "{} bytes", line.len());
    stand.write("garbage\n").await;
    assert!(stand.line().await.contains("-32600"));
}

#[tokio::test]
async fn a_forged_result_over_the_limit_is_whole_to_no_reader() {
    let mut stand = Stand::new(&format!("read -r _; {}; cat", long_answer(1))).await;
    stand.write(&call(1, "gated")).await;
    let request = stand.request().await;
    stand.write(&call(2, "open")).await;
    let line = stand.line().await;
    assert!(line.ends_with("\"id\":1\n") && serde_json::from_str::<serde_json::Value>(&line).is_err());
    stand.stdin = None;
    assert_eq!(stand.rest().await, b"", "the held call is not answered");
    assert_eq!(request.tool, "gated");
}

fn framed(message: &str) -> String {
    format!("Content-Length: {}\r\n\r\n{message}", message.len())
}

#[tokio::test]
async fn messages_behind_headers_pass_as_they_came_and_are_gated_as_lines_are() {
    let mut stand = Stand::new("cat").await;
    let (ping, open, gated) =
        (framed("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}"), call(2, "open"), call(3, "gated"));
    stand.write(&[ping.as_str(), &framed(&open), &framed(gated.trim()), &ping].concat()).await;
    assert_eq!(
        stand.bytes(2 * ping.len() + framed(&open).len()).await,
        [ping.as_str(), &framed(&open), &ping].concat()
    );
    let Request { id, digest, .. } = stand.request().await;
    let registered =
        Registered { id: id.clone(), approval: id.clone(), remaining_ms: 300_000, link: "l".into(), arguments: None };
    stand.answer(Answer::Registered(registered)).await;
    let decision = Decision::Approved { digest: digest.clone() };
    stand.answer(Answer::Decided(Decided { approval: id.clone(), decision })).await;
    let release = stand.release().await;
    stand.answer(Answer::Go(release)).await;
    assert_eq!(stand.bytes(framed(gated.trim()).len()).await, framed(gated.trim()));

    let plain = |message: &str| framed(message).replace("\r\n", "\n");
    stand.write(&plain("{\"jsonrpc\":\"2.0\",\"id\":6,\"method\":\"ping\"}")).await;
    assert_eq!(stand.bytes(60).await, plain("{\"jsonrpc\":\"2.0\",\"id\":6,\"method\":\"ping\"}"));
    stand.write(&plain("{\"id\":7,\"method\":\"ping\"}")).await;
    stand.stdin = None;
    let refusal = String::from_utf8(stand.rest().await).unwrap();
    let (_, message) = refusal.split_once("\n\n").unwrap();
    assert_eq!(refusal, plain(message), "the client is answered as it wrote last");
    assert!(message.starts_with("{\"jsonrpc\":\"2.0\",\"id\":7,\"error\""), "{refusal}");
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_calls_back_and_nothing_runs() {
    let mut stand = Stand::new("cat; exit 3").await;
    stand.write(&call(1, "gated")).await;
    let id = stand.request().await.id;
    stand.stdin = None;
    let mut said = Vec::new();
    while said.last() != Some(&ToHub::Bye) {
        said.push(stand.asked().await);
    }
    assert!(said.iter().any(|said| matches!(said, ToHub::Cancel(cancel) if cancel.approval == id)), "{said:?}");
    // On a slow machine they may have left in time by themselves.
    assert!(said.iter().any(|said| matches!(said, ToHub::Calls { .. })), "no call is left untold: {said:?}");
    assert_eq!(stand.rest().await, b"");
    assert_eq!(stand.exit_code().await, 3);
}

#[tokio::test]
async fn what_was_written_before_the_end_of_the_client_is_still_served() {
    // The server reads only when its own words are read: until then the client's wait in the relay.
    let mut stand = Stand::new("head -c 3000000 /dev/zero | tr '\\0' 'x'; cat").await;
    let calls = call(1, "open").repeat(5000);
    stand.write(&calls).await;
    stand.stdin = None;
    let all = stand.rest().await;
    assert!(all[3_000_000..] == *calls.as_bytes(), "{} bytes", all.len());
}

#[tokio::test]
async fn a_last_line_without_a_line_feed_is_gated_like_any_and_passes_as_it_came() {
    let mut stand = Stand::new("cat; exit 3").await;
    let line = call(1, "open");
    stand.write(line.trim_end()).await;
    stand.stdin = None;
    assert_eq!(String::from_utf8(stand.rest().await).unwrap(), line.trim_end());
    assert_eq!(stand.exit_code().await, 3);
    for (said, answer) in [(call(1, "gated"), ""), ("{\"id\":1".to_owned(), "-32700")] {
        let mut stand = Stand::new("cat").await;
        stand.write(said.trim_end()).await;
        stand.stdin = None;
        let all = String::from_utf8(stand.rest().await).unwrap();
        assert!(all.contains(answer) && !all.contains("tools/call"), "{all}");
        assert_eq!(stand.exit_code().await, 0);
    }
}

#[tokio::test]
async fn a_client_that_says_everything_at_once_is_answered_as_soon_as_the_hub_says_what_passes() {
    let mut stand = Stand::without_hub("cat");
    let lines = [call(1, "open"), call(2, "gated"), call(3, "open")];
    stand.write(&lines.concat()).await;
    stand.stdin = None;
    stand.to_relay.send(FromHub::Connected).await.unwrap();
    assert!(matches!(stand.asked().await, ToHub::Hello(_)));
    stand.answer(Answer::Welcome { client_id: "agent".into(), policy: table() }).await;
    let all = String::from_utf8(stand.rest().await).unwrap();
    assert_eq!(all, [call(1, "open"), call(3, "open")].concat(), "the gated one is taken back");
    assert_eq!(stand.exit_code().await, 0);
}

#[tokio::test]
async fn a_server_that_still_answers_after_the_end_of_its_input_is_not_hurried() {
    // It takes longer than any client would wait between the end of its input and a signal.
    let script = "cat >/dev/null; sleep 2.5; echo '{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}'; sleep 0.2; exit 6";
    for first in ["", "echo up;"] {
        let mut stand = Stand::new(&format!("{first} {script}")).await;
        stand.write(&call(1, "open")).await;
        stand.stdin = None;
        let all = String::from_utf8(stand.rest().await).unwrap();
        assert!(all.ends_with("\"result\":{}}\n"), "{all}");
        assert_eq!(stand.exit_code().await, 6);
    }
}

#[tokio::test]
async fn a_client_that_is_gone_without_a_word_leaves_no_server_that_waits_to_answer() {
    let mut stand =
        Stand::new("trap 'exit 8' PIPE; cat >/dev/null; while :; do echo x || exit 8; sleep 0.1; done").await;
    stand.write(&call(1, "open")).await;
    stand.stdin = None;
    stand.stdout = None;
    assert_eq!(stand.exit_code().await, 8);
}

#[tokio::test]
async fn a_client_that_does_not_read_any_more_ends_the_server() {
    let mut stand = Stand::new("while read -r line; do echo \"$line\"; done; exit 4").await;
    stand.stdout = None;
    stand.write(&call(1, "open")).await;
    assert_eq!(stand.exit_code().await, 4);
}

#[tokio::test]
async fn calls_are_reported_within_a_second() {
    let mut stand = Stand::new("cat").await;
    stand.write(&call(1, "open")).await;
    let ToHub::Calls { items, .. } = stand.asked().await else { panic!("a batch comes") };
    let reported: Vec<_> = items.iter().map(|call| (call.tool.as_str(), call.verdict)).collect();
    assert_eq!(reported, [("open", Verdict::Pass)]);
}

#[tokio::test]
async fn a_lost_hub_is_greeted_again_with_what_is_held() {
    let mut stand = Stand::new("cat").await;
    stand.write(&call(1, "gated")).await;
    let id = stand.request().await.id;
    stand.answer(Answer::Lost).await;
    stand.to_relay.send(FromHub::Connected).await.unwrap();
    let resumed = loop {
        if let ToHub::Hello(hello) = stand.asked().await {
            break hello.resume;
        }
    };
    assert_eq!(resumed, std::slice::from_ref(&id));
    stand.answer(Answer::Welcome { client_id: "agent".into(), policy: table() }).await;
    assert_eq!(stand.request().await.id, id, "the same request is asked again");
}

#[tokio::test]
async fn a_released_call_whose_server_dies_is_reported_as_unknown() {
    let mut stand = Stand::new("read -r _; exit 0").await;
    stand.write(&call(1, "gated")).await;
    let Request { id, digest, .. } = stand.request().await;
    let decision = Decision::Approved { digest };
    let registered =
        Registered { id: id.clone(), approval: id.clone(), remaining_ms: 300_000, link: "l".into(), arguments: None };
    stand.answer(Answer::Registered(registered)).await;
    stand.answer(Answer::Decided(Decided { approval: id, decision })).await;
    let release = stand.release().await;
    stand.answer(Answer::Go(release)).await;
    let outcome = loop {
        if let ToHub::Outcome(outcome) = stand.asked().await {
            break outcome.outcome;
        }
    };
    assert_eq!(outcome, Outcome::Unknown);
}

#[tokio::test]
async fn the_hub_knows_of_a_call_before_it_hears_that_it_will_come_again() {
    let mut stand = Stand::new("cat >/dev/null").await;
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"gated","arguments":{}}}"#;
    stand.write(&format!("{call}\n")).await;
    let mut told = false;
    loop {
        match stand.asked().await {
            ToHub::Calls { items, .. } => told |= items.iter().any(|call| call.tool == "gated"),
            ToHub::Request(_) => {
                let reason = "McpError: MCP error -32001: Request timed out";
                let params = format!(r#"{{"requestId":1,"reason":"{reason}"}}"#);
                let line = format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{params}}}"#);
                stand.write(&format!("{line}\n")).await;
            }
            ToHub::Cancel(cancel) => {
                assert!(cancel.keep && told, "{cancel:?}");
                return;
            }
            _ => {}
        }
    }
}
