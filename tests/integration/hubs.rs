//! Two hubs on one PostgreSQL with real parts between: HAProxy before the hubs and before the database, PgBouncer, a
//! database that stops, and one that takes its place. Those that take minutes are run by `tests/hubs`.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::balancer::{is_there, place, url};
use crate::support::cluster::url_at;
use crate::support::{
    Approver, Balancer, Client, Cluster, Hub, Ledger, PATIENCE, Wrap, binary, command, eventually, text_of,
};

/// Two hubs on a database behind one address, and a person there.
struct Pair {
    hubs: Vec<Hub>,
    balancer: Balancer,
    approver: Approver,
}

impl Pair {
    async fn on(database: &str) -> Self {
        let address = place();
        let public = url(address);
        let env = [("HITL_PUBLIC_URL", public.as_str())];
        let first = Hub::start_on_with(database, &env).await;
        first.sign_in().await;
        let second = Hub::start_beside(database, &env).await;
        let balancer = Balancer::of_hubs(address, &[&first, &second]).await;
        let approver = first.sign_in_at(&public).await;
        let pair = Self { hubs: vec![first, second], balancer, approver };
        pair.both_serve().await;
        pair
    }

    fn url(&self) -> String {
        url(self.balancer.address)
    }

    async fn both_serve(&self) {
        for hub in &self.hubs {
            eventually("the hub to be ready", || async { (hub.ready().await.0 == 200).then_some(()) }).await;
        }
        eventually("the balancer to see them", || async {
            let answer = reqwest::get(format!("{}/readyz", self.url())).await.ok()?;
            (answer.status() == 200).then_some(())
        })
        .await;
    }

    async fn shim(&self, name: &str, ledger: &Ledger) -> Client {
        let token = self.hubs[0].add_agent(name).await;
        let mut client = Wrap::around(ledger.server()).named("repos").with_hub_at(&self.url(), &token).start();
        client.initialize().await;
        client
    }

    /// One of them is killed and starts again.
    async fn crash(&mut self, n: usize) {
        let mut hub = self.hubs.remove(n);
        hub.crash().await;
        self.hubs.insert(n, hub.start_again().await);
    }
}

fn missing(program: &str) -> bool {
    let missing = !is_there(program);
    if missing {
        println!("skipped: {program} is not installed");
    }
    missing
}

fn runs(ledger: &Ledger, repo: &str) -> usize {
    ledger.calls_of("delete_repo").iter().filter(|call| call["arguments"]["repo"] == repo).count()
}

#[tokio::test]
async fn behind_a_proxy_without_sticky_sessions_two_hubs_are_one_and_live_events_have_no_gap() {
    let Some(cluster) = Cluster::start().await else { return };
    if missing("haproxy") {
        return;
    }
    let mut pair = Pair::on(&cluster.url()).await;
    let ledger = Ledger::new();
    let mut client = pair.shim("behind", &ledger).await;
    let done = Arc::new(AtomicBool::new(false));
    let listening = tokio::spawn(listen(pair.approver.clone(), done.clone()));
    for round in 0..4 {
        let repo = format!("repo-{round}");
        let id = client.call("delete_repo", json!({ "repo": repo })).await;
        // While it is held, each hub goes once.
        pair.approver.the_pending_approval().await;
        pair.crash(round % 2).await;
        pair.both_serve().await;
        let held = pair.approver.the_pending_approval().await;
        assert_eq!(pair.approver.approve(&held).await.status, 200);
        assert!(text_of(&client.answer(id).await).contains("delete_repo done"));
        assert_eq!(runs(&ledger, &repo), 1);
    }
    done.store(true, Ordering::Relaxed);
    let last = pair.hubs[0].run(&["audit", "export"]).await.lines().count();
    pair.approver.post("/agents", json!({ "name": "last" })).await;
    let seen = tokio::time::timeout(PATIENCE, listening).await.expect("the listener ends").unwrap();
    assert!(seen.len() >= 4 * 4, "{seen:?}");
    assert!(seen.windows(2).all(|pair| pair[1] == pair[0] + 1), "no gap and nothing twice: {seen:?}");
    assert!(seen.last().is_some_and(|seen| *seen > i64::try_from(last).unwrap()), "{seen:?} of {last}");
}

/// Listens as the page does, wherever it is sent, until it is told to end; the ids that it saw.
async fn listen(approver: Approver, done: Arc<AtomicBool>) -> Vec<i64> {
    let (mut seen, mut last) = (Vec::new(), None);
    loop {
        if let Some(mut listener) = approver.listen(last).await {
            while let Some((event, id)) = listener.next().await {
                match (event.as_str(), id) {
                    ("snapshot", _) => panic!("a gap after {last:?}"),
                    ("hello", id) => last = id,
                    (_, Some(id)) => {
                        seen.push(id);
                        last = Some(id);
                    }
                    (_, None) => {}
                }
                if done.load(Ordering::Relaxed) && event == "agents" {
                    return seen;
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn behind_pgbouncer_in_transaction_mode_a_hub_needs_another_way_to_listen_and_then_serves() {
    let Some(cluster) = Cluster::start().await else { return };
    if missing("pgbouncer") {
        return;
    }
    let (pool, keeps_apart) = Balancer::pool(cluster.address).await;
    let (pooled, past) = (url_at(pool.address), cluster.url());
    let refused = async |listen: &str| {
        let data = tempfile::tempdir().unwrap();
        let mut serve = command(&binary("hitl-hub"), data.path());
        serve.args(["serve", "--listen", "127.0.0.1:0", "--database", &pooled]).env("HITL_LISTEN_DATABASE", listen);
        let output = tokio::time::timeout(PATIENCE, serve.output()).await.expect("it ends").unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let said = refused(&pooled).await;
    if !keeps_apart {
        // Whatever way there is to listen.
        for said in [said, refused(&past).await] {
            assert!(said.contains("max_prepared_statements"), "{said}");
        }
        return;
    }
    assert!(said.contains("listen_database"), "{said}");
    let hub = Hub::start_on_with(&pooled, &[("HITL_LISTEN_DATABASE", &past)]).await;
    let approver = hub.sign_in().await;
    let ledger = Ledger::new();
    let token = hub.add_agent("pooled").await;
    let mut client = Wrap::around(ledger.server()).named("repos").with_hub(&hub, &token).start();
    client.initialize().await;
    for round in 0..5 {
        let repo = format!("repo-{round}");
        let id = client.call("delete_repo", json!({ "repo": repo })).await;
        let held = approver.the_pending_approval().await;
        assert_eq!(approver.approve(&held).await.status, 200);
        assert!(text_of(&client.answer(id).await).contains("delete_repo done"));
        assert_eq!(runs(&ledger, &repo), 1);
    }
}

#[tokio::test]
async fn a_call_that_comes_while_the_database_is_restarted_waits_for_it_and_runs_once() {
    let Some(cluster) = Cluster::start().await else { return };
    let mut hub = Hub::start_on(&cluster.url()).await;
    let approver = hub.sign_in().await;
    let ledger = Ledger::new();
    let token = hub.add_agent("patient").await;
    let wrap = Wrap::around(ledger.server()).named("repos").with_hub(&hub, &token).env("HITL_HUB_WAIT", "170");
    let mut client = wrap.start();
    client.initialize().await;
    for way in ["stopped", "crashed"] {
        let call = async |client: &mut Client, when: &str| {
            client.call("delete_repo", json!({ "repo": format!("{way}-{when}") })).await
        };
        let before = call(&mut client, "before").await;
        approver.the_pending_approval().await;
        if way == "stopped" {
            cluster.stop().await;
        } else {
            cluster.crash().await;
        }
        let meanwhile = call(&mut client, "meanwhile").await;
        // It came to the hub, which sent its shim away, and not for good.
        hub.stderr.next_with("a session ends because of the store").await;
        cluster.start_again().await;
        eventually("the hub to be ready", || async { (hub.ready().await.0 == 200).then_some(()) }).await;
        for held in approver.pending_approvals(2).await {
            assert_eq!(approver.approve(&held).await.status, 200);
        }
        for (id, when) in [(before, "before"), (meanwhile, "meanwhile")] {
            let answer = client.answer(id).await;
            assert!(text_of(&answer).contains("delete_repo done"), "{way}, {when}: {answer}");
            assert_eq!(runs(&ledger, &format!("{way}-{when}")), 1);
        }
    }
    assert_eq!(all_approvals(&approver).await.len(), 4, "each call was registered once");
    assert!(hub.run(&["audit", "verify"]).await.contains("unbroken"));
}

/// How many shims call while something breaks, and how long each rests between two calls: an agent may ask 30 times a
/// minute.
const SHIMS: usize = 6;
const REST: Duration = Duration::from_millis(2_400);

/// What became of one call.
struct Called {
    repo: String,
    answer: String,
}

/// Shims that call while something breaks, and somebody who approves whatever there is.
struct Load {
    ledger: Ledger,
    calling: Vec<tokio::task::JoinHandle<Vec<Called>>>,
    done: Arc<AtomicBool>,
    approving: tokio::task::JoinHandle<std::convert::Infallible>,
}

impl Load {
    async fn on(pair: &Pair) -> Self {
        let (ledger, done) = (Ledger::new(), Arc::new(AtomicBool::new(false)));
        let mut calling = Vec::new();
        for n in 0..SHIMS {
            let client = pair.shim(&format!("shim-{n}"), &ledger).await;
            calling.push(tokio::spawn(call(client, n, done.clone())));
        }
        let approver = pair.approver.clone();
        let approving = tokio::spawn(async move { approver.keep_approving().await });
        Self { ledger, calling, done, approving }
    }

    /// Waits until each of the shims may have had another call executed.
    async fn goes_on(&self) {
        let ran = || self.ledger.calls_of("delete_repo").len();
        let before = ran();
        eventually("calls to go on", || async { (ran() >= before + SHIMS).then_some(()) }).await;
    }

    /// Ends it and looks: nothing ran unapproved or twice, and every call has an answer that is true.
    async fn ends_well(self, pair: &Pair, what: &str) {
        self.done.store(true, Ordering::Relaxed);
        let mut calls = Vec::new();
        for calling in self.calling {
            calls.extend(calling.await.unwrap());
        }
        self.approving.abort();
        let approvals = all_approvals(&pair.approver).await;
        let (mut ran, mut refused) = (0, 0);
        for Called { repo, answer } in &calls {
            let times = runs(&self.ledger, repo);
            let card =
                approvals.iter().filter(|approval| approval["arguments"].as_str().unwrap().contains(repo.as_str()));
            let approved = card.filter(|approval| approval["status"] == "approved").count();
            if answer.contains("delete_repo done") {
                assert_eq!((times, approved), (1, 1), "{repo}: {answer}");
                ran += 1;
            } else {
                assert!(times == 0 && answer.contains("not executed"), "{repo} ran {times} times: {answer}");
                println!("refused: {answer}");
                refused += 1;
            }
        }
        assert_eq!(self.ledger.calls_of("delete_repo").len(), ran, "nothing else ran");
        assert!(ran > 0 && pair.hubs[0].run(&["audit", "verify"]).await.contains("unbroken"));
        println!(
            "{what}: {} calls of {SHIMS} shims, {ran} approved and run once, {refused} refused with a sentence; \
             0 unauthorised, 0 twice, 0 lost",
            calls.len()
        );
    }
}

async fn call(mut client: Client, n: usize, done: Arc<AtomicBool>) -> Vec<Called> {
    let mut calls = Vec::new();
    while !done.load(Ordering::Relaxed) {
        // No name is the beginning of another.
        let repo = format!("of-{n}-number-{}-", calls.len());
        let id = client.call("delete_repo", json!({ "repo": repo })).await;
        let answer = text_of(&client.answer(id).await).to_owned();
        calls.push(Called { repo, answer });
        tokio::time::sleep(REST).await;
    }
    calls
}

async fn all_approvals(approver: &Approver) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = approver.get(&format!("/approvals?limit=100{cursor}")).await;
        all.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

#[tokio::test]
#[ignore = "takes minutes; run by tests/hubs"]
async fn hubs_that_are_killed_in_turn_under_load_lose_nothing_and_run_nothing_twice() {
    let Some(cluster) = Cluster::start().await else { return };
    let mut pair = Pair::on(&cluster.url()).await;
    let load = Load::on(&pair).await;
    let kills = std::env::var("HITL_KILLS").map_or(20, |kills| kills.parse().unwrap());
    for n in 0..kills {
        tokio::time::sleep(Duration::from_millis(700 + 137 * (n as u64 % 9))).await;
        pair.crash(n % 2).await;
    }
    pair.both_serve().await;
    load.ends_well(&pair, &format!("{kills} kills of two hubs in turn")).await;
}

#[tokio::test]
#[ignore = "takes minutes; run by tests/hubs"]
async fn a_database_that_is_restarted_under_load_loses_nothing_and_nothing_runs_twice() {
    let Some(cluster) = Cluster::start().await else { return };
    let pair = Pair::on(&cluster.url()).await;
    let load = Load::on(&pair).await;
    for round in 0..6 {
        load.goes_on().await;
        if round % 2 == 0 {
            cluster.crash().await
        } else {
            cluster.stop().await
        }
        tokio::time::sleep(Duration::from_millis(500 * round)).await;
        cluster.start_again().await;
        pair.both_serve().await;
    }
    load.ends_well(&pair, "6 restarts of the database, 3 of them crashes").await;
}

#[tokio::test]
#[ignore = "takes minutes; run by tests/hubs"]
async fn a_database_whose_follower_takes_its_place_under_load_loses_nothing_and_nothing_runs_twice() {
    let Some(first) = Cluster::start().await else { return };
    let second = first.follower().await;
    let front = Balancer::of_databases(first.address, second.address).await;
    let at: (IpAddr, u16) = front.address;
    let pair = Pair::on(&url_at(at)).await;
    let load = Load::on(&pair).await;
    load.goes_on().await;
    first.crash().await;
    second.promote().await;
    pair.both_serve().await;
    load.goes_on().await;
    load.ends_well(&pair, "the database crashed and its synchronous follower took its place").await;
}
