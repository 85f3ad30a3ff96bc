//! Rows of `users` and of their personal tokens as values.

use crate::hub::model::{Role, User};
use crate::hub::store::StoreError;
use crate::hub::store::rows::{Row, json, named, number, text};

/// A token as it is listed, without what it opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonalToken {
    /// Its name in lists and in the record.
    pub id: String,
    /// Whose it is.
    pub user: String,
    /// When it was made.
    pub created_at: i64,
    /// When it dies.
    pub expires_at: i64,
}

/// A row of `users`.
pub fn user_of(row: &Row) -> Result<User, StoreError> {
    Ok(User {
        name: text(row, "name")?,
        role: named(&text(row, "role")?, "role", Role::from_name)?,
        ceilings: json(&text(row, "ceilings")?, "ceilings")?,
        created_at: number(row, "created_at")?,
    })
}

/// A row of `user_tokens`.
pub(super) fn token(row: &Row) -> Result<PersonalToken, StoreError> {
    Ok(PersonalToken {
        id: text(row, "id")?,
        user: text(row, "user_name")?,
        created_at: number(row, "created_at")?,
        expires_at: number(row, "expires_at")?,
    })
}
