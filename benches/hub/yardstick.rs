//! What the same disk and the same engine do with nothing around them: SQLite, WAL, FULL.

use std::path::Path;
use std::str::FromStr as _;
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};

use super::median;

/// The yardsticks.
pub struct Commits {
    /// One row, flushed to the disk.
    pub alone: Duration,
    /// Rows a second when 64 are flushed together.
    pub together: f64,
}

/// Measures in a file beside the hub's own.
pub async fn measure(dir: &str) -> Commits {
    let file = Path::new(dir).join("yardstick.db");
    let options = SqliteConnectOptions::from_str(&format!("sqlite://{}", file.display())).unwrap();
    let options = options.create_if_missing(true).journal_mode(SqliteJournalMode::Wal);
    let mut connection = options.synchronous(SqliteSynchronous::Full).connect().await.unwrap();
    sqlx::query("create table t (id integer primary key, text text not null)").execute(&mut connection).await.unwrap();
    let mut alone = Vec::new();
    for _ in 0..300 {
        alone.push(commit(&mut connection, 1).await);
    }
    let mut together = Vec::new();
    for _ in 0..100 {
        together.push(commit(&mut connection, 64).await);
    }
    Commits { alone: median(&mut alone), together: 64.0 / median(&mut together).as_secs_f64() }
}

async fn commit(connection: &mut sqlx::SqliteConnection, rows: usize) -> Duration {
    let began = Instant::now();
    let mut transaction = connection.begin().await.unwrap();
    for _ in 0..rows {
        let text = "about as much as an approval's row holds, ".repeat(10);
        sqlx::query("insert into t (text) values ($1)").bind(text).execute(&mut *transaction).await.unwrap();
    }
    transaction.commit().await.unwrap();
    began.elapsed()
}
