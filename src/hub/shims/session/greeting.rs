//! How a session begins: the shim's `hello`, checked, and the hub's `welcome`.

use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use tokio::time::timeout;

use crate::core::messages::ClientInfo;
use crate::core::names;
use crate::hub::agents::Bearer;
use crate::hub::live::{Cut, Joined};
use crate::hub::model::Agent;
use crate::hub::servers::{Shown, Tabled};
use crate::hub::shims::Shims;
use crate::hub::shims::meeting::Met;
use crate::hub::shims::session::{End, policy, send};
use crate::hub::who::Shim;
use crate::wire::{self, Hello, ToHub, ToWrap, Welcome, close};

/// The first message must be there by then.
const HELLO_WITHIN: Duration = Duration::from_secs(10);
/// The longest name of a server, a user or an instance, in characters.
const MAX_NAME: usize = 128;
/// How many connections one agent may have at once.
const MAX_SESSIONS: usize = 1000;
/// The websocket's own close code for it.
const TRY_LATER: u16 = 1013;
/// How many held calls a shim may name.
const MAX_RESUME: usize = 1000;

/// Waits for `hello`, makes the session known and answers.
pub(super) async fn greet(hub: &Shims, socket: &mut WebSocket, bearer: &Bearer) -> Result<(Shim, Joined, Tabled), End> {
    let agent = &bearer.agent;
    let hello = hello(hub, socket).await?;
    check(&hello)?;
    let shim = shim(agent, &hello);
    // Before the server is made known: nobody may make one up that they have no business with.
    if agent.servers.as_ref().is_some_and(|servers| !servers.contains(&shim.server)) {
        return Err(End::Cut(Cut::Elsewhere));
    }
    if hub.live.of_agent(&shim.client_id) >= MAX_SESSIONS {
        return Err(End::Refused(TRY_LATER, format!("this agent has {MAX_SESSIONS} connections already")));
    }
    if let Met::Refused(why) = hub.meet(&shim, &hello.command).await? {
        return Err(End::Refused(close::FORBIDDEN, why));
    }
    // Joined before the table is read, so that no change falls between the two.
    let joined = hub.live.join(&shim.client_id, &shim.instance, &shim.server);
    let number = joined.number;
    match welcome(hub, socket, bearer, &shim, hello).await {
        Ok(table) => Ok((shim, joined, table)),
        Err(end) => {
            crate::hub::shims::session::parting::part(hub, &shim, number, &end).await;
            Err(end)
        }
    }
}

async fn welcome(
    hub: &Shims,
    socket: &mut WebSocket,
    bearer: &Bearer,
    shim: &Shim,
    hello: Hello,
) -> Result<Tabled, End> {
    hub.approvals.resume(shim, hello.resume).await?;
    let turn = hub.tables.of(&shim.client_id).acquire_owned().await;
    let now = hub.store.versions().await?;
    let tabled = policy::table(hub, bearer, shim, &Shown::default(), now).await?;
    drop(turn);
    let table = tabled.told.table.clone();
    let welcome = Welcome { version: wire::VERSION, client_id: shim.client_id.clone(), table };
    send(socket, &ToWrap::Welcome(welcome)).await?;
    Ok(tabled)
}

async fn hello(hub: &Shims, socket: &mut WebSocket) -> Result<Hello, End> {
    let refused = |why: &str| End::Refused(close::BAD_MESSAGE, why.to_owned());
    let shutdown = hub.shutdown.clone();
    let text = tokio::select! {
        () = shutdown.cancelled() => return Err(End::Draining),
        text = timeout(HELLO_WITHIN, first_text(socket)) => text.map_err(|_| refused("no hello came"))??,
    };
    match wire::decode::<ToHub>(&text) {
        Ok(ToHub::Hello(hello)) => Ok(hello),
        Ok(_) => Err(refused("the first message must be hello")),
        Err(error) => Err(older_or_newer(&text).unwrap_or_else(|| refused(&error.to_string()))),
    }
}

async fn first_text(socket: &mut WebSocket) -> Result<String, End> {
    loop {
        match socket.recv().await {
            Some(Ok(Message::Text(text))) => return Ok(text.as_str().to_owned()),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Binary(_))) => {
                return Err(End::Refused(close::BAD_MESSAGE, "binary frames are not spoken here".to_owned()));
            }
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(End::Lost),
        }
    }
}

fn upgrade_required() -> End {
    End::Refused(close::UPGRADE_REQUIRED, format!("this hub speaks version {} of {}", wire::VERSION, wire::SUBPROTOCOL))
}

/// A hello of another version may have another shape; its version is still readable.
fn older_or_newer(text: &str) -> Option<End> {
    let hello: serde_json::Value = serde_json::from_str(text).ok()?;
    let version = hello.get("version")?.as_u64()?;
    (hello.get("type")? == "hello" && version != u64::from(wire::VERSION)).then(upgrade_required)
}

fn check(hello: &Hello) -> Result<(), End> {
    if hello.version != wire::VERSION {
        return Err(upgrade_required());
    }
    if !names::is_name(&hello.server) || !names::is_name(hello.instance.as_str()) {
        return Err(End::Refused(close::BAD_MESSAGE, format!("the server's name is not {}", names::RULE)));
    }
    if hello.resume.len() > MAX_RESUME {
        return Err(End::Refused(close::BAD_MESSAGE, "too many held calls".to_owned()));
    }
    Ok(())
}

fn shim(agent: &Agent, hello: &Hello) -> Shim {
    let cut = |text: &str| text.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect::<String>();
    let client = hello.client.clone().unwrap_or_default();
    Shim {
        client_id: agent.client_id.clone(),
        agent_name: agent.name.clone(),
        instance: hello.instance.clone(),
        server: hello.server.clone(),
        client: ClientInfo { name: cut(&client.name), version: cut(&client.version) },
        claimed_user: hello.user.as_deref().map(cut),
    }
}
