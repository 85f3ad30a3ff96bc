//! The command line as a client of the hub's API.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;

use super::{Place, open_store};
use crate::config::env;
use crate::config::hub::way_to;
use crate::config::way::Way;
use crate::hub::serve::{files::DataDir, local};

/// A connection to a hub, as a person.
pub(super) struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Client {
    /// To the hub of that URL with `HITL_USER_TOKEN`, or to the one that runs on the data dir, as its first
    /// administrator, with a token that dies after `ttl`.
    pub(super) async fn connect(hub: Option<String>, place: &Place, ttl: Duration) -> anyhow::Result<Self> {
        match hub {
            Some(base) => {
                let token = env::var("HITL_USER_TOKEN").context("--hub needs a personal token in HITL_USER_TOKEN")?;
                let way = way_to(&base, &place.flags())?;
                Ok(Self { http: http(&way)?, base: base.trim_end_matches('/').to_owned(), token })
            }
            None => Self::by_data_dir(place, ttl).await,
        }
    }

    async fn by_data_dir(place: &Place, ttl: Duration) -> anyhow::Result<Self> {
        let settings = place.settings(None)?;
        let base = DataDir::at(&settings.data_dir).running_hub()?;
        let hub = open_store(&settings).await?;
        let admin = local::first_admin(&hub).await?;
        let token = hub.people.mint_user_token(&admin.name, ttl).await?;
        hub.close().await;
        Ok(Self { http: http(&Way::default())?, base, token })
    }

    /// `GET`s a path below `/api/v1` with a query.
    pub(super) async fn read(&self, path: &str, query: &[(&str, &str)]) -> anyhow::Result<Value> {
        let query = query.iter().map(|(key, value)| format!("{key}={}", percent_encode(value)));
        let query = query.collect::<Vec<_>>().join("&");
        json(self.send(Method::GET, &format!("{path}?{query}"), None).await?).await
    }

    /// `POST`s to a path below `/api/v1`.
    pub(super) async fn write(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        json(self.send(Method::POST, path, Some(body)).await?).await
    }

    /// Any request below `/api/v1`; an answer that refuses is an error with the hub's own words.
    pub(super) async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Response> {
        let mut request = self.http.request(method, format!("{}/api/v1{path}", self.base)).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        self.answer(request).await
    }

    /// The stream of events, from the one after `last` on where there is one.
    pub(super) async fn events(&self, last: Option<&str>) -> anyhow::Result<Response> {
        let request = self.http.get(format!("{}/api/v1/events", self.base)).bearer_auth(&self.token);
        self.answer(last.iter().fold(request, |request, last| request.header("last-event-id", *last))).await
    }

    async fn answer(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        let response = request.send().await.map_err(|error| no_answer(&self.base, error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let problem: Value = response.json().await.unwrap_or_default();
        match problem["detail"].as_str() {
            Some(detail) => Err(Refused { status, why: format!("{detail}{}", winner(&problem["approval"])) }.into()),
            None => Err(Refused { status, why: format!("the hub at {} answered {status}", self.base) }.into()),
        }
    }
}

/// The hub's own word that it does not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    why: String,
}

/// Who was faster, where the approval says.
fn winner(approval: &Value) -> String {
    let by = approval["decided_by"].as_str().map(|by| format!(", by {}", super::terminal::inert(by)));
    by.unwrap_or_default()
}

async fn json(response: Response) -> anyhow::Result<Value> {
    response.json().await.context("the hub's answer cannot be read")
}

fn no_answer(base: &str, error: reqwest::Error) -> anyhow::Error {
    let why = format!("{:#}", anyhow::Error::from(error));
    let unknown = why.contains("UnknownIssuer");
    let hint = if unknown { "; if its authority is your own, name that with ca_file in config.toml" } else { "" };
    anyhow::anyhow!("the hub at {base} does not answer: {why}{hint}")
}

/// A client that goes this way and no other.
fn http(way: &Way) -> anyhow::Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(5))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy();
    if let Some(proxy) = &way.proxy {
        builder = builder.proxy(reqwest::Proxy::all(proxy.url()).context("the proxy cannot be used")?);
    }
    if let Some(path) = &way.ca_file {
        let broken = || format!("cannot use ca_file {}", path.display());
        let authorities = reqwest::Certificate::from_pem_bundle(&std::fs::read(path).with_context(broken)?);
        builder = builder.tls_certs_merge(authorities.with_context(broken)?);
    }
    builder.build().context("cannot start an HTTP client")
}

/// A path segment or query value in which no character means anything.
pub(super) fn percent_encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
}

/// `hitl-hub healthcheck`: succeeds if `/readyz` does, within five seconds.
pub(super) async fn healthcheck(hub: Option<String>, place: &Place) -> anyhow::Result<ExitCode> {
    let (base, way) = match hub {
        Some(base) => (base.clone(), way_to(&base, &place.flags())?),
        None => (DataDir::at(&place.settings(None)?.data_dir).running_hub()?, Way::default()),
    };
    let url = format!("{}/readyz", base.trim_end_matches('/'));
    let response = http(&way)?.get(&url).timeout(Duration::from_secs(5)).send().await;
    let response = response.map_err(|error| no_answer(&base, error))?;
    match response.status().is_success() {
        true => Ok(ExitCode::SUCCESS),
        false => bail!("the hub at {base} is not ready: {}", response.text().await.unwrap_or_default().trim()),
    }
}
