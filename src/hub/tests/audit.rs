//! The record: one transaction with what it tells of, unbroken, and no byte of it can change unseen.

use sqlx::AssertSqlSafe;

use super::desk::Desk;
use crate::core::weigh::Opinion;
use crate::hub::store::audit::ChainCheck;
use crate::hub::store::bus::Target;
use crate::hub::store::{Entry, StoreError};

/// Runs SQL behind the hub's back.
async fn tamper(desk: &Desk, sql: &str) {
    let sql = sql.to_owned();
    let work = desk.hub.store.write(move |tx| {
        Box::pin(async move {
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(tx.sql()).await?;
            Ok::<(), StoreError>(())
        })
    });
    work.await.unwrap();
}

async fn broken_at(desk: &Desk) -> Option<i64> {
    match desk.hub.store().verify_audit().await.unwrap() {
        ChainCheck::Whole { .. } => None,
        ChainCheck::Broken { seq, .. } => Some(seq),
    }
}

#[tokio::test]
async fn chain_is_whole_and_any_altered_field_is_found() {
    for desk in Desk::everywhere().await {
        let held = desk.hold().await;
        desk.hub.approvals.reject(&held.id, &desk.approver, Some("no".into())).await.unwrap();
        let last = desk.hub.store().last_seq();
        assert_eq!(broken_at(&desk).await, None);
        for column in ["at", "actor", "action", "subject", "detail", "previous", "hash"] {
            let keep: Vec<_> = desk.hub.store().audit(2, 1).await.unwrap();
            let (altered, back) = match column {
                "at" => ("at + 1".to_owned(), "at - 1".to_owned()),
                _ => (format!("{column} || 'x'"), format!("substr({column}, 1, length({column}) - 1)")),
            };
            tamper(&desk, &format!("update audit set {column} = {altered} where seq = 3")).await;
            assert_eq!(broken_at(&desk).await, Some(3), "{column} of {keep:?}");
            tamper(&desk, &format!("update audit set {column} = {back} where seq = 3")).await;
            assert_eq!(broken_at(&desk).await, None, "{column} put back");
        }
        tamper(&desk, &format!("delete from audit where seq = {last}")).await;
        assert_eq!(broken_at(&desk).await, Some(last), "the last record is missing");
    }
}

#[tokio::test]
async fn a_removed_record_in_the_middle_is_found() {
    let desk = Desk::new().await;
    desk.hold().await;
    tamper(&desk, "delete from audit where seq = 2").await;
    assert_eq!(broken_at(&desk).await, Some(2));
}

#[tokio::test]
async fn events_are_the_record_by_kind_and_continue_after_any_of_them() {
    for desk in Desk::everywhere().await {
        let held = desk.hold().await;
        desk.hub.approvals.approve(&held.id, &desk.approver, None).await.unwrap();
        let events = desk.hub.store().events_after(0, 100).await.unwrap();
        let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
        assert_eq!(kinds, ["users", "users", "agents", "policy", "approval", "approval"]);
        assert!(events.iter().enumerate().all(|(n, event)| event.id == n as i64 + 1));
        assert_eq!(desk.hub.store().events_after(5, 100).await.unwrap()[0].subject, held.id.to_string());
        assert_eq!(desk.hub.store().last_seq(), 6);
    }
}

#[tokio::test]
async fn a_job_that_fails_leaves_nothing_and_disturbs_nobody_in_its_transaction() {
    for desk in Desk::everywhere().await {
        let before = desk.hub.store().last_seq();
        let hub = &desk.hub;
        let failing = hub.store.write(|tx| {
            Box::pin(async move {
                let detail = serde_json::Value::Null;
                let entry = Entry { at: 0, actor: "nobody", action: "user.added", subject: "nobody", detail };
                tx.audit(entry, Target::Pages).await?;
                sqlx::query("insert into nowhere (x) values (1)").execute(tx.sql()).await?;
                Ok::<(), StoreError>(())
            })
        });
        let (failed, held, added) = tokio::join!(
            failing,
            desk.hold(),
            hub.people.add_user("carl", crate::hub::model::Role::Viewer, None, &crate::hub::who::Actor::Operator)
        );
        assert!(matches!(failed, Err(StoreError::Failed(_))));
        assert_eq!(added.unwrap().name, "carl");
        assert_eq!(desk.now(&held.id).await.id, held.id);
        assert_eq!(hub.store().last_seq(), before + 2);
        assert_eq!(broken_at(&desk).await, None);
    }
}

#[tokio::test]
async fn a_commit_that_fails_fails_everything_in_it_and_wakes_nobody() {
    for desk in Desk::everywhere().await {
        tamper(&desk, "create table parent (id bigint primary key)".replace("bigint", "integer").as_str()).await;
        let child = "create table child (id integer references parent (id) deferrable initially deferred)";
        tamper(&desk, child).await;
        let before = desk.hub.store().last_seq();
        let woken = desk.hub.store().subscribe();
        // A deferred constraint is only looked at by the commit, so that is what fails, as on a full disk.
        let poison = desk.hub.store.write(|tx| {
            Box::pin(async move {
                sqlx::query("insert into child (id) values (7)").execute(tx.sql()).await?;
                Ok::<(), StoreError>(())
            })
        });
        let request = desk.request("{}");
        let id = request.id.clone();
        let (poisoned, registered) =
            tokio::join!(poison, desk.hub.approvals.register(&desk.shim, request.clone(), &Opinion::None));
        assert!(matches!(poisoned, Err(StoreError::Failed(_))));
        assert!(matches!(registered, Err(StoreError::Failed(_))), "{registered:?}");
        assert!(desk.hub.approvals.approval(&id).await.unwrap().is_none());
        assert!(!woken.has_changed().unwrap());
        assert_eq!(desk.hub.store().last_seq(), before);
        desk.hold_request(request).await;
        assert_eq!(broken_at(&desk).await, None);
    }
}
