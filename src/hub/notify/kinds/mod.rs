//! The kinds of channels: one small file each, behind one trait.

mod discord;
mod email;
mod ntfy;
mod slack;
mod teams;
mod telegram;
mod webhook;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use reqwest::header::HeaderMap;
use serde_json::Value;

pub(super) use self::webhook::new_secret;
use super::http::{Endpoint, Failure};
use super::message::Message;
use crate::config::notify::{Channel, Kind, Settings};

/// A way to send messages.
pub(super) trait Sender: Send + Sync {
    /// Sends one; whoever calls bounds its time.
    fn send<'s>(&'s self, message: &'s Message) -> BoxFuture<'s, Result<(), Failure>>;

    /// Milliseconds from one message to the next.
    fn pace_ms(&self) -> i64;

    /// Whether many messages at once become one that counts the others: for people, not for programs.
    fn gathers(&self) -> bool {
        true
    }
}

/// The sender for a channel, or why there is none.
pub(super) fn sender(channel: &Channel) -> Result<Arc<dyn Sender>, String> {
    let settings = &channel.settings;
    Ok(match channel.kind {
        Kind::Email => Arc::new(email::sender(settings)?),
        Kind::Slack => Arc::new(slack::sender(settings)?),
        Kind::Teams => Arc::new(teams::sender(settings)?),
        Kind::Discord => Arc::new(discord::sender(settings)?),
        Kind::Telegram => Arc::new(telegram::sender(settings)?),
        Kind::Ntfy => Arc::new(ntfy::sender(settings)?),
        Kind::Webhook => Arc::new(webhook::sender(settings)?),
        Kind::Browser => return Err("a browser is written to with the keys of its subscription".to_owned()),
    })
}

/// Where a channel sends to, as far as that is no secret.
pub(super) fn target(channel: &Channel) -> String {
    let settings = &channel.settings;
    let host = |usual: &str| match &settings.url {
        Some(url) => {
            reqwest::Url::parse(&url.0).ok().and_then(|url| Some(url.host_str()?.to_owned())).unwrap_or_default()
        }
        None => usual.to_owned(),
    };
    match (channel.kind, settings.to.as_slice()) {
        (Kind::Email, [first, others @ ..]) if !others.is_empty() => format!("{first} and {} more", others.len()),
        (Kind::Email, to) => to.concat(),
        (Kind::Telegram, _) => host("api.telegram.org"),
        (Kind::Ntfy, _) => host("ntfy.sh"),
        _ => host(""),
    }
}

/// The settings a kind takes, and which of them are secret.
pub(super) fn keys(kind: Kind) -> (&'static [&'static str], &'static [&'static str]) {
    match kind {
        Kind::Email => (
            &["host", "port", "tls", "ca_pem", "username", "password", "from", "to", "email_after", "arguments"],
            &["password"],
        ),
        Kind::Slack | Kind::Teams | Kind::Discord => (&["url", "allow_private"], &["url"]),
        Kind::Telegram => (&["token", "chat_id", "url", "allow_private"], &["token", "url"]),
        Kind::Ntfy => (&["url", "topic", "token", "allow_private"], &["url", "topic", "token"]),
        Kind::Webhook => (&["url", "secret", "allow_private"], &["url", "secret"]),
        Kind::Browser => (&[], &[]),
    }
}

/// A sender for services that take one JSON body by POST.
struct Poster<F> {
    endpoint: Endpoint,
    headers: HeaderMap,
    pace_ms: i64,
    body: F,
}

impl<F: Fn(&Message) -> Value + Send + Sync> Sender for Poster<F> {
    fn send<'s>(&'s self, message: &'s Message) -> BoxFuture<'s, Result<(), Failure>> {
        Box::pin(self.endpoint.post(self.headers.clone(), (self.body)(message).to_string()))
    }

    fn pace_ms(&self) -> i64 {
        self.pace_ms
    }
}

/// The endpoint that `url` names, on one of these hosts.
fn endpoint(settings: &Settings, hosts: &[&str]) -> Result<Endpoint, String> {
    let url = super::http::needed(settings.url.as_ref(), "settings.url")?;
    Endpoint::new(url, hosts, settings.allow_private.unwrap_or(false))
}
