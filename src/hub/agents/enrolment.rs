//! Enrolling a machine: a shim without a token waits under a short code until an administrator confirms it.
//!
//! Codes live in this process, ten minutes, and are used once. What a waiting shim says of itself is a claim.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::chance;
use crate::hub::agents::{AgentChange, Agents};
use crate::hub::error::ChangeError;
use crate::hub::model::Agent;
use crate::hub::store::StoreError;
use crate::hub::who::Actor;

/// How long a code is good, in milliseconds.
pub const GOOD_FOR_MS: i64 = 600_000;
/// How many may wait at once; anybody who reaches the hub may ask for one.
const MAX_WAITING: usize = 100;
/// Letters that make no words and are not taken for another.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const CODE_LETTERS: usize = 8;

/// Machines that wait for a person.
#[derive(Clone, Default)]
pub(super) struct Enrolments(Arc<Mutex<HashMap<String, Waiting>>>);

struct Waiting {
    claims: Claims,
    expires_at: i64,
    answer: oneshot::Sender<Enrolled>,
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

/// What a waiting machine is told.
#[derive(Debug)]
pub enum Enrolled {
    /// Its agent, and the token.
    Yes(Box<Agent>, String),
    /// A person said no.
    No,
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

impl Enrolments {
    fn waiting(&self, now: i64) -> MutexGuard<'_, HashMap<String, Waiting>> {
        // Every change is a single insert or remove.
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|_, machine| machine.expires_at > now && !machine.answer.is_closed());
        waiting
    }
}

impl Agents {
    /// A machine asks to be enrolled: its code, and where the answer comes. `None`: too many wait already.
    pub fn begin_enrolment(
        &self,
        claims: Claims,
    ) -> Result<Option<(Enrolment, oneshot::Receiver<Enrolled>)>, StoreError> {
        let now = self.now();
        let mut waiting = self.enrolments.waiting(now);
        if waiting.len() >= MAX_WAITING {
            return Ok(None);
        }
        let mut code = new_code()?;
        while waiting.contains_key(&code) {
            code = new_code()?;
        }
        let (answer, answered) = oneshot::channel();
        let expires_at = now + GOOD_FOR_MS;
        waiting.insert(code.clone(), Waiting { claims: claims.clone(), expires_at, answer });
        Ok(Some((Enrolment { code, claims, expires_at }, answered)))
    }

    /// The machine that shows this code, however it is written.
    pub fn enrolment(&self, code: &str) -> Option<Enrolment> {
        let code = canonical(code);
        let waiting = self.enrolments.waiting(self.now());
        let Waiting { claims, expires_at, .. } = waiting.get(&code)?;
        Some(Enrolment { claims: claims.clone(), expires_at: *expires_at, code })
    }

    /// Makes the machine an agent and hands it its token; the code is used up.
    pub async fn confirm_enrolment(&self, code: &str, yes: Confirmation, by: &Actor) -> Result<Agent, ChangeError> {
        if self.enrolment(code).is_none() {
            return Err(no_such_code());
        }
        // The agent first: a name that is taken leaves the code good for another try.
        let (agent, token) = self.add_agent(&yes.name, yes.user.as_deref(), by).await?;
        let change = AgentChange { servers: Some(yes.servers), ..AgentChange::default() };
        let agent = match self.change_agent(&agent.client_id, change, by).await {
            Ok(agent) => agent,
            Err(error) => {
                self.revoke_agent(agent.client_id.as_str(), by).await?;
                return Err(error);
            }
        };
        let taken = self.enrolments.waiting(self.now()).remove(&canonical(code));
        let handed =
            taken.is_some_and(|machine| machine.answer.send(Enrolled::Yes(Box::new(agent.clone()), token)).is_ok());
        if !handed {
            self.revoke_agent(agent.client_id.as_str(), by).await?;
            return Err(no_such_code());
        }
        Ok(agent)
    }

    /// Sends the machine away; the code is used up.
    pub fn refuse_enrolment(&self, code: &str) -> Result<(), ChangeError> {
        let taken = self.enrolments.waiting(self.now()).remove(&canonical(code));
        let machine = taken.ok_or_else(no_such_code)?;
        // Whoever waited may be gone, which is as good.
        let _ = machine.answer.send(Enrolled::No);
        Ok(())
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
