//! Servers and tools as the shims reported them, and the policy people set on them.

use std::collections::{BTreeMap, HashMap};

use serde_json::json;

use crate::core::ids::ClientId;
use crate::core::rules::{self, Rule, Rules};
use crate::core::weigh::{Caller, ServerPolicy};
use crate::hub::error::ChangeError;
use crate::hub::model::{Bypass, PolicyChange, Server, Tool, ToolChange, Usage};
use crate::hub::servers::policies::{self, shown};
use crate::hub::servers::record::record;
use crate::hub::servers::row::{self, Listed};
use crate::hub::servers::standing::{Basis, Shown};
use crate::hub::servers::{Servers, bypasses, drift};
use crate::hub::store::rows::{Row, text};
use crate::hub::store::{StoreError, Tx};
use crate::hub::who::{Actor, admin};

/// The longest text an administrator may attach, in characters.
const MAX_REASON: usize = 1000;
/// How many members of a tool's definition may vary.
const MAX_MEMBERS: usize = 20;

impl Servers {
    /// All servers, by name; without the definitions and the use of their tools.
    pub async fn servers(&self) -> Result<Vec<Server>, StoreError> {
        let found = sqlx::query("select * from servers order by name").fetch_all(self.store.read()).await?;
        let mut tools = by_server("select * from tools order by server, name", self, |row| {
            row::tool(row).map(|listed| brief(listed.tool))
        })
        .await?;
        let now = self.now();
        let entries = "select * from bypasses order by server, client_id";
        let mut entries = by_server(entries, self, |row| row::bypass(row, now)).await?;
        let sessions = self.sessions().await?;
        let of_row = |row| {
            let ((name, mut policy), command) = (row::server(row)?, row::command(row)?);
            let entries: Vec<Bypass> = entries.remove(&name).unwrap_or_default();
            policy.bypass = bypasses::in_force(&entries);
            let tools = tools.remove(&name).unwrap_or_default();
            let sessions = sessions.get(&name).copied().unwrap_or(0);
            Ok(Server { name, policy: shown(&policy, entries), tools, sessions, command })
        };
        found.iter().map(of_row).collect()
    }

    /// One server.
    pub async fn server(&self, name: &str) -> Result<Option<Server>, StoreError> {
        let mut connection = self.store.read().acquire().await?;
        let Some(kept) = self.kept(&mut connection, name, self.now()).await? else {
            return Ok(None);
        };
        let (listed, weighed) = policies::listed(&mut connection, name).await?;
        let (opinion, policy) = (self.unasked(), shown(&kept.policy, kept.entries.clone()));
        let nobody = Caller::unlimited(ClientId::from(""));
        let scales = Basis::of(kept, weighed).scales(nobody, false, &Shown::default());
        let row = sqlx::query("select command from servers where name = $1").bind(name);
        let command = row::command(&row.fetch_one(&mut *connection).await?)?;
        drop(connection);
        let mut usage = self.usage(name).await?;
        let tools = listed.into_iter().map(|Listed { mut tool, .. }| {
            tool.usage = Some(usage.remove(&tool.name).unwrap_or_default());
            tool.comes_to = Some(scales.foresee(&tool.name, &opinion));
            tool
        });
        let sessions = self.sessions().await?.get(name).copied().unwrap_or(0);
        Ok(Some(Server { name: name.to_owned(), policy, tools: tools.collect(), sessions, command }))
    }

    /// How many shown sessions each server has, at all hubs.
    async fn sessions(&self) -> Result<HashMap<String, u64>, StoreError> {
        let mut sessions = self.live.sessions();
        for (server, more) in self.store.sessions_elsewhere(self.now()).await? {
            *sessions.entry(server).or_default() += u64::try_from(more).unwrap_or_default();
        }
        Ok(sessions)
    }

    /// How much each tool of a server was used.
    async fn usage(&self, server: &str) -> Result<HashMap<String, Usage>, StoreError> {
        let calls: Vec<(String, i64, i64)> =
            sqlx::query_as("select tool, count(*), max(at) from activity where server = $1 group by tool")
                .bind(server)
                .fetch_all(self.store.read())
                .await?;
        let approvals: Vec<(String, i64)> =
            sqlx::query_as("select tool, count(*) from approvals where server = $1 group by tool")
                .bind(server)
                .fetch_all(self.store.read())
                .await?;
        let mut usage: HashMap<String, Usage> = HashMap::new();
        for (tool, calls, last) in calls {
            usage.insert(tool, Usage { calls, last_used: Some(last), approvals: 0 });
        }
        for (tool, approvals) in approvals {
            usage.entry(tool).or_default().approvals = approvals;
        }
        Ok(usage)
    }

    /// Changes a server's policy; connected shims have it within milliseconds.
    pub async fn change_policy(&self, server: &str, by: &Actor, change: PolicyChange) -> Result<Server, ChangeError> {
        let change = Checked::of(change, self.now())?;
        let (hub, server, by) = (self.clone(), server.to_owned(), by.clone());
        let name = server.clone();
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    admin(tx, &by).await?;
                    let now = hub.now();
                    let Some(before) = hub.kept(tx.sql(), &server, now).await? else {
                        return Err(ChangeError::NotFound(format!("server {server}")));
                    };
                    if let Some(wanted) = &change.bypass {
                        bypasses::store(tx, &server, &before.entries, wanted, by.name(), now).await?;
                    }
                    store_policy(tx, &server, &change.on(&before.policy)).await?;
                    let Some(after) = hub.kept(tx.sql(), &server, now).await? else {
                        return Err(ChangeError::NotFound(format!("server {server}")));
                    };
                    let (before, after) = (shown(&before.policy, before.entries), shown(&after.policy, after.entries));
                    if after != before {
                        let detail = json!({ "before": before, "after": after });
                        record(tx, &by, "policy.changed", &server, detail, now).await?;
                    }
                    Ok(())
                })
            })
            .await?;
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
        check_members(change.varies.as_deref().unwrap_or_default())?;
        let (hub, server, tool, by) = (self.clone(), server.to_owned(), tool.to_owned(), by.clone());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    admin(tx, &by).await?;
                    let Some(mut after) = store_tool(tx, &server, &tool, &change).await? else {
                        return Err(ChangeError::NotFound(format!("tool {tool} on a server {server}")));
                    };
                    if drift::settle(tx, &server, &tool).await? {
                        after.drift = None;
                    }
                    let detail = json!({
                        "tool": tool, "hitl": after.hitl, "trust": after.trust, "trust_from": after.trust_from,
                        "reason": after.reason, "varies": after.varies,
                    });
                    record(tx, &by, "tool.changed", &server, detail, hub.now()).await?;
                    Ok(after)
                })
            })
            .await
    }
}

fn check_words(words: &str) -> Result<(), ChangeError> {
    if words.chars().count() > MAX_REASON || words.contains('\0') {
        return Err(ChangeError::Invalid(format!("a reason has at most {MAX_REASON} characters")));
    }
    Ok(())
}

/// The name of a tool cannot vary, nor all of it.
fn check_members(members: &[String]) -> Result<(), ChangeError> {
    let fits = |member: &String| member.starts_with('/') && member != "/name" && member.len() <= MAX_REASON;
    if members.len() > MAX_MEMBERS || !members.iter().all(fits) {
        let why =
            format!("is a list of at most {MAX_MEMBERS} JSON pointers to members of the definition, not its name");
        return Err(ChangeError::Fault { place: "varies".to_owned(), why });
    }
    Ok(())
}

/// A change of policy that makes sense.
struct Checked {
    change: PolicyChange,
    rules: Option<Vec<Rule>>,
    bypass: Option<Vec<bypasses::Wanted>>,
}

impl Checked {
    fn of(change: PolicyChange, now: i64) -> Result<Self, ChangeError> {
        if change.timeout_seconds.is_some_and(|seconds| !(5..=3600).contains(&seconds)) {
            return Err(ChangeError::Fault { place: "timeout_seconds".to_owned(), why: "is 5 to 3600".to_owned() });
        }
        let rules = change.rules.as_deref().map(read_rules).transpose()?;
        let bypass = change.bypass.as_deref().map(|list| bypasses::read(list, now)).transpose()?;
        Ok(Self { change, rules, bypass })
    }

    fn on(self, before: &ServerPolicy) -> ServerPolicy {
        ServerPolicy {
            require_all: self.change.require_all.unwrap_or(before.require_all),
            threshold: self.change.threshold.unwrap_or(before.threshold),
            bypass: before.bypass.clone(),
            timeout_seconds: self.change.timeout_seconds.unwrap_or(before.timeout_seconds),
            gate_changed_tools: self.change.gate_changed_tools.unwrap_or(before.gate_changed_tools),
            rules: self.rules.unwrap_or_else(|| before.rules.clone()),
        }
    }
}

fn read_rules(rules: &[serde_json::Value]) -> Result<Vec<Rule>, ChangeError> {
    let rules = rules::read(rules)?;
    Rules::compile(&rules)?;
    Ok(rules)
}

/// Rows in groups, by their column `server`.
async fn by_server<T>(
    sql: &'static str,
    hub: &Servers,
    of_row: impl Fn(&Row) -> Result<T, StoreError>,
) -> Result<BTreeMap<String, Vec<T>>, StoreError> {
    let mut groups: BTreeMap<String, Vec<T>> = BTreeMap::new();
    for row in &sqlx::query(sql).fetch_all(hub.store.read()).await? {
        groups.entry(text(row, "server")?).or_default().push(of_row(row)?);
    }
    Ok(groups)
}

/// A tool without the texts of its definitions.
fn brief(mut tool: Tool) -> Tool {
    if let Some(drift) = &mut tool.drift {
        (drift.old, drift.new) = (None, None);
    }
    tool
}

async fn store_policy(tx: &mut Tx, server: &str, policy: &ServerPolicy) -> Result<(), StoreError> {
    sqlx::query(
        "update servers set require_all = $2, threshold = $3, timeout_seconds = $4, gate_changed_tools = $5, \
         rules = $6 where name = $1",
    )
    .bind(server)
    .bind(i64::from(policy.require_all))
    .bind(policy.threshold.map(|level| level.as_str().to_owned()))
    .bind(i64::from(policy.timeout_seconds))
    .bind(policy.gate_changed_tools.map(i64::from))
    .bind(json!(policy.rules).to_string())
    .execute(tx.sql())
    .await?;
    Ok(())
}

async fn store_tool(tx: &mut Tx, server: &str, tool: &str, change: &ToolChange) -> Result<Option<Tool>, StoreError> {
    // Each field comes with a flag that says whether it is to be written.
    let row = sqlx::query(
        "update tools set hitl = coalesce($3, hitl), \
         admin_trust = case when $4 = 1 then $5 else admin_trust end, \
         reason = case when $6 = 1 then $7 else reason end, varies = coalesce($8, varies) where server = $1 and name = $2 returning *",
    )
    .bind(server)
    .bind(tool)
    .bind(change.hitl.map(i64::from))
    .bind(i64::from(change.trust.is_some()))
    .bind(change.trust.flatten().map(|level| level.as_str().to_owned()))
    .bind(i64::from(change.reason.is_some()))
    .bind(change.reason.clone().flatten())
    .bind(change.varies.as_ref().map(|members| json!(members).to_string()))
    .fetch_optional(tx.sql())
    .await?;
    Ok(row.as_ref().map(row::tool).transpose()?.map(|listed| listed.tool))
}
