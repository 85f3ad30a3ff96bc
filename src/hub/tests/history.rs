//! A long history: what is found and counted is the same whether or not its chunks are sealed.

use super::desk::{Desk, START};
use crate::core::approval::Status;
use crate::hub::approvals::ApprovalFilter;
use crate::hub::model::Insights;
use crate::hub::store::{ActivityFilter, History, PIECE, Store, StoreError};

/// More than four chunks, and how many rows there are in them.
const ROWS: i64 = 300;
const MINUTE: i64 = 60_000;

async fn run(store: &Store, sql: String) {
    let write = store.write(move |tx| {
        Box::pin(async move {
            sqlx::query(sqlx::AssertSqlSafe(sql)).execute(tx.sql()).await?;
            Ok::<(), StoreError>(())
        })
    });
    write.await.unwrap();
}

async fn number(store: &Store, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(store.read()).await.unwrap()
}

/// Approvals of many kinds, from one of the desk's. One in the second chunk is pending.
async fn fill(desk: &Desk) {
    desk.hold().await;
    let columns = "request_id, kept, instance, client_id, client_name, client_version, trust, reasons, \
                   arguments_sha256, digest, deadline_at, outcome";
    run(
        &desk.hub.store,
        format!(
            "insert into approvals (id, {columns}, server, tool, agent_name, user_name, claimed_user, arguments, \
             created_at, status, decided_at, decided_by, reason) \
             with recursive n (n) as (select 1 union all select n + 1 from n where n < {ROWS}) \
             select 'copy-' || n, {columns}, case when n % 7 = 0 then 'gitlab' else 'github' end, \
             case n % 5 when 0 then 'Drop_Table' when 1 then 'list-100%' else 'delete_repo' end, \
             case when n % 11 = 0 then 'cron' else 'ci' end, case when n % 3 = 0 then 'eve' end, \
             case when n % 50 = 7 then 'root' end, \
             '{{\"n\": ' || n || ', \"über\": \"' || case when n % 90 = 0 then 'Zanzibar' else 'Ärger' end || '\"}}', \
             created_at + n * {MINUTE}, \
             case when n in (100, 299) then 'pending' when n % 4 = 0 then 'rejected' when n % 13 = 0 then 'timed_out' \
             else 'approved' end, case when n in (100, 299) then null else created_at + n * {MINUTE} + n * n end, \
             case when n in (100, 299) or n % 13 = 0 then null when n % 2 = 0 then 'bob' else 'ada' end, \
             case when n % 60 = 8 then 'looks WRONG to me' end \
             from approvals cross join n"
        ),
    )
    .await;
}

fn filters() -> Vec<ApprovalFilter> {
    let all = ApprovalFilter { limit: Some(7), ..ApprovalFilter::default() };
    let words = [
        "zanzibar",
        "ZANZI",
        "delete",
        "e_r",
        "100%",
        "drop table",
        "wrong",
        "ärger",
        "Ärger",
        "st-1",
        "n",
        "nowhere",
        "\"n\":",
        "root",
        "cron",
        "looks wrong zanzibar",
    ];
    let q = words.map(|q| ApprovalFilter { q: Some(q.into()), ..all.clone() });
    let some = |text: &str| Some(text.to_owned());
    let mut filters = vec![
        ApprovalFilter { server: some("gitlab"), ..all.clone() },
        ApprovalFilter { server: some("nowhere"), ..all.clone() },
        ApprovalFilter { tool: some("Drop_Table"), server: some("gitlab"), ..all.clone() },
        ApprovalFilter { agent: some("cron"), ..all.clone() },
        ApprovalFilter { user: some("eve"), q: some("zanzibar"), ..all.clone() },
        ApprovalFilter { decided_by: some("ada"), agent: some("ci"), ..all.clone() },
        ApprovalFilter { status: vec![Status::TimedOut], ..all.clone() },
        ApprovalFilter { status: vec![Status::Pending, Status::TimedOut], ..all.clone() },
        ApprovalFilter { status: vec![Status::Cancelled], ..all.clone() },
        ApprovalFilter { from: Some(START + 60 * MINUTE), to: Some(START + 200 * MINUTE), ..all.clone() },
        ApprovalFilter { from: Some(START + 60 * MINUTE), tool: some("list-100%"), ..all.clone() },
        ApprovalFilter { to: Some(START + 20 * MINUTE), q: some("delete"), ..all.clone() },
        all,
    ];
    filters.extend(q);
    filters
}

/// All that fits, page by page, and what it comes to.
async fn found(desk: &Desk, filter: &ApprovalFilter) -> (Vec<String>, Insights) {
    let (mut ids, mut filter) = (Vec::new(), filter.clone());
    loop {
        let page = desk.hub.approvals.approvals(&filter).await.unwrap();
        ids.extend(page.items.iter().map(|approval| approval.id.to_string()));
        filter.cursor = page.next_cursor;
        if filter.cursor.is_none() {
            break;
        }
        assert_eq!(page.items.len(), 7, "{filter:?}");
    }
    let days = [START, START + 70 * MINUTE, START + 250 * MINUTE];
    let counted = desk.hub.approvals.insights(&filter, &days).await.unwrap();
    assert_eq!(counted.count.unsigned_abs(), ids.len() as u64, "{filter:?}");
    (ids, counted)
}

#[tokio::test]
async fn a_sealed_history_is_the_same_history() {
    for desk in Desk::everywhere().await {
        fill(&desk).await;
        let mut before = Vec::new();
        for filter in filters() {
            before.push(found(&desk, &filter).await);
        }
        let hits: Vec<_> = before.iter().map(|(ids, _)| ids.len()).collect();
        assert_eq!(
            hits,
            [
                42, 0, 8, 27, 3, 125, 17, 20, 0, 140, 48, 13, 301, 3, 3, 181, 181, 60, 60, 5, 0, 297, 60, 301, 0, 300,
                6, 27, 0
            ],
            "of the filters"
        );
        desk.hub.approvals.seal_history().await.unwrap();
        let sealed: Vec<i64> = sqlx::query_scalar("select chunk from chunks order by chunk")
            .fetch_all(desk.hub.store.read())
            .await
            .unwrap();
        assert_eq!(sealed, [2, 3], "one is pending in each of the first two, and the last is not full");
        for (filter, before) in filters().iter().zip(before) {
            let (ids, counted) = found(&desk, filter).await;
            assert_eq!(ids, before.0, "{filter:?}");
            assert_eq!(format!("{counted:?}"), format!("{:?}", before.1), "{filter:?}");
        }
    }
}

#[tokio::test]
async fn a_word_that_is_nowhere_is_looked_for_in_no_sealed_row() {
    for desk in Desk::everywhere().await {
        fill(&desk).await;
        run(&desk.hub.store, "update approvals set status = 'cancelled' where status = 'pending'".into()).await;
        desk.hub.approvals.seal_history().await.unwrap();
        // Nobody does this; it shows which rows were read.
        run(&desk.hub.store, "update approvals set reason = 'nowhere else'".into()).await;
        let filter = ApprovalFilter { q: Some("nowhere".into()), limit: Some(500), ..ApprovalFilter::default() };
        let page = desk.hub.approvals.approvals(&filter).await.unwrap();
        let last_full = History::Approvals.numbers(3).1;
        assert_eq!(page.items.len() as i64, ROWS + 1 - last_full, "only what is not sealed");
    }
}

#[tokio::test]
async fn a_sealed_chunk_is_counted_without_its_rows() {
    for desk in Desk::everywhere().await {
        fill(&desk).await;
        run(&desk.hub.store, "update approvals set status = 'cancelled' where status = 'pending'".into()).await;
        desk.hub.approvals.seal_history().await.unwrap();
        // Nobody does this; it shows which rows were read.
        run(&desk.hub.store, "update approvals set server = 'moved'".into()).await;
        let not_sealed = ROWS + 1 - History::Approvals.numbers(3).1;
        for (server, count) in [(None, ROWS + 1), (Some("moved"), not_sealed)] {
            let filter = ApprovalFilter { server: server.map(str::to_owned), ..ApprovalFilter::default() };
            assert_eq!(desk.hub.approvals.insights(&filter, &[]).await.unwrap().count, count);
        }
    }
}

#[tokio::test]
async fn a_sealed_activity_log_is_the_same_and_goes_with_its_calls() {
    for desk in Desk::everywhere().await {
        let store = &desk.hub.store;
        run(
            store,
            format!(
                "insert into activity (id, at, client_id, agent_name, server, tool, verdict, reasons, arguments) \
                 with recursive n (n) as (select 1 union all select n + 1 from n where n < {ROWS}) \
                 select n, n * 1000, 'agent-' || (n % 3), 'ci', case when n % 7 = 0 then 'a' else 'b' end, \
                 'tool_' || (n % 5), case when n % 9 = 0 then 'deny' else 'pass' end, \
                 case when n % 9 = 0 then '[\"never in Production\"]' end, \
                 case when n % 99 = 0 then '{{\"user\": \"Zoë\"}}' end from n"
            ),
        )
        .await;
        let some = |text: &str| Some(text.to_owned());
        let all = ActivityFilter { limit: Some(7), ..ActivityFilter::default() };
        let filters = [
            ActivityFilter { q: some("production tool_3"), ..all.clone() },
            ActivityFilter { q: some("zoë"), ..all.clone() },
            ActivityFilter { q: some("nowhere"), ..all.clone() },
            ActivityFilter { server: some("a"), tool: some("tool_1"), ..all.clone() },
            ActivityFilter { agent: some("agent-0"), verdict: some("deny"), ..all.clone() },
            ActivityFilter { agent: some("nobody"), ..all.clone() },
            ActivityFilter { from: Some(100_000), to: Some(150_000), ..all.clone() },
            all,
        ];
        let listed = async |filter: &ActivityFilter| {
            let (mut ids, mut filter) = (Vec::new(), filter.clone());
            loop {
                let page = store.activity(&filter).await.unwrap();
                ids.extend(page.items.iter().map(|row| row.id));
                filter.cursor = page.next_cursor;
                if filter.cursor.is_none() {
                    return ids;
                }
            }
        };
        let mut before = Vec::new();
        for filter in &filters {
            before.push(listed(filter).await);
        }
        assert_eq!(before.iter().map(Vec::len).collect::<Vec<_>>(), [7, 3, 0, 8, 33, 0, 50, 300]);
        store.seal_activity().await.unwrap();
        assert_eq!(number(store, "select count(*) from chunks").await, 4);
        for (filter, before) in filters.iter().zip(before) {
            assert_eq!(listed(filter).await, before, "{filter:?}");
        }
        run(store, "delete from activity where id < 140".into()).await;
        store.seal_activity().await.unwrap();
        let left =
            "select count(*) from (select distinct chunk from marks union all select chunk from chunks) of_chunks";
        assert_eq!(number(store, left).await, 4, "two chunks, in both tables");
        assert_eq!(number(store, "select min(chunk) from marks").await, 2);
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_sealed_keeps_neither_deadlines_nor_beats_nor_the_rest_of_upkeep() {
    for desk in Desk::everywhere().await {
        fill(&desk).await;
        let store = &desk.hub.store;
        run(store, "update approvals set status = 'cancelled' where status = 'pending'".into()).await;
        run(store, "update approvals set reasons = 'damaged' where number = 70".into()).await;
        run(
            store,
            "insert into activity (id, at, client_id, agent_name, server, tool, verdict) \
             select number, 0, 'a', 'a', 's', 't', 'pass' from approvals"
                .into(),
        )
        .await;
        assert!(desk.hub.approvals.seal_history().await.is_err());
        desk.clock.advance(ROWS * MINUTE);
        let held = desk.hold_request(desk.request("{\"repo\":\"late\"}")).await;
        desk.clock.advance(10 * MINUTE);
        let hub = desk.hub.clone();
        tokio::spawn(async move { hub.run_background().await });
        let kept = async {
            let beats = async || {
                let sql = "select count(*) from hubs where seen_at >= $1";
                let seen: i64 = sqlx::query_scalar(sql).bind(desk.hub.now()).fetch_one(store.read()).await.unwrap();
                seen > 0
            };
            let sealed = async || number(store, "select count(*) from chunks where history = 'activity'").await;
            while !beats().await || sealed().await == 0 || desk.now(&held.id).await.status != Status::TimedOut {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(crate::PATIENCE, kept).await.expect("all of it goes on");
    }
}

#[tokio::test]
async fn upkeep_goes_in_pieces_between_which_a_decision_gets_its_turn() {
    for desk in Desk::everywhere().await {
        let store = &desk.hub.store;
        let rows = 19_000 + 40 * PIECE as i64;
        run(
            store,
            format!(
                "insert into activity (id, at, client_id, agent_name, server, tool, verdict) \
                 with recursive n (n) as (select 1 union all select n + 1 from n where n < {rows}) \
                 select n, 0, 'noisy', 'a', 's', 't', 'pass' from n"
            ),
        )
        .await;
        let held = desk.hold().await;
        let (asked, mut looks) = (store.asked(), 1);
        let decide = async {
            while desk.logged_by_its_turn().await == rows {
                looks += 1;
            }
            desk.hub.approvals.approve(&held.id, &desk.approver, None).await.unwrap();
            looks += 1;
            desk.logged_by_its_turn().await
        };
        let (cut, left_then) = tokio::join!(store.bound_activity(rows - 1_000, rows), decide);
        cut.unwrap();
        assert!(left_then > 19_000, "it was decided between two pieces");
        let (asked, of_the_decision) = (store.asked() - asked - looks, 10);
        assert_eq!(number(store, "select count(*) from activity").await, 19_000);
        assert!((40..=40 + of_the_decision).contains(&asked), "each piece is a change of its own: {asked}");
    }
}
