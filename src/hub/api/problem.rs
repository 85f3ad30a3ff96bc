//! Errors as `application/problem+json`: what a peer sees is chosen here, and a failure of ours is logged here, once.

use std::any::Any;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::hub::error::{ChangeError, DecideError};
use crate::hub::model::{Approval, Tool};
use crate::hub::store::StoreError;
use crate::wire;

/// A refusal.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    detail: String,
    place: Option<String>,
    approval: Option<Box<Approval>>,
    tool: Option<Box<Tool>>,
    retry_after: Option<u64>,
    refused: Option<&'static str>,
}

/// The body of a refusal.
#[derive(Serialize)]
struct Body<'p> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'p str,
    /// The part of the body that is wrong, where it is one part.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<&'p str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    approval: Option<&'p Approval>,
    /// The tool as it is now, where somebody looked at an older one.
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: Option<&'p Tool>,
}

impl Problem {
    /// A refusal with a sentence that says why, and what to do where there is something to do.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
            place: None,
            approval: None,
            tool: None,
            retry_after: None,
            refused: None,
        }
    }

    /// The request makes no sense.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// Nobody is signed in.
    pub fn signed_out(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, detail)
    }

    /// Whoever it is may not do this.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    /// There is no such thing.
    pub fn missing(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("there is no such {what}"))
    }

    /// Too often; try again after so many seconds.
    pub fn too_often(seconds: u64) -> Self {
        let detail = format!("too many attempts; try again in {seconds} seconds");
        Self { retry_after: Some(seconds), ..Self::new(StatusCode::TOO_MANY_REQUESTS, detail) }
    }

    /// Something of ours failed: the cause goes to the log, not to the peer.
    pub fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "a request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the hub failed on this; its log says why")
    }

    /// It is about the shim itself, in one of the words of [`refused`](wire::refused).
    pub fn refusing(self, word: &'static str) -> Self {
        Self { refused: Some(word), ..self }
    }

    /// One item of a batch: the same fields, inside a list.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The sentence.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The approval as it stands, where that is the reason.
    pub fn approval(&self) -> Option<&Approval> {
        self.approval.as_deref()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Body {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            place: self.place.as_deref(),
            approval: self.approval.as_deref(),
            tool: self.tool.as_deref(),
        };
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if let Some(word) = self.refused {
            headers.insert(wire::REFUSED_HEADER, HeaderValue::from_static(word));
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Closed => Self::new(StatusCode::SERVICE_UNAVAILABLE, "the hub is stopping"),
            error => Self::internal(&error),
        }
    }
}

impl From<DecideError> for Problem {
    fn from(error: DecideError) -> Self {
        match error {
            DecideError::Store(error) => error.into(),
            DecideError::NotFound => Self::missing("approval"),
            DecideError::Forbidden => Self::forbidden(error.to_string()),
            DecideError::Invalid(why) => Self::invalid(why),
            DecideError::TooLate(ref winner) | DecideError::Changed(ref winner) => {
                Self { approval: Some(winner.clone()), ..Self::new(StatusCode::CONFLICT, error.to_string()) }
            }
        }
    }
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        let status = match error {
            ChangeError::Store(error) => return error.into(),
            ChangeError::NotFound(_) => StatusCode::NOT_FOUND,
            ChangeError::Conflict(_) => StatusCode::CONFLICT,
            ChangeError::Forbidden | ChangeError::WrongPassword(_) => StatusCode::FORBIDDEN,
            ChangeError::Redefined(ref tool) => {
                return Self { tool: Some(tool.clone()), ..Self::new(StatusCode::CONFLICT, error.to_string()) };
            }
            ChangeError::Invalid(_) => StatusCode::BAD_REQUEST,
            ChangeError::Fault { ref place, .. } => {
                return Self { place: Some(place.clone()), ..Self::invalid(error.to_string()) };
            }
        };
        Self::new(status, error.to_string())
    }
}

/// The answer after a panic, which is a bug; the panic itself is on stderr already.
pub fn of_panic(_panic: Box<dyn Any + Send>) -> Response {
    Problem::internal(&"a handler panicked").into_response()
}
