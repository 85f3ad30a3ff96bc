//! The history in numbers.

use super::desk::{Desk, START, request};
use crate::hub::approvals::ApprovalFilter;
use crate::hub::model::{DayCounts, Insights};

const DAY: i64 = 86_400_000;

async fn insights(desk: &Desk, filter: ApprovalFilter) -> Insights {
    // Days of a place a quarter of an hour off, the second one of 25 hours.
    let days = [START - DAY - 900_000, START - 900_000, START + DAY + 2_700_000];
    desk.hub.approvals.insights(&filter, &days).await.unwrap()
}

#[tokio::test]
async fn insights_count_what_was_decided_and_how_long_it_took() {
    for desk in Desk::everywhere().await {
        let nothing = insights(&desk, ApprovalFilter::default()).await;
        assert_eq!((nothing.count, nothing.median_ms, nothing.days.len(), nothing.tools.len()), (0, None, 2, 0));
        for (took, approve) in [(1_000, true), (3_000, true), (9_000, false)] {
            let held = desk.hold().await;
            desk.clock.advance(took);
            let done = if approve {
                desk.hub.approvals.approve(&held.id, &desk.approver, None).await
            } else {
                desk.hub.approvals.reject(&held.id, &desk.approver, None).await
            };
            done.unwrap();
        }
        let other = desk.hold_request(request(&desk.shim, "drop_table", "{}")).await;
        desk.clock.advance(301_000);
        desk.hub.approvals.approve(&other.id, &desk.approver, None).await.unwrap_err();
        desk.hold().await;

        let all = insights(&desk, ApprovalFilter::default()).await;
        assert_eq!((all.count, all.timed_out, all.median_ms, all.p95_ms), (5, 1, Some(3_000), Some(9_000)));
        let today = DayCounts { from: START - 900_000, approved: 2, rejected: 1, timed_out: 1, cancelled: 0 };
        assert_eq!(all.days, [DayCounts { from: START - DAY - 900_000, ..DayCounts::default() }, today]);
        let tools: Vec<_> = all.tools.iter().map(|rate| (rate.tool.as_str(), rate.approved, rate.answered)).collect();
        assert_eq!(tools, [("delete_repo", 2, 3), ("drop_table", 0, 1)]);
        assert_eq!((all.agents[0].agent.name.as_str(), all.agents[0].approved, all.agents[0].answered), ("ci", 2, 4));
        let dropped = ApprovalFilter { q: Some("drop".into()), ..ApprovalFilter::default() };
        let few = insights(&desk, dropped).await;
        assert_eq!((few.count, few.median_ms, few.tools.len()), (1, None, 1));
    }
}

#[tokio::test]
async fn insights_count_more_than_a_list_would_hold() {
    for desk in Desk::everywhere().await {
        let held = desk.hold().await;
        desk.hub.approvals.approve(&held.id, &desk.approver, None).await.unwrap();
        let columns = "request_id, kept, instance, client_id, agent_name, client_name, client_version, server, tool, \
                       trust, reasons, arguments, arguments_sha256, digest, status, created_at, deadline_at, outcome";
        let fill = format!(
            "insert into approvals (id, decided_at, {columns}) \
             with recursive n (n) as (select 1 union all select n + 1 from n where n < 4999) \
             select 'copy-' || n, created_at + n, {columns} from approvals cross join n where decided_at is not null"
        );
        let write = desk.hub.store.write(move |tx| {
            Box::pin(async move {
                sqlx::query(sqlx::AssertSqlSafe(fill)).execute(tx.sql()).await?;
                Ok::<(), crate::hub::store::StoreError>(())
            })
        });
        write.await.unwrap();
        let all = insights(&desk, ApprovalFilter::default()).await;
        assert_eq!((all.count, all.days[1].approved), (5_000, 5_000));
        // One at once, then 1 to 4,999 ms.
        assert_eq!((all.median_ms, all.p95_ms), (Some(2_499), Some(4_749)));
    }
}
