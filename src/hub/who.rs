//! Whose doing it is: people, agents' shims, and the hub itself; what they may be called, and what a role allows.

use std::sync::Arc;

use serde::Serialize;
use unicode_normalization::UnicodeNormalization as _;

use crate::core::alike::taken_for;
use crate::core::ids::{ClientId, Digest, InstanceId};
use crate::core::inert::deceives;
use crate::core::messages::ClientInfo;
use crate::hub::error::ChangeError;
use crate::hub::model::{Approval, Role, User};
use crate::hub::store::{Remembered, Sees as _, StoreError, Topic, Tx};

/// The actor of what happens by itself.
pub(super) const HUB: &str = "hub";
/// Whoever has access to the data dir.
pub(super) const OPERATOR: &str = "operator";
/// Names that stand for something else in the audit record.
const RESERVED: [&str; 2] = [HUB, OPERATOR];
/// How client ids begin; no name may look like one.
pub(super) const CLIENT_ID_PREFIX: &str = "agent-";

/// Whom a session speaks for.
#[derive(Clone, Debug)]
pub struct Shim {
    /// Its agent.
    pub client_id: ClientId,
    /// The agent's name.
    pub agent_name: String,
    /// The run of the shim.
    pub instance: InstanceId,
    /// The server that it stands in front of.
    pub server: String,
    /// The client, by its own word.
    pub client: ClientInfo,
    /// Whose account it runs under, as the shim says; shown as a claim, never decided on.
    pub claimed_user: Option<String>,
}

/// How a decision came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// A browser's session.
    Page,
    /// A personal token.
    Token,
    /// The command line of somebody with access to the data dir.
    Cli,
}

/// Who decides on a call, and how that came in.
#[derive(Clone, Debug)]
pub struct Decider {
    /// The user's name.
    pub name: String,
    /// Recorded with the decision, where it is known.
    pub via: Option<Via>,
    /// What they looked at, where they say so; another call under the same id is not decided.
    pub saw: Saw,
}

/// The call that somebody looked at before deciding.
#[derive(Clone, Debug, Default)]
pub struct Saw {
    /// Its digest.
    pub digest: Option<Digest>,
    /// That of its arguments.
    pub arguments_sha256: Option<Digest>,
}

impl Saw {
    /// Whether it is this one.
    pub(super) fn is(&self, approval: &Approval) -> bool {
        self.digest.as_ref().is_none_or(|digest| *digest == approval.digest)
            && self.arguments_sha256.as_ref().is_none_or(|digest| *digest == approval.arguments_sha256)
    }
}

impl Decider {
    /// The detail of a record, with how the decision came in.
    pub(super) fn told(&self, mut detail: serde_json::Value) -> serde_json::Value {
        if let Some(via) = self.via {
            detail["via"] = serde_json::json!(via);
        }
        detail
    }
}

impl From<&User> for Decider {
    fn from(user: &User) -> Self {
        Self { name: user.name.clone(), via: None, saw: Saw::default() }
    }
}

impl From<(&User, Via)> for Decider {
    fn from((user, via): (&User, Via)) -> Self {
        Self { via: Some(via), ..user.into() }
    }
}

/// Who changes accounts and policy. Decisions on calls are only for a [`User`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A signed-in person.
    User(User),
    /// Somebody with access to the data dir, through the command line; recorded as `operator`.
    Operator,
    /// The hub itself.
    Hub,
}

impl From<&User> for Actor {
    fn from(user: &User) -> Self {
        Self::User(user.clone())
    }
}

impl Actor {
    /// The name in the audit record.
    pub fn name(&self) -> &str {
        match self {
            Self::User(user) => &user.name,
            Self::Operator => OPERATOR,
            Self::Hub => HUB,
        }
    }
}

/// The role of whoever has this name, as it is now.
pub(super) async fn role_of(tx: &mut Tx, name: &str) -> Result<Option<Role>, StoreError> {
    if let Some(known) = tx.recall::<Known>(name) {
        return Ok(Some(known.0));
    }
    let role: Option<String> =
        sqlx::query_scalar("select role from users where name = $1").bind(name).fetch_optional(tx.sql()).await?;
    let role = role.and_then(|role| Role::from_name(&role));
    if let Some(role) = role {
        tx.keep(name, &Arc::new(Known(role)));
    }
    Ok(role)
}

/// A role that is kept in memory.
struct Known(Role);

impl Remembered for Known {
    const TOPIC: Topic = Topic::Callers;
}

/// Refuses whoever is no administrator now, whatever they were when they were looked up.
pub(super) async fn admin(tx: &mut Tx, by: &Actor) -> Result<(), ChangeError> {
    match by {
        Actor::User(user) if role_of(tx, &user.name).await? != Some(Role::Admin) => Err(ChangeError::Forbidden),
        _ => Ok(()),
    }
}

/// Names of servers that limits are set for; they need not be known yet.
pub(super) fn check_limits<'n>(servers: impl Iterator<Item = &'n String>) -> Result<(), ChangeError> {
    let (mut count, bad) = (0, |name: &String| name.is_empty() || name.chars().count() > 128 || name.contains('\0'));
    for name in servers {
        count += 1;
        if count > 1000 || bad(name) {
            return Err(ChangeError::Invalid("limits are for at most 1000 servers, by name".to_owned()));
        }
    }
    Ok(())
}

/// A name that can be typed, shown and told from the others.
pub(super) fn check_name(name: &str) -> Result<(), ChangeError> {
    let fits = (1..=64).contains(&name.chars().count()) && name.trim() == name && !name.chars().any(deceives);
    if !fits {
        return Err(ChangeError::Invalid("a name is 1 to 64 visible characters without blanks around them".to_owned()));
    }
    if poses(name) {
        let why = "a name does not mix alphabets, and has no letters that are another one in disguise";
        return Err(ChangeError::Invalid(why.to_owned()));
    }
    if RESERVED.contains(&name) || name.starts_with(CLIENT_ID_PREFIX) {
        return Err(ChangeError::Invalid(format!("the name {name} is reserved")));
    }
    Ok(())
}

/// Refuses a name that people could take for that of another, of those there are; the same name is for others to refuse.
pub(super) fn check_alike(name: &str, what: &str, known: Vec<String>) -> Result<(), ChangeError> {
    if known.iter().any(|known| known == name) {
        return Ok(());
    }
    taken_for(name, known).map_or(Ok(()), |known| {
        let why = format!("the name {name} can be taken for that of the {what} {known}; choose one that cannot");
        Err(ChangeError::Conflict(why))
    })
}

/// Whether it has what makes one name look like another: letters of alphabets whose letters look alike, side by side, or
/// forms of letters that are only another way to write them.
fn poses(name: &str) -> bool {
    let alphabet = |c: char| match c {
        'a'..='z' | 'A'..='Z' | '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' => Some("Latin"),
        '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => Some("Greek"),
        '\u{400}'..='\u{52f}' | '\u{1c80}'..='\u{1c8f}' | '\u{a640}'..='\u{a69f}' => Some("Cyrillic"),
        '\u{530}'..='\u{58f}' => Some("Armenian"),
        '\u{13a0}'..='\u{13ff}' | '\u{ab70}'..='\u{abbf}' => Some("Cherokee"),
        _ => None,
    };
    let mut found = name.chars().filter_map(alphabet);
    let first = found.next();
    found.any(|other| Some(other) != first) || !name.nfkc().eq(name.chars())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_passes_for_another_is_refused() {
        for name in ["ada", "Zoë", "Ада", "Ωμέγα", "田中", "ada-2 (ci)", "señor_ñ"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        let mixed = ["\u{430}dmin", "adm\u{456}n", "r\u{3bf}ot", "\u{ff41}dmin", "\u{1d41a}dmin", "Zoe\u{308}"];
        for name in mixed.into_iter().chain(["ad\u{200b}min", "admin\u{3164}", "\u{2066}admin", "operator", "agent-1"])
        {
            assert!(check_name(name).is_err(), "{name:?}");
        }
    }
}
