//! Servers and tools as the shims reported them, and the policy people set on them.

use std::collections::BTreeMap;

use serde_json::json;

use super::Hub;
use super::accounts::admin;
use super::bus::Target;
use super::error::{Actor, ChangeError};
use super::model::{Policy, PolicyChange, Server, Tool, ToolChange};
use super::policies;
use super::store::{Entry, StoreError, Tx, rows};
use crate::core::policy::ServerPolicy;

/// The longest text an administrator may attach, in characters.
const MAX_REASON: usize = 1000;
const MAX_BYPASS: usize = 1000;

impl Hub {
    /// All servers, by name.
    pub async fn servers(&self) -> Result<Vec<Server>, StoreError> {
        let policies = sqlx::query("select * from servers order by name").fetch_all(self.0.store.read()).await?;
        let listed = sqlx::query("select * from tools order by server, name").fetch_all(self.0.store.read()).await?;
        let mut tools: BTreeMap<String, Vec<Tool>> = BTreeMap::new();
        for row in &listed {
            tools.entry(sqlx::Row::try_get(row, "server")?).or_default().push(rows::tool(row)?);
        }
        let sessions = self.0.store.bus().live().sessions();
        let of_row = |row| {
            let (name, policy) = rows::server(row)?;
            let tools = tools.remove(&name).unwrap_or_default();
            let sessions = sessions.get(&name).copied().unwrap_or(0);
            Ok(Server { name, policy: shown(&policy), tools, sessions })
        };
        policies.iter().map(of_row).collect()
    }

    /// One server.
    pub async fn server(&self, name: &str) -> Result<Option<Server>, StoreError> {
        let mut connection = self.0.store.read().acquire().await?;
        let Some(policy) = policies::server_policy(&mut connection, name).await? else {
            return Ok(None);
        };
        let tools = policies::tools(&mut connection, name).await?;
        let sessions = self.0.store.bus().live().sessions().get(name).copied().unwrap_or(0);
        Ok(Some(Server { name: name.to_owned(), policy: shown(&policy), tools, sessions }))
    }

    /// Changes a server's policy; connected shims have it within milliseconds.
    pub async fn change_policy(&self, server: &str, by: &Actor, change: PolicyChange) -> Result<Server, ChangeError> {
        check_policy(&change)?;
        let (hub, server, by) = (self.clone(), server.to_owned(), by.clone());
        let name = server.clone();
        self.write(move |tx| {
            Box::pin(async move {
                if let Err(refusal) = admin(tx, &by).await? {
                    return Ok(Err(refusal));
                }
                let Some(before) = policies::server_policy(tx.sql(), &server).await? else {
                    return Ok(Err(ChangeError::NotFound(format!("server {server}"))));
                };
                let after = changed(before.clone(), change);
                if after != before {
                    store_policy(tx, &server, &after).await?;
                    let detail = json!({ "before": shown(&before), "after": shown(&after) });
                    record(tx, &by, "policy.changed", &server, detail, hub.now()).await?;
                }
                Ok(Ok(()))
            })
        })
        .await??;
        self.server(&name).await?.ok_or_else(|| ChangeError::NotFound(format!("server {name}")))
    }

    /// Changes a tool's policy; connected shims have it within milliseconds.
    pub async fn change_tool(
        &self,
        server: &str,
        tool: &str,
        by: &Actor,
        change: ToolChange,
    ) -> Result<Tool, ChangeError> {
        if let Some(Some(reason)) = &change.reason {
            check_words(reason)?;
        }
        let (hub, server, tool, by) = (self.clone(), server.to_owned(), tool.to_owned(), by.clone());
        self.write(move |tx| {
            Box::pin(async move {
                if let Err(refusal) = admin(tx, &by).await? {
                    return Ok(Err(refusal));
                }
                let Some(after) = store_tool(tx, &server, &tool, &change).await? else {
                    return Ok(Err(ChangeError::NotFound(format!("tool {tool} on a server {server}"))));
                };
                let detail = json!({
                    "tool": tool, "hitl": after.hitl, "trust": after.trust, "trust_from": after.trust_from,
                    "reason": after.reason,
                });
                record(tx, &by, "tool.changed", &server, detail, hub.now()).await?;
                Ok(Ok(after))
            })
        })
        .await?
    }
}

fn check_words(words: &str) -> Result<(), ChangeError> {
    if words.chars().count() > MAX_REASON || words.contains('\0') {
        return Err(ChangeError::Invalid(format!("a reason has at most {MAX_REASON} characters")));
    }
    Ok(())
}

fn check_policy(change: &PolicyChange) -> Result<(), ChangeError> {
    if change.timeout_seconds.is_some_and(|seconds| !(5..=3600).contains(&seconds)) {
        return Err(ChangeError::Invalid("timeout_seconds is 5 to 3600".to_owned()));
    }
    if change.rules.as_ref().is_some_and(|rules| !rules.is_empty()) {
        return Err(ChangeError::Invalid("argument rules are not supported yet; rules must be empty".to_owned()));
    }
    if change.bypass.as_ref().is_some_and(|bypass| bypass.len() > MAX_BYPASS) {
        return Err(ChangeError::Invalid(format!("a bypass list has at most {MAX_BYPASS} agents")));
    }
    Ok(())
}

fn changed(before: ServerPolicy, change: PolicyChange) -> ServerPolicy {
    ServerPolicy {
        require_all: change.require_all.unwrap_or(before.require_all),
        threshold: change.threshold.unwrap_or(before.threshold),
        bypass: change.bypass.map_or(before.bypass, |bypass| bypass.into_iter().collect()),
        timeout_seconds: change.timeout_seconds.unwrap_or(before.timeout_seconds),
    }
}

fn shown(policy: &ServerPolicy) -> Policy {
    Policy {
        require_all: policy.require_all,
        threshold: policy.threshold,
        bypass: policy.bypass.iter().cloned().collect(),
        timeout_seconds: policy.timeout_seconds,
        rules: Vec::new(),
    }
}

async fn store_policy(tx: &mut Tx, server: &str, policy: &ServerPolicy) -> Result<(), StoreError> {
    sqlx::query(
        "update servers set require_all = $2, threshold = $3, bypass = $4, timeout_seconds = $5 where name = $1",
    )
    .bind(server)
    .bind(i64::from(policy.require_all))
    .bind(policy.threshold.map(|level| level.as_str().to_owned()))
    .bind(json!(policy.bypass).to_string())
    .bind(i64::from(policy.timeout_seconds))
    .execute(tx.sql())
    .await?;
    Ok(())
}

async fn store_tool(tx: &mut Tx, server: &str, tool: &str, change: &ToolChange) -> Result<Option<Tool>, StoreError> {
    // Each field comes with a flag that says whether it is to be written.
    let row = sqlx::query(
        "update tools set hitl = coalesce($3, hitl), \
         admin_trust = case when $4 = 1 then $5 else admin_trust end, \
         reason = case when $6 = 1 then $7 else reason end where server = $1 and name = $2 returning *",
    )
    .bind(server)
    .bind(tool)
    .bind(change.hitl.map(i64::from))
    .bind(i64::from(change.trust.is_some()))
    .bind(change.trust.flatten().map(|level| level.as_str().to_owned()))
    .bind(i64::from(change.reason.is_some()))
    .bind(change.reason.clone().flatten())
    .fetch_optional(tx.sql())
    .await?;
    row.as_ref().map(rows::tool).transpose()
}

async fn record(
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
