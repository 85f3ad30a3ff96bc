//! Whatever a server answers to a call that passed: it passes, is logged once, and a look says what the reader says.
#![no_main]

#[allow(dead_code, reason = "shared with the other targets")]
mod stand;

use hitl::core::approval::Outcome;
use hitl::core::frame::{ServerFrame, read_server};
use hitl::core::gate::Ask;
use hitl::core::gate::{Action, Fate};
use hitl::core::json::member;
use hitl::core::peek::{Sight, look};
use libfuzzer_sys::fuzz_target;

const CALL: &str = r#"{"jsonrpc":"2.0","id":"h","method":"tools/call","params":{"name":"pass"}}"#;

/// A member that no server writes may end a line in a way that a look takes for the end of the result.
fn is_plain(line: &[u8]) -> bool {
    let known = ["jsonrpc", "id", "result", "error"];
    let members: Result<serde_json::Map<String, serde_json::Value>, _> = serde_json::from_slice(line);
    members.is_ok_and(|members| members.keys().all(|name| known.contains(&name.as_str())))
}

fuzz_target!(|line: &[u8]| {
    if line.contains(&b'\n') || line.contains(&b'\r') {
        return;
    }
    let (mut gate, now) = stand::gate();
    assert_eq!(gate.handle_client(CALL.as_bytes(), now), Fate::Forward);
    assert_eq!(gate.handle_server(line, now), Fate::Forward);
    let told = std::iter::from_fn(|| gate.poll_action()).filter(|action| matches!(action, Action::ToHub(Ask::Call(_))));
    assert!(told.count() <= 1);
    if let (Sight::Answer(answer), ServerFrame::Response { id, result }) = (look(line), read_server(line))
        && is_plain(line)
    {
        assert_eq!(answer.key, id.key, "{}", String::from_utf8_lossy(line));
        let failed = result.is_none_or(|result| member(&result.inner, "isError").is_some_and(|said| said.raw == "true"));
        let truth = if failed { Outcome::Failed } else { Outcome::Succeeded };
        assert!(answer.outcome().is_none_or(|told| told == truth), "{}", String::from_utf8_lossy(line));
    }
});
