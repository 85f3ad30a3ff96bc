//! Enrolling a machine: a shim without a token waits under a short code until an administrator confirms it.
//!
//! Codes are in the store, ten minutes, and are used once; an administrator may answer at any hub on it. The token that
//! a machine gets is made by the hub where it waits and never leaves that: the store has its hash. What a waiting shim
//! says of itself is a claim.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::{added, changed, new_client_id, tokens};
use crate::chance;
use crate::core::ids::ClientId;
use crate::hub::agents::Agents;
use crate::hub::error::ChangeError;
use crate::hub::model::Agent;
use crate::hub::store::{StoreError, Turn, Word};
use crate::hub::who::{Actor, admin, check_limits, check_name};

/// How long a code is good, in milliseconds.
pub const GOOD_FOR_MS: i64 = 600_000;
/// How many may wait at once; anybody who reaches the hub may ask for one.
const MAX_WAITING: i64 = 100;
/// Letters that make no words and are not taken for another.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const CODE_LETTERS: usize = 8;
/// How long the hub where a machine waits has for handing it its token, in milliseconds; then its agent is revoked.
const HANDED_WITHIN_MS: i64 = 60_000;
/// How often it is looked whether there is an answer that was not heard of.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Of all machines that wait, one at a time is written.
const TURN: &str = "enrolling";

/// So many columns, or the row, of the machine that waits under a code at a hub that is there.
macro_rules! waiting {
    ($what:literal) => {
        concat!(
            $what,
            " from enrolments where code = $1 and expires_at > $2 and client_id is null and (hub = $3 or \
             exists (select 1 from hubs where hubs.id = enrolments.hub and seen_at > $4))"
        )
    };
}

/// A machine's host, user, version and address, and when its code is void.
type Row = (Option<String>, Option<String>, String, String, i64);

/// Wakes the machines that wait here.
#[derive(Clone, Default)]
pub(super) struct Answers(Arc<Notify>);

impl Answers {
    /// Somebody answered one of them, here or at another hub.
    pub(super) fn wake(&self) {
        self.0.notify_waiters();
    }
}

/// What a machine says of itself, and where it connects from.
#[derive(Clone, Debug, Serialize)]
pub struct Claims {
    /// Its name for itself.
    pub host: Option<String>,
    /// Its user there.
    pub user: Option<String>,
    /// The shim's version.
    pub version: String,
    /// The address it connects from, as the hub sees it.
    pub address: String,
}

/// A machine that waits.
#[derive(Clone, Debug, Serialize)]
pub struct Enrolment {
    /// The code it shows.
    pub code: String,
    /// What it says.
    #[serde(flatten)]
    pub claims: Claims,
    /// When the code is void.
    pub expires_at: i64,
}

/// A machine that waits here, and what it gets if an administrator confirms it.
#[derive(Debug)]
pub struct Waiting {
    /// What an administrator sees of it.
    pub enrolment: Enrolment,
    token: String,
}

/// What a waiting machine is told.
#[derive(Debug)]
pub enum Enrolled {
    /// Its agent, and the token.
    Yes(Box<Agent>, String),
    /// A person said no.
    No,
    /// Nobody said anything in time.
    Expired,
}

/// What an administrator says of a waiting machine.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confirmation {
    /// The new agent's name.
    pub name: String,
    /// The person it works for.
    pub user: Option<String>,
    /// The only servers it may stand in front of; left out, all.
    pub servers: Option<Vec<String>>,
}

impl Agents {
    /// A machine asks to be enrolled. `None`: too many wait already.
    pub async fn begin_enrolment(&self, claims: Claims) -> Result<Option<Waiting>, StoreError> {
        let (token, hash) = tokens::make(&self.store).await?;
        let (hub, code) = (self.clone(), new_code()?);
        // Anybody may ask, so those who are known come first.
        let turn = Turn::Report(ClientId::from(TURN));
        let begun = self.store.write_in(turn, 1, move |tx| {
            Box::pin(async move {
                let now = hub.now();
                sqlx::query("delete from enrolments where expires_at <= $1 and client_id is null")
                    .bind(now)
                    .execute(tx.sql())
                    .await?;
                let (own, since) = hub.store.hubs_there(now);
                let waiting: i64 = sqlx::query_scalar(
                    "select count(*) from enrolments where client_id is null and (hub = $1 or \
                     exists (select 1 from hubs where hubs.id = enrolments.hub and seen_at > $2))",
                )
                .bind(own)
                .bind(since)
                .fetch_one(tx.sql())
                .await?;
                if waiting >= MAX_WAITING {
                    return Ok(None);
                }
                let expires_at = now + GOOD_FOR_MS;
                sqlx::query(
                    "insert into enrolments (code, hub, host, user_name, version, address, token_hash, expires_at) \
                     values ($1, $2, $3, $4, $5, $6, $7, $8)",
                )
                .bind(code.as_str())
                .bind(own)
                .bind(claims.host.clone())
                .bind(claims.user.clone())
                .bind(claims.version.as_str())
                .bind(claims.address.as_str())
                .bind(hash)
                .bind(expires_at)
                .execute(tx.sql())
                .await?;
                Ok::<_, StoreError>(Some(Enrolment { code, claims, expires_at }))
            })
        });
        Ok(begun.await?.map(|enrolment| Waiting { enrolment, token }))
    }

    /// The answer to a machine that waits here, when there is one.
    pub async fn answer_to(&self, waiting: &Waiting) -> Result<Enrolled, StoreError> {
        let code = waiting.enrolment.code.as_str();
        loop {
            // Before looking: what is said after this wakes us.
            let mut woken = std::pin::pin!(self.answers.0.notified());
            woken.as_mut().enable();
            let found: Option<Option<String>> = sqlx::query_scalar("select client_id from enrolments where code = $1")
                .bind(code)
                .fetch_optional(self.store.read())
                .await?;
            let confirmed = match found {
                Some(None) => {
                    let _ = timeout(LOOK_EVERY, woken).await;
                    continue;
                }
                Some(Some(client_id)) => self.agent(&client_id).await?,
                None => None,
            };
            return Ok(match confirmed {
                Some(agent) => Enrolled::Yes(Box::new(agent), waiting.token.clone()),
                None if waiting.enrolment.expires_at <= self.now() => Enrolled::Expired,
                None => Enrolled::No,
            });
        }
    }

    /// A machine waits no more: it has its token, or is gone. One that was confirmed and has none is no agent.
    pub async fn end_enrolment(&self, code: &str, has_token: bool) -> Result<(), ChangeError> {
        let code = code.to_owned();
        let made = self.store.write(move |tx| {
            Box::pin(async move {
                let made = sqlx::query_scalar("delete from enrolments where code = $1 returning client_id")
                    .bind(code)
                    .fetch_optional(tx.sql())
                    .await?;
                Ok::<Option<Option<String>>, StoreError>(made)
            })
        });
        match made.await?.flatten() {
            Some(client_id) if !has_token => self.take_back(&client_id).await,
            _ => Ok(()),
        }
    }

    /// Revokes agents whose hub was gone before it handed out their token, and forgets machines that wait no more.
    pub async fn sweep_enrolments(&self) -> Result<(), ChangeError> {
        let now = self.now();
        let over: Vec<String> = sqlx::query_scalar("select code from enrolments where expires_at <= $1")
            .bind(now)
            .fetch_all(self.store.read())
            .await
            .map_err(StoreError::from)?;
        for code in over {
            self.end_enrolment(&code, false).await?;
        }
        Ok(())
    }

    /// Nobody has the token, so nobody shall be able to use it.
    async fn take_back(&self, client_id: &str) -> Result<(), ChangeError> {
        match self.revoke_agent(client_id, &Actor::Hub).await {
            Ok(agent) => {
                tracing::warn!(agent.name, "a machine did not receive its token; its agent was revoked");
                Ok(())
            }
            Err(ChangeError::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The machine that shows this code, however it is written.
    pub async fn enrolment(&self, code: &str) -> Result<Option<Enrolment>, StoreError> {
        let (code, now) = (canonical(code), self.now());
        let (own, since) = self.store.hubs_there(now);
        let found: Option<Row> = sqlx::query_as(waiting!("select host, user_name, version, address, expires_at"))
            .bind(code.as_str())
            .bind(now)
            .bind(own)
            .bind(since)
            .fetch_optional(self.store.read())
            .await?;
        Ok(found.map(|(host, user, version, address, expires_at)| {
            let claims = Claims { host, user, version, address };
            Enrolment { code, claims, expires_at }
        }))
    }

    /// Makes the machine an agent, so that the hub where it waits hands it its token; the code is used up.
    pub async fn confirm_enrolment(&self, code: &str, yes: Confirmation, by: &Actor) -> Result<Agent, ChangeError> {
        for name in std::iter::once(&yes.name).chain(&yes.user) {
            check_name(name)?;
        }
        check_limits(yes.servers.iter().flatten())?;
        let (hub, code, by, client_id) = (self.clone(), canonical(code), by.clone(), new_client_id()?);
        let confirmed = self.store.write(move |tx| {
            Box::pin(async move {
                admin(tx, &by).await?;
                let now = hub.now();
                let (own, since) = hub.store.hubs_there(now);
                let hash: Option<String> = sqlx::query_scalar(waiting!("select token_hash"))
                    .bind(code.as_str())
                    .bind(now)
                    .bind(own)
                    .bind(since)
                    .fetch_optional(tx.sql())
                    .await
                    .map_err(StoreError::from)?;
                let Some(hash) = hash else { return Err(no_such_code()) };
                let mut agent = added(tx, &client_id, &yes.name, yes.user, &hash, &by, now).await?;
                if yes.servers.is_some() {
                    agent = changed(tx, Agent { servers: yes.servers, ..agent }, &by, now).await?;
                }
                sqlx::query("update enrolments set client_id = $2, expires_at = $3 where code = $1")
                    .bind(code)
                    .bind(client_id.as_str())
                    .bind(now + HANDED_WITHIN_MS)
                    .execute(tx.sql())
                    .await
                    .map_err(StoreError::from)?;
                Ok(agent)
            })
        });
        let agent = confirmed.await?;
        self.say_answered().await;
        Ok(agent)
    }

    /// Sends the machine away; the code is used up.
    pub async fn refuse_enrolment(&self, code: &str) -> Result<(), ChangeError> {
        let (hub, code) = (self.clone(), canonical(code));
        let refused = self.store.write(move |tx| {
            Box::pin(async move {
                let now = hub.now();
                let (own, since) = hub.store.hubs_there(now);
                let refused = sqlx::query(waiting!("delete"))
                    .bind(code)
                    .bind(now)
                    .bind(own)
                    .bind(since)
                    .execute(tx.sql())
                    .await?;
                Ok::<_, StoreError>(refused.rows_affected())
            })
        });
        if refused.await? == 0 {
            return Err(no_such_code());
        }
        self.say_answered().await;
        Ok(())
    }

    async fn say_answered(&self) {
        self.answers.wake();
        self.store.say(Word::Enrolment).await;
    }
}

fn no_such_code() -> ChangeError {
    ChangeError::NotFound("machine waiting under this code; it may have expired".to_owned())
}

/// A code as it is stored: `BCDF-GHJK`.
fn canonical(code: &str) -> String {
    let letters: String = code.chars().filter(char::is_ascii_alphanumeric).take(CODE_LETTERS + 1).collect();
    let letters = letters.to_ascii_uppercase();
    match letters.len() {
        CODE_LETTERS => format!("{}-{}", &letters[..4], &letters[4..]),
        _ => letters,
    }
}

fn new_code() -> Result<String, StoreError> {
    let mut letters = String::new();
    while letters.len() < CODE_LETTERS {
        let [byte] = chance::bytes()?;
        // 240 is the largest multiple of twenty in a byte: beyond it some letters would come more often.
        if byte < 240 {
            letters.push(char::from(LETTERS[usize::from(byte) % LETTERS.len()]));
        }
    }
    Ok(canonical(&letters))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        for typed in ["BCDF-GHJK", "bcdfghjk", " bcdf ghjk "] {
            assert_eq!(canonical(typed), "BCDF-GHJK");
        }
        assert_ne!(canonical("BCDF-GHJKL"), "BCDF-GHJK");
        let code = new_code().unwrap();
        assert_eq!((code.len(), canonical(&code)), (9, code.clone()));
    }
}
