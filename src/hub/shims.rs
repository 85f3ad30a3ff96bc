//! What a shim tells of itself: its server, the tools it saw, the calls it let through.
//!
//! All of it is a claim. A claim may raise a tool's level and never lowers one.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::Hub;
use super::activity;
use super::bus::Target;
use super::bypasses;
use super::drift::{self, Baseline};
use super::holds::Shim;
use super::store::{Entry, StoreError, Tx};
use crate::core::gate::messages::{Activity, ToolDefinition, Tools};
use crate::core::ids::Digest;
use crate::core::policy::Verdict;
use crate::core::trust::Level;
use crate::core::weigh::ServerPolicy;

/// How many servers there may be; agents name them, so there must be an end.
const MAX_SERVERS: i64 = 1000;
/// How many tools of one server are kept.
const MAX_TOOLS: usize = 2000;
/// The longest tool name kept, in characters.
const MAX_NAME: usize = 256;
/// The longest description or hints kept, in characters.
const MAX_TEXT: usize = 4096;
/// The longest definition kept, in characters; its digest is of all of it.
const MAX_DEFINITION: usize = 16_384;
/// How many calls of one message are kept.
const MAX_CALLS: usize = 4096;

impl Hub {
    /// Notes that a shim with this agent's token is there, and makes its server known. `false`: there are too many.
    pub(in crate::hub) async fn meet(&self, shim: &Shim, command: &[String]) -> Result<bool, StoreError> {
        let (clock, threshold) = (self.0.clock.clone(), self.0.new_server_threshold);
        let (shim, command) = (shim.clone(), json!(command).to_string());
        self.write(move |tx| {
            Box::pin(async move {
                let now = clock.now();
                sqlx::query("update agents set last_seen = $2 where client_id = $1")
                    .bind(shim.client_id.as_str())
                    .bind(now)
                    .execute(tx.sql())
                    .await?;
                let known = sqlx::query("update servers set command = $2 where name = $1")
                    .bind(shim.server.as_str())
                    .bind(command.as_str())
                    .execute(tx.sql())
                    .await?;
                if known.rows_affected() > 0 {
                    return Ok(true);
                }
                add_server(tx, &shim, &command, threshold, now).await
            })
        })
        .await
    }

    /// Keeps what the client's own `tools/list` showed.
    pub(in crate::hub) async fn learn(&self, shim: &Shim, tools: Tools) -> Result<(), StoreError> {
        let (clock, shim) = (self.0.clock.clone(), shim.clone());
        let seen: Vec<Seen> = tools.items.iter().filter_map(Seen::of).take(MAX_TOOLS).collect();
        self.write(move |tx| {
            Box::pin(async move {
                let now = clock.now();
                let baseline = Baseline::of(tx, &shim.server, now).await?;
                let changed = store_tools(tx, &shim.server, &seen, baseline, now).await?;
                if tools.complete {
                    drift::listed(tx, &shim.server, now).await?;
                }
                if !changed.is_empty() {
                    let detail = json!({ "tools": changed });
                    let actor = shim.client_id.as_str();
                    let entry = Entry { at: now, actor, action: "tools.changed", subject: &shim.server, detail };
                    tx.audit(entry, Target::Server(shim.server.clone())).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Appends calls to the activity log and drops its oldest where it is full.
    ///
    /// What the shim or we had to drop is counted in a row of its own, so that the log says where it has a hole.
    pub(in crate::hub) async fn log_calls(
        &self,
        shim: &Shim,
        calls: Vec<Activity>,
        dropped: u64,
    ) -> Result<(), StoreError> {
        let excess = u64::try_from(calls.len().saturating_sub(MAX_CALLS)).unwrap_or(u64::MAX);
        let dropped = i64::try_from(dropped.saturating_add(excess)).unwrap_or(i64::MAX);
        if calls.is_empty() && dropped == 0 {
            return Ok(());
        }
        let (clock, shim) = (self.0.clock.clone(), shim.clone());
        self.write(move |tx| {
            Box::pin(async move {
                if calls.iter().any(|call| call.bypass) {
                    bypasses::used(tx, &shim.server, &shim.client_id, clock.now()).await?;
                }
                let last: i64 =
                    sqlx::query_scalar("select coalesce(max(id), 0) from activity").fetch_one(tx.sql()).await?;
                let mut id = last;
                for call in calls.into_iter().take(MAX_CALLS) {
                    id += 1;
                    log_call(tx, &shim, id, call, clock.now()).await?;
                }
                if dropped > 0 {
                    id += 1;
                    log_dropped(tx, &shim, id, dropped, clock.now()).await?;
                }
                activity::bound(tx, last, id).await
            })
        })
        .await
    }

    /// Records that a session that people can see began or ended.
    pub(in crate::hub) async fn note_session(&self, shim: &Shim, action: &'static str) -> Result<(), StoreError> {
        let (clock, shim) = (self.0.clock.clone(), shim.clone());
        self.write(move |tx| {
            Box::pin(async move {
                let detail = json!({ "client": shim.client, "user": shim.user, "instance": shim.instance });
                let (actor, subject) = (shim.client_id.as_str(), shim.server.as_str());
                tx.audit(Entry { at: clock.now(), actor, action, subject, detail }, Target::Pages).await?;
                Ok(())
            })
        })
        .await
    }
}

async fn add_server(
    tx: &mut Tx,
    shim: &Shim,
    command: &str,
    threshold: Option<Level>,
    now: i64,
) -> Result<bool, StoreError> {
    let count: i64 = sqlx::query_scalar("select count(*) from servers").fetch_one(tx.sql()).await?;
    if count >= MAX_SERVERS {
        return Ok(false);
    }
    let policy = ServerPolicy::of_new_server(threshold);
    sqlx::query(
        "insert into servers (name, require_all, threshold, timeout_seconds, command, first_seen) \
         values ($1, $2, $3, $4, $5, $6)",
    )
    .bind(shim.server.as_str())
    .bind(i64::from(policy.require_all))
    .bind(policy.threshold.map(|level| level.as_str().to_owned()))
    .bind(i64::from(policy.timeout_seconds))
    .bind(command)
    .bind(now)
    .execute(tx.sql())
    .await?;
    let detail = json!({ "threshold": policy.threshold });
    let (actor, subject) = (shim.client_id.as_str(), shim.server.as_str());
    tx.audit(Entry { at: now, actor, action: "server.added", subject, detail }, Target::Pages).await?;
    Ok(true)
}

/// One tool as a shim saw it, cut to what is kept.
struct Seen {
    name: String,
    description: Option<String>,
    annotations: Option<String>,
    destructive: bool,
    /// The raw text, cut to what is kept for people to compare.
    text: String,
    digest: Digest,
}

#[derive(Deserialize)]
struct Definition<'a> {
    name: String,
    #[serde(default)]
    description: Option<serde_json::Value>,
    #[serde(borrow, default)]
    annotations: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Hints {
    #[serde(default, rename = "destructiveHint")]
    destructive: Option<serde_json::Value>,
}

impl Seen {
    /// `None` for what is no definition of the tool it is said to be: it stays unlisted, and so is gated when in doubt.
    fn of(tool: &ToolDefinition) -> Option<Self> {
        let definition: Definition<'_> = serde_json::from_str(&tool.definition).ok()?;
        if definition.name != tool.name || tool.name.chars().count() > MAX_NAME || tool.name.contains('\0') {
            return None;
        }
        let hints = definition.annotations.map(RawValue::get).unwrap_or_default();
        let destructive = serde_json::from_str::<Hints>(hints).unwrap_or_default().destructive;
        let description = definition.description.as_ref().and_then(|text| text.as_str());
        Some(Self {
            name: tool.name.clone(),
            description: description.map(|text| text.chars().filter(|c| *c != '\0').take(MAX_TEXT).collect()),
            annotations: Some(hints.to_owned()).filter(|hints| !hints.is_empty() && hints.len() <= MAX_TEXT),
            destructive: destructive == Some(serde_json::Value::Bool(true)),
            text: tool.definition.chars().filter(|c| *c != '\0').take(MAX_DEFINITION).collect(),
            digest: Digest::of(tool.definition.as_bytes()),
        })
    }
}

/// Stores what is new or different; returns those tools' names.
async fn store_tools(
    tx: &mut Tx,
    server: &str,
    seen: &[Seen],
    baseline: Baseline,
    now: i64,
) -> Result<Vec<String>, StoreError> {
    let found = sqlx::query_as::<_, (String, String)>("select name, definition_sha256 from tools where server = $1")
        .bind(server)
        .fetch_all(tx.sql())
        .await?;
    let mut known: HashMap<String, String> = found.into_iter().collect();
    let mut changed = Vec::new();
    for tool in seen {
        let before = known.get(&tool.name);
        if before.is_some_and(|digest| digest == tool.digest.as_str()) || before.is_none() && known.len() >= MAX_TOOLS {
            continue;
        }
        store_tool(tx, server, tool, now).await?;
        drift::compare(tx, server, &tool.name, &tool.digest, baseline, now).await?;
        known.insert(tool.name.clone(), tool.digest.to_string());
        changed.push(tool.name.clone());
    }
    Ok(changed)
}

async fn store_tool(tx: &mut Tx, server: &str, tool: &Seen, now: i64) -> Result<(), StoreError> {
    // Once called destructive, always: a second shim of the same name must not talk a tool's level down.
    sqlx::query(
        "insert into tools (server, name, description, annotations, destructive, definition_sha256, definition, hitl, \
         first_seen) values ($1, $2, $3, $4, $5, $6, $7, 0, $8) on conflict (server, name) do update set \
         description = excluded.description, annotations = excluded.annotations, \
         definition_sha256 = excluded.definition_sha256, definition = excluded.definition, \
         destructive = case when tools.destructive = 1 then 1 else excluded.destructive end",
    )
    .bind(server)
    .bind(tool.name.as_str())
    .bind(tool.description.clone())
    .bind(tool.annotations.clone())
    .bind(i64::from(tool.destructive))
    .bind(tool.digest.as_str())
    .bind(tool.text.as_str())
    .bind(now)
    .execute(tx.sql())
    .await?;
    Ok(())
}

async fn log_dropped(tx: &mut Tx, shim: &Shim, id: i64, dropped: i64, now: i64) -> Result<(), StoreError> {
    sqlx::query(
        "insert into activity (id, at, client_id, agent_name, server, tool, verdict, dropped) \
         values ($1, $2, $3, $4, $5, '', 'dropped', $6)",
    )
    .bind(id)
    .bind(now)
    .bind(shim.client_id.as_str())
    .bind(shim.agent_name.as_str())
    .bind(shim.server.as_str())
    .bind(dropped)
    .execute(tx.sql())
    .await?;
    Ok(())
}

async fn log_call(tx: &mut Tx, shim: &Shim, id: i64, call: Activity, now: i64) -> Result<(), StoreError> {
    if call.running.is_some() && activity::end_running(tx, shim, &call).await? {
        return Ok(());
    }
    let verdict = if call.bypass && call.verdict == Verdict::Pass { "bypass" } else { call.verdict.as_str() };
    let age = i64::try_from(call.age_ms).unwrap_or(i64::MAX);
    sqlx::query(
        "insert into activity (id, at, client_id, agent_name, server, tool, verdict, arguments_sha256, approval, \
         outcome, duration_ms, instance, running) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    )
    .bind(id)
    .bind(now.saturating_sub(age).max(0))
    .bind(shim.client_id.as_str())
    .bind(shim.agent_name.as_str())
    .bind(shim.server.as_str())
    .bind(call.tool.chars().filter(|c| *c != '\0').take(MAX_NAME).collect::<String>())
    .bind(verdict)
    .bind(call.arguments_sha256.map(|digest| digest.to_string()))
    .bind(call.approval.map(|id| id.to_string()))
    .bind(call.outcome.map(|outcome| outcome.as_str().to_owned()))
    .bind(call.duration_ms.map(|ms| i64::try_from(ms).unwrap_or(i64::MAX)))
    .bind(call.running.map(|_| shim.instance.as_str().to_owned()))
    .bind(call.running.map(|number| i64::try_from(number).unwrap_or(i64::MAX)))
    .execute(tx.sql())
    .await?;
    Ok(())
}
