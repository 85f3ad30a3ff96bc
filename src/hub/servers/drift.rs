//! Tools whose definition nobody accepted: new ones, and those that changed after they were seen first.
//!
//! The first complete list of a server is what everything later is compared with. A definition that was accepted once
//! stays accepted, so that two versions of a server can live side by side. Acceptance is of a digest: what one agent
//! reports accepts nothing that another was shown.

use serde_json::json;

use crate::core::call;
use crate::core::differing::difference;
use crate::core::ids::Digest;
use crate::hub::error::ChangeError;
use crate::hub::model::{Tool, ToolDrift};
use crate::hub::servers::Servers;
use crate::hub::servers::definition::described;
use crate::hub::servers::record::record;
use crate::hub::servers::row::{self, Listed};
use crate::hub::store::rows::{Row, optional};
use crate::hub::store::{StoreError, Tx};
use crate::hub::who::{Actor, Shim, admin};

/// How many accepted definitions of a tool are remembered; older ones must be accepted again.
const MAX_ACCEPTED: usize = 20;
/// A first list that is never completed counts as complete after so long.
const FIRST_LIST_MS: i64 = 600_000;

/// Whether there is anything to compare a server's tools with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Baseline {
    /// Its first list is still being read: everything is accepted.
    Open,
    /// There was one.
    Closed,
}

impl Baseline {
    /// The first list is one agent's: nobody else adds to it.
    pub(super) async fn of(tx: &mut Tx, shim: &Shim, now: i64) -> Result<Self, StoreError> {
        let open: Option<i64> = sqlx::query_scalar(
            "select 1 from servers where name = $1 and listed_at is null and not exists \
             (select 1 from tools where tools.server = $1 and (tools.first_seen < $2 or coalesce(tools.added_by, '') <> $3))",
        )
        .bind(shim.server.as_str())
        .bind(now - FIRST_LIST_MS)
        .bind(shim.client_id.as_str())
        .fetch_optional(tx.sql())
        .await?;
        Ok(if open.is_some() { Self::Open } else { Self::Closed })
    }
}

/// A list was complete.
pub(super) async fn listed(tx: &mut Tx, server: &str, now: i64) -> Result<(), StoreError> {
    sqlx::query("update servers set listed_at = $2 where name = $1 and listed_at is null")
        .bind(server)
        .bind(now)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// The definition that waits was reported by a second agent.
pub(super) async fn share(tx: &mut Tx, server: &str, tool: &str) -> Result<(), StoreError> {
    sqlx::query("update tools set drift_by = null where server = $1 and name = $2")
        .bind(server)
        .bind(tool)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Accepts the present definition of a tool if it differs from the accepted one only where it may; returns whether.
pub(super) async fn settle(tx: &mut Tx, server: &str, tool: &str) -> Result<bool, StoreError> {
    let Some(row) = row(tx, server, tool).await? else { return Ok(false) };
    let listed = row::tool(&row)?;
    let texts = (optional(&row, "accepted_definition")?, optional(&row, "definition")?);
    let difference = texts.0.zip(texts.1).and_then(|(old, new)| difference(&old, &new));
    let may = difference.is_some_and(|difference| difference.is_within(&listed.tool.varies));
    if may {
        accept(tx, server, tool, listed.accepted, &listed.definition).await?;
    }
    Ok(may)
}

/// How the definition that a call's client was shown differs from what was accepted, and how it describes the tool.
pub async fn drift_of_call(
    tx: &mut Tx,
    server: &str,
    tool: &str,
    shown: Option<&Digest>,
) -> Result<(Option<ToolDrift>, Option<String>), StoreError> {
    let Some(row) = row(tx, server, tool).await? else { return Ok((None, None)) };
    let listed = row::tool(&row)?;
    let drift = row::drift(&row, &listed, shown.unwrap_or(&listed.definition))?;
    Ok((drift, description(&row, &listed, shown)?))
}

/// The description of the definition that a client was shown, where it is kept; what another agent was shown is not
/// put under its call. A client that was shown none gets the accepted one.
fn description(row: &Row, listed: &Listed, shown: Option<&Digest>) -> Result<Option<String>, StoreError> {
    let accepted = optional(row, "accepted_definition")?;
    let in_sight = match shown {
        Some(shown) => *shown == listed.definition,
        None => listed.tool.drift.is_none() || accepted.is_none(),
    };
    if in_sight {
        return Ok(listed.tool.description.clone());
    }
    let fits = |text: &String| shown.is_none_or(|shown| *shown == call::definition(text));
    Ok(accepted.filter(fits).as_deref().and_then(described))
}

async fn row(tx: &mut Tx, server: &str, tool: &str) -> Result<Option<Row>, StoreError> {
    let found = sqlx::query("select * from tools where server = $1 and name = $2").bind(server).bind(tool);
    Ok(found.fetch_optional(tx.sql()).await?)
}

/// These definitions, and this one as the last of them.
pub(super) fn accepting(mut accepted: Vec<Digest>, definition: &Digest) -> Vec<Digest> {
    accepted.retain(|known| known != definition);
    accepted.push(definition.clone());
    let superfluous = accepted.len().saturating_sub(MAX_ACCEPTED);
    accepted.drain(..superfluous);
    accepted
}

/// The tool's present definition is one of the accepted, and the last of them.
async fn accept(
    tx: &mut Tx,
    server: &str,
    tool: &str,
    accepted: Vec<Digest>,
    definition: &Digest,
) -> Result<(), StoreError> {
    let accepted = accepting(accepted, definition);
    sqlx::query(
        "update tools set accepted = $3, accepted_definition = definition, drift_since = null, drift_by = null \
         where server = $1 and name = $2",
    )
    .bind(server)
    .bind(tool)
    .bind(json!(accepted).to_string())
    .execute(tx.sql())
    .await?;
    Ok(())
}

impl Servers {
    /// Accepts the definition of a tool that somebody looked at; connected shims have it within milliseconds.
    pub async fn accept_tool(
        &self,
        server: &str,
        tool: &str,
        looked_at: Digest,
        by: &Actor,
    ) -> Result<Tool, ChangeError> {
        let (hub, server, tool, by) = (self.clone(), server.to_owned(), tool.to_owned(), by.clone());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    admin(tx, &by).await?;
                    let row = row(tx, &server, &tool).await?;
                    let Some(listed) = row.as_ref().map(row::tool).transpose()? else {
                        return Err(ChangeError::NotFound(format!("tool {tool} on a server {server}")));
                    };
                    if looked_at != listed.definition {
                        return Err(ChangeError::Redefined(Box::new(listed.tool)));
                    }
                    if listed.tool.drift.is_some() {
                        accept(tx, &server, &tool, listed.accepted, &listed.definition).await?;
                        let detail = json!({ "tool": tool, "sha256": listed.definition });
                        record(tx, &by, "tool.accepted", &server, detail, hub.now()).await?;
                    }
                    Ok(Tool { drift: None, ..listed.tool })
                })
            })
            .await
    }
}
