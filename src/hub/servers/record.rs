//! Recording what was done to a server.

use crate::hub::store::{Entry, StoreError, Target, Tx};
use crate::hub::who::Actor;

/// Records a change to a server or its tools; its sessions are woken.
pub(super) async fn record(
    tx: &mut Tx,
    by: &Actor,
    action: &'static str,
    server: &str,
    detail: serde_json::Value,
    at: i64,
) -> Result<(), StoreError> {
    let entry = Entry { at, actor: by.name(), action, subject: server, detail };
    tx.audit(entry, Target::Server(server.to_owned())).await?;
    Ok(())
}
