//! The activity log: calls that are told of while they run, and how they end.

use super::desk::{Desk, START};
use crate::core::approval::Outcome;
use crate::core::ids::{Digest, InstanceId};
use crate::core::messages::{Activity, Denied, MAX_DENIED_ARGUMENTS};
use crate::core::policy::Verdict;
use crate::hub::model::ActivityRow;
use crate::hub::store::ActivityFilter;

fn told(outcome: Outcome, duration_ms: Option<u64>, running: Option<u64>) -> Activity {
    Activity {
        age_ms: duration_ms.unwrap_or(5_000),
        tool: "list_repos".into(),
        verdict: Verdict::Pass,
        bypass: false,
        approval: None,
        outcome: Some(outcome),
        duration_ms,
        running,
        denied: None,
    }
}

async fn log(desk: &Desk) -> Vec<ActivityRow> {
    desk.hub.store().activity(&ActivityFilter::default()).await.unwrap().items
}

#[tokio::test]
async fn a_call_told_of_while_it_ran_is_one_line_that_learns_its_end() {
    for desk in Desk::everywhere().await {
        let say = |calls| desk.hub.shims.log_calls(&desk.shim, calls, 0);
        say(vec![told(Outcome::Released, None, Some(1)), told(Outcome::Succeeded, Some(2), None)]).await.unwrap();
        desk.clock.advance(60_000);
        let mut other = desk.shim.clone();
        other.instance = InstanceId::from("shim-2");
        desk.hub.shims.log_calls(&other, vec![told(Outcome::Failed, Some(65_000), Some(1))], 0).await.unwrap();
        assert_eq!(log(&desk).await[2].outcome, Some(Outcome::Released), "another shim's numbers are its own");
        say(vec![told(Outcome::Failed, Some(65_000), Some(1))]).await.unwrap();

        let rows = log(&desk).await;
        assert_eq!(rows.len(), 3);
        assert_eq!((rows[2].outcome, rows[2].duration_ms), (Some(Outcome::Failed), Some(65_000)));
        assert_eq!((rows[1].outcome, rows[1].duration_ms), (Some(Outcome::Succeeded), Some(2)));
        say(vec![told(Outcome::Succeeded, Some(70_000), Some(1))]).await.unwrap();
        assert_eq!(log(&desk).await[3].outcome, Some(Outcome::Failed), "what ended has ended");
    }
}

#[tokio::test]
async fn a_call_that_ran_when_its_shim_was_lost_is_unknown_until_the_shim_tells() {
    for desk in Desk::everywhere().await {
        drop(desk.connect());
        desk.hub.shims.log_calls(&desk.shim, vec![told(Outcome::Released, None, Some(1))], 0).await.unwrap();
        desk.hub.approvals.gone(&desk.shim.client_id, &desk.shim.instance).await.unwrap();
        assert_eq!(log(&desk).await[0].outcome, Some(Outcome::Unknown));
        desk.hub.shims.log_calls(&desk.shim, vec![told(Outcome::Succeeded, Some(9_000), Some(1))], 0).await.unwrap();
        let rows = log(&desk).await;
        assert_eq!((rows.len(), rows[0].outcome, rows[0].duration_ms), (1, Some(Outcome::Succeeded), Some(9_000)));
    }
}

#[tokio::test]
async fn an_agent_that_calls_all_the_time_pushes_out_only_its_own_calls() {
    for desk in Desk::everywhere().await {
        let fill = "insert into activity (id, at, client_id, agent_name, server, tool, verdict) \
                    with recursive n (id) as (select 1 union all select id + 1 from n where id < 20999) \
                    select id, 0, case when id <= 10 then 'quiet' else 'noisy' end, 'a', 's', 't', 'pass' from n";
        let write = desk.hub.store.write(move |tx| {
            Box::pin(async move {
                sqlx::query(fill).execute(tx.sql()).await?;
                Ok::<(), crate::hub::store::StoreError>(())
            })
        });
        write.await.unwrap();
        desk.hub.shims.log_calls(&desk.shim, vec![told(Outcome::Succeeded, Some(1), None)], 0).await.unwrap();
        let count = async |agent: &str| -> i64 {
            let found = sqlx::query_scalar("select count(*) from activity where client_id = $1").bind(agent.to_owned());
            found.fetch_one(desk.hub.store.read()).await.unwrap()
        };
        let kept = (count("quiet").await, count("noisy").await, count(desk.shim.client_id.as_str()).await);
        assert_eq!(kept, (10, 19_000, 1));
        let oldest: i64 = sqlx::query_scalar("select min(id) from activity where client_id = 'noisy'")
            .fetch_one(desk.hub.store.read())
            .await
            .unwrap();
        assert_eq!(oldest, 2_000, "the oldest go");
    }
}

/// A call that the shim denied, as it tells of it.
fn denied(tool: &str, reason: &str, arguments: &str) -> Activity {
    let denied = Denied {
        reasons: vec![reason.into()],
        digest: Some(Digest::of(arguments.as_bytes())),
        arguments: Some(arguments.into()),
    };
    Activity {
        tool: tool.into(),
        verdict: Verdict::Deny,
        denied: Some(denied),
        ..told(Outcome::NotExecuted, None, None)
    }
}

#[tokio::test]
async fn why_a_call_was_denied_is_found_by_words_and_days() {
    for desk in Desk::everywhere().await {
        let say = |calls| desk.hub.shims.log_calls(&desk.shim, calls, 0);
        say(vec![denied("drop_table", "argument rule: never in production", r#"{"table":"100%_users"}"#)])
            .await
            .unwrap();
        desk.clock.advance(86_400_000);
        say(vec![
            denied("drop_table", "the agent's trust", r#"{"table":"orders"}"#),
            told(Outcome::Succeeded, Some(1), None),
        ])
        .await
        .unwrap();
        let found = async |filter: ActivityFilter| -> Vec<String> {
            let page = desk.hub.store().activity(&filter).await.unwrap();
            page.items.into_iter().map(|row| row.arguments.unwrap_or_default()).collect()
        };
        let words = |q: &str| ActivityFilter { q: Some(q.into()), ..ActivityFilter::default() };
        let (users, orders) = (r#"{"table":"100%_users"}"#, r#"{"table":"orders"}"#);
        assert_eq!(found(words("PRODUCTION drop")).await, [users]);
        assert_eq!(found(words("100%_")).await, [users]);
        assert_eq!(found(words(Digest::of(orders.as_bytes()).as_str())).await, [orders]);
        assert_eq!(found(words("list_repos")).await, [""]);
        let yesterday = ActivityFilter { to: Some(START + 1), ..ActivityFilter::default() };
        assert_eq!(found(yesterday).await, [users]);
        let today = ActivityFilter { from: Some(START + 1), verdict: Some("deny".into()), ..ActivityFilter::default() };
        assert_eq!(found(today).await, [orders]);
        let row = &desk.hub.store().activity(&words("production")).await.unwrap().items[0];
        assert_eq!(row.reasons, ["argument rule: never in production"]);
    }
}

#[tokio::test]
async fn what_denied_calls_make_the_hub_keep_is_bounded() {
    for desk in Desk::everywhere().await {
        let long = format!("{{\"a\":\"{}\"}}", "ü".repeat(MAX_DENIED_ARGUMENTS));
        let mut claim = denied("t", &"r".repeat(5_000), &long);
        claim.denied.as_mut().unwrap().digest = Some(Digest("none\0".into()));
        claim.denied.as_mut().unwrap().reasons.resize(50, "more\0".into());
        desk.hub.shims.log_calls(&desk.shim, vec![claim], 0).await.unwrap();
        let row = &log(&desk).await[0];
        let arguments = row.arguments.as_ref().unwrap();
        assert!(arguments.len() <= MAX_DENIED_ARGUMENTS + 3 && arguments.ends_with("ü…"), "{}", arguments.len());
        assert_eq!((row.reasons.len(), row.reasons[0].len(), row.reasons[1].as_str()), (10, 600, "more"));
        assert_eq!(row.digest, None, "a digest that is none");
        // The budget of one agent's arguments empties; what it calls is still logged.
        let flood = (0..1_100).map(|_| denied("t", "no", &long)).collect();
        desk.hub.shims.log_calls(&desk.shim, flood, 0).await.unwrap();
        let newest = &log(&desk).await[0];
        assert_eq!((newest.arguments.as_ref(), newest.reasons.len()), (None, 1));
        let kept: i64 = sqlx::query_scalar("select count(*) from activity where arguments is not null")
            .fetch_one(desk.hub.store.read())
            .await
            .unwrap();
        assert!((900..1_024).contains(&kept), "{kept}");
    }
}

#[tokio::test]
async fn only_the_newest_denied_calls_keep_their_arguments() {
    for desk in Desk::everywhere().await {
        let fill = "insert into activity (id, at, client_id, agent_name, server, tool, verdict, arguments) \
                    with recursive n (id) as (select 1 union all select id + 1 from n where id < 2999) \
                    select id, 0, 'noisy', 'a', 's', 't', 'deny', '{}' from n";
        let write = desk.hub.store.write(move |tx| {
            Box::pin(async move {
                sqlx::query(fill).execute(tx.sql()).await?;
                Ok::<(), crate::hub::store::StoreError>(())
            })
        });
        write.await.unwrap();
        desk.hub.shims.log_calls(&desk.shim, vec![denied("t", "no", "{}")], 0).await.unwrap();
        let whole = "select count(*), min(id) from activity where arguments is not null and client_id = 'noisy'";
        let whole: (i64, i64) = sqlx::query_as(whole).fetch_one(desk.hub.store.read()).await.unwrap();
        assert_eq!(whole, (1_900, 1_100), "the oldest lose them");
        let rows: i64 =
            sqlx::query_scalar("select count(*) from activity").fetch_one(desk.hub.store.read()).await.unwrap();
        assert_eq!(rows, 3_000, "and stay");
    }
}
