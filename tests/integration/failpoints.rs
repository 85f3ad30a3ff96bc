//! Every place behind a commit of the hub, and every message and write of the shim: there the program is killed, or stops
//! while its connections are cut. Whatever follows, what the server was given, what the record says and what the client
//! was told agree.
//!
//! The places are those that a run without a fault reaches; `every_commit_is_walked` compares them with the sources.

mod changes;
mod play;
mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;

use futures_util::StreamExt as _;
use reqwest::Method;
use rustix::process::Signal;
use serde_json::{Value, json};

use self::changes::{Cast, Change};
use self::play::{Fault, How, Play, Template, Who};
use crate::support::{Client, binary, eventually, is_alive, text_of};

/// So many plays at once.
const STAGES: usize = 3;
const TOOL: &str = "delete_repo";
/// The place where a shim is back with what it holds.
const RESUMED: &str = "approvals::hold::resume";
/// No change comes to more places.
const ROUNDS: usize = 8;
/// So many times in a scene is a place of the hub walked, and one of the shim; what comes after that is the same again.
const TIMES: [usize; 2] = [2, 1];
/// Commits that are not walked here, and why that is as well.
const ELSEWHERE: [(&str, &str); 17] = [
    ("agents::enrolment::begin_enrolment", "a machine without a code asks again"),
    ("agents::enrolment::confirm_enrolment", "as an agent is added; one that has no token is swept"),
    ("agents::enrolment::end_enrolment", "the code expires"),
    ("agents::enrolment::refuse_enrolment", "the code expires"),
    ("agents::tokens::rotate_token", "as an agent is changed"),
    ("approvals::given::keep_given", "nobody is told before the call is registered"),
    ("approvals::hold::continued", "nobody waits for an answer"),
    ("approvals::rollback::accept_rollback", "before the hub serves"),
    ("notify::push::vapid::read_push_key", "once, and nobody is told before"),
    ("people::browser_sessions::note_session", "when a session has been used for a while"),
    ("servers::drift::accept_tool", "as a tool is changed"),
    ("shims::log::log_left_out", "as calls are logged"),
    ("store::bounds::shrink_agent", "upkeep, which goes on where it was at the next time"),
    ("store::identity::read_identity", "before the hub serves for the first time"),
    ("store::leases::beat_no_more", "when the hub stops"),
    ("store::sieve::seal::forget", "upkeep; the chunk's own row goes last"),
    ("store::sieve::seal::seal", "upkeep; a chunk counts as sealed by its own row, which comes last"),
];

/// What happens in a scene, step by step.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The client calls a tool that passes, and has its answer.
    Pass,
    /// The client calls the gated tool.
    Call,
    /// The approver looks at the card, and gives more time.
    Look,
    /// The approver decides.
    Approve,
    Reject,
    /// The client takes its call back, for this reason.
    Cancel(&'static str),
    /// The approval stays for a call that comes again.
    Kept,
    /// Calls of the server have five seconds from here on.
    Hurry,
    /// The connections between all of them and the hub break.
    Cut,
    /// The client has the answer to its last call, which says so.
    Answer(&'static str),
}

/// The scenes, and what the record says at the end of each if nobody was lost.
const SCENES: [(&[Step], &str, &str); 6] = [
    (&[Step::Pass, Step::Call, Step::Look, Step::Approve, Step::Answer("delete_repo done")], "approved", "succeeded"),
    (&[Step::Pass, Step::Hurry, Step::Call, Step::Answer("not executed")], "timed_out", "not_executed"),
    (&[Step::Call, Step::Cut, Step::Reject, Step::Answer("was rejected")], "rejected", "not_executed"),
    (&[Step::Call, Step::Look, Step::Cancel("the user pressed stop")], "cancelled", "not_executed"),
    (
        &[
            Step::Call,
            Step::Look,
            Step::Cancel("Request timed out"),
            Step::Kept,
            Step::Approve,
            Step::Call,
            Step::Answer("delete_repo done"),
        ],
        "approved",
        "succeeded",
    ),
    (&[Step::Call, Step::Look], "cancelled", "not_executed"),
];

#[tokio::test]
async fn wherever_a_program_fails_server_record_and_client_agree() {
    let template = Template::new().await;
    let plays = plan(&template).await;
    let of_calls = plays.iter().map(|(_, fault)| fault.place.clone()).collect();
    let (mut walked, of_changes) = tokio::join!(walk_calls(&template, plays), walk_changes(&template, &of_calls));
    walked.extend(of_changes);
    let unwalked: Vec<_> = sources::commits().into_iter().filter(|commit| !walked.contains(commit)).collect();
    assert_eq!(unwalked, ELSEWHERE.map(|(place, _)| place), "commits that no scene and no change comes to");
}

/// The module as a release has it, with what is called of it: neither its variables nor the names of places are left.
#[test]
fn a_release_has_no_places_to_fail_at() {
    let dir = tempfile::tempdir().unwrap();
    let (source, program) = (dir.path().join("main.rs"), dir.path().join("main"));
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/failpoint.rs");
    let calls = r#"failpoint::reach("a place"); failpoint::reach_with("a prefix", &Some(1));
        let mut places = failpoint::Places::default(); places.add::<String>(); places.reach();"#;
    let text = format!("#[path = {module:?}] mod failpoint;\nfn main() {{ println!(\"hello\"); {calls} }}");
    std::fs::write(&source, text).unwrap();
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc
        .args(["--edition", "2024", "-C", "opt-level=3", "-C", "debug-assertions=off", "-o"])
        .arg(&program)
        .arg(&source);
    let output = rustc.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let holds = |file: &Path, text: &str| {
        let bytes = std::fs::read(file).unwrap();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    };
    assert!(holds(&program, "hello"));
    for trace in ["HITL_FAILPOINT", "a place", "a prefix"] {
        assert!(!holds(&program, trace), "{trace}");
    }
    assert!(holds(&binary("hitl-hub"), "HITL_FAILPOINT"), "a debug build has them");
    let manifest = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    assert!(!manifest.contains("debug-assertions"), "a release has the assertions of a release");
}

/// Every scene once for each place in it, and each way to fail there.
async fn plan(template: &Template) -> Vec<(usize, Fault)> {
    let (mut planned, mut plays) = (BTreeSet::new(), Vec::new());
    for (number, _) in SCENES.iter().enumerate() {
        let play = play(template, number, None).await;
        for (who, times) in [Who::Hub, Who::Shim].into_iter().zip(TIMES) {
            let mut counts = BTreeMap::new();
            for place in play.reached(who) {
                let count = *counts.entry(place.clone()).and_modify(|count| *count += 1).or_insert(1_usize);
                if count <= times && planned.insert((who, place.clone(), count)) {
                    let fault = |how| Fault { who, how, place: place.clone(), count };
                    plays.extend([How::Kill, How::Stop].map(|how| (number, fault(how))));
                }
            }
        }
    }
    plays
}

/// Returns the hub's places that were reached.
async fn walk_calls(template: &Template, plays: Vec<(usize, Fault)>) -> BTreeSet<String> {
    let plays = plays.into_iter().map(|(number, fault)| async move {
        let play = play(template, number, Some(fault.clone())).await;
        (fault, play.hit.get())
    });
    let played: Vec<(Fault, bool)> = futures_util::stream::iter(plays).buffer_unordered(STAGES).collect().await;
    let hit = |(fault, _): &&(Fault, bool)| fault.who == Who::Hub;
    let (hit, missed): (Vec<_>, Vec<_>) = played.iter().filter(hit).partition(|(_, hit)| *hit);
    println!("{} plays, missed: {missed:?}", played.len());
    hit.into_iter().map(|(fault, _)| fault.place.clone()).collect()
}

/// Makes every change once for each place in it that is in no call; returns the places.
async fn walk_changes(template: &Template, of_calls: &BTreeSet<String>) -> BTreeSet<String> {
    let changes = changes::all();
    let places = places_of(template, &changes, of_calls).await;
    let mut walked = BTreeSet::new();
    for round in 0..ROUNDS {
        if places.iter().flatten().all(|place| walked.contains(place)) {
            break;
        }
        let play = Play::new(template, None).await;
        let make_all = async {
            let mut cast = Cast::new(&play).await;
            for (change, places) in changes.iter().zip(&places) {
                let left: Vec<_> = places.iter().filter(|place| !walked.contains(*place)).collect();
                let place = left.get(round % left.len().max(1)).copied();
                if let (Some(place), false) = (place, matches!(change, Change::Run(_))) {
                    play.fail_at(place).await;
                }
                if cast.make(change, place.map(String::as_str)).await {
                    walked.extend(place.cloned());
                }
            }
            play.verify().await;
        };
        tokio::select! {
            () = make_all => {}
            never = play.keep_up(None) => never,
        }
    }
    println!("{} places of changes", walked.len());
    walked
}

/// The places that each change comes to.
async fn places_of(template: &Template, changes: &[Change], of_calls: &BTreeSet<String>) -> Vec<BTreeSet<String>> {
    let play = Play::new(template, None).await;
    let make_all = async {
        let mut cast = Cast::new(&play).await;
        let mut places = Vec::new();
        for change in changes {
            let before = [Who::Hub, Who::Command].map(|who| play.reached(who).len());
            cast.make(change, None).await;
            let after = [Who::Hub, Who::Command].map(|who| play.reached(who));
            let fresh = after.into_iter().zip(before).flat_map(|(after, before)| after.into_iter().skip(before));
            places.push(fresh.filter(|place| !of_calls.contains(place)).collect());
        }
        places
    };
    tokio::select! {
        places = make_all => places,
        never = play.keep_up(None) => never,
    }
}

/// Plays a scene to its end and compares what everybody knows of it.
async fn play(template: &Template, number: usize, fault: Option<Fault>) -> Play {
    let (steps, status, outcome) = SCENES[number];
    let play = Play::new(template, fault.clone()).await;
    let lost = fault.as_ref().is_some_and(|fault| (fault.who, fault.how) == (Who::Shim, How::Kill));
    let mut shim = play.start_shim();
    let pid = shim.pid();
    let scene = async {
        let answer = perform(steps, &mut shim, &play).await;
        let over = |approval: &Value| !matches!(approval["outcome"].as_str(), Some("waiting" | "released"));
        if answer.is_some() {
            play.person.approval("the end of the record", over).await;
        }
        if shim.end().await.signal() == Some(Signal::KILL.as_raw()) {
            play.hit.set(true);
        }
        let record = match answer {
            None if play.person.approvals().await.is_empty() => Value::Null,
            _ => play.person.approval("the end of the record", over).await,
        };
        play.verify().await;
        (answer, record)
    };
    let (answer, record) = tokio::select! {
        end = scene => end,
        never = play.keep_up(Some(pid)) => never,
    };
    let runs = play.ledger.runs_of(TOOL);
    let said = format!("{fault:?}: {runs} runs, the client was told {answer:?}, the record is {record}");
    agree(runs, answer.as_ref(), &record, &said);
    if !lost || !play.hit.get() {
        assert_eq!((record["status"].as_str(), record["outcome"].as_str()), (Some(status), Some(outcome)), "{said}");
    }
    play
}

/// Does the steps one after the other, as long as there is a shim; returns the last answer to the gated call.
async fn perform(steps: &[Step], shim: &mut Client, play: &Play) -> Option<Value> {
    let pid = shim.pid();
    let (mut call, mut answer) = (0, None);
    shake_hands(shim).await?;
    for step in steps {
        match step {
            Step::Pass => {
                let id = ask(shim, "list_repos").await?;
                assert!(text_of(&shim.try_answer(id).await?).contains("list_repos done"));
            }
            Step::Call => call = ask(shim, TOOL).await?,
            Step::Cancel(reason) => {
                let params = json!({ "requestId": call, "reason": reason });
                let notice = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params });
                shim.try_send(&notice).await.then_some(())?;
            }
            Step::Answer(words) => {
                let told = shim.try_answer(call).await?;
                assert!(text_of(&told).contains(words), "{told}");
                answer = Some(told);
            }
            Step::Look | Step::Approve | Step::Reject | Step::Kept | Step::Hurry | Step::Cut => tokio::select! {
                () = decide(*step, play) => {}
                () = eventually("the end of the shim", || async { (!is_alive(pid)).then_some(()) }) => {
                    late(play).await;
                    return answer;
                }
            },
        }
    }
    answer
}

/// What the approver does in a step.
async fn decide(step: Step, play: &Play) {
    let person = &play.person;
    match step {
        Step::Approve => person.decide("approve", "approved").await,
        Step::Reject => person.decide("reject", "rejected").await,
        Step::Cut => {
            person.approval("a card", |_| true).await;
            let resumed = || play.reached(Who::Hub).iter().filter(|place| *place == RESUMED).count();
            let before = resumed();
            play.cut();
            eventually("the shim to be back, or its call to be over", || async {
                let waits = person.approvals().await.iter().any(|approval| approval["status"] == "pending");
                (resumed() > before || !waits).then_some(())
            })
            .await;
        }
        Step::Hurry => {
            let policy = json!({ "timeout_seconds": 5 });
            let (status, said) = person.ask(Method::PUT, "/servers/repos/policy", Some(policy)).await;
            assert_eq!(status, 200, "{said}");
        }
        Step::Kept => drop(person.approval("a kept approval", |approval| approval["handed_off"] == true).await),
        _ => {
            let card = person.approval("a card", |_| true).await;
            for action in ["seen", "extend"] {
                let path = format!("/approvals/{}/{action}", card["id"].as_str().unwrap());
                let (status, body) = person.ask(Method::POST, &path, Some(json!({}))).await;
                assert!(matches!(status, 200 | 204), "{action}: {status} {body}");
            }
        }
    }
}

/// Somebody approves what nobody waits for any more.
async fn late(play: &Play) {
    for approval in play.person.approvals().await {
        let path = format!("/approvals/{}/approve", approval["id"].as_str().unwrap());
        let (status, body) = play.person.ask(Method::POST, &path, Some(json!({}))).await;
        assert!(matches!(status, 200 | 409), "{status} {body}");
    }
}

async fn shake_hands(shim: &mut Client) -> Option<()> {
    let client = json!({ "name": "line-client", "version": "1" });
    let params = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client });
    let id = send(shim, "initialize", params).await?;
    shim.try_answer(id).await?;
    shim.try_send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await.then_some(())?;
    let id = send(shim, "tools/list", json!({})).await?;
    shim.try_answer(id).await?;
    Some(())
}

async fn ask(shim: &mut Client, tool: &str) -> Option<i64> {
    send(shim, "tools/call", json!({ "name": tool, "arguments": { "repo": "acme/website" } })).await
}

async fn send(shim: &mut Client, method: &str, params: Value) -> Option<i64> {
    let id = shim.next_id();
    let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
    shim.try_send(&request).await.then_some(id)
}

/// What ran, what the record says and what the client was told.
fn agree(runs: usize, answer: Option<&Value>, record: &Value, said: &str) {
    let may_run = match record["outcome"].as_str() {
        Some("succeeded") => 1..=1,
        Some("unknown") => 0..=1,
        Some("not_executed") | None => 0..=0,
        other => panic!("{other:?}: {said}"),
    };
    assert!(may_run.contains(&runs), "{said}");
    assert!(runs == 0 || record["status"] == "approved", "{said}");
    let Some(answer) = answer else { return };
    let ran = text_of(answer).contains("delete_repo done");
    assert!(ran || text_of(answer).contains("not executed"), "{said}");
    assert_eq!(usize::from(ran), runs, "{said}");
}
