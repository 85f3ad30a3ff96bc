//! The cookie of somebody who is signed in.
//!
//! It is named after the hub, because those of one host get each other's, and is new at every sign-in. It is
//! `SameSite=Strict`: a link in a mail opens the page, and the page's own requests carry it.

use axum::http::{HeaderMap, HeaderValue, header};

use super::Api;
use super::problem::Problem;
use crate::hub::people::IDLE_MS;

/// What the browser brought along.
pub fn brought<'h>(api: &Api, headers: &'h HeaderMap) -> Option<&'h str> {
    let name = name(api);
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(key, _)| *key == name).map(|(_, value)| value).next_back()
}

/// The header that gives the browser a session's half to keep while it is used.
pub fn give(api: &Api, half: &str) -> Result<HeaderValue, Problem> {
    set(api, half, IDLE_MS / 1000)
}

/// The header that takes it away.
pub fn take(api: &Api) -> Result<HeaderValue, Problem> {
    set(api, "", 0)
}

fn set(api: &Api, value: &str, seconds: i64) -> Result<HeaderValue, Problem> {
    let secure = if api.site.secure { "; Secure" } else { "" };
    let text = format!("{}={value}; HttpOnly; SameSite=Strict{secure}; Path=/; Max-Age={seconds}", name(api));
    text.parse().map_err(|error| Problem::internal(&error))
}

fn name(api: &Api) -> String {
    let prefix = if api.site.secure { "__Host-hitl" } else { "hitl" };
    format!("{prefix}-{}", api.identity.fingerprint().short())
}
