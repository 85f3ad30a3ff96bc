//! The HTTP side: the JSON API for people, the shims' websocket, health, and the page.
//!
//! Handlers translate between HTTP and use cases and hold no rule of their own. Every request passes [`guard`] first;
//! every route of the JSON API but signing in needs somebody who is signed in, and every handler that tells or changes
//! something names in its signature the role it needs ([`who`]).

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
pub mod looking;
pub mod notifications;
pub mod ops;
pub mod problem;
pub mod prove;
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
use axum::routing::{MethodRouter, delete, get, post, put};
use axum::{Router, http::StatusCode};
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;

use self::limit::Attempts;
pub use self::limit::network;
use self::listeners::Listeners;
use self::looking::Looking;
use self::ops::Counters;
use self::problem::Problem;
pub use self::site::{Site, own_url};
use super::Hub;
use super::store::Identity;

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
    /// Which hub it is.
    pub identity: Arc<Identity>,
    /// Limits on signing in.
    pub attempts: Arc<Attempts>,
    /// Open event streams.
    pub listeners: Listeners,
    /// Who has which approval before them.
    pub looking: Looking,
    /// Machines that are connected to be enrolled.
    pub enrolling: Arc<Semaphore>,
    /// Numbers for `/metrics`.
    pub counters: Arc<Counters>,
}

impl Api {
    /// The HTTP side of a hub that is reached as `site` says.
    pub fn new(hub: Hub, site: Site, identity: Arc<Identity>) -> Self {
        Self {
            attempts: Arc::new(Attempts::at(hub.store().clone())),
            looking: Looking::at(&hub),
            hub,
            site: Arc::new(site),
            identity,
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
            .route(crate::wire::HUB_PATH, get(prove::prove))
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
        let signed_in = from_fn_with_state(self.clone(), who::require);
        let private = PRIVATE.iter().fold(Router::new(), |router, (path, handlers)| router.route(path, handlers()));
        private
            .route_layer(signed_in)
            .route("/session", post(session::sign_in))
            .fallback(no_route)
            .method_not_allowed_fallback(wrong_method)
    }
}

/// An address below `/api/v1`, and what answers there.
type Route = (&'static str, fn() -> MethodRouter<Api>);

/// The routes of the JSON API for those who are signed in.
const PRIVATE: &[Route] = &[
    ("/session", || get(session::show).delete(session::sign_out)),
    ("/sessions", || get(session::list)),
    ("/sessions/{id}", || delete(session::end)),
    ("/approvals", || get(approvals::list)),
    ("/approvals/batch", || post(approvals::batch)),
    ("/approvals/{id}", || get(approvals::show)),
    ("/approvals/{id}/approve", || post(approvals::approve)),
    ("/approvals/{id}/reject", || post(approvals::reject)),
    ("/approvals/{id}/extend", || post(approvals::extend)),
    ("/approvals/{id}/seen", || post(approvals::seen)),
    ("/events", || get(events::stream)),
    ("/looking", || put(looking::look)),
    ("/servers", || get(servers::list)),
    ("/servers/{name}", || get(servers::show).delete(servers::remove)),
    ("/servers/{name}/policy", || put(servers::change_policy)),
    ("/servers/{name}/tools", || put(servers::change_tool)),
    ("/servers/{name}/tools/{tool}", || put(servers::change_tool)),
    ("/servers/{name}/accept", || post(servers::accept)),
    ("/servers/{name}/tools/{tool}/accept", || post(servers::accept)),
    ("/servers/{name}/simulate", || post(servers::simulate)),
    ("/servers/{name}/coverage", || get(servers::coverage)),
    ("/ungated", || get(servers::ungated)),
    ("/health", || get(ops::health)),
    ("/agents", || get(agents::list).post(agents::add)),
    ("/agents/{client_id}", || get(agents::show).put(agents::change).delete(agents::revoke)),
    ("/agents/{client_id}/token", || post(agents::rotate)),
    ("/enrolments/{code}", || get(enrol::show).post(enrol::confirm).delete(enrol::refuse_machine)),
    ("/users", || get(users::list).post(users::add)),
    ("/users/{name}", || get(users::show).put(users::change).delete(users::remove)),
    ("/users/{name}/link", || post(users::add_link)),
    ("/notifications", || get(notifications::list).put(notifications::change)),
    ("/notifications/test", || post(notifications::test)),
    ("/notifications/browsers", || get(notifications::browsers).post(notifications::add_browser)),
    ("/notifications/browsers/{id}", || delete(notifications::remove_browser)),
    ("/insights", || get(approvals::insights)),
    ("/activity", || get(logs::activity)),
    ("/audit", || get(logs::audit)),
];

async fn no_route() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is nothing at this address")
}

async fn wrong_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this address does not take that method")
}
