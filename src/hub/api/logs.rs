//! `/activity`, every call the shims reported, and `/audit`, the chained record.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use super::Api;
use super::approvals::{given, number};
use super::body::Params;
use super::problem::Problem;
use super::who::Viewer;
use crate::hub::model::{ActivityRow, AuditRecord, Page};
use crate::hub::store::ActivityFilter;

/// Records in a page of `/audit` when nothing is said, and at most.
const AUDIT_LIMIT: (u32, u32) = (100, 1000);

/// The query of `GET /activity`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivityQuery {
    server: Option<String>,
    tool: Option<String>,
    agent: Option<String>,
    verdict: Option<String>,
    q: Option<String>,
    from: Option<String>,
    to: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

/// `GET /activity`, newest first
pub async fn activity(
    State(api): State<Api>,
    Viewer(_): Viewer,
    Params(query): Params<ActivityQuery>,
) -> Result<Json<Page<ActivityRow>>, Problem> {
    let filter = ActivityFilter {
        server: given(query.server),
        tool: given(query.tool),
        agent: given(query.agent),
        verdict: given(query.verdict),
        q: given(query.q),
        from: number("from", query.from)?,
        to: number("to", query.to)?,
        limit: number("limit", query.limit)?,
        cursor: given(query.cursor),
    };
    Ok(Json(api.hub.store().activity(&filter).await?))
}

/// The query of `GET /audit`; the cursor is the sequence number read last.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditQuery {
    limit: Option<String>,
    cursor: Option<String>,
}

/// `GET /audit`, oldest first
pub async fn audit(
    State(api): State<Api>,
    Viewer(_): Viewer,
    Params(query): Params<AuditQuery>,
) -> Result<Json<Page<AuditRecord>>, Problem> {
    let limit = number("limit", query.limit)?.unwrap_or(AUDIT_LIMIT.0).clamp(1, AUDIT_LIMIT.1);
    let after = number("cursor", query.cursor)?.unwrap_or(0);
    let items = api.hub.store().audit(after, limit).await?;
    let full = u32::try_from(items.len()).is_ok_and(|read| read == limit);
    let next_cursor = items.last().filter(|_| full).map(|record| record.seq.to_string());
    Ok(Json(Page { items, next_cursor }))
}
