//! Rows as values: how a column is read, the rows of the store itself, and those of agents, which three rooms read. A
//! row that cannot be read is an error, never a guess.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use sqlx::any::{AnyArguments, AnyRow, AnyTypeInfoKind};
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe, Column as _, Row as _, ValueRef as _};

use super::StoreError;
use crate::core::approval::Outcome;
use crate::core::ids::{ApprovalId, ClientId, Digest};
use crate::core::trust::Level;
use crate::hub::model::{ActivityRow, Agent, AgentRef, AuditRecord, Given};

/// A row as it was found; its columns are read by name.
pub type Row = AnyRow;

/// What is said of a row that holds something else.
pub fn unreadable(what: &str) -> StoreError {
    StoreError::Failed(format!("a row holds no valid {what}"))
}

/// What a name stands for.
pub fn named<T>(text: &str, what: &str, of: impl Fn(&str) -> Option<T>) -> Result<T, StoreError> {
    of(text).ok_or_else(|| unreadable(what))
}

/// What is kept as JSON.
pub fn json<T: DeserializeOwned>(text: &str, what: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| unreadable(what))
}

/// A column of text.
pub fn text(row: &AnyRow, column: &str) -> Result<String, StoreError> {
    Ok(row.try_get(column)?)
}

/// The same, where it may be null.
pub fn optional(row: &AnyRow, column: &str) -> Result<Option<String>, StoreError> {
    Ok(row.try_get(column)?)
}

/// A column of numbers.
pub fn number(row: &AnyRow, column: &str) -> Result<i64, StoreError> {
    Ok(row.try_get(column)?)
}

/// The same, where it may be null.
pub fn optional_number(row: &AnyRow, column: &str) -> Result<Option<i64>, StoreError> {
    Ok(row.try_get(column)?)
}

/// The digest of a whole row of `approvals`: every column that is not null, whatever its order, but the arguments, whose
/// digest is a column of its own, and what is read of a large call from elsewhere.
pub fn seal(row: &AnyRow) -> Result<Digest, StoreError> {
    let mut columns: Vec<_> = row.columns().iter().filter(|column| !UNSEALED.contains(&column.name())).collect();
    columns.sort_by_key(|column| column.name().to_owned());
    let mut fields = vec!["hitl.row.v1".to_owned()];
    for column in columns {
        let raw = row.try_get_raw(column.ordinal())?;
        let value = match raw.type_info().kind() {
            AnyTypeInfoKind::Null => continue,
            AnyTypeInfoKind::Text => text(row, column.name())?,
            _ => number(row, column.name())?.to_string(),
        };
        fields.extend([column.name().to_owned(), value]);
    }
    Ok(Digest::of_fields(&fields.iter().map(String::as_bytes).collect::<Vec<_>>()))
}

/// What a large call is given, put together.
macro_rules! pieced {
    ($what:literal) => {
        concat!(
            "(select string_agg(piece, '' order by place) from given where given.digest = approvals.digest and what = '",
            $what,
            "')"
        )
    };
}

/// The arguments of a call, whether it is large or not, as an expression of a query on `approvals`.
pub const ARGUMENTS: &str = concat!("coalesce(arguments, ", pieced!("arguments"), ")");

/// The columns of `approvals`, with what a large call is given put together.
pub const WHOLE: &str = concat!(
    "approvals.*, case when arguments is null then ",
    pieced!("arguments"),
    " end as large_arguments, case when arguments is null then ",
    pieced!("extra"),
    " end as large_extra"
);

/// Reads whole approvals, with what follows `from approvals`.
pub fn whole<'q>(rest: &str) -> Query<'q, Any, AnyArguments> {
    sqlx::query(AssertSqlSafe(format!("select {WHOLE} from approvals {rest}")))
}

/// What a row of `approvals` holds of what its call is given.
pub fn given(row: &Row) -> Result<Option<Given>, StoreError> {
    if let Some(arguments) = optional(row, "arguments")? {
        return Ok(Some(Given { arguments, extra: optional(row, "extra")? }));
    }
    if row.try_column("large_arguments").is_err() {
        return Ok(None);
    }
    let arguments = optional(row, "large_arguments")?.ok_or_else(|| unreadable("arguments"))?;
    Ok(Some(Given { arguments, extra: optional(row, "large_extra")? }))
}

/// What [`seal`] leaves out.
const UNSEALED: [&str; 3] = ["arguments", "large_arguments", "large_extra"];

/// A row of `agents`.
pub fn agent(row: &AnyRow) -> Result<Agent, StoreError> {
    Ok(Agent {
        client_id: ClientId(text(row, "client_id")?),
        name: text(row, "name")?,
        user: optional(row, "user_name")?,
        trust: json::<BTreeMap<String, Level>>(&text(row, "trust")?, "trust")?,
        servers: optional(row, "servers")?.map(|names| json(&names, "list of servers")).transpose()?,
        last_seen: optional_number(row, "last_seen")?,
        old_token_until: optional_number(row, "old_token_until")?,
    })
}

/// A row of `audit`.
pub fn record(row: &AnyRow) -> Result<AuditRecord, StoreError> {
    Ok(AuditRecord {
        seq: number(row, "seq")?,
        at: number(row, "at")?,
        actor: text(row, "actor")?,
        action: text(row, "action")?,
        subject: text(row, "subject")?,
        detail: text(row, "detail")?,
        previous: text(row, "previous")?,
        hash: text(row, "hash")?,
    })
}

/// A row of `activity`, with what its approval knows as `held`, `held_outcome` and `held_ms`.
pub(super) fn activity(row: &AnyRow) -> Result<ActivityRow, StoreError> {
    let told = optional(row, "outcome")?;
    let duration_ms = match (&told, optional_number(row, "duration_ms")?) {
        (None, None) => optional_number(row, "held_ms")?,
        (_, duration_ms) => duration_ms,
    };
    let outcome = match told {
        None => optional(row, "held_outcome")?,
        told => told,
    };
    let approval = match optional(row, "held")? {
        None => optional(row, "approval")?,
        joined => joined,
    };
    Ok(ActivityRow {
        id: number(row, "id")?,
        at: number(row, "at")?,
        agent: AgentRef { client_id: ClientId(text(row, "client_id")?), name: text(row, "agent_name")? },
        server: text(row, "server")?,
        tool: text(row, "tool")?,
        verdict: text(row, "verdict")?,
        dropped: number(row, "dropped")?,
        approval: approval.map(ApprovalId),
        outcome: outcome.map(|name| named(&name, "outcome", Outcome::from_name)).transpose()?,
        duration_ms,
        reasons: optional(row, "reasons")?.map(|reasons| json(&reasons, "reasons")).transpose()?.unwrap_or_default(),
        digest: optional(row, "digest")?.map(Digest),
        arguments: optional(row, "arguments")?,
    })
}
