//! What the shim costs a call that needs no approval: `cargo bench --bench relay`.
//!
//! A fast echo server is put behind nothing, behind a byte copy, behind the least that an intercepting relay must do
//! (raw-peek), and behind `hitl-wrap` with a hub. This one binary plays server, relays and driver.
//! `--soak` sends a million calls through the shim instead, and looks at its memory.
//! `benches/README.md` says how to read the numbers.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a bench is a program for its readers, and fails loudly"
)]

mod echo;
#[expect(dead_code, reason = "shared with the other bench")]
mod hub;
mod measure;
mod peers;
mod relays;
mod report;
mod soak;
mod subject;

use std::process::Command;

use hub::Hub;
use measure::Plan;
use subject::Subject;

/// Where the shim stands among the subjects.
const WRAP: usize = 3;
/// Set in the driver that is already pinned to one core.
const PINNED: &str = "BENCH_PINNED";

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("echo-server") => echo::serve(),
        Some("copy") => relays::copy(&args[1..]),
        Some("peek") => relays::peek(&args[1..]),
        _ if std::env::var_os(PINNED).is_none() && can_pin() => pin(&args),
        _ => drive(&args),
    }
}

/// Waking an idle virtual core costs more than the work that is measured, so everything but the hub shares one core.
fn pin(args: &[String]) {
    let me = std::env::current_exe().unwrap();
    let status = Command::new("taskset").args(["-c", "1"]).arg(me).args(args).env(PINNED, "1").status();
    std::process::exit(status.unwrap().code().unwrap_or(1));
}

fn can_pin() -> bool {
    Command::new("taskset").args(["-c", "1", "true"]).status().is_ok_and(|status| status.success())
}

fn drive(args: &[String]) {
    let plan = Plan::from_args(args);
    let hub = Hub::start();
    let token = hub.add_agent("bench");
    let me = std::env::current_exe().unwrap().display().to_string();
    let echo = [me.clone(), "echo-server".to_owned()];
    let behind =
        |relay: &[&str]| -> Vec<String> { relay.iter().map(|part| (*part).to_owned()).chain(echo.clone()).collect() };
    let wrap = env!("CARGO_BIN_EXE_hitl-wrap");
    let mut subjects = [
        Subject::new("nothing", echo.to_vec()),
        Subject::new("byte copy", behind(&[&me, "copy"])),
        Subject::new("raw-peek", behind(&[&me, "peek"])),
        Subject::new("hitl-wrap", behind(&[wrap, "--server", "bench", "--hub", &hub.url, "--"]))
            .env("HITL_AGENT_TOKEN", &token)
            .env("HITL_DATA_DIR", &hub.data_dir())
            .env("HOME", &hub.data_dir()),
        Subject::new("hitl-wrap, hub down", behind(&[wrap, "--server", "bench", "--hub", "http://127.0.0.1:9", "--"]))
            .env("HITL_AGENT_TOKEN", &token)
            .env("HITL_DATA_DIR", &hub.data_dir())
            .env("HOME", &hub.data_dir())
            .start_up_only(),
    ];
    for subject in &mut subjects {
        subject.sockets = plan.sockets;
    }
    if args.iter().any(|arg| arg == "--soak") {
        let well = soak::run(&subjects[WRAP], args);
        drop(hub);
        std::process::exit(i32::from(!well));
    }
    if let Some(dir) = args.iter().position(|arg| arg == "--peers").map(|at| &args[at + 1]) {
        let [nothing, _, peek, wrap, _] = subjects;
        let subjects: Vec<_> = [nothing, peek, wrap].into_iter().chain(peers::all(dir, &echo)).collect();
        let quick = args.iter().any(|arg| arg == "--quick");
        let samples = measure::side_by_side(&subjects, quick);
        return report::print(&subjects, &samples, std::env::var_os(PINNED).is_some());
    }
    report::print(&subjects, &measure::all(&subjects, &plan), std::env::var_os(PINNED).is_some());
}
