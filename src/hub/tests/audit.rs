//! The record: one transaction with what it tells of, unbroken, and no byte of it can change unseen.

use sqlx::AssertSqlSafe;

use super::desk::{Desk, listed, tool};
use crate::core::approval::Outcome;
use crate::core::messages::{CallOutcome, Cancel};
use crate::core::trust::Level;
use crate::core::weigh::Opinion;
use crate::hub::agents::AgentChange;
use crate::hub::approvals::ApprovalFilter;
use crate::hub::model::{PolicyChange, Role, ToolChange};
use crate::hub::people::UserChange;
use crate::hub::store::{ChainCheck, Entry, StoreError, Target};
use crate::hub::who::Actor;

async fn broken_at(desk: &Desk) -> Option<i64> {
    match desk.hub.store().verify_audit().await.unwrap() {
        ChainCheck::Whole { .. } => None,
        ChainCheck::Broken { seq, .. } => Some(seq),
        ChainCheck::Altered { what, why } => panic!("{what}: {why}"),
    }
}

/// Whether nothing is wrong.
async fn is_whole(desk: &Desk) -> bool {
    matches!(desk.hub.store().verify_audit().await, Ok(ChainCheck::Whole { .. }))
}

/// Approvals of every fate.
async fn history(desk: &Desk) {
    let _joined = desk.connect();
    let done = desk.hold().await;
    desk.hub.approvals.seen(&done.id, &desk.approver).await.unwrap();
    desk.hub.approvals.extend(&done.id, &desk.approver, None).await.unwrap();
    desk.hub.approvals.approve(&done.id, &desk.approver, Some("fine".into())).await.unwrap();
    desk.hub.approvals.lost(&desk.shim.client_id, &desk.shim.instance).await.unwrap();
    let release = desk.release_of(&done.id).await;
    desk.hub.approvals.release(&desk.shim, release).await.unwrap();
    let end = CallOutcome { approval: done.id, outcome: Outcome::Succeeded, duration_ms: 7 };
    desk.hub.approvals.finish(&desk.shim, end).await.unwrap();
    let again = desk.hold().await;
    let keep = Cancel { approval: again.id.clone(), reason: "timed out".into(), keep: true };
    desk.hub.approvals.cancel(&desk.shim, keep).await.unwrap();
    desk.hold().await;
    let rejected = desk.hold_request(desk.request("{\"repo\":\"b\"}")).await;
    desk.hub.approvals.reject(&rejected.id, &desk.approver, Some("no".into())).await.unwrap();
    desk.hold_request(desk.request("{\"repo\":\"c\"}")).await;
    desk.hub.approvals.gone(&desk.shim.client_id, &desk.shim.instance).await.unwrap();
}

/// An edit of one value, and what puts it back.
struct Edit {
    there: String,
    back: String,
}

/// Every value of a table, made another one and made nothing.
async fn edits(desk: &Desk, table: &str) -> Vec<Edit> {
    let info = format!("select name, type, \"notnull\" from pragma_table_info('{table}')");
    let columns: Vec<(String, String, i64)> =
        sqlx::query_as(AssertSqlSafe(info)).fetch_all(desk.hub.store.read()).await.unwrap();
    let mut edits = Vec::new();
    for (column, kind, not_null) in columns {
        let sql = format!("select rowid, quote({column}) from {table}");
        let values: Vec<(i64, String)> =
            sqlx::query_as(AssertSqlSafe(sql)).fetch_all(desk.hub.store.read()).await.unwrap();
        for (row, value) in values {
            let other = if kind.eq_ignore_ascii_case("integer") {
                format!("coalesce({column}, 0) + 1000003")
            } else {
                format!("coalesce({column}, '') || 'x'")
            };
            // These are the rows' names; edits of them are a test of their own. The counts are none of the record.
            let names = [("audit", "seq"), ("chain", "id"), ("approvals", "number")];
            let counts = ["callers", "policy", "channels"].map(|count| ("chain", count));
            if names.iter().chain(&counts).any(|name| *name == (table, column.as_str())) {
                continue;
            }
            let set = |to: &str| format!("update {table} set {column} = {to} where rowid = {row}");
            edits.push(Edit { there: set(&other), back: set(&value) });
            if not_null == 0 && value != "NULL" {
                edits.push(Edit { there: set("null"), back: set(&value) });
            }
        }
    }
    edits
}

#[tokio::test]
async fn every_edit_of_an_approval_or_a_record_is_found() {
    let desk = Desk::new().await;
    history(&desk).await;
    assert!(is_whole(&desk).await, "{:?}", desk.hub.store().verify_audit().await);
    for table in ["approvals", "audit", "chain"] {
        let edits = edits(&desk, table).await;
        assert!(!edits.is_empty());
        for Edit { there, back } in edits {
            desk.tamper(&there).await;
            assert!(!is_whole(&desk).await, "{there}");
            desk.tamper(&back).await;
            assert!(is_whole(&desk).await, "{back}");
        }
    }
}

#[tokio::test]
async fn what_is_taken_out_of_the_record_or_put_beside_it_is_found_and_not_shown() {
    let desk = Desk::new().await;
    history(&desk).await;
    let last = desk.hub.store().last_seq();
    let forged = |seq: i64| {
        format!(
            "insert into audit select {seq}, at, actor, action, subject, detail, previous, hash from audit where seq = 5"
        )
    };
    let copied = "create table copied as select * from approvals";
    desk.tamper(copied).await;
    let id = desk.hub.approvals.approvals(&ApprovalFilter::default()).await.unwrap().items[0].id.clone();
    for (there, back) in [
        (forged(0), "delete from audit where seq = 0".to_owned()),
        (forged(-7), "delete from audit where seq = -7".to_owned()),
        (forged(last + 1), format!("delete from audit where seq = {}", last + 1)),
        (forged(last + 9), format!("delete from audit where seq = {}", last + 9)),
        (
            format!("delete from approvals where id = '{id}'"),
            format!("insert into approvals select * from copied where id = '{id}'"),
        ),
        (
            format!("update approvals set id = id || 'x' where id = '{id}'"),
            format!("update approvals set id = '{id}' where id = '{id}x'"),
        ),
        (
            format!("update approvals set number = number + 1000 where id = '{id}'"),
            format!("update approvals set number = number - 1000 where id = '{id}'"),
        ),
    ] {
        desk.tamper(&there).await;
        assert!(!is_whole(&desk).await, "{there}");
        let shown = desk.hub.store().audit(-100, 1000).await.unwrap();
        assert!(shown.iter().map(|record| record.seq).eq(1..=last), "{there}");
        desk.tamper(&back).await;
        assert!(is_whole(&desk).await, "{back}");
    }
    for head in
        ["0, hash = ''".to_owned(), format!("{}, hash = (select previous from audit where seq = {last})", last - 1)]
    {
        desk.tamper("create table if not exists head as select * from chain").await;
        desk.tamper(&format!("update chain set seq = {head}")).await;
        assert!(!is_whole(&desk).await, "a head of {head}");
        desk.tamper("update chain set (seq, hash) = (select seq, hash from head)").await;
        assert!(is_whole(&desk).await);
    }
}

#[tokio::test]
async fn a_row_behind_the_last_record_is_set_aside_and_nothing_waits_for_it() {
    for desk in Desk::everywhere().await {
        desk.hold().await;
        let last = desk.hub.store().last_seq();
        let columns = "at, actor, action, subject, detail, previous, hash";
        let stray =
            format!("insert into audit (seq, {columns}) select {}, {columns} from audit where seq = 1", last + 1);
        desk.tamper(&stray).await;
        let held = desk.hold_request(desk.request("{\"repo\":\"b\"}")).await;
        assert!(is_whole(&desk).await);
        let records = desk.hub.store().audit(last, 10).await.unwrap();
        let actions: Vec<_> = records.iter().map(|record| record.action.as_str()).collect();
        assert_eq!(actions, ["audit.strays_set_aside", "approval.created"]);
        assert_eq!(records[1].subject, held.id.as_str());
        let kept: i64 =
            sqlx::query_scalar("select count(*) from strays").fetch_one(desk.hub.store.read()).await.unwrap();
        assert_eq!(kept, 1);
    }
}

#[tokio::test]
async fn a_record_that_is_set_back_under_a_running_hub_takes_no_more() {
    for desk in Desk::everywhere().await {
        let held = desk.hold().await;
        desk.tamper("update chain set seq = 3, hash = (select hash from audit where seq = 3)").await;
        let late = desk.hub.approvals.approve(&held.id, &desk.approver, None).await.unwrap_err().to_string();
        assert!(late.contains("set back"), "{late}");
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
            desk.tamper(&format!("update audit set {column} = {altered} where seq = 3")).await;
            assert_eq!(broken_at(&desk).await, Some(3), "{column} of {keep:?}");
            desk.tamper(&format!("update audit set {column} = {back} where seq = 3")).await;
            assert_eq!(broken_at(&desk).await, None, "{column} put back");
        }
        desk.tamper(&format!("delete from audit where seq = {last}")).await;
        assert_eq!(broken_at(&desk).await, Some(last), "the last record is missing");
    }
}

#[tokio::test]
async fn a_removed_record_in_the_middle_is_found() {
    let desk = Desk::new().await;
    desk.hold().await;
    desk.tamper("delete from audit where seq = 2").await;
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
        desk.tamper("create table parent (id bigint primary key)".replace("bigint", "integer").as_str()).await;
        let child = "create table child (id integer references parent (id) deferrable initially deferred)";
        desk.tamper(child).await;
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

/// What is altered, if something is.
async fn altered(desk: &Desk) -> Option<String> {
    match desk.hub.store().verify_audit().await.unwrap() {
        ChainCheck::Altered { what, why } => Some(format!("{what}: {why}")),
        ChainCheck::Whole { unsealed: 0, .. } => None,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn people_agents_and_policy_are_as_their_records_left_them_or_that_is_found() {
    for desk in Desk::everywhere().await {
        let (hub, by) = (&desk.hub, Actor::from(&desk.admin));
        let (server, id) = (desk.shim.server.clone(), desk.shim.client_id.clone());
        hub.servers.learn(&desk.shim, &listed(vec![tool("delete_repo", "")])).await.unwrap();
        hub.people.set_password("bob", "correct horse", &by).await.unwrap();
        hub.people.add_user("carl", Role::Viewer, None, &by).await.unwrap();
        let ceilings = [(server.clone(), Level::Low)].into();
        hub.people
            .change_user("carl", UserChange { ceilings: Some(ceilings), ..UserChange::default() }, &by)
            .await
            .unwrap();
        let of_carl = AgentChange { user: Some(Some("carl".to_owned())), ..AgentChange::default() };
        hub.agents.change_agent(&id, of_carl, &by).await.unwrap();
        hub.people.remove_user("carl", &by).await.unwrap();
        assert_eq!(hub.agents.agent(id.as_str()).await.unwrap().unwrap().trust[&server], Level::Low);
        let policy = PolicyChange { bypass: Some(vec![id.as_str().into()]), ..PolicyChange::default() };
        hub.servers.change_policy(&server, &by, policy).await.unwrap();
        let toggled = ToolChange { hitl: Some(true), ..ToolChange::default() };
        hub.servers.change_tool(&server, "delete_repo", &by, toggled).await.unwrap();
        assert_eq!(altered(&desk).await, None);

        for (sql, back, what) in [
            (
                "update users set role = 'admin' where name = 'bob'",
                "update users set role = 'approver' where name = 'bob'",
                "user bob",
            ),
            ("update users set ceilings = '{}' where name = 'ada' and ceilings <> '{}'", "select 1", ""),
            (
                "update users set name = 'bobby' where name = 'bob'",
                "update users set name = 'bob' where name = 'bobby'",
                "user bobby",
            ),
            ("update agents set trust = '{}'", "", "agent"),
        ] {
            desk.tamper(sql).await;
            let found = altered(&desk).await;
            assert!(found.as_deref().unwrap_or_default().starts_with(what), "{sql}: {found:?}");
            if back.is_empty() {
                break;
            }
            desk.tamper(back).await;
            assert_eq!(altered(&desk).await, None, "{back}");
        }
    }
}

#[tokio::test]
async fn a_policy_that_was_changed_behind_the_record_is_found() {
    for sql in [
        "update servers set threshold = null",
        "update servers set rules = '[{}]'",
        "update servers set require_all = 1 - require_all",
        "insert into bypasses (server, client_id, added_by, added_at) select name, 'agent-x', 'ada', 1 from servers",
        "update tools set hitl = 0",
        "update tools set admin_trust = 'low'",
    ] {
        let desk = Desk::new().await;
        let (hub, by, server) = (&desk.hub, Actor::from(&desk.admin), desk.shim.server.clone());
        hub.servers.learn(&desk.shim, &listed(vec![tool("delete_repo", "")])).await.unwrap();
        let threshold = PolicyChange { threshold: Some(Some(Level::Medium)), ..PolicyChange::default() };
        hub.servers.change_policy(&server, &by, threshold).await.unwrap();
        let toggled = ToolChange { hitl: Some(true), ..ToolChange::default() };
        hub.servers.change_tool(&server, "delete_repo", &by, toggled).await.unwrap();
        assert_eq!(altered(&desk).await, None);
        desk.tamper(sql).await;
        let found = altered(&desk).await;
        assert_eq!(found, Some(format!("server {server}: it is not as its last record left it")), "{sql}");
    }
}
