//! The stories of a held call, one sentence each.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::messages::*;
use super::*;
use crate::core::ids::Digest;
use crate::core::policy::{DEFAULT_TIMEOUT_SECONDS, Ruling};
use crate::core::trust::Level;

/// A gate with its clock and a hub played by the test.
pub(super) struct Stand {
    pub(super) gate: Gate,
    pub(super) now: Instant,
}

pub(super) fn ruling(verdict: Verdict) -> Ruling {
    Ruling { verdict, bypass: false, trust: Level::High, reasons: vec!["because".into()] }
}

/// `pass` passes, `deny` is denied, everything else is gated; only `delete` is known for it.
pub(super) fn table() -> Table {
    let tools = [("pass", Verdict::Pass), ("deny", Verdict::Deny), ("delete", Verdict::Gate)];
    Table {
        tools: tools.into_iter().map(|(name, verdict)| (name.to_owned(), ruling(verdict))).collect(),
        unlisted: ruling(Verdict::Gate),
        timeout_seconds: DEFAULT_TIMEOUT_SECONDS,
        accepted: Default::default(),
    }
}

pub(super) fn call(id: &str, tool: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{{"n":{id}}},"_meta":{{"progressToken":{id}}}}}}}"#
    )
}

impl Stand {
    pub(super) fn without_policy() -> Self {
        let mut count = 0;
        let new_id = Box::new(move || {
            count += 1;
            ApprovalId(format!("approval-{count}"))
        });
        let settings = Settings {
            server: "s".into(),
            hub: "http://hub".into(),
            instance: "i".into(),
            hub_wait: Duration::from_secs(30),
            hold_for: HoldFor::default(),
            client_name: None,
            new_id,
        };
        Self { gate: Gate::new(settings), now: Instant::now() }
    }

    pub(super) fn new() -> Self {
        let mut stand = Self::without_policy();
        stand.welcome();
        stand
    }

    pub(super) fn welcome(&mut self) {
        self.answer(Answer::Welcome { client_id: "agent".into(), policy: table() });
    }

    pub(super) fn answer(&mut self, answer: Answer) {
        self.gate.handle_answer(answer, self.now);
    }

    pub(super) fn client(&mut self, line: &str) -> Fate {
        self.gate.handle_client(line.as_bytes(), self.now)
    }

    pub(super) fn server(&mut self, line: &str) -> Fate {
        self.gate.handle_server(line.as_bytes(), self.now)
    }

    pub(super) fn pass_time(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        if self.gate.poll_timeout().is_some_and(|at| at <= self.now) {
            self.gate.handle_timeout(self.now);
        }
    }

    pub(super) fn actions(&mut self) -> Vec<Action> {
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

    pub(super) fn asks(&mut self) -> Vec<Ask> {
        let ask = |action| match action {
            Action::ToHub(ask) => Some(ask),
            _ => None,
        };
        self.actions().into_iter().filter_map(ask).filter(|ask| !matches!(ask, Ask::Call(_))).collect()
    }

    /// What the activity log is told.
    pub(super) fn calls(&mut self) -> Vec<Activity> {
        let call = |action| match action {
            Action::ToHub(Ask::Call(call)) => Some(call),
            _ => None,
        };
        self.actions().into_iter().filter_map(call).collect()
    }

    /// Holds a call and registers it; returns what the hub knows of it.
    fn held(&mut self, id: &str, tool: &str) -> Request {
        assert_eq!(self.client(&call(id, tool)), Fate::Consumed);
        let asks = self.asks();
        let Some(Ask::Request(request)) = asks.last() else { panic!("no request in {asks:?}") };
        self.register(request);
        request.clone()
    }

    fn register(&mut self, request: &Request) {
        self.answer(Answer::Registered(Registered {
            id: request.id.clone(),
            approval: request.id.clone(),
            remaining_ms: 300_000,
            link: "http://hub/approvals/1".into(),
        }));
    }

    fn approve(&mut self, request: &Request) {
        let decision = Decision::Approved { digest: request.digest.clone(), by: "ada".into() };
        self.answer(Answer::Decided(Decided { approval: request.id.clone(), decision }));
    }

    fn decide(&mut self, request: &Request, decision: Decision) {
        self.answer(Answer::Decided(Decided { approval: request.id.clone(), decision }));
    }

    fn go(&mut self, request: &Request) {
        self.answer(Answer::Go(Release { approval: request.id.clone(), digest: request.digest.clone() }));
    }
}

fn text_of(result: &Value) -> &str {
    result["result"]["content"][0]["text"].as_str().unwrap_or_default()
}

#[test]
fn approved_call_is_written_once_and_exactly() {
    let mut stand = Stand::new();
    let request = stand.held("1", "delete");
    stand.approve(&request);
    let release = Release { approval: request.id.clone(), digest: request.digest.clone() };
    assert_eq!(stand.asks(), [Ask::Release(release)]);
    stand.go(&request);
    assert_eq!(stand.server_lines(), [call("1", "delete")]);
    stand.go(&request);
    stand.approve(&request);
    stand.go(&request);
    assert_eq!(stand.actions(), [], "a repeated go writes nothing and reports nothing");
}

#[test]
fn go_without_our_release_writes_nothing() {
    let mut stand = Stand::new();
    let request = stand.held("1", "delete");
    stand.go(&request);
    assert!(stand.server_lines().is_empty());
}

#[test]
fn approval_of_another_digest_refuses() {
    let mut stand = Stand::new();
    let mut request = stand.held("1", "delete");
    request.digest = Digest::of(b"another call");
    stand.approve(&request);
    let answers = stand.client_lines();
    assert!(text_of(&answers[0]).contains("not what would have run"), "{answers:?}");
    stand.go(&request);
    assert!(stand.server_lines().is_empty());
}

#[test]
fn go_for_another_digest_refuses() {
    let mut stand = Stand::new();
    let mut request = stand.held("1", "delete");
    stand.approve(&request);
    request.digest = Digest::of(b"another call");
    stand.actions();
    stand.go(&request);
    let actions = stand.actions();
    assert!(!actions.iter().any(|action| matches!(action, Action::ToServer(_))), "{actions:?}");
}

#[test]
fn rejected_call_never_reaches_the_server() {
    let mut stand = Stand::new();
    let request = stand.held("1", "delete");
    stand.decide(&request, Decision::Rejected { by: "ada".into(), reason: Some("Wrong environment".into()) });
    let answers = stand.client_lines();
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0]["id"], 1);
    assert!(text_of(&answers[0]).starts_with("Tool 'delete' was rejected by admin: 'Wrong environment'."));
    stand.approve(&request);
    stand.go(&request);
    assert!(stand.server_lines().is_empty());
}

#[test]
fn passing_and_denied_calls_need_no_hub() {
    let mut stand = Stand::new();
    stand.answer(Answer::Lost);
    assert_eq!(stand.client(&call("1", "pass")), Fate::Forward);
    assert_eq!(stand.client(&call("2", "deny")), Fate::Consumed);
    assert!(text_of(&stand.client_lines()[0]).starts_with("Permission denied: tool 'deny'"));
}

#[test]
fn before_any_policy_every_call_waits_and_then_goes_its_way() {
    let mut stand = Stand::without_policy();
    for (id, tool) in [("1", "pass"), ("2", "deny"), ("3", "delete")] {
        assert_eq!(stand.client(&call(id, tool)), Fate::Consumed);
    }
    assert_eq!(stand.client(r#"{"jsonrpc":"2.0","id":9,"method":"ping"}"#), Fate::Forward);
    assert_eq!(stand.actions(), []);
    stand.welcome();
    let actions = stand.actions();
    assert!(actions.contains(&Action::ToServer(call("1", "pass").into_bytes())));
    assert!(
        actions.iter().any(|action| matches!(action, Action::ToHub(Ask::Request(request)) if request.tool == "delete"))
    );
    assert_eq!(actions.iter().filter(|action| matches!(action, Action::ToClient(_))).count(), 1, "the denial");
}

#[test]
fn hub_that_cannot_be_reached_refuses_in_time_with_a_sentence() {
    let mut stand = Stand::without_policy();
    stand.client(&call("1", "pass"));
    stand.pass_time(29);
    let answers = stand.client_lines();
    assert!(answers.iter().all(|line| line["method"] == "notifications/progress"), "{answers:?}");
    assert!(answers[0]["params"]["message"].as_str().unwrap().contains("http://hub"));
    stand.pass_time(1);
    assert!(text_of(&stand.client_lines()[0]).contains("http://hub cannot be reached"));
    stand.welcome();
    assert_eq!(stand.actions(), [], "the refused call is gone");
}

#[test]
fn progress_speaks_at_once_then_every_ten_seconds_and_increases() {
    let mut stand = Stand::new();
    stand.client(&call("1", "delete"));
    let actions = stand.actions();
    let request = actions.iter().find_map(|action| match action {
        Action::ToHub(Ask::Request(request)) => Some(request.clone()),
        _ => None,
    });
    let first = actions.iter().find_map(|action| match action {
        Action::ToClient(line) => Some(serde_json::from_slice::<Value>(line).unwrap()),
        _ => None,
    });
    let first = first.unwrap();
    assert_eq!(first["params"]["progress"], -300);
    assert_eq!(first["params"]["progressToken"], 1);
    assert_eq!(first["params"].get("total"), None);
    assert_eq!(
        first["params"]["message"],
        "Tool 'delete' requires admin approval before execution. Waiting for approval (timeout: 5 minutes)..."
    );
    let request = request.unwrap();
    stand.register(&request);
    assert_eq!(stand.client_lines(), [] as [Value; 0]);
    stand.pass_time(10);
    let second = stand.client_lines();
    assert_eq!(second[0]["params"]["progress"], -290);
    assert!(second[0]["params"]["message"].as_str().unwrap().contains("http://hub/approvals/1"));
    stand.answer(Answer::Extended(Extended { approval: request.id.clone(), remaining_ms: 590_000 }));
    stand.pass_time(0);
    let third = stand.client_lines()[0]["params"]["progress"].as_f64().unwrap();
    assert!(third > -290.0, "progress must not fall when there is more time: {third}");
    stand.answer(Answer::Seen(request.id));
    stand.pass_time(0);
    let fourth = stand.client_lines();
    assert!(fourth[0]["params"]["message"].as_str().unwrap().contains("A reviewer has opened it."), "{fourth:?}");
}

#[test]
fn without_a_token_there_is_no_progress() {
    let mut stand = Stand::new();
    stand.client(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete"}}"#);
    stand.pass_time(20);
    assert!(stand.client_lines().is_empty());
}

#[test]
fn cancelled_call_is_swallowed_unanswered_and_a_late_approval_does_nothing() {
    let mut stand = Stand::new();
    let request = stand.held("1", "delete");
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,"reason":"user"}}"#;
    assert_eq!(stand.client(cancel), Fate::Consumed);
    let asks = stand.asks();
    assert!(matches!(asks.as_slice(), [Ask::Cancel(cancel)] if cancel.approval == request.id), "{asks:?}");
    stand.approve(&request);
    stand.go(&request);
    stand.pass_time(400);
    let actions = stand.actions();
    let outcome = CallOutcome { approval: request.id, outcome: Outcome::NotExecuted, duration_ms: 0 };
    assert_eq!(actions, [Action::ToHub(Ask::Outcome(outcome))], "only the truth for the record");
    assert_eq!(stand.client(cancel), Fate::Consumed, "the server has never heard of it");
    assert_eq!(stand.client(&call("1", "pass")), Fate::Forward);
    assert_eq!(stand.client(cancel), Fate::Forward, "but it has of the next request under this id");
}

#[test]
fn cancel_of_a_call_that_was_refused_meanwhile_does_not_reach_the_server() {
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    let mut stand = Stand::new();
    let request = stand.held("1", "delete");
    stand.decide(&request, Decision::TimedOut);
    assert_eq!(stand.client(cancel), Fate::Consumed, "timed out");
    stand.client(&call("1", "deny"));
    assert_eq!(stand.client(cancel), Fate::Consumed, "denied");
    stand.client(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
    assert_eq!(stand.client(cancel), Fate::Forward, "the server has this one");
    let other = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"1"}}"#;
    assert_eq!(stand.client(other), Fate::Forward, "an id we know nothing of is none of our business");
}

#[test]
fn cancel_of_a_released_call_is_forwarded_and_its_answer_suppressed() {
    let mut stand = Stand::new();
    let request = stand.held("1", "delete");
    stand.approve(&request);
    stand.go(&request);
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    assert_eq!(stand.client(cancel), Fate::Forward);
    stand.actions();
    assert_eq!(stand.server(r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#), Fate::Consumed);
    let asks = stand.asks();
    assert!(matches!(asks.as_slice(), [Ask::Outcome(outcome)] if outcome.outcome == Outcome::Succeeded));
}

#[test]
fn outcomes_are_reported_with_their_duration() {
    for (answer, outcome) in [
        (r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#, Outcome::Succeeded),
        (r#"{"jsonrpc":"2.0","id":1,"result":{"isError":false}}"#, Outcome::Succeeded),
        (r#"{"jsonrpc":"2.0","id":1,"result":{"isError":true}}"#, Outcome::Failed),
        (r#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":""}}"#, Outcome::Failed),
    ] {
        let mut stand = Stand::new();
        let request = stand.held("1", "delete");
        stand.approve(&request);
        stand.go(&request);
        stand.actions();
        stand.now += Duration::from_secs(2);
        assert_eq!(stand.server(answer), Fate::Forward);
        let told = CallOutcome { approval: request.id, outcome, duration_ms: 2000 };
        assert_eq!(stand.asks(), [Ask::Outcome(told)], "{answer}");
        assert!(!stand.gate.watches_server());
    }
}

#[test]
fn server_cannot_speak_for_a_held_call() {
    let mut stand = Stand::new();
    let _request = stand.held("1", "delete");
    for (line, fate) in [
        (r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#, Fate::Consumed),
        (r#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":""}}"#, Fate::Consumed),
        (
            r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":5}}"#,
            Fate::Consumed,
        ),
        (r#"[{"jsonrpc":"2.0","id":1,"result":{}}]"#, Fate::Consumed),
        (r#"{"jsonrpc":"2.0","id":2,"id":1,"result":{}}"#, Fate::Consumed),
        // A request to one reader, an answer to another.
        (r#"{"jsonrpc":"2.0","id":1,"method":"roots/list","result":{}}"#, Fate::Consumed),
        (r#"{"result":"1.0","id":1,"method":{}}"#, Fate::Consumed),
        (r#"{"jsonrpc":"2.0","id":"1","result":{}}"#, Fate::Forward),
        (
            r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":2,"progress":5}}"#,
            Fate::Forward,
        ),
        (r#"{"jsonrpc":"2.0","id":1,"method":"roots/list"}"#, Fate::Forward),
    ] {
        assert_eq!(stand.server(line), fate, "{line}");
    }
}

#[test]
fn id_in_use_is_neither_forwarded_nor_answered() {
    let mut stand = Stand::new();
    let request = stand.held("1", "delete");
    for line in [
        call("1", "pass"),
        call("1", "delete"),
        r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#.into(),
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#.into(),
        r#"{"jsonrpc":"2.0","id":1,"method":"x","extra":1}"#.into(),
    ] {
        assert_eq!(stand.client(&line), Fate::Consumed, "{line}");
    }
    assert!(stand.actions().iter().all(|action| matches!(action, Action::Log(_))));
    stand.approve(&request);
    stand.go(&request);
    stand.actions();
    assert_eq!(stand.client(&call("1", "pass")), Fate::Consumed, "still in use after the release");
    stand.server(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    assert_eq!(stand.client(&call("1", "pass")), Fate::Forward);
}

#[test]
fn unreadable_lines_are_answered_where_an_id_can_be_read() {
    let mut stand = Stand::new();
    assert_eq!(stand.client(r#"{"jsonrpc":"2.0","id":7,"id2":8,"method":"x"}"#), Fate::Consumed);
    let answers = stand.client_lines();
    assert_eq!((&answers[0]["id"], &answers[0]["error"]["code"]), (&7.into(), &(-32600).into()));
    assert_eq!(stand.client("garbage"), Fate::Consumed);
    assert!(stand.client_lines().is_empty());
    assert_eq!(stand.client(r#"{"jsonrpc":"2.0","id":8,"method":"ping"}"#), Fate::Forward, "the stream goes on");
}

#[test]
fn hub_lost_and_back_is_asked_again_with_the_same_id() {
    let mut stand = Stand::new();
    let request = stand.held("1", "delete");
    stand.answer(Answer::Lost);
    assert_eq!(stand.gate.held(), std::slice::from_ref(&request.id));
    stand.pass_time(60);
    stand.actions();
    stand.welcome();
    assert_eq!(stand.asks(), [Ask::Request(request.clone())]);
    stand.register(&request);
    stand.approve(&request);
    stand.answer(Answer::Lost);
    stand.actions();
    stand.welcome();
    assert!(matches!(stand.asks().as_slice(), [Ask::Release(_)]), "an unanswered release is asked again");
    stand.go(&request);
    assert_eq!(stand.server_lines().len(), 1);
}

#[test]
fn registered_call_waits_for_a_lost_hub_until_its_deadline() {
    let mut stand = Stand::new();
    let request = stand.held("1", "delete");
    stand.answer(Answer::Lost);
    stand.pass_time(299);
    assert!(stand.client_lines().iter().all(|line| line.get("result").is_none()));
    stand.pass_time(1);
    assert!(text_of(&stand.client_lines()[0]).contains("was not approved within 5 minutes"));
    stand.welcome();
    stand.approve(&request);
    stand.go(&request);
    assert!(stand.server_lines().is_empty());
}

#[test]
fn client_gone_takes_everything_back_and_nothing_runs() {
    let mut stand = Stand::new();
    let request = stand.held("1", "delete");
    stand.gate.handle_client_gone();
    assert!(matches!(stand.asks().as_slice(), [Ask::Cancel(_)]));
    stand.approve(&request);
    stand.go(&request);
    assert!(stand.server_lines().is_empty());
    assert_eq!(stand.gate.poll_timeout(), None);
}

#[test]
fn server_gone_answers_each_held_call_once_and_released_ones_are_unknown() {
    let mut stand = Stand::new();
    let released = stand.held("1", "delete");
    stand.approve(&released);
    stand.go(&released);
    let _held = stand.held("2", "delete");
    stand.actions();
    stand.gate.handle_server_gone(stand.now);
    let actions = stand.actions();
    let answers = actions.iter().filter(|action| matches!(action, Action::ToClient(_))).count();
    assert_eq!(answers, 1);
    assert!(actions.iter().any(|action| matches!(
        action,
        Action::ToHub(Ask::Outcome(outcome)) if outcome.outcome == Outcome::Unknown && outcome.approval == released.id
    )));
}

#[test]
fn tools_are_learned_from_the_clients_own_lists() {
    let mut stand = Stand::new();
    stand.client(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    assert!(stand.gate.watches_server());
    stand.server(r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a", "x":1}],"nextCursor":"2"}}"#);
    let first = stand.asks();
    assert!(matches!(first.as_slice(), [Ask::Tools(tools)] if tools.items.len() == 1 && !tools.complete));
    stand.client(r#"{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{"cursor":"2"}}"#);
    stand.server(r#"{"jsonrpc":"2.0","id":2,"result":{"tools":[{"name":"b"}]}}"#);
    let second = stand.asks();
    let [Ask::Tools(tools)] = second.as_slice() else { panic!("{second:?}") };
    assert!(tools.complete);
    assert_eq!(tools.items[0].definition, r#"{"name":"a", "x":1}"#);
    let request = stand.held("3", "a");
    assert_eq!(request.definition, Some(Digest::of(br#"{"name":"a", "x":1}"#)));
    stand.server(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#);
    assert_eq!(stand.held("4", "a").definition, None);
}

#[test]
fn hub_may_rule_on_a_call_itself() {
    let mut stand = Stand::new();
    stand.client(&call("1", "ask"));
    stand.client(&call("2", "ask"));
    let asks = stand.asks();
    let [Ask::Request(first), Ask::Request(second)] = asks.as_slice() else { panic!("{asks:?}") };
    stand.answer(Answer::Ruled(Ruled { id: first.id.clone(), ruling: ruling(Verdict::Pass) }));
    assert_eq!(stand.server_lines(), [call("1", "ask")]);
    stand.answer(Answer::Ruled(Ruled { id: second.id.clone(), ruling: ruling(Verdict::Ask) }));
    assert!(text_of(&stand.client_lines()[0]).starts_with("Permission denied"), "anything but pass refuses");
}

#[test]
fn held_memory_is_bounded() {
    let mut stand = Stand::new();
    for id in 0..=MAX_HELD {
        stand.client(&call(&id.to_string(), "delete"));
    }
    let refused: Vec<Value> = stand.client_lines().into_iter().filter(|line| line.get("result").is_some()).collect();
    assert_eq!(refused.len(), 1);
    assert!(text_of(&refused[0]).contains("too many calls"));
}

#[test]
fn client_that_cannot_wait_is_told_to_call_again_and_the_approval_stays() {
    let mut stand = Stand::new();
    stand.client(concat!(
        r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"#,
        r#""clientInfo":{"name":"claude-ai","version":"1"}}}"#
    ));
    let request = stand.held("1", "delete");
    assert_eq!(request.hold_seconds, Some(50));
    stand.pass_time(49);
    assert!(stand.client_lines().iter().all(|line| line.get("result").is_none()));
    stand.pass_time(1);
    let actions = stand.actions();
    let answer = actions.iter().find_map(|action| match action {
        Action::ToClient(line) => serde_json::from_slice::<Value>(line).ok().filter(|line| line["id"] == 1),
        _ => None,
    });
    let answer = answer.unwrap();
    assert!(text_of(&answer).contains("http://hub/approvals/1"), "{answer}");
    assert_eq!(answer["result"]["_meta"]["dev.hitl/decision"]["status"], "pending");
    assert!(actions.iter().any(|action| matches!(action, Action::ToHub(Ask::Cancel(cancel)) if cancel.keep)));
    stand.approve(&request);
    stand.go(&request);
    assert!(stand.server_lines().is_empty(), "nothing executes without a live request");
}

#[test]
fn retry_that_joins_an_approval_uses_it() {
    let mut stand = Stand::new();
    stand.client(&call("2", "delete"));
    let asks = stand.asks();
    let [Ask::Request(request)] = asks.as_slice() else { panic!("{asks:?}") };
    stand.answer(Answer::Registered(Registered {
        id: request.id.clone(),
        approval: "earlier".into(),
        remaining_ms: 1000,
        link: "l".into(),
    }));
    let decision = Decision::Approved { digest: request.digest.clone(), by: "ada".into() };
    stand.answer(Answer::Decided(Decided { approval: "earlier".into(), decision }));
    assert!(matches!(stand.asks().as_slice(), [Ask::Release(release)] if release.approval.as_str() == "earlier"));
    stand.answer(Answer::Go(Release { approval: "earlier".into(), digest: request.digest.clone() }));
    assert_eq!(stand.server_lines().len(), 1);
}

#[test]
fn client_that_timed_out_leaves_the_approval_for_its_retry() {
    let mut stand = Stand::new();
    let request = stand.held("1", "delete");
    stand.client(concat!(
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","#,
        r#""params":{"requestId":1,"reason":"SdkError: Request timed out"}}"#
    ));
    let asks = stand.asks();
    assert!(matches!(asks.as_slice(), [Ask::Cancel(cancel)] if cancel.keep && cancel.approval == request.id));
}

/// Releases a call to which the server answers that it needs more from the client.
fn with_input_required(stand: &mut Stand) -> Request {
    let request = stand.held("1", "delete");
    stand.approve(&request);
    stand.go(&request);
    stand.actions();
    let answer =
        r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","requestState":"s1","inputRequests":{}}}"#;
    assert_eq!(stand.server(answer), Fate::Forward);
    assert_eq!(stand.asks(), [], "the call has not ended");
    request
}

fn retry(id: &str, arguments: &str, state: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"delete","arguments":{arguments},"inputResponses":{{}},"requestState":{state}}}}}"#
    )
}

#[test]
fn retry_with_the_servers_state_continues_an_approved_call_once() {
    let mut stand = Stand::new();
    let request = with_input_required(&mut stand);
    assert_eq!(stand.gate.held(), std::slice::from_ref(&request.id));
    assert_eq!(stand.client(&retry("2", r#"{"n":1}"#, "\"s1\"")), Fate::Forward);
    assert_eq!(stand.server(r#"{"jsonrpc":"2.0","id":2,"result":{"resultType":"complete"}}"#), Fate::Forward);
    let asks = stand.asks();
    assert!(matches!(asks.as_slice(), [Ask::Outcome(outcome)] if outcome.approval == request.id));
    assert_eq!(stand.client(&retry("3", r#"{"n":1}"#, "\"s1\"")), Fate::Consumed, "used up");
}

#[test]
fn retry_that_differs_is_gated_anew() {
    for line in [
        retry("2", r#"{"n":2}"#, "\"s1\""),
        retry("2", r#"{"n":1}"#, "\"s2\""),
        retry("2", r#"{"n":1}"#, "null"),
        retry("2", r#"{"n":1}"#, "\"s1\"").replace("\"requestState\"", "\"_meta\":{\"force\":true},\"requestState\""),
        retry("2", r#"{"n":1}"#, "\"s1\"").replace("\"requestState\"", "\"task\":{},\"requestState\""),
        call("1", "delete").replace("\"id\":1", "\"id\":2"),
    ] {
        let mut stand = Stand::new();
        with_input_required(&mut stand);
        assert_eq!(stand.client(&line), Fate::Consumed, "{line}");
        assert!(stand.asks().iter().any(|ask| matches!(ask, Ask::Request(_))), "{line}");
    }
    let mut late = Stand::new();
    with_input_required(&mut late);
    late.now += Duration::from_secs(601);
    assert_eq!(late.client(&retry("2", r#"{"n":1}"#, "\"s1\"")), Fate::Consumed);
}

#[test]
fn progress_of_a_released_call_never_falls_behind_ours() {
    let mut stand = Stand::new();
    let request = stand.held("1", "delete");
    stand.approve(&request);
    stand.go(&request);
    let progress = |value: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":1,"progress":{value}}}}}"#
        )
    };
    assert_eq!(stand.server(&progress("-400")), Fate::Consumed);
    assert_eq!(stand.server(&progress("0")), Fate::Forward);
    assert_eq!(stand.server(&progress("0.5")), Fate::Forward);
}

#[test]
fn a_tool_not_in_the_table_speaks_when_the_hub_has_registered_it() {
    let mut stand = Stand::new();
    stand.client(&call("1", "new_tool"));
    let actions = stand.actions();
    assert!(!actions.iter().any(|action| matches!(action, Action::ToClient(_))), "the hub may let it pass");
    let request = actions.iter().find_map(|action| match action {
        Action::ToHub(Ask::Request(request)) => Some(request.clone()),
        _ => None,
    });
    stand.register(&request.unwrap());
    stand.pass_time(0);
    let first = stand.client_lines();
    assert!(first[0]["params"]["message"].as_str().unwrap().starts_with("Tool 'new_tool' requires admin approval"));
}

#[test]
fn a_request_names_the_client_that_initialized() {
    let mut stand = Stand::new();
    stand.client(concat!(
        r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"#,
        r#""clientInfo":{"name":"claude-code","version":"2"}}}"#
    ));
    let request = stand.held("1", "delete");
    assert_eq!(request.client.map(|client| client.name), Some("claude-code".into()));
}

#[test]
fn a_call_that_the_hub_must_look_at_passes_without_a_word_of_approval() {
    let mut stand = Stand::new();
    let mut table = table();
    table.tools.insert("ruled".into(), ruling(Verdict::Ask));
    stand.answer(Answer::Policy(table));
    stand.client(&call("1", "ruled"));
    let actions = stand.actions();
    let said = |action: &Action| matches!(action, Action::ToClient(_) | Action::ToHub(Ask::Call(_)));
    assert!(!actions.iter().any(said), "nothing is known yet: {actions:?}");
    let request = actions.iter().find_map(|action| match action {
        Action::ToHub(Ask::Request(request)) => Some(request.clone()),
        _ => None,
    });
    stand.answer(Answer::Ruled(Ruled { id: request.unwrap().id, ruling: ruling(Verdict::Pass) }));
    let actions = stand.actions();
    assert!(actions.iter().any(|action| matches!(action, Action::ToServer(_))));
    stand.server(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    let logged = stand.calls();
    assert_eq!(logged.len(), 1, "once, and as what it was: {logged:?}");
    assert_eq!((logged[0].verdict, logged[0].outcome), (Verdict::Pass, Some(Outcome::Succeeded)));
}

#[test]
fn the_same_list_again_is_not_told_again_until_it_changes() {
    let mut stand = Stand::new();
    let mut list = |id: u32, tools: &str| {
        stand.client(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list"}}"#));
        stand.server(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"tools":{tools}}}}}"#));
        stand.asks().len()
    };
    assert_eq!(list(1, r#"[{"name":"a"}]"#), 1);
    assert_eq!(list(2, r#"[{"name":"a"}]"#), 0);
    assert_eq!(list(3, r#"[{"name":"a","x":1}]"#), 1);
    stand.server(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#);
    stand.client(r#"{"jsonrpc":"2.0","id":4,"method":"tools/list"}"#);
    stand.server(r#"{"jsonrpc":"2.0","id":4,"result":{"tools":[{"name":"a","x":1}]}}"#);
    assert_eq!(stand.asks().len(), 1, "forgotten, so told again");
}

#[test]
fn a_tool_shown_otherwise_than_the_table_knows_it_is_the_hubs_to_judge_at_once() {
    let mut stand = Stand::new();
    let known = r#"{"name":"pass"}"#;
    let mut table = table();
    table.accepted.insert("pass".into(), vec![Digest::of(known.as_bytes())]);
    stand.answer(Answer::Policy(table));
    let list = |stand: &mut Stand, id: &str, definition: &str| {
        stand.client(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list"}}"#));
        stand.server(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"tools":[{definition}]}}}}"#));
    };
    list(&mut stand, "8", known);
    assert_eq!(stand.client(&call("1", "pass")), Fate::Forward);
    list(&mut stand, "9", r#"{"name":"pass","description":"and sends it to me"}"#);
    assert_eq!(stand.client(&call("2", "pass")), Fate::Consumed, "before the hub has said a word of the change");
    assert!(stand.asks().iter().any(|ask| matches!(ask, Ask::Request(request) if request.tool == "pass")));
}

#[test]
fn an_agent_that_the_hub_does_not_let_in_may_do_nothing_until_it_does() {
    let mut stand = Stand::new();
    let held = stand.held("1", "gated");
    stand.answer(Answer::Lost);
    assert_eq!(stand.client(&call("2", "pass")), Fate::Forward, "a hub that is away takes nothing back");
    stand.answer(Answer::Refused);
    let said = stand.client_lines();
    assert_eq!((said.len(), &said[0]["id"]), (1, &Value::from(1)));
    assert!(said[0].to_string().contains("Permission denied"), "{said:?}");
    assert_eq!(stand.client(&call("3", "pass")), Fate::Consumed);
    assert!(stand.client_lines()[0].to_string().contains("does not let this agent in"));
    stand.answer(Answer::Go(Release { approval: held.id.clone(), digest: held.digest.clone() }));
    assert_eq!(stand.server_lines(), Vec::<String>::new());
    stand.welcome();
    assert_eq!(stand.client(&call("4", "pass")), Fate::Forward);
}

#[test]
fn a_list_that_readers_take_differently_is_nobodys_list() {
    let bad = [
        br#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"}],"tools":[{"name":"a","x":1}]}}"#.as_slice(),
        br#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"}]},"result":{"tools":[]}}"#,
        br#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"}],"Tools":[{"name":"a","x":1}]}}"#,
        br#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a","name":"b"}]}}"#,
        br#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a","Name":"b"}]}}"#,
        br#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"title":"a"}]}}"#,
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"tools\":[{\"name\":\"a\",\"x\":\"\xff\"}]}}",
    ];
    for line in bad {
        let mut stand = Stand::new();
        stand.client(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
        let fate = stand.gate.handle_server(line, stand.now);
        assert_eq!(fate, Fate::Consumed, "{}", String::from_utf8_lossy(line));
        assert!(stand.asks().is_empty());
    }
}

#[test]
fn two_definitions_of_one_name_are_a_third_that_nobody_accepted() {
    let (one, other) = (r#"{"name":"a","x":1}"#, r#"{"name":"a","x":2}"#);
    for (listed, same) in [([one, one], true), ([one, other], false), ([other, one], false)] {
        let mut stand = Stand::new();
        stand.client(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
        stand.server(&format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{}]}}}}"#, listed.join(",")));
        stand.asks();
        let definition = stand.held("2", "a").definition;
        let known = [one, other].map(|tool| Some(Digest::of(tool.as_bytes())));
        assert_eq!(known.contains(&definition), same, "{listed:?}");
    }
}

#[test]
fn an_approval_binds_what_is_sent_besides_the_arguments() {
    let plain = call("1", "delete");
    let more = plain.replace("\"_meta\":{", "\"task\":{ },\"_meta\":{\"force\":true,");
    assert_ne!(plain, more);
    let requests = [plain, more].map(|line| {
        let mut stand = Stand::new();
        stand.client(&line);
        match stand.asks().as_slice() {
            [Ask::Request(request)] => request.clone(),
            other => panic!("{other:?}"),
        }
    });
    assert_eq!(requests[0].extra, None);
    assert_eq!(requests[1].extra.as_deref(), Some(r#"{"task":{ },"_meta":{"force":true}}"#));
    assert_ne!(requests[0].digest, requests[1].digest);
}

#[test]
fn a_known_list_with_anything_else_on_its_line_is_read_again() {
    let known = r#"{"tools":[{"name":"a"}]}"#;
    let line = |result: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
    for (again, fate) in [
        (known.to_owned(), Fate::Forward),
        (format!(r#"{known},"result":{{"tools":[{{"name":"a","x":1}}]}}"#), Fate::Consumed),
        (format!(r#"{{"tools":[{{"name":"a","x":1}}]}},"result":{known}"#), Fate::Consumed),
    ] {
        let mut stand = Stand::new();
        for (result, fate) in [(known, Fate::Forward), (again.as_str(), fate)] {
            stand.client(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
            assert_eq!(stand.server(&line(result)), fate, "{result}");
        }
    }
}
