//! `/servers`: servers and tools as the shims reported them, and their policy.

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::{Deserialize, Serialize};

use super::Api;
use super::body::{Fields, OptionalFields, Params};
use super::problem::Problem;
use super::who::{Admin, Viewer};
use crate::core::ids::Digest;
use crate::core::policy::{Ruling, Verdict};
use crate::core::trust::Level;
use crate::hub::model::{Coverage, Page, PolicyChange, Server, Simulation, Tool, ToolChange, UngatedServer};

/// `GET /servers`
pub async fn list(State(api): State<Api>, Viewer(_): Viewer) -> Result<Json<Page<Server>>, Problem> {
    Ok(Json(Page { items: api.hub.servers.servers().await?, next_cursor: None }))
}

/// `GET /ungated`: what clients of connected shims start without one.
pub async fn ungated(State(api): State<Api>, Viewer(_): Viewer) -> Result<Json<Page<UngatedServer>>, Problem> {
    Ok(Json(Page { items: api.hub.shims.ungated().await?, next_cursor: None }))
}

/// `GET /servers/{name}`
pub async fn show(
    State(api): State<Api>,
    Viewer(_): Viewer,
    Path(name): Path<String>,
) -> Result<Json<Server>, Problem> {
    api.hub.servers.server(&name).await?.map(Json).ok_or_else(|| Problem::missing("server"))
}

/// `DELETE /servers/{name}`: its policy and its tools go, what was decided stays.
pub async fn remove(
    State(api): State<Api>,
    Admin(user): Admin,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    api.hub.servers.remove_server(&name, &(&user).into()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `PUT /servers/{name}/policy`
pub async fn change_policy(
    State(api): State<Api>,
    Admin(user): Admin,
    Path(name): Path<String>,
    Fields(change): Fields<PolicyChange>,
) -> Result<Json<Server>, Problem> {
    Ok(Json(api.hub.servers.change_policy(&name, &(&user).into(), change).await?))
}

/// Which tool of which server: `/servers/{name}/tools/{tool}`, or `?tool=` for names that are no part of an address,
/// such as `..`.
pub struct ToolAt {
    server: String,
    tool: String,
}

#[derive(Deserialize)]
struct AtPath {
    name: String,
    tool: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AtQuery {
    tool: String,
}

impl FromRequestParts<Api> for ToolAt {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let Path(at) = Path::<AtPath>::from_request_parts(parts, api).await.map_err(|_| Problem::missing("tool"))?;
        let tool = match at.tool {
            Some(tool) => tool,
            None => Params::<AtQuery>::from_request_parts(parts, api).await?.0.tool,
        };
        Ok(Self { server: at.name, tool })
    }
}

/// `PUT /servers/{name}/tools/{tool}`, or `PUT /servers/{name}/tools?tool=`
pub async fn change_tool(
    State(api): State<Api>,
    Admin(user): Admin,
    ToolAt { server, tool }: ToolAt,
    Fields(change): Fields<ToolChange>,
) -> Result<Json<Tool>, Problem> {
    Ok(Json(api.hub.servers.change_tool(&server, &tool, &(&user).into(), change).await?))
}

/// The body of `POST /servers/{name}/tools/{tool}/accept`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    /// SHA-256 of the definition that was looked at. Needed: what is current may have changed since.
    sha256: Option<Digest>,
}

/// `POST /servers/{name}/tools/{tool}/accept`, or `POST /servers/{name}/accept?tool=`
pub async fn accept(
    State(api): State<Api>,
    Admin(user): Admin,
    ToolAt { server, tool }: ToolAt,
    OptionalFields(seen): OptionalFields<Acceptance>,
) -> Result<Json<Tool>, Problem> {
    let looked_at = seen.sha256.ok_or_else(|| {
        Problem::invalid("sha256 must name the definition that was looked at: drift.sha256 of the tool")
    })?;
    Ok(Json(api.hub.servers.accept_tool(&server, &tool, looked_at, &(&user).into()).await?))
}

/// `POST /servers/{name}/simulate`: changes nothing.
pub async fn simulate(
    State(api): State<Api>,
    Viewer(_): Viewer,
    Path(name): Path<String>,
    Fields(simulation): Fields<Simulation>,
) -> Result<Json<Simulated>, Problem> {
    Ok(Json(api.hub.servers.simulate(&name, simulation).await?.into()))
}

/// The answer to it: every field, whatever its value.
#[derive(Serialize)]
pub struct Simulated {
    verdict: Verdict,
    bypass: bool,
    trust: Level,
    reasons: Vec<String>,
}

impl From<Ruling> for Simulated {
    fn from(Ruling { verdict, bypass, trust, reasons }: Ruling) -> Self {
        Self { verdict, bypass, trust, reasons }
    }
}

/// The query of `GET /servers/{name}/coverage`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Whose {
    /// An agent's client id or name.
    agent: String,
}

/// `GET /servers/{name}/coverage?agent=`
pub async fn coverage(
    State(api): State<Api>,
    Viewer(_): Viewer,
    Path(name): Path<String>,
    Params(whose): Params<Whose>,
) -> Result<Json<Coverage>, Problem> {
    Ok(Json(api.hub.servers.coverage(&name, &whose.agent).await?))
}
