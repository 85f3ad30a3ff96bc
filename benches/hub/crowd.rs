//! C1 to C3: what thousands of idle shims cost, how fast they are back after a restart, how fast policy reaches them.

use std::time::{Duration, Instant};

use hitl::wire::ToWrap;
use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

use super::approver::Approver;
use super::hub::Hub;
use super::shim::Shim;
use super::{ms, row};

const AGENTS: usize = 50;
const DIALLING: usize = 256;

/// Prints C1, C2 and C3 for so many shims.
pub async fn measure(count: usize) {
    let hub = Hub::start();
    let approver = Approver::sign_in(&hub).await;
    let tokens: Vec<String> = (0..AGENTS).map(|n| hub.add_agent(&format!("crowd-{n}"))).collect();
    // What the first connections need once is not counted.
    let first = connect(&hub, &tokens, 100).await;
    let before = hub.rss_kib();
    let began = Instant::now();
    let mut shims = connect(&hub, &tokens, count).await;
    let rate = count as f64 / began.elapsed().as_secs_f64();
    let each = (hub.rss_kib() - before) / count as f64;
    row(&format!("C1 hub memory per idle shim, {count} of them"), &format!("{each:.1} KiB"), "", "≤ 15 KiB");
    row("C2 shims connected, authenticated, welcomed", &format!("{rate:.0}/s"), "", "≥ 5,000/s");
    shims.extend(first);
    let took = change_policy(&approver, shims).await;
    row("C3 one policy change to all of them", &ms(took), "", "≤ 300 ms for 10,000");
}

async fn connect(hub: &Hub, tokens: &[String], count: usize) -> Vec<Shim> {
    let mut tasks = JoinSet::new();
    for dialler in 0..DIALLING.min(count) {
        let (url, tokens) = (hub.url.clone(), tokens.to_vec());
        tasks.spawn(async move {
            let mut shims = Vec::new();
            for n in (dialler..count).step_by(DIALLING) {
                shims.push(Shim::connect(&url, &tokens[n % tokens.len()]).await);
            }
            shims
        });
    }
    tasks.join_all().await.into_iter().flatten().collect()
}

async fn change_policy(approver: &Approver, shims: Vec<Shim>) -> Duration {
    let mut tasks = JoinSet::new();
    for mut shim in shims {
        tasks.spawn(async move {
            shim.wait(|message| matches!(message, ToWrap::Policy { .. })).await;
            Instant::now()
        });
    }
    tokio::task::yield_now().await;
    let began = Instant::now();
    approver.ask(Method::PUT, "/servers/bench/policy", Some(json!({"require_all": true}))).await;
    let last = tasks.join_all().await.into_iter().max().unwrap();
    last - began
}
