//! The same stories on PostgreSQL, and those of two hubs on one store; `tests/run` brings a cluster, without one these
//! tests have nothing to run on.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::support::{Approver, Client, Hub, Ledger, PATIENCE, Wrap, binary, command, drift, eventually, text_of};

/// How often a hub is killed beside another.
const KILLS: u64 = 8;

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

#[tokio::test]
async fn a_hub_that_meets_a_newer_schema_is_refused_and_the_one_that_runs_goes_on() {
    let Some(database) = fresh_database("newer").await else { return };
    let outside = tempfile::tempdir().unwrap();
    let migrate = async || {
        let mut command = command(&binary("hitl-hub"), outside.path());
        let output = command.arg("migrate").env("HITL_DATABASE", &database).output().await.unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    };
    let (done, said) = migrate().await;
    assert!(done && said.contains("up to date"), "{said}");
    let hub = Hub::start_on(&database).await;
    let approver = hub.sign_in().await;
    let ledger = Ledger::new();
    let token = hub.add_agent("older").await;
    let mut client = Wrap::around(ledger.server()).named("repos").with_hub(&hub, &token).start();
    client.initialize().await;
    let id = client.call("delete_repo", json!({ "repo": "a" })).await;
    let pending = approver.the_pending_approval().await;

    // As the migration of a newer version leaves it.
    let mut connection = PgConnection::connect(&database).await.unwrap();
    let newer = "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
                 select 9999, description, success, checksum, 0 from _sqlx_migrations where version = 1";
    connection.execute(newer).await.unwrap();
    let (done, said) = migrate().await;
    assert!(!done && said.contains("written by a newer version (its schema is 9999)"), "{said}");
    let mut serve = command(&binary("hitl-hub"), outside.path());
    serve.args(["serve", "--listen", "127.0.0.1:0"]).env("HITL_DATABASE", &database);
    let output = tokio::time::timeout(PATIENCE, serve.output()).await.expect("it ends").unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("start that version"), "{said}");

    assert_eq!(approver.approve(&pending).await.status, 200);
    assert!(text_of(&client.answer(id).await).contains("delete_repo done"));
}

/// A hub of two, with a shim of its own.
struct Side {
    hub: Hub,
    approver: Approver,
    client: Client,
    name: &'static str,
}

impl Side {
    async fn new(hub: Hub, name: &'static str, ledger: &Ledger) -> Self {
        let (approver, token) = (hub.sign_in().await, hub.add_agent(name).await);
        let mut client = Wrap::around(ledger.server()).named("repos").with_hub(&hub, &token).start();
        client.initialize().await;
        Self { hub, approver, client, name }
    }

    async fn call(&mut self, round: u64) -> i64 {
        self.client.call("delete_repo", json!({ "repo": format!("{}-{round}", self.name) })).await
    }

    async fn crash_and_start_again(self) -> Self {
        let Self { mut hub, client, name, .. } = self;
        hub.crash().await;
        let hub = hub.start_again().await;
        Self { approver: hub.sign_in().await, hub, client, name }
    }
}

fn runs(ledger: &Ledger, repo: &str) -> usize {
    ledger.calls_of("delete_repo").iter().filter(|call| call["arguments"]["repo"] == repo).count()
}

/// The cards of these calls, as this approver sees them.
async fn cards(approver: &Approver, repos: &[String]) -> Vec<Value> {
    eventually("the cards at both hubs", || async {
        let queue = approver.queue().await;
        let is_of = |card: &&Value| repos.iter().any(|repo| card["arguments"].as_str().unwrap().contains(repo));
        let cards: Vec<Value> = queue.iter().filter(is_of).cloned().collect();
        (cards.len() == repos.len()).then_some(cards)
    })
    .await
}

#[tokio::test]
async fn whichever_of_two_hubs_on_postgres_is_killed_the_other_decides_and_each_call_runs_once() {
    let Some(database) = fresh_database("pair").await else { return };
    let ledger = Ledger::new();
    let first = Hub::start_on(&database).await;
    first.sign_in().await;
    let second = Hub::start_beside(&database, &[]).await;
    let (mut left, mut right) = (Side::new(first, "left", &ledger).await, Side::new(second, "right", &ledger).await);
    for round in 0..KILLS {
        let ids = (left.call(round).await, right.call(round).await);
        let repos = ["left", "right"].map(|name| format!("{name}-{round}"));
        // Before the cards are there, when they are there, and while they are decided.
        let queue = if round % 4 > 0 { cards(&left.approver, &repos).await } else { Vec::new() };
        let moment = Duration::from_millis(round * 2);
        let decide = async {
            drift(moment).await;
            for card in queue.iter().filter(|_| round % 4 > 1) {
                left.approver.approve_if_there(card).await;
            }
        };
        let (right_again, ()) = tokio::join!(right.crash_and_start_again(), decide);
        right = right_again;
        for approver in [&left.approver, &right.approver] {
            for card in approver.queue().await {
                approver.approve_if_there(&card).await;
            }
        }
        for (side, id) in [(&mut left, ids.0), (&mut right, ids.1)] {
            let answer = tokio::select! {
                answer = side.client.answer(id) => answer,
                () = keep_approving(&side.approver) => unreachable!(),
            };
            assert!(text_of(&answer).contains("delete_repo done"), "round {round}: {answer}");
        }
        for repo in &repos {
            assert_eq!(runs(&ledger, repo), 1, "{repo}");
        }
        std::mem::swap(&mut left, &mut right);
    }
    let all = left.approver.get("/approvals?limit=100").await["items"].as_array().unwrap().clone();
    assert_eq!(all.len() as u64, 2 * KILLS, "one card each");
    for approval in all {
        right.approver.wait_for(approval["id"].as_str().unwrap(), "outcome", "succeeded").await;
    }
    assert!(left.hub.run(&["audit", "verify"]).await.contains("unbroken"));
}

async fn keep_approving(approver: &Approver) {
    loop {
        for card in approver.queue().await {
            approver.approve_if_there(&card).await;
        }
        drift(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn what_shims_of_a_living_hub_hold_is_cancelled_neither_by_one_that_starts_nor_for_one_that_is_gone() {
    let Some(database) = fresh_database("gone").await else { return };
    let ledger = Ledger::new();
    let soon = [("HITL_RESUME_WITHIN", "1")];
    let first = Hub::start_on(&database).await;
    first.sign_in().await;
    let second = Hub::start_beside(&database, &soon).await;
    let (mut left, mut right) = (Side::new(first, "left", &ledger).await, Side::new(second, "right", &ledger).await);
    let (id, _) = (left.call(0).await, right.call(0).await);
    let held = cards(&left.approver, &["left-0".to_owned(), "right-0".to_owned()]).await;
    let of = |name: &str| held.iter().find(|card| card["arguments"].as_str().unwrap().contains(name)).unwrap();
    right.hub.crash().await;
    // It adopts what the one that is gone has left behind, in time, and nothing else.
    let third = Hub::start_beside(&database, &soon).await;
    let approver = third.sign_in().await;
    approver.wait_for(of("right")["id"].as_str().unwrap(), "status", "cancelled").await;
    assert_eq!(approver.approval(of("left")["id"].as_str().unwrap()).await["status"], "pending");
    assert_eq!(approver.approve(of("left")).await.status, 200);
    assert!(text_of(&left.client.answer(id).await).contains("delete_repo done"));
    assert_eq!((runs(&ledger, "left-0"), runs(&ledger, "right-0")), (1, 0));
}

#[tokio::test]
async fn a_hub_that_does_not_hear_others_says_so_and_reads_what_it_missed() {
    let Some(database) = fresh_database("deaf").await else { return };
    let ledger = Ledger::new();
    // Listening has a way of its own here, which can be cut alone.
    let role = format!("ears_{}", std::process::id());
    let mut connection = PgConnection::connect(&database).await.unwrap();
    let mut tell = async |sql: String| connection.execute(sqlx::AssertSqlSafe(sql)).await.map(drop).unwrap();
    tell(format!("create role {role} login")).await;
    let ears = database.replacen("hitl@", &format!("{role}@"), 1);
    let first = Hub::start_on(&database).await;
    first.sign_in().await;
    let second = Hub::start_beside(&database, &[("HITL_LISTEN_DATABASE", &ears)]).await;
    let (left, mut right) = (Side::new(first, "left", &ledger).await, Side::new(second, "right", &ledger).await);
    let id = right.call(0).await;
    let held = cards(&left.approver, &["right-0".to_owned()]).await;
    assert_eq!(right.hub.ready().await, (200, "ok\n".to_owned()));

    tell(format!("alter role {role} nologin")).await;
    let cut = format!("select pg_terminate_backend(pid) from pg_stat_activity where usename = '{role}'");
    tell(cut).await;
    eventually("the hub to notice", || async { (right.hub.ready().await.0 == 503).then_some(()) }).await;
    assert!(right.hub.ready().await.1.contains("not heard"), "{:?}", right.hub.ready().await);
    assert_eq!(left.approver.approve(&held[0]).await.status, 200);
    assert!(text_of(&right.client.answer(id).await).contains("delete_repo done"));

    tell(format!("alter role {role} login")).await;
    eventually("the hub to hear again", || async { (right.hub.ready().await.0 == 200).then_some(()) }).await;
    assert_eq!(runs(&ledger, "right-0"), 1);
}

#[tokio::test]
async fn a_hub_that_would_not_hear_others_does_not_start() {
    let Some(database) = fresh_database("pool").await else { return };
    // It takes LISTEN, and what is notified elsewhere never arrives: as through a pool.
    let Some(elsewhere) = fresh_database("elsewhere").await else { return };
    let data = tempfile::tempdir().unwrap();
    let mut command = command(&binary("hitl-hub"), data.path());
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    command.env("HITL_DATABASE", &database).env("HITL_LISTEN_DATABASE", &elsewhere);
    let output = tokio::time::timeout(PATIENCE, command.output()).await.expect("it ends").unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("listen_database"), "{said}");
}
