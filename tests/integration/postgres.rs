//! The same story on PostgreSQL; `tests/run` brings a cluster, without one these tests have nothing to run on.

use serde_json::json;
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::support::{Hub, Ledger, Wrap, text_of};

/// A fresh database, or `None` where there is no cluster.
async fn fresh_database(name: &str) -> Option<String> {
    let Ok(cluster) = std::env::var("HITL_TEST_DATABASE_URL") else {
        println!("skipped: HITL_TEST_DATABASE_URL is not set");
        return None;
    };
    let name = format!("hitl_{name}_{}", std::process::id());
    let mut connection = PgConnection::connect(&cluster).await.unwrap();
    connection.execute(sqlx::AssertSqlSafe(format!("create database {name}"))).await.unwrap();
    // The cluster's URL names the database `postgres`.
    Some(cluster.replacen("/postgres", &format!("/{name}"), 1))
}

#[tokio::test]
async fn held_call_on_postgres_survives_a_killed_hub_and_runs_once() {
    let Some(database) = fresh_database("crash").await else { return };
    let mut hub = Hub::start_on(&database).await;
    let approver = hub.sign_in().await;
    let token = hub.add_agent("claude").await;
    let ledger = Ledger::new();
    let mut client = Wrap::around(ledger.server()).named("repos").with_hub(&hub, &token).start();
    client.initialize().await;
    let id = client.call("delete_repo", json!({ "repo": "a" })).await;
    let before = approver.the_pending_approval().await;

    hub.crash().await;
    let hub = hub.start_again().await;
    let approver = hub.sign_in().await;
    let after = approver.the_pending_approval().await;
    assert_eq!(after["id"], before["id"]);
    assert_eq!(approver.approve(&after).await.status, 200);
    assert!(text_of(&client.answer(id).await).contains("delete_repo done"));
    approver.wait_for(after["id"].as_str().unwrap(), "outcome", "succeeded").await;
    assert_eq!(ledger.runs_of("delete_repo"), 1);
}

#[tokio::test]
async fn of_many_deciders_on_postgres_one_wins() {
    let Some(database) = fresh_database("race").await else { return };
    let hub = Hub::start_on(&database).await;
    let approver = hub.sign_in().await;
    let token = hub.add_agent("claude").await;
    let ledger = Ledger::new();
    let mut client = Wrap::around(ledger.server()).named("repos").with_hub(&hub, &token).start();
    client.initialize().await;
    client.call("delete_repo", json!({ "repo": "a" })).await;
    let pending = approver.the_pending_approval().await;
    let deciders = (0..8).map(|n| {
        let (approver, pending) = (approver.clone(), pending.clone());
        tokio::spawn(async move {
            if n % 2 == 0 { approver.approve(&pending).await } else { approver.reject(&pending, "No").await }
        })
    });
    let mut winners = 0;
    for decider in deciders.collect::<Vec<_>>() {
        winners += usize::from(decider.await.unwrap().status == 200);
    }
    assert_eq!(winners, 1);
}
