//! How a session ends: what becomes of what it held, and the last word to the shim.

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use tokio::time::timeout;

use crate::hub::live::Cut;
use crate::hub::shims::Shims;
use crate::hub::shims::session::{End, SEND_WITHIN};
use crate::hub::store::StoreError;
use crate::hub::who::Shim;
use crate::wire::close;

/// What the end of a session means for what it held.
pub(super) async fn part(hub: &Shims, shim: &Shim, number: u64, end: &End) {
    let live = &hub.live;
    let done = match end {
        End::Draining | End::Bye => match live.leave(&shim.client_id, &shim.instance, number) {
            Some(seen) if *end == End::Bye => gone(hub, shim, seen).await,
            _ => Ok(()),
        },
        _ => hub.shim_lost(shim, number).await,
    };
    if let Err(error) = done {
        tracing::error!(%error, "the end of a session could not be recorded");
    }
}

async fn gone(hub: &Shims, shim: &Shim, seen: bool) -> Result<(), StoreError> {
    hub.approvals.gone(&shim.client_id, &shim.instance).await?;
    if seen { hub.note_session(shim, "session.closed").await } else { Ok(()) }
}

/// Tells the shim why.
pub(super) async fn say_goodbye(socket: &mut WebSocket, end: End) {
    let (code, reason) = match end {
        End::Lost => return,
        End::Bye | End::Cut(Cut::Replaced) => (1000, String::new()),
        End::Draining => (1012, "the hub is stopping".to_owned()),
        End::Cut(Cut::Revoked) => (close::UNAUTHORISED, "the agent or its token is revoked".to_owned()),
        End::Cut(Cut::Elsewhere) => (close::FORBIDDEN, "the agent may not use this server".to_owned()),
        End::Cut(Cut::Removed) => (1012, "the server was removed; connect again".to_owned()),
        End::Cut(Cut::Slow) => (1008, "the shim does not read what it is sent".to_owned()),
        End::Refused(code, why) => (code, why),
        End::StoreFailed => (1011, "the hub's store does not answer".to_owned()),
    };
    // A close frame has room for 123 bytes.
    let reason: String = reason.chars().filter(char::is_ascii).take(120).collect();
    let frame = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
    let _ = timeout(SEND_WITHIN, shut(socket, frame)).await;
}

/// Says the last word and reads until the shim has closed, too: what it still sends would be answered by a reset, which
/// it might see in place of the code.
async fn shut(socket: &mut WebSocket, frame: Message) {
    if socket.send(frame).await.is_ok() {
        while let Some(Ok(_)) = socket.recv().await {}
    }
}
