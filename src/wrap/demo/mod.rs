//! The whole product on one machine: a real hub, a real shim, a built-in server and an agent that calls it.

pub mod agent;
pub mod hub;
pub mod screen;
pub mod server;

use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::ensure;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::timeout;

use self::agent::{Agent, Outcome};
use self::hub::Hub;
use self::screen::{Mood, Screen, Who};
use self::server::VICTIM;
use super::cli::{Auto, Demo};
use super::platform::Signals;

const SERVER: &str = "demo-github";
const VICTIM_TOOL: &str = "delete_repo";
/// How long the hub may take to hear how the call ended.
const SHOWN_WITHIN: Duration = Duration::from_secs(5);
/// How long a person has for a look at the page where nobody can press a key.
const LOOK: Duration = Duration::from_secs(2);
/// What to do after the demo.
const NEXT: [(&str, &str); 3] = [
    ("hitl-wrap install", "put it in front of the servers that your clients have"),
    ("hitl-hub open", "your own hub's page, once such a server has started"),
    ("hitl-wrap doctor", "find out what is wrong, if anything is"),
];
const REASON: &str = "Wrong environment";

/// Plays the demo; the exit code is 0 when the call ended as it was decided.
pub async fn run(options: Demo) -> anyhow::Result<u8> {
    let screen = Screen::stdout();
    screen.title("An agent wants to delete a repository. You decide.");
    // Caught before there is anything to clean up.
    let mut signals = Signals::new()?;
    let hub = Hub::start().await?;
    let by_hand = options.auto.is_none();
    let played = tokio::select! {
        played = play(&hub, options, screen) => played,
        signal = signals.next() => {
            hub.stop().await;
            return Ok(signal.exit_code());
        }
    };
    if played.is_ok() {
        screen.next(&NEXT);
    }
    if played.is_ok() && by_hand {
        tokio::select! {
            () = linger(&hub, screen) => {}
            _ = signals.next() => {}
        }
    }
    hub.stop().await;
    played
}

/// Keeps the hub there until the page has shown what became of the call, and for as long as somebody likes to look on.
async fn linger(hub: &Hub, screen: Screen) {
    // Whatever it says, the demo has been played.
    let _ = timeout(SHOWN_WITHIN, hub.told(VICTIM_TOOL)).await;
    if !std::io::stdin().is_terminal() {
        return tokio::time::sleep(LOOK).await;
    }
    screen.line(Who::Hub, "goes on, and so does its page; press Enter to end the demo");
    let _ = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await;
}

async fn play(hub: &Hub, options: Demo, screen: Screen) -> anyhow::Result<u8> {
    screen.line(Who::Hub, &format!("listens on {}", hub.url));
    let (sender, mut messages) = mpsc::unbounded_channel();
    let mut agent = Agent::start(hub.wrap(SERVER, &["demo-server"])?, sender).await?;
    let ended = act(hub, &mut agent, &mut messages, options, screen).await;
    agent.stop().await;
    ended
}

async fn act(
    hub: &Hub,
    agent: &mut Agent,
    messages: &mut mpsc::UnboundedReceiver<String>,
    options: Demo,
    screen: Screen,
) -> anyhow::Result<u8> {
    screen.line(Who::Server, &format!("{SERVER}, wrapped by hitl-wrap: {}", agent.tools().await?.join(", ")));
    screen.gap();
    screen.line(Who::Agent, "calls list_repos");
    let listed = agent.call("list_repos", json!({})).await?;
    ensure!(!listed.is_error, "list_repos failed: {}", listed.text);
    screen.line(Who::Server, &format!("{}   (not gated)", listed.text));
    screen.gap();

    while messages.try_recv().is_ok() {}
    screen.line(Who::Agent, &format!("calls delete_repo {{\"name\":\"{VICTIM}\"}}"));
    let outcome = tokio::select! {
        outcome = agent.call(VICTIM_TOOL, json!({"name": VICTIM})) => outcome?,
        error = wait(hub, messages, options, screen) => return Err(error),
    };
    let left = agent.call("list_repos", json!({})).await?;
    conclude(&outcome, &left, options.auto, screen)
}

/// Shows what the agent's user sees while the call is held; ends only if nobody can decide.
async fn wait(
    hub: &Hub,
    messages: &mut mpsc::UnboundedReceiver<String>,
    options: Demo,
    screen: Screen,
) -> anyhow::Error {
    let mut asked = false;
    while let Some(message) = messages.recv().await {
        screen.line(Who::Waits, &message);
        if !std::mem::replace(&mut asked, true)
            && let Err(error) = decide(hub, options, screen).await
        {
            return error;
        }
    }
    anyhow::anyhow!("the connection to the server is lost")
}

/// Plays the approver, or invites one.
async fn decide(hub: &Hub, options: Demo, screen: Screen) -> anyhow::Result<()> {
    let Some(auto) = options.auto else {
        let link = hub.sign_in_link(!options.no_open).await?;
        screen.line(Who::Approver, &format!("sign in and decide: {link}"));
        return Ok(());
    };
    let id = hub.pending(VICTIM_TOOL).await?;
    match auto {
        Auto::Approve => {
            screen.line(Who::Approver, &format!("hitl-hub approvals approve {id}"));
            hub.approve(&id).await
        }
        Auto::Reject => {
            screen.line(Who::Approver, &format!("hitl-hub approvals reject {id} --reason \"{REASON}\""));
            hub.reject(&id, REASON).await
        }
    }
}

fn conclude(outcome: &Outcome, left: &Outcome, auto: Option<Auto>, screen: Screen) -> anyhow::Result<u8> {
    let gone = !left.text.contains(VICTIM);
    screen.gap();
    screen.line(Who::Agent, &format!("gets: {}", outcome.text));
    let rejected = outcome.refused.as_deref() == Some("rejected");
    let as_decided = match auto {
        Some(Auto::Approve) => !outcome.is_error && gone,
        Some(Auto::Reject) => rejected && !gone && outcome.text.contains(REASON),
        None => (!outcome.is_error && gone) || (rejected && !gone),
    };
    let repos = format!("Repositories now: {}", left.text);
    match (outcome.is_error, outcome.refused.as_deref()) {
        (false, _) => screen.end(Mood::Good, "Approved: the call ran, once, after the decision.", &repos),
        (true, Some("rejected")) => {
            screen.end(Mood::Refused, "Rejected: the server never saw the call, and the agent knows why.", &repos);
        }
        (true, _) => screen.end(Mood::Refused, "Not approved: the server never saw the call.", &repos),
    }
    Ok(u8::from(!as_decided))
}
