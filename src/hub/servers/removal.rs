//! Taking a server off the hub, such as one that an agent made up. Its policy and its tools go; what was decided and
//! recorded stays. A shim that comes again under the name makes it known anew, with the policy of a new server.

use serde_json::json;

use crate::hub::error::ChangeError;
use crate::hub::servers::Servers;
use crate::hub::servers::policies::shown;
use crate::hub::servers::record::record;
use crate::hub::store::{StoreError, Tx};
use crate::hub::who::{Actor, admin};

impl Servers {
    /// Removes a server that no shim stands in front of and no call waits on.
    pub async fn remove_server(&self, server: &str, by: &Actor) -> Result<(), ChangeError> {
        let (hub, server, by) = (self.clone(), server.to_owned(), by.clone());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    admin(tx, &by).await?;
                    let now = hub.now();
                    let Some(before) = hub.kept(tx.sql(), &server, now).await? else {
                        return Err(ChangeError::NotFound(format!("server {server}")));
                    };
                    if let Some(why) = in_use(tx, &hub, &server).await? {
                        return Err(ChangeError::Conflict(why.to_owned()));
                    }
                    let tools = remove(tx, &server).await?;
                    hub.ready_rules.forget(&server);
                    let detail = json!({ "policy": shown(&before.policy, before.entries), "tools": tools });
                    record(tx, &by, "server.removed", &server, detail, now).await?;
                    Ok(())
                })
            })
            .await
    }
}

/// Why it has to stay for now.
async fn in_use(tx: &mut Tx, hub: &Servers, server: &str) -> Result<Option<&'static str>, StoreError> {
    if hub.live.is_served(server) || hub.store.is_served_elsewhere(tx, server, hub.now()).await? {
        return Ok(Some("shims are connected for this server; end them, or revoke their agent, before it is removed"));
    }
    let waiting: i64 = sqlx::query_scalar("select count(*) from approvals where server = $1 and status = 'pending'")
        .bind(server)
        .fetch_one(tx.sql())
        .await?;
    Ok((waiting > 0).then_some("calls of this server wait for approval; decide them before it is removed"))
}

/// How many tools went with it.
async fn remove(tx: &mut Tx, server: &str) -> Result<u64, StoreError> {
    sqlx::query("delete from bypasses where server = $1").bind(server).execute(tx.sql()).await?;
    let tools = sqlx::query("delete from tools where server = $1").bind(server).execute(tx.sql()).await?;
    sqlx::query("delete from servers where name = $1").bind(server).execute(tx.sql()).await?;
    Ok(tools.rows_affected())
}
