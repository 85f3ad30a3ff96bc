//! The story of every approval: whatever its row says and whatever happens to it, the row after the SQL is what
//! `Life::after` says.

use crate::core::approval::{Holder, Move, Outcome};
use crate::core::ids::InstanceId;
use crate::core::messages::{CallOutcome, Release};
use crate::hub::approvals::{Held, life};
use crate::hub::store::{StoreError, Tx};
use crate::hub::tests::desk::{Desk, START};
use crate::hub::who::{Decider, Saw, Shim};

const GRANT_MS: i64 = 600_000;
const MINUTE_MS: i64 = 60_000;

/// The columns of a life, as a `set` clause; `decided` and `later` stand for times before and after now.
const STATES: [&str; 15] = [
    "kept = 0",
    "kept = 1",
    "deadline_at = 1",
    "kept = 1, deadline_at = 1",
    "status = 'approved', decided_at = decided, grace_until = later",
    "status = 'approved', decided_at = decided, grace_until = later, kept = 1",
    "status = 'approved', decided_at = decided, grace_until = 1",
    "status = 'approved', decided_at = decided, grace_until = later, instance = 'other'",
    "status = 'approved', decided_at = decided, outcome = 'released', released_instance = 'shim-1'",
    "status = 'approved', decided_at = decided, outcome = 'unknown', released_instance = 'shim-1'",
    "status = 'approved', decided_at = decided, outcome = 'succeeded', released_instance = 'shim-1'",
    "status = 'approved', decided_at = decided, outcome = 'not_executed'",
    "status = 'rejected', decided_at = decided, outcome = 'not_executed', kept = 1",
    "status = 'rejected', decided_at = 1, outcome = 'not_executed', kept = 1",
    "status = 'timed_out', decided_at = decided, outcome = 'not_executed'",
];

fn moves(shim: &Shim, request: &crate::core::ids::ApprovalId) -> Vec<Move> {
    let (own, other) = (shim.instance.clone(), InstanceId::from("other"));
    let holder = Holder { request: request.clone(), instance: own.clone() };
    let told = |by: &InstanceId, outcome| Move::Finish { by: by.clone(), outcome };
    vec![
        Move::Approve { grace_ms: 10_000 },
        Move::Reject,
        Move::Extend { deadline_at: START + 20 * MINUTE_MS },
        Move::TimeOut,
        Move::Expire,
        Move::Stretch { until: START + 2 * MINUTE_MS },
        Move::TakeBack,
        Move::Keep { grant_ms: GRANT_MS },
        Move::Join { holder, grant_ms: GRANT_MS },
        Move::Release { by: own.clone() },
        told(&own, Outcome::Succeeded),
        told(&own, Outcome::Unknown),
        told(&other, Outcome::Failed),
        Move::Lose,
    ]
}

#[tokio::test]
async fn the_row_after_every_move_is_what_the_rules_say() {
    for desk in Desk::everywhere().await {
        for state in STATES {
            for number in 0..moves(&desk.shim, &desk.request("{}").id).len() {
                one(&desk, state, number).await;
            }
        }
    }
}

async fn one(desk: &Desk, state: &str, number: usize) {
    // Nothing else is there to be joined or counted.
    run(desk, "delete from approvals".to_owned()).await;
    let held = desk.hold().await;
    let times = state.replace("decided", &(START - 1).to_string()).replace("later", &(START + MINUTE_MS).to_string());
    let times = times.replace(&format!("{}_at", START - 1), "decided_at");
    run(desk, format!("update approvals set {times}")).await;
    let before = desk.hub.approvals.held(&held.id).await.unwrap().unwrap();
    let again = desk.request("{\"repo\":\"a\"}");
    let what = moves(&desk.shim, &again.id).swap_remove(number);
    let wanted = before.life.clone().after(what.clone(), START).unwrap_or_else(|_| before.life.clone());
    let (shim, row, step) = (desk.shim.clone(), before.clone(), what.clone());
    let work = desk.hub.store.write(move |tx| Box::pin(async move { make(tx, &shim, &row, again, step).await }));
    work.await.unwrap();
    let after = desk.hub.approvals.held(&held.id).await.unwrap().unwrap();
    assert_eq!(after.life, wanted, "{state}: {what:?}");
}

async fn run(desk: &Desk, sql: String) {
    let work = desk.hub.store.write(move |tx| {
        Box::pin(async move {
            sqlx::query(sqlx::AssertSqlSafe(sql)).execute(tx.sql()).await?;
            Ok::<(), StoreError>(())
        })
    });
    work.await.unwrap();
}

/// Makes a move in the store.
async fn make(
    tx: &mut Tx,
    shim: &Shim,
    held: &Held,
    again: crate::core::messages::Request,
    what: Move,
) -> Result<(), StoreError> {
    let (id, now) = (&held.approval.id, START);
    let by = Decider { name: "bob".to_owned(), via: None, saw: Saw::default() };
    match what {
        Move::Approve { grace_ms } => life::approve(tx, id, &by, None, grace_ms, now).await.map(drop),
        Move::Reject => life::reject(tx, id, &by, None, now).await.map(drop),
        Move::Extend { deadline_at } => life::extend(tx, id, &by, deadline_at, now).await.map(drop),
        Move::TimeOut => life::time_out(tx, id, now).await.map(drop),
        Move::Expire => life::expire(tx, id, now).await,
        Move::Stretch { until } => life::stretch(tx, id, until, now).await,
        Move::TakeBack => life::take_back(tx, id, "ci", "why", now).await,
        Move::Keep { grant_ms } => life::keep(tx, id, grant_ms, "why", now).await,
        Move::Join { grant_ms, .. } => life::join(tx, shim, &again, held, grant_ms, now).await.map(drop),
        Move::Release { .. } => {
            let release = Release { approval: id.clone(), digest: held.digest.clone() };
            life::release(tx, shim, &release, now).await.map(drop)
        }
        Move::Finish { by, outcome } => {
            let told = CallOutcome { approval: id.clone(), outcome, duration_ms: 1 };
            life::finish(tx, &Shim { instance: by, ..shim.clone() }, &told, now).await
        }
        Move::Lose => life::lose(tx, id, "why", now).await,
    }
}
