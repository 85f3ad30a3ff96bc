//! What policy needs from the store, read in one go: an agent, its person's ceiling, a server and its tools.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use sqlx::{AnyConnection, Row as _};

use crate::core::ids::{ClientId, Digest};
use crate::core::policy::Table;
use crate::core::rules::Rules;
use crate::core::trust::Level;
use crate::core::weigh::{self, Caller, Drift, Opinion, Scales, ServerPolicy};
use crate::hub::model::{Bypass, Policy, Tool};
use crate::hub::servers::definition::MAX_TOOLS_OF_ONE;
use crate::hub::servers::row::{self, Listed};
use crate::hub::servers::{Servers, bypasses};
use crate::hub::store::{StoreError, rows};

/// The definitions that a client was shown, by tool; what is left out counts as the store has it.
pub type Shown = HashMap<String, Digest>;

/// An agent on a server.
pub enum Standing {
    /// It may be there; this is what its calls are weighed on.
    In(Box<Subject>),
    /// Its token is not for this server.
    Elsewhere,
    /// It is revoked.
    Gone,
    /// There is no such server.
    Unknown,
}

/// Everything a verdict depends on, and whom it is about.
pub struct Subject {
    /// What a call is weighed on.
    pub scales: Scales,
    /// The agent's name.
    pub agent_name: String,
    /// The person it works for.
    pub user: Option<String>,
    /// When a bypass of this agent ends by itself.
    pub(super) until: Option<i64>,
}

/// A table for a shim.
pub enum Tabled {
    /// The table, and when it changes by itself.
    In(Table, Option<i64>),
    /// See [`Standing::Elsewhere`].
    Elsewhere,
    /// See [`Standing::Gone`].
    Gone,
    /// See [`Standing::Unknown`].
    Unknown,
}

/// Whom a question is about.
#[derive(Clone, Copy)]
pub struct Question<'q> {
    /// The agent.
    pub agent: &'q ClientId,
    /// The server.
    pub server: &'q str,
    /// What its client was shown.
    pub shown: &'q Shown,
    /// The time, in unix milliseconds.
    pub now: i64,
}

/// Rules made ready, kept until their text changes; a server has one set.
#[derive(Clone, Default)]
pub(super) struct ReadyRules(Arc<Mutex<Ready>>);

/// By server: the text, and the rules made of it.
type Ready = HashMap<String, (String, Arc<Rules>)>;

impl ReadyRules {
    /// The server is no more.
    pub(super) fn forget(&self, server: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(server);
    }

    fn of(&self, server: &str, text: &str) -> Arc<Rules> {
        let mut ready = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, rules)) = ready.get(server)
            && known == text
        {
            return Arc::clone(rules);
        }
        let read = serde_json::from_str::<Vec<_>>(text).ok().and_then(|rules| Rules::compile(&rules).ok());
        let rules = Arc::new(read.unwrap_or_else(|| {
            tracing::error!(server, "the argument rules in the store cannot be read; every call there is in doubt");
            Rules::broken()
        }));
        ready.insert(server.to_owned(), (text.to_owned(), Arc::clone(&rules)));
        rules
    }
}

impl Servers {
    /// The table of one agent on one server.
    pub async fn table(&self, agent: &ClientId, server: &str, shown: &Shown) -> Result<Tabled, StoreError> {
        let mut connection = self.store.read().acquire().await?;
        let question = Question { agent, server, shown, now: self.now() };
        let opinion = self.unasked();
        Ok(match self.standing(&mut connection, question).await? {
            Standing::In(subject) => Tabled::In(subject.scales.table(&opinion), subject.until),
            Standing::Elsewhere => Tabled::Elsewhere,
            Standing::Gone => Tabled::Gone,
            Standing::Unknown => Tabled::Unknown,
        })
    }

    /// The opinion before the external decision point was asked.
    pub(super) fn unasked(&self) -> Opinion {
        if self.decision_point.is_some() { Opinion::Unasked } else { Opinion::None }
    }

    /// Where an agent stands on a server.
    pub async fn standing(
        &self,
        connection: &mut AnyConnection,
        question: Question<'_>,
    ) -> Result<Standing, StoreError> {
        let Question { agent, server, shown, now } = question;
        let found = sqlx::query(
            "select agents.*, users.ceilings from agents left join users on users.name = agents.user_name \
             where agents.client_id = $1 and agents.revoked_at is null",
        )
        .bind(agent.as_str())
        .fetch_optional(&mut *connection)
        .await?;
        let Some(row) = found else { return Ok(Standing::Gone) };
        let known = rows::agent(&row)?;
        if known.servers.as_ref().is_some_and(|servers| !servers.iter().any(|name| name == server)) {
            return Ok(Standing::Elsewhere);
        }
        let Some(kept) = self.kept(connection, server, now).await? else {
            return Ok(Standing::Unknown);
        };
        let caller = Caller {
            client_id: agent.clone(),
            agent_trust: known.trust.get(server).copied().unwrap_or(Level::High),
            user_ceiling: ceiling(row.try_get("ceilings")?, server)?,
        };
        let until = kept.entries.iter().find(|entry| entry.client_id == *agent && !entry.expired);
        let until = until.and_then(|entry| entry.expires_at);
        let scales = kept.scales(caller, &listed(connection, server).await?, shown);
        Ok(Standing::In(Box::new(Subject { scales, agent_name: known.name, user: known.user, until })))
    }

    /// What is kept of a server.
    pub(super) async fn kept(
        &self,
        connection: &mut AnyConnection,
        server: &str,
        now: i64,
    ) -> Result<Option<Kept>, StoreError> {
        let row =
            sqlx::query("select * from servers where name = $1").bind(server).fetch_optional(&mut *connection).await?;
        let Some(row) = row else { return Ok(None) };
        let (_, mut policy) = row::server(&row)?;
        let entries = bypasses::of_server(connection, server, now).await?;
        policy.bypass = bypasses::in_force(&entries);
        let rules = self.ready_rules.of(server, row.try_get("rules")?);
        let is_listed = row.try_get::<Option<i64>, _>("listed_at")?.is_some();
        Ok(Some(Kept { policy, entries, rules, is_listed }))
    }
}

/// A server's policy as it stands in the store.
pub(super) struct Kept {
    pub(super) policy: ServerPolicy,
    pub(super) entries: Vec<Bypass>,
    pub(super) rules: Arc<Rules>,
    /// Whether a complete list of its tools was seen.
    pub(super) is_listed: bool,
}

impl Kept {
    /// What calls of this agent are weighed on, with these tools, shown to it so.
    pub(super) fn scales(&self, caller: Caller, listed: &[Listed], shown: &Shown) -> Scales {
        let tools: Vec<_> = listed.iter().map(|tool| weighed(tool, shown)).collect();
        let all_known = self.is_listed && tools.len() < MAX_TOOLS_OF_ONE;
        Scales { caller, policy: self.policy.clone(), rules: Arc::clone(&self.rules), tools, all_known }
    }
}

/// A policy as people see it.
pub(super) fn shown(policy: &ServerPolicy, entries: Vec<Bypass>) -> Policy {
    Policy {
        require_all: policy.require_all,
        threshold: policy.threshold,
        bypass: policy.bypass.iter().cloned().collect(),
        bypass_entries: entries,
        timeout_seconds: policy.timeout_seconds,
        gate_changed_tools: policy.gate_changed_tools,
        rules: policy.rules.clone(),
    }
}

fn ceiling(json: Option<String>, server: &str) -> Result<Level, StoreError> {
    let Some(json) = json else { return Ok(Level::High) };
    let limits: BTreeMap<String, Level> =
        serde_json::from_str(&json).map_err(|_| StoreError::Failed("a row holds no valid limits".to_owned()))?;
    Ok(limits.get(server).copied().unwrap_or(Level::High))
}

/// The ceiling of a person on a server.
pub(super) fn ceiling_of(ceilings: &BTreeMap<String, Level>, server: &str) -> Level {
    ceilings.get(server).copied().unwrap_or(Level::High)
}

/// A tool as policy sees it, by the definition that this client was shown.
fn weighed(listed: &Listed, shown: &Shown) -> weigh::Tool {
    let Tool { name, trust, trust_from, hitl, reason, .. } = listed.tool.clone();
    let definition = shown.get(&name).unwrap_or(&listed.definition);
    let drift: Option<Drift> = listed.drift(definition);
    weigh::Tool { name, trust, trust_from, hitl, reason, drift, accepted: listed.accepted.clone() }
}

/// A server's tools, by name.
pub(super) async fn listed(connection: &mut AnyConnection, server: &str) -> Result<Vec<Listed>, StoreError> {
    let found =
        sqlx::query("select * from tools where server = $1 order by name").bind(server).fetch_all(connection).await?;
    found.iter().map(row::tool).collect()
}
