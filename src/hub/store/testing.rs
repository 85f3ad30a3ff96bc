//! Stores for tests: SQLite in a fresh directory, and PostgreSQL in a fresh schema when `HITL_TEST_DATABASE_URL`
//! names a server. A story runs on each of them.

use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::Store;
use crate::config::database::Database;

/// A fresh store and what must live as long as it.
pub(crate) struct Fresh {
    pub(crate) store: Store,
    pub(crate) url: Database,
    _directory: tempfile::TempDir,
}

impl Fresh {
    /// The store at this address.
    pub(crate) async fn at(url: &Database) -> Self {
        let store = Store::open(url).await.unwrap();
        Self { store, url: url.clone(), _directory: tempfile::tempdir().unwrap() }
    }
}

/// A fresh SQLite store.
pub(crate) async fn sqlite() -> Fresh {
    let directory = tempfile::tempdir().unwrap();
    let url = Database::Sqlite(directory.path().join("hub with blank.db"));
    Fresh { store: Store::open(&url).await.unwrap(), url, _directory: directory }
}

/// Every kind of store there is here.
pub(crate) async fn every_store() -> Vec<Fresh> {
    let mut stores = vec![sqlite().await];
    if let Ok(url) = std::env::var("HITL_TEST_DATABASE_URL") {
        stores.push(postgres(&url).await);
    }
    stores
}

async fn postgres(server: &str) -> Fresh {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let schema = format!("test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let mut connection = PgConnection::connect(server).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(format!("create schema {schema}"))).execute(&mut connection).await.unwrap();
    let separator = if server.contains('?') { '&' } else { '?' };
    let url = Database::Postgres(format!("{server}{separator}options[search_path]={schema}"));
    Fresh { store: Store::open(&url).await.unwrap(), url, _directory: tempfile::tempdir().unwrap() }
}
