//! Rows of `users` as values.

use sqlx::any::AnyRow;

use crate::hub::model::{Role, User};
use crate::hub::store::StoreError;
use crate::hub::store::rows::{json, named, number, text};

/// A row of `users`.
pub(in crate::hub) fn user(row: &AnyRow) -> Result<User, StoreError> {
    Ok(User {
        name: text(row, "name")?,
        role: named(&text(row, "role")?, "role", Role::from_name)?,
        ceilings: json(&text(row, "ceilings")?, "ceilings")?,
        created_at: number(row, "created_at")?,
    })
}
