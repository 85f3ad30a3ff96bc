//! What policy needs from the store, read in one go: an agent, its person's ceiling, a server and its tools.

use std::collections::BTreeMap;

use sqlx::{AnyConnection, Row as _};

use super::Hub;
use super::model::Tool;
use super::store::{StoreError, rows};
use crate::core::ids::ClientId;
use crate::core::policy::{self, Caller, ServerPolicy, Table};
use crate::core::trust::Level;

/// Everything a verdict depends on.
pub(in crate::hub) struct Rules {
    pub(in crate::hub) caller: Caller,
    pub(in crate::hub) agent_name: String,
    pub(in crate::hub) user: Option<String>,
    pub(in crate::hub) policy: ServerPolicy,
    pub(in crate::hub) tools: Vec<policy::Tool>,
}

impl Hub {
    /// The table of one agent on one server; `None` when the agent is revoked.
    pub(in crate::hub) async fn table(&self, agent: &ClientId, server: &str) -> Result<Option<Table>, StoreError> {
        let mut connection = self.0.store.read().acquire().await?;
        let rules = rules(&mut connection, agent, server).await?;
        Ok(rules.map(|rules| Table::of(&rules.caller, &rules.policy, &rules.tools)))
    }
}

/// The rules for one agent on one server; `None` when the agent is revoked or the server unknown.
pub(in crate::hub) async fn rules(
    connection: &mut AnyConnection,
    agent: &ClientId,
    server: &str,
) -> Result<Option<Rules>, StoreError> {
    let found = sqlx::query(
        "select agents.name, agents.user_name, agents.trust, users.ceilings from agents \
         left join users on users.name = agents.user_name where agents.client_id = $1 and agents.revoked_at is null",
    )
    .bind(agent.as_str())
    .fetch_optional(&mut *connection)
    .await?;
    let (Some(row), Some(policy)) = (found, server_policy(connection, server).await?) else {
        return Ok(None);
    };
    let caller = Caller {
        client_id: agent.clone(),
        agent_trust: limit(Some(row.try_get("trust")?), server)?,
        user_ceiling: limit(row.try_get("ceilings")?, server)?,
    };
    let tools = tools(connection, server).await?.iter().map(known).collect();
    Ok(Some(Rules { caller, agent_name: row.try_get("name")?, user: row.try_get("user_name")?, policy, tools }))
}

fn limit(json: Option<String>, server: &str) -> Result<Level, StoreError> {
    let Some(json) = json else { return Ok(Level::High) };
    let limits: BTreeMap<String, Level> =
        serde_json::from_str(&json).map_err(|_| StoreError::Failed("a row holds no valid limits".to_owned()))?;
    Ok(limits.get(server).copied().unwrap_or(Level::High))
}

fn known(tool: &Tool) -> policy::Tool {
    policy::Tool {
        name: tool.name.clone(),
        trust: tool.trust,
        trust_from: tool.trust_from,
        hitl: tool.hitl,
        reason: tool.reason.clone(),
    }
}

/// A server's policy.
pub(super) async fn server_policy(
    connection: &mut AnyConnection,
    server: &str,
) -> Result<Option<ServerPolicy>, StoreError> {
    let row = sqlx::query("select * from servers where name = $1").bind(server).fetch_optional(connection).await?;
    Ok(row.as_ref().map(rows::server).transpose()?.map(|(_, policy)| policy))
}

/// A server's tools, by name.
pub(super) async fn tools(connection: &mut AnyConnection, server: &str) -> Result<Vec<Tool>, StoreError> {
    let found =
        sqlx::query("select * from tools where server = $1 order by name").bind(server).fetch_all(connection).await?;
    found.iter().map(rows::tool).collect()
}
