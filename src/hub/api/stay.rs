//! The browser session of somebody who is signed in.
//!
//! It has two halves. The cookie goes along by itself, to every port of the host, so it opens nothing alone. The
//! other half is told once, in the answer to signing in, and shown in a header by every request; a page keeps it where
//! no other origin can read it. A session ends after [`IDLE_MS`] without a request and [`LONGEST_MS`] after signing in,
//! whatever happens; signing out, removing the user or setting a password ends it at once, and with it what it listens
//! to. Its id changes at every sign-in. The cookie is `SameSite=Strict`: a link in a mail opens the page, and the page's
//! own requests carry it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use tower_sessions::cookie::SameSite;
use tower_sessions::cookie::time::Duration;
use tower_sessions::{Expiry, Session, SessionManagerLayer};

use super::problem::Problem;
use crate::chance;
use crate::core::ids::Digest;
use crate::hub::Hub;
use crate::hub::model::User;
use crate::hub::people::{BrowserSessions, USER_KEY};
use crate::hub::store::Identity;

/// A session nobody used for so long is over: half an hour.
const IDLE_MS: i64 = 30 * 60_000;
/// A session is over so long after signing in: twelve hours.
const LONGEST_MS: i64 = 12 * 3_600_000;
/// Use is noted this often, so that not every request writes.
const NOTE_MS: i64 = 60_000;
/// The session entry beside the user's name.
pub(super) const STAY_KEY: &str = "stay";

/// What a browser session holds.
#[derive(Clone, Debug)]
pub struct Stay {
    /// Who is signed in.
    pub user: String,
    /// The digest of its other half, which every request must show.
    pub half: Digest,
}

/// The rest of a session, beside the user's name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    half: Digest,
    pub(super) since: i64,
    pub(super) noted: i64,
    /// Where it began, and what the browser calls itself.
    pub(super) address: IpAddr,
    pub(super) browser: Option<String>,
}

/// The layer that gives requests their session. Its cookie is named after the hub: those of one host get each other's.
pub fn layer(hub: &Hub, identity: &Identity, secure: bool) -> SessionManagerLayer<BrowserSessions> {
    let prefix = if secure { "__Host-hitl" } else { "hitl" };
    SessionManagerLayer::new(hub.people.browser_sessions())
        .with_name(format!("{prefix}-{}", identity.fingerprint().short()))
        .with_secure(secure)
        .with_http_only(true)
        .with_same_site(SameSite::Strict)
        .with_path("/")
        .with_expiry(Expiry::OnInactivity(Duration::milliseconds(IDLE_MS)))
}

/// The session as it is now: `None` when nobody is signed in any more. Looking at it is no use of it.
pub async fn current(session: &Session, now: i64) -> Result<Option<Stay>, Problem> {
    let user: Option<String> = session.get(USER_KEY).await?;
    let entry: Option<Entry> = session.get(STAY_KEY).await?;
    let (Some(user), Some(entry)) = (user, entry) else { return Ok(None) };
    if !entry.is_good(now) {
        session.flush().await?;
        return Ok(None);
    }
    Ok(Some(Stay { user, half: entry.half }))
}

/// Notes that somebody uses it.
pub async fn note(session: &Session, now: i64) -> Result<(), Problem> {
    let entry: Option<Entry> = session.get(STAY_KEY).await?;
    if let Some(entry) = entry.filter(|entry| now >= entry.noted + NOTE_MS) {
        session.insert(STAY_KEY, Entry { noted: now, ..entry }).await?;
    }
    Ok(())
}

/// Starts a session under a new id, whatever the browser brought along.
pub async fn begin(
    session: &Session,
    user: &User,
    now: i64,
    address: IpAddr,
    browser: Option<String>,
) -> Result<String, Problem> {
    session.clear().await;
    session.cycle_id().await?;
    let half = chance::secret().map_err(|error| Problem::internal(&error))?;
    session.insert(USER_KEY, &user.name).await?;
    session
        .insert(STAY_KEY, Entry { half: Digest::of(half.as_bytes()), since: now, noted: now, address, browser })
        .await?;
    Ok(half)
}

impl Entry {
    pub(super) fn is_good(&self, now: i64) -> bool {
        now < self.since + LONGEST_MS && now < self.noted + IDLE_MS
    }
}
