//! What policy needs from the store of a server: what was set for it, and its tools.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use crate::core::rules::Rules;
use crate::core::trust::Level;
use crate::core::weigh::{self, Opinion, ServerPolicy};
use crate::hub::model::{Bypass, Policy};
use crate::hub::servers::row::{self, Listed};
use crate::hub::servers::{Servers, bypasses};
use crate::hub::store::{Connection, StoreError, rows};

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
    /// The opinion before the external decision point was asked.
    pub(super) fn unasked(&self) -> Opinion {
        if self.decision_point.is_some() { Opinion::Unasked } else { Opinion::None }
    }

    /// What is kept of a server.
    pub(super) async fn kept(
        &self,
        connection: &mut Connection,
        server: &str,
        now: i64,
    ) -> Result<Option<Kept>, StoreError> {
        let row =
            sqlx::query("select * from servers where name = $1").bind(server).fetch_optional(&mut *connection).await?;
        let Some(row) = row else { return Ok(None) };
        let (_, mut policy) = row::server(&row)?;
        let entries = bypasses::of_server(connection, server, now).await?;
        policy.bypass = bypasses::in_force(&entries);
        let rules = self.ready_rules.of(server, &rows::text(&row, "rules")?);
        let is_listed = rows::optional_number(&row, "listed_at")?.is_some();
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

/// The ceiling of a person on a server.
pub(super) fn ceiling_of(ceilings: &BTreeMap<String, Level>, server: &str) -> Level {
    ceilings.get(server).copied().unwrap_or(Level::High)
}

/// A server's tools as policy sees them, by name.
pub(super) async fn weighed(connection: &mut Connection, server: &str) -> Result<Vec<weigh::Tool>, StoreError> {
    // Definitions are long, and no call is weighed by their text.
    let sql = "select name, destructive, admin_trust, hitl, reason, accepted, definition_sha256 from tools \
               where server = $1 order by name";
    let found = sqlx::query(sql).bind(server).fetch_all(connection).await?;
    found.iter().map(row::weighed).collect()
}

/// The same, and as people see them.
pub(super) async fn listed(
    connection: &mut Connection,
    server: &str,
) -> Result<(Vec<Listed>, Vec<weigh::Tool>), StoreError> {
    let found =
        sqlx::query("select * from tools where server = $1 order by name").bind(server).fetch_all(connection).await?;
    let both = found.iter().map(|row| Ok((row::tool(row)?, row::weighed(row)?)));
    both.collect::<Result<Vec<_>, StoreError>>().map(|both| both.into_iter().unzip())
}
