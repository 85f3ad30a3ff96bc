//! `/users`: the people who may sign in.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use axum::Json;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

use super::Api;
use super::body::Fields;
use super::problem::Problem;
use super::who::{Admin, InPerson, Viewer};
use crate::core::trust::Level;
use crate::hub::error::ChangeError;
use crate::hub::model::{Page, Role, User};
use crate::hub::people::{LinkKind, UserChange};

/// `GET /users`
pub async fn list(State(api): State<Api>, Admin(_): Admin) -> Result<Json<Page<User>>, Problem> {
    Ok(Json(Page { items: api.hub.people.users().await?, next_cursor: None }))
}

/// `GET /users/{name}`
pub async fn show(State(api): State<Api>, Admin(_): Admin, Path(name): Path<String>) -> Result<Json<User>, Problem> {
    known(&api, &name).await.map(Json)
}

/// The body of `POST /users`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    name: String,
    role: Role,
    password: Option<String>,
}

/// The answer to it; without a password, with a one-time link to hand over.
#[derive(Serialize)]
pub struct Added {
    #[serde(flatten)]
    user: User,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
}

/// `POST /users`
pub async fn add(
    State(api): State<Api>,
    Admin(by): Admin,
    _: InPerson,
    Fields(new): Fields<NewUser>,
) -> Result<(StatusCode, Json<Added>), Problem> {
    let user = api.hub.people.add_user(&new.name, new.role, new.password.as_deref(), &(&by).into()).await?;
    let link = match new.password {
        Some(_) => None,
        None => Some(sign_in_link(&api, &user).await?),
    };
    Ok((StatusCode::CREATED, Json(Added { user, link })))
}

async fn sign_in_link(api: &Api, user: &User) -> Result<String, Problem> {
    let code = api.hub.people.mint_link(LinkKind::SignIn(user.name.clone())).await?;
    Ok(link_of(api, &code))
}

fn link_of(api: &Api, code: &str) -> String {
    format!("{}/signin#{code}", api.site.base_url)
}

/// The answer to `POST /users/{name}/link`.
#[derive(Serialize)]
pub struct Linked {
    link: String,
}

/// `POST /users/{name}/link`: a one-time link to hand over, for whoever lost theirs; never shown again.
pub async fn add_link(
    State(api): State<Api>,
    Admin(by): Admin,
    _: InPerson,
    Path(name): Path<String>,
) -> Result<(StatusCode, Json<Linked>), Problem> {
    let code = api.hub.people.add_link(&name, &(&by).into()).await?;
    Ok((StatusCode::CREATED, Json(Linked { link: link_of(&api, &code) })))
}

/// The body of `PUT /users/{name}`: a password alone, or anything else.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    role: Option<Role>,
    ceilings: Option<BTreeMap<String, Level>>,
    password: Option<String>,
    /// One's own password as it was, where there was one.
    current_password: Option<String>,
}

/// `PUT /users/{name}`: everybody may set their own password, the rest is for administrators; the use case judges.
pub async fn change(
    State(api): State<Api>,
    Viewer(by): Viewer,
    ConnectInfo(connection): ConnectInfo<SocketAddr>,
    Path(name): Path<String>,
    headers: HeaderMap,
    in_person: Result<InPerson, Problem>,
    Fields(change): Fields<Change>,
) -> Result<Json<User>, Problem> {
    let (actor, Change { role, ceilings, password, current_password }) = ((&by).into(), change);
    match password {
        Some(password) if role.is_none() && ceilings.is_none() => {
            in_person?;
            if name == by.name {
                let peer = api.site.peer(&headers, connection.ip());
                change_own(&api, peer, &by, current_password.as_deref(), &password).await?;
            } else {
                api.hub.people.set_password(&name, &password, &actor).await?;
            }
            known(&api, &name).await.map(Json)
        }
        Some(_) => Err(Problem::invalid("set the password on its own, and the rest in another request")),
        None => Ok(Json(api.hub.people.change_user(&name, UserChange { role, ceilings }, &actor).await?)),
    }
}

/// Guessing the current password is as slow as it is at the door.
async fn change_own(
    api: &Api,
    peer: IpAddr,
    user: &User,
    current: Option<&str>,
    password: &str,
) -> Result<(), Problem> {
    if current.is_some() {
        api.attempts.password(peer, &user.name, api.hub.now()).await?;
    }
    let changed = api.hub.people.change_own_password(user, current, password).await;
    if matches!(changed, Err(ChangeError::WrongPassword(_))) && current.is_some() {
        api.counters.failed_sign_in();
        tracing::warn!(%peer, user.name, "somebody signed in does not know their password");
    }
    Ok(changed?)
}

/// `DELETE /users/{name}`
pub async fn remove(State(api): State<Api>, Admin(by): Admin, Path(name): Path<String>) -> Result<StatusCode, Problem> {
    api.hub.people.remove_user(&name, &(&by).into()).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn known(api: &Api, name: &str) -> Result<User, Problem> {
    api.hub.people.user(name).await?.ok_or_else(|| Problem::missing("user"))
}
