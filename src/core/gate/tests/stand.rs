//! A gate with its clock, its client, its server and its hub in the hands of a test.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::Value;
use serde_json::value::RawValue;

use crate::core::gate::*;
use crate::core::messages::*;
use crate::core::policy::{DEFAULT_TIMEOUT_SECONDS, Ruling};
use crate::core::trust::Level;

/// A gate with its clock and a hub played by the test.
pub(in crate::core::gate) struct Stand {
    pub(in crate::core::gate) gate: Gate,
    pub(in crate::core::gate) now: Instant,
}

pub(in crate::core::gate) fn ruling(verdict: Verdict) -> Ruling {
    Ruling { verdict, bypass: false, trust: Level::High, reasons: vec!["because".into()] }
}

/// `pass` passes, `deny` is denied, everything else is gated; only `delete` is known for it.
pub(in crate::core::gate) fn table() -> Table {
    let tools = [("pass", Verdict::Pass), ("deny", Verdict::Deny), ("delete", Verdict::Gate)];
    Table {
        tools: tools.into_iter().map(|(name, verdict)| (name.to_owned(), ruling(verdict))).collect(),
        unlisted: ruling(Verdict::Gate),
        timeout_seconds: DEFAULT_TIMEOUT_SECONDS,
        accepted: Default::default(),
    }
}

pub(in crate::core::gate) fn call(id: &str, tool: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{{"n":{id}}},"_meta":{{"progressToken":{id}}}}}}}"#
    )
}

impl Stand {
    pub(in crate::core::gate) fn without_policy() -> Self {
        let mut count = 0;
        let new_id = Box::new(move || {
            count += 1;
            ApprovalId(format!("approval-{count}"))
        });
        let settings = Settings {
            server: "s".into(),
            hub: "http://hub".into(),
            hub_wait: Duration::from_secs(30),
            hold_for: HoldFor::default(),
            client_name: None,
            new_id,
        };
        Self { gate: Gate::new(settings), now: Instant::now() }
    }

    pub(in crate::core::gate) fn new() -> Self {
        let mut stand = Self::without_policy();
        stand.welcome();
        stand
    }

    pub(in crate::core::gate) fn welcome(&mut self) {
        self.answer(Answer::Welcome { client_id: "agent".into(), policy: table() });
    }

    pub(in crate::core::gate) fn answer(&mut self, answer: Answer) {
        self.gate.handle_answer(answer, self.now);
    }

    pub(in crate::core::gate) fn client(&mut self, line: &str) -> Fate {
        self.gate.handle_client(line.as_bytes(), self.now)
    }

    pub(in crate::core::gate) fn server(&mut self, line: &str) -> Fate {
        self.gate.handle_server(line.as_bytes(), self.now)
    }

    pub(in crate::core::gate) fn pass_time(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        if self.gate.poll_timeout().is_some_and(|at| at <= self.now) {
            self.gate.handle_timeout(self.now);
        }
    }

    pub(in crate::core::gate) fn actions(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.gate.poll_action()).collect()
    }

    pub(super) fn server_lines(&mut self) -> Vec<String> {
        let text = |action| match action {
            Action::ToServer(line) => Some(String::from_utf8(line).unwrap()),
            _ => None,
        };
        self.actions().into_iter().filter_map(text).collect()
    }

    pub(super) fn client_lines(&mut self) -> Vec<Value> {
        let value = |action| match action {
            Action::ToClient(line) => Some(serde_json::from_slice(&line).unwrap()),
            _ => None,
        };
        self.actions().into_iter().filter_map(value).collect()
    }

    /// Code and raw id of the errors that the client is given, and of those for the server in place of an answer.
    pub(in crate::core::gate) fn refusals(&mut self) -> [Vec<(i64, String)>; 2] {
        let read = |line: &[u8]| {
            let members: HashMap<&str, &RawValue> = serde_json::from_slice(line).unwrap();
            let error: Value = serde_json::from_str(members["error"].get()).unwrap();
            (error["code"].as_i64().unwrap(), members["id"].get().to_owned())
        };
        let (mut errors, mut in_place) = (Vec::new(), Vec::new());
        for action in self.actions() {
            match action {
                Action::ToClient(line) => errors.push(read(&line)),
                Action::InPlace(line) => in_place.push(read(&line)),
                _ => {}
            }
        }
        [errors, in_place]
    }

    pub(super) fn asks(&mut self) -> Vec<Ask> {
        let ask = |action| match action {
            Action::ToHub(ask) => Some(ask),
            _ => None,
        };
        self.actions().into_iter().filter_map(ask).filter(|ask| !matches!(ask, Ask::Call(_))).collect()
    }

    /// What the activity log is told.
    pub(in crate::core::gate) fn calls(&mut self) -> Vec<Activity> {
        let call = |action| match action {
            Action::ToHub(Ask::Call(call)) => Some(call),
            _ => None,
        };
        self.actions().into_iter().filter_map(call).collect()
    }

    /// Holds a call and registers it; returns what the hub knows of it.
    pub(super) fn held(&mut self, id: &str, tool: &str) -> Request {
        assert_eq!(self.client(&call(id, tool)), Fate::Consumed);
        let asks = self.asks();
        let Some(Ask::Request(request)) = asks.last() else { panic!("no request in {asks:?}") };
        self.register(request);
        request.clone()
    }

    /// The client lists the tools, and this is all there is.
    pub(in crate::core::gate) fn lists(&mut self, definition: &str) {
        self.client(r#"{"jsonrpc":"2.0","id":"list","method":"tools/list"}"#);
        let fate = self.server(&format!(r#"{{"jsonrpc":"2.0","id":"list","result":{{"tools":[{definition}]}}}}"#));
        assert_eq!(fate, Fate::Forward);
    }

    pub(super) fn register(&mut self, request: &Request) {
        self.answer(Answer::Registered(Registered {
            id: request.id.clone(),
            approval: request.id.clone(),
            remaining_ms: 300_000,
            link: "http://hub/approvals/1".into(),
            arguments: None,
        }));
    }

    pub(super) fn approve(&mut self, request: &Request) {
        let decision = Decision::Approved { digest: request.digest.clone() };
        self.answer(Answer::Decided(Decided { approval: request.id.clone(), decision }));
    }

    pub(super) fn decide(&mut self, request: &Request, decision: Decision) {
        self.answer(Answer::Decided(Decided { approval: request.id.clone(), decision }));
    }

    pub(super) fn go(&mut self, request: &Request) {
        self.answer(Answer::Go(Release { approval: request.id.clone(), digest: request.digest.clone() }));
    }
}
/// What a refusal says.
pub(super) fn text_of(result: &Value) -> &str {
    result["result"]["content"][0]["text"].as_str().unwrap_or_default()
}
