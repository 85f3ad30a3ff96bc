//! `/approvals`: the queue, the history, and deciding.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Api;
use super::body::{Fields, OptionalFields, Params};
use super::problem::Problem;
use super::who::{Approver, Viewer};
use crate::core::approval::Status;
use crate::core::ids::{ApprovalId, Digest};
use crate::hub::approvals::ApprovalFilter;
use crate::hub::model::{Approval, Insights, Page};
use crate::hub::who::{Decider, Saw, Via};

/// The most approvals one batch decides.
const MAX_BATCH: usize = 200;

/// The query of `GET /approvals`; an empty parameter counts as left out.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    status: Option<String>,
    server: Option<String>,
    tool: Option<String>,
    agent: Option<String>,
    user: Option<String>,
    decided_by: Option<String>,
    q: Option<String>,
    from: Option<String>,
    to: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
    days: Option<String>,
}

impl Query {
    fn filter(self) -> Result<ApprovalFilter, Problem> {
        if self.days.is_some() {
            return Err(Problem::invalid("days is a parameter of /insights"));
        }
        Ok(ApprovalFilter {
            status: statuses(self.status.as_deref().unwrap_or_default())?,
            server: given(self.server),
            tool: given(self.tool),
            agent: given(self.agent),
            user: given(self.user),
            decided_by: given(self.decided_by),
            q: given(self.q),
            from: number("from", self.from)?,
            to: number("to", self.to)?,
            limit: number("limit", self.limit)?,
            cursor: given(self.cursor),
        })
    }
}

/// The most days that are counted, and one more.
const MAX_DAYS: usize = 40;

/// `GET /insights`
pub async fn insights(
    State(api): State<Api>,
    Viewer(_): Viewer,
    Params(mut query): Params<Query>,
) -> Result<Json<Insights>, Problem> {
    let days = times(query.days.take().as_deref().unwrap_or_default())?;
    Ok(Json(api.hub.approvals.insights(&query.filter()?, &days).await?))
}

/// Times with commas between them, each later than the one before.
fn times(list: &str) -> Result<Vec<i64>, Problem> {
    let times = list.split(',').filter(|time| !time.is_empty()).map(str::parse);
    let times = times.collect::<Result<Vec<i64>, _>>().ok();
    let times = times.filter(|times| times.len() <= MAX_DAYS && times.is_sorted_by(|one, next| one < next));
    times.ok_or_else(|| {
        Problem::invalid(format!("days are at most {MAX_DAYS} times with commas between them, ascending"))
    })
}

/// The parameter, unless it is empty, as forms send fields that nobody filled in.
pub fn given(parameter: Option<String>) -> Option<String> {
    parameter.filter(|text| !text.is_empty())
}

/// The parameter as a number.
pub fn number<T: std::str::FromStr>(name: &str, parameter: Option<String>) -> Result<Option<T>, Problem> {
    let parse = |text: String| text.parse().map_err(|_| Problem::invalid(format!("{name} = {text:?} is not a number")));
    given(parameter).map(parse).transpose()
}

/// One status, or several with commas between them.
fn statuses(list: &str) -> Result<Vec<Status>, Problem> {
    let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
    names
        .map(|name| Status::from_name(name).ok_or_else(|| Problem::invalid(format!("there is no status {name:?}"))))
        .collect()
}

/// `GET /approvals`
pub async fn list(
    State(api): State<Api>,
    Viewer(_): Viewer,
    Params(query): Params<Query>,
) -> Result<Json<Page<Approval>>, Problem> {
    Ok(Json(api.hub.approvals.approvals(&query.filter()?).await?))
}

/// `GET /approvals/{id}`
pub async fn show(
    State(api): State<Api>,
    Viewer(_): Viewer,
    Path(id): Path<ApprovalId>,
) -> Result<Json<Approval>, Problem> {
    api.hub.approvals.approval(&id).await?.map(Json).ok_or_else(|| Problem::missing("approval"))
}

/// The body of `POST /approvals/{id}/approve`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approve {
    comment: Option<String>,
    digest: Option<Digest>,
    arguments_sha256: Option<Digest>,
    // Present with any value, they ask for something this version does not do.
    arguments: Option<Box<RawValue>>,
    remember: Option<Box<RawValue>>,
}

/// `POST /approvals/{id}/approve`
pub async fn approve(
    State(api): State<Api>,
    Approver(user): Approver,
    Extension(via): Extension<Via>,
    Path(id): Path<ApprovalId>,
    OptionalFields(fields): OptionalFields<Approve>,
) -> Result<Json<Approval>, Problem> {
    if fields.arguments.is_some() {
        return Err(Problem::invalid("arguments cannot be edited in this version; nothing was approved"));
    }
    if fields.remember.is_some() {
        return Err(Problem::invalid("standing grants do not exist in this version; nothing was approved"));
    }
    let saw = Saw { digest: fields.digest, arguments_sha256: fields.arguments_sha256 };
    let by = Decider { saw, ..Decider::from((&user, via)) };
    Ok(Json(api.hub.approvals.approve(&id, by, fields.comment).await?))
}

/// The body of `POST /approvals/{id}/reject`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reject {
    reason: Option<String>,
    digest: Option<Digest>,
    arguments_sha256: Option<Digest>,
}

/// `POST /approvals/{id}/reject`
pub async fn reject(
    State(api): State<Api>,
    Approver(user): Approver,
    Extension(via): Extension<Via>,
    Path(id): Path<ApprovalId>,
    OptionalFields(fields): OptionalFields<Reject>,
) -> Result<Json<Approval>, Problem> {
    let saw = Saw { digest: fields.digest, arguments_sha256: fields.arguments_sha256 };
    let by = Decider { saw, ..Decider::from((&user, via)) };
    Ok(Json(api.hub.approvals.reject(&id, by, given(fields.reason)).await?))
}

/// The body of `POST /approvals/{id}/extend`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extend {
    seconds: Option<u32>,
}

/// `POST /approvals/{id}/extend`
pub async fn extend(
    State(api): State<Api>,
    Approver(user): Approver,
    Extension(via): Extension<Via>,
    Path(id): Path<ApprovalId>,
    OptionalFields(fields): OptionalFields<Extend>,
) -> Result<Json<Approval>, Problem> {
    Ok(Json(api.hub.approvals.extend(&id, (&user, via), fields.seconds).await?))
}

/// `POST /approvals/{id}/seen`: the card is in front of a person who may decide.
pub async fn seen(
    State(api): State<Api>,
    Approver(user): Approver,
    Path(id): Path<ApprovalId>,
) -> Result<StatusCode, Problem> {
    api.hub.approvals.seen(&id, &user).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The body of `POST /approvals/batch`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    ids: Vec<ApprovalId>,
    action: Action,
    reason: Option<String>,
    /// What was looked at, by id; those left out are decided as they are.
    #[serde(default)]
    digests: BTreeMap<ApprovalId, Digest>,
}

/// What a batch does.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Approve,
    Reject,
}

/// The answer to a batch, in the order of its ids.
#[derive(Serialize)]
pub struct Results {
    items: Vec<BatchResult>,
}

/// What became of one id: the approval as it stands, and the problem if it was not this batch that decided it.
#[derive(Serialize)]
pub struct BatchResult {
    id: ApprovalId,
    ok: bool,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    approval: Option<Approval>,
}

/// `POST /approvals/batch`: each id is decided on its own; one that cannot be does not stop the rest.
pub async fn batch(
    State(api): State<Api>,
    Approver(user): Approver,
    Extension(via): Extension<Via>,
    Fields(batch): Fields<Batch>,
) -> Result<Json<Results>, Problem> {
    if batch.ids.len() > MAX_BATCH {
        return Err(Problem::invalid(format!("a batch holds at most {MAX_BATCH} ids; nothing was decided")));
    }
    let (reason, by) = (given(batch.reason), Decider::from((&user, via)));
    let mut items = Vec::with_capacity(batch.ids.len());
    for id in batch.ids {
        let saw = Saw { digest: batch.digests.get(&id).cloned(), arguments_sha256: None };
        let result = decide(&api, Decider { saw, ..by.clone() }, &id, batch.action, reason.clone()).await;
        items.push(BatchResult::new(id, result));
    }
    Ok(Json(Results { items }))
}

async fn decide(
    api: &Api,
    by: Decider,
    id: &ApprovalId,
    action: Action,
    reason: Option<String>,
) -> Result<Approval, Problem> {
    Ok(match action {
        Action::Approve => api.hub.approvals.approve(id, by, reason).await?,
        Action::Reject => api.hub.approvals.reject(id, by, reason).await?,
    })
}

impl BatchResult {
    fn new(id: ApprovalId, result: Result<Approval, Problem>) -> Self {
        match result {
            Ok(approval) => Self { id, ok: true, status: 200, detail: None, approval: Some(approval) },
            Err(problem) => Self {
                id,
                ok: false,
                status: problem.status().as_u16(),
                detail: Some(problem.detail().to_owned()),
                approval: problem.approval().cloned(),
            },
        }
    }
}
