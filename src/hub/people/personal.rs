//! Personal tokens: what a person's scripts sign in with. They may do what the person may, and nothing else.

use std::time::Duration;

use serde_json::json;

use crate::chance;
use crate::core::ids::hex;
use crate::hub::error::ChangeError;
use crate::hub::model::User;
use crate::hub::people::row::{self, PersonalToken};
use crate::hub::people::{People, users};
use crate::hub::store::{Entry, StoreError, Target, Tx, hashed, random};
use crate::hub::who::{Actor, Via, admin};

/// The longest life of a token, in milliseconds: a year.
const LONGEST_MS: i64 = 366 * 86_400_000;

impl People {
    /// A token, `hitl_u_…`, that dies after `ttl` and is never shown again.
    pub async fn add_user_token(
        &self,
        name: &str,
        ttl: Duration,
        by: &Actor,
    ) -> Result<(PersonalToken, String), ChangeError> {
        let ttl = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
        if !(1..=LONGEST_MS).contains(&ttl) {
            return Err(ChangeError::Invalid("a token lives for a year at most".to_owned()));
        }
        let secret = self.store.identity().await?.fingerprint().named_in(&random("hitl_u_")?);
        let now = self.now();
        let (hash, by) = (hashed(&secret), by.clone());
        let token =
            PersonalToken { id: new_id("token")?, user: name.to_owned(), created_at: now, expires_at: now + ttl };
        let added = token.clone();
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    admin(tx, &by).await?;
                    insert(tx, &hash, &added).await?;
                    let detail = json!({ "token": added.id, "expires_at": added.expires_at });
                    let subject = added.user.as_str();
                    let entry = Entry { at: now, actor: by.name(), action: "user.token_added", subject, detail };
                    tx.audit(entry, Target::Pages).await?;
                    Ok::<_, ChangeError>(())
                })
            })
            .await?;
        Ok((token, secret))
    }

    /// A person's tokens that are still good, oldest first.
    pub async fn user_tokens(&self, name: &str) -> Result<Vec<PersonalToken>, ChangeError> {
        if self.user(name).await?.is_none() {
            return Err(ChangeError::NotFound(format!("user {name}")));
        }
        let found = sqlx::query(
            "select * from user_tokens where user_name = $1 and id is not null and expires_at > $2 \
             order by created_at, id",
        )
        .bind(name)
        .bind(self.now())
        .fetch_all(self.store.read())
        .await
        .map_err(StoreError::from)?;
        Ok(found.iter().map(row::token).collect::<Result<_, _>>()?)
    }

    /// Makes a token worthless at once, by its name in the list.
    pub async fn revoke_user_token(&self, id: &str, by: &Actor) -> Result<PersonalToken, ChangeError> {
        let (hub, id, by) = (self.clone(), id.to_owned(), by.clone());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    admin(tx, &by).await?;
                    let gone = sqlx::query("delete from user_tokens where id = $1 returning *").bind(id.as_str());
                    let Some(row) = gone.fetch_optional(tx.sql()).await? else {
                        return Err(ChangeError::NotFound(format!("token {id}")));
                    };
                    let token = row::token(&row)?;
                    let (subject, detail) = (token.user.as_str(), json!({ "token": token.id }));
                    let entry =
                        Entry { at: hub.now(), actor: by.name(), action: "user.token_revoked", subject, detail };
                    tx.audit(entry, Target::Pages).await?;
                    Ok(token)
                })
            })
            .await
    }

    /// Whose personal token this is, and whether it is a command's.
    pub async fn user_of_token(&self, token: &str) -> Result<Option<(User, Via)>, StoreError> {
        let row = sqlx::query(
            "select users.* from user_tokens join users on users.name = user_tokens.user_name \
             where user_tokens.hash = $1 and user_tokens.expires_at > $2",
        )
        .bind(hashed(token))
        .bind(self.now())
        .fetch_optional(self.store.read())
        .await?;
        match row {
            Some(row) => Ok(Some((row::user_of(&row)?, Via::Token))),
            None => Ok(self.user_of_command(token).await?.map(|user| (user, Via::Cli))),
        }
    }
}

/// A name that opens nothing, for lists and the record.
pub(super) fn new_id(kind: &str) -> Result<String, StoreError> {
    Ok(format!("{kind}-{}", hex(&chance::bytes::<6>()?)))
}

async fn insert(tx: &mut Tx, hash: &str, token: &PersonalToken) -> Result<(), ChangeError> {
    if users::find(tx, &token.user).await?.is_none() {
        return Err(ChangeError::NotFound(format!("user {}", token.user)));
    }
    sqlx::query("insert into user_tokens (hash, user_name, expires_at, id, created_at) values ($1, $2, $3, $4, $5)")
        .bind(hash)
        .bind(token.user.as_str())
        .bind(token.expires_at)
        .bind(token.id.as_str())
        .bind(token.created_at)
        .execute(tx.sql())
        .await?;
    Ok(())
}
