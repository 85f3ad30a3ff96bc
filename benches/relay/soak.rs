//! A million calls through the shim, and then rest: memory that stays where it is, and no CPU when nothing happens.

use std::time::Duration;

use super::subject::Subject;

/// How many calls when nothing else is said.
const CALLS: usize = 1_000_000;
/// How often memory is looked at.
const LOOKS: usize = 10;
/// How long the shim is left alone.
const REST: Duration = Duration::from_secs(30);
/// What memory may grow after the first look, in KiB: an allocator's mood, less than four bytes a call.
const SLACK: f64 = 1024.0;

/// Runs `--soak [CALLS]`; says what it saw, and whether memory stayed flat and the shim quiet.
pub fn run(subject: &Subject, args: &[String]) -> bool {
    let calls = args.iter().find_map(|arg| arg.parse().ok()).unwrap_or(CALLS);
    let (mut running, _) = subject.start();
    running.warm_up();
    println!("| calls | memory MiB | calls/s |\n|---|---|---|");
    let mut seen = Vec::new();
    for look in 1..=LOOKS {
        let speed = running.pipeline(calls / LOOKS);
        seen.push(running.rss());
        println!("| {} | {:.2} | {speed:.0} |", calls / LOOKS * look, running.rss() / 1024.0);
    }
    let (cpu, wakes) = (running.cpu().unwrap(), running.wakes());
    std::thread::sleep(REST);
    let (cpu, wakes) = (running.cpu().unwrap() - cpu, running.wakes() - wakes);
    println!("\nAt rest for {REST:?}: {cpu:?} on a core, {wakes} times woken.");
    running.end();
    let flat = seen.iter().all(|rss| *rss <= seen[0] + SLACK);
    // A ping every ten seconds and its answer, and the last batch for the activity log.
    flat && cpu < REST / 1000
}
