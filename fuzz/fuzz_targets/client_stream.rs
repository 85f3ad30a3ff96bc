//! Whatever a client sends: no reader may see a gated call in what passes, and nothing is written for it.
#![no_main]

mod stand;

use hitl::core::gate::{Action, Fate};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|stream: &[u8]| {
    let (mut gate, now) = stand::gate();
    let mut passed = Vec::new();
    for line in stream.split(|byte| *byte == b'\n') {
        let content = line.strip_suffix(b"\r").unwrap_or(line);
        if gate.handle_client(content, now) == Fate::Forward {
            passed.extend_from_slice(line);
            passed.push(b'\n');
        }
        while let Some(action) = gate.poll_action() {
            match action {
                Action::ToServer(_) => panic!("nothing was approved"),
                Action::InPlace(line) => passed.extend(line.iter().chain(b"\n")),
                _ => {}
            }
        }
    }
    assert!(!stand::readers::some_reader_sees_a_gated_call(&passed), "{}", String::from_utf8_lossy(&passed));
});
