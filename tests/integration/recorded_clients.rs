//! What real agents sent when `tests/agents` drove them (`tests/recorded/clients/`), played again line by line.
//!
//! The lines are theirs to the byte: what the server reads must be too.

use std::path::Path;

use futures_util::future::join_all;
use serde_json::Value;

use crate::support::{Client, Ledger, Place, Wrap, eventually, test_file, text_of};

/// Long enough for a call to be registered on a slow machine, since all agents are played at once.
const HELD_SECONDS: &str = "5";

/// The session of one agent in one of the scenes, as it was recorded.
struct Recorded {
    agent: String,
    lines: Vec<String>,
    ledger: Ledger,
}

impl Recorded {
    /// The sessions of all agents in this scene.
    fn all(scene: &str) -> Vec<Self> {
        let files = std::fs::read_dir(test_file("recorded/clients")).unwrap().map(|entry| entry.unwrap().path());
        let ending = format!("-{scene}.jsonl");
        let sessions: Vec<Self> = files.filter_map(|path| Self::read(&path, &ending)).collect();
        assert!(sessions.len() > 6, "nearly every agent could be recorded in this scene: {scene}");
        sessions
    }

    fn read(path: &Path, ending: &str) -> Option<Self> {
        let agent = path.file_name()?.to_str()?.strip_suffix(ending)?.to_owned();
        let text = std::fs::read_to_string(path).unwrap();
        Some(Self { agent, lines: text.lines().map(str::to_owned).collect(), ledger: Ledger::new() })
    }

    /// A shim in front of a server of this agent alone.
    fn wrap(&self, place: &Place) -> Wrap {
        Wrap::around(self.ledger.server()).named(&self.agent).with_hub(&place.hub, &place.token)
    }

    /// Sends the lines up to and including the first or, later, the next call of a tool, whose id it returns; each
    /// request before it is answered first, and the hub knows of the tools.
    async fn up_to_a_call(
        &self,
        place: &Place,
        client: &mut Client,
        lines: &mut impl Iterator<Item = &String>,
    ) -> Value {
        for line in lines {
            let message: Value = serde_json::from_str(line).unwrap();
            let is_call = message["method"] == "tools/call";
            if is_call {
                place.approver.knows_tool(&self.agent, "delete_repo").await;
            }
            client.write(format!("{line}\n").as_bytes()).await;
            if is_call {
                return message["id"].clone();
            }
            if message.get("id").is_some() {
                answer(client, &message["id"]).await;
            }
        }
        panic!("{} called a tool", self.agent)
    }

    /// What the server read is what the agent wrote.
    fn arrived_as_sent(&self) {
        let sent: String = self.lines.iter().map(|line| format!("{line}\n")).collect();
        assert_eq!(String::from_utf8(self.ledger.bytes()).unwrap(), sent, "{}", self.agent);
    }

    async fn card(&self, place: &Place) -> Value {
        let mine = |card: &Value| card["server"] == self.agent;
        eventually(&self.agent, || async { place.approver.queue().await.into_iter().find(mine) }).await
    }

    /// Plays an agent that is told to call again, does so after the approval, and gets its result.
    async fn call_again(&self, place: &Place) {
        let mut client = self.wrap(place).env("HITL_HOLD_FOR", HELD_SECONDS).start();
        let mut lines = self.lines.iter();
        let first = self.up_to_a_call(place, &mut client, &mut lines).await;
        let told = answer(&mut client, &first).await;
        assert!(text_of(&told).contains("Call the tool again with the same arguments"), "{}: {told}", self.agent);
        assert_eq!(place.approver.approve(&self.card(place).await).await.status, 200);
        let second = self.up_to_a_call(place, &mut client, &mut lines).await;
        let done = answer(&mut client, &second).await;
        assert!(text_of(&done).contains("delete_repo done"), "{}: {done}", self.agent);
        rest(&mut client, lines).await;
        assert_eq!(self.ledger.runs_of("delete_repo"), 1, "{}", self.agent);
        let cards = place.approver.get(&format!("/approvals?server={}", self.agent)).await;
        assert_eq!(cards["items"].as_array().unwrap().len(), 1, "{}", self.agent);
    }
}

async fn answer(client: &mut Client, id: &Value) -> Value {
    loop {
        let message = client.next().await;
        if message["id"] == *id && message.get("method").is_none() {
            return message;
        }
    }
}

/// Sends what an agent said after its call, and ends its session.
async fn rest(client: &mut Client, lines: impl Iterator<Item = &String>) {
    for line in lines {
        client.write(format!("{line}\n").as_bytes()).await;
    }
    assert!(client.end().await.success());
}

#[tokio::test]
async fn what_agents_send_ungated_reaches_the_server_as_sent() {
    let place = Place::new().await;
    for agent in Recorded::all("ungated") {
        let (mut client, mut lines) = (agent.wrap(&place).start(), agent.lines.iter());
        let id = agent.up_to_a_call(&place, &mut client, &mut lines).await;
        let done = answer(&mut client, &id).await;
        assert!(text_of(&done).contains("list_repos done"), "{}: {done}", agent.agent);
        rest(&mut client, lines).await;
        agent.arrived_as_sent();
    }
    assert!(place.approver.queue().await.is_empty());
}

#[tokio::test]
async fn what_agents_send_gated_reaches_the_server_once_as_approved() {
    let place = Place::new().await;
    for agent in Recorded::all("gated") {
        let (mut client, mut lines) = (agent.wrap(&place).start(), agent.lines.iter());
        let id = agent.up_to_a_call(&place, &mut client, &mut lines).await;
        let card = agent.card(&place).await;
        assert_eq!(agent.ledger.runs_of("delete_repo"), 0, "{}", agent.agent);
        assert_eq!(place.approver.approve(&card).await.status, 200);
        let done = answer(&mut client, &id).await;
        assert!(text_of(&done).contains("delete_repo done"), "{}: {done}", agent.agent);
        rest(&mut client, lines).await;
        agent.arrived_as_sent();
    }
}

#[tokio::test]
async fn what_agents_send_when_they_call_again_is_one_card_and_one_run() {
    let place = Place::new().await;
    let agents = Recorded::all("handed-off");
    join_all(agents.iter().map(|agent| agent.call_again(&place))).await;
}

#[tokio::test]
async fn what_agents_send_when_they_are_ended_leaves_no_card_behind() {
    let place = Place::new().await;
    for agent in Recorded::all("ctrl-c") {
        let (mut client, mut lines) = (agent.wrap(&place).start(), agent.lines.iter());
        agent.up_to_a_call(&place, &mut client, &mut lines).await;
        let card = agent.card(&place).await;
        rest(&mut client, lines).await;
        place.approver.wait_for(card["id"].as_str().unwrap(), "status", "cancelled").await;
        assert_eq!(agent.ledger.runs_of("delete_repo"), 0, "{}", agent.agent);
    }
}
