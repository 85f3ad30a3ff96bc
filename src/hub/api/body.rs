//! Reading requests: JSON bodies and query strings, with problems for what cannot be read.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, JsonRejection};
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::problem::Problem;

/// A body that has not arrived whole in this time is not waited for.
const WITHIN: Duration = Duration::from_secs(20);

async fn in_time<T>(reading: impl Future<Output = T>) -> Result<T, Problem> {
    let read = timeout(WITHIN, reading).await;
    read.map_err(|_| Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"))
}

/// A JSON body.
pub struct Fields<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Fields<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match in_time(Json::<T>::from_request(request, state)).await? {
            Ok(Json(fields)) => Ok(Self(fields)),
            Err(JsonRejection::BytesRejection(rejection)) => Err(unreadable(&rejection)),
            Err(rejection) => Err(Problem::invalid(rejection.body_text())),
        }
    }
}

/// A JSON body that may be left out, which is as good as `{}`.
pub struct OptionalFields<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for OptionalFields<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = in_time(Bytes::from_request(request, state)).await?.map_err(|rejection| unreadable(&rejection))?;
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        serde_json::from_slice(text)
            .map(Self)
            .map_err(|error| Problem::invalid(format!("the body cannot be read: {error}")))
    }
}

fn unreadable(rejection: &BytesRejection) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 1 MiB");
    }
    Problem::new(rejection.status(), "the body did not arrive whole")
}

/// A query string; an unknown or malformed parameter is a problem, not a list that is quietly too long.
pub struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query.map(|Query(params)| Self(params)).map_err(|rejection| Problem::invalid(rejection.body_text()))
    }
}
