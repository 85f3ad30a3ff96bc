//! Agents' tokens: whose one is, and a new one in its place.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::{Agents, find, record};
use crate::core::ids::ClientId;
use crate::hub::error::ChangeError;
use crate::hub::model::Agent;
use crate::hub::store::{Remembered, Sees, Store, StoreError, Target, Topic, Versions, hashed, random, rows};
use crate::hub::who::{Actor, admin};

/// How long an agent's old token may stay good beside its new one.
const MAX_OVERLAP: Duration = Duration::from_secs(30 * 86_400);

/// A token that opens the shims' websocket: the database holds its hash alone.
#[derive(Clone, Debug)]
pub struct Bearer {
    /// Whose it is.
    pub agent: Agent,
    hash: String,
}

/// The tokens of an agent that is not revoked: the hash of its own, and of one that it had before with its end.
struct Tokens {
    hash: String,
    old: Option<(String, i64)>,
}

impl Remembered for Tokens {
    const TOPIC: Topic = Topic::Callers;

    fn weight(&self) -> usize {
        size_of_val(self) + 2 * self.hash.len()
    }
}

async fn tokens(store: &mut impl Sees, agent: &ClientId) -> Result<Option<Arc<Tokens>>, StoreError> {
    let found: Option<(String, Option<String>, Option<i64>)> = sqlx::query_as(
        "select token_hash, old_token_hash, old_token_until from agents where client_id = $1 and revoked_at is null",
    )
    .bind(agent.as_str())
    .fetch_optional(store.sql())
    .await?;
    let tokens = found.map(|(hash, old, until)| Arc::new(Tokens { hash, old: old.zip(until) }));
    if let Some(tokens) = &tokens {
        store.keep(agent.as_str(), tokens);
    }
    Ok(tokens)
}

/// A new token of this hub, and its hash.
pub(super) async fn make(store: &Store) -> Result<(String, String), StoreError> {
    let token = store.identity().await?.fingerprint().named_in(&random("hitl_a_")?);
    let hash = hashed(&token);
    Ok((token, hash))
}

impl Agents {
    /// Whose agent token this is.
    pub async fn agent_of_token(&self, token: &str) -> Result<Option<Agent>, StoreError> {
        Ok(self.bearer(token).await?.map(|bearer| bearer.agent))
    }

    /// Who shows this token.
    pub async fn bearer(&self, token: &str) -> Result<Option<Bearer>, StoreError> {
        let hash = hashed(token);
        let row = sqlx::query(
            "select * from agents where revoked_at is null \
             and (token_hash = $1 or old_token_hash = $1 and old_token_until > $2)",
        )
        .bind(hash.as_str())
        .bind(self.now())
        .fetch_optional(self.store.read())
        .await?;
        let agent = row.as_ref().map(rows::agent).transpose()?;
        Ok(agent.map(|agent| Bearer { agent, hash }))
    }

    /// Until when a token is good that was, as the store was then or later: `None` when it is no more, and `Some(None)`
    /// when no end is known.
    pub async fn good_until(&self, bearer: &Bearer, at: Versions) -> Result<Option<Option<i64>>, StoreError> {
        let agent = &bearer.agent.client_id;
        let tokens = match self.store.memory().recall::<Tokens>(at, agent.as_str()) {
            Some(tokens) => Some(tokens),
            None => tokens(&mut self.store.moment().await?, agent).await?,
        };
        let Some(tokens) = tokens else { return Ok(None) };
        if tokens.hash == bearer.hash {
            return Ok(Some(None));
        }
        let old = tokens.old.as_ref().filter(|(hash, until)| *hash == bearer.hash && *until > self.now());
        Ok(old.map(|(_, until)| Some(*until)))
    }

    /// Gives an agent, by client id or name, a new token, which is never shown again. The one before stays good that
    /// long; then the connections that it opened end. One that was still good beside that is worthless at once.
    pub async fn rotate_token(
        &self,
        name: &str,
        overlap: Duration,
        by: &Actor,
    ) -> Result<(Agent, String), ChangeError> {
        if overlap > MAX_OVERLAP {
            return Err(ChangeError::Invalid("an old token stays good for at most 30 days".to_owned()));
        }
        let (token, hash) = make(&self.store).await?;
        let overlap_ms = i64::try_from(overlap.as_millis()).unwrap_or(i64::MAX);
        let (hub, name, by) = (self.clone(), name.to_owned(), by.clone());
        let agent = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    admin(tx, &by).await?;
                    let Some(before) = find(tx, &name).await? else {
                        return Err(ChangeError::NotFound(format!("agent {name}")));
                    };
                    let (now, id) = (hub.now(), ClientId::clone(&before.client_id));
                    let row = sqlx::query(
                        "update agents set old_token_hash = token_hash, old_token_until = $3, token_hash = $2 \
                         where client_id = $1 returning *",
                    )
                    .bind(id.as_str())
                    .bind(hash)
                    .bind(now + overlap_ms)
                    .fetch_one(tx.sql())
                    .await
                    .map_err(StoreError::from)?;
                    let detail = json!({ "name": before.name, "old_until": now + overlap_ms });
                    record(tx, &by, "agent.rotated", &id, detail, Target::Agent(id.clone()), now).await?;
                    Ok(rows::agent(&row)?)
                })
            })
            .await?;
        Ok((agent, token))
    }
}
