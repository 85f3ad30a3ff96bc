//! A thousand at once: none is lost, none comes twice, and people get few messages.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::json;

use super::receiver::{Got, Receiver};
use super::{slack, webhook};
use crate::core::ids::InstanceId;
use crate::hub::approvals::Registration;
use crate::hub::tests::desk::{Desk, request};
use crate::hub::who::{Actor, Shim};

/// One agent may have twenty waiting.
const AGENTS: usize = 50;
const EACH: usize = 20;

async fn agents(desk: &Desk) -> Vec<Shim> {
    let mut shims = Vec::new();
    for number in 0..AGENTS {
        let (agent, _) = desk.hub.agents.add_agent(&format!("bot-{number}"), None, &Actor::Operator).await.unwrap();
        let instance = InstanceId(format!("instance-{number}"));
        let shim = Shim { client_id: agent.client_id, agent_name: agent.name, instance, ..desk.shim.clone() };
        shims.push(shim);
    }
    shims
}

/// What one Slack message stands for: its own approval, and "N more are waiting."
fn counted(got: &Got) -> usize {
    let more = got.text.split("\"text\":\"").find_map(|text| text.split(" more ").next()?.parse::<usize>().ok());
    1 + more.unwrap_or(0)
}

#[tokio::test]
async fn a_thousand_at_once_are_told_to_programs_one_by_one_and_to_people_in_a_few_words() {
    let desk = Desk::new().await;
    let (people, programs) = (Receiver::start().await, Receiver::start().await);
    let mut each = webhook("programs", &programs.url);
    each["events"] = json!(["created"]);
    desk.set(json!([slack("people", &people.url), each])).await;
    let shims = agents(&desk).await;
    desk.courier();
    let calls = shims.iter().flat_map(|shim| (0..EACH).map(move |_| shim));
    let held = join_all(calls.map(|shim| async {
        let registered = desk
            .hub
            .approvals
            .register(shim, request(shim, "delete_repo", "{}"), &crate::core::weigh::Opinion::None)
            .await
            .unwrap();
        assert!(matches!(registered, Registration::Held(_)));
    }));
    assert_eq!(held.await.len(), AGENTS * EACH);
    // Each of them takes a slow machine a while; that they keep coming is what is waited for.
    for so_many in 1..AGENTS * EACH {
        programs.got(so_many).await;
    }
    let all = programs.got(AGENTS * EACH).await;
    let ids: BTreeSet<_> = all.iter().map(|got| got.header("webhook-id").to_owned()).collect();
    let approvals: BTreeSet<_> = all.iter().map(|got| got.body["data"]["id"].to_string()).collect();
    assert_eq!((all.len(), ids.len(), approvals.len()), (1000, 1000, 1000));
    // Each second of the clock lets one message through.
    for _ in 0..20 {
        desk.state("people", "the turn", |state| state.last_at == Some(desk.hub.now()) || state.waiting == 0).await;
        desk.clock.advance(1_000);
    }
    desk.state("people", "nothing waits", |state| state.waiting == 0).await;
    let got = people.so_far();
    assert_eq!(got.iter().map(counted).sum::<usize>(), AGENTS * EACH);
    assert!(got.len() < 20, "{} messages", got.len());
}
