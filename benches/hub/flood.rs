//! W1: approvals created and decided, 64 shims and as many decisions waiting at any time.

use std::time::Instant;

use hitl::wire::ToWrap;
use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

use super::approver::Approver;
use super::hub::Hub;
use super::row;
use super::shim::Shim;
use super::yardstick::Commits;

const SHIMS: usize = 64;
/// An agent may ask for no more in a minute.
const EACH: usize = 25;

/// Prints W1.
pub async fn measure(hub: &Hub, approver: &Approver, commits: &Commits) {
    let mut shims = Vec::new();
    for n in 0..SHIMS {
        shims.push(Shim::connect(&hub.url, &hub.add_agent(&format!("flood-{n}"))).await);
    }
    approver.ask(Method::PUT, "/servers/bench/policy", Some(json!({"require_all": true}))).await;
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for mut shim in shims {
        let approver = approver.clone();
        tasks.spawn(async move {
            for n in 0..EACH {
                let id = shim.hold(&format!("{{\"n\":{n}}}")).await;
                approver.approve(id.as_str()).await;
                shim.wait(|message| matches!(message, ToWrap::Decision(_))).await;
            }
        });
    }
    tasks.join_all().await;
    // Each was made durable twice: when it was created, and when it was decided.
    let rate = (2 * SHIMS * EACH) as f64 / began.elapsed().as_secs_f64();
    let ratio = format!("{:.3}", rate / commits.together);
    row("W1 approvals created and decided, durable steps/s", &format!("{rate:.0}"), &ratio, "≥ 0.2");
}
