//! What a shim tells of itself when it comes, and who is let in.
//!
//! All of it is a claim. A claim may raise a tool's level and never lowers one, and what one agent can make the hub
//! keep is bounded.

use serde_json::json;

use crate::core::alike::taken_for;
use crate::core::ids::ClientId;
use crate::core::trust::Level;
use crate::core::weigh::ServerPolicy;
use crate::hub::shims::Shims;
use crate::hub::store::{Cost, Entry, StoreError, Target, Turn, Tx};
use crate::hub::who::Shim;

/// How many servers there may be, and how many one agent may make known; agents name them, so there must be an end.
const MAX_SERVERS: i64 = 1000;
const MAX_SERVERS_OF_ONE: i64 = 100;
/// How many words of a command line are kept, and how many characters of each.
const MAX_WORDS: usize = 64;
const MAX_WORD: usize = 256;
/// How much of a name is told in a close frame, which has room for 123 bytes.
const MAX_QUOTED: usize = 50;
/// An agent that was seen less than this ago is not noted again, in milliseconds.
const SEEN_MS: i64 = 60_000;

/// The record that a session which people can see began.
pub(super) const OPENED: &str = "session.opened";

/// What came of a shim's introduction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Met {
    /// Its server is known.
    Known,
    /// Its server is not made known; why, in words that fit into a close frame.
    Refused(String),
}

impl Shims {
    /// Spends a connection of this agent, or says in how many seconds there is another.
    pub fn admit(&self, agent: &ClientId) -> Result<(), u64> {
        let now = self.now();
        let spent = self.budgets.spend(agent, Cost::Connection, 1, now);
        spent.map_err(|at| u64::try_from((at - now) / 1000).unwrap_or_default() + 1)
    }

    /// Notes that a shim with this agent's token is there, and makes its server known. One that was there a moment ago
    /// writes nothing.
    pub async fn meet(&self, shim: &Shim, command: &[String]) -> Result<Met, StoreError> {
        let words = command.iter().take(MAX_WORDS).map(|word| word.chars().take(MAX_WORD).collect::<String>());
        let command = json!(words.collect::<Vec<_>>()).to_string();
        if self.met(shim, &command).await? {
            return Ok(Met::Known);
        }
        let (clock, threshold, shim) = (self.clock.clone(), self.new_server_threshold, shim.clone());
        self.store
            .write_in(Turn::Report(shim.client_id.clone()), 1, move |tx| {
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
                        return Ok(Met::Known);
                    }
                    add_server(tx, &shim, &command, threshold, now).await
                })
            })
            .await
    }

    /// Whether there is nothing to write about a shim that comes.
    async fn met(&self, shim: &Shim, command: &str) -> Result<bool, StoreError> {
        let found: Option<i64> = sqlx::query_scalar(
            "select 1 from servers, agents where servers.name = $1 and servers.command = $2 \
             and agents.client_id = $3 and agents.last_seen > $4",
        )
        .bind(shim.server.as_str())
        .bind(command)
        .bind(shim.client_id.as_str())
        .bind(self.now() - SEEN_MS)
        .fetch_optional(self.store.read())
        .await?;
        Ok(found.is_some())
    }

    /// A session was lost without goodbye: its shim has a while to come back, and what it may still use stays usable.
    pub async fn shim_lost(&self, shim: &Shim, number: u64) -> Result<(), StoreError> {
        let until = self.now() + self.resume_within_ms;
        if !self.live.lose(shim, number, until) {
            return Ok(());
        }
        self.store.bus().wake_sweeper();
        self.approvals.lost(&shim.client_id, &shim.instance).await
    }

    /// Records that a session that people can see began or ended, unless there were too many of the agent of late: the
    /// next record says how many were left out.
    pub async fn note_session(&self, shim: &Shim, action: &'static str) -> Result<(), StoreError> {
        if self.budgets.spend_at(&self.store, &shim.client_id, Cost::Session, 1, self.now()).await?.is_err() {
            self.budgets.leave_out(&shim.client_id, Cost::Session, 1);
            return Ok(());
        }
        let left_out = self.budgets.left_out(&shim.client_id, Cost::Session);
        let (clock, shim, store) = (self.clock.clone(), shim.clone(), self.store.clone());
        self.store
            .write_in(Turn::Report(shim.client_id.clone()), 1, move |tx| {
                Box::pin(async move {
                    if action == OPENED {
                        store.show_session(tx, (&shim.client_id, &shim.instance)).await?;
                    }
                    let mut detail =
                        json!({ "client": shim.client, "claimed_user": shim.claimed_user, "instance": shim.instance });
                    if left_out > 0 {
                        detail["left_out"] = left_out.into();
                    }
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
) -> Result<Met, StoreError> {
    if let Some(why) = too_many(tx, &shim.client_id).await? {
        return Ok(Met::Refused(why));
    }
    if let Some(known) = taken_for(&shim.server, names(tx).await?) {
        return Ok(Met::Refused(format!(
            "the server's name can be taken for that of {}; use another --server",
            quoted(&known)
        )));
    }
    let policy = ServerPolicy::of_new_server(threshold);
    sqlx::query(
        "insert into servers (name, require_all, threshold, timeout_seconds, command, first_seen, added_by) \
         values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(shim.server.as_str())
    .bind(i64::from(policy.require_all))
    .bind(policy.threshold.map(|level| level.as_str().to_owned()))
    .bind(i64::from(policy.timeout_seconds))
    .bind(command)
    .bind(now)
    .bind(shim.client_id.as_str())
    .execute(tx.sql())
    .await?;
    let detail = json!({ "threshold": policy.threshold });
    let (actor, subject) = (shim.client_id.as_str(), shim.server.as_str());
    tx.audit(Entry { at: now, actor, action: "server.added", subject, detail }, Target::Pages).await?;
    Ok(Met::Known)
}

async fn names(tx: &mut Tx) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar("select name from servers order by first_seen, name").fetch_all(tx.sql()).await?)
}

/// As much of a name as a close frame has room for, in ASCII.
fn quoted(name: &str) -> String {
    let escaped: String =
        name.chars().flat_map(|c| if c.is_ascii() { vec![c] } else { c.escape_unicode().collect() }).collect();
    escaped.chars().take(MAX_QUOTED).collect()
}

/// Why this agent makes no further server known.
async fn too_many(tx: &mut Tx, agent: &ClientId) -> Result<Option<String>, StoreError> {
    let (all, own): (i64, i64) =
        sqlx::query_as("select count(*), count(case when added_by = $1 then 1 end) from servers")
            .bind(agent.as_str())
            .fetch_one(tx.sql())
            .await?;
    let many = match (own >= MAX_SERVERS_OF_ONE, all >= MAX_SERVERS) {
        (true, _) => format!("this agent made {own} servers known, the most it may"),
        (false, true) => format!("this hub knows {all} servers, the most it may"),
        (false, false) => return Ok(None),
    };
    Ok(Some(format!("{many}; an administrator can remove some")))
}
