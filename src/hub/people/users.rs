//! People: their roles and passwords.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use crate::core::trust::Level;
use crate::hub::error::ChangeError;
use crate::hub::model::{Role, User};
use crate::hub::notify;
use crate::hub::people::{People, password, row};
use crate::hub::store::{Entry, StoreError, Target, Tx, rows};
use crate::hub::who::{Actor, admin, check_alike, check_limits, check_name};

/// The fields of `PUT /users/{name}`; those left out stay as they are.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserChange {
    /// A new role.
    pub role: Option<Role>,
    /// Ceilings per server; replaces all of them.
    pub ceilings: Option<BTreeMap<String, Level>>,
}

impl People {
    /// All users, by name.
    pub async fn users(&self) -> Result<Vec<User>, StoreError> {
        let found = sqlx::query("select * from users order by name").fetch_all(self.store.read()).await?;
        found.iter().map(row::user_of).collect()
    }

    /// One user, as it is now; ask on every request, so that a removal or a new role counts at once.
    pub async fn user(&self, name: &str) -> Result<Option<User>, StoreError> {
        let row =
            sqlx::query("select * from users where name = $1").bind(name).fetch_optional(self.store.read()).await?;
        row.as_ref().map(row::user_of).transpose()
    }

    /// The administrator who was there first.
    pub async fn first_admin(&self) -> Result<Option<User>, StoreError> {
        let row = sqlx::query("select * from users where role = 'admin' order by created_at, name limit 1")
            .fetch_optional(self.store.read())
            .await?;
        row.as_ref().map(row::user_of).transpose()
    }

    /// Adds a user; without a password only links and tokens sign in.
    pub async fn add_user(
        &self,
        name: &str,
        role: Role,
        password: Option<&str>,
        by: &Actor,
    ) -> Result<User, ChangeError> {
        check_name(name)?;
        let hash = match password {
            Some(password) => {
                password::check(password)?;
                Some(password::hash(password).await?)
            }
            None => None,
        };
        let (hub, name, by) = (self.clone(), name.to_owned(), by.clone());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    admin(tx, &by).await?;
                    check_alike(&name, "user", names(tx).await?)?;
                    let added = insert(tx, &name, role, hash, by.name(), hub.now()).await?;
                    added.ok_or_else(|| ChangeError::Conflict(format!("there is already a user {name}")))
                })
            })
            .await
    }

    /// Changes role or ceilings; the last administrator stays one.
    pub async fn change_user(&self, name: &str, change: UserChange, by: &Actor) -> Result<User, ChangeError> {
        check_limits(change.ceilings.iter().flat_map(BTreeMap::keys))?;
        let (hub, name, by) = (self.clone(), name.to_owned(), by.clone());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    admin(tx, &by).await?;
                    let Some(before) = find(tx, &name).await? else {
                        return Err(ChangeError::NotFound(format!("user {name}")));
                    };
                    let role = change.role.unwrap_or(before.role);
                    if role != Role::Admin && is_last_admin(tx, &before).await? {
                        return Err(last_admin(&name));
                    }
                    let after = User { role, ceilings: change.ceilings.unwrap_or(before.ceilings), ..before };
                    update(tx, &after).await?;
                    let detail = json!({ "role": after.role, "ceilings": after.ceilings });
                    record(tx, &by, "user.changed", &name, detail, hub.now()).await?;
                    Ok(after)
                })
            })
            .await
    }

    /// Removes a user with their browser sessions, sign-in links and tokens; the last administrator stays.
    pub async fn remove_user(&self, name: &str, by: &Actor) -> Result<(), ChangeError> {
        let (hub, name, by) = (self.clone(), name.to_owned(), by.clone());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    admin(tx, &by).await?;
                    let Some(user) = find(tx, &name).await? else {
                        return Err(ChangeError::NotFound(format!("user {name}")));
                    };
                    if is_last_admin(tx, &user).await? {
                        return Err(last_admin(&name));
                    }
                    keep_ceilings(tx, &user, by.name(), hub.now()).await?;
                    notify::forget_browsers(tx, &name, by.name(), hub.now()).await?;
                    remove(tx, &name).await?;
                    record(tx, &by, "user.removed", &name, serde_json::Value::Null, hub.now()).await?;
                    Ok(())
                })
            })
            .await
    }

    /// Sets anybody's password (8 to 1024 characters) and ends their browser sessions, sign-in links and tokens.
    pub async fn set_password(&self, name: &str, password: &str, by: &Actor) -> Result<(), ChangeError> {
        password::check(password)?;
        let hash = password::hash(password).await?;
        let (hub, name, by) = (self.clone(), name.to_owned(), by.clone());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    admin(tx, &by).await?;
                    store_password(tx, &name, hash, &by, hub.now()).await
                })
            })
            .await
    }

    /// Sets one's own password, as `set_password`. Who has one already must know it: a browser that was left open must
    /// not be enough to take the account over.
    pub async fn change_own_password(
        &self,
        user: &User,
        current: Option<&str>,
        password: &str,
    ) -> Result<(), ChangeError> {
        password::check(password)?;
        let known = match current {
            Some(current) => self.verify_password(&user.name, current).await?.is_some(),
            None => false,
        };
        if !known && self.has_password(&user.name).await? {
            let why =
                if current.is_some() { "the current password is wrong" } else { "the current password is needed" };
            return Err(ChangeError::WrongPassword(why.to_owned()));
        }
        let hash = password::hash(password).await?;
        let (hub, name, by) = (self.clone(), user.name.clone(), Actor::from(user));
        self.store.write(move |tx| Box::pin(async move { store_password(tx, &name, hash, &by, hub.now()).await })).await
    }

    /// Whether this user can sign in with a password.
    pub async fn has_password(&self, name: &str) -> Result<bool, StoreError> {
        let found: Option<i64> = sqlx::query_scalar("select 1 from users where name = $1 and password is not null")
            .bind(name)
            .fetch_optional(self.store.read())
            .await?;
        Ok(found.is_some())
    }

    /// The user, if the password is theirs; takes as long when there is no such user.
    pub async fn verify_password(&self, name: &str, password: &str) -> Result<Option<User>, StoreError> {
        let row: Option<(Option<String>,)> = sqlx::query_as("select password from users where name = $1")
            .bind(name)
            .fetch_optional(self.store.read())
            .await?;
        let stored = row.and_then(|(hash,)| hash);
        // What cannot be a password is not worth its hashing, but takes as long as any other.
        let password = password::check(password).map_or("", |()| password);
        if password::verify(password, stored).await? { self.user(name).await } else { Ok(None) }
    }
}

/// Adds a user and records it; `None` when the name is taken.
pub(super) async fn insert(
    tx: &mut Tx,
    name: &str,
    role: Role,
    hash: Option<String>,
    by: &str,
    now: i64,
) -> Result<Option<User>, StoreError> {
    let row = sqlx::query(
        "insert into users (name, role, password, ceilings, created_at) values ($1, $2, $3, '{}', $4) \
         on conflict (name) do nothing returning *",
    )
    .bind(name)
    .bind(role.as_str())
    .bind(hash)
    .bind(now)
    .fetch_optional(tx.sql())
    .await?;
    let Some(row) = row else { return Ok(None) };
    let detail = json!({ "role": role });
    let entry = Entry { at: now, actor: by, action: "user.added", subject: name, detail };
    tx.audit(entry, Target::Pages).await?;
    row::user_of(&row).map(Some)
}

async fn names(tx: &mut Tx) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar("select name from users order by created_at, name").fetch_all(tx.sql()).await?)
}

/// One user.
pub(super) async fn find(tx: &mut Tx, name: &str) -> Result<Option<User>, StoreError> {
    let row = sqlx::query("select * from users where name = $1").bind(name).fetch_optional(tx.sql()).await?;
    row.as_ref().map(row::user_of).transpose()
}

fn last_admin(name: &str) -> ChangeError {
    ChangeError::Conflict(format!("{name} is the last administrator; make somebody else one first"))
}

async fn is_last_admin(tx: &mut Tx, user: &User) -> Result<bool, StoreError> {
    let admins: i64 = sqlx::query_scalar("select count(*) from users where role = 'admin'").fetch_one(tx.sql()).await?;
    Ok(user.role == Role::Admin && admins <= 1)
}

async fn update(tx: &mut Tx, user: &User) -> Result<(), StoreError> {
    sqlx::query("update users set role = $2, ceilings = $3 where name = $1")
        .bind(user.name.as_str())
        .bind(user.role.as_str())
        .bind(json!(user.ceilings).to_string())
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// A removed user's ceilings stay with their agents: nobody may do more because somebody is gone.
async fn keep_ceilings(tx: &mut Tx, user: &User, by: &str, at: i64) -> Result<(), StoreError> {
    let found = sqlx::query("select * from agents where user_name = $1 and revoked_at is null")
        .bind(user.name.as_str())
        .fetch_all(tx.sql())
        .await?;
    for row in &found {
        let mut agent = rows::agent(row)?;
        for (server, ceiling) in &user.ceilings {
            let trust = agent.trust.entry(server.clone()).or_insert(*ceiling);
            *trust = (*trust).min(*ceiling);
        }
        sqlx::query("update agents set trust = $2 where client_id = $1")
            .bind(agent.client_id.as_str())
            .bind(json!(agent.trust).to_string())
            .execute(tx.sql())
            .await?;
        let detail = json!({ "trust": agent.trust, "kept_of": user.name });
        let entry = Entry { at, actor: by, action: "agent.changed", subject: agent.client_id.as_str(), detail };
        tx.audit(entry, Target::Agent(agent.client_id.clone())).await?;
    }
    Ok(())
}

async fn remove(tx: &mut Tx, name: &str) -> Result<(), StoreError> {
    shut_out(tx, name).await?;
    sqlx::query("delete from users where name = $1").bind(name).execute(tx.sql()).await?;
    Ok(())
}

async fn store_password(tx: &mut Tx, name: &str, hash: String, by: &Actor, now: i64) -> Result<(), ChangeError> {
    let done =
        sqlx::query("update users set password = $2 where name = $1").bind(name).bind(hash).execute(tx.sql()).await?;
    if done.rows_affected() == 0 {
        return Err(ChangeError::NotFound(format!("user {name}")));
    }
    shut_out(tx, name).await?;
    record(tx, by, "user.password_set", name, serde_json::Value::Null, now).await?;
    Ok(())
}

/// Ends every way in that the user has now, but for a password.
async fn shut_out(tx: &mut Tx, name: &str) -> Result<(), StoreError> {
    for ways in [
        "delete from browser_sessions where user_name = $1",
        "delete from links where user_name = $1 and kind = 'sign_in'",
        "delete from user_tokens where user_name = $1",
        "delete from command_tokens where user_name = $1",
    ] {
        sqlx::query(ways).bind(name).execute(tx.sql()).await?;
    }
    Ok(())
}

async fn record(
    tx: &mut Tx,
    by: &Actor,
    action: &'static str,
    name: &str,
    detail: serde_json::Value,
    at: i64,
) -> Result<(), StoreError> {
    tx.audit(Entry { at, actor: by.name(), action, subject: name, detail }, Target::Everyone).await?;
    Ok(())
}
