//! People.
//!
//! Passwords are argon2id; tokens are 256-bit random and stored as SHA-256. A user's token opens the API, an agent's
//! token only the shim's websocket, and no code path turns one into the other.

pub mod browser_sessions;
pub mod links;
mod password;
mod personal;
mod users;

pub use self::personal::PersonalToken;
pub use self::users::UserChange;
pub(in crate::hub) use self::users::{find as find_user, insert as insert_user};
use crate::hub::error::{Actor, ChangeError};
use crate::hub::model::Role;
use crate::hub::store::{StoreError, Tx};

/// Names that stand for something else in the audit record.
const RESERVED: [&str; 2] = ["hub", "operator"];
/// How client ids begin; no name may look like one.
pub(in crate::hub) const CLIENT_ID_PREFIX: &str = "agent-";

/// Refuses whoever is no administrator now, whatever they were when they were looked up.
pub(in crate::hub) async fn admin(tx: &mut Tx, by: &Actor) -> Result<Result<(), ChangeError>, StoreError> {
    let Actor::User(user) = by else { return Ok(Ok(())) };
    let role: Option<String> = sqlx::query_scalar("select role from users where name = $1")
        .bind(user.name.as_str())
        .fetch_optional(tx.sql())
        .await?;
    let is_admin = role.and_then(|role| Role::from_name(&role)) == Some(Role::Admin);
    Ok(if is_admin { Ok(()) } else { Err(ChangeError::Forbidden) })
}

/// Names for the first administrator, the best one first.
pub(in crate::hub) fn admin_names(best: &str) -> impl Iterator<Item = String> {
    let others = (2..100).map(|number| format!("admin-{number}"));
    let names = [best.to_owned(), "admin".to_owned()].into_iter().chain(others);
    names.filter(|name| check_name(name).is_ok())
}

/// Names of servers that limits are set for; they need not be known yet.
pub(in crate::hub) fn check_limits<'n>(servers: impl Iterator<Item = &'n String>) -> Result<(), ChangeError> {
    let (mut count, bad) = (0, |name: &String| name.is_empty() || name.chars().count() > 128 || name.contains('\0'));
    for name in servers {
        count += 1;
        if count > 1000 || bad(name) {
            return Err(ChangeError::Invalid("limits are for at most 1000 servers, by name".to_owned()));
        }
    }
    Ok(())
}

/// A name that can be typed, shown and told from the others.
pub(in crate::hub) fn check_name(name: &str) -> Result<(), ChangeError> {
    let fits = (1..=64).contains(&name.chars().count())
        && name.trim() == name
        && !name.chars().any(|c| c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'));
    if !fits {
        return Err(ChangeError::Invalid("a name is 1 to 64 visible characters without blanks around them".to_owned()));
    }
    if RESERVED.contains(&name) || name.starts_with(CLIENT_ID_PREFIX) {
        return Err(ChangeError::Invalid(format!("the name {name} is reserved")));
    }
    Ok(())
}
