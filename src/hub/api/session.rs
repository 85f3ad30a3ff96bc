//! Signing in and out, and the sessions of whoever is signed in.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};

use super::Api;
use super::body::Fields;
use super::problem::Problem;
use super::stay;
use super::who::{HALF_HEADER, Viewer};
use crate::hub::model::{Page, Role, User};
use crate::hub::people::{BrowserSession, Halves, Stay};
use crate::hub::store::hashed;
use crate::hub::who::Via;

/// As much of a browser's name is kept, in characters.
const MAX_BROWSER: usize = 200;

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

/// `GET /session`: who am I. The session's other half is told again to whoever showed it, and to nobody else.
pub async fn show(
    State(api): State<Api>,
    Extension(via): Extension<Via>,
    headers: HeaderMap,
    Viewer(user): Viewer,
) -> Result<Json<Who>, Problem> {
    let shown = headers.get(HALF_HEADER).filter(|_| via == Via::Page).and_then(|value| value.to_str().ok());
    Who::new(&api, user, shown.map(str::to_owned)).await
}

/// `POST /session`: signs in, in a session with a new id.
pub async fn sign_in(
    State(api): State<Api>,
    ConnectInfo(connection): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Fields(fields): Fields<SignIn>,
) -> Result<impl IntoResponse, Problem> {
    let peer = api.site.peer(&headers, connection.ip());
    let user = verify(&api, peer, fields).await.inspect_err(|problem| {
        if problem.status() == StatusCode::UNAUTHORIZED {
            api.counters.failed_sign_in();
            tracing::warn!(%peer, "somebody could not sign in");
        }
    })?;
    let browser = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    let browser = browser.map(|name| name.chars().take(MAX_BROWSER).collect());
    let brought = stay::brought(&api, &headers);
    let Halves { cookie, header } = api.hub.people.begin_session(&user.name, brought, peer, browser).await?;
    let given = [(header::SET_COOKIE, stay::give(&api, &cookie)?)];
    Ok((given, Who::new(&api, user, Some(header)).await?))
}

async fn verify(api: &Api, peer: IpAddr, fields: SignIn) -> Result<User, Problem> {
    match fields {
        SignIn { name: Some(name), password: Some(password), code: None } => {
            api.attempts.password(peer, &name, api.hub.now()).await?;
            let user = api.hub.people.verify_password(&name, &password).await?;
            user.ok_or_else(|| Problem::signed_out("the name or the password is wrong"))
        }
        SignIn { name: None, password: None, code: Some(code) } => match api.hub.people.redeem_link(&code).await? {
            Some(user) => Ok(user),
            None => {
                api.attempts.wrong_link(peer, api.hub.now()).await?;
                Err(Problem::signed_out(
                    "this link was used already or is too old; ask an administrator for a new one, or, on the hub's \
                     machine, `hitl-hub user link NAME`",
                ))
            }
        },
        _ => Err(Problem::invalid("the body must hold name and password, or code")),
    }
}

/// `DELETE /session`: signs out.
pub async fn sign_out(
    State(api): State<Api>,
    headers: HeaderMap,
    Viewer(user): Viewer,
) -> Result<impl IntoResponse, Problem> {
    if let Some(cookie) = stay::brought(&api, &headers) {
        api.hub.people.end_session(&user.name, &hashed(cookie)).await?;
    }
    // It is in no record, so nothing else tells the session's pages to go.
    api.hub.store().wake_pages();
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, stay::take(&api)?)]))
}

/// A session as its owner sees it.
#[derive(Serialize)]
pub struct Listed {
    /// Ends it, and opens nothing.
    id: String,
    /// It is the one that asks.
    current: bool,
    since: i64,
    last_used: i64,
    /// None of a command, which is on the hub's own machine.
    address: Option<IpAddr>,
    browser: Option<String>,
}

/// `GET /sessions`: the caller's own, in the order in which they began, commands beside the hub included.
pub async fn list(
    State(api): State<Api>,
    headers: HeaderMap,
    Viewer(user): Viewer,
) -> Result<Json<Page<Listed>>, Problem> {
    let own = stay::brought(&api, &headers).map(hashed);
    let listed = |BrowserSession { id, stay, .. }| {
        let Stay { since, noted: last_used, address, browser, .. } = stay;
        Listed { current: Some(&id) == own.as_ref(), id, since, last_used, address: Some(address), browser }
    };
    let mut items: Vec<_> = api.hub.people.sessions_of(&user.name).await?.into_iter().map(listed).collect();
    items.extend(api.hub.people.commands_of(&user).await?.into_iter().map(|command| Listed {
        id: command.id,
        current: false,
        since: command.created_at,
        last_used: command.renewed_at,
        address: None,
        browser: Some("hitl-hub, a command".to_owned()),
    }));
    items.sort_by_key(|listed| listed.since);
    Ok(Json(Page { items, next_cursor: None }))
}

/// `DELETE /sessions/{id}`: ends one of the caller's own.
pub async fn end(State(api): State<Api>, Path(id): Path<String>, Viewer(user): Viewer) -> Result<StatusCode, Problem> {
    let people = &api.hub.people;
    if !people.end_session(&user.name, &id).await? && !people.end_command(&user, &id).await? {
        return Err(Problem::missing("session of yours"));
    }
    api.hub.store().wake_pages();
    Ok(StatusCode::NO_CONTENT)
}
