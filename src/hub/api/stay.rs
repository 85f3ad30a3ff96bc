//! The browser session of somebody who is signed in.
//!
//! It ends after [`IDLE_MS`] without a request and [`LONGEST_MS`] after signing in, whatever happens; signing out,
//! removing the user or setting a password ends it at once, and with it what it listens to. Its id changes at every
//! sign-in. The cookie is `SameSite=Strict`: a link in a mail opens the page, and the page's own requests carry it.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use tower_sessions::cookie::SameSite;
use tower_sessions::cookie::time::Duration;
use tower_sessions::{Expiry, Session, SessionManagerLayer};

use super::problem::Problem;
use crate::hub::Hub;
use crate::hub::model::User;
use crate::hub::people::{BrowserSessions, USER_KEY};

/// A session nobody used for so long is over: eight hours.
const IDLE_MS: i64 = 8 * 3_600_000;
/// A session is over so long after signing in: twelve hours.
const LONGEST_MS: i64 = 12 * 3_600_000;
/// Use is noted this often, so that not every request writes.
const NOTE_MS: i64 = 5 * 60_000;
/// The session entry beside the user's name.
const STAY_KEY: &str = "stay";

/// What a browser session holds.
#[derive(Clone, Debug)]
pub struct Stay {
    /// Who is signed in.
    pub user: String,
    /// What unsafe requests must show.
    pub csrf: String,
}

/// The rest of a session, beside the user's name.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    csrf: String,
    since: i64,
    noted: i64,
}

/// The layer that gives requests their session.
pub fn layer(hub: &Hub, secure: bool) -> SessionManagerLayer<BrowserSessions> {
    SessionManagerLayer::new(BrowserSessions(hub.store().clone()))
        .with_name(if secure { "__Host-hitl" } else { "hitl" })
        .with_secure(secure)
        .with_http_only(true)
        .with_same_site(SameSite::Strict)
        .with_path("/")
        .with_expiry(Expiry::OnInactivity(Duration::milliseconds(IDLE_MS)))
}

/// The session as it is now: `None` when nobody is signed in any more.
pub async fn current(session: &Session, now: i64) -> Result<Option<Stay>, Problem> {
    let user: Option<String> = session.get(USER_KEY).await?;
    let entry: Option<Entry> = session.get(STAY_KEY).await?;
    let (Some(user), Some(mut entry)) = (user, entry) else { return Ok(None) };
    if now >= entry.since + LONGEST_MS || now >= entry.noted + IDLE_MS {
        session.flush().await?;
        return Ok(None);
    }
    let csrf = entry.csrf.clone();
    if now >= entry.noted + NOTE_MS {
        entry.noted = now;
        session.insert(STAY_KEY, entry).await?;
    }
    Ok(Some(Stay { user, csrf }))
}

/// Starts a session under a new id, whatever the browser brought along.
pub async fn begin(session: &Session, user: &User, now: i64) -> Result<String, Problem> {
    session.clear().await;
    session.cycle_id().await?;
    let csrf = random_token()?;
    session.insert(USER_KEY, &user.name).await?;
    session.insert(STAY_KEY, Entry { csrf: csrf.clone(), since: now, noted: now }).await?;
    Ok(csrf)
}

fn random_token() -> Result<String, Problem> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| Problem::internal(&error))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}
