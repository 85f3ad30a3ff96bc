//! Who makes a request, and what they may do: a handler that takes a [`Viewer`], [`Approver`] or [`Admin`] runs for
//! nobody less.
//!
//! A person is known by both halves of a browser session, or by a personal token. The user is read anew each time, so
//! that a removal or another role counts at once. An agent's token is nobody here. [`require`] stands before all routes
//! but signing in, so that a handler that forgot to ask is still nobody else's to use.

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::Api;
use super::problem::Problem;
use super::stay;
use crate::core::ids::Digest;
use crate::hub::model::{Role, User};
use crate::hub::people::BrowserSession;
use crate::hub::who::Via;

/// The header that carries the other half of a session.
pub const HALF_HEADER: &str = "x-hitl-csrf";

/// Who makes the request, for the handlers behind [`require`].
#[derive(Clone)]
struct Known(User);

/// Lets somebody through who is signed in.
pub async fn require(State(api): State<Api>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match identify(&mut parts, &api).await {
        Ok((user, renewed)) => {
            parts.extensions.insert(Known(user));
            let mut response = next.run(Request::from_parts(parts, body)).await;
            if let Some(cookie) = renewed {
                // Signing out takes it away.
                response.headers_mut().entry(header::SET_COOKIE).or_insert(cookie);
            }
            response
        }
        Err(problem) => problem.into_response(),
    }
}

macro_rules! role {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        pub struct $name(pub User);

        impl FromRequestParts<Api> for $name {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Problem> {
                let Known(user) = known(parts)?;
                if user.role < Role::$name {
                    let needs = Role::$name.as_str();
                    return Err(Problem::forbidden(format!("this needs the role {needs}; yours is {}", user.role.as_str())));
                }
                Ok(Self(user))
            }
        }
    };
}

role!(
    /// Somebody who may look.
    Viewer
);
role!(
    /// Somebody who may decide.
    Approver
);
role!(
    /// Somebody who may change policy, agents and users.
    Admin
);

/// Somebody who signed in on the page. A token makes nothing that people sign in with: it would outlive the token.
pub struct InPerson;

impl<S: Sync> FromRequestParts<S> for InPerson {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match parts.extensions.get() {
            Some(Via::Page) => Ok(Self),
            _ => Err(Problem::forbidden(
                "a token makes no users, passwords or sign-in links, which would outlive it; sign in on the page, or use \
                 `hitl-hub user` on the hub's machine",
            )),
        }
    }
}

/// What `Authorization` carries.
pub enum Credential {
    /// There is no such header.
    None,
    /// `Bearer`, and this token.
    Bearer(String),
}

/// Reads `Authorization`.
pub fn credential(headers: &HeaderMap) -> Result<Credential, Problem> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(Credential::None),
        (Some(value), None) => bearer(value.as_bytes())
            .map(Credential::Bearer)
            .ok_or_else(|| Problem::signed_out("Authorization must be: Bearer TOKEN")),
        _ => Err(Problem::signed_out("there must be one Authorization header")),
    }
}

fn bearer(value: &[u8]) -> Option<String> {
    let (scheme, token) = std::str::from_utf8(value).ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// The person who makes this request, and their cookie if it is to live on; how they are known stays with the request
/// as a [`Via`].
async fn identify(parts: &mut Parts, api: &Api) -> Result<(User, Option<HeaderValue>), Problem> {
    match credential(&parts.headers)? {
        Credential::Bearer(token) => {
            let (user, via) = by_token(api, &token).await?;
            parts.extensions.insert(via);
            Ok((user, None))
        }
        Credential::None => {
            parts.extensions.insert(Via::Page);
            by_session(parts, api).await
        }
    }
}

async fn by_token(api: &Api, token: &str) -> Result<(User, Via), Problem> {
    if token.starts_with("hitl_a_") {
        return Err(Problem::forbidden(
            "this is an agent's token; it connects hitl-wrap and can neither see nor decide anything here",
        ));
    }
    let user = api.hub.people.user_of_token(token).await?;
    user.ok_or_else(|| Problem::signed_out("this token is unknown or has expired"))
}

async fn by_session(parts: &Parts, api: &Api) -> Result<(User, Option<HeaderValue>), Problem> {
    let (people, signed_out) = (&api.hub.people, || Problem::signed_out("you are not signed in"));
    let cookie = stay::brought(api, &parts.headers).ok_or_else(signed_out)?;
    let session = people.session_of_cookie(cookie).await?.ok_or_else(signed_out)?;
    check_half(parts, &session)?;
    let user = people.user(&session.user).await?.ok_or_else(signed_out)?;
    let renewed = people.note_session(session).await?.then(|| stay::give(api, cookie)).transpose()?;
    Ok((user, renewed))
}

/// How somebody who goes on listening was let in; it is looked at again and again.
pub struct Pass {
    user: User,
    shown: Shown,
}

enum Shown {
    Session(String),
    Token(String),
}

impl Pass {
    /// What the request showed that `user` made.
    pub fn new(api: &Api, user: User, headers: &HeaderMap) -> Result<Self, Problem> {
        let shown = match credential(headers)? {
            Credential::Bearer(token) => Shown::Token(token),
            Credential::None => {
                let cookie = stay::brought(api, headers);
                Shown::Session(cookie.ok_or_else(|| Problem::signed_out("you are not signed in"))?.to_owned())
            }
        };
        Ok(Self { user, shown })
    }

    /// Whether it would let the same person in now, in the same role.
    pub async fn holds(&self, api: &Api) -> bool {
        let user = match &self.shown {
            Shown::Token(token) => by_token(api, token).await.map(|(user, _)| Some(user)),
            Shown::Session(cookie) => Self::by_session(api, cookie).await,
        };
        user.ok().flatten().is_some_and(|user| user.name == self.user.name && user.role == self.user.role)
    }

    async fn by_session(api: &Api, cookie: &str) -> Result<Option<User>, Problem> {
        match api.hub.people.session_of_cookie(cookie).await? {
            Some(session) => Ok(api.hub.people.user(&session.user).await?),
            None => Ok(None),
        }
    }
}

/// Whom [`require`] let through.
fn known(parts: &Parts) -> Result<Known, Problem> {
    let known = parts.extensions.get().cloned();
    known.ok_or_else(|| Problem::internal(&"a route that anybody may use asked who it is"))
}

/// A cookie alone may have come from a page on another port of this host.
fn check_half(parts: &Parts, session: &BrowserSession) -> Result<(), Problem> {
    let shown = parts.headers.get(HALF_HEADER).map(|value| Digest::of(value.as_bytes()));
    // Digests are compared, so that the time it takes says nothing about the secret.
    if shown.as_ref() == Some(&session.stay.half) {
        return Ok(());
    }
    let detail = "the header X-HITL-CSRF must carry the csrf value of the answer to POST /api/v1/session";
    Err(if parts.method.is_safe() { Problem::signed_out(detail) } else { Problem::forbidden(detail) })
}
