//! Agents: the identity behind a client, with a token for the shim's websocket and nothing else.

mod enrolment;
mod tokens;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use self::enrolment::Answers;
pub use self::enrolment::{Claims, Confirmation, Enrolled, Enrolment, GOOD_FOR_MS, Waiting};
pub use self::tokens::Bearer;
use crate::chance;
use crate::core::ids::{ClientId, hex};
use crate::core::trust::Level;
use crate::hub::approvals::end_all;
use crate::hub::clock::Clock;
use crate::hub::error::ChangeError;
use crate::hub::model::Agent;
use crate::hub::store::{Entry, Store, StoreError, Target, Tx, Word, rows};
use crate::hub::who::{Actor, CLIENT_ID_PREFIX, admin, check_alike, check_limits, check_name};

/// The reason on what a revoked agent had open.
const REVOKED: &str = "the agent was revoked";

/// The room of agents; clones are the same.
#[derive(Clone)]
pub struct Agents {
    store: Store,
    clock: Clock,
    answers: Answers,
}

/// The fields of `PUT /agents/{client_id}`; those left out stay as they are.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentChange {
    /// A new name.
    pub name: Option<String>,
    /// The person it works for; `null` clears it.
    #[serde(default, deserialize_with = "crate::hub::model::present")]
    pub user: Option<Option<String>>,
    /// Limits per server; replaces all of them.
    pub trust: Option<BTreeMap<String, Level>>,
    /// The only servers it may stand in front of; `null` is all.
    #[serde(default, deserialize_with = "crate::hub::model::present")]
    pub servers: Option<Option<Vec<String>>>,
}

impl Agents {
    /// The agents of a store.
    pub(super) fn new(store: Store, clock: Clock) -> Self {
        let answers = Answers::default();
        store.bus().hear({
            let answers = answers.clone();
            move |word| {
                if *word == Word::Enrolment {
                    answers.wake();
                }
            }
        });
        Self { store, clock, answers }
    }

    fn now(&self) -> i64 {
        self.clock.now()
    }

    /// All agents that are not revoked, by name.
    pub async fn agents(&self) -> Result<Vec<Agent>, StoreError> {
        let found = sqlx::query("select * from agents where revoked_at is null order by name")
            .fetch_all(self.store.read())
            .await?;
        found.iter().map(rows::agent).collect()
    }

    /// One agent that is not revoked, by client id or name.
    pub async fn agent(&self, name: &str) -> Result<Option<Agent>, StoreError> {
        let row = sqlx::query("select * from agents where revoked_at is null and $1 in (client_id, name)")
            .bind(name)
            .fetch_optional(self.store.read())
            .await?;
        row.as_ref().map(rows::agent).transpose()
    }

    /// Adds an agent; the token, `hitl_a_…`, is never shown again.
    pub async fn add_agent(&self, name: &str, user: Option<&str>, by: &Actor) -> Result<(Agent, String), ChangeError> {
        check_name(name)?;
        if let Some(user) = user {
            check_name(user)?;
        }
        let (token, hash) = tokens::make(&self.store).await?;
        let client_id = new_client_id()?;
        let (hub, name, user, by) = (self.clone(), name.to_owned(), user.map(str::to_owned), by.clone());
        let agent = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    admin(tx, &by).await?;
                    added(tx, &client_id, &name, user, &hash, &by, hub.now()).await
                })
            })
            .await?;
        Ok((agent, token))
    }

    /// Changes name, user or trust; connected shims have the new policy within milliseconds.
    pub async fn change_agent(&self, id: &ClientId, change: AgentChange, by: &Actor) -> Result<Agent, ChangeError> {
        for name in change.name.iter().chain(change.user.iter().flatten()) {
            check_name(name)?;
        }
        check_limits(change.trust.iter().flat_map(BTreeMap::keys))?;
        check_limits(change.servers.iter().flatten().flatten())?;
        let (hub, id, by) = (self.clone(), id.clone(), by.clone());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    admin(tx, &by).await?;
                    let Some(before) = find(tx, id.as_str()).await?.filter(|agent| agent.client_id == id) else {
                        return Err(ChangeError::NotFound(format!("agent {id}")));
                    };
                    let name = change.name.unwrap_or_else(|| before.name.clone());
                    if name != before.name {
                        if is_taken(tx, &name).await? {
                            return Err(taken(&name));
                        }
                        check_alike(&name, "agent", names_beside(tx, &id).await?)?;
                    }
                    let user = change.user.unwrap_or_else(|| before.user.clone());
                    let trust = change.trust.unwrap_or_else(|| before.trust.clone());
                    let servers = change.servers.unwrap_or_else(|| before.servers.clone());
                    changed(tx, Agent { name, user, trust, servers, ..before }, &by, hub.now()).await
                })
            })
            .await
    }

    /// Ends an agent, by client id or name: its sessions are cut and its pending approvals cancelled at once.
    pub async fn revoke_agent(&self, name: &str, by: &Actor) -> Result<Agent, ChangeError> {
        let (hub, name, by) = (self.clone(), name.to_owned(), by.clone());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    admin(tx, &by).await?;
                    let Some(agent) = find(tx, &name).await? else {
                        return Err(ChangeError::NotFound(format!("agent {name}")));
                    };
                    let (now, id) = (hub.now(), agent.client_id.clone());
                    sqlx::query("update agents set revoked_at = $2 where client_id = $1")
                        .bind(id.as_str())
                        .bind(now)
                        .execute(tx.sql())
                        .await?;
                    end_all(tx, &id, None, REVOKED, now).await?;
                    let detail = json!({ "name": agent.name });
                    record(tx, &by, "agent.revoked", &id, detail, Target::Revoked(id.clone()), now).await?;
                    Ok(agent)
                })
            })
            .await
    }
}

fn new_client_id() -> Result<ClientId, StoreError> {
    Ok(ClientId(format!("{CLIENT_ID_PREFIX}{}", hex(&chance::bytes::<8>()?))))
}

fn taken(name: &str) -> ChangeError {
    ChangeError::Conflict(format!("there is already an agent {name}"))
}

async fn is_taken(tx: &mut Tx, name: &str) -> Result<bool, StoreError> {
    Ok(find(tx, name).await?.is_some())
}

/// The names of the agents that there are beside this one.
async fn names_beside(tx: &mut Tx, id: &ClientId) -> Result<Vec<String>, StoreError> {
    let names = "select name from agents where revoked_at is null and client_id <> $1 order by created_at, client_id";
    Ok(sqlx::query_scalar(names).bind(id.as_str()).fetch_all(tx.sql()).await?)
}

async fn find(tx: &mut Tx, name: &str) -> Result<Option<Agent>, StoreError> {
    let row = sqlx::query("select * from agents where revoked_at is null and $1 in (client_id, name)")
        .bind(name)
        .fetch_optional(tx.sql())
        .await?;
    row.as_ref().map(rows::agent).transpose()
}

/// A new agent, if its name is free, and its record.
async fn added(
    tx: &mut Tx,
    id: &ClientId,
    name: &str,
    user: Option<String>,
    hash: &str,
    by: &Actor,
    now: i64,
) -> Result<Agent, ChangeError> {
    if is_taken(tx, name).await? {
        return Err(taken(name));
    }
    check_alike(name, "agent", names_beside(tx, id).await?)?;
    let agent = insert(tx, id, name, user, hash, now).await?;
    let detail = json!({ "name": agent.name, "user": agent.user });
    record(tx, by, "agent.added", id, detail, Target::Pages, now).await?;
    Ok(agent)
}

/// An agent as it is from now on, and the record of it.
async fn changed(tx: &mut Tx, agent: Agent, by: &Actor, now: i64) -> Result<Agent, ChangeError> {
    update(tx, &agent).await?;
    let detail = json!({ "name": agent.name, "user": agent.user, "trust": agent.trust, "servers": agent.servers });
    let (id, target) = (&agent.client_id, Target::Agent(agent.client_id.clone()));
    record(tx, by, "agent.changed", id, detail, target, now).await?;
    Ok(agent)
}

async fn insert(
    tx: &mut Tx,
    id: &ClientId,
    name: &str,
    user: Option<String>,
    hash: &str,
    now: i64,
) -> Result<Agent, StoreError> {
    let row = sqlx::query(
        "insert into agents (client_id, name, user_name, trust, token_hash, created_at) \
         values ($1, $2, $3, '{}', $4, $5) returning *",
    )
    .bind(id.as_str())
    .bind(name)
    .bind(user)
    .bind(hash)
    .bind(now)
    .fetch_one(tx.sql())
    .await?;
    rows::agent(&row)
}

async fn update(tx: &mut Tx, agent: &Agent) -> Result<(), StoreError> {
    sqlx::query("update agents set name = $2, user_name = $3, trust = $4, servers = $5 where client_id = $1")
        .bind(agent.client_id.as_str())
        .bind(agent.name.as_str())
        .bind(agent.user.clone())
        .bind(json!(agent.trust).to_string())
        .bind(agent.servers.as_ref().map(|servers| json!(servers).to_string()))
        .execute(tx.sql())
        .await?;
    Ok(())
}

async fn record(
    tx: &mut Tx,
    by: &Actor,
    action: &'static str,
    id: &ClientId,
    detail: serde_json::Value,
    target: Target,
    at: i64,
) -> Result<(), StoreError> {
    tx.audit(Entry { at, actor: by.name(), action, subject: id.as_str(), detail }, target).await?;
    Ok(())
}
