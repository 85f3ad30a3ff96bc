//! What a database says that is locked.

/// Whether another process or connection holds the store's lock.
pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    // SQLITE_BUSY and its extended codes share their low byte.
    let code = error.as_database_error().and_then(|error| error.code());
    code.and_then(|code| code.parse::<u32>().ok()).is_some_and(|code| code & 0xff == 5)
}
