//! The promises of the gate over random sequences of events, with a hub that may say anything.
//!
//! The hub of this test remembers what it truly approved and let go; the gate must never write more than that,
//! whatever else it is told. Every held call is answered once or taken back, and what passes keeps its order.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;

use super::tests::{Stand, call, ruling};
use super::*;
use crate::core::call;
use crate::core::ids::Digest;
use crate::core::messages::*;

#[derive(Clone, Debug)]
enum Event {
    Call {
        id: u8,
        tool: &'static str,
    },
    CancelByClient {
        id: u8,
    },
    Ping {
        id: u8,
    },
    Garbage(&'static str),
    Server {
        id: u8,
    },
    /// The server answers, or tells of progress, under what some client takes for this id.
    Forge {
        id: u8,
        form: usize,
    },
    /// The client is shown `delete` in this version.
    List {
        version: u8,
    },
    ServerProgress {
        id: u8,
    },
    Register(usize),
    Approve {
        index: usize,
        honest: bool,
    },
    Reject(usize),
    TimeOut(usize),
    Go {
        index: usize,
        honest: bool,
    },
    Rule {
        index: usize,
        pass: bool,
    },
    Lost,
    Welcome,
    Time(u64),
}

/// Ways to write an id so that some client takes it for another.
const FORMS: [fn(u8) -> String; 7] = [
    |id| format!("\"{id}\""),
    |id| format!("{id}.0"),
    |id| format!("{id}e0"),
    |id| format!("\" {id}\\t\""),
    |id| format!("\"0x{id:x}\""),
    |id| format!("\"+0{id}\""),
    |id| format!("[{id}]"),
];

fn event() -> impl Strategy<Value = Event> {
    let id = 0..4u8;
    let index = 0..6usize;
    let tool = prop_oneof![4 => Just("delete"), 1 => Just("pass"), 1 => Just("deny"), 1 => Just("PASS")];
    prop_oneof![
        6 => (id.clone(), tool).prop_map(|(id, tool)| Event::Call { id, tool }),
        2 => id.clone().prop_map(|id| Event::CancelByClient { id }),
        1 => id.clone().prop_map(|id| Event::Ping { id }),
        1 => prop_oneof![
            Just(r#"[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete"}}]"#),
            Just(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","method":"ping","params":{"name":"delete"}}"#),
            Just("{\"jsonrpc\":\"2.0\",\"method\":\"x\"}\r{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\"}"),
        ].prop_map(Event::Garbage),
        2 => id.clone().prop_map(|id| Event::Server { id }),
        2 => (id.clone(), 0..FORMS.len()).prop_map(|(id, form)| Event::Forge { id, form }),
        1 => id.prop_map(|id| Event::ServerProgress { id }),
        1 => (0..3u8).prop_map(|version| Event::List { version }),
        5 => index.clone().prop_map(Event::Register),
        5 => (index.clone(), prop::bool::weighted(0.8)).prop_map(|(index, honest)| Event::Approve { index, honest }),
        1 => index.clone().prop_map(Event::Reject),
        1 => index.clone().prop_map(Event::TimeOut),
        5 => (index.clone(), prop::bool::weighted(0.8)).prop_map(|(index, honest)| Event::Go { index, honest }),
        1 => (index, any::<bool>()).prop_map(|(index, pass)| Event::Rule { index, pass }),
        1 => Just(Event::Lost),
        2 => Just(Event::Welcome),
        2 => (0..60u64).prop_map(Event::Time),
    ]
}

/// What the test knows, beside what the gate was told.
#[derive(Default)]
struct Truth {
    /// Requests the hub has seen, newest last.
    requests: Vec<Request>,
    /// Approvals that were approved with the right digest.
    approved: HashSet<ApprovalId>,
    /// Releases the gate asked for.
    asked: HashSet<ApprovalId>,
    /// Approvals for which the hub then said go, with the right digest.
    gone: HashSet<ApprovalId>,
    /// Calls the hub itself let pass.
    passed: HashSet<ApprovalId>,
    /// Lines the gate took, by request id, that still owe an answer.
    owed: HashMap<String, &'static str>,
    /// Requests the server has been given and not answered, by id.
    with_server: HashSet<String>,
    /// Whether the server has been given the newest request under an id.
    sent: HashMap<String, bool>,
    written: Vec<String>,
    /// What the client was shown of `delete` last.
    shown: Option<Digest>,
    /// The event at hand is a ruling of the hub.
    ruled_last: bool,
}

struct Run {
    stand: Stand,
    truth: Truth,
}

impl Run {
    fn step(&mut self, event: Event) -> Result<(), TestCaseError> {
        self.truth.ruled_last = matches!(event, Event::Rule { .. });
        let pick = |truth: &Truth, index: usize| truth.requests.iter().rev().nth(index).cloned();
        match event {
            Event::Call { id, tool } => return self.on_call(&id.to_string(), tool),
            Event::CancelByClient { id } => {
                let line =
                    format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#);
                let fate = self.stand.client(&line);
                self.truth.owed.remove(&id.to_string());
                let unsent = self.truth.sent.get(&id.to_string()) == Some(&false);
                prop_assert_eq!(fate == Fate::Consumed, unsent, "the server hears of exactly the calls it was given");
            }
            Event::Ping { id } => {
                let fate = self.stand.client(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#));
                if fate == Fate::Forward {
                    self.truth.sent.insert(id.to_string(), true);
                }
            }
            Event::Garbage(line) => prop_assert_eq!(self.stand.client(line), Fate::Consumed),
            Event::Server { id } => {
                let fate = self.stand.server(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
                let held = self.truth.owed.contains_key(&id.to_string());
                prop_assert!(!(held && fate == Fate::Forward), "the server answered a held call");
                self.truth.with_server.remove(&id.to_string());
            }
            Event::Forge { id, form } => {
                let form = FORMS[form](id);
                let answer = self.stand.server(&format!(r#"{{"jsonrpc":"2.0","id":{form},"result":{{}}}}"#));
                let progress = self.stand.server(&format!(
                    r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{form},"progress":1}}}}"#
                ));
                let id = id.to_string();
                let held = self.truth.owed.contains_key(&id);
                let open = held || self.truth.with_server.contains(&id);
                prop_assert!(!(open && answer == Fate::Forward), "an answer under {}", form);
                prop_assert!(!(held && progress == Fate::Forward), "progress under {}", form);
            }
            Event::List { version } => {
                let definition = format!(r#"{{"name":"delete","version":{version}}}"#);
                self.stand.lists(&definition);
                self.truth.shown = Some(call::definition(&definition));
            }
            Event::ServerProgress { id } => {
                let fate = self.stand.server(&format!(
                    r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{id},"progress":1}}}}"#
                ));
                let held = self.truth.owed.contains_key(&id.to_string());
                prop_assert!(!(held && fate == Fate::Forward), "progress for a held call");
            }
            Event::Register(index) => {
                if let Some(request) = pick(&self.truth, index) {
                    let link = "http://hub/1".to_owned();
                    let (id, remaining_ms) = (request.id.clone(), 300_000);
                    let registered = Registered { id, approval: request.id, remaining_ms, link, arguments: None };
                    self.stand.answer(Answer::Registered(registered));
                }
            }
            Event::Approve { index, honest } => {
                if let Some(request) = pick(&self.truth, index) {
                    let digest = if honest { request.digest } else { Digest::of(b"forged") };
                    if honest {
                        self.truth.approved.insert(request.id.clone());
                    }
                    self.decide(request.id, Decision::Approved { digest });
                }
            }
            Event::Reject(index) => {
                if let Some(request) = pick(&self.truth, index) {
                    self.decide(request.id, Decision::Rejected { reason: None });
                }
            }
            Event::TimeOut(index) => {
                if let Some(request) = pick(&self.truth, index) {
                    self.decide(request.id, Decision::TimedOut);
                }
            }
            Event::Go { index, honest } => {
                if let Some(request) = pick(&self.truth, index) {
                    let digest = if honest { request.digest } else { Digest::of(b"forged") };
                    // Only a go that answers a release counts as one in the truth.
                    if honest && self.truth.asked.contains(&request.id) {
                        self.truth.gone.insert(request.id.clone());
                    }
                    self.stand.answer(Answer::Go(Release { approval: request.id, digest }));
                }
            }
            Event::Rule { index, pass } => {
                if let Some(request) = pick(&self.truth, index) {
                    if pass {
                        self.truth.passed.insert(request.id.clone());
                    }
                    let verdict = if pass { Verdict::Pass } else { Verdict::Deny };
                    self.stand.answer(Answer::Ruled(Ruled { id: request.id, ruling: ruling(verdict), busy: false }));
                }
            }
            Event::Lost => self.stand.answer(Answer::Lost),
            Event::Welcome => self.stand.welcome(),
            Event::Time(seconds) => self.stand.pass_time(seconds),
        }
        self.settle()
    }

    fn decide(&mut self, approval: ApprovalId, decision: Decision) {
        self.stand.answer(Answer::Decided(Decided { approval, decision }));
    }

    fn on_call(&mut self, id: &str, tool: &'static str) -> Result<(), TestCaseError> {
        let in_use = self.truth.owed.contains_key(id) || self.truth.with_server.contains(id);
        let fate = self.stand.client(&call(id, tool));
        if fate == Fate::Forward {
            prop_assert_eq!(tool, "pass", "a gated call was forwarded");
            prop_assert!(!in_use);
        } else if !in_use {
            self.truth.owed.insert(id.to_owned(), tool);
        }
        if !in_use {
            self.truth.sent.insert(id.to_owned(), fate == Fate::Forward);
        }
        self.settle()
    }

    /// Takes the gate's actions and checks each against the truth.
    fn settle(&mut self) -> Result<(), TestCaseError> {
        for action in self.stand.actions() {
            match action {
                Action::ToHub(Ask::Request(request)) => {
                    self.truth.requests.retain(|known| known.id != request.id);
                    self.truth.requests.push(request);
                }
                Action::ToHub(Ask::Release(release)) => {
                    prop_assert!(self.truth.approved.contains(&release.approval), "released without approval");
                    self.truth.asked.insert(release.approval);
                }
                Action::ToServer(line) => self.on_written(&line)?,
                Action::InPlace(line) => prop_assert!(false, "no client answered: {}", String::from_utf8_lossy(&line)),
                Action::ToClient(line) => self.on_answer(&line)?,
                Action::ToHub(_) | Action::Log(_) => {}
            }
        }
        Ok(())
    }

    fn on_written(&mut self, line: &[u8]) -> Result<(), TestCaseError> {
        let text = String::from_utf8_lossy(line).into_owned();
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        let id = value["id"].to_string();
        let tool = self.truth.owed.remove(&id);
        self.truth.sent.insert(id.clone(), true);
        prop_assert!(tool.is_some(), "wrote a call that was not held: {}", text);
        prop_assert_eq!(&text, &call(&id, tool.unwrap_or_default()), "the bytes changed");
        if tool == Some("pass") {
            return Ok(());
        }
        // Exactly this call: the newest request that carries these arguments and was let go, once.
        let request = self.truth.requests.iter().rev().find(|request| {
            request.arguments == format!("{{\"n\":{id}}}")
                && Some(request.tool.as_str()) == tool
                && (self.truth.gone.contains(&request.id) && self.truth.approved.contains(&request.id)
                    || self.truth.passed.contains(&request.id))
        });
        let bound = request.and_then(|request| request.definition.as_ref()).filter(|_| !self.truth.ruled_last);
        prop_assert!(
            bound.is_none_or(|bound| Some(bound) == self.truth.shown.as_ref()),
            "the tool had changed: {}",
            text
        );
        let request = request.map(|request| request.id.clone());
        prop_assert!(request.is_some(), "wrote without an approval of exactly this call: {}", text);
        let request = request.map(|request| request.0).unwrap_or_default();
        prop_assert!(!self.truth.written.contains(&request), "wrote twice under one approval: {}", text);
        // The gate follows released calls, and lets go of those the hub ruled to pass.
        if !self.truth.ruled_last {
            self.truth.with_server.insert(id);
        }
        self.truth.written.push(request);
        Ok(())
    }

    fn on_answer(&mut self, line: &[u8]) -> Result<(), TestCaseError> {
        let value: Value = serde_json::from_slice(line).unwrap_or_default();
        if value["method"] == "notifications/progress" {
            let token = value["params"]["progressToken"].to_string();
            prop_assert!(self.truth.owed.contains_key(&token), "progress for a call that is not held");
        } else if value.get("result").is_some() {
            let id = value["id"].to_string();
            prop_assert!(self.truth.owed.remove(&id).is_some(), "a second answer to {}", id);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_call_is_written_without_an_approval_of_exactly_it_and_each_is_answered_once(
        events in prop::collection::vec(event(), 1..60),
        policy_first in any::<bool>(),
    ) {
        let stand = if policy_first { Stand::new() } else { Stand::without_policy() };
        let mut run = Run { stand, truth: Truth::default() };
        for event in events {
            run.step(event)?;
        }
        // Whatever happened, waiting ends: nothing is held for ever.
        for _ in 0..80 {
            run.stand.now += Duration::from_secs(60);
            run.stand.gate.handle_timeout(run.stand.now);
            run.settle()?;
        }
        prop_assert!(run.truth.owed.is_empty(), "never answered: {:?}", run.truth.owed);
        prop_assert_eq!(run.stand.gate.poll_timeout(), None);
    }
}
