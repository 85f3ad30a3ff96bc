//! One shim's connection, from upgrade to close.

use std::net::IpAddr;

use axum::extract::ws::WebSocket;

use super::Hub;
use super::model::Agent;

/// The whole life of one shim's connection; `agent` is the one its token belongs to.
#[allow(clippy::todo, unused_variables)]
pub async fn handle(hub: Hub, socket: WebSocket, agent: Agent, peer: Option<IpAddr>) {
    todo!()
}
