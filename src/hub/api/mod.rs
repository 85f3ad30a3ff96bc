//! The HTTP side: the JSON API for people, the shims' websocket, health, and the page.
//!
//! Handlers translate between HTTP and use cases and hold no rule of their own. Every request passes [`guard`] first;
//! every handler that tells or changes something names in its signature the role it needs ([`who`]).

pub mod agents;
pub mod approvals;
pub mod body;
pub mod enrol;
pub mod events;
mod files;
pub mod guard;
pub mod headers;
pub mod limit;
pub mod listeners;
pub mod logs;
pub mod notifications;
pub mod ops;
pub mod problem;
pub mod servers;
pub mod session;
pub mod site;
pub mod stay;
// They play a shim too, with the shim's own websocket library.
#[cfg(test)]
#[cfg(feature = "wrap")]
mod tests;
mod upgrade;
pub mod users;
pub mod who;
pub mod wrap;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{delete, get, post, put};
use axum::{Router, http::StatusCode};
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;

use self::limit::Attempts;
use self::listeners::Listeners;
use self::ops::Counters;
use self::problem::Problem;
use self::site::Site;
use super::Hub;

/// The largest request body, in bytes.
const MAX_BODY_BYTES: usize = 1 << 20;

/// Connections of machines without a token: those that may wait under a code, and some that are about to.
const MAX_ENROLLING: usize = 140;

/// What every handler works with; clones are the same.
#[derive(Clone)]
pub struct Api {
    /// The use cases.
    pub hub: Hub,
    /// How the hub is reached.
    pub site: Arc<Site>,
    /// Limits on signing in.
    pub attempts: Arc<Attempts>,
    /// Open event streams.
    pub listeners: Listeners,
    /// Machines that are connected to be enrolled.
    pub enrolling: Arc<Semaphore>,
    /// Numbers for `/metrics`.
    pub counters: Arc<Counters>,
}

impl Api {
    /// The HTTP side of a hub that is reached as `site` says.
    pub fn new(hub: Hub, site: Site) -> Self {
        Self {
            hub,
            site: Arc::new(site),
            attempts: Arc::default(),
            listeners: Listeners::default(),
            enrolling: Arc::new(Semaphore::new(MAX_ENROLLING)),
            counters: Arc::default(),
        }
    }

    /// All routes, behind all checks.
    pub fn router(self) -> Router {
        Router::new()
            .nest("/api/v1", self.v1())
            .route(crate::wire::PATH, get(wrap::open))
            .route(crate::wire::ENROL_PATH, get(enrol::open))
            .route("/livez", get(ops::livez))
            .route("/readyz", get(ops::readyz))
            .route("/metrics", get(ops::metrics))
            .merge(files::routes())
            .fallback(no_route)
            .method_not_allowed_fallback(wrong_method)
            .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
            .layer(from_fn_with_state(self.clone(), guard::check))
            .layer(CatchPanicLayer::custom(problem::of_panic))
            .layer(from_fn(headers::add))
            .layer(from_fn_with_state(self.clone(), ops::count))
            .with_state(self)
    }

    /// The JSON API; only here do browser sessions exist.
    fn v1(&self) -> Router<Self> {
        Router::new()
            .route("/session", get(session::show).post(session::sign_in).delete(session::sign_out))
            .route("/approvals", get(approvals::list))
            .route("/approvals/batch", post(approvals::batch))
            .route("/approvals/{id}", get(approvals::show))
            .route("/approvals/{id}/approve", post(approvals::approve))
            .route("/approvals/{id}/reject", post(approvals::reject))
            .route("/approvals/{id}/extend", post(approvals::extend))
            .route("/approvals/{id}/seen", post(approvals::seen))
            .route("/events", get(events::stream))
            .route("/servers", get(servers::list))
            .route("/servers/{name}", get(servers::show).delete(servers::remove))
            .route("/servers/{name}/policy", put(servers::change_policy))
            .route("/servers/{name}/tools", put(servers::change_tool))
            .route("/servers/{name}/tools/{tool}", put(servers::change_tool))
            .route("/servers/{name}/accept", post(servers::accept))
            .route("/servers/{name}/tools/{tool}/accept", post(servers::accept))
            .route("/servers/{name}/simulate", post(servers::simulate))
            .route("/servers/{name}/coverage", get(servers::coverage))
            .route("/health", get(ops::health))
            .route("/agents", get(agents::list).post(agents::add))
            .route("/agents/{client_id}", get(agents::show).put(agents::change).delete(agents::revoke))
            .route("/enrolments/{code}", get(enrol::show).post(enrol::confirm).delete(enrol::refuse_machine))
            .route("/users", get(users::list).post(users::add))
            .route("/users/{name}", get(users::show).put(users::change).delete(users::remove))
            .route("/users/{name}/link", post(users::add_link))
            .route("/notifications", get(notifications::list).put(notifications::change))
            .route("/notifications/test", post(notifications::test))
            .route("/notifications/browsers", get(notifications::browsers).post(notifications::add_browser))
            .route("/notifications/browsers/{id}", delete(notifications::remove_browser))
            .route("/activity", get(logs::activity))
            .route("/audit", get(logs::audit))
            .fallback(no_route)
            .method_not_allowed_fallback(wrong_method)
            .layer(stay::layer(&self.hub, self.site.secure))
    }
}

async fn no_route() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is nothing at this address")
}

async fn wrong_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this address does not take that method")
}
