//! `/notifications`: the channels by which people and programs hear about approvals. Secrets go in and never come out.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::Api;
use super::body::Fields;
use super::problem::Problem;
use super::who::{Admin, Viewer};
use crate::hub::notify::{Change, Changed, View};

/// The answer to `GET /notifications`.
#[derive(Serialize)]
pub struct Channels {
    items: Vec<View>,
    revision: String,
    next_cursor: Option<String>,
}

/// `GET /notifications`
pub async fn list(State(api): State<Api>, Viewer(_): Viewer) -> Result<Json<Channels>, Problem> {
    let (items, revision) = api.hub.notifications().await?;
    Ok(Json(Channels { items, revision, next_cursor: None }))
}

/// `PUT /notifications`
pub async fn change(
    State(api): State<Api>,
    Admin(user): Admin,
    Fields(change): Fields<Change>,
) -> Result<Json<Changed>, Problem> {
    Ok(Json(api.hub.change_notifications(change, &(&user).into()).await?))
}

/// The body of `POST /notifications/test`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Test {
    id: String,
}

/// `POST /notifications/test`: 204 when the message was taken, 502 with the reason when not.
pub async fn test(
    State(api): State<Api>,
    Admin(user): Admin,
    Fields(Test { id }): Fields<Test>,
) -> Result<Response, Problem> {
    match api.hub.test_notification(&id, &(&user).into()).await? {
        Ok(()) => Ok(StatusCode::NO_CONTENT.into_response()),
        Err(why) => Err(Problem::new(StatusCode::BAD_GATEWAY, why)),
    }
}
