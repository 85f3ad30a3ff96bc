//! What every request must be before anything looks at it: for us by name, and not from another site's page.
//!
//! Cookies travel with any request a browser makes, so where a request comes from is checked here, for all routes;
//! who makes it is checked in `who`.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Api;
use super::problem::Problem;
use super::site::Site;
use crate::wire;

/// Lets a request through, or says what is wrong with it.
pub async fn check(State(api): State<Api>, request: Request, next: Next) -> Response {
    match examine(&api.site, &request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn examine(site: &Site, request: &Request) -> Result<(), Problem> {
    let path = request.uri().path();
    // Probes come under whatever address an orchestrator gave the machine, and learn one bit.
    if matches!(path, "/livez" | "/readyz") {
        return Ok(());
    }
    // A scraper comes in the same way; what it must show, no other site's page can.
    if path == "/metrics" && site.metrics_token.is_some() {
        return Ok(());
    }
    let host = host(request).filter(|host| site.answers_to(host)).ok_or_else(|| {
        Problem::forbidden("the hub does not answer to this Host; if people use this name, set public_url to it")
    })?;
    let headers = request.headers();
    check_origin(site, host, path, headers)?;
    if path.starts_with("/api/") {
        check_fetch_site(headers)?;
    }
    if !request.method().is_safe() {
        check_body(request.method(), headers)?;
    }
    Ok(())
}

/// The one host of a request: from the target where it carries one (HTTP/2), else from the header.
pub(super) fn host(request: &Request) -> Option<&str> {
    let mut named = request.headers().get_all(header::HOST).iter();
    let (first, second) = (named.next(), named.next());
    let from_header = first.map(|value| value.to_str().unwrap_or_default());
    let from_target = request.uri().authority().map(|authority| authority.as_str());
    match (from_target, from_header, second) {
        (_, _, Some(_)) => None,
        (Some(target), Some(header), None) => (target == header).then_some(target),
        (target, header, None) => target.or(header),
    }
}

/// A page of another origin gets nothing, and no page at all gets the shims' websocket.
fn check_origin(site: &Site, host: &str, path: &str, headers: &HeaderMap) -> Result<(), Problem> {
    for origin in headers.get_all(header::ORIGIN) {
        if path == wire::PATH || path == wire::ENROL_PATH {
            return Err(Problem::forbidden("browsers do not speak to this address; only hitl-wrap does"));
        }
        if !origin.to_str().is_ok_and(|origin| site.trusts(origin, host)) {
            return Err(Problem::forbidden("the request comes from a page of another origin"));
        }
    }
    Ok(())
}

/// What the browser says of where the request was made; other programs do not send it.
fn check_fetch_site(headers: &HeaderMap) -> Result<(), Problem> {
    // `same-site` is no friend: every other port of localhost is on the same site.
    let ours = |value: &header::HeaderValue| matches!(value.as_bytes(), b"same-origin" | b"none");
    if headers.get_all("sec-fetch-site").iter().all(ours) {
        return Ok(());
    }
    Err(Problem::forbidden("the request comes from a page of another site"))
}

/// Forms can send text and multipart to any site without asking; JSON they cannot.
fn check_body(method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    let empty = headers.get(header::CONTENT_LENGTH).is_none_or(|length| length.as_bytes() == b"0")
        && !headers.contains_key(header::TRANSFER_ENCODING);
    let kind = headers.get(header::CONTENT_TYPE);
    if (empty && kind.is_none()) || kind.is_some_and(|kind| is_json(kind.as_bytes())) {
        return Ok(());
    }
    let detail = format!("the body of a {method} must be application/json");
    Err(Problem::new(axum::http::StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
}

fn is_json(kind: &[u8]) -> bool {
    let essence = kind.split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"application/json")
}
