//! What the hub costs: decisions, events, idle shims, policy changes. `cargo bench --bench hub`.
//!
//! `-- limits`, `-- history`, `-- pair` and `-- storm` are apart.
//!
//! Both real programs and a real store; `benches/README.md` says how to read the numbers.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a bench is a program for its readers, and fails loudly"
)]

mod approver;
mod crowd;
mod decisions;
#[path = "../relay/echo.rs"]
mod echo;
mod flood;
mod history;
#[path = "../relay/hub.rs"]
mod hub;
mod limits;
mod pair;
mod shim;
mod storm;
mod yardstick;

use approver::Approver;
use hub::Hub;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|arg| arg == "echo-server") {
        return echo::serve();
    }
    let has = |word: &str| args.iter().any(|arg| arg == word);
    if has("storm") {
        return storm::measure();
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if has("history") {
        println!("| what | measured | ratio | goal |\n|---|---|---|---|");
        return runtime.block_on(history::measure(&history::Sizes::of(&args)));
    }
    if has("pair") {
        let database = after(&args, "--database").expect("an empty database of PostgreSQL");
        return runtime.block_on(pair::measure(&database));
    }
    runtime.block_on(run(has("--quick"), has("limits")));
}

async fn run(quick: bool, limits_alone: bool) {
    println!("| what | measured | ratio | goal |\n|---|---|---|---|");
    if limits_alone {
        return limits::measure(quick).await;
    }
    let hub = Hub::start();
    let approver = Approver::sign_in(&hub).await;
    let commits = yardstick::measure(&hub.data_dir()).await;
    row("one flushed commit, p50", &ms(commits.alone), "1", "");
    row("commits of 64 together, rows/s", &format!("{:.0}", commits.together), "1", "");
    decisions::measure(&hub, &approver, &commits, quick).await;
    flood::measure(&hub, &approver, &commits).await;
    crowd::measure(if quick { 500 } else { 8_000 }).await;
    limits::measure(quick).await;
}

/// The word after this one.
fn after(args: &[String], name: &str) -> Option<String> {
    args.iter().skip_while(|arg| *arg != name).nth(1).cloned()
}

/// One line of the table.
fn row(what: &str, measured: &str, ratio: &str, goal: &str) {
    println!("| {what} | {measured} | {ratio} | {goal} |");
}

/// Milliseconds with two digits.
fn ms(time: std::time::Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

/// The middle one.
fn median<T: Ord + Copy>(values: &mut [T]) -> T {
    values.sort_unstable();
    values[values.len() / 2]
}
