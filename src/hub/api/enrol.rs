//! Enrolling machines: the websocket on which a shim without a token waits, and the routes by which an administrator
//! answers it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Serialize;
use tokio::time::timeout;

use super::Api;
use super::body::Fields;
use super::problem::Problem;
use super::upgrade::speaking;
use super::who::Admin;
use crate::hub::Hub;
use crate::hub::agents::{Claims, Confirmation, Enrolled, Enrolment, GOOD_FOR_MS, Waiting};
use crate::hub::model::Agent;
use crate::wire::{self, EnrolHello, FromEnrolling, ToEnrolling};

const HELLO_WITHIN: Duration = Duration::from_secs(10);
/// How long a machine may take to write its token down.
const RECEIVED_WITHIN: Duration = Duration::from_secs(30);
/// When to try again where there are too many.
const FULL_SECONDS: u64 = 60;
const FAILED: &str = "the hub failed on this; its log says why";
/// The longest claim, in characters.
const MAX_CLAIM: usize = 128;

/// `GET /v1/enrol`
pub async fn open(
    State(api): State<Api>,
    ConnectInfo(connection): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let peer = api.site.peer(&headers, connection.ip());
    api.attempts.machine(peer, api.hub.now()).await?;
    let room = Arc::clone(&api.enrolling).try_acquire_owned().map_err(|_| Problem::too_often(FULL_SECONDS))?;
    let upgrade = speaking(wire::ENROL_SUBPROTOCOL, "", upgrade)?;
    let link = format!("{}/enrol", api.site.base_url);
    let upgrade = upgrade.max_message_size(wire::BUFFER_BYTES).max_frame_size(wire::BUFFER_BYTES);
    Ok(upgrade.on_upgrade(move |socket| async move {
        let _room = room;
        wait(api.hub, socket, peer.to_string(), link).await;
    }))
}

/// The machine's whole stay: it says who it is, shows a code, and gets an answer or none.
async fn wait(hub: Hub, mut socket: WebSocket, address: String, link: String) {
    let Some(hello) = hello(&mut socket).await else { return };
    let confirms = hello.confirms;
    let cut = |text: String| text.chars().filter(|c| !c.is_control()).take(MAX_CLAIM).collect::<String>();
    let claims = Claims { host: hello.host.map(cut), user: hello.user.map(cut), version: cut(hello.version), address };
    let waiting = match hub.agents.begin_enrolment(claims).await {
        Ok(Some(begun)) => begun,
        Ok(None) => return refuse(socket, "too many machines wait to be enrolled; try again later").await,
        Err(error) => {
            tracing::error!(%error, "a machine could not be enrolled");
            return refuse(socket, FAILED).await;
        }
    };
    let has_token = stay(&hub, &mut socket, &waiting, link, confirms).await;
    // A code ends with its machine.
    if let Err(error) = hub.agents.end_enrolment(&waiting.enrolment.code, has_token).await {
        tracing::error!(%error, "what a machine waited under could not be ended");
    }
    let _ = socket.send(Message::Close(None)).await;
}

/// Under its code: whether it has a token in the end.
async fn stay(hub: &Hub, socket: &mut WebSocket, waiting: &Waiting, link: String, confirms: bool) -> bool {
    let code = waiting.enrolment.code.clone();
    let (link, expires_seconds) = (format!("{link}#{code}"), u64::try_from(GOOD_FOR_MS / 1000).unwrap_or_default());
    if !say(socket, &ToEnrolling::Code { code, link, expires_seconds }).await {
        return false;
    }
    let shutdown = hub.shutdown();
    let answer = tokio::select! {
        answer = timeout(Duration::from_secs(expires_seconds), hub.agents.answer_to(waiting)) => answer,
        () = gone(socket) => return false,
        () = shutdown.cancelled() => return deny(socket, "the hub is stopping; try again").await,
    };
    match answer {
        Ok(Ok(Enrolled::Yes(agent, token))) => {
            let Agent { client_id, name, .. } = *agent;
            say(socket, &ToEnrolling::Enrolled { client_id, name, token }).await && is_received(socket, confirms).await
        }
        Ok(Ok(Enrolled::No)) => deny(socket, "an administrator said no").await,
        Ok(Err(error)) => {
            tracing::error!(%error, "a machine could not be enrolled");
            deny(socket, FAILED).await
        }
        Ok(Ok(Enrolled::Expired)) | Err(_) => deny(socket, "the code has expired").await,
    }
}

/// Whether the token arrived: the machine says so, or, if it is of those that do not, its connection did not break.
async fn is_received(socket: &mut WebSocket, confirms: bool) -> bool {
    if !confirms {
        let closed = socket.send(Message::Close(None)).await;
        let answer = timeout(RECEIVED_WITHIN, socket.recv()).await;
        return closed.is_ok() && !matches!(answer, Ok(Some(Err(_))));
    }
    let said = timeout(RECEIVED_WITHIN, socket.recv()).await;
    let Ok(Some(Ok(Message::Text(text)))) = said else { return false };
    serde_json::from_str(&text).is_ok_and(|FromEnrolling::Received| true)
}

async fn hello(socket: &mut WebSocket) -> Option<EnrolHello> {
    match timeout(HELLO_WITHIN, socket.recv()).await {
        Ok(Some(Ok(Message::Text(text)))) => serde_json::from_str(&text).ok(),
        _ => None,
    }
}

/// Returns when the other side is gone; what it says meanwhile is nothing.
async fn gone(socket: &mut WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if matches!(message, Message::Close(_)) {
            return;
        }
    }
}

async fn say(socket: &mut WebSocket, message: &ToEnrolling) -> bool {
    socket.send(Message::Text(wire::encode(message).into())).await.is_ok()
}

/// It gets no token.
async fn deny(socket: &mut WebSocket, reason: &str) -> bool {
    say(socket, &ToEnrolling::Refused { reason: reason.to_owned() }).await;
    false
}

async fn refuse(mut socket: WebSocket, reason: &str) {
    deny(&mut socket, reason).await;
    let _ = socket.send(Message::Close(None)).await;
}

/// A machine that waits, and what it shows of this hub.
#[derive(Serialize)]
pub struct Shown {
    #[serde(flatten)]
    enrolment: Enrolment,
    /// The fingerprint of the hub's key.
    key: String,
}

/// `GET /enrolments/{code}`: which machine shows this code.
pub async fn show(
    State(api): State<Api>,
    Admin(user): Admin,
    Path(code): Path<String>,
) -> Result<Json<Shown>, Problem> {
    // Guessing is as limited as it is for passwords.
    api.attempts.code(&user.name, api.hub.now()).await?;
    let key = api.identity.fingerprint().to_string();
    let enrolment = api.hub.agents.enrolment(&code).await?;
    enrolment.map(|enrolment| Json(Shown { enrolment, key })).ok_or_else(|| Problem::missing("code, or it has expired"))
}

/// `POST /enrolments/{code}`: makes that machine an agent.
pub async fn confirm(
    State(api): State<Api>,
    Admin(user): Admin,
    Path(code): Path<String>,
    Fields(confirmation): Fields<Confirmation>,
) -> Result<(StatusCode, Json<Agent>), Problem> {
    Ok((StatusCode::CREATED, Json(api.hub.agents.confirm_enrolment(&code, confirmation, &(&user).into()).await?)))
}

/// `DELETE /enrolments/{code}`: sends it away.
pub async fn refuse_machine(
    State(api): State<Api>,
    Admin(_): Admin,
    Path(code): Path<String>,
) -> Result<StatusCode, Problem> {
    api.hub.agents.refuse_enrolment(&code).await?;
    Ok(StatusCode::NO_CONTENT)
}
