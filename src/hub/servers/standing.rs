//! Where an agent stands on a server: what its calls are weighed on, from memory as long as that is what the store
//! holds.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::extract::ws::Utf8Bytes;

use crate::core::ids::{ClientId, Digest};
use crate::core::policy::Table;
use crate::core::rules::Rules;
use crate::core::trust::Level;
use crate::core::weigh::{Caller, Drift, Scales, ServerPolicy, Tool};
use crate::hub::aside::aside;
use crate::hub::model::{Agent, Bypass};
use crate::hub::servers::Servers;
use crate::hub::servers::definition::MAX_TOOLS_OF_ONE;
use crate::hub::servers::policies::{self, Kept, ceiling_of};
use crate::hub::servers::row::drift_from;
use crate::hub::store::{Remembered, Sees, StoreError, Topic, Versions, rows};
use crate::wire::{self, ToWrap};

/// What a tool takes in a table, about.
const BYTES_PER_TOOL: usize = 256;

/// The definitions that a client was shown, by tool; what is left out counts as the store has it.
pub type Shown = HashMap<String, Digest>;

/// Something about an agent on a server.
pub enum Standing<T> {
    /// It may be there.
    In(T),
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
}

/// A table for shims, and the message that tells of it; those for whom it is the same share it.
pub struct Told {
    /// The table.
    pub table: Table,
    message: OnceLock<(Utf8Bytes, Digest)>,
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

/// A table as a shim gets it.
pub struct Tabled {
    /// The table, as it is told.
    pub told: Arc<Told>,
    /// When it changes by itself.
    pub until: Option<i64>,
}

impl Told {
    fn new(table: Table) -> Arc<Self> {
        Arc::new(Self { table, message: OnceLock::new() })
    }

    /// The message that tells of the table.
    pub fn message(&self) -> Utf8Bytes {
        self.encoded().0.clone()
    }

    /// The digest of the message: the same table is told in the same words. Whoever was told keeps this and no table,
    /// which may be of thousands of tools and each agent's own.
    pub fn digest(&self) -> Digest {
        self.encoded().1.clone()
    }

    /// Made once.
    fn encoded(&self) -> &(Utf8Bytes, Digest) {
        let encode = || {
            let text = wire::encode(&ToWrap::Policy { table: self.table.clone() });
            let digest = Digest::of(text.as_bytes());
            (text.into(), digest)
        };
        self.message.get_or_init(|| aside(self.table.tools.len() * BYTES_PER_TOOL, encode))
    }
}

impl Servers {
    /// The table of one agent on one server, as the store was then or later.
    pub async fn table(&self, question: Question<'_>, at: Versions) -> Result<Standing<Tabled>, StoreError> {
        let opinion = self.unasked();
        Ok(self.grounds_at(question, at).await?.map(|(known, basis)| {
            let (caller, entry) = (known.caller(question), basis.entry(question));
            let told = basis.table(&caller, entry.is_some(), question.shown, |scales| scales.table(&opinion));
            Tabled { told, until: entry.and_then(|entry| entry.expires_at) }
        }))
    }

    /// Where an agent stands on a server, for whoever sees the store.
    pub async fn standing(
        &self,
        store: &mut impl Sees,
        question: Question<'_>,
    ) -> Result<Standing<Subject>, StoreError> {
        Ok(self.grounds(store, question).await?.map(|(known, basis)| subject(&known, &basis, question)))
    }

    /// The same as it is now.
    pub async fn standing_now(&self, question: Question<'_>) -> Result<Standing<Subject>, StoreError> {
        let at = self.store.versions().await?;
        Ok(self.grounds_at(question, at).await?.map(|(known, basis)| subject(&known, &basis, question)))
    }

    async fn grounds_at(&self, question: Question<'_>, at: Versions) -> Result<Standing<Grounds>, StoreError> {
        let memory = self.store.memory();
        let known = memory.recall::<Known>(at, question.agent.as_str());
        match known.zip(memory.recall::<Basis>(at, question.server)) {
            Some((known, basis)) => Ok(grounds(known, Some(basis), question.server)),
            None => self.grounds(&mut self.store.moment().await?, question).await,
        }
    }

    async fn grounds(&self, store: &mut impl Sees, question: Question<'_>) -> Result<Standing<Grounds>, StoreError> {
        let Some(known) = known(store, question.agent).await? else { return Ok(Standing::Gone) };
        if !known.may_use(question.server) {
            return Ok(Standing::Elsewhere);
        }
        let basis = self.basis(store, question).await?;
        Ok(grounds(known, basis, question.server))
    }

    async fn basis(&self, store: &mut impl Sees, question: Question<'_>) -> Result<Option<Arc<Basis>>, StoreError> {
        if let Some(basis) = store.recall::<Basis>(question.server) {
            return Ok(Some(basis));
        }
        let Some(kept) = self.kept(store.sql(), question.server, question.now).await? else { return Ok(None) };
        let basis = Arc::new(Basis::of(kept, policies::weighed(store.sql(), question.server).await?));
        store.keep(question.server, &basis);
        Ok(Some(basis))
    }
}

impl<T> Standing<T> {
    fn map<U>(self, of: impl FnOnce(T) -> U) -> Standing<U> {
        match self {
            Self::In(found) => Standing::In(of(found)),
            Self::Elsewhere => Standing::Elsewhere,
            Self::Gone => Standing::Gone,
            Self::Unknown => Standing::Unknown,
        }
    }
}

type Grounds = (Arc<Known>, Arc<Basis>);

fn grounds(known: Arc<Known>, basis: Option<Arc<Basis>>, server: &str) -> Standing<Grounds> {
    match basis {
        _ if !known.may_use(server) => Standing::Elsewhere,
        Some(basis) => Standing::In((known, basis)),
        None => Standing::Unknown,
    }
}

fn subject(known: &Known, basis: &Basis, question: Question<'_>) -> Subject {
    let scales = basis.scales(known.caller(question), basis.entry(question).is_some(), question.shown);
    Subject { scales, agent_name: known.name.clone(), user: known.user.clone() }
}

/// An agent that is not revoked, and its person's ceilings.
struct Known {
    name: String,
    user: Option<String>,
    trust: BTreeMap<String, Level>,
    servers: Option<Vec<String>>,
    ceilings: BTreeMap<String, Level>,
}

impl Remembered for Known {
    const TOPIC: Topic = Topic::Callers;

    fn weight(&self) -> usize {
        let names = self.trust.keys().chain(self.ceilings.keys()).chain(self.servers.iter().flatten());
        size_of_val(self) + names.map(|name| size_of::<String>() + name.len()).sum::<usize>()
    }
}

impl Known {
    fn may_use(&self, server: &str) -> bool {
        self.servers.as_ref().is_none_or(|servers| servers.iter().any(|name| name == server))
    }

    fn caller(&self, question: Question<'_>) -> Caller {
        Caller {
            client_id: question.agent.clone(),
            agent_trust: ceiling_of(&self.trust, question.server),
            user_ceiling: ceiling_of(&self.ceilings, question.server),
        }
    }
}

async fn known(store: &mut impl Sees, agent: &ClientId) -> Result<Option<Arc<Known>>, StoreError> {
    if let Some(known) = store.recall::<Known>(agent.as_str()) {
        return Ok(Some(known));
    }
    let found = sqlx::query(
        "select agents.*, users.ceilings from agents left join users on users.name = agents.user_name \
         where agents.client_id = $1 and agents.revoked_at is null",
    )
    .bind(agent.as_str())
    .fetch_optional(store.sql())
    .await?;
    let Some(row) = found else { return Ok(None) };
    let Agent { name, user, trust, servers, .. } = rows::agent(&row)?;
    let ceilings = rows::optional(&row, "ceilings")?.map(|json| rows::json(&json, "limits")).transpose()?;
    let known = Arc::new(Known { name, user, trust, servers, ceilings: ceilings.unwrap_or_default() });
    store.keep(agent.as_str(), &known);
    Ok(Some(known))
}

/// What calls on a server are weighed on, whoever calls.
pub(super) struct Basis {
    /// Without anybody on the bypass list.
    policy: ServerPolicy,
    entries: Vec<Bypass>,
    rules: Arc<Rules>,
    tools: Arc<Vec<Tool>>,
    all_known: bool,
    tables: Mutex<HashMap<Standard, Arc<Told>>>,
}

/// What the table of an agent depends on that was shown the tools as the store has them: both limits, and whether it is
/// on the bypass list.
type Standard = (Level, Level, bool);

impl Remembered for Basis {
    const TOPIC: Topic = Topic::Policy;

    fn weight(&self) -> usize {
        // The digests of accepted definitions, and a few tables that name the tool and say why.
        let texts = |tool: &Tool| 5 * tool.name.len() + 4 * tool.reason.as_ref().map_or(0, String::len);
        let tools: usize = self.tools.iter().map(|tool| 1_000 + texts(tool) + 100 * tool.accepted.len()).sum();
        size_of_val(self) + tools + 200 * self.entries.len()
    }
}

impl Basis {
    pub(super) fn of(kept: Kept, tools: Vec<Tool>) -> Self {
        let Kept { policy, entries, rules, is_listed } = kept;
        let all_known = is_listed && tools.len() < MAX_TOOLS_OF_ONE;
        let policy = ServerPolicy { bypass: BTreeSet::new(), ..policy };
        Self { policy, entries, rules, tools: Arc::new(tools), all_known, tables: Mutex::default() }
    }

    /// The caller's entry on the bypass list, if it counts.
    fn entry(&self, question: Question<'_>) -> Option<&Bypass> {
        let counts = |entry: &&Bypass| entry.expires_at.is_none_or(|at| at > question.now);
        self.entries.iter().find(|entry| entry.client_id == *question.agent).filter(counts)
    }

    /// What calls of this agent are weighed on, if it was shown the tools so.
    pub(super) fn scales(&self, caller: Caller, bypass: bool, shown: &Shown) -> Scales {
        let mut policy = self.policy.clone();
        policy.bypass.extend(bypass.then(|| caller.client_id.clone()));
        let mut tools = Arc::clone(&self.tools);
        for (index, drift) in self.seen_otherwise(shown) {
            if let Some(tool) = Arc::make_mut(&mut tools).get_mut(index) {
                tool.drift = drift;
            }
        }
        Scales { caller, policy, rules: Arc::clone(&self.rules), tools, all_known: self.all_known }
    }

    /// The tools that a client was shown with another drift than the store has, by their place.
    fn seen_otherwise(&self, shown: &Shown) -> Vec<(usize, Option<Drift>)> {
        if shown.is_empty() {
            return Vec::new();
        }
        let drift = |tool: &Tool| shown.get(&tool.name).map(|definition| drift_from(&tool.accepted, definition));
        let drifts = self.tools.iter().enumerate().filter_map(|(index, tool)| Some((index, tool.drift, drift(tool)?)));
        drifts.filter(|(_, before, now)| before != now).map(|(index, _, now)| (index, now)).collect()
    }

    /// The table of this agent; the same for all that stand alike.
    fn table(&self, caller: &Caller, bypass: bool, shown: &Shown, of: impl Fn(&Scales) -> Table) -> Arc<Told> {
        let make = || Told::new(of(&self.scales(caller.clone(), bypass, shown)));
        let make = || aside(self.tools.len() * BYTES_PER_TOOL, make);
        if !self.seen_otherwise(shown).is_empty() {
            return make();
        }
        // Every change is a single insert.
        let tables = || self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let standard = (caller.agent_trust, caller.user_ceiling, bypass);
        if let Some(told) = tables().get(&standard) {
            return Arc::clone(told);
        }
        let told = make();
        Arc::clone(tables().entry(standard).or_insert(told))
    }
}
