//! Opening: private, checked, never newer, never silently fresh.

use std::path::PathBuf;

use super::desk::{Desk, START};
use crate::config::database::Database;
use crate::core::approval::Status;
use crate::hub::clock::Clock;
use crate::hub::error::DecideError;
use crate::hub::store::testing::sqlite;
use crate::hub::store::{Store, StoreError};

fn path(database: &Database) -> PathBuf {
    match database {
        Database::Sqlite(path) => path.clone(),
        Database::Postgres(_) => panic!("not a file"),
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_new_store_is_only_for_its_owner() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("deep/data/hub.db");
    let store = Store::open(&Database::Sqlite(file.clone())).await.unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(file.parent().unwrap()), 0o700);
    assert_eq!(mode(&file), 0o600);
    assert_eq!(mode(&file.with_extension("db-wal")), 0o600);
    store.close().await;
}

#[tokio::test]
async fn programs_that_make_the_same_store_at_once_all_have_it() {
    for _ in 0..10 {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::Sqlite(directory.path().join("hub.db"));
        for opened in futures_util::future::join_all((0..4).map(|_| Store::open(&database))).await {
            opened.unwrap().close().await;
        }
    }
}

#[tokio::test]
async fn what_was_written_is_there_after_opening_again() {
    for desk in Desk::everywhere().await {
        let held = desk.hold().await;
        desk.hub.close().await;
        let again = desk.restarted().await;
        assert_eq!(again.now(&held.id).await.status, Status::Pending);
        assert_eq!(again.hub.store().last_seq(), 5);
    }
}

#[tokio::test]
async fn a_change_that_panics_fails_alone_and_leaves_nothing() {
    let desk = Desk::new().await;
    let held = desk.hold().await;
    let doomed = desk.hub.store.write(|tx| {
        Box::pin(async move {
            sqlx::query("delete from approvals").execute(tx.sql()).await?;
            panic!("on purpose");
            #[expect(unreachable_code, reason = "it tells the type of the result")]
            Ok::<(), StoreError>(())
        })
    });
    assert!(matches!(doomed.await, Err(StoreError::Failed(why)) if why.contains("panic")));
    assert_eq!(desk.now(&held.id).await.status, Status::Pending);
    desk.hold().await;
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_refused() {
    for desk in Desk::everywhere().await {
        let newer = desk.hub.store.write(|tx| {
            Box::pin(async move {
                let sql = "insert into _sqlx_migrations (version, description, installed_on, success, checksum, \
                           execution_time) select 9999, description, installed_on, success, checksum, 0 \
                           from _sqlx_migrations where version = 1";
                sqlx::query(sql).execute(tx.sql()).await?;
                Ok::<(), StoreError>(())
            })
        });
        newer.await.unwrap();
        let refusal = Store::open(&desk.fresh.url).await.unwrap_err();
        assert!(matches!(&refusal, StoreError::Open(why) if why.contains("newer version")), "{refusal}");
    }
}

#[tokio::test]
async fn a_damaged_file_is_refused_and_left_as_it_is() {
    let fresh = sqlite().await;
    fresh.store.close().await;
    let file = path(&fresh.url);
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..].fill(0x5a);
    std::fs::write(&file, &bytes).unwrap();
    let refusal = Store::open(&fresh.url).await.unwrap_err();
    assert!(matches!(&refusal, StoreError::Open(why) if why.contains("damaged")), "{refusal}");
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
}

#[tokio::test]
async fn what_is_no_database_is_named_in_the_refusal() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("notes.txt");
    std::fs::write(&file, "these are my notes, not a database, and they shall stay\n".repeat(50)).unwrap();
    let refusal = Store::open(&Database::Sqlite(file.clone())).await.unwrap_err();
    assert!(refusal.to_string().contains("notes.txt"), "{refusal}");
}

#[tokio::test]
async fn readers_cannot_write() {
    let fresh = sqlite().await;
    let attempt = sqlx::query("update chain set seq = 7").execute(fresh.store.read()).await;
    assert!(attempt.is_err());
}

#[tokio::test]
async fn another_process_changes_are_noticed() {
    for desk in Desk::everywhere().await {
        let joined = desk.connect();
        let hub = desk.hub.clone();
        tokio::spawn(async move { hub.run_background().await });
        let outside = Store::open(&desk.fresh.url).await.unwrap();
        let settings = crate::hub::Settings::default();
        let other = crate::hub::Hub::open(outside, settings, desk.clock.clone()).await.unwrap();
        other.agents.revoke_agent("ci", &crate::hub::who::Actor::Operator).await.unwrap();
        let mut cut = joined.cut;
        let noticed = tokio::time::timeout(crate::PATIENCE, cut.wait_for(Option::is_some));
        assert_eq!(*noticed.await.unwrap().unwrap(), Some(crate::hub::live::Cut::Revoked));
    }
}

#[tokio::test]
async fn a_lost_connection_costs_its_change_and_the_next_one_has_another() {
    for desk in Desk::everywhere().await.into_iter().filter(|desk| desk.hub.store.is_shared()) {
        let cut = desk.hub.store.write(|tx| {
            Box::pin(async move {
                sqlx::query("select cast(pg_terminate_backend(pg_backend_pid()) as text)").execute(tx.sql()).await?;
                Ok::<(), StoreError>(())
            })
        });
        assert!(cut.await.is_err());
        desk.hold().await;
    }
}

#[tokio::test]
async fn an_idle_connection_that_was_lost_is_not_noticed() {
    for desk in Desk::everywhere().await.into_iter().filter(|desk| desk.hub.store.is_shared()) {
        let pid: i64 = desk
            .hub
            .store
            .write(|tx| {
                Box::pin(async move {
                    let pid = sqlx::query_scalar("select cast(pg_backend_pid() as bigint)");
                    Ok::<i64, StoreError>(pid.fetch_one(tx.sql()).await?)
                })
            })
            .await
            .unwrap();
        // It returns when the connection is gone, and not with the order to end it.
        let end = sqlx::query_scalar("select cast(pg_terminate_backend(cast($1 as int), 60000) as text)").bind(pid);
        let ended: String = end.fetch_one(desk.hub.store.read()).await.unwrap();
        assert_eq!(ended, "true");
        desk.hold().await;
    }
}

#[tokio::test]
async fn a_clock_that_is_set_back_between_two_runs_lengthens_nothing() {
    for desk in Desk::everywhere().await {
        let held = desk.hold().await;
        desk.clock.advance(60_000);
        desk.hub.store.beat(desk.hub.now()).await.unwrap();
        desk.hub.close().await;
        let set_back = Desk { clock: Clock::settable(START - 3_600_000), ..desk };
        let again = set_back.restarted().await;
        assert_eq!(again.hub.now(), START + 60_000, "time goes on from what the store knows");
        again.clock.advance(held.deadline_at - again.hub.now());
        let late = again.hub.approvals.approve(&held.id, &again.approver, None).await;
        assert!(matches!(late, Err(DecideError::TooLate(_))), "{late:?}");
    }
}
