//! The way to a hub: over TLS its certificate says which one it is; in plain HTTP it proves itself first, and everything
//! else is said on that one connection, so that nobody can take its place in between.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use reqwest::{Body, Method, Response, Url};
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::chance;
use crate::config::way::Way as Route;
use crate::core::ids::hex;
use crate::core::proof::{self, Fingerprint};
use crate::wire::{HUB_PATH, Proof};

/// How long a connection, and the proof on it, may take.
const WITHIN: Duration = Duration::from_secs(5);
/// The largest proof that is read, in bytes.
const MAX_PROOF: usize = 4096;

/// A hub that may be told a token.
pub(super) enum Way {
    /// One connection, at whose other end the hub is.
    Proved(Mutex<SendRequest<Full<Bytes>>>),
    /// Its certificate is looked at on each.
    Certified(reqwest::Client),
}

impl Way {
    /// To the hub at `base`; in plain HTTP it must have the key with this fingerprint, where one is known.
    pub(super) async fn to(base: &Url, key: Option<&Fingerprint>, by: &Route) -> anyhow::Result<Self> {
        if base.scheme() == "https" {
            return Ok(Self::Certified(http(base, by)?));
        }
        let (host, port) = (base.host_str().unwrap_or_default(), base.port_or_known_default().unwrap_or(80));
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let mut why = anyhow::anyhow!("{host} has no address");
        for addr in lookup_host((name, port)).await.with_context(|| format!("cannot find {host}"))? {
            match at(base, addr, key).await {
                Ok(connection) => return Ok(Self::Proved(Mutex::new(connection))),
                Err(error) => why = error,
            }
        }
        Err(why)
    }

    /// Sends a request with a JSON body.
    pub(super) async fn send(
        &self,
        method: Method,
        url: &Url,
        token: Option<&str>,
        body: Option<Vec<u8>>,
    ) -> anyhow::Result<Response> {
        self.send_after(None, method, url, token, body).await
    }

    /// The same, for a stream of events from the one after `last` on.
    pub(super) async fn send_after(
        &self,
        last: Option<&str>,
        method: Method,
        url: &Url,
        token: Option<&str>,
        body: Option<Vec<u8>>,
    ) -> anyhow::Result<Response> {
        match self {
            Self::Certified(http) => {
                let request = http.request(method, url.clone());
                let request = token.into_iter().fold(request, |request, token| request.bearer_auth(token));
                let request = last.into_iter().fold(request, |request, last| request.header(LAST, last));
                let json = |request: reqwest::RequestBuilder, body| request.header("content-type", JSON).body(body);
                Ok(body.into_iter().fold(request, json).send().await?)
            }
            Self::Proved(connection) => {
                let request = Request::builder().method(method).uri(target(url)).header(header::HOST, authority(url));
                let bearer = token.map(|token| format!("Bearer {token}"));
                let request = bearer.iter().fold(request, |request, bearer| request.header("authorization", bearer));
                let request = body.iter().fold(request, |request, _| request.header("content-type", JSON));
                let request = last.into_iter().fold(request, |request, last| request.header(LAST, last));
                let request = request.body(Full::from(body.unwrap_or_default()))?;
                let answer = connection.lock().await.send_request(request).await?;
                Ok(Response::from(answer.map(Body::wrap)))
            }
        }
    }
}

const JSON: &str = "application/json";
const LAST: &str = "last-event-id";

/// A client for what needs no proof at the hub of that URL, which goes that way and no other.
pub(super) fn http(base: &Url, by: &Route) -> anyhow::Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(5))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy();
    if let Some(proxy) = &by.proxy {
        builder = builder.proxy(reqwest::Proxy::all(proxy.url()).context("the proxy cannot be used")?);
    }
    if base.scheme() == "http" && by.proxy.is_none() {
        // No certificate is looked at, and on a small system there may be none of an authority, which would be an error.
        builder = builder.tls_certs_only([]);
    } else if let Some(path) = &by.ca_file {
        let broken = || format!("cannot use ca_file {}", path.display());
        let authorities = reqwest::Certificate::from_pem_bundle(&std::fs::read(path).with_context(broken)?);
        builder = builder.tls_certs_merge(authorities.with_context(broken)?);
    }
    builder.build().context("cannot start an HTTP client")
}

/// A connection to `addr`, at whose other end is the hub with that key.
async fn at(base: &Url, addr: SocketAddr, key: Option<&Fingerprint>) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let connecting = async {
        let at = || format!("cannot reach the hub at {}", base.as_str().trim_end_matches('/'));
        let stream = TcpStream::connect(addr).await.with_context(at)?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        if let Some(key) = key {
            let proved = prove(&mut sender, base, addr).await?;
            if proved != *key {
                bail!("what answers at {addr} is another hub than this token is for; nothing was sent to it");
            }
        }
        Ok(sender)
    };
    timeout(WITHIN, connecting).await.with_context(|| format!("{addr} does not answer"))?
}

/// The key of the hub at the other end.
async fn prove(sender: &mut SendRequest<Full<Bytes>>, base: &Url, addr: SocketAddr) -> anyhow::Result<Fingerprint> {
    let (nonce, host) = (hex(&chance::bytes::<16>()?), asked_under(base, addr));
    let mut url = below(base, HUB_PATH)?;
    url.set_query(Some(&format!("nonce={nonce}")));
    let request = Request::builder().uri(target(&url)).header(header::HOST, host.as_str()).body(Full::default())?;
    let said = read(sender.send_request(request).await?).await;
    said.and_then(|Proof { key, signature }| proof::verify(&key, &signature, &nonce, &host))
        .with_context(|| format!("what answers at {addr} is not a hub, or cannot prove it; nothing was sent to it"))
}

async fn read(answer: hyper::Response<Incoming>) -> Option<Proof> {
    let body = Limited::new(answer.into_body(), MAX_PROOF).collect().await.ok()?;
    serde_json::from_slice(&body.to_bytes()).ok()
}

/// The host that the hub signs. Several programs may listen under one name of this machine, so it is asked under the
/// address that was found.
fn asked_under(base: &Url, addr: SocketAddr) -> String {
    match (base.host_str(), base.port()) {
        (Some("localhost"), Some(_)) => addr.to_string(),
        (Some("localhost"), None) if addr.is_ipv6() => format!("[{}]", addr.ip()),
        (Some("localhost"), None) => addr.ip().to_string(),
        _ => authority(base),
    }
}

fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn target(url: &Url) -> String {
    url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()))
}

/// A path below a hub's URL, which may have one itself.
pub(super) fn below(base: &Url, path: &str) -> anyhow::Result<Url> {
    Ok(format!("{}{path}", base.as_str().trim_end_matches('/')).parse()?)
}
