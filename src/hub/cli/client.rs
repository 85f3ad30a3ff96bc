//! The command line as a client of the hub's API.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use reqwest::{Method, Response, StatusCode, Url};
use serde_json::Value;

use super::way::{Way, below, http};
use super::{Place, open_store};
use crate::config::env;
use crate::config::hub::{Settings, way_to};
use crate::config::way::Way as Route;
use crate::core::proof::Fingerprint;
use crate::hub::Hub;
use crate::hub::base_url::percent_encode;
use crate::hub::serve::{self, DataDir};

/// How long a command's token lives without it.
const TOKEN_TTL: Duration = Duration::from_secs(60);
/// How often a command that goes on lets it live on.
const RENEW_EVERY: Duration = Duration::from_secs(20);

/// What a command is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// Look, as nobody.
    Look,
    /// Decide, as the first administrator.
    Decide,
}

/// A connection to a hub, as a person.
pub(super) struct Client {
    way: Way,
    base: Url,
    token: String,
    /// The store that a token of this command is in.
    store: Option<Hub>,
}

impl Client {
    /// To the hub of that URL with `HITL_USER_TOKEN`, or to the one that runs on the data dir, with a token that ends
    /// with the command; [`close`](Self::close) it.
    pub(super) async fn connect(hub: Option<String>, place: &Place, needs: Needs) -> anyhow::Result<Self> {
        match hub {
            Some(base) => Self::by_token(&base, place).await,
            None => Self::by_data_dir(&place.settings(None)?, needs).await,
        }
    }

    async fn by_token(base: &str, place: &Place) -> anyhow::Result<Self> {
        let route = way_to(base, &place.flags())?;
        let token = env::var("HITL_USER_TOKEN").context("--hub needs a personal token in HITL_USER_TOKEN")?;
        let base = parse(base)?;
        let key = Fingerprint::named_by(&token);
        if key.is_none() && base.scheme() == "http" {
            eprintln!(
                "hitl-hub: the token does not say which hub it is for, so whoever listens at {base} gets it; make a new \
                 one with `hitl-hub user token NAME`"
            );
        }
        Ok(Self { way: Way::to(&base, key.as_ref(), &route).await?, base, token, store: None })
    }

    async fn by_data_dir(settings: &Settings, needs: Needs) -> anyhow::Result<Self> {
        let (base, store) = (parse(&DataDir::at(&settings.data_dir).running_hub()?)?, open_store(settings).await?);
        let made = async {
            let key = store.store().identity().await?;
            // There is no token before the hub has proved itself.
            let way = Way::to(&base, Some(key.fingerprint()), &Route::default()).await?;
            let user = match needs {
                Needs::Look => None,
                Needs::Decide => Some(serve::first_admin(&store).await?.name),
            };
            Ok((way, store.people.mint_command_token(user.as_deref(), TOKEN_TTL).await?))
        };
        match made.await {
            Ok((way, token)) => Ok(Self { way, base, token, store: Some(store) }),
            Err(error) => {
                store.close().await;
                Err(error)
            }
        }
    }

    /// Lets the token live for as long as this is polled.
    pub(super) async fn keep_alive(&self) -> anyhow::Error {
        let Some(store) = &self.store else { return std::future::pending().await };
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            match store.people.keep_command_token(&self.token, Some(TOKEN_TTL)).await {
                Ok(true) => {}
                Ok(false) => return anyhow!("somebody has ended this command at the hub"),
                Err(error) => return error.into(),
            }
        }
    }

    /// Whether somebody has ended its token.
    pub(super) async fn is_ended(&self) -> bool {
        let Some(store) = &self.store else { return false };
        store.people.keep_command_token(&self.token, Some(TOKEN_TTL)).await.is_ok_and(|kept| !kept)
    }

    /// Ends the token.
    pub(super) async fn close(self) {
        if let Some(store) = self.store {
            // It dies by itself in a minute.
            let _ = store.people.keep_command_token(&self.token, None).await;
            store.close().await;
        }
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
        let url = below(&self.base, &format!("/api/v1{path}"))?;
        let body = body.map(|body| body.to_string().into_bytes());
        self.judge(self.way.send(method, &url, Some(&self.token), body).await).await
    }

    /// The stream of events, from the one after `last` on where there is one.
    pub(super) async fn events(&self, last: Option<&str>) -> anyhow::Result<Response> {
        let url = below(&self.base, "/api/v1/events")?;
        self.judge(self.way.send_after(last, Method::GET, &url, Some(&self.token), None).await).await
    }

    async fn judge(&self, response: anyhow::Result<Response>) -> anyhow::Result<Response> {
        let response = response.map_err(|error| no_answer(self.base.as_str(), error))?;
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

fn no_answer(base: &str, error: anyhow::Error) -> anyhow::Error {
    let unknown = format!("{error:#}").contains("UnknownIssuer");
    let hint = if unknown { "; if its authority is your own, name that with ca_file in config.toml" } else { "" };
    error.context(format!("the hub at {base} does not answer{hint}"))
}

/// Who was faster, where the approval says.
fn winner(approval: &Value) -> String {
    let by = approval["decided_by"].as_str().map(|by| format!(", by {}", super::terminal::inert(by)));
    by.unwrap_or_default()
}

async fn json(response: Response) -> anyhow::Result<Value> {
    response.json().await.context("the hub's answer cannot be read")
}

fn parse(base: &str) -> anyhow::Result<Url> {
    let base = Url::parse(base.trim_end_matches('/')).with_context(|| format!("{base:?} is no URL of a hub"))?;
    if !matches!(base.scheme(), "http" | "https") {
        bail!("the hub's URL must begin with https:// (or http:// on this machine)");
    }
    Ok(base)
}

/// Whether the hub that runs on a data dir answers at the address it wrote there.
pub(super) async fn proved(settings: &Settings, store: &Hub) -> anyhow::Result<String> {
    let base = DataDir::at(&settings.data_dir).running_hub()?;
    Way::to(&parse(&base)?, Some(store.store().identity().await?.fingerprint()), &Route::default()).await?;
    Ok(base)
}

/// `hitl-hub healthcheck`: succeeds if `/readyz` does, within five seconds.
pub(super) async fn healthcheck(hub: Option<String>, place: &Place) -> anyhow::Result<ExitCode> {
    let (base, route) = match hub {
        Some(base) => (base.clone(), way_to(&base, &place.flags())?),
        None => {
            let settings = place.settings(None)?;
            let store = open_store(&settings).await?;
            let base = proved(&settings, &store).await;
            store.close().await;
            (base?, Route::default())
        }
    };
    let url = format!("{}/readyz", base.trim_end_matches('/'));
    let response = http(&parse(&base)?, &route)?.get(&url).timeout(Duration::from_secs(5)).send().await;
    let response = response.map_err(|error| no_answer(&base, error.into()))?;
    match response.status().is_success() {
        true => Ok(ExitCode::SUCCESS),
        false => bail!("the hub at {base} is not ready: {}", response.text().await.unwrap_or_default().trim()),
    }
}
