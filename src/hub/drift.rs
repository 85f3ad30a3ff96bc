//! Tools whose definition nobody accepted: new ones, and those that changed after they were seen first.
//!
//! The first complete list of a server is what everything later is compared with. A definition that was accepted once
//! stays accepted, so that two versions of a server can live side by side.

use serde_json::json;
use sqlx::any::AnyRow;

use super::Hub;
use super::accounts::admin;
use super::error::{Actor, ChangeError};
use super::model::{Tool, ToolDrift};
use super::servers::record;
use super::store::{StoreError, Tx, rows};
use crate::core::ids::Digest;

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
    pub(super) async fn of(tx: &mut Tx, server: &str, now: i64) -> Result<Self, StoreError> {
        let open: Option<i64> = sqlx::query_scalar(
            "select 1 from servers where name = $1 and listed_at is null and not exists \
             (select 1 from tools where tools.server = $1 and tools.first_seen < $2)",
        )
        .bind(server)
        .bind(now - FIRST_LIST_MS)
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

/// A tool has this definition now: accepts it, or notes since when it waits to be.
pub(super) async fn compare(
    tx: &mut Tx,
    server: &str,
    tool: &str,
    definition: &Digest,
    baseline: Baseline,
    now: i64,
) -> Result<(), StoreError> {
    let Some(accepted) = accepted(tx, server, tool).await? else { return Ok(()) };
    if baseline == Baseline::Open || accepted.contains(definition) {
        return accept(tx, server, tool, accepted, definition).await;
    }
    sqlx::query("update tools set drift_since = $3 where server = $1 and name = $2")
        .bind(server)
        .bind(tool)
        .bind(now)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// How the definition that a call's client was shown differs from what was accepted.
pub(super) async fn of_call(
    tx: &mut Tx,
    server: &str,
    tool: &str,
    shown: Option<&Digest>,
) -> Result<Option<ToolDrift>, StoreError> {
    let row = row(tx, server, tool).await?;
    let Some(row) = row else { return Ok(None) };
    let listed = rows::tool(&row)?;
    rows::drift(&row, &listed, shown.unwrap_or(&listed.definition))
}

async fn row(tx: &mut Tx, server: &str, tool: &str) -> Result<Option<AnyRow>, StoreError> {
    let found = sqlx::query("select * from tools where server = $1 and name = $2").bind(server).bind(tool);
    Ok(found.fetch_optional(tx.sql()).await?)
}

async fn accepted(tx: &mut Tx, server: &str, tool: &str) -> Result<Option<Vec<Digest>>, StoreError> {
    let row = row(tx, server, tool).await?;
    Ok(row.as_ref().map(rows::tool).transpose()?.map(|listed| listed.accepted))
}

/// The tool's present definition is one of the accepted, and the last of them.
async fn accept(
    tx: &mut Tx,
    server: &str,
    tool: &str,
    mut accepted: Vec<Digest>,
    definition: &Digest,
) -> Result<(), StoreError> {
    accepted.retain(|known| known != definition);
    accepted.push(definition.clone());
    let superfluous = accepted.len().saturating_sub(MAX_ACCEPTED);
    accepted.drain(..superfluous);
    sqlx::query(
        "update tools set accepted = $3, accepted_definition = definition, drift_since = null \
         where server = $1 and name = $2",
    )
    .bind(server)
    .bind(tool)
    .bind(json!(accepted).to_string())
    .execute(tx.sql())
    .await?;
    Ok(())
}

impl Hub {
    /// Accepts a tool's definition; connected shims have it within milliseconds. With a digest, only that one.
    pub async fn accept_tool(
        &self,
        server: &str,
        tool: &str,
        seen: Option<Digest>,
        by: &Actor,
    ) -> Result<Tool, ChangeError> {
        let (hub, server, tool, by) = (self.clone(), server.to_owned(), tool.to_owned(), by.clone());
        self.write(move |tx| {
            Box::pin(async move {
                if let Err(refusal) = admin(tx, &by).await? {
                    return Ok(Err(refusal));
                }
                let row = row(tx, &server, &tool).await?;
                let Some(listed) = row.as_ref().map(rows::tool).transpose()? else {
                    return Ok(Err(ChangeError::NotFound(format!("tool {tool} on a server {server}"))));
                };
                if seen.is_some_and(|seen| seen != listed.definition) {
                    let why = "the definition has changed again; look at the new one before you accept it";
                    return Ok(Err(ChangeError::Conflict(why.to_owned())));
                }
                if listed.tool.drift.is_some() {
                    accept(tx, &server, &tool, listed.accepted, &listed.definition).await?;
                    let detail = json!({ "tool": tool, "sha256": listed.definition });
                    record(tx, &by, "tool.accepted", &server, detail, hub.now()).await?;
                }
                Ok(Ok(Tool { drift: None, ..listed.tool }))
            })
        })
        .await?
    }
}
