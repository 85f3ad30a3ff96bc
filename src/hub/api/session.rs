//! Signing in and out, and the browser session behind it.
//!
//! A session ends after [`IDLE_MS`] without a request and [`LONGEST_MS`] after signing in, whatever happens; signing
//! out, removing the user or setting a password ends it at once, and with it what it listens to. Its id changes at
//! every sign-in. The cookie is `SameSite=Strict`: a link in a mail opens the page, and the page's own requests carry
//! it.

use std::net::{IpAddr, SocketAddr};

use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use tower_sessions::cookie::SameSite;
use tower_sessions::cookie::time::Duration;
use tower_sessions::{Expiry, Session, SessionManagerLayer};

use super::Api;
use super::body::Fields;
use super::problem::Problem;
use super::who::Viewer;
use crate::hub::Hub;
use crate::hub::model::{Role, User};
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

/// The body of `POST /session`: a name and a password, or the code of a one-time link.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    name: Option<String>,
    password: Option<String>,
    code: Option<String>,
}

/// The answer to `GET` and `POST /session`.
#[derive(Serialize)]
pub struct Who {
    user: Person,
    csrf: Option<String>,
    hub_time: i64,
    local: bool,
    /// Whether the user can sign in with a password; changing it then needs the current one.
    password: bool,
}

/// A user as they see themselves.
#[derive(Serialize)]
struct Person {
    name: String,
    role: Role,
}

impl Who {
    async fn new(api: &Api, user: User, csrf: Option<String>) -> Result<Json<Self>, Problem> {
        let password = api.hub.people.has_password(&user.name).await?;
        let user = Person { name: user.name, role: user.role };
        Ok(Json(Self { user, csrf, hub_time: api.hub.now(), local: api.site.local, password }))
    }
}

/// `GET /session`: who am I, and which CSRF token goes with my session; none goes with a personal token.
pub async fn show(State(api): State<Api>, session: Session, Viewer(user): Viewer) -> Result<Json<Who>, Problem> {
    let stay = current(&session, api.hub.now()).await?.filter(|stay| stay.user == user.name);
    Who::new(&api, user, stay.map(|stay| stay.csrf)).await
}

/// `POST /session`: signs in, in a session with a new id.
pub async fn sign_in(
    State(api): State<Api>,
    ConnectInfo(connection): ConnectInfo<SocketAddr>,
    session: Session,
    headers: HeaderMap,
    Fields(fields): Fields<SignIn>,
) -> Result<Json<Who>, Problem> {
    let peer = api.site.peer(&headers, connection.ip());
    let user = verify(&api, peer, fields).await.inspect_err(|problem| {
        if problem.status() == StatusCode::UNAUTHORIZED {
            api.counters.failed_sign_in();
            tracing::warn!(%peer, "somebody could not sign in");
        }
    })?;
    let csrf = begin(&session, &user, api.hub.now()).await?;
    Who::new(&api, user, Some(csrf)).await
}

async fn verify(api: &Api, peer: IpAddr, fields: SignIn) -> Result<User, Problem> {
    match fields {
        SignIn { name: Some(name), password: Some(password), code: None } => {
            api.attempts.password(peer, &name)?;
            let user = api.hub.people.verify_password(&name, &password).await?;
            user.ok_or_else(|| Problem::signed_out("the name or the password is wrong"))
        }
        SignIn { name: None, password: None, code: Some(code) } => match api.hub.people.redeem_link(&code).await? {
            Some(user) => Ok(user),
            None => Err(api.attempts.wrong_link(peer).err().unwrap_or_else(|| {
                Problem::signed_out(
                    "this link was used already or is too old; ask an administrator for a new one, or, on the hub's \
                     machine, `hitl-hub user link NAME`",
                )
            })),
        },
        _ => Err(Problem::invalid("the body must hold name and password, or code")),
    }
}

/// Starts a session under a new id, whatever the browser brought along.
async fn begin(session: &Session, user: &User, now: i64) -> Result<String, Problem> {
    session.clear().await;
    session.cycle_id().await?;
    let csrf = random_token()?;
    session.insert(USER_KEY, &user.name).await?;
    session.insert(STAY_KEY, Entry { csrf: csrf.clone(), since: now, noted: now }).await?;
    Ok(csrf)
}

/// `DELETE /session`: signs out.
pub async fn sign_out(State(api): State<Api>, session: Session, Viewer(_): Viewer) -> Result<StatusCode, Problem> {
    session.flush().await?;
    // It is in no record, so nothing else tells the session's pages to go.
    api.hub.store().wake_pages();
    Ok(StatusCode::NO_CONTENT)
}

fn random_token() -> Result<String, Problem> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| Problem::internal(&error))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}
