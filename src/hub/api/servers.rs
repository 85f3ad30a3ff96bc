//! `/servers`: servers and tools as the shims reported them, and their policy.

use axum::Json;
use axum::extract::{Path, State};

use super::Api;
use super::body::Fields;
use super::problem::Problem;
use super::who::{Admin, Viewer};
use crate::hub::model::{Page, PolicyChange, Server, Tool, ToolChange};

/// `GET /servers`
pub async fn list(State(api): State<Api>, Viewer(_): Viewer) -> Result<Json<Page<Server>>, Problem> {
    Ok(Json(Page { items: api.hub.servers().await?, next_cursor: None }))
}

/// `GET /servers/{name}`
pub async fn show(
    State(api): State<Api>,
    Viewer(_): Viewer,
    Path(name): Path<String>,
) -> Result<Json<Server>, Problem> {
    api.hub.server(&name).await?.map(Json).ok_or_else(|| Problem::missing("server"))
}

/// `PUT /servers/{name}/policy`
pub async fn change_policy(
    State(api): State<Api>,
    Admin(user): Admin,
    Path(name): Path<String>,
    Fields(change): Fields<PolicyChange>,
) -> Result<Json<Server>, Problem> {
    Ok(Json(api.hub.change_policy(&name, &(&user).into(), change).await?))
}

/// `PUT /servers/{name}/tools/{tool}`
pub async fn change_tool(
    State(api): State<Api>,
    Admin(user): Admin,
    Path((server, tool)): Path<(String, String)>,
    Fields(change): Fields<ToolChange>,
) -> Result<Json<Tool>, Problem> {
    Ok(Json(api.hub.change_tool(&server, &tool, &(&user).into(), change).await?))
}
