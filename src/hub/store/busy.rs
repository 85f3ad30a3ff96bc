//! What a database says that is locked.

use std::error::Error;

/// Whether another process or connection holds the store's lock.
pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    // SQLITE_BUSY and its extended codes share their low byte.
    let code = error.as_database_error().and_then(|error| error.code());
    code.and_then(|code| code.parse::<u32>().ok()).is_some_and(|code| code & 0xff == 5)
}

/// What PostgreSQL says of a prepared statement that is there already, or is not there.
const MIXED_UP: [&str; 2] = ["42P05", "26000"];

/// What the database said, and what to do where its own words do not tell that.
pub(super) fn in_words(error: &(dyn Error + 'static)) -> String {
    let mut causes = std::iter::successors(Some(error), |error: &&(dyn Error + 'static)| (**error).source());
    let database = causes.find_map(|error| error.downcast_ref::<sqlx::Error>()?.as_database_error());
    let code = database.and_then(|error| error.code());
    if code.is_some_and(|code| MIXED_UP.contains(&&*code)) {
        return format!(
            "{error}: what was prepared on one connection is found on another, as through PgBouncer in transaction \
             mode; from 1.21 on it keeps them apart with max_prepared_statements, older ones only in session mode"
        );
    }
    error.to_string()
}
