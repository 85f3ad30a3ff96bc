//! One POST to somewhere else: bounded in time and size, without redirects, and not into this network unless allowed.

use std::error::Error as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, Url, redirect};

use super::address::is_public;
use super::text::plain;
use crate::config::notify::Hidden;

/// How much of an answer is read, in bytes; more says nothing.
const MOST_ANSWER: usize = 4 << 10;
/// The largest body that is sent, in bytes: less than what any of the vendors takes.
const MOST_BODY: usize = 20 << 10;
/// The longest that an endpoint may ask to be left alone.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// Why a message was not delivered, in words for the page.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// It never will be: wrong address, wrong key, refused.
    #[error("{0}")]
    Permanent(String),
    /// There is nobody any more.
    #[error("{0}")]
    Gone(String),
    /// Not this message, now.
    #[error("{0}")]
    Transient(String),
    /// Nothing gets through there, now.
    #[error("{0}")]
    Unreachable(String),
    /// It wants to be left alone for a while.
    #[error("{0}")]
    Busy(String, Duration),
}

/// Where a channel posts to.
#[derive(Clone)]
pub(super) struct Endpoint {
    client: Client,
    url: Url,
}

impl Endpoint {
    /// Checks a URL: `https` to one of the vendor's hosts (to any public one if there are none to choose from), or, if
    /// `allow_private`, wherever it says.
    pub(super) fn new(url: &str, hosts: &[&str], allow_private: bool) -> Result<Self, String> {
        let url = parse(url, hosts, allow_private)?;
        // A vendor's own name needs no guard, so that a proxy of this network may stand between.
        let client = if allow_private || !hosts.is_empty() { unguarded() } else { client(Some(Guard)) };
        Ok(Self { client: client.map_err(|error| format!("cannot make a client: {}", words(&error)))?, url })
    }

    /// An address that was checked before, over a client that others use too.
    pub(super) fn over(client: Client, url: Url) -> Self {
        Self { client, url }
    }

    /// The same endpoint with another path.
    pub(super) fn at(mut self, path: &str) -> Self {
        self.url.set_path(path);
        self
    }

    /// What the URL begins with, as browsers write an origin.
    pub(super) fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// Sends a JSON body.
    pub(super) async fn post(&self, mut headers: HeaderMap, body: String) -> Result<(), Failure> {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.send(headers, body.into_bytes()).await
    }

    /// Sends a body of the type that the headers say.
    pub(super) async fn send(&self, headers: HeaderMap, body: Vec<u8>) -> Result<(), Failure> {
        if body.len() > MOST_BODY {
            return Err(Failure::Permanent(format!("the message has {} bytes, more than {MOST_BODY}", body.len())));
        }
        let request = self.client.post(self.url.clone()).headers(headers);
        match request.body(body).send().await {
            Ok(response) => judge(response).await,
            Err(error) if error.is_builder() => Err(Failure::Permanent(words(&error))),
            Err(error) => Err(Failure::Unreachable(words(&error))),
        }
    }
}

/// The URL, if it leads to where it may, as in [`Endpoint::new`].
pub(super) fn parse(url: &str, hosts: &[&str], allow_private: bool) -> Result<Url, String> {
    let url: Url = url.trim().parse().map_err(|_| "the URL is not one".to_owned())?;
    let Some(host) = url.host_str().map(str::to_owned) else {
        return Err("the URL names no host".to_owned());
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the URL must not contain a user or password".to_owned());
    }
    match url.scheme() {
        "https" => {}
        "http" if allow_private => {}
        _ => return Err("the URL must begin with https://, unless allow_private is set".to_owned()),
    }
    if allow_private {
        return Ok(url);
    }
    let is = |vendor: &&str| vendor.strip_prefix('*').map_or(host == *vendor, |end| host.ends_with(end));
    if !hosts.is_empty() && !hosts.iter().any(is) {
        return Err(format!("the URL's host is {host}, not {}, and allow_private is not set", hosts.join(" or ")));
    }
    let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    if literal.is_ok_and(|address| !is_public(address)) {
        return Err(PRIVATE.to_owned());
    }
    Ok(url)
}

const PRIVATE: &str = "the URL leads into a private network, and allow_private is not set";

/// A client that goes wherever a checked URL leads.
pub(super) fn unguarded() -> reqwest::Result<Client> {
    client(None)
}

fn client(guard: Option<Guard>) -> reqwest::Result<Client> {
    // The process has one TLS provider; a second installation is refused and changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .redirect(redirect::Policy::none())
        .user_agent(concat!("hitl-hub/", env!("CARGO_PKG_VERSION")))
        .pool_idle_timeout(Duration::from_secs(30));
    match guard {
        // A proxy would look the name up itself, out of sight of the guard.
        Some(guard) => client.no_proxy().dns_resolver(guard).build(),
        None => client.build(),
    }
}

/// Looks names up and keeps only public addresses, at the moment of connecting, so that a name cannot change between
/// a check and its use.
#[derive(Clone, Copy)]
struct Guard;

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err(PRIVATE.into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

async fn judge(response: Response) -> Result<(), Failure> {
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    if status.is_redirection() {
        let why = "it redirects elsewhere, which is not followed; set the address it redirects to";
        return Err(Failure::Permanent(why.to_owned()));
    }
    let pause = pause(response.headers());
    let said = beginning(response).await;
    let why = if said.is_empty() { format!("it answered {status}") } else { format!("it answered {status}: {said}") };
    Err(match (status.as_u16(), pause) {
        (429 | 503, Some(pause)) => Failure::Busy(why, pause),
        (429, None) => Failure::Busy(why, Duration::from_secs(5)),
        (408 | 425, _) => Failure::Transient(why),
        (404 | 410, _) => Failure::Gone(why),
        (400..=499, _) => Failure::Permanent(why),
        _ => Failure::Unreachable(why),
    })
}

/// `Retry-After` in seconds; a date is as good as none.
fn pause(headers: &HeaderMap) -> Option<Duration> {
    let seconds: f64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    let pause = Duration::try_from_secs_f64(seconds).ok()?;
    Some(pause.clamp(Duration::from_secs(1), LONGEST_PAUSE))
}

/// The first words of an answer, however long it is.
async fn beginning(mut response: Response) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < MOST_ANSWER {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            _ => break,
        }
    }
    bytes.truncate(MOST_ANSWER);
    plain(&String::from_utf8_lossy(&bytes), 200)
}

/// What went wrong, without the URL, which may be a secret.
fn words(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let what = if error.is_connect() { "cannot connect" } else { "the request failed" };
    match error.source() {
        Some(_) => format!("{what}: {}", plain(&cause.to_string(), 200)),
        None => what.to_owned(),
    }
}

/// A setting that must be there.
pub(super) fn needed<'s>(setting: Option<&'s Hidden>, key: &str) -> Result<&'s str, String> {
    let value = setting.map(|hidden| hidden.0.trim()).filter(|value| !value.is_empty());
    value.ok_or_else(|| format!("{key} is missing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_to_the_right_hosts_unless_private_ones_are_allowed() {
        let slack = ["hooks.slack.com"];
        assert!(parse("https://hooks.slack.com/services/T/B/x", &slack, false).is_ok());
        for (url, hosts) in [
            ("http://hooks.slack.com/services", &slack[..]),
            ("https://hooks.slack.com.evil.com/", &slack),
            ("https://evil.com/", &slack),
            ("https://u:p@hooks.slack.com/", &slack),
            ("https://127.0.0.1/", &[]),
            ("https://[::1]/", &[]),
            ("https://[::ffff:10.0.0.1]/", &[]),
            ("https://0x7f.1/", &[]),
            ("https://2130706433/", &[]),
            ("file:///etc/passwd", &[]),
            ("not a url", &[]),
            ("", &[]),
        ] {
            assert!(parse(url, hosts, false).is_err(), "{url}");
        }
        assert!(parse("http://127.0.0.1:8065/hooks/x", &slack, true).is_ok());
        assert!(parse("https://x.webhook.office.com/y", &["*.webhook.office.com"], false).is_ok());
        assert!(parse("https://xwebhook.office.com/y", &["*.webhook.office.com"], false).is_err());
    }

    #[tokio::test]
    async fn a_name_of_this_machine_is_not_connected_to() {
        let Err(error) = Guard.resolve("localhost".parse().unwrap()).await else { panic!("resolved") };
        assert!(error.to_string().contains("allow_private"), "{error}");
    }
}
