//! Finding approvals by what shims know of them.

use crate::core::ids::{ApprovalId, ClientId, InstanceId};
use crate::hub::approvals::Approvals;
use crate::hub::approvals::row::{self, Held};
use crate::hub::store::{StoreError, Tx, rows};

impl Approvals {
    /// One approval as its session needs it.
    pub async fn held(&self, id: &ApprovalId) -> Result<Option<Held>, StoreError> {
        let row = rows::whole("where id = $1").bind(id.as_str()).fetch_optional(self.store.read()).await?;
        row.as_ref().map(row::held).transpose()
    }
}

/// One approval.
pub(super) async fn find(tx: &mut Tx, id: &ApprovalId) -> Result<Option<Held>, StoreError> {
    let row = rows::whole("where id = $1").bind(id.as_str()).fetch_optional(tx.sql()).await?;
    row.as_ref().map(row::held).transpose()
}

/// The approval behind a live request, by the request's id or its own.
pub(super) async fn of_request(tx: &mut Tx, id: &ApprovalId) -> Result<Option<Held>, StoreError> {
    let row = rows::whole("where id = $1 or request_id = $1").bind(id.as_str()).fetch_optional(tx.sql()).await?;
    row.as_ref().map(row::held).transpose()
}

/// An approval whose call has not ended, without its arguments: an instance may hold many long ones.
pub(super) struct Open {
    pub(super) id: ApprovalId,
    pub(super) request: ApprovalId,
    pub(super) decided_at: Option<i64>,
}

/// What an instance holds, or all instances of its agent do, oldest first.
pub(super) async fn of_instance(
    tx: &mut Tx,
    client_id: &ClientId,
    instance: Option<&InstanceId>,
    outcome: &'static str,
) -> Result<Vec<Open>, StoreError> {
    let mut found: Vec<(i64, String, String, Option<i64>)> = sqlx::query_as(
        "select created_at, id, request_id, decided_at from approvals \
         where outcome = $2 and outcome in ('waiting', 'released') and client_id = $1 \
         and instance = coalesce($3, instance) and (kept = 0 or $4 = 1)",
    )
    .bind(client_id.as_str())
    .bind(outcome)
    .bind(instance.map(|instance| instance.as_str().to_owned()))
    .bind(i64::from(instance.is_none()))
    .fetch_all(tx.sql())
    .await?;
    // Sorted here: asked to sort, SQLite walks an agent's whole history instead of the few that are open.
    found.sort_unstable();
    let open = |(_, id, request, decided_at)| Open { id: ApprovalId(id), request: ApprovalId(request), decided_at };
    Ok(found.into_iter().map(open).collect())
}
