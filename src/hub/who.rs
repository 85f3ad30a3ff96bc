//! Whose doing it is: people, agents' shims, and the hub itself; what they may be called, and what a role allows.

use serde::Serialize;

use crate::core::ids::{ClientId, InstanceId};
use crate::core::inert::deceives;
use crate::core::messages::ClientInfo;
use crate::hub::error::ChangeError;
use crate::hub::model::{Role, User};
use crate::hub::store::{StoreError, Tx};

/// The actor of what happens by itself.
pub(in crate::hub) const HUB: &str = "hub";
/// Whoever has access to the data dir.
pub(in crate::hub) const OPERATOR: &str = "operator";
/// Names that stand for something else in the audit record.
const RESERVED: [&str; 2] = [HUB, OPERATOR];
/// How client ids begin; no name may look like one.
pub(in crate::hub) const CLIENT_ID_PREFIX: &str = "agent-";

/// Whom a session speaks for.
#[derive(Clone, Debug)]
pub(in crate::hub) struct Shim {
    pub(in crate::hub) client_id: ClientId,
    pub(in crate::hub) agent_name: String,
    pub(in crate::hub) instance: InstanceId,
    pub(in crate::hub) server: String,
    pub(in crate::hub) client: ClientInfo,
    /// As the agent's account says, else as the shim says; shown, never decided on.
    pub(in crate::hub) user: Option<String>,
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
}

impl Decider {
    /// The detail of a record, with how the decision came in.
    pub(in crate::hub) fn told(&self, mut detail: serde_json::Value) -> serde_json::Value {
        if let Some(via) = self.via {
            detail["via"] = serde_json::json!(via);
        }
        detail
    }
}

impl From<&User> for Decider {
    fn from(user: &User) -> Self {
        Self { name: user.name.clone(), via: None }
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
pub(in crate::hub) async fn role_of(tx: &mut Tx, name: &str) -> Result<Option<Role>, StoreError> {
    let role: Option<String> =
        sqlx::query_scalar("select role from users where name = $1").bind(name).fetch_optional(tx.sql()).await?;
    Ok(role.and_then(|role| Role::from_name(&role)))
}

/// Refuses whoever is no administrator now, whatever they were when they were looked up.
pub(in crate::hub) async fn admin(tx: &mut Tx, by: &Actor) -> Result<(), ChangeError> {
    match by {
        Actor::User(user) if role_of(tx, &user.name).await? != Some(Role::Admin) => Err(ChangeError::Forbidden),
        _ => Ok(()),
    }
}

/// Names of servers that limits are set for; they need not be known yet.
pub(in crate::hub) fn check_limits<'n>(servers: impl Iterator<Item = &'n String>) -> Result<(), ChangeError> {
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
pub(in crate::hub) fn check_name(name: &str) -> Result<(), ChangeError> {
    let fits = (1..=64).contains(&name.chars().count()) && name.trim() == name && !name.chars().any(deceives);
    if !fits {
        return Err(ChangeError::Invalid("a name is 1 to 64 visible characters without blanks around them".to_owned()));
    }
    if RESERVED.contains(&name) || name.starts_with(CLIENT_ID_PREFIX) {
        return Err(ChangeError::Invalid(format!("the name {name} is reserved")));
    }
    Ok(())
}
