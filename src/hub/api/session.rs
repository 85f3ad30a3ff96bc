//! Signing in and out.

use std::net::{IpAddr, SocketAddr};

use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use tower_sessions::Session;

use super::Api;
use super::body::Fields;
use super::problem::Problem;
use super::stay::{begin, current};
use super::who::Viewer;
use crate::hub::model::{Role, User};

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

/// `DELETE /session`: signs out.
pub async fn sign_out(State(api): State<Api>, session: Session, Viewer(_): Viewer) -> Result<StatusCode, Problem> {
    session.flush().await?;
    // It is in no record, so nothing else tells the session's pages to go.
    api.hub.store().wake_pages();
    Ok(StatusCode::NO_CONTENT)
}
