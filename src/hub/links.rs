//! One-time links: 256-bit codes, stored hashed, used once.

use super::Hub;
use super::accounts::{self, hashed, random};
use super::model::{Role, User};
use super::store::{StoreError, Tx};

/// How long a sign-in link is good, in milliseconds.
const SIGN_IN_MS: i64 = 600_000;

/// What a code is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// The first administrator: makes this user one when it is redeemed. Good until used, until the next one is
    /// minted, or until there is an administrator.
    SetUp(String),
    /// Signs this user in; good for ten minutes.
    SignIn(String),
}

impl Hub {
    /// A new code; the link is `BASE/signin#CODE`.
    pub async fn mint_link(&self, kind: LinkKind) -> Result<String, StoreError> {
        let code = random("")?;
        let (hash, now) = (hashed(&code), self.now());
        self.write(move |tx| {
            Box::pin(async move {
                let (kind, user, expires_at) = match kind {
                    LinkKind::SignIn(user) => ("sign_in", user, Some(now + SIGN_IN_MS)),
                    LinkKind::SetUp(user) => {
                        sqlx::query("delete from links where kind = 'set_up'").execute(tx.sql()).await?;
                        ("set_up", user, None)
                    }
                };
                sqlx::query("insert into links (hash, kind, user_name, expires_at) values ($1, $2, $3, $4)")
                    .bind(hash)
                    .bind(kind)
                    .bind(user)
                    .bind(expires_at)
                    .execute(tx.sql())
                    .await?;
                Ok(())
            })
        })
        .await?;
        Ok(code)
    }

    /// The user whom this code signs in; the code is used up.
    pub async fn redeem_link(&self, code: &str) -> Result<Option<User>, StoreError> {
        let (hash, now) = (hashed(code), self.now());
        // Anybody may send codes, and only one that is there is worth the writer's time.
        let known: i64 = sqlx::query_scalar("select count(*) from links where hash = $1")
            .bind(hash.as_str())
            .fetch_one(self.0.store.read())
            .await?;
        if known == 0 {
            return Ok(None);
        }
        self.write(move |tx| {
            Box::pin(async move {
                let found: Option<(String, String, Option<i64>)> =
                    sqlx::query_as("delete from links where hash = $1 returning kind, user_name, expires_at")
                        .bind(hash)
                        .fetch_optional(tx.sql())
                        .await?;
                match found {
                    Some((_, _, Some(expires_at))) if expires_at <= now => Ok(None),
                    Some((kind, user, _)) if kind == "sign_in" => accounts::find_user(tx, &user).await,
                    Some((kind, user, _)) if kind == "set_up" => first_admin(tx, &user, now).await,
                    _ => Ok(None),
                }
            })
        })
        .await
    }
}

/// A set-up link is void as soon as there is an administrator: it may have lain in a log for months. Until then it is
/// the way to become one, under another name where somebody else has this one.
async fn first_admin(tx: &mut Tx, name: &str, now: i64) -> Result<Option<User>, StoreError> {
    let admins: i64 = sqlx::query_scalar("select count(*) from users where role = 'admin'").fetch_one(tx.sql()).await?;
    if admins > 0 {
        return Ok(None);
    }
    for name in accounts::admin_names(name) {
        if let Some(user) = accounts::insert_user(tx, &name, Role::Admin, None, &name, now).await? {
            return Ok(Some(user));
        }
    }
    Ok(None)
}
