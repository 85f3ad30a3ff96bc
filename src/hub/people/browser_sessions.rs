//! Browser sessions for `tower-sessions`.
//!
//! The store knows only the hash of a session's id: who reads the store cannot take a session over.
//! The session's entry `user` names its owner: removing the user or setting a password ends the session.

use std::pin::Pin;

use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{Error, Result, SessionStore};

use crate::core::ids::Digest;
use crate::hub::store::{Store, StoreError};

/// What a session holds.
type Entries = std::collections::HashMap<String, serde_json::Value>;
type Answer<'t, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 't>>;

/// The key of the session entry that holds the user's name, as a JSON string.
pub const USER_KEY: &str = "user";

/// Browser sessions in the store.
#[derive(Clone, Debug)]
pub struct BrowserSessions(pub Store);

fn backend(error: impl std::fmt::Display) -> Error {
    Error::Backend(error.to_string())
}

impl BrowserSessions {
    async fn insert(&self, record: &Record) -> Result<bool> {
        let (id, text) = (session_key(&record.id), text(record)?);
        let (user, expires_at) = (owner(record), expiry_ms(record));
        self.0
            .write(move |tx| {
                Box::pin(async move {
                    let done = sqlx::query(
                        "insert into browser_sessions (id, user_name, data, expires_at) values ($1, $2, $3, $4) \
                     on conflict (id) do nothing",
                    )
                    .bind(id)
                    .bind(user)
                    .bind(text)
                    .bind(expires_at)
                    .execute(tx.sql())
                    .await?;
                    Ok::<bool, StoreError>(done.rows_affected() == 1)
                })
            })
            .await
            .map_err(backend)
    }

    async fn update(&self, record: &Record) -> Result<()> {
        let (id, text) = (session_key(&record.id), text(record)?);
        let (user, expires_at) = (owner(record), expiry_ms(record));
        self.0
            .write(move |tx| {
                Box::pin(async move {
                    sqlx::query("update browser_sessions set user_name = $2, data = $3, expires_at = $4 where id = $1")
                        .bind(id)
                        .bind(user)
                        .bind(text)
                        .bind(expires_at)
                        .execute(tx.sql())
                        .await?;
                    Ok::<(), StoreError>(())
                })
            })
            .await
            .map_err(backend)
    }

    async fn find(&self, id: &Id) -> Result<Option<Record>> {
        let text: Option<String> = sqlx::query_scalar("select data from browser_sessions where id = $1")
            .bind(session_key(id))
            .fetch_optional(self.0.read())
            .await
            .map_err(backend)?;
        // The layer itself drops what has expired; the sweeper removes it.
        let read = |text: String| {
            let record: Record = serde_json::from_str(&text).map_err(|error| Error::Decode(error.to_string()))?;
            Ok(Record { id: *id, ..record })
        };
        text.map(read).transpose()
    }

    /// The sessions of a user: what the store calls each, and its entries.
    pub async fn of_user(&self, user: &str) -> std::result::Result<Vec<(String, Entries)>, StoreError> {
        let found: Vec<(String, String)> = sqlx::query_as("select id, data from browser_sessions where user_name = $1")
            .bind(user)
            .fetch_all(self.0.read())
            .await?;
        let entries = |text: String| Some(serde_json::from_str::<Record>(&text).ok()?.data);
        Ok(found.into_iter().filter_map(|(id, text)| Some((id, entries(text)?))).collect())
    }

    /// Ends one session of a user, by what the store calls it; whether there was one.
    pub async fn end(&self, user: &str, id: &str) -> std::result::Result<bool, StoreError> {
        let (user, id) = (user.to_owned(), id.to_owned());
        self.0
            .write(move |tx| {
                Box::pin(async move {
                    let done = sqlx::query("delete from browser_sessions where user_name = $1 and id = $2")
                        .bind(user)
                        .bind(id)
                        .execute(tx.sql())
                        .await?;
                    Ok(done.rows_affected() > 0)
                })
            })
            .await
    }

    async fn remove(&self, id: &Id) -> Result<()> {
        let id = session_key(id);
        self.0
            .write(move |tx| {
                Box::pin(async move {
                    sqlx::query("delete from browser_sessions where id = $1").bind(id).execute(tx.sql()).await?;
                    Ok::<(), StoreError>(())
                })
            })
            .await
            .map_err(backend)
    }
}

/// What the store calls a session.
pub fn session_key(id: &Id) -> String {
    Digest::of(id.to_string().as_bytes()).to_string()
}

/// A session without its id.
fn text(record: &Record) -> Result<String> {
    let nameless = Record { id: Id(0), ..record.clone() };
    serde_json::to_string(&nameless).map_err(|error| Error::Encode(error.to_string()))
}

fn owner(record: &Record) -> Option<String> {
    record.data.get(USER_KEY).and_then(|name| name.as_str()).map(str::to_owned)
}

fn expiry_ms(record: &Record) -> i64 {
    record.expiry_date.unix_timestamp().saturating_mul(1000)
}

impl SessionStore for BrowserSessions {
    fn create<'a, 'b, 't>(&'a self, record: &'b mut Record) -> Answer<'t, ()>
    where
        'a: 't,
        'b: 't,
        Self: 't,
    {
        Box::pin(async move {
            // An id that exists is somebody else's session.
            while !self.insert(record).await? {
                record.id = Id::default();
            }
            Ok(())
        })
    }

    /// Changes a session that exists; one that was ended meanwhile does not come back.
    fn save<'a, 'b, 't>(&'a self, record: &'b Record) -> Answer<'t, ()>
    where
        'a: 't,
        'b: 't,
        Self: 't,
    {
        Box::pin(self.update(record))
    }

    fn load<'a, 'b, 't>(&'a self, id: &'b Id) -> Answer<'t, Option<Record>>
    where
        'a: 't,
        'b: 't,
        Self: 't,
    {
        Box::pin(self.find(id))
    }

    fn delete<'a, 'b, 't>(&'a self, id: &'b Id) -> Answer<'t, ()>
    where
        'a: 't,
        'b: 't,
        Self: 't,
    {
        Box::pin(self.remove(id))
    }
}
