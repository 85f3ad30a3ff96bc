//! The browsers that people subscribed, each with a channel of its own: its owner's to see and to remove.

use serde::Deserialize;
use serde_json::{Value, json};

use super::PREFIX;
use super::hosts::address;
use super::seal::Recipient;
use crate::config::notify::{Channel, Kind};
use crate::core::ids::{ApprovalId, Digest};
use crate::hub::error::ChangeError;
use crate::hub::model::User;
use crate::hub::notify::Notify;
use crate::hub::notify::row::{self, Browser};
use crate::hub::notify::stored::put;
use crate::hub::store::{Entry, StoreError, Target, Tx};

/// How many browsers one person may have.
const MOST: i64 = 20;

/// The body of `POST /notifications/browsers`: a `PushSubscription`, and what its owner calls this browser.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subscription {
    /// Where the browser's push service takes messages for it.
    pub endpoint: String,
    /// What to seal them with.
    pub keys: Keys,
    /// Such as `Firefox on Linux`.
    pub name: String,
}

/// The keys of a subscription, base64url.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// The browser's public key.
    pub p256dh: String,
    /// A secret shared with the browser.
    pub auth: String,
}

/// What is needed to write to a browser.
pub(super) struct Stored {
    pub(super) user_name: String,
    pub(super) endpoint: String,
    pub(super) p256dh: String,
    pub(super) auth: String,
}

impl Stored {
    fn of((user_name, endpoint, p256dh, auth): (String, String, String, String)) -> Self {
        Self { user_name, endpoint, p256dh, auth }
    }
}

impl Notify {
    /// The public key that browsers subscribe with, base64url.
    pub async fn push_public_key(&self) -> Result<String, StoreError> {
        Ok(self.push_key().await?.public.clone())
    }

    /// A user's browsers, oldest first.
    pub async fn browsers(&self, user: &User) -> Result<Vec<Browser>, StoreError> {
        let rows = sqlx::query(
            "select browsers.id, name, added_at, last_at, last_error, \
             (select count(*) from outbox where channel = browsers.id and ended_at is null) as waiting, \
             (select count(*) from outbox where channel = browsers.id and ended = 'given_up') as given_up \
             from browsers join channels on channels.id = browsers.id where user_name = $1 order by added_at, browsers.id",
        )
        .bind(user.name.as_str())
        .fetch_all(self.store.read())
        .await?;
        rows.iter().map(row::browser).collect()
    }

    /// Tells this browser from now on. The same one again changes nothing but its name, and its owner where somebody
    /// else has signed in there.
    pub async fn add_browser(&self, new: Subscription, user: &User) -> Result<Browser, ChangeError> {
        let name = new.name.trim().to_owned();
        if name.is_empty() || name.chars().count() > 100 || name.contains('\0') {
            return Err(ChangeError::Invalid("name has 1 to 100 characters".to_owned()));
        }
        if new.endpoint.len() > 2000 {
            return Err(ChangeError::Invalid("endpoint has at most 2000 characters".to_owned()));
        }
        address(&new.endpoint, &self.push_hosts).map_err(ChangeError::Invalid)?;
        Recipient::new(&new.keys.p256dh, &new.keys.auth).map_err(ChangeError::Invalid)?;
        let new = Subscription { name, ..new };
        let (id, owner, now) = (id_of(&new.endpoint), user.name.clone(), self.now());
        let added = id.clone();
        self.store.write(move |tx| Box::pin(async move { add(tx, &added, &new, &owner, now).await })).await?;
        let found = self.browsers(user).await?.into_iter().find(|browser| browser.id == id);
        found.ok_or_else(|| ChangeError::Conflict("this browser was removed meanwhile".to_owned()))
    }

    /// Tells one of the user's browsers no longer.
    pub async fn remove_browser(&self, id: &str, user: &User) -> Result<(), ChangeError> {
        let (id, owner, now) = (id.to_owned(), user.name.clone(), self.now());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let found = stored(tx, &id).await?.is_some_and(|browser| browser.user_name == owner);
                    if !found {
                        return Err(ChangeError::NotFound("such browser of yours".to_owned()));
                    }
                    Ok(forget(tx, &id, &owner, now).await?)
                })
            })
            .await
    }

    /// Whose browser this is, if it is one.
    pub(in crate::hub::notify) async fn owner_of_browser(&self, id: &str) -> Result<Option<String>, StoreError> {
        Ok(self.stored_browser(id).await?.map(|browser| browser.user_name))
    }

    pub(super) async fn stored_browser(&self, id: &str) -> Result<Option<Stored>, StoreError> {
        Ok(sqlx::query_as(SELECT).bind(id).fetch_optional(self.store.read()).await?.map(Stored::of))
    }
}

const SELECT: &str = "select user_name, endpoint, p256dh, auth from browsers where id = $1";

async fn stored(tx: &mut Tx, id: &str) -> Result<Option<Stored>, StoreError> {
    Ok(sqlx::query_as(SELECT).bind(id).fetch_optional(tx.sql()).await?.map(Stored::of))
}

/// The same for the same endpoint; a page computes it too.
fn id_of(endpoint: &str) -> String {
    format!("{PREFIX}{}", &Digest::of(endpoint.as_bytes()).as_str()[..32])
}

async fn add(tx: &mut Tx, id: &str, new: &Subscription, owner: &str, now: i64) -> Result<(), ChangeError> {
    let before = stored(tx, id).await?;
    // Whoever knows the secret holds the browser.
    if before.as_ref().is_some_and(|before| before.user_name != owner && before.auth != new.keys.auth) {
        return Err(ChangeError::Conflict("this browser belongs to somebody else".to_owned()));
    }
    let others: i64 = sqlx::query_scalar("select count(*) from browsers where user_name = $1 and id <> $2")
        .bind(owner)
        .bind(id)
        .fetch_one(tx.sql())
        .await?;
    if others >= MOST {
        return Err(ChangeError::Conflict(format!("you have {MOST} browsers already; remove one first")));
    }
    sqlx::query(
        "insert into browsers (id, user_name, name, endpoint, p256dh, auth, added_at) values ($1, $2, $3, $4, $5, $6, $7) \
         on conflict (id) do update set user_name = excluded.user_name, name = excluded.name, \
         p256dh = excluded.p256dh, auth = excluded.auth",
    )
    .bind(id)
    .bind(owner)
    .bind(new.name.as_str())
    .bind(new.endpoint.as_str())
    .bind(new.keys.p256dh.as_str())
    .bind(new.keys.auth.as_str())
    .bind(now)
    .execute(tx.sql())
    .await?;
    put(tx, &Channel::of_browser(id), 0, false, now).await?;
    let detail = json!({ "name": new.name });
    let entry = Entry { at: now, actor: owner, action: "notifications.browser_added", subject: id, detail };
    tx.audit(entry, Target::Pages).await?;
    Ok(())
}

/// Removes a browser, and what waits for it.
pub(in crate::hub::notify) async fn forget(tx: &mut Tx, id: &str, by: &str, now: i64) -> Result<(), StoreError> {
    for sql in [
        "delete from outbox where channel = $1",
        "delete from browsers where id = $1",
        "delete from channels where id = $1 and kind = 'browser'",
    ] {
        sqlx::query(sql).bind(id).execute(tx.sql()).await?;
    }
    let entry = Entry { at: now, actor: by, action: "notifications.browser_removed", subject: id, detail: Value::Null };
    tx.audit(entry, Target::Pages).await.map(drop)
}

/// Removes the browsers of a user who is removed.
pub async fn forget_browsers(tx: &mut Tx, user: &str, by: &str, now: i64) -> Result<(), StoreError> {
    let found: Vec<String> =
        sqlx::query_scalar("select id from browsers where user_name = $1").bind(user).fetch_all(tx.sql()).await?;
    for id in found {
        forget(tx, &id, by, now).await?;
    }
    Ok(())
}

/// Whether this channel was told, or is being told, of the approval by a message of its own; if it was, the outcome
/// replaces that message, and else nobody misses it.
pub(in crate::hub::notify) async fn heard_of(
    tx: &mut Tx,
    channel: &Channel,
    approval: &ApprovalId,
    now: i64,
) -> Result<bool, StoreError> {
    if channel.kind != Kind::Browser {
        return Ok(true);
    }
    let told: i64 = sqlx::query_scalar(
        "select count(*) from outbox where channel = $1 and approval = $2 and event = 'created' \
         and (ended = 'sent' or lease_until > $3) and not exists (select 1 from outbox others \
         where others.channel = outbox.channel and others.ended = 'collapsed' and others.ended_at = outbox.ended_at)",
    )
    .bind(channel.id.as_str())
    .bind(approval.as_str())
    .bind(now)
    .fetch_one(tx.sql())
    .await?;
    Ok(told > 0)
}
