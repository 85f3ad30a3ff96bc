//! Whatever a server sends while a call is held: the client gets no answer to it, and it stays held.
#![no_main]

mod stand;

use hitl::core::gate::{Action, Fate};
use libfuzzer_sys::fuzz_target;

const CALL: &str = r#"{"jsonrpc":"2.0","id":"h","method":"tools/call","params":{"name":"delete","_meta":{"progressToken":"h"}}}"#;

fuzz_target!(|stream: &[u8]| {
    let (mut gate, now) = stand::gate();
    assert_eq!(gate.handle_client(CALL.as_bytes(), now), Fate::Consumed);
    while gate.poll_action().is_some() {}
    for line in stream.split(|byte| *byte == b'\n') {
        let content = line.strip_suffix(b"\r").unwrap_or(line);
        // The relay drops these before the gate is asked.
        if content.contains(&b'\r') {
            continue;
        }
        if gate.handle_server(content, now) == Fate::Forward {
            let forged = stand::readers::some_reader_sees_an_answer_to(content, "h");
            assert!(!forged, "{}", String::from_utf8_lossy(content));
        }
        while let Some(action) = gate.poll_action() {
            assert!(!matches!(action, Action::ToServer(_) | Action::ToClient(_)), "{action:?}");
        }
    }
    assert_eq!(gate.held().len(), 1);
});
