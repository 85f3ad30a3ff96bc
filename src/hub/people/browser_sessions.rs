//! Browser sessions.
//!
//! A session has two halves. The cookie goes along by itself, to every port of the host, so it opens nothing alone. The
//! other half is told once, in the answer to signing in, and shown in a header by every request. The store knows only
//! the hash of each: who reads the store cannot take a session over. A session ends after [`IDLE_MS`] without a request
//! and [`LONGEST_MS`] after signing in, whatever happens; removing the user or setting a password ends it at once.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::core::ids::Digest;
use crate::hub::people::People;
use crate::hub::store::{StoreError, hashed, random};

/// A session nobody used for so long is over: half an hour.
pub const IDLE_MS: i64 = 30 * 60_000;
/// A session is over so long after signing in: twelve hours.
const LONGEST_MS: i64 = 12 * 3_600_000;
/// Use is noted this often, so that not every request writes.
const NOTE_MS: i64 = 60_000;

/// A session that goes on.
#[derive(Clone, Debug)]
pub struct BrowserSession {
    /// What the store calls it, which opens nothing: the hash of what the cookie holds.
    pub id: String,
    /// Who is signed in.
    pub user: String,
    /// The rest.
    pub stay: Stay,
}

/// What is kept of a session, beside its user.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stay {
    /// The digest of its other half, which every request must show.
    pub half: Digest,
    /// When its user signed in.
    pub since: i64,
    /// When use of it was last noted.
    pub noted: i64,
    /// Where it began.
    pub address: IpAddr,
    /// What the browser calls itself.
    pub browser: Option<String>,
}

/// Both halves of a session that begins, which are nowhere else.
#[derive(Debug)]
pub struct Halves {
    /// For the cookie.
    pub cookie: String,
    /// For the header.
    pub header: String,
}

impl Stay {
    fn expires_at(&self) -> i64 {
        (self.since + LONGEST_MS).min(self.noted + IDLE_MS)
    }

    fn text(&self) -> Result<String, StoreError> {
        serde_json::to_string(self).map_err(|error| StoreError::Failed(error.to_string()))
    }
}

impl People {
    /// Begins a session of a user, in place of the one that `cookie` opened.
    pub async fn begin_session(
        &self,
        user: &str,
        cookie: Option<&str>,
        address: IpAddr,
        browser: Option<String>,
    ) -> Result<Halves, StoreError> {
        let halves = Halves { cookie: random("")?, header: random("")? };
        let (now, half) = (self.now(), Digest::of(halves.header.as_bytes()));
        let stay = Stay { half, since: now, noted: now, address, browser };
        let (id, user, before) = (hashed(&halves.cookie), user.to_owned(), cookie.map(hashed));
        let (data, expires_at) = (stay.text()?, stay.expires_at());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    if let Some(before) = before {
                        sqlx::query("delete from browser_sessions where id = $1")
                            .bind(before)
                            .execute(tx.sql())
                            .await?;
                    }
                    sqlx::query(
                        "insert into browser_sessions (id, user_name, data, expires_at) values ($1, $2, $3, $4)",
                    )
                    .bind(id)
                    .bind(user)
                    .bind(data)
                    .bind(expires_at)
                    .execute(tx.sql())
                    .await?;
                    Ok::<(), StoreError>(())
                })
            })
            .await?;
        Ok(halves)
    }

    /// The session that a cookie opens. Looking at it is no use of it.
    pub async fn session_of_cookie(&self, cookie: &str) -> Result<Option<BrowserSession>, StoreError> {
        let found: Option<(String, String, String)> =
            sqlx::query_as("select id, user_name, data from browser_sessions where id = $1 and expires_at > $2")
                .bind(hashed(cookie))
                .bind(self.now())
                .fetch_optional(self.store.read())
                .await?;
        Ok(found.and_then(read))
    }

    /// The sessions of a user.
    pub async fn sessions_of(&self, user: &str) -> Result<Vec<BrowserSession>, StoreError> {
        let found: Vec<(String, String, String)> =
            sqlx::query_as("select id, user_name, data from browser_sessions where user_name = $1 and expires_at > $2")
                .bind(user)
                .bind(self.now())
                .fetch_all(self.store.read())
                .await?;
        Ok(found.into_iter().filter_map(read).collect())
    }

    /// Notes that somebody uses it, now and then; whether it did. One that was ended meanwhile does not come back.
    pub async fn note_session(&self, session: BrowserSession) -> Result<bool, StoreError> {
        let (now, BrowserSession { id, stay, .. }) = (self.now(), session);
        if now < stay.noted + NOTE_MS {
            return Ok(false);
        }
        let stay = Stay { noted: now, ..stay };
        let (data, expires_at) = (stay.text()?, stay.expires_at());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let noted = sqlx::query("update browser_sessions set data = $2, expires_at = $3 where id = $1");
                    let noted = noted.bind(id).bind(data).bind(expires_at).execute(tx.sql()).await?;
                    Ok::<bool, StoreError>(noted.rows_affected() > 0)
                })
            })
            .await
    }

    /// Ends one session of a user, by what the store calls it; whether there was one.
    pub async fn end_session(&self, user: &str, id: &str) -> Result<bool, StoreError> {
        let (user, id) = (user.to_owned(), id.to_owned());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let ended = sqlx::query("delete from browser_sessions where user_name = $1 and id = $2");
                    let ended = ended.bind(user).bind(id).execute(tx.sql()).await?;
                    Ok::<bool, StoreError>(ended.rows_affected() > 0)
                })
            })
            .await
    }
}

/// A row as a session; one that another version wrote is nobody's.
fn read((id, user, data): (String, String, String)) -> Option<BrowserSession> {
    let stay = serde_json::from_str(&data).ok()?;
    Some(BrowserSession { id, user, stay })
}
