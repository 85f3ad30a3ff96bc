//! Tokens of commands that speak with the running hub for whoever has its data dir: short-lived, and gone with the
//! command. One that only looks needs no user, and is nobody who decides.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::hub::error::ChangeError;
use crate::hub::model::{Role, User};
use crate::hub::people::People;
use crate::hub::store::StoreError;
use crate::hub::store::secret::{hashed, random};
use crate::hub::who::OPERATOR;

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
        let user = user.map(str::to_owned);
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    sqlx::query("insert into command_tokens (hash, user_name, expires_at) values ($1, $2, $3)")
                        .bind(hash)
                        .bind(user)
                        .bind(expires_at)
                        .execute(tx.sql())
                        .await?;
                    Ok::<(), StoreError>(())
                })
            })
            .await?;
        Ok(token)
    }

    /// Lets a command's token live on for `ttl` from now; without one, ends it.
    pub async fn keep_command_token(&self, token: &str, ttl: Option<Duration>) -> Result<(), StoreError> {
        let (hash, expires_at) = (hashed(token), ttl.map_or(0, |ttl| self.after(ttl)));
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    sqlx::query("update command_tokens set expires_at = $2 where hash = $1")
                        .bind(hash)
                        .bind(expires_at)
                        .execute(tx.sql())
                        .await?;
                    Ok::<(), StoreError>(())
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
