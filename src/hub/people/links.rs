//! One-time links: 256-bit codes, stored hashed, used once.

use crate::hub::error::ChangeError;
use crate::hub::model::{Role, User};
use crate::hub::people::{self, People, users};
use crate::hub::store::{Entry, StoreError, Target, Tx, hashed, random};
use crate::hub::who::{Actor, admin};

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

impl People {
    /// A new code; the link is `BASE/signin#CODE`.
    pub async fn mint_link(&self, kind: LinkKind) -> Result<String, StoreError> {
        let code = random("")?;
        let (hash, now) = (hashed(&code), self.now());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    match kind {
                        LinkKind::SignIn(user) => insert(tx, hash, "sign_in", &user, Some(now + SIGN_IN_MS)).await,
                        LinkKind::SetUp(user) => {
                            sqlx::query("delete from links where kind = 'set_up'").execute(tx.sql()).await?;
                            insert(tx, hash, "set_up", &user, None).await
                        }
                    }
                })
            })
            .await?;
        Ok(code)
    }

    /// The code of a new sign-in link for somebody who is there, in place of those they have not used.
    pub async fn add_link(&self, name: &str, by: &Actor) -> Result<String, ChangeError> {
        let code = random("")?;
        let (hash, now, name, by) = (hashed(&code), self.now(), name.to_owned(), by.clone());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    admin(tx, &by).await?;
                    if users::find(tx, &name).await?.is_none() {
                        return Err(ChangeError::NotFound(format!("user {name}")));
                    }
                    let lost = sqlx::query("delete from links where user_name = $1 and kind = 'sign_in'");
                    lost.bind(name.as_str()).execute(tx.sql()).await?;
                    insert(tx, hash, "sign_in", &name, Some(now + SIGN_IN_MS)).await?;
                    let detail = serde_json::json!({ "expires_at": now + SIGN_IN_MS });
                    let entry = Entry { at: now, actor: by.name(), action: "user.link_added", subject: &name, detail };
                    tx.audit(entry, Target::Pages).await?;
                    Ok(())
                })
            })
            .await?;
        Ok(code)
    }

    /// Whether a code is still unused.
    pub async fn has_link(&self, code: &str) -> Result<bool, StoreError> {
        let found: i64 = sqlx::query_scalar("select count(*) from links where hash = $1")
            .bind(hashed(code))
            .fetch_one(self.store.read())
            .await?;
        Ok(found > 0)
    }

    /// The user whom this code signs in; the code is used up.
    pub async fn redeem_link(&self, code: &str) -> Result<Option<User>, StoreError> {
        let (hash, now) = (hashed(code), self.now());
        // Anybody may send codes, and only one that is there is worth the writer's time.
        if !self.has_link(code).await? {
            return Ok(None);
        }
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let found: Option<(String, String, Option<i64>)> =
                        sqlx::query_as("delete from links where hash = $1 returning kind, user_name, expires_at")
                            .bind(hash)
                            .fetch_optional(tx.sql())
                            .await?;
                    match found {
                        Some((_, _, Some(expires_at))) if expires_at <= now => Ok(None),
                        Some((kind, user, _)) if kind == "sign_in" => users::find(tx, &user).await,
                        Some((kind, user, _)) if kind == "set_up" => first_admin(tx, &user, now).await,
                        _ => Ok(None),
                    }
                })
            })
            .await
    }
}

async fn insert(
    tx: &mut Tx,
    hash: String,
    kind: &'static str,
    user: &str,
    expires_at: Option<i64>,
) -> Result<(), StoreError> {
    sqlx::query("insert into links (hash, kind, user_name, expires_at) values ($1, $2, $3, $4)")
        .bind(hash)
        .bind(kind)
        .bind(user)
        .bind(expires_at)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// A set-up link is void as soon as there is an administrator: it may have lain in a log for months. Until then it is
/// the way to become one, under another name where somebody else has this one.
async fn first_admin(tx: &mut Tx, name: &str, now: i64) -> Result<Option<User>, StoreError> {
    let admins: i64 = sqlx::query_scalar("select count(*) from users where role = 'admin'").fetch_one(tx.sql()).await?;
    if admins > 0 {
        return Ok(None);
    }
    for name in people::admin_names(name) {
        if let Some(user) = users::insert(tx, &name, Role::Admin, None, &name, now).await? {
            return Ok(Some(user));
        }
    }
    Ok(None)
}
