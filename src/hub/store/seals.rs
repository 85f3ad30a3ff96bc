//! What the record says last of people, agents and policy: the digest of their rows, as each of their records left them.
//!
//! Sealed is what decides who may do what. What changes without a record, such as when an agent was seen last or what a
//! server's tools are, is not, and neither are tokens, which each have a record but no row that shows anything.

use sqlx::AnyConnection;

use super::{StoreError, rows};
use crate::core::ids::Digest;

/// What is sealed, beside approvals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    User,
    Agent,
    Server,
}

/// All of them.
pub(super) const KINDS: [Kind; 3] = [Kind::User, Kind::Agent, Kind::Server];

impl Kind {
    /// What a record with this action is about.
    pub(super) fn of(action: &str) -> Option<Self> {
        match action.split_once('.')?.0 {
            "user" => Some(Self::User),
            "agent" => Some(Self::Agent),
            "server" | "policy" | "tool" | "tools" => Some(Self::Server),
            _ => None,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Agent => "agent",
            Self::Server => "server",
        }
    }

    /// The names that there are.
    fn names(self) -> &'static str {
        match self {
            Self::User => "select name from users order by name",
            Self::Agent => "select client_id from agents order by client_id",
            Self::Server => "select name from servers order by name",
        }
    }

    /// The rows of one; without the first of them there is none.
    fn rows(self) -> &'static [&'static str] {
        match self {
            Self::User => &["select name, role, password, ceilings from users where name = $1"],
            Self::Agent => {
                &["select client_id, name, user_name, trust, servers, revoked_at from agents where client_id = $1"]
            }
            Self::Server => &[
                "select name, require_all, threshold, timeout_seconds, rules, gate_changed_tools from servers \
                 where name = $1",
                "select client_id, added_by, added_at, reason, expires_at from bypasses where server = $1 \
                 order by client_id",
                "select name, hitl, admin_trust, reason, varies from tools where server = $1 and (hitl <> 0 or \
                 admin_trust is not null or reason is not null or varies <> '[]') order by name",
            ],
        }
    }
}

/// The names that there are of a kind.
pub(super) async fn names(connection: &mut AnyConnection, kind: Kind) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar(kind.names()).fetch_all(connection).await?)
}

/// The digest of what there is under this name.
pub(super) async fn seal(connection: &mut AnyConnection, kind: Kind, name: &str) -> Result<Option<Digest>, StoreError> {
    let mut fields = vec![kind.word().to_owned()];
    for (number, sql) in kind.rows().iter().enumerate() {
        let found = sqlx::query(*sql).bind(name).fetch_all(&mut *connection).await?;
        if number == 0 && found.is_empty() {
            return Ok(None);
        }
        fields.push(found.len().to_string());
        for row in &found {
            fields.push(rows::seal(row)?.to_string());
        }
    }
    Ok(Some(Digest::of_fields(&fields.iter().map(String::as_bytes).collect::<Vec<_>>())))
}
