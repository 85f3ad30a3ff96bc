//! The activity log: calls that are told of while they run, and how they end.

use super::desk::Desk;
use crate::core::approval::Outcome;
use crate::core::ids::InstanceId;
use crate::core::messages::Activity;
use crate::core::policy::Verdict;
use crate::hub::model::ActivityRow;
use crate::hub::store::activity::ActivityFilter;

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
