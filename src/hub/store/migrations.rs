//! The schema's history for each database, in the order in which it is applied; a release only adds to it.
//!
//! Embedded by hand: sqlx's own macro for it compiles both drivers a second time, for the build machine.

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};

const SQLITE: &[&str] = &[include_str!("../../../migrations/sqlite/0001_first.sql")];
const POSTGRES: &[&str] = &[include_str!("../../../migrations/postgres/0001_first.sql")];

/// What SQLite is brought up to date with.
pub(super) fn sqlite() -> Migrator {
    migrator(SQLITE)
}

/// What PostgreSQL is brought up to date with.
pub(super) fn postgres() -> Migrator {
    migrator(POSTGRES)
}

fn migrator(texts: &[&'static str]) -> Migrator {
    let numbered = (1..).zip(texts);
    Migrator::with_migrations(
        numbered
            .map(|(version, text)| {
                Migration::new(version, "".into(), MigrationType::Simple, text.into_sql_str(), false)
            })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_two_folders_is_applied_in_its_order() {
        for (folder, texts) in [("migrations/sqlite", SQLITE), ("migrations/postgres", POSTGRES)] {
            let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
            paths.sort();
            let files: Vec<_> = paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
            assert_eq!(files, texts, "{folder}");
        }
    }
}
