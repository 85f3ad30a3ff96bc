//! For those who run the hub: `/livez`, `/readyz`, `/metrics`. No label carries a name, an id or an argument.

use std::fmt::{Display, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Json;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::Api;
use super::problem::Problem;
use super::site::Site;
use super::who::{Credential, Viewer, credential};
use crate::core::ids::Digest;
use crate::hub::store;
use crate::hub::tallies::{BOUNDS, Tallies};

/// Numbers since the hub started.
#[derive(Default)]
pub struct Counters {
    // By the first digit of the status: 1xx to 5xx.
    responses: [AtomicU64; 5],
    failed_sign_ins: AtomicU64,
}

impl Counters {
    /// Somebody gave a wrong password or a used link.
    pub fn failed_sign_in(&self) {
        self.failed_sign_ins.fetch_add(1, Ordering::Relaxed);
    }
}

/// Counts every answer.
pub async fn count(State(api): State<Api>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = next.run(request).await;
    let status = response.status();
    tracing::debug!(%method, path, status = status.as_u16(), "answered");
    if let Some(counter) = usize::from(status.as_u16() / 100).checked_sub(1).and_then(|i| api.counters.responses.get(i))
    {
        counter.fetch_add(1, Ordering::Relaxed);
    }
    response
}

/// `GET /livez`: the process answers.
pub async fn livez() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: the store takes changes too, other hubs on it are heard, and the hub is not stopping.
pub async fn readyz(State(api): State<Api>) -> Response {
    let stopping = api.hub.shutdown().is_cancelled();
    match api.hub.ready().await {
        Ok(()) if !stopping && api.hub.is_deaf() => {
            (StatusCode::SERVICE_UNAVAILABLE, "other hubs on the store are not heard\n").into_response()
        }
        // Calls are denied then, which other hubs would do as well: no reason to take this one out of service.
        Ok(()) if !stopping && api.hub.servers.decision_point_trouble().is_some() => {
            "ok\nthe external decision point cannot be asked, so calls are denied\n".into_response()
        }
        Ok(()) if !stopping => "ok\n".into_response(),
        Ok(()) => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response(),
        Err(error) => {
            tracing::error!(%error, "the store takes no change");
            (StatusCode::SERVICE_UNAVAILABLE, "the store takes no change\n").into_response()
        }
    }
}

/// The answer to `GET /health`.
#[derive(Serialize)]
pub struct Health {
    /// `None` where there is none.
    decision_point: Option<PointHealth>,
}

/// How the external decision point fares.
#[derive(Serialize)]
struct PointHealth {
    ok: bool,
    /// Why calls are denied.
    trouble: Option<String>,
}

/// `GET /health`: what an approver should know is not in order.
pub async fn health(State(api): State<Api>, Viewer(_): Viewer) -> Json<Health> {
    let trouble = api.hub.servers.decision_point_trouble();
    let decision_point = api.hub.servers.has_decision_point().then(|| PointHealth { ok: trouble.is_none(), trouble });
    Json(Health { decision_point })
}

/// Numbers are for those who run the hub: with the token, or without one set, on this machine.
fn check_scraper(site: &Site, connection: IpAddr, headers: &HeaderMap) -> Result<(), Problem> {
    let Some(token) = &site.metrics_token else {
        let why = "metrics are for this machine alone; set metrics_token_file to read them from another";
        return if site.is_own(connection) { Ok(()) } else { Err(Problem::forbidden(why)) };
    };
    match credential(headers)? {
        // Digests are compared, so that the time it takes says nothing about the token.
        Credential::Bearer(sent) if Digest::of(sent.as_bytes()) == Digest::of(token.0.as_bytes()) => Ok(()),
        _ => Err(Problem::signed_out("metrics need the hub's metrics token, as Authorization: Bearer TOKEN")),
    }
}

/// `GET /metrics`, in Prometheus' text format
pub async fn metrics(
    State(api): State<Api>,
    ConnectInfo(connection): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    check_scraper(&api.site, connection.ip(), &headers)?;
    let mut text = String::new();
    let pending = api.hub.approvals.pending_count().await?;
    let sessions: u64 = api.hub.servers.servers().await?.iter().map(|server| server.sessions).sum();
    metric(&mut text, "hitl_approvals_pending", "gauge", "Approvals nobody has decided.", pending);
    metric(&mut text, "hitl_sessions", "gauge", "Shims connected with any hub of the store.", sessions);
    let records = u64::try_from(api.hub.store().last_seq()).unwrap_or(0);
    metric(&mut text, "hitl_audit_records_total", "counter", "Records in the audit chain.", records);
    metric(&mut text, "hitl_store_errors_total", "counter", "Errors of the database.", store::errors());
    let failed = api.counters.failed_sign_ins.load(Ordering::Relaxed);
    metric(&mut text, "hitl_failed_sign_ins_total", "counter", "Wrong passwords and used links.", failed);
    let responses = (1..).zip(&api.counters.responses);
    let responses = responses.map(|(class, counter)| (format!("{class}xx"), counter.load(Ordering::Relaxed)));
    by(&mut text, "hitl_http_responses_total", "class", "Answers by class of status.", responses);
    tallied(&mut text, api.hub.tallies());
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

/// What this process did since it began.
fn tallied(text: &mut String, tallies: &Tallies) {
    let waits: Vec<_> = tallies.waits().map(|(status, waits)| (status.as_str(), waits)).collect();
    let decisions = waits.iter().map(|(outcome, waits)| (*outcome, waits.count));
    by(text, "hitl_decisions_total", "outcome", "Approvals that were decided, by how.", decisions);
    by(text, "hitl_calls_total", "verdict", "Calls in the activity log.", tallies.calls());
    by(text, "hitl_notifications_total", "result", "Notifications, each try.", tallies.notifications());
    head(text, "hitl_wait_seconds", "histogram", "How long approvals waited for their decision.");
    for (outcome, waits) in waits {
        for (bound, count) in BOUNDS.iter().zip(waits.up_to) {
            line(text, &format!("hitl_wait_seconds_bucket{{outcome=\"{outcome}\",le=\"{bound}\"}}"), count);
        }
        line(text, &format!("hitl_wait_seconds_bucket{{outcome=\"{outcome}\",le=\"+Inf\"}}"), waits.count);
        line(text, &format!("hitl_wait_seconds_sum{{outcome=\"{outcome}\"}}"), waits.sum_ms as f64 / 1000.0);
        line(text, &format!("hitl_wait_seconds_count{{outcome=\"{outcome}\"}}"), waits.count);
    }
}

fn metric(text: &mut String, name: &str, kind: &str, help: &str, value: u64) {
    head(text, name, kind, help);
    line(text, name, value);
}

/// A counter in parts.
fn by(text: &mut String, name: &str, label: &str, help: &str, parts: impl IntoIterator<Item = (impl Display, u64)>) {
    head(text, name, "counter", help);
    for (part, value) in parts {
        line(text, &format!("{name}{{{label}=\"{part}\"}}"), value);
    }
}

// Writing to a string cannot fail.
fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn line(text: &mut String, name: &str, value: impl Display) {
    let _ = writeln!(text, "{name} {value}");
}
