//! Real clients with a gated tool: each sees the wait, an approval, a rejection and a timeout, and can take a call back.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::{Place, Sdk, Wrap, eventually, inspector, node22};

/// What the seed promises the agent's user to see.
const FIRST_PROGRESS: &str = "Tool 'delete_repo' requires admin approval before execution. Waiting for approval";
/// What an approver has in the last of the calls, in seconds.
const SHORT: u32 = 5;

impl Place {
    /// The call on this repository, when it waits.
    async fn pending(&self, repo: &str) -> Value {
        let named = |card: &Value| card["arguments"].as_str().unwrap().contains(&format!("\"{repo}\""));
        eventually(repo, || async { self.approver.queue().await.into_iter().find(named) }).await
    }

    /// Approves what waits.
    async fn approve(&self) -> Value {
        let pending = self.pending("approved").await;
        assert_eq!(self.approver.approve(&pending).await.status, 200);
        pending
    }

    /// Rejects what waits, and lets the next calls wait only shortly.
    async fn reject(&self) {
        let pending = self.pending("rejected").await;
        self.approver.set_policy("repos", json!({ "timeout_seconds": SHORT })).await;
        self.approver.reject(&pending, "Wrong environment").await;
    }

    /// How the approvals ended, oldest first.
    async fn ends(&self) -> Vec<String> {
        let all = self.approver.get("/approvals").await["items"].as_array().unwrap().clone();
        all.iter().rev().map(|approval| approval["status"].as_str().unwrap().to_owned()).collect()
    }

    fn runs(&self, repo: &str) -> usize {
        self.ledger.calls_of("delete_repo").iter().filter(|call| call["arguments"]["repo"] == repo).count()
    }

    fn only_the_approved_call_ran(&self) {
        assert_eq!((self.runs("approved"), self.ledger.runs_of("delete_repo")), (1, 1));
        let seen = String::from_utf8(self.ledger.bytes()).unwrap();
        assert!(!seen.contains("notifications/cancelled"), "the server hears nothing of what it never had: {seen}");
    }
}

/// The calls of one session, in order: one for each end that a gated call can have. Only the last has little time.
fn calls() -> Value {
    let call =
        |repo: &str| json!({ "tool": "delete_repo", "arguments": { "repo": repo }, "cancel": repo == "cancelled" });
    ["approved", "cancelled", "rejected", "timed out"].map(call).into_iter().collect()
}

/// Plays one session, and sees on both sides what there is to see.
async fn sees_every_end(start: fn(Wrap, Value) -> Sdk) {
    let place = Place::new().await;
    let mut client = start(place.wrap(), calls());
    let progress = client.first_progress().await;
    assert!(progress["message"].as_str().unwrap().starts_with(FIRST_PROGRESS), "{progress}");
    assert!(progress["progress"].as_f64().unwrap() < 0.0 && progress["total"].is_null(), "{progress}");
    let pending = place.approve().await;
    let result = client.next("result").await;
    assert_eq!(result["is_error"], false, "{result}");
    assert!(result["text"].as_str().unwrap().contains("delete_repo done"), "{result}");
    place.approver.wait_for(pending["id"].as_str().unwrap(), "outcome", "succeeded").await;

    client.next("cancelled").await;
    place.reject().await;
    let result = client.next("result").await;
    let text = result["text"].as_str().unwrap();
    assert!(result["is_error"] == true && text.contains("'Wrong environment'"), "{result}");

    let result = client.next("result").await;
    let text = result["text"].as_str().unwrap();
    assert!(result["is_error"] == true && text.contains("not executed"), "{result}");
    client.next("closed").await;
    assert_eq!(place.ends().await, ["approved", "cancelled", "rejected", "timed_out"]);
    place.only_the_approved_call_ran();
}

#[tokio::test]
async fn python_v1_sees_every_end_of_a_gated_call() {
    sees_every_end(Sdk::python_v1_calling).await;
}

#[tokio::test]
async fn python_v2_session_sees_every_end_of_a_gated_call() {
    sees_every_end(|wrap, calls| Sdk::python_calling(wrap, "session", calls)).await;
}

#[tokio::test]
async fn python_v2_client_sees_every_end_of_a_gated_call() {
    sees_every_end(|wrap, calls| Sdk::python_calling(wrap, "client", calls)).await;
}

#[tokio::test]
async fn fastmcp_sees_every_end_of_a_gated_call() {
    sees_every_end(Sdk::fastmcp_calling).await;
}

#[tokio::test]
async fn typescript_v1_sees_every_end_of_a_gated_call() {
    sees_every_end(|wrap, calls| Sdk::typescript_calling(wrap, "v1", calls)).await;
}

#[tokio::test]
async fn typescript_v2_sees_every_end_of_a_gated_call() {
    sees_every_end(|wrap, calls| Sdk::typescript_calling(wrap, "v2", calls)).await;
}

/// One run of the Inspector, which makes one call.
fn inspect(place: &Place, wrap: &Wrap, repo: &str) -> Command {
    let config = wrap.home().join("inspector.json");
    let (line, env) = (wrap.command_line(), wrap.variables());
    let env: serde_json::Map<_, _> = env.into_iter().map(|(key, value)| (key, json!(value))).collect();
    let server = json!({ "command": line[0], "args": line[1..], "env": env });
    std::fs::write(&config, json!({ "mcpServers": { "repos": server } }).to_string()).unwrap();
    let mut command = Command::new(node22());
    command.arg(inspector()).arg("--cli").arg("--config").arg(config).args([
        "--server",
        "repos",
        "--connect-timeout",
        "0",
    ]);
    command.args(["--method", "tools/call", "--tool-name", "delete_repo", "--tool-arg", &format!("repo={repo}")]);
    command.current_dir(place.hub.data_dir()).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command
}

#[tokio::test]
async fn inspector_sees_every_end_of_a_gated_call() {
    let place = Place::new().await;
    let run = |repo: &'static str| {
        let wrap = place.wrap();
        let mut command = inspect(&place, &wrap, repo);
        async move {
            let output = command.output().await.unwrap();
            drop(wrap);
            (output.status.code(), String::from_utf8(output.stdout).unwrap())
        }
    };
    let ((_, shown), _) = tokio::join!(run("approved"), place.approve());
    assert!(shown.contains("delete_repo done"), "{shown}");
    let ((_, shown), ()) = tokio::join!(run("rejected"), place.reject());
    assert!(shown.contains("'Wrong environment'"), "{shown}");
    let (_, shown) = run("timed out").await;
    assert!(shown.contains("not executed"), "{shown}");

    // It knows no cancelling: its user ends it.
    place.approver.set_policy("repos", json!({ "timeout_seconds": 300 })).await;
    let wrap = place.wrap();
    let mut inspector = inspect(&place, &wrap, "cancelled").spawn().unwrap();
    let pending = place.pending("cancelled").await;
    crate::support::signal(inspector.id().unwrap(), rustix::process::Signal::INT);
    inspector.wait().await.unwrap();
    place.approver.wait_for(pending["id"].as_str().unwrap(), "status", "cancelled").await;
    assert_eq!(place.approver.approve(&pending).await.status, 409);
    assert_eq!(place.ends().await, ["approved", "rejected", "timed_out", "cancelled"]);
    place.only_the_approved_call_ran();
}

#[tokio::test]
async fn rmcp_sees_every_end_of_a_gated_call() {
    use rmcp::model::{CallToolRequest, CallToolRequestParams, ClientRequest, ServerResult};
    use rmcp::service::PeerRequestOptions;
    use rmcp::transport::TokioChildProcess;

    let place = Place::new().await;
    let wrap = place.wrap();
    let line = wrap.command_line();
    let mut command = Command::new(&line[0]);
    command.args(&line[1..]).envs(wrap.variables());
    let (listener, mut progress) = Listener::new();
    let client = rmcp::serve_client(listener, TokioChildProcess::new(command).unwrap()).await.unwrap();
    client.list_all_tools().await.unwrap();
    let call = async |repo: &str| {
        let arguments = json!({ "repo": repo }).as_object().cloned().unwrap();
        let params = CallToolRequestParams::new("delete_repo").with_arguments(arguments);
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(params));
        client.peer().send_cancellable_request(request, PeerRequestOptions::no_options()).await.unwrap()
    };
    let shown = |result: ServerResult| serde_json::to_string(&result).unwrap();

    let handle = call("approved").await;
    // On a slow machine it hears of waiting for the hub before.
    while !progress.recv().await.unwrap().starts_with(FIRST_PROGRESS) {}
    place.approve().await;
    let result = shown(handle.await_response().await.unwrap());
    assert!(result.contains("delete_repo done"), "{result}");
    let handle = call("cancelled").await;
    let pending = place.pending("cancelled").await;
    handle.cancel(Some("changed my mind".to_owned())).await.unwrap();
    place.approver.wait_for(pending["id"].as_str().unwrap(), "status", "cancelled").await;
    let handle = call("rejected").await;
    place.reject().await;
    let result = shown(handle.await_response().await.unwrap());
    assert!(result.contains("'Wrong environment'") && result.contains("\"isError\":true"), "{result}");
    let result = shown(call("timed out").await.await_response().await.unwrap());
    assert!(result.contains("not executed"), "{result}");
    client.cancel().await.unwrap();
    assert_eq!(place.ends().await, ["approved", "cancelled", "rejected", "timed_out"]);
    place.only_the_approved_call_ran();
}

/// A client of rmcp that hands on what it hears of progress.
#[derive(Clone)]
struct Listener(tokio::sync::mpsc::UnboundedSender<String>);

impl Listener {
    fn new() -> (Self, tokio::sync::mpsc::UnboundedReceiver<String>) {
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        (Self(sender), receiver)
    }
}

impl rmcp::ClientHandler for Listener {
    async fn on_progress(
        &self,
        params: rmcp::model::ProgressNotificationParam,
        _: rmcp::service::NotificationContext<rmcp::RoleClient>,
    ) {
        drop(self.0.send(params.message.unwrap_or_default()));
    }
}
