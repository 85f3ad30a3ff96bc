//! Opening a store: connections with the right settings, a check of the file, migrations.

use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::{Duration, Instant};

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{AnyConnection, AnyPool, ConnectOptions as _, Connection as _, Executor as _};

use super::busy::{in_words, is_busy};
use super::mark::{Head, MarkFile};
use super::writer::Source;
use super::{SetBack, StoreError, migrations};
use crate::config::database::Database;
use crate::config::private;
use crate::hub::clock::Times;

/// `busy_timeout` comes first: switching to WAL may already have to wait for another process.
const PRAGMAS: &str = "pragma busy_timeout = 5000; pragma journal_mode = wal; pragma synchronous = full; \
                       pragma foreign_keys = on; pragma trusted_schema = off;";
/// Longer than SQLite's own patience, so that a locked store is told from a pool that is used up.
const ACQUIRE_WITHIN: Duration = Duration::from_secs(10);
/// For how long a store that another program is making is tried again, and how often.
const BUSY_FOR: Duration = Duration::from_secs(5);
const BUSY_EVERY: Duration = Duration::from_millis(50);
/// The chain with its counts (see `memory`) and the newest row of the record. PostgreSQL's writers queue here.
const FIND: &str = "select seq, hash, callers, policy, channels, (select max(seq) from audit) as newest from chain \
                    where id = 1";
const LOCK_AND_FIND: &str = "update chain set seq = seq where id = 1 \
                             returning seq, hash, callers, policy, channels, (select max(seq) from audit) as newest";
const READ_ONLY: &str = "pragma query_only = on;";

/// The ways to a store.
pub(super) struct Opened {
    pub(super) readers: AnyPool,
    pub(super) writer: Source,
    /// The operator that finds a pattern whatever the case of its letters.
    pub(super) like: &'static str,
    /// Whether several hubs may serve it.
    pub(super) shared: bool,
}

/// Opens, checks and migrates.
pub(super) async fn open(database: &Database) -> Result<Opened, StoreError> {
    static DRIVERS: Once = Once::new();
    DRIVERS.call_once(sqlx::any::install_default_drivers);
    match database {
        Database::Sqlite(path) => sqlite(path).await,
        Database::Postgres(url) => postgres(url).await,
    }
}

async fn sqlite(path: &Path) -> Result<Opened, StoreError> {
    let cannot =
        |error: &dyn std::fmt::Display| StoreError::Open(format!("cannot open the store {}: {error}", path.display()));
    let path = private_file(path).map_err(|error| cannot(&error))?;
    let options = sqlite_options(&path).map_err(|error| cannot(&error))?;
    let mut first = AnyConnection::connect_with(&options).await.map_err(|error| cannot(&error))?;
    check(&mut first, &path).await?;
    migrate(&migrations::sqlite(), &mut first).await?;
    first.close().await.map_err(|error| cannot(&error))?;
    let readers = AnyPoolOptions::new().acquire_timeout(ACQUIRE_WITHIN).test_before_acquire(false);
    let readers = readers.max_connections(4).after_connect(|connection, _| {
        Box::pin(async move {
            connection.execute(PRAGMAS).await?;
            connection.execute(READ_ONLY).await.map(drop)
        })
    });
    Ok(Opened {
        readers: readers.connect_with(options.clone()).await.map_err(|error| cannot(&error))?,
        writer: Source { options, settings: Some(PRAGMAS), begin: ["begin immediate", FIND] },
        like: "like",
        shared: false,
    })
}

fn sqlite_options(path: &Path) -> Result<AnyConnectOptions, sqlx::Error> {
    let path = path.to_str().ok_or_else(|| sqlx::Error::Configuration("its path is not UTF-8".into()))?;
    // The driver reads the path as part of a URL and decodes it.
    let encoded: String = path
        .bytes()
        .map(|byte| match byte {
            b'/' | b'.' | b'-' | b'_' => char::from(byte).to_string(),
            _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect();
    Ok(format!("sqlite://{encoded}?mode=rw").parse::<AnyConnectOptions>()?.disable_statement_logging())
}

/// Makes the file 0600 and its directory 0700 where they are missing, and returns its one real path; SQLite gives its
/// side files the same mode. Refused is what others could change, the side files included: whoever does decides.
pub fn private_file(path: &Path) -> std::io::Result<PathBuf> {
    private::make_dir(private::directory_of(path))?;
    let file = private::options().read(true).write(true).create(true).truncate(false).open(path)?;
    only_name(&file)?;
    let real = path.canonicalize()?;
    for place in [&real, private::directory_of(&real)] {
        if let Some(why) = private::meddler(place)? {
            return Err(std::io::Error::other(format!("{} {why}", place.display())));
        }
    }
    Ok(real)
}

/// SQLite keeps what is newest in files beside the name it was given: by another name of the same file it would not
/// find it.
#[cfg(unix)]
fn only_name(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    if file.metadata()?.nlink() > 1 {
        return Err(std::io::Error::other("the file has another name (a hard link); remove that, or copy the file"));
    }
    if is_mounted(file) {
        return Err(std::io::Error::other("the file is mounted here by itself (a bind mount); mount its directory"));
    }
    Ok(())
}

/// Whether the file alone, without its directory, comes from elsewhere; an old kernel does not tell.
#[cfg(target_os = "linux")]
fn is_mounted(file: &std::fs::File) -> bool {
    use rustix::fs::{AtFlags, StatxAttributes, StatxFlags, statx};
    let status = statx(file, c"", AtFlags::EMPTY_PATH, StatxFlags::empty());
    status.is_ok_and(|status| status.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

#[cfg(all(unix, not(target_os = "linux")))]
fn is_mounted(_: &std::fs::File) -> bool {
    false
}

#[cfg(not(unix))]
fn only_name(_: &std::fs::File) -> std::io::Result<()> {
    Ok(())
}

/// Damage is found before anything is decided on it.
async fn check(connection: &mut AnyConnection, path: &Path) -> Result<(), StoreError> {
    let until = Instant::now() + BUSY_FOR;
    let found = loop {
        let found = match connection.execute(PRAGMAS).await {
            Ok(_) => sqlx::query_scalar("pragma quick_check(1)").fetch_one(&mut *connection).await,
            Err(error) => Err(error),
        };
        // Where two programs make a store at once, SQLite does not wait for the one that switches it to WAL.
        if Instant::now() >= until || !found.as_ref().is_err_and(is_busy) {
            break found;
        }
        tokio::time::sleep(BUSY_EVERY).await;
    };
    let damage = match found {
        Ok(answer) if answer == "ok" => return Ok(()),
        Ok(answer) => answer,
        Err(error) if is_busy(&error) => {
            return Err(StoreError::Open(format!("the store {} is in use by another process", path.display())));
        }
        Err(error) => error.to_string(),
    };
    let path = path.display();
    Err(StoreError::Open(format!("the store {path} is damaged ({damage}); restore a backup of it before starting")))
}

async fn postgres(url: &str) -> Result<Opened, StoreError> {
    // The URL holds a password, so it stays out of messages.
    let cannot =
        |error: sqlx::Error| StoreError::Open(format!("cannot open the PostgreSQL store: {}", in_words(&error)));
    let options = url.parse::<AnyConnectOptions>().map_err(cannot)?.disable_statement_logging();
    let mut first = AnyConnection::connect_with(&options).await.map_err(cannot)?;
    let mut migrator = migrations::postgres();
    if is_migrated(&migrator, &mut first).await {
        migrator.set_locking(false);
    }
    migrate(&migrator, &mut first).await?;
    first.close().await.map_err(cannot)?;
    let readers = AnyPoolOptions::new().acquire_timeout(ACQUIRE_WITHIN).max_connections(8);
    Ok(Opened {
        readers: readers.connect_with(options.clone()).await.map_err(cannot)?,
        writer: Source { options, settings: None, begin: ["begin", LOCK_AND_FIND] },
        like: "collate \"C\" ilike",
        shared: true,
    })
}

/// How many of the newest records are asked for the newest time: before this was looked at, a clock could go back.
const NEWEST: i64 = 1_000;

/// What the store says of time.
pub(super) async fn times(opened: &Opened) -> Result<Times, sqlx::Error> {
    let newest: Option<i64> = sqlx::query_scalar(
        "select max(at) from (select at from audit, chain where chain.id = 1 and audit.seq <= chain.seq \
         and audit.seq > chain.seq - $1 union all select max(seen_at) from hubs) known",
    )
    .bind(NEWEST)
    .fetch_one(&opened.readers)
    .await?;
    let now = "select cast(extract(epoch from clock_timestamp()) * 1000 as bigint)";
    let here = if opened.shared { Some(sqlx::query_scalar(now).fetch_one(&opened.readers).await?) } else { None };
    Ok(Times { here, newest: newest.unwrap_or_default() })
}

/// The newest record.
pub(super) async fn head(readers: &AnyPool) -> Result<Head, StoreError> {
    let (seq, hash) = sqlx::query_as("select seq, hash from chain where id = 1").fetch_one(readers).await?;
    Ok(Head { seq, hash })
}

/// The store's newest record, and whether it is behind what the file knows; one that is as it should be is noted there.
pub(super) async fn compare(readers: &AnyPool, mark: &MarkFile) -> Result<(Head, Option<SetBack>), StoreError> {
    let cannot = |error: std::io::Error| StoreError::Open(format!("cannot use {}: {error}", mark.path().display()));
    // The file is read first: a hub that runs beside us notes a record only when the store has it.
    let known = mark.read();
    let found = head(readers).await?;
    let set_back = match known {
        Ok(Some(known)) => behind(readers, known, &found).await?,
        Ok(None) => {
            mark.set(&found).map_err(cannot)?;
            None
        }
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            Some(SetBack { known: None, found: found.clone() })
        }
        Err(error) => return Err(cannot(error)),
    };
    if set_back.is_none() {
        mark.note(&found).map_err(cannot)?;
    }
    Ok((found, set_back))
}

/// Whether a store that ends with this record lacks the one that is known, or has another in its place.
async fn behind(readers: &AnyPool, known: Head, found: &Head) -> Result<Option<SetBack>, StoreError> {
    let same: Option<String> = match known.seq {
        0 => Some(known.hash.clone()),
        seq => sqlx::query_scalar("select hash from audit where seq = $1").bind(seq).fetch_optional(readers).await?,
    };
    let is_behind = known.seq > found.seq || same.as_ref() != Some(&known.hash);
    Ok(is_behind.then(|| SetBack { known: Some(known), found: found.clone() }))
}

/// Whether the schema is as new as this version knows it. Then no lock is taken that lives as long as a connection: a pool
/// in transaction mode might leave it behind.
async fn is_migrated(migrator: &Migrator, connection: &mut AnyConnection) -> bool {
    let newest = migrator.iter().map(|migration| migration.version).max();
    let found: Result<Option<i64>, _> =
        sqlx::query_scalar("select max(version) from _sqlx_migrations where success").fetch_one(connection).await;
    found.is_ok_and(|found| found >= newest)
}

async fn migrate(migrator: &Migrator, connection: &mut AnyConnection) -> Result<(), StoreError> {
    let mut result = migrator.run(&mut *connection).await;
    // In SQLite nothing keeps two programs from making the same step at once, such as a hub that starts for the first
    // time and a command that asks how it is: one fails, and then finds it made.
    if let Err(MigrateError::Execute(_) | MigrateError::ExecuteMigration(..)) = result {
        result = migrator.run(connection).await;
    }
    result.map_err(|error| {
        StoreError::Open(match error {
            MigrateError::VersionMissing(version) => {
                format!("the store was written by a newer version (its schema is {version}); start that version")
            }
            error => format!("cannot bring the store's schema up to date: {}", in_words(&error)),
        })
    })
}
