//! `/agents`: the identities behind the shims. A token is shown once, in the answer to a `POST`.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::Api;
use super::body::{Fields, OptionalFields};
use super::problem::Problem;
use super::who::{Admin, Viewer};
use crate::core::ids::ClientId;
use crate::hub::agents::AgentChange;
use crate::hub::model::{Agent, Page};

/// `GET /agents`
pub async fn list(State(api): State<Api>, Viewer(_): Viewer) -> Result<Json<Page<Agent>>, Problem> {
    Ok(Json(Page { items: api.hub.agents.agents().await?, next_cursor: None }))
}

/// `GET /agents/{client_id}`
pub async fn show(State(api): State<Api>, Viewer(_): Viewer, Path(id): Path<ClientId>) -> Result<Json<Agent>, Problem> {
    Ok(Json(known(&api, &id).await?))
}

/// The body of `POST /agents`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewAgent {
    name: String,
    user: Option<String>,
}

/// An agent with its new token.
#[derive(Serialize)]
pub struct Added {
    #[serde(flatten)]
    agent: Agent,
    token: String,
}

/// `POST /agents`
pub async fn add(
    State(api): State<Api>,
    Admin(user): Admin,
    Fields(new): Fields<NewAgent>,
) -> Result<(StatusCode, Json<Added>), Problem> {
    let (agent, token) = api.hub.agents.add_agent(&new.name, new.user.as_deref(), &(&user).into()).await?;
    Ok((StatusCode::CREATED, Json(Added { agent, token })))
}

/// `PUT /agents/{client_id}`
pub async fn change(
    State(api): State<Api>,
    Admin(user): Admin,
    Path(id): Path<ClientId>,
    Fields(change): Fields<AgentChange>,
) -> Result<Json<Agent>, Problem> {
    Ok(Json(api.hub.agents.change_agent(&id, change, &(&user).into()).await?))
}

/// `DELETE /agents/{client_id}`: its token is worthless from now on.
pub async fn revoke(
    State(api): State<Api>,
    Admin(user): Admin,
    Path(id): Path<ClientId>,
) -> Result<StatusCode, Problem> {
    let agent = known(&api, &id).await?;
    api.hub.agents.revoke_agent(agent.client_id.as_str(), &(&user).into()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How long the old token stays good when nothing is said: a working day with its night.
const OVERLAP_SECONDS: u64 = 86_400;

/// The body of `POST /agents/{client_id}/token`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    overlap_seconds: Option<u64>,
}

/// `POST /agents/{client_id}/token`: a new token in place of the agent's own.
pub async fn rotate(
    State(api): State<Api>,
    Admin(user): Admin,
    Path(id): Path<ClientId>,
    OptionalFields(rotation): OptionalFields<Rotation>,
) -> Result<Json<Added>, Problem> {
    let agent = known(&api, &id).await?;
    let overlap = Duration::from_secs(rotation.overlap_seconds.unwrap_or(OVERLAP_SECONDS));
    let (agent, token) = api.hub.agents.rotate_token(agent.client_id.as_str(), overlap, &(&user).into()).await?;
    Ok(Json(Added { agent, token }))
}

/// The agent of this client id; the use case takes names as well, addresses do not.
async fn known(api: &Api, id: &ClientId) -> Result<Agent, Problem> {
    let agent = api.hub.agents.agent(id.as_str()).await?.filter(|agent| agent.client_id == *id);
    agent.ok_or_else(|| Problem::missing("agent"))
}
