//! `/v1/hub`: which hub this is, for whoever is about to show it a token. It needs no credential and tells no secret.

use axum::Json;
use axum::extract::{Request, State};
use serde::Deserialize;

use super::Api;
use super::body::Params;
use super::guard;
use super::problem::Problem;
use crate::core::proof::is_nonce;
use crate::wire::Proof;

/// The query of `GET /v1/hub`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    nonce: String,
}

/// `GET /v1/hub?nonce=…`
pub async fn prove(
    State(api): State<Api>,
    Params(question): Params<Question>,
    request: Request,
) -> Result<Json<Proof>, Problem> {
    if !is_nonce(&question.nonce) {
        return Err(Problem::invalid("nonce must be 16 to 128 letters and digits"));
    }
    let host = guard::host(&request).filter(|host| api.site.proves_under(host));
    let host = host.ok_or_else(|| {
        Problem::forbidden("the hub proves itself only under the address it listens at, and under public_url")
    })?;
    Ok(Json(api.identity.prove(&question.nonce, host)))
}
