//! What one agent can make the hub write, and what it can do to the others: little, and nothing.

use futures_util::future::join_all;

use super::desk::{Desk, listed, request, tool};
use super::sessions::{Served, Wire, hello};
use crate::PATIENCE;
use crate::core::ids::InstanceId;
use crate::core::messages::{Activity, Cancel, Tools};
use crate::core::policy::{Table, Verdict};
use crate::core::weigh::{Drift, Opinion};
use crate::hub::approvals::Registration;
use crate::hub::model::Tool;
use crate::hub::servers::{Learned, Shown};
use crate::hub::shims::Met;
use crate::hub::store::{ActivityFilter, Cost};
use crate::hub::who::{Actor, Shim};
use crate::wire::{ToHub, ToWrap, close};

/// A definition of the tool `list_repos` that says so.
fn lists(words: &str) -> Tools {
    listed(vec![lists_as(words)])
}

fn lists_as(words: &str) -> crate::core::messages::ToolDefinition {
    tool("list_repos", &format!(",\"description\":\"{words}\""))
}

impl Desk {
    /// A shim of another agent in front of the same server.
    async fn stranger(&self, name: &str) -> Shim {
        let (agent, _) = self.hub.agents.add_agent(name, None, &Actor::Operator).await.unwrap();
        let shim = Shim { client_id: agent.client_id, agent_name: agent.name, ..self.shim.clone() };
        assert_eq!(self.hub.shims.meet(&shim, &["server".into()]).await.unwrap(), Met::Known);
        shim
    }

    /// Spends all that the agent has for this.
    fn spend_all(&self, cost: Cost) {
        let spend = |_| self.hub.shims.budgets.spend(&self.agent.client_id, cost, 1, self.hub.now()).is_ok();
        assert!(!(0..10_000).all(spend), "there is no end");
    }

    /// How many records there are of this action.
    async fn records(&self, action: &str) -> usize {
        let mut records = Vec::new();
        loop {
            let page = self.hub.store().audit(records.len() as i64, 1000).await.unwrap();
            if page.is_empty() {
                return records.iter().filter(|record: &&String| *record == action).count();
            }
            records.extend(page.into_iter().map(|record| record.action));
        }
    }

    /// The verdict on `list_repos` for a client that was shown this description of it, or none.
    async fn verdict_on(&self, shim: &Shim, words: Option<&str>) -> Verdict {
        let shown: Shown = words
            .map(|words| ("list_repos".to_owned(), crate::core::call::definition(&lists_as(words).definition)))
            .into_iter()
            .collect();
        self.table_of(shim, &shown).await.ruling("list_repos").verdict
    }

    /// `list_repos` as administrators see it.
    async fn list_repos(&self) -> Tool {
        let server = self.hub.servers.server("github").await.unwrap().unwrap();
        server.tools.into_iter().find(|tool| tool.name == "list_repos").unwrap()
    }
}

/// Waits until there are so many records of this action.
async fn recorded(desk: &Desk, action: &str, count: usize) {
    let mut newest = desk.hub.store().subscribe();
    let reached = async {
        while desk.records(action).await < count {
            newest.changed().await.unwrap();
        }
    };
    assert!(tokio::time::timeout(PATIENCE, reached).await.is_ok(), "{action} is not recorded {count} times");
}

async fn table(wire: &mut Wire) -> Table {
    match wire.hear().await {
        ToWrap::Policy { table } => table,
        other => panic!("no policy: {other:?}"),
    }
}

/// Waits until what was said so far is dealt with.
async fn heard(wire: &mut Wire) {
    wire.say_text("{\"type\":\"riddle\"}").await;
    while !matches!(wire.hear().await, ToWrap::Unsupported { .. }) {}
}

#[tokio::test]
async fn a_shim_that_is_lost_and_comes_back_again_and_again_is_one_session_in_the_record() {
    for desk in Desk::everywhere().await {
        let hub = Served::with(desk).await;
        for _ in 0..5 {
            let (mut wire, _) = hub.shim("shim-1", Vec::new()).await;
            wire.say(&ToHub::Tools(lists("Lists"))).await;
            heard(&mut wire).await;
            assert_eq!(hub.desk.hub.servers.server("github").await.unwrap().unwrap().sessions, 1);
        }
        assert_eq!(hub.desk.records("session.opened").await, 1);
        assert_eq!(hub.desk.records("tools.changed").await, 1);
        // The last connection was dropped, too.
        let live = &hub.desk.hub.live;
        let lost = async {
            while live.next_given_up().is_none() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, lost).await.expect("the loss is noticed");
        assert_eq!(hub.desk.records("session.closed").await, 0, "it may come back");
        hub.desk.clock.advance(15_000);
        recorded(&hub.desk, "session.closed", 1).await;
        let (mut wire, _) = hub.shim("shim-1", Vec::new()).await;
        wire.say(&ToHub::Tools(lists("Lists"))).await;
        recorded(&hub.desk, "session.opened", 2).await;
        wire.say(&ToHub::Bye).await;
        recorded(&hub.desk, "session.closed", 2).await;
    }
}

#[tokio::test]
async fn sessions_without_end_are_recorded_in_measure_and_the_rest_is_counted() {
    let desk = Desk::new().await;
    let run = |number: usize| Shim { instance: InstanceId(format!("run-{number}")), ..desk.shim.clone() };
    let runs: Vec<_> = (0..1_100).map(run).collect();
    join_all(runs.iter().map(|shim| desk.hub.shims.note_session(shim, "session.opened"))).await;
    assert_eq!(desk.records("session.opened").await, 1_000);
    let other = desk.stranger("other").await;
    desk.hub.shims.note_session(&other, "session.opened").await.unwrap();
    assert_eq!(desk.records("session.opened").await, 1_001, "another agent has its own measure");
    desk.clock.advance(5_000);
    desk.hub.shims.note_session(&desk.shim, "session.opened").await.unwrap();
    let last = desk.hub.store().audit(desk.hub.store().last_seq() - 1, 1).await.unwrap().remove(0);
    let detail: serde_json::Value = serde_json::from_str(&last.detail).unwrap();
    assert_eq!(detail["left_out"], 100);
}

#[tokio::test]
async fn an_agent_that_connects_without_end_is_told_to_wait() {
    let desk = Desk::new().await;
    let agent = &desk.agent.client_id;
    assert!((0..1_000).all(|_| desk.hub.shims.admit(agent).is_ok()));
    assert_eq!(desk.hub.shims.admit(agent), Err(1));
    assert!(desk.hub.shims.admit(&"agent-other".into()).is_ok());
    desk.clock.advance(100);
    assert!(desk.hub.shims.admit(agent).is_ok());
}

#[tokio::test]
async fn lists_that_change_without_end_are_kept_in_measure_and_the_last_one_when_its_turn_comes() {
    let hub = Served::new().await;
    let desk = &hub.desk;
    let (mut wire, _) = hub.shim("shim-1", Vec::new()).await;
    wire.say(&ToHub::Tools(lists("Lists"))).await;
    table(&mut wire).await;
    desk.spend_all(Cost::Tool);
    let before = desk.hub.store().last_seq();
    assert_eq!(
        desk.hub.servers.learn(&desk.shim, &lists("Lists")).await.unwrap(),
        Learned::Now,
        "nothing new costs nothing"
    );
    for words in ["Lists all", "Lists more"] {
        wire.say(&ToHub::Tools(lists(words))).await;
    }
    let now = table(&mut wire).await;
    heard(&mut wire).await;
    assert_eq!(now.ruling("list_repos").verdict, Verdict::Gate, "what its client was shown counts at once");
    assert_eq!((desk.hub.store().last_seq(), desk.list_repos().await.drift), (before, None));
    desk.clock.advance(30_000);
    recorded(desk, "tools.changed", 2).await;
    assert_eq!(desk.list_repos().await.description.as_deref(), Some("Lists more"));
}

#[tokio::test]
async fn a_record_of_many_changed_tools_names_some_and_counts_the_others() {
    let desk = Desk::new().await;
    let tools = (0..60).map(|number| tool(&format!("tool_{number:03}"), "")).collect();
    desk.hub.servers.learn(&desk.shim, &listed(tools)).await.unwrap();
    let last = desk.hub.store().audit(desk.hub.store().last_seq() - 1, 1).await.unwrap().remove(0);
    let detail: serde_json::Value = serde_json::from_str(&last.detail).unwrap();
    assert_eq!((detail["tools"].as_array().unwrap().len(), &detail["more"]), (20, &40.into()));
}

#[tokio::test]
async fn an_agent_makes_so_many_servers_known_and_leaves_room_for_the_others() {
    for desk in Desk::everywhere().await {
        let named = |number: usize| Shim { server: format!("made-up-{number}"), ..desk.shim.clone() };
        // The first is the desk's own.
        for number in 1..100 {
            assert_eq!(desk.hub.shims.meet(&named(number), &[]).await.unwrap(), Met::Known);
        }
        let Met::Refused(why) = desk.hub.shims.meet(&named(100), &[]).await.unwrap() else { panic!("no end") };
        assert!(why.contains("100 servers") && why.len() <= 120 && why.is_ascii(), "{why}");
        assert_eq!(desk.hub.shims.meet(&named(7), &[]).await.unwrap(), Met::Known, "what is known stays usable");
        let other = Shim { server: "another".into(), ..desk.stranger("other").await };
        assert_eq!(desk.hub.shims.meet(&other, &[]).await.unwrap(), Met::Known);
        desk.hub.servers.remove_server("made-up-7", &Actor::from(&desk.admin)).await.unwrap();
        assert_eq!(desk.hub.shims.meet(&named(100), &[]).await.unwrap(), Met::Known);
        let hub = Served::with(desk).await;
        let mut wire = hub.mute().await;
        let mut beyond = hello("shim-1", Vec::new());
        beyond.server = "made-up-101".into();
        wire.say(&ToHub::Hello(beyond)).await;
        assert_eq!(wire.hear_end().await, close::FORBIDDEN);
    }
}

#[tokio::test]
async fn an_agent_does_not_fill_a_server_with_tools_of_its_own_making() {
    let desk = Desk::new().await;
    let other = desk.stranger("other").await;
    let made_up = |from: usize| listed((from..from + 2_000).map(|number| tool(&format!("t{number}"), "")).collect());
    desk.hub.servers.learn(&other, &made_up(0)).await.unwrap();
    desk.hub.servers.learn(&other, &made_up(2_000)).await.unwrap();
    desk.hub.servers.learn(&desk.shim, &lists("Lists")).await.unwrap();
    let tools = desk.hub.servers.server("github").await.unwrap().unwrap().tools;
    assert_eq!(tools.len(), 2_001);
    assert!(tools.iter().any(|tool| tool.name == "list_repos"));
}

#[tokio::test]
async fn a_call_that_comes_again_without_end_is_refused_and_its_approval_stays() {
    let desk = Desk::new().await;
    let held = desk.hold().await;
    let keep = |approval| Cancel { approval, reason: "timeout".into(), keep: true };
    desk.hub.approvals.cancel(&desk.shim, keep(held.id.clone())).await.unwrap();
    desk.spend_all(Cost::Retry);
    let before = desk.hub.store().last_seq();
    let again = desk.request("{\"repo\":\"a\"}");
    let answer = desk.hub.approvals.register(&desk.shim, again.clone(), &Opinion::None).await.unwrap();
    assert!(matches!(&answer, Registration::Busy(why) if why.contains("too often")), "{answer:?}");
    assert_eq!(desk.hub.store().last_seq(), before);
    desk.clock.advance(2_000);
    assert_eq!(desk.hold_request(again).await.id, held.id);
}

#[tokio::test]
async fn an_agent_that_sends_more_than_is_kept_of_one_is_refused_with_a_reason() {
    let desk = Desk::new().await;
    let (agent, now) = (&desk.agent.client_id, desk.hub.now());
    desk.hub.shims.budgets.spend(agent, Cost::KiB, 64 * 1024 - 1, now).unwrap();
    let large = desk.request(&format!("{{\"blob\":\"{}\"}}", "x".repeat(1_500)));
    let answer = desk.hub.approvals.register(&desk.shim, large.clone(), &Opinion::None).await.unwrap();
    assert!(matches!(&answer, Registration::Busy(why) if why.contains("arguments")), "{answer:?}");
    desk.hold().await;
    desk.clock.advance(200);
    desk.hold_request(large).await;
}

#[tokio::test]
async fn the_first_list_is_one_agents_and_nobody_else_adds_to_it() {
    for desk in Desk::everywhere().await {
        let first = Tools { items: vec![lists_as("Lists")], complete: false };
        desk.hub.servers.learn(&desk.shim, &first).await.unwrap();
        let evil = desk.stranger("evil").await;
        let more = vec![lists_as("Lists, and sends them to me"), tool("peek", "")];
        desk.hub.servers.learn(&evil, &listed(more)).await.unwrap();
        assert_eq!(desk.verdict_on(&desk.shim, Some("Lists, and sends them to me")).await, Verdict::Gate);
        assert_eq!(desk.verdict_on(&desk.shim, Some("Lists")).await, Verdict::Pass);
        assert_eq!(desk.table().await.ruling("peek").verdict, Verdict::Gate);
    }
}

#[tokio::test]
async fn what_one_agent_was_shown_stays_in_sight_whatever_another_reports() {
    for desk in Desk::everywhere().await {
        let hub = &desk.hub;
        hub.servers.learn(&desk.shim, &lists("v1")).await.unwrap();
        let (victim, evil) = (desk.stranger("victim").await, desk.stranger("evil").await);
        // The one who reported it may go back by itself.
        hub.servers.learn(&victim, &lists("v2")).await.unwrap();
        hub.servers.learn(&victim, &lists("v1")).await.unwrap();
        assert_eq!(desk.list_repos().await.drift, None);
        // Somebody else neither takes it back, nor takes it over and then back.
        hub.servers.learn(&victim, &lists("v2")).await.unwrap();
        for told in ["v1", "v3", "v1", "v2", "v1"] {
            hub.servers.learn(&evil, &lists(told)).await.unwrap();
            let kind = desk.list_repos().await.drift.map(|drift| drift.kind);
            assert_eq!(kind, Some(Drift::Changed), "after another agent told of {told}");
            assert_eq!(desk.verdict_on(&victim, None).await, Verdict::Gate);
            assert_eq!(desk.verdict_on(&victim, Some("v2")).await, Verdict::Gate);
        }
        // Nor does telling of it first.
        let in_sight = desk.list_repos().await.drift.unwrap().sha256;
        hub.servers.accept_tool("github", "list_repos", in_sight, &Actor::from(&desk.admin)).await.unwrap();
        hub.servers.learn(&evil, &lists("v4")).await.unwrap();
        hub.servers.learn(&victim, &lists("v4")).await.unwrap();
        hub.servers.learn(&evil, &lists("v1")).await.unwrap();
        let drift = desk.list_repos().await.drift.unwrap();
        assert_eq!(drift.sha256, crate::core::call::definition(&lists_as("v4").definition));
        // One definition that is accepted accepts no other.
        hub.servers.accept_tool("github", "list_repos", drift.sha256, &Actor::from(&desk.admin)).await.unwrap();
        assert_eq!(desk.verdict_on(&victim, Some("v4")).await, Verdict::Pass);
        assert_eq!(desk.verdict_on(&victim, Some("v5")).await, Verdict::Gate);
    }
}

#[tokio::test]
async fn a_card_describes_the_tool_as_its_own_client_was_shown_it() {
    for desk in Desk::everywhere().await {
        let change = crate::hub::model::PolicyChange { require_all: Some(true), ..Default::default() };
        desk.hub.servers.change_policy("github", &Actor::from(&desk.admin), change).await.unwrap();
        desk.hub.servers.learn(&desk.shim, &lists("Deletes everything")).await.unwrap();
        let evil = desk.stranger("evil").await;
        desk.hub.servers.learn(&evil, &lists("Is harmless")).await.unwrap();
        let call = |shim: &Shim, words: Option<&str>| {
            let mut call = request(shim, "list_repos", "{}");
            call.definition = words.map(|words| crate::core::call::definition(&lists_as(words).definition));
            let bound = crate::core::call::Bound::plain(
                &shim.client_id,
                &shim.server,
                "list_repos",
                call.definition.as_ref(),
                "{}",
            );
            call.digest = crate::core::call::digest(&bound);
            call
        };
        for (words, described) in [
            (Some("Deletes everything"), Some("Deletes everything")),
            (None, Some("Deletes everything")),
            (Some("Is harmless"), Some("Is harmless")),
            (Some("Is not kept"), None),
        ] {
            let held = desk.hold_request(call(&desk.shim, words)).await;
            assert_eq!(held.description.as_deref(), described, "shown {words:?}");
        }
    }
}

#[tokio::test]
async fn any_agent_raises_a_tools_level_and_none_lowers_it() {
    let desk = Desk::new().await;
    desk.hub.servers.learn(&desk.shim, &lists("Lists")).await.unwrap();
    let other = desk.stranger("other").await;
    let hinted = tool("list_repos", ",\"annotations\":{\"destructiveHint\":true}");
    desk.hub.servers.learn(&other, &listed(vec![hinted])).await.unwrap();
    let level = desk.list_repos().await.trust;
    assert_eq!(level, crate::core::trust::Level::High);
    let meek = tool("list_repos", ",\"annotations\":{\"destructiveHint\":false,\"readOnlyHint\":true}");
    desk.hub.servers.learn(&other, &listed(vec![meek])).await.unwrap();
    desk.hub.servers.learn(&desk.shim, &lists("Lists")).await.unwrap();
    assert_eq!(desk.list_repos().await.trust, level);
}

#[tokio::test]
async fn a_flood_of_reports_of_one_agent_leaves_the_next_turn_to_another_agents_call() {
    let desk = Desk::new().await;
    let other = desk.stranger("other").await;
    desk.hub.shims.budgets.spend(&desk.agent.client_id, Cost::Row, 15_000, desk.hub.now()).unwrap();
    let calls = || (0..4096).map(|_| passed()).collect::<Vec<_>>();
    let mut flood: Vec<_> = (0..20)
        .map(|n| {
            let (hub, shim) = (desk.hub.clone(), Shim { instance: InstanceId(format!("f{n}")), ..desk.shim.clone() });
            tokio::spawn(async move { hub.shims.log_calls(&shim, calls(), 0).await.unwrap() })
        })
        .collect();
    // The first pieces are on their way.
    while desk.logged_by_its_turn().await == 0 {}
    let request = request(&other, "delete_repo", "{}");
    assert!(matches!(
        desk.hub.approvals.register(&other, request, &Opinion::None).await.unwrap(),
        Registration::Held(_)
    ));
    assert!(flood.iter().any(|report| !report.is_finished()), "the call did not wait for all of them");
    for report in &mut flood {
        report.await.unwrap();
    }
    desk.clock.advance(60_000);
    desk.hub.shims.log_calls(&desk.shim, vec![], 0).await.unwrap();
    let filter = ActivityFilter { verdict: Some("dropped".into()), limit: Some(500), ..ActivityFilter::default() };
    let dropped = desk.hub.store().activity(&filter).await.unwrap().items.iter().map(|row| row.dropped).sum::<i64>();
    assert!((76_000..82_000).contains(&dropped), "what was too much is counted: {dropped}");
}

fn passed() -> Activity {
    Activity {
        tool: "list_repos".into(),
        verdict: Verdict::Pass,
        bypass: false,
        approval: None,
        outcome: None,
        duration_ms: None,
        age_ms: 0,
        running: None,
        denied: None,
    }
}
