//! F1: what one agent that does all it may costs the others.
//!
//! It logs calls, lists other tools again and again, asks for approvals with large arguments, and begins messages that
//! it does not end, each on connections of its own and as fast as the hub takes it.

use std::time::{Duration, Instant};

use hitl::core::approval::Outcome;
use hitl::core::messages::{Activity, ToolDefinition, Tools};
use hitl::core::policy::Verdict;
use hitl::wire::ToHub;
use reqwest::Method;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::approver::{Approver, Heard};
use super::hub::Hub;
use super::row;
use super::shim::Shim;

/// Connections of each kind.
const EACH: usize = 10;
/// Those with a begun message.
const BEGUN: usize = 60;
/// An agent may have no more open.
const CALLS: usize = 20;
/// In each of so many rounds another agent calls, first alone and then beside the flood.
const ROUNDS: usize = 8;
/// Between two calls, as of somebody who works.
const BETWEEN: Duration = Duration::from_millis(20);
const ARGUMENT_BYTES: usize = 4 << 20;
const BEGUN_BYTES: usize = 8 << 20;

/// Prints F1.
pub async fn measure(quick: bool) {
    let hub = Hub::start();
    let approver = Approver::sign_in(&hub).await;
    drop(Shim::connect(&hub.url, &hub.add_agent("first")).await);
    approver.ask(Method::PUT, "/servers/bench/policy", Some(json!({ "require_all": true }))).await;
    let mut events = approver.listen().await;
    let (mut alone, mut beside, mut peak) = (Vec::new(), Vec::new(), 0.0_f64);
    for round in 0..if quick { 2 } else { ROUNDS } {
        alone.extend(calls(&hub, &mut events, &format!("alone-{round}")).await);
        let flood = begin(&hub, &format!("flood-{round}")).await;
        let beside_it = format!("beside-{round}");
        let watched = async {
            loop {
                peak = peak.max(hub.rss_kib());
                tokio::time::sleep(BETWEEN).await;
            }
        };
        let measured = tokio::select! {
            measured = calls(&hub, &mut events, &beside_it) => measured,
            () = watched => unreachable!(),
        };
        beside.extend(measured);
        drop(flood);
        over(&approver).await;
    }
    let (alone, beside) = (p99(&mut alone), p99(&mut beside));
    let ratio = beside.as_secs_f64() / alone.as_secs_f64();
    let name = format!("F1 call to card, p99 beside an agent at its limits ({} alone)", super::ms(alone));
    row(&name, &super::ms(beside), &format!("{ratio:.2}"), "≤ 2");
    row("F1 hub memory, at most", &format!("{:.0} MiB", peak / 1024.0), "", "≤ 256 MiB");
}

/// Waits until the hub has dealt with what was sent: then the next agent is alone.
async fn over(approver: &Approver) {
    while approver.ask(Method::GET, "/servers/bench", None).await["sessions"] != 0 {
        tokio::time::sleep(BETWEEN).await;
    }
}

/// How long each of an agent's calls took to an open page.
async fn calls(hub: &Hub, events: &mut mpsc::UnboundedReceiver<Heard>, agent: &str) -> Vec<Duration> {
    let mut shim = Shim::connect(&hub.url, &hub.add_agent(agent)).await;
    let mut took = Vec::new();
    for n in 0..CALLS {
        let began = Instant::now();
        let id = shim.hold(&format!("{{\"n\":{n}}}")).await;
        // The flood's own cards are on the page, too.
        loop {
            let heard = events.recv().await.unwrap();
            if heard.approval["id"] == id.as_str() {
                took.push(heard.at - began);
                break;
            }
        }
        tokio::time::sleep(BETWEEN).await;
    }
    took
}

/// Begins the flood; it ends when this is dropped.
async fn begin(hub: &Hub, agent: &str) -> JoinSet<()> {
    let token = hub.add_agent(agent);
    let mut shims = Vec::new();
    for _ in 0..3 * EACH + BEGUN {
        shims.push(Shim::connect(&hub.url, &token).await);
    }
    let mut flood = JoinSet::new();
    for (number, mut shim) in shims.into_iter().enumerate() {
        let kind = number / EACH;
        flood.spawn(async move {
            for round in 0_u64.. {
                match kind {
                    0 => shim.try_say(&ToHub::Calls { items: vec![logged(); 4096], dropped: 0 }).await,
                    1 => shim.try_say(&ToHub::Tools(listed(number, round))).await,
                    2 => shim.try_say(&ToHub::Request(shim.request(&large()))).await,
                    _ => {
                        shim.begin(BEGUN_BYTES).await;
                        std::future::pending().await
                    }
                }
            }
        });
    }
    flood
}

fn large() -> String {
    json!({ "text": "x".repeat(ARGUMENT_BYTES) }).to_string()
}

fn logged() -> Activity {
    Activity {
        age_ms: 0,
        tool: "echo".to_owned(),
        verdict: Verdict::Pass,
        bypass: false,
        approval: None,
        outcome: Some(Outcome::Succeeded),
        duration_ms: Some(1),
        running: None,
        denied: None,
    }
}

fn listed(connection: usize, list: u64) -> Tools {
    let tool = |number: usize| {
        let name = format!("tool_{connection}_{number}");
        let definition = json!({ "name": name, "description": format!("{list} {}", "words ".repeat(100)) }).to_string();
        ToolDefinition { name, definition }
    };
    Tools { items: (0..200).map(tool).collect(), complete: true }
}

fn p99(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[(times.len() * 99 / 100).min(times.len() - 1)]
}
