//! What a database says that is locked, or away.

use std::error::Error;

/// What PostgreSQL says of a connection that broke, a deadlock, an administrator or a crash that ends it, a database that
/// starts, too many connections, a lock that was not to be had, and a follower that does not write yet.
const PASSING: [&str; 6] = ["08", "40", "57P", "53300", "55P03", "25006"];

/// Whether another process or connection holds the store's lock.
pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| is_code_of_lock(&code))
}

/// SQLITE_BUSY and its extended codes share their low byte; codes of PostgreSQL have five characters.
fn is_code_of_lock(code: &str) -> bool {
    code.len() < 5 && code.parse::<u32>().is_ok_and(|code| code & 0xff == 5)
}

/// Whether that passes by itself: what was asked may be asked again later.
pub(super) fn passes(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| is_code_of_passing(&code)),
        _ => false,
    }
}

fn is_code_of_passing(code: &str) -> bool {
    is_code_of_lock(code) || code.len() == 5 && PASSING.iter().any(|passing| code.starts_with(passing))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_by_itself_is_told_from_what_a_call_brings_with_it() {
        for code in ["5", "261", "517", "08006", "40P01", "57P01", "57P03", "53300", "55P03", "25006"] {
            assert!(is_code_of_passing(code), "{code}");
        }
        // A full disk, constraints, a NUL and a right that is missing; the last two have a low byte of 5.
        for code in ["13", "787", "1555", "2067", "53100", "23505", "22021", "42501", ""] {
            assert!(!is_code_of_passing(code), "{code}");
        }
        assert!(passes(&sqlx::Error::PoolTimedOut) && passes(&std::io::Error::other("gone").into()));
        assert!(!passes(&sqlx::Error::RowNotFound));
    }
}
