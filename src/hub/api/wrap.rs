//! `/v1/wrap`: the shims' websocket. An agent's token opens it, and nothing else does.

use std::net::SocketAddr;

use axum::Extension;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{ConnectInfo, State};
use axum::http::HeaderMap;
use axum::response::Response;

use super::Api;
use super::problem::Problem;
use super::upgrade::speaking;
use super::who::{Credential, credential};
use crate::hub::agents::Bearer;
use crate::hub::shims;
use crate::hub::shims::Meter;
use crate::wire;

/// `GET /v1/wrap`
pub async fn open(
    State(api): State<Api>,
    ConnectInfo(connection): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    meter: Option<Extension<Meter>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let bearer = bearer(&api, &headers).await?;
    api.hub.shims.admit(&bearer.agent.client_id).map_err(Problem::too_often)?;
    let upgrade = speaking(wire::SUBPROTOCOL, "; the versions of hitl-wrap and hitl-hub differ", upgrade)?;
    let meter = meter.map(|Extension(meter)| meter).unwrap_or_default();
    meter.begin();
    let peer = api.site.peer(&headers, connection.ip());
    Ok(upgrade
        .max_message_size(wire::MAX_MESSAGE_BYTES)
        .max_frame_size(wire::MAX_FRAME_BYTES)
        .read_buffer_size(wire::BUFFER_BYTES)
        .write_buffer_size(wire::BUFFER_BYTES)
        .on_upgrade(move |socket| shims::handle(api.hub.shims.clone(), socket, bearer, meter, Some(peer))))
}

async fn bearer(api: &Api, headers: &HeaderMap) -> Result<Bearer, Problem> {
    let about_token = |problem: Problem| problem.refusing(wire::refused::TOKEN);
    let Credential::Bearer(token) = credential(headers).map_err(about_token)? else {
        let why = "an agent's token is needed; `hitl-hub agent add NAME` prints one";
        return Err(about_token(Problem::signed_out(why)));
    };
    if token.starts_with("hitl_u_") {
        return Err(about_token(Problem::forbidden("this is a person's token; the shim needs an agent's")));
    }
    let bearer = api.hub.agents.bearer(&token).await?;
    bearer.ok_or_else(|| about_token(Problem::signed_out("this agent's token is unknown or was revoked")))
}
