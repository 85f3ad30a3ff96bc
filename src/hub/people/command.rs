//! Tokens of commands that speak with the running hub for whoever has its data dir: short-lived, and gone with the
//! command, or when somebody ends it. One that only looks needs no user, and is nobody who decides.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::hub::error::ChangeError;
use crate::hub::model::{Role, User};
use crate::hub::people::People;
use crate::hub::people::personal::new_id;
use crate::hub::store::{StoreError, hashed, random};
use crate::hub::who::{OPERATOR, role_of};

/// A command that is at the hub, without what it shows there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Its name in lists, which opens nothing.
    pub id: String,
    /// When it came.
    pub created_at: i64,
    /// When it last said that it goes on.
    pub renewed_at: i64,
}

impl People {
    /// A token that dies after `ttl`: it does what the user may, and without one only looks.
    pub async fn mint_command_token(&self, user: Option<&str>, ttl: Duration) -> Result<String, ChangeError> {
        let token = self.store.identity().await?.fingerprint().named_in(&random("hitl_u_")?);
        let (hash, expires_at) = (hashed(&token), self.after(ttl));
        if let Some(name) = user
            && self.user(name).await?.is_none()
        {
            return Err(ChangeError::NotFound(format!("user {name}")));
        }
        let (id, user, now) = (new_id("command")?, user.map(str::to_owned), self.now());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    sqlx::query(
                        "insert into command_tokens (hash, user_name, expires_at, id, created_at, renewed_at) \
                         values ($1, $2, $3, $4, $5, $5)",
                    )
                    .bind(hash)
                    .bind(user)
                    .bind(expires_at)
                    .bind(id)
                    .bind(now)
                    .execute(tx.sql())
                    .await?;
                    Ok::<(), StoreError>(())
                })
            })
            .await?;
        Ok(token)
    }

    /// Lets a command's token live on for `ttl` from now, or without one ends it; `false` when somebody has ended it.
    pub async fn keep_command_token(&self, token: &str, ttl: Option<Duration>) -> Result<bool, StoreError> {
        let (hash, now, expires_at) = (hashed(token), self.now(), ttl.map_or(0, |ttl| self.after(ttl)));
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let kept =
                        "update command_tokens set expires_at = $2, renewed_at = $3 where hash = $1 and expires_at > 0";
                    let kept =
                        sqlx::query(kept).bind(hash.as_str()).bind(expires_at).bind(now).execute(tx.sql()).await?;
                    if kept.rows_affected() > 0 {
                        return Ok(true);
                    }
                    // One that slept too long is gone, and not ended.
                    let ended = sqlx::query("select 1 from command_tokens where hash = $1").bind(hash);
                    Ok::<bool, StoreError>(ended.fetch_optional(tx.sql()).await?.is_none())
                })
            })
            .await
    }

    /// The commands that are at the hub for this user now, and for an administrator those that only look.
    pub async fn commands_of(&self, user: &User) -> Result<Vec<Command>, StoreError> {
        let found: Vec<(String, i64, i64)> = sqlx::query_as(
            "select id, created_at, renewed_at from command_tokens \
             where (user_name = $1 or user_name is null and $2 = 1) and expires_at > $3 order by created_at, id",
        )
        .bind(user.name.as_str())
        .bind(i64::from(user.role == Role::Admin))
        .bind(self.now())
        .fetch_all(self.store.read())
        .await?;
        let command = |(id, created_at, renewed_at)| Command { id, created_at, renewed_at };
        Ok(found.into_iter().map(command).collect())
    }

    /// Ends one of those; whether there was one.
    pub async fn end_command(&self, user: &User, id: &str) -> Result<bool, StoreError> {
        let (hub, user, id) = (self.clone(), user.clone(), id.to_owned());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let role = role_of(tx, &user.name).await?;
                    let ended = sqlx::query(
                        "update command_tokens set expires_at = 0 where id = $1 \
                         and (user_name = $2 or user_name is null and $3 = 1) and expires_at > $4",
                    );
                    let ended = ended.bind(id).bind(user.name).bind(i64::from(role == Some(Role::Admin)));
                    Ok::<bool, StoreError>(ended.bind(hub.now()).execute(tx.sql()).await?.rows_affected() > 0)
                })
            })
            .await
    }

    /// Who a command is.
    pub(super) async fn user_of_command(&self, token: &str) -> Result<Option<User>, StoreError> {
        let found: Option<(Option<String>,)> =
            sqlx::query_as("select user_name from command_tokens where hash = $1 and expires_at > $2")
                .bind(hashed(token))
                .bind(self.now())
                .fetch_optional(self.store.read())
                .await?;
        match found {
            Some((Some(name),)) => self.user(&name).await,
            Some((None,)) => Ok(Some(looking())),
            None => Ok(None),
        }
    }

    fn after(&self, ttl: Duration) -> i64 {
        self.now().saturating_add(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX))
    }
}

/// Whoever has the data dir and only looks; no user can have this name.
fn looking() -> User {
    User { name: OPERATOR.to_owned(), role: Role::Viewer, ceilings: BTreeMap::new(), created_at: 0 }
}
