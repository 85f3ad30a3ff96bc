//! M1: a long history. A store is filled, searched through the API of a hub on it, and asked what a registration costs.
//!
//! `cargo bench --bench hub -- history [--approvals N] [--activity M] [--dir DIR] [--database URL]`: a SQLite store in the
//! directory, or in PostgreSQL an empty database.

use std::time::{Duration, Instant};

use hitl::wire::ToWrap;
use reqwest::Method;
use serde_json::json;
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _};

use super::approver::Approver;
use super::hub::Hub;
use super::shim::Shim;
use super::{after, median, ms, row};

/// The rows of one statement that fills the store, and how many of those are one transaction.
const ROWS: i64 = 100;
/// How many rows the hub seals together, of approvals and of activity.
const CHUNK: i64 = 4_096;
const CHUNK_OF_CALLS: i64 = 16_384;
/// How often each request is made.
const ROUNDS: usize = 9;
/// An agent may ask for no more in a minute.
const EACH: usize = 25;
const AGENTS: usize = 4;
/// How long the hub may take to seal what was filled in.
const SEALED_WITHIN: Duration = Duration::from_secs(3_600);

/// What is filled in, and where.
pub struct Sizes {
    approvals: i64,
    activity: i64,
    dir: Option<String>,
    database: Option<String>,
}

impl Sizes {
    /// What the command line says.
    pub fn of(args: &[String]) -> Self {
        let after = |name: &str| after(args, name);
        let number = |name: &str, otherwise| after(name).map_or(otherwise, |number| number.parse().unwrap());
        Self {
            approvals: number("--approvals", 100_000),
            activity: number("--activity", 100_000),
            dir: after("--dir"),
            database: after("--database"),
        }
    }
}

/// Prints M1: the cost of a registration at each power of ten on the way, and at the end what is looked for.
pub async fn measure(sizes: &Sizes) {
    sqlx::any::install_default_drivers();
    let hub = Hub::start_on(sizes.dir.as_deref(), sizes.database.as_deref());
    let approver = Approver::sign_in(&hub).await;
    let url = sizes.database.clone().unwrap_or_else(|| format!("sqlite://{}/hub.db", hub.data_dir()));
    let mut store = AnyConnection::connect(&url).await.unwrap();
    let is_sqlite = sizes.database.is_none();
    if is_sqlite {
        run(&mut store, "pragma busy_timeout = 60000").await;
        run(&mut store, "pragma synchronous = off").await;
    }
    let (mut filled, mut next, mut registrations) = (0, 1_000, Vec::new());
    while filled < sizes.approvals {
        let upto = next.min(sizes.approvals);
        fill_approvals(&mut store, filled, upto).await;
        (filled, next) = (upto, next * 10);
        await_sealed(&mut store, "approvals", filled / CHUNK).await;
        let cost = registration(&hub, &approver, filled).await;
        registrations.push(cost);
        row(&format!("one registration, decided, with {filled} approvals, p50"), &ms(cost), "", "as with 1,000");
    }
    let first = registrations.first().map_or(1.0, Duration::as_secs_f64);
    let last = registrations.last().map_or(1.0, Duration::as_secs_f64);
    row("the last of them by the first", "", &format!("{:.2}", last / first), "1");
    let (began, before) = (Instant::now(), bytes(&mut store, is_sqlite).await);
    fill_activity(&mut store, sizes.activity).await;
    await_sealed(&mut store, "activity", sizes.activity / CHUNK_OF_CALLS).await;
    let calls = bytes(&mut store, is_sqlite).await - before;
    row("bytes per approval, with what it is found by", &format!("{}", before / sizes.approvals), "", "");
    row("bytes per call in the log, the same", &format!("{}", calls / sizes.activity.max(1)), "", "");
    eprintln!("activity filled and sealed in {:.0?}", began.elapsed());
    for (what, path) in requests() {
        let mut took = Vec::new();
        for _ in 0..ROUNDS {
            let began = Instant::now();
            approver.ask(Method::GET, &path, None).await;
            took.push(began.elapsed());
        }
        row(&what, &ms(median(&mut took)), "", "≤ 50 ms");
    }
    store.close().await.unwrap();
}

/// What is asked for, and the path.
fn requests() -> Vec<(String, String)> {
    let approvals = [
        ("first page", "limit=50"),
        ("everything decided", "status=approved,rejected,timed_out,cancelled"),
        ("server", "server=server-7"),
        ("server and agent", "server=server-7&agent=agent-11"),
        ("server and an agent that is nowhere", "server=server-7&agent=nobody"),
        ("tool that is nowhere", "tool=nothing"),
        ("user", "user=user-3"),
        ("who decided", "decided_by=nobody"),
        ("a rare status", "status=cancelled"),
        ("a minute long ago", "from=1700000000000&to=1700000060000"),
        ("a word that is everywhere", "q=repo"),
        ("a word in one row of a thousand", "q=service-777"),
        ("a word that is nowhere", "q=zanzibar"),
        ("a word of common pieces that is nowhere", "q=reposervice"),
        ("a word of two letters that is nowhere", "q=zq"),
        ("two words, one nowhere, on a server", "server=server-7&q=service-777%20zanzibar"),
    ];
    let activity = [
        ("first page", "limit=50"),
        ("server", "server=server-7"),
        ("agent that is nowhere", "agent=nobody"),
        ("denied", "verdict=deny"),
        ("a word that is nowhere", "q=zanzibar"),
        ("a word of common pieces that is nowhere", "q=tooltool"),
        ("a denied word", "q=weekend"),
    ];
    let insights = [
        ("everything", "days="),
        ("one server", "server=server-7&days="),
        ("a word that is nowhere", "q=zanzibar&days="),
    ];
    let of = |kind: &str, list: &[(&str, &str)]| {
        list.iter().map(|(what, query)| (format!("{kind}: {what}"), format!("/{kind}?{query}"))).collect::<Vec<_>>()
    };
    [of("approvals", &approvals), of("activity", &activity), of("insights", &insights)].concat()
}

/// A call that is held and approved, by agents in turn; the median.
async fn registration(hub: &Hub, approver: &Approver, at: i64) -> Duration {
    let mut took = Vec::new();
    for n in 0..AGENTS {
        let mut shim = Shim::connect(&hub.url, &hub.add_agent(&format!("at-{at}-{n}"))).await;
        approver.ask(Method::PUT, "/servers/bench/policy", Some(json!({"require_all": true}))).await;
        for call in 0..EACH {
            let began = Instant::now();
            let id = shim.hold(&format!("{{\"n\":{call}}}")).await;
            approver.approve(id.as_str()).await;
            shim.wait(|message| matches!(message, ToWrap::Decision(_))).await;
            took.push(began.elapsed());
        }
    }
    median(&mut took)
}

async fn run(store: &mut AnyConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(store).await.unwrap();
}

/// The numbers after `from` up to `to`, as rows to select from.
fn numbers(from: i64, to: i64) -> String {
    format!(
        "with recursive n (n) as (select cast({} as bigint) union all select n + 1 from n where n < {to}) ",
        from + 1
    )
}

/// Eight hexadecimal digits that look like chance, the same in both databases.
fn hex(of: &str) -> String {
    let digit = |place: u32| {
        let factor = 7_919 + 2_654 * i64::from(place);
        format!("substr('0123456789abcdef', 1 + cast(({of} * {factor} / {}) % 16 as integer), 1)", 7 + 3 * place)
    };
    (0..8).map(digit).collect::<Vec<_>>().join(" || ")
}

async fn fill_approvals(store: &mut AnyConnection, from: i64, to: i64) {
    let word = |of: &str| {
        format!(
            "substr('staticremotestoragecolourwinterpatterngardenbridgesilvermarket', 1 + 6 * cast(({of}) % 10 as integer), 6)"
        )
    };
    let title: Vec<_> = (1..=12).map(|place| word(&format!("n * {} / {}", 31 * place, 1 + place * place))).collect();
    let arguments = format!(
        "'{{\"repo\":\"acme/service-' || (n % 1000) || '\",\"path\":\"src/module_' || (n % 90) || '/main.rs\",\"id\":\"' || {} || '-' \
         || {} || '\",\"title\":\"' || {} || '\",\"amount\":' || (n * 37 % 99991) || ',\"draft\":false}}'",
        hex("n"),
        hex("(n + 77773)"),
        title.join(" || ' ' || ")
    );
    let sha = "'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'";
    let mut at = from;
    while at < to {
        let upto = (at + ROWS * ROWS).min(to);
        run(
            store,
            &format!(
                "insert into approvals (id, request_id, kept, instance, client_id, agent_name, user_name, client_name, \
                 client_version, server, tool, trust, reasons, arguments, arguments_sha256, digest, identity, status, created_at, \
                 deadline_at, decided_at, decided_by, reason, outcome, outcome_at, duration_ms) {} \
                 select 'f0000000-0000-7000-8000-' || (100000000000 + n), 'f0000000-0000-7000-8000-' || (100000000000 + n), 0, \
                 'f1111111-0000-7000-8000-' || (100000000000 + n / 50), 'agent_' || (n % 25), 'agent-' || (n % 25), \
                 case when n % 3 = 0 then 'user-' || (n % 7) end, 'cursor', '1.2.3', 'server-' || (n % 12), \
                 case n % 5 when 0 then 'delete_repo' when 1 then 'merge_pull_request' when 2 then 'run_query' when 3 then \
                 'send_message' else 'transfer_funds' end, 'high', '[\"trust high >= threshold high\"]', {arguments}, {sha}, {sha}, {sha}, \
                 case when n % 9 = 0 then 'rejected' when n % 14 = 0 then 'timed_out' else 'approved' end, \
                 1700000000000 + n * 60, 1700000300000 + n * 60, 1700000000000 + n * 60 + (n * 7919) % 290000, \
                 case when n % 9 <> 0 and n % 14 = 0 then null else 'person-' || (n % 6) end, \
                 case when n % 9 = 0 then 'not this one' end, case when n % 9 = 0 or n % 14 = 0 then 'not_executed' else 'succeeded' \
                 end, 1700000000000 + n * 60 + 300000, 12 from n",
                numbers(at, upto)
            ),
        )
        .await;
        at = upto;
    }
}

/// Calls as shims tell of them, one of a hundred denied.
async fn fill_activity(store: &mut AnyConnection, count: i64) {
    let (mut at, each) = (0, 10 * ROWS * ROWS);
    while at < count {
        let upto = (at + each).min(count);
        run(
            store,
            &format!(
                "insert into activity (id, at, client_id, agent_name, server, tool, verdict, outcome, duration_ms, reasons, digest, \
                 arguments) {numbers} select n, 1700000000000 + n * 6, 'agent_' || (n % 25), 'agent-' || (n % 25), 'server-' || (n % 12), \
                 'tool_' || (n % 40), case when n % 100 = 0 then 'deny' else 'pass' end, 'succeeded', n % 300, \
                 case when n % 100 = 0 then '[\"argument rule: not on a ' || case when n % 1000 = 0 then 'weekend' else 'Monday' end \
                 || '\"]' end, case when n % 100 = 0 then {digits} end, \
                 case when n % 1000 = 0 then '{{\"n\":' || n || '}}' end from n",
                numbers = numbers(at, upto),
                digits = vec![hex("n"); 8].join(" || "),
            ),
        )
        .await;
        at = upto;
    }
}

/// The hub looks every minute.
async fn await_sealed(store: &mut AnyConnection, history: &str, chunks: i64) {
    let began = Instant::now();
    loop {
        let sql = "select count(*) from chunks where history = $1";
        let sealed: i64 = sqlx::query_scalar(sql).bind(history).fetch_one(&mut *store).await.unwrap();
        if sealed >= chunks {
            return;
        }
        assert!(began.elapsed() < SEALED_WITHIN, "{sealed} of {chunks} chunks are sealed");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// How large the store is.
async fn bytes(store: &mut AnyConnection, is_sqlite: bool) -> i64 {
    let sql = if is_sqlite {
        "select page_count * page_size from pragma_page_count(), pragma_page_size()"
    } else {
        "select pg_database_size(current_database())"
    };
    sqlx::query_scalar(sql).fetch_one(store).await.unwrap()
}
