//! A connected gate: the tool `pass` passes, every other one is gated.

use std::time::{Duration, Instant};

use hitl::core::gate::Answer;
use hitl::core::gate::{Gate, Settings};
use hitl::core::patience::HoldFor;
use hitl::core::policy::{Ruling, Table, Verdict};
use hitl::core::trust::Level;

#[allow(dead_code, reason = "shared with the other targets")]
#[path = "../../src/core/gate/readers.rs"]
pub mod readers;

fn ruling(verdict: Verdict) -> Ruling {
    Ruling { verdict, bypass: false, trust: Level::Low, reasons: Vec::new() }
}

pub fn gate() -> (Gate, Instant) {
    let mut count = 0;
    let mut gate = Gate::new(Settings {
        server: "s".into(),
        hub: "http://h".into(),
        hub_wait: Duration::from_secs(30),
        hold_for: HoldFor::default(),
        client_name: None,
        new_id: Box::new(move || {
            count += 1;
            format!("a{count}").as_str().into()
        }),
    });
    let policy = Table {
        tools: [("pass".to_owned(), ruling(Verdict::Pass))].into(),
        unlisted: ruling(Verdict::Gate),
        timeout_seconds: 300,
        accepted: Default::default(),
    };
    let now = Instant::now();
    gate.handle_answer(Answer::Welcome { client_id: "agent".into(), policy }, now);
    while gate.poll_action().is_some() {}
    (gate, now)
}
