//! The tools that a client's own `tools/list` showed, as far as they are kept.
//!
//! A definition that nobody accepted stays in sight until somebody accepts it, or until the one agent that reported it
//! reports another: no agent hides what another one was shown.

use std::collections::{BTreeMap, HashMap};

use serde_json::json;

use crate::core::differing::difference;
use crate::core::ids::Digest;
use crate::core::messages::Tools;
use crate::hub::aside::aside;
use crate::hub::servers::Servers;
use crate::hub::servers::definition::{MAX_TOOLS_OF_ONE, Seen};
use crate::hub::servers::drift::{self, Baseline};
use crate::hub::servers::row::{self, Kept};
use crate::hub::store::rows::{self, Row, optional, text};
use crate::hub::store::{Connection, Cost, Entry, StoreError, Target, Turn, Tx};
use crate::hub::who::Shim;

/// How many tools one transaction keeps, so that other agents get their turn between two of them.
const TOGETHER: usize = 64;
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
        let changed = self.changed(shim, aside(tools.bytes(), || latest(tools))).await?;
        let completes = tools.complete && !self.is_listed(&shim.server).await?;
        if changed.is_empty() && !completes {
            return Ok(Learned::Now);
        }
        // A list that is longer than that has its turn when nothing else is spent.
        let cost = i64::try_from(changed.len()).unwrap_or(i64::MAX).clamp(1, Cost::Tool.most());
        if let Err(at) = self.budgets.spend_at(&self.store, &shim.client_id, Cost::Tool, cost, self.now()).await? {
            return Ok(Learned::Later(at));
        }
        let mut rest = changed;
        while !rest.is_empty() {
            let later = rest.split_off(rest.len().min(TOGETHER));
            self.learn_some(shim, rest).await?;
            rest = later;
        }
        if completes {
            self.complete(shim).await?;
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

    /// Those that are new or different, as the store is now.
    async fn changed(&self, shim: &Shim, seen: Vec<Seen>) -> Result<Vec<Seen>, StoreError> {
        let mut connection = self.store.read().acquire().await?;
        let known = known(&mut connection, &shim.server, &seen).await?;
        let room = Room::of(&mut connection, shim).await?;
        let names: Vec<String> =
            changes(&known, room, &seen, shim).into_iter().map(|c| c.tool().name.clone()).collect();
        // Both are in the order of their names.
        let mut names = names.into_iter().peekable();
        Ok(seen.into_iter().filter(|tool| names.next_if(|name| *name == tool.name).is_some()).collect())
    }

    async fn is_listed(&self, server: &str) -> Result<bool, StoreError> {
        let listed = sqlx::query_scalar("select count(*) from servers where name = $1 and listed_at is not null");
        let listed: i64 = listed.bind(server).fetch_one(self.store.read()).await?;
        Ok(listed > 0)
    }

    async fn learn_some(&self, shim: &Shim, seen: Vec<Seen>) -> Result<(), StoreError> {
        let (clock, shim, turn) = (self.clock.clone(), shim.clone(), Turn::Report(shim.client_id.clone()));
        // A tool's row is long, and has two indexes and a trigger.
        let weight = 2 * seen.len();
        self.store
            .write_in(turn, weight, move |tx| {
                Box::pin(async move {
                    let now = clock.now();
                    let baseline = Baseline::of(tx, &shim, now).await?;
                    let known = known(tx.sql(), &shim.server, &seen).await?;
                    let room = Room::of(tx.sql(), &shim).await?;
                    let changes = changes(&known, room, &seen, &shim);
                    let mut kept = Vec::new();
                    for change in &changes {
                        match change {
                            Change::Is(tool) => {
                                kept.push(Kept::of(tool, known.get(&tool.name), baseline, &shim, now));
                            }
                            Change::Shared(tool) => drift::share(tx, &shim.server, &tool.name).await?,
                        }
                    }
                    row::write(tx, &shim, &kept, now).await?;
                    record(tx, &shim, &changes, now).await
                })
            })
            .await
    }

    /// That was all of it.
    async fn complete(&self, shim: &Shim) -> Result<(), StoreError> {
        let (clock, server, turn) = (self.clock.clone(), shim.server.clone(), Turn::Report(shim.client_id.clone()));
        self.store
            .write_in(turn, 1, move |tx| Box::pin(async move { drift::listed(tx, &server, clock.now()).await }))
            .await
    }
}

/// The tools in a list by name; of one that is in it twice, the later.
fn latest(tools: &Tools) -> Vec<Seen> {
    let seen = tools.items.iter().filter_map(Seen::of).map(|tool| (tool.name.clone(), tool));
    seen.collect::<BTreeMap<_, _>>().into_values().take(MAX_TOOLS_OF_ONE).collect()
}

/// What is kept of a tool.
struct Known {
    digest: Digest,
    accepted: Vec<Digest>,
    drift_by: Option<String>,
    varies: Vec<String>,
    /// Only where it may vary.
    accepted_definition: Option<String>,
}

impl Known {
    fn of(row: &Row) -> Result<(String, Self), StoreError> {
        let known = Self {
            digest: Digest(text(row, "definition_sha256")?),
            accepted: row::accepted(&text(row, "accepted")?)?,
            drift_by: optional(row, "drift_by")?,
            varies: rows::json(&text(row, "varies")?, "list of members")?,
            accepted_definition: optional(row, "accepted_definition")?,
        };
        Ok((text(row, "name")?, known))
    }

    /// Whether nobody accepted the definition in sight.
    fn waits(&self) -> bool {
        !self.accepted.contains(&self.digest)
    }

    /// Whether the definition in sight is one that somebody else was shown, and nobody accepted.
    fn is_anothers(&self, agent: &str) -> bool {
        self.waits() && self.drift_by.as_deref() != Some(agent)
    }
}

/// What is kept of these tools.
async fn known(connection: &mut Connection, server: &str, seen: &[Seen]) -> Result<HashMap<String, Known>, StoreError> {
    row::of_names(connection, server, seen).await?.iter().map(Known::of).collect()
}

/// How many more tools this agent may make known on a server.
#[derive(Clone, Copy)]
struct Room(usize);

impl Room {
    async fn of(connection: &mut Connection, shim: &Shim) -> Result<Self, StoreError> {
        let counts = "select count(*), count(case when added_by = $2 then 1 end) from tools where server = $1";
        let (all, own): (i64, i64) = sqlx::query_as(counts)
            .bind(shim.server.as_str())
            .bind(shim.client_id.as_str())
            .fetch_one(connection)
            .await?;
        let left = |most: usize, there: i64| most.saturating_sub(usize::try_from(there).unwrap_or_default());
        Ok(Self(left(MAX_TOOLS, all).min(left(MAX_TOOLS_OF_ONE, own))))
    }
}

/// What a list changes about a tool.
enum Change<'s> {
    /// This is its definition now.
    Is(&'s Seen),
    /// Another agent was shown the same.
    Shared(&'s Seen),
}

/// What is new or different, in the order of names.
fn changes<'s>(known: &HashMap<String, Known>, Room(mut room): Room, seen: &'s [Seen], shim: &Shim) -> Vec<Change<'s>> {
    let agent = shim.client_id.as_str();
    let change = |tool: &'s Seen| match known.get(&tool.name) {
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
    seen.iter().filter_map(change).collect()
}

impl<'s> Change<'s> {
    fn tool(&self) -> &'s Seen {
        match self {
            Self::Is(tool) | Self::Shared(tool) => tool,
        }
    }
}

impl<'s> Kept<'s> {
    /// A tool has this definition now: it is accepted, or waits to be.
    fn of(tool: &'s Seen, known: Option<&Known>, baseline: Baseline, shim: &Shim, now: i64) -> Self {
        let accepted = known.map(|known| known.accepted.clone()).unwrap_or_default();
        let within = |known: &Known| {
            let accepted = known.accepted_definition.as_deref().filter(|_| !known.varies.is_empty());
            let differs = accepted.and_then(|accepted| difference(accepted, &tool.text));
            differs.is_some_and(|difference| difference.is_within(&known.varies))
        };
        if baseline == Baseline::Open || accepted.contains(&tool.digest) || known.is_some_and(within) {
            return Self { tool, accepted: drift::accepting(accepted, &tool.digest), waits: None };
        }
        // Where another agent's waits already, it is not by the word of one alone.
        let agent = shim.client_id.as_str();
        let alone = known.is_none_or(|known| !known.is_anothers(agent));
        Self { tool, accepted, waits: Some((now, alone.then(|| agent.to_owned()))) }
    }
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
    tx.audit(entry, Target::Tools(shim.server.clone())).await?;
    Ok(())
}
