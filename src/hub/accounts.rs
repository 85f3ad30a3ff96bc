//! People and agents.
//!
//! Passwords are argon2id; tokens are 256-bit random and stored as SHA-256. A user's token opens the API, an agent's
//! token only the shim's websocket, and no code path turns one into the other.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::Hub;
use super::error::{Actor, ChangeError};
use super::model::{Agent, Role, User};
use super::store::StoreError;
use crate::core::ids::ClientId;
use crate::core::trust::Level;

/// The fields of `PUT /agents/{client_id}`; those left out stay as they are.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentChange {
    /// A new name.
    pub name: Option<String>,
    /// The person it works for; `null` clears it.
    #[serde(default, deserialize_with = "super::model::present")]
    pub user: Option<Option<String>>,
    /// Limits per server; replaces all of them.
    pub trust: Option<BTreeMap<String, Level>>,
}

/// The fields of `PUT /users/{name}`; those left out stay as they are.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserChange {
    /// A new role.
    pub role: Option<Role>,
    /// Ceilings per server; replaces all of them.
    pub ceilings: Option<BTreeMap<String, Level>>,
}

#[allow(clippy::todo, unused_variables)]
impl Hub {
    /// All users, by name.
    pub async fn users(&self) -> Result<Vec<User>, StoreError> {
        todo!()
    }

    /// One user, as it is now; ask on every request, so that a removal or a new role counts at once.
    pub async fn user(&self, name: &str) -> Result<Option<User>, StoreError> {
        todo!()
    }

    /// The administrator who was there first.
    pub async fn first_admin(&self) -> Result<Option<User>, StoreError> {
        todo!()
    }

    /// Adds a user; without a password only links and tokens sign in.
    pub async fn add_user(
        &self,
        name: &str,
        role: Role,
        password: Option<&str>,
        by: &Actor,
    ) -> Result<User, ChangeError> {
        todo!()
    }

    /// Changes role or ceilings; the last administrator stays one.
    pub async fn change_user(&self, name: &str, change: UserChange, by: &Actor) -> Result<User, ChangeError> {
        todo!()
    }

    /// Removes a user with their browser sessions and tokens; the last administrator stays.
    pub async fn remove_user(&self, name: &str, by: &Actor) -> Result<(), ChangeError> {
        todo!()
    }

    /// Sets a password (8 to 1024 characters) and ends the user's browser sessions; users may set their own.
    pub async fn set_password(&self, name: &str, password: &str, by: &Actor) -> Result<(), ChangeError> {
        todo!()
    }

    /// The user, if the password is theirs; takes as long when there is no such user.
    pub async fn verify_password(&self, name: &str, password: &str) -> Result<Option<User>, StoreError> {
        todo!()
    }

    /// A personal token, `hitl_u_…`, that dies after `ttl`.
    pub async fn mint_user_token(&self, name: &str, ttl: Duration) -> Result<String, ChangeError> {
        todo!()
    }

    /// Whose personal token this is.
    pub async fn user_of_token(&self, token: &str) -> Result<Option<User>, StoreError> {
        todo!()
    }

    /// All agents that are not revoked, by name.
    pub async fn agents(&self) -> Result<Vec<Agent>, StoreError> {
        todo!()
    }

    /// One agent that is not revoked, by client id or name.
    pub async fn agent(&self, name: &str) -> Result<Option<Agent>, StoreError> {
        todo!()
    }

    /// Adds an agent; the token, `hitl_a_…`, is never shown again.
    pub async fn add_agent(&self, name: &str, user: Option<&str>, by: &Actor) -> Result<(Agent, String), ChangeError> {
        todo!()
    }

    /// Changes name, user or trust; connected shims have the new policy within milliseconds.
    pub async fn change_agent(&self, id: &ClientId, change: AgentChange, by: &Actor) -> Result<Agent, ChangeError> {
        todo!()
    }

    /// Ends an agent, by client id or name: its sessions are cut and its pending approvals cancelled at once.
    pub async fn revoke_agent(&self, name: &str, by: &Actor) -> Result<Agent, ChangeError> {
        todo!()
    }

    /// Whose agent token this is.
    pub async fn agent_of_token(&self, token: &str) -> Result<Option<Agent>, StoreError> {
        todo!()
    }
}
