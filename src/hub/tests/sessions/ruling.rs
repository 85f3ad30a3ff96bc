//! What policy says, and to whom.

use super::served::Served;
use crate::core::messages::Tools;
use crate::core::policy::Verdict;
use crate::core::trust::Level;
use crate::hub::model::{PolicyChange, ToolChange};
use crate::hub::tests::desk::{request, tool};
use crate::hub::who::Actor;
use crate::wire::{ToHub, ToWrap};

#[tokio::test]
async fn policy_changes_reach_every_shim_of_the_server_and_only_real_ones() {
    let hub = Served::new().await;
    let (mut one, _) = hub.shim("shim-1", Vec::new()).await;
    let (mut two, _) = hub.shim("shim-2", Vec::new()).await;
    assert_eq!(hub.desk.hub.servers.server("github").await.unwrap().unwrap().sessions, 0);
    let items = vec![tool("list_repos", ""), tool("delete_repo", "")];
    one.say(&ToHub::Tools(Tools { items, complete: true })).await;
    for wire in [&mut one, &mut two] {
        let ToWrap::Policy { table } = wire.hear().await else { panic!("no policy") };
        assert_eq!(table.ruling("list_repos").verdict, Verdict::Pass);
        assert_eq!(table.ruling("delete_repo").verdict, Verdict::Gate);
    }
    let link = "http://127.0.0.1:7420/servers/github".to_owned();
    assert_eq!(one.next().await, Ok(ToWrap::Undescribed { tools: 2, link }), "nobody described a tool or chose");
    assert_eq!(hub.desk.hub.servers.server("github").await.unwrap().unwrap().sessions, 1);
    let admin = Actor::from(&hub.desk.admin);
    // A note is told with the reasons why a call waits, and this tool's does not.
    let same = ToolChange { reason: Some(Some("only lists".to_owned())), ..ToolChange::default() };
    hub.desk.hub.servers.change_tool("github", "list_repos", &admin, same).await.unwrap();
    one.say(&ToHub::Request(request(&hub.desk.shim, "list_repos", "{}"))).await;
    let ToWrap::Verdict(ruled) = one.hear().await else { panic!("the same table is told again") };
    assert_eq!(ruled.ruling.verdict, Verdict::Pass);
    let on = ToolChange { hitl: Some(true), ..ToolChange::default() };
    hub.desk.hub.servers.change_tool("github", "list_repos", &admin, on).await.unwrap();
    for wire in [&mut one, &mut two] {
        let ToWrap::Policy { table } = wire.hear().await else { panic!("no policy") };
        assert_eq!(table.ruling("list_repos").verdict, Verdict::Gate);
    }
    let bypass =
        PolicyChange { bypass: Some(vec![hub.desk.agent.client_id.as_str().into()]), ..PolicyChange::default() };
    hub.desk.hub.servers.change_policy("github", &admin, bypass).await.unwrap();
    let ToWrap::Policy { table } = two.hear().await else { panic!("no policy") };
    assert!(table.ruling("list_repos").bypass);
}

#[tokio::test]
async fn what_people_change_counts_for_the_next_call_however_long_it_takes_to_read() {
    let hub = Served::new().await;
    let (mut wire, _) = hub.shim("shim-1", Vec::new()).await;
    let items = (0..2_000).map(|number| tool(&format!("tool_{number}"), "")).collect();
    wire.say(&ToHub::Tools(Tools { items, complete: true })).await;
    assert!(matches!(wire.hear().await, ToWrap::Policy { .. }));
    for (all, verdict) in [(true, Verdict::Gate), (false, Verdict::Pass), (true, Verdict::Gate)] {
        let change = PolicyChange { require_all: Some(all), ..PolicyChange::default() };
        hub.desk.hub.servers.change_policy("github", &Actor::from(&hub.desk.admin), change).await.unwrap();
        wire.say_text("{\"type\":\"riddle\"}").await;
        let ToWrap::Policy { table } = wire.hear().await else { panic!("it is told of after what came later") };
        assert_eq!(table.ruling("tool_7").verdict, verdict);
        assert_eq!(wire.hear().await, ToWrap::Unsupported { of: "riddle".into() });
    }
}

#[tokio::test]
async fn a_call_that_policy_passes_or_denies_gets_a_verdict() {
    let hub = Served::new().await;
    let admin = Actor::from(&hub.desk.admin);
    let off = PolicyChange { threshold: Some(None), ..PolicyChange::default() };
    hub.desk.hub.servers.change_policy("github", &admin, off).await.unwrap();
    let (mut wire, _) = hub.shim("shim-1", Vec::new()).await;
    let call = request(&hub.desk.shim, "delete_repo", "{}");
    wire.say(&ToHub::Request(call.clone())).await;
    let ToWrap::Verdict(ruled) = wire.hear().await else { panic!("no verdict") };
    assert_eq!((ruled.id, ruled.ruling.verdict), (call.id.clone(), Verdict::Pass));
    let limit = [("github".to_owned(), Level::Medium)].into();
    let change = crate::hub::agents::AgentChange { trust: Some(limit), ..Default::default() };
    hub.desk.hub.agents.change_agent(&hub.desk.agent.client_id, change, &admin).await.unwrap();
    let ToWrap::Policy { table } = wire.hear().await else { panic!("no policy") };
    assert_eq!(table.unlisted.verdict, Verdict::Ask);
    wire.say(&ToHub::Request(call)).await;
    let ToWrap::Verdict(ruled) = wire.hear().await else { panic!("no verdict") };
    assert_eq!(ruled.ruling.verdict, Verdict::Deny);
}
