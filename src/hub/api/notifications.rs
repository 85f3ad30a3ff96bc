//! `/notifications`: the channels by which people and programs hear about approvals. Secrets go in and never come out.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::Api;
use super::body::Fields;
use super::problem::Problem;
use super::who::{Admin, Viewer};
use crate::hub::notify::{Browser, Change, Changed, Subscription, View};

/// The answer to `GET /notifications`.
#[derive(Serialize)]
pub struct Channels {
    items: Vec<View>,
    revision: String,
    next_cursor: Option<String>,
}

/// `GET /notifications`
pub async fn list(State(api): State<Api>, Viewer(_): Viewer) -> Result<Json<Channels>, Problem> {
    let (items, revision) = api.hub.notify.notifications().await?;
    Ok(Json(Channels { items, revision, next_cursor: None }))
}

/// `PUT /notifications`
pub async fn change(
    State(api): State<Api>,
    Admin(user): Admin,
    Fields(change): Fields<Change>,
) -> Result<Json<Changed>, Problem> {
    Ok(Json(api.hub.notify.change_notifications(change, &(&user).into()).await?))
}

/// The body of `POST /notifications/test`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Test {
    id: String,
}

/// `POST /notifications/test`, for administrators, and for the owner of a browser: 204 when the message was taken, 502 with the reason when not.
pub async fn test(
    State(api): State<Api>,
    Viewer(user): Viewer,
    Fields(Test { id }): Fields<Test>,
) -> Result<Response, Problem> {
    match api.hub.notify.test_notification(&id, &(&user).into()).await? {
        Ok(()) => Ok(StatusCode::NO_CONTENT.into_response()),
        Err(why) => Err(Problem::new(StatusCode::BAD_GATEWAY, why)),
    }
}

/// The answer to `GET /notifications/browsers`.
#[derive(Serialize)]
pub struct Browsers {
    items: Vec<Browser>,
    /// What a browser subscribes with.
    key: String,
    next_cursor: Option<String>,
}

/// `GET /notifications/browsers`: those of whoever asks.
pub async fn browsers(State(api): State<Api>, Viewer(user): Viewer) -> Result<Json<Browsers>, Problem> {
    let (items, key) = (api.hub.notify.browsers(&user).await?, api.hub.notify.push_public_key().await?);
    Ok(Json(Browsers { items, key, next_cursor: None }))
}

/// `POST /notifications/browsers`
pub async fn add_browser(
    State(api): State<Api>,
    Viewer(user): Viewer,
    Fields(new): Fields<Subscription>,
) -> Result<(StatusCode, Json<Browser>), Problem> {
    Ok((StatusCode::CREATED, Json(api.hub.notify.add_browser(new, &user).await?)))
}

/// `DELETE /notifications/browsers/{id}`
pub async fn remove_browser(
    State(api): State<Api>,
    Viewer(user): Viewer,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    api.hub.notify.remove_browser(&id, &user).await?;
    Ok(StatusCode::NO_CONTENT)
}
