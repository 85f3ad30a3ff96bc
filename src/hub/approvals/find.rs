//! Finding approvals by what shims know of them.

use crate::core::ids::{ApprovalId, ClientId, InstanceId};
use crate::hub::approvals::Approvals;
use crate::hub::approvals::row::{self, Held};
use crate::hub::store::{StoreError, Tx};

impl Approvals {
    /// One approval as its session needs it.
    pub async fn held(&self, id: &ApprovalId) -> Result<Option<Held>, StoreError> {
        let row = sqlx::query("select * from approvals where id = $1")
            .bind(id.as_str())
            .fetch_optional(self.store.read())
            .await?;
        row.as_ref().map(row::held).transpose()
    }
}

/// One approval.
pub(super) async fn find(tx: &mut Tx, id: &ApprovalId) -> Result<Option<Held>, StoreError> {
    let row = sqlx::query("select * from approvals where id = $1").bind(id.as_str()).fetch_optional(tx.sql()).await?;
    row.as_ref().map(row::held).transpose()
}

/// The approval behind a live request, by the request's id or its own.
pub(super) async fn of_request(tx: &mut Tx, id: &ApprovalId) -> Result<Option<Held>, StoreError> {
    let row = sqlx::query("select * from approvals where id = $1 or request_id = $1")
        .bind(id.as_str())
        .fetch_optional(tx.sql())
        .await?;
    row.as_ref().map(row::held).transpose()
}

pub(super) async fn of_instance(
    tx: &mut Tx,
    client_id: &ClientId,
    instance: Option<&InstanceId>,
    outcome: &'static str,
) -> Result<Vec<Held>, StoreError> {
    let found = sqlx::query(
        "select * from approvals where outcome = $2 and outcome in ('waiting', 'released') and client_id = $1 \
         and instance = coalesce($3, instance) and (kept = 0 or $4 = 1)",
    )
    .bind(client_id.as_str())
    .bind(outcome)
    .bind(instance.map(|instance| instance.as_str().to_owned()))
    .bind(i64::from(instance.is_none()))
    .fetch_all(tx.sql())
    .await?;
    let mut found = found.iter().map(row::held).collect::<Result<Vec<_>, _>>()?;
    // Sorted here: asked to sort, SQLite walks an agent's whole history instead of the few that are open.
    found.sort_by_key(|held| held.approval.created_at);
    Ok(found)
}
