//! The tools that a client's own `tools/list` showed, as far as they are kept.
//!
//! A definition that nobody accepted stays in sight until somebody accepts it, or until the one agent that reported it
//! reports another: no agent hides what another one was shown.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::json;

use crate::core::ids::Digest;
use crate::core::messages::Tools;
use crate::hub::servers::definition::{MAX_TOOLS_OF_ONE, Seen};
use crate::hub::servers::drift::{self, Baseline};
use crate::hub::servers::{Servers, row};
use crate::hub::store::rows::{Row, optional, text};
use crate::hub::store::{Connection, Cost, Entry, PIECE, StoreError, Target, Turn, Tx};
use crate::hub::who::Shim;

/// How many tools of one server are kept.
const MAX_TOOLS: usize = 4000;
/// How many names of changed tools a record holds; it counts the others.
const MAX_NAMED: usize = 20;

/// Whether a list was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learned {
    /// It is.
    Now,
    /// The agent told of too many changes of late; it may be kept from this time on.
    Later(i64),
}

impl Servers {
    /// Keeps what the client's own `tools/list` showed. A list that shows nothing new writes nothing.
    pub async fn learn(&self, shim: &Shim, tools: &Tools) -> Result<Learned, StoreError> {
        let (complete, shim) = (tools.complete, shim.clone());
        let seen: Vec<Seen> = tools.items.iter().filter_map(Seen::of).take(MAX_TOOLS_OF_ONE).collect();
        if self.has_learned(&shim, &seen, complete).await? {
            return Ok(Learned::Now);
        }
        if let Err(at) = self.budgets.spend_at(&self.store, &shim.client_id, Cost::List, 1, self.now()).await? {
            return Ok(Learned::Later(at));
        }
        // In pieces, so that other agents get their turn between two of them; the last says that it was all of it.
        let seen = Arc::new(seen);
        for _ in 0..=MAX_TOOLS_OF_ONE / PIECE {
            if !self.learn_piece(&shim, seen.clone(), complete).await? {
                break;
            }
        }
        Ok(Learned::Now)
    }

    /// How many tools a server has, if it gave no hint about any of them and its policy is still that of a new server.
    pub async fn undescribed(&self, server: &str) -> Result<Option<u32>, StoreError> {
        let counted: Option<i64> = sqlx::query_scalar(
            "select (select count(*) from tools where server = $1) from servers where name = $1 and require_all = 0 \
             and threshold = 'high' and rules = '[]' and not exists (select 1 from tools where server = $1 \
             and (hitl = 1 or admin_trust is not null or annotations like '%Hint\"%'))",
        )
        .bind(server)
        .fetch_optional(self.store.read())
        .await?;
        Ok(counted.and_then(|count| u32::try_from(count).ok()).filter(|count| *count > 0))
    }

    /// Keeps so much of a list as is written at once; whether there may be more.
    async fn learn_piece(&self, shim: &Shim, seen: Arc<Vec<Seen>>, complete: bool) -> Result<bool, StoreError> {
        let (clock, shim, turn) = (self.clock.clone(), shim.clone(), Turn::Report(shim.client_id.clone()));
        self.store
            .write_in(turn, PIECE, move |tx| {
                Box::pin(async move {
                    let now = clock.now();
                    let baseline = Baseline::of(tx, &shim, now).await?;
                    let mut changes = changes(&known(tx.sql(), &shim.server).await?, &seen, &shim);
                    let more = changes.len() > PIECE;
                    changes.truncate(PIECE);
                    for change in &changes {
                        keep(tx, &shim, change, baseline, now).await?;
                    }
                    if complete && !more {
                        drift::listed(tx, &shim.server, now).await?;
                    }
                    record(tx, &shim, &changes, now).await?;
                    Ok(more)
                })
            })
            .await
    }

    async fn has_learned(&self, shim: &Shim, seen: &[Seen], complete: bool) -> Result<bool, StoreError> {
        let mut connection = self.store.read().acquire().await?;
        let listed: Option<Option<i64>> = sqlx::query_scalar("select listed_at from servers where name = $1")
            .bind(shim.server.as_str())
            .fetch_optional(&mut *connection)
            .await?;
        if complete && listed.flatten().is_none() {
            return Ok(false);
        }
        Ok(changes(&known(&mut connection, &shim.server).await?, seen, shim).is_empty())
    }
}

/// What is kept of a tool.
struct Known {
    digest: Digest,
    accepted: Vec<Digest>,
    added_by: Option<String>,
    drift_by: Option<String>,
}

impl Known {
    /// Whether the definition in sight is one that somebody else was shown, and nobody accepted.
    fn is_anothers(&self, agent: &str) -> bool {
        !self.accepted.contains(&self.digest) && self.drift_by.as_deref() != Some(agent)
    }
}

async fn known(connection: &mut Connection, server: &str) -> Result<HashMap<String, Known>, StoreError> {
    let sql = "select name, definition_sha256, accepted, added_by, drift_by from tools where server = $1";
    let found = sqlx::query(sql).bind(server).fetch_all(connection).await?;
    let known = |row: &Row| {
        let tool = Known {
            digest: Digest(text(row, "definition_sha256")?),
            accepted: row::accepted(&text(row, "accepted")?)?,
            added_by: optional(row, "added_by")?,
            drift_by: optional(row, "drift_by")?,
        };
        Ok((text(row, "name")?, tool))
    };
    found.iter().map(known).collect()
}

/// What a list changes about a tool.
enum Change<'s> {
    /// This is its definition now.
    Is(&'s Seen),
    /// Another agent was shown the same.
    Shared(&'s Seen),
}

/// What is new or different.
fn changes<'s>(known: &HashMap<String, Known>, seen: &'s [Seen], shim: &Shim) -> Vec<Change<'s>> {
    let agent = shim.client_id.as_str();
    let own = known.values().filter(|tool| tool.added_by.as_deref() == Some(agent)).count();
    let mut room = MAX_TOOLS.saturating_sub(known.len()).min(MAX_TOOLS_OF_ONE.saturating_sub(own));
    let mut latest: HashMap<&str, Change<'s>> = HashMap::new();
    for tool in seen {
        let change = match known.get(&tool.name) {
            None if latest.contains_key(tool.name.as_str()) => Some(Change::Is(tool)),
            None if room == 0 => None,
            None => {
                room -= 1;
                Some(Change::Is(tool))
            }
            Some(before) if before.digest == tool.digest => {
                (before.is_anothers(agent) && before.drift_by.is_some()).then_some(Change::Shared(tool))
            }
            Some(before) if before.is_anothers(agent) && before.accepted.contains(&tool.digest) => None,
            Some(_) => Some(Change::Is(tool)),
        };
        match change {
            Some(change) => drop(latest.insert(&tool.name, change)),
            None => drop(latest.remove(tool.name.as_str())),
        }
    }
    let mut changes: Vec<_> = latest.into_values().collect();
    changes.sort_by_key(|change| change.tool().name.as_str());
    changes
}

impl<'s> Change<'s> {
    fn tool(&self) -> &'s Seen {
        match self {
            Self::Is(tool) | Self::Shared(tool) => tool,
        }
    }
}

async fn keep(tx: &mut Tx, shim: &Shim, change: &Change<'_>, baseline: Baseline, now: i64) -> Result<(), StoreError> {
    match change {
        Change::Is(tool) => {
            let drift_by = drift::reporter(tx, shim, &tool.name).await?;
            store_tool(tx, shim, tool, now).await?;
            drift::compare(tx, shim, &tool.name, &tool.digest, baseline, drift_by, now).await
        }
        Change::Shared(tool) => drift::share(tx, &shim.server, &tool.name).await,
    }
}

async fn store_tool(tx: &mut Tx, shim: &Shim, tool: &Seen, now: i64) -> Result<(), StoreError> {
    // Once called destructive, always: a second shim of the same name must not talk a tool's level down.
    sqlx::query(
        "insert into tools (server, name, description, annotations, destructive, definition_sha256, definition, hitl, \
         first_seen, added_by) values ($1, $2, $3, $4, $5, $6, $7, 0, $8, $9) on conflict (server, name) do update set \
         description = excluded.description, annotations = excluded.annotations, \
         definition_sha256 = excluded.definition_sha256, definition = excluded.definition, \
         destructive = case when tools.destructive = 1 then 1 else excluded.destructive end",
    )
    .bind(shim.server.as_str())
    .bind(tool.name.as_str())
    .bind(tool.description.clone())
    .bind(tool.annotations.clone())
    .bind(i64::from(tool.destructive))
    .bind(tool.digest.as_str())
    .bind(tool.text.as_str())
    .bind(now)
    .bind(shim.client_id.as_str())
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Records which tools changed; the server's sessions are woken.
async fn record(tx: &mut Tx, shim: &Shim, changes: &[Change<'_>], at: i64) -> Result<(), StoreError> {
    let changed = changes.iter().filter(|change| matches!(change, Change::Is(_)));
    let changed: Vec<&str> = changed.map(|change| change.tool().name.as_str()).collect();
    if changed.is_empty() {
        return Ok(());
    }
    let mut detail = json!({ "tools": changed.iter().take(MAX_NAMED).collect::<Vec<_>>() });
    if changed.len() > MAX_NAMED {
        detail["more"] = (changed.len() - MAX_NAMED).into();
    }
    let entry = Entry { at, actor: shim.client_id.as_str(), action: "tools.changed", subject: &shim.server, detail };
    tx.audit(entry, Target::Server(shim.server.clone())).await?;
    Ok(())
}
