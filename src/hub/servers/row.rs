//! Rows of servers, of their tools and of their bypasses as values.

use std::collections::BTreeSet;

use serde_json::json as to_json;
use sqlx::AssertSqlSafe;

use crate::core::differing::{Difference, difference};
use crate::core::ids::{ClientId, Digest};
use crate::core::trust::{self, Level, Source};
use crate::core::weigh::{self, Drift, ServerPolicy};
use crate::hub::model::{Bypass, Tool, ToolDrift};
use crate::hub::servers::definition::Seen;
use crate::hub::store::rows::{Row, json, named, number, optional, optional_number, text, unreadable};
use crate::hub::store::{Connection, StoreError, Tx, pieces, places};
use crate::hub::who::Shim;

/// A row of `servers`: its name and policy, without the bypass list, which is in rows of its own.
pub(super) fn server(row: &Row) -> Result<(String, ServerPolicy), StoreError> {
    let threshold = optional(row, "threshold")?;
    let policy = ServerPolicy {
        require_all: number(row, "require_all")? != 0,
        threshold: threshold.map(|name| named(&name, "threshold", Level::from_name)).transpose()?,
        bypass: BTreeSet::new(),
        timeout_seconds: u32::try_from(number(row, "timeout_seconds")?).map_err(|_| unreadable("timeout"))?,
        gate_changed_tools: optional_number(row, "gate_changed_tools")?.map(|on| on != 0),
        // What cannot be read is in force all the same, as doubt about every call (`rules::Rules::broken`).
        rules: serde_json::from_str(&text(row, "rules")?).unwrap_or_default(),
    };
    Ok((text(row, "name")?, policy))
}

/// The command line in a row of `servers`; one that cannot be read is not shown.
pub(super) fn command(row: &Row) -> Result<Vec<String>, StoreError> {
    Ok(serde_json::from_str(&text(row, "command")?).unwrap_or_default())
}

/// A row of `bypasses`, as it counts at this time.
pub(super) fn bypass(row: &Row, now: i64) -> Result<Bypass, StoreError> {
    let expires_at = optional_number(row, "expires_at")?;
    Ok(Bypass {
        client_id: ClientId(text(row, "client_id")?),
        added_by: text(row, "added_by")?,
        added_at: number(row, "added_at")?,
        reason: optional(row, "reason")?,
        expires_at,
        expired: expires_at.is_some_and(|at| at <= now),
        last_used_at: optional_number(row, "last_used_at")?,
    })
}

/// A tool with the digests that tell whether its definition is an accepted one.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) tool: Tool,
    pub(super) accepted: Vec<Digest>,
    pub(super) definition: Digest,
}

impl Listed {
    /// How this definition differs from what was accepted.
    pub(super) fn drift(&self, definition: &Digest) -> Option<Drift> {
        drift_from(&self.accepted, definition)
    }
}

/// How a definition differs from those that were accepted.
pub(super) fn drift_from(accepted: &[Digest], definition: &Digest) -> Option<Drift> {
    match accepted {
        [] => Some(Drift::New),
        accepted if accepted.contains(definition) => None,
        _ => Some(Drift::Changed),
    }
}

/// The digests in `tools.accepted`.
pub(super) fn accepted(text: &str) -> Result<Vec<Digest>, StoreError> {
    json(text, "accepted definitions")
}

/// A row of `tools`, as policy sees it.
pub(super) fn weighed(row: &Row) -> Result<weigh::Tool, StoreError> {
    let name = text(row, "name")?;
    let (trust, trust_from) = level(row, &name)?;
    let accepted = accepted(&text(row, "accepted")?)?;
    let drift = drift_from(&accepted, &Digest(text(row, "definition_sha256")?));
    let (hitl, reason) = (number(row, "hitl")? != 0, optional(row, "reason")?);
    Ok(weigh::Tool { name, trust, trust_from, hitl, reason, drift, accepted })
}

/// The level that a tool demands, and where that comes from.
fn level(row: &Row, tool: &str) -> Result<(Level, Source), StoreError> {
    let admin = optional(row, "admin_trust")?;
    let admin = admin.map(|name| named(&name, "trust", Level::from_name)).transpose()?;
    Ok(trust::of_tool(tool, number(row, "destructive")? != 0, admin))
}

/// A row of `tools`.
pub(super) fn tool(row: &Row) -> Result<Listed, StoreError> {
    let name = text(row, "name")?;
    let (trust, trust_from) = level(row, &name)?;
    let tool = Tool {
        name,
        description: optional(row, "description")?,
        trust,
        trust_from,
        hitl: number(row, "hitl")? != 0,
        reason: optional(row, "reason")?,
        annotations: optional(row, "annotations")?.map(|raw| json(&raw, "annotations")).transpose()?,
        drift: None,
        varies: json(&text(row, "varies")?, "list of members")?,
        comes_to: None,
        usage: None,
    };
    let accepted = accepted(&text(row, "accepted")?)?;
    let mut listed = Listed { tool, accepted, definition: Digest(text(row, "definition_sha256")?) };
    listed.tool.drift = drift(row, &listed, &listed.definition)?;
    Ok(listed)
}

/// How this definition of the tool in a row of `tools` differs from what was accepted, with both texts where they are
/// kept: of a definition that the server has listed otherwise since, only the digest is.
pub(super) fn drift(row: &Row, listed: &Listed, shown: &Digest) -> Result<Option<ToolDrift>, StoreError> {
    let Some(kind) = listed.drift(shown) else { return Ok(None) };
    let new = if *shown == listed.definition { optional(row, "definition")? } else { None };
    let old = optional(row, "accepted_definition")?;
    let Difference { members, is_order } =
        old.as_ref().zip(new.as_ref()).and_then(|(old, new)| difference(old, new)).unwrap_or_default();
    Ok(Some(ToolDrift {
        kind,
        since: optional_number(row, "drift_since")?.unwrap_or_default(),
        sha256: shown.clone(),
        old,
        new,
        differs: members,
        flaps: is_order,
    }))
}

/// A tool as it is written.
pub(super) struct Kept<'s> {
    pub(super) tool: &'s Seen,
    pub(super) accepted: Vec<Digest>,
    /// Since when and by whose word its definition waits to be accepted; `None`: it is.
    pub(super) waits: Option<(i64, Option<String>)>,
}

/// What is kept of the definitions of these tools, as far as there are any: of the one that was accepted, the text only
/// where another one may differ from it.
pub(super) async fn of_names(
    connection: &mut Connection,
    server: &str,
    tools: &[Seen],
) -> Result<Vec<Row>, StoreError> {
    let mut found = Vec::new();
    for piece in pieces(tools) {
        let sql = format!(
            "select name, definition_sha256, accepted, drift_by, varies, \
             case when varies <> '[]' then accepted_definition end as accepted_definition \
             from tools where server = $1 and name in {}",
            places(2, piece.len())
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(server);
        let query = piece.iter().fold(query, |query, tool| query.bind(tool.name.as_str()));
        found.extend(query.fetch_all(&mut *connection).await?);
    }
    Ok(found)
}

const COLUMNS: [&str; 14] = [
    "server",
    "name",
    "description",
    "annotations",
    "destructive",
    "definition_sha256",
    "definition",
    "hitl",
    "first_seen",
    "added_by",
    "accepted",
    "accepted_definition",
    "drift_since",
    "drift_by",
];
// Once called destructive, always: a second shim of the same name must not talk a tool's level down.
const OTHERWISE: &str = "on conflict (server, name) do update set description = excluded.description, \
     annotations = excluded.annotations, definition_sha256 = excluded.definition_sha256, \
     definition = excluded.definition, \
     destructive = case when tools.destructive = 1 then 1 else excluded.destructive end, \
     accepted = excluded.accepted, accepted_definition = coalesce(excluded.accepted_definition, tools.accepted_definition), \
     drift_since = excluded.drift_since, drift_by = excluded.drift_by";

/// Writes tools as this agent reports them.
pub(super) async fn write(tx: &mut Tx, shim: &Shim, kept: &[Kept<'_>], now: i64) -> Result<(), StoreError> {
    for piece in pieces(kept) {
        let sql = format!("{} {OTHERWISE}", tx.insert_many("tools", &COLUMNS, piece.len()));
        let mut insert = sqlx::query(AssertSqlSafe(sql));
        for Kept { tool, accepted, waits } in piece {
            let (since, by) = waits.clone().unzip();
            insert = insert
                .bind(shim.server.as_str())
                .bind(tool.name.as_str())
                .bind(tool.description.clone())
                .bind(tool.annotations.clone())
                .bind(i64::from(tool.destructive))
                .bind(tool.digest.as_str())
                .bind(tool.text.as_str())
                .bind(0_i64)
                .bind(now)
                .bind(shim.client_id.as_str())
                .bind(to_json!(accepted).to_string())
                .bind(waits.is_none().then_some(tool.text.as_str()))
                .bind(since)
                .bind(by.flatten());
        }
        insert.execute(tx.sql()).await?;
    }
    Ok(())
}
