//! Numbers for those who run the hub, and for nobody else.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use super::{Running, problem};
use crate::core::messages::Activity;
use crate::core::policy::Verdict;
use crate::hub::clock::Clock;
use crate::hub::model::Role;
use crate::wire::ToHub;

#[tokio::test]
async fn without_a_token_metrics_are_for_this_machine_and_behind_a_proxy_for_nobody() {
    let running = Running::start().await;
    assert_eq!(running.stranger().get("/metrics").await.status(), 200);
    // What comes through a proxy comes from this machine, whoever sent it.
    let proxied = Running::start_with(&[("HITL_BEHIND_PROXY", "true")], Clock::real()).await;
    let refused = problem(proxied.stranger().get("/metrics").await, 403).await;
    assert!(refused["detail"].as_str().unwrap().contains("metrics_token_file"), "{refused}");
    problem(proxied.person("root", Role::Admin).await.get("/metrics").await, 403).await;
}

#[tokio::test]
async fn with_a_token_metrics_are_for_who_shows_it_under_whatever_name_and_address() {
    let env = [("HITL_METRICS_TOKEN", "scrape-me"), ("HITL_BEHIND_PROXY", "true")];
    let running = Running::start_with(&env, Clock::real()).await;
    let ask = |token: &'static str| {
        let request = running.stranger().request(Method::GET, "/metrics").header("host", "10.1.2.3:7420");
        if token.is_empty() { request.send() } else { request.bearer_auth(token).send() }
    };
    for wrong in ["", "scrape-me-not", "hitl_u_made-up"] {
        let refused = problem(ask(wrong).await.unwrap(), 401).await;
        assert!(refused["detail"].as_str().unwrap().contains("metrics token"), "{refused}");
    }
    let text = ask("scrape-me").await.unwrap().text().await.unwrap();
    assert!(text.contains("hitl_approvals_pending 0\n"), "{text}");
    // It opens nothing else.
    let other = running.stranger().request(Method::GET, "/api/v1/approvals").bearer_auth("scrape-me");
    problem(other.send().await.unwrap(), 401).await;
}

/// The names of the metrics that the hub tells, as queries use them.
async fn names(running: &Running) -> BTreeSet<String> {
    let text = running.stranger().get("/metrics").await.text().await.unwrap();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let parts = |(name, kind): (&str, &str)| match kind {
        "histogram" => ["bucket", "sum", "count"].map(|part| format!("{name}_{part}")).to_vec(),
        _ => vec![name.to_owned()],
    };
    types.flat_map(parts).collect()
}

/// What a dashboard asks for.
fn queries(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_dashboard_asks_for_all_metrics_and_for_no_other() {
    let running = Running::start().await;
    let dashboard = serde_json::from_str(include_str!("../../../../packaging/grafana/hitl.json")).unwrap();
    let words = queries(&dashboard).join(" ");
    let words = words.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let asked: BTreeSet<_> = words.filter(|word| word.starts_with("hitl_")).map(str::to_owned).collect();
    assert_eq!(asked, names(&running).await);
}

#[tokio::test]
async fn decisions_waits_and_calls_are_counted_by_outcome_and_verdict() {
    let running = Running::start().await;
    let (mut shim, approver) = (running.shim().await, running.person("bob", Role::Approver).await);
    let id = shim.hold("{\"repo\":\"a\"}").await;
    approver.post(&format!("/api/v1/approvals/{id}/approve"), json!({})).await;
    let denied = Activity {
        age_ms: 0,
        tool: "drop".to_owned(),
        verdict: Verdict::Deny,
        bypass: false,
        approval: None,
        outcome: None,
        duration_ms: None,
        running: None,
        denied: None,
    };
    shim.say(&ToHub::Calls { items: vec![denied.clone(), denied], dropped: 3 }).await;
    // Whatever the next call is answered, the batch was dealt with before.
    shim.hold("{\"repo\":\"b\"}").await;
    let text = running.stranger().get("/metrics").await.text().await.unwrap();
    for line in [
        "hitl_approvals_pending 1",
        "hitl_decisions_total{outcome=\"approved\"} 1",
        "hitl_decisions_total{outcome=\"rejected\"} 0",
        "hitl_wait_seconds_bucket{outcome=\"approved\",le=\"3600\"} 1",
        "hitl_wait_seconds_bucket{outcome=\"approved\",le=\"+Inf\"} 1",
        "hitl_wait_seconds_count{outcome=\"approved\"} 1",
        "hitl_calls_total{verdict=\"deny\"} 2",
        "hitl_calls_total{verdict=\"dropped\"} 3",
        "hitl_store_errors_total ",
    ] {
        assert!(text.lines().any(|known| known.starts_with(line)), "{line} in {text}");
    }
}
