//! Numbers for those who run the hub, and for nobody else.

use reqwest::Method;

use super::{Running, problem};
use crate::hub::clock::Clock;
use crate::hub::model::Role;

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
