//! The way of a gated call, with real servers and real clients.

use serde_json::{Value, json};

use crate::support::{Answer, Approver, Hub, Ledger, Sdk, Wrap, browser, eventually, everything, time};

/// What the seed promises the agent's user to see.
const FIRST_PROGRESS: &str =
    "Tool 'echo' requires admin approval before execution. Waiting for approval (timeout: 5 minutes)...";

/// A hub with `echo` of server-everything gated, an approver, and a shim that a client can start.
async fn echo_is_gated() -> (Hub, Approver, Wrap) {
    let hub = Hub::start().await;
    let approver = hub.sign_in().await;
    let token = hub.add_agent("claude").await;
    let wrap = || Wrap::around(everything()).named("everything").with_hub(&hub, &token);
    introduce(wrap(), &approver, "everything", "echo").await;
    approver.gate("everything", "echo").await;
    let wrap = wrap();
    (hub, approver, wrap)
}

/// Lets a client list the tools once, so that the hub knows them and policy can be set.
async fn introduce(wrap: Wrap, approver: &Approver, server: &str, tool: &str) {
    let mut client = wrap.start();
    client.initialize().await;
    approver.knows_tool(server, tool).await;
    client.end().await;
}

fn hello() -> Value {
    json!({ "message": "hello" })
}

#[tokio::test]
async fn approved_call_returns_its_result_to_the_python_sdk() {
    let (_hub, approver, wrap) = echo_is_gated().await;
    let mut client = Sdk::python(wrap, "session", "echo", hello());

    let progress = client.first_progress().await;
    assert_eq!(progress["message"], FIRST_PROGRESS);
    assert!(progress["progress"].as_f64().unwrap() < 0.0 && progress["total"].is_null(), "{progress}");
    let pending = approver.the_pending_approval().await;
    assert_eq!(pending["tool"], "echo");
    assert_eq!(pending["server"], "everything");
    assert_eq!(pending["agent"]["name"], "claude");
    let sent: Value = serde_json::from_str(pending["arguments"].as_str().unwrap()).unwrap();
    assert_eq!(sent, hello());

    assert_eq!(approver.approve(&pending).await.status, 200);
    let result = client.next("result").await;
    assert_eq!(result, json!({ "event": "result", "is_error": false, "text": "Echo: hello" }));
    let done = approver.wait_for(pending["id"].as_str().unwrap(), "outcome", "succeeded").await;
    assert_eq!(done["status"], "approved");
    assert!(!done["decided_by"].is_null(), "{done}");
}

#[tokio::test]
async fn rejected_call_returns_the_reason_to_the_python_sdk() {
    let (_hub, approver, wrap) = echo_is_gated().await;
    let mut client = Sdk::python(wrap, "session", "echo", hello());
    let pending = approver.the_pending_approval().await;
    assert_eq!(approver.reject(&pending, "Wrong environment").await.status, 200);

    let result = client.next("result").await;
    let expected = "Tool 'echo' was rejected by admin: 'Wrong environment'. It was not executed. \
                    Do not retry unless the user asks. Contact your admin if you believe this is an error.";
    assert_eq!(result, json!({ "event": "result", "is_error": true, "text": expected }));
    let done = approver.wait_for(pending["id"].as_str().unwrap(), "outcome", "not_executed").await;
    assert_eq!((&done["status"], &done["reason"]), (&json!("rejected"), &json!("Wrong environment")));
}

#[tokio::test]
async fn call_left_alone_is_refused_when_its_time_is_up() {
    let (_hub, approver, wrap) = echo_is_gated().await;
    approver.set_policy("everything", json!({ "timeout_seconds": 5 })).await;
    let mut client = Sdk::python(wrap, "session", "echo", hello());
    let progress = client.first_progress().await;
    assert!(progress["message"].as_str().unwrap().contains("(timeout: 5 seconds)"), "{progress}");
    // Among all of them: on a slow machine its time may be up before anybody looks.
    let all = || async { approver.get("/approvals").await["items"].as_array().unwrap().first().cloned() };
    let approval = eventually("the approval", all).await;

    let result = client.next("result").await;
    assert_eq!(result["is_error"], true);
    let text = result["text"].as_str().unwrap();
    assert!(text.contains("'echo'") && text.contains("not executed"), "{text}");
    let id = approval["id"].as_str().unwrap();
    approver.wait_for(id, "status", "timed_out").await;
    assert_eq!(approver.approve(&approval).await.status, 409);
}

#[tokio::test]
async fn approval_of_a_client_that_is_gone_is_cancelled_and_a_late_one_runs_nothing() {
    let hub = Hub::start().await;
    let approver = hub.sign_in().await;
    let token = hub.add_agent("claude").await;
    let ledger = Ledger::new();
    let wrap = Wrap::around(ledger.server()).named("repos").with_hub(&hub, &token);
    let mut client = Sdk::python(wrap, "session", "delete_repo", json!({ "repo": "acme/website" }));
    let pending = approver.the_pending_approval().await;

    client.kill().await;
    let id = pending["id"].as_str().unwrap();
    approver.wait_for(id, "status", "cancelled").await;
    let late = approver.approve(&pending).await;
    assert_eq!(late.status, 409);
    assert_eq!(late.body["approval"]["status"], "cancelled", "{late:?}");
    assert_eq!(ledger.runs_of("delete_repo"), 0);
}

#[tokio::test]
async fn every_sdk_sees_the_wait_and_the_result() {
    let (hub, approver, wrap) = echo_is_gated().await;
    let again = |name: &str| {
        let token = wrap.variables().into_iter().find(|(key, _)| key == "HITL_AGENT_TOKEN").unwrap().1;
        (name.to_owned(), Wrap::around(everything()).named("everything").with_hub(&hub, &token))
    };
    for (name, wrap) in ["python v1", "python v2 client", "typescript v1", "typescript v2"].map(again) {
        let mut client = match name.as_str() {
            "python v1" => Sdk::python_v1(wrap, "echo", hello()),
            "python v2 client" => Sdk::python(wrap, "client", "echo", hello()),
            "typescript v1" => Sdk::typescript(wrap, "v1", "echo", hello()),
            _ => Sdk::typescript(wrap, "v2", "echo", hello()),
        };
        assert_eq!(client.first_progress().await["message"], FIRST_PROGRESS, "{name}");
        let pending = approver.the_pending_approval().await;
        let Answer { status, body } = approver.approve(&pending).await;
        assert_eq!(status, 200, "{name}: {body}");
        let result = client.next("result").await;
        assert_eq!(result["text"], "Echo: hello", "{name}: {}", client.said());
        client.next("closed").await;
    }
}

#[tokio::test]
async fn modern_python_server_and_client_are_gated_as_well() {
    let hub = Hub::start().await;
    let approver = hub.sign_in().await;
    let token = hub.add_agent("claude").await;
    let wrap = || Wrap::around(time()).named("time").with_hub(&hub, &token);
    introduce(wrap(), &approver, "time", "get_current_time").await;
    approver.gate("time", "get_current_time").await;

    let mut client = Sdk::python(wrap(), "client", "get_current_time", json!({ "timezone": "UTC" }));
    let pending = approver.the_pending_approval().await;
    approver.approve(&pending).await;
    let result = client.next("result").await;
    assert!(result["text"].as_str().unwrap().contains("UTC"), "{}", client.said());

    let mut client = Sdk::python(wrap(), "client", "get_current_time", json!({ "timezone": "UTC" }));
    let pending = approver.the_pending_approval().await;
    approver.reject(&pending, "Not now").await;
    let result = client.next("result").await;
    assert_eq!(result["is_error"], true, "{}", client.said());
    assert!(result["text"].as_str().unwrap().contains("'Not now'"), "{result}");
}

#[tokio::test]
async fn rmcp_client_gets_its_approved_result() {
    use rmcp::ServiceExt as _;
    use rmcp::model::CallToolRequestParams;
    use rmcp::transport::TokioChildProcess;

    let (_hub, approver, wrap) = echo_is_gated().await;
    let line = wrap.command_line();
    let mut command = tokio::process::Command::new(&line[0]);
    command.args(&line[1..]).envs(wrap.variables());
    let client = ().serve(TokioChildProcess::new(command).unwrap()).await.unwrap();
    client.list_all_tools().await.unwrap();
    let peer = client.peer().clone();
    let arguments = hello().as_object().cloned().unwrap();
    let call =
        tokio::spawn(async move { peer.call_tool(CallToolRequestParams::new("echo").with_arguments(arguments)).await });
    let pending = approver.the_pending_approval().await;
    approver.approve(&pending).await;
    let result = call.await.unwrap().unwrap();
    assert!(serde_json::to_string(&result).unwrap().contains("Echo: hello"), "{result:?}");
    client.cancel().await.unwrap();
}

#[tokio::test]
async fn policy_change_reaches_a_running_session() {
    let hub = Hub::start().await;
    let approver = hub.sign_in().await;
    let token = hub.add_agent("claude").await;
    let ledger = Ledger::new();
    let mut client = Wrap::around(ledger.server()).named("repos").with_hub(&hub, &token).start();
    client.initialize().await;
    approver.knows_tool("repos", "list_repos").await;
    let id = client.call("list_repos", json!({})).await;
    client.answer(id).await;

    approver.set_policy("repos", json!({ "require_all": true })).await;
    // The push is on its way while the first calls may still pass; one of them is held.
    let pending = eventually("a held call", || {
        let approver = approver.clone();
        async move { approver.queue().await.pop() }
    });
    let calls = async {
        loop {
            let id = client.call("list_repos", json!({})).await;
            if client.next().await["id"] != id {
                return id;
            }
        }
    };
    let (id, pending) = tokio::join!(calls, pending);
    approver.approve(&pending).await;
    assert!(client.answer(id).await["result"]["content"].is_array());
}

#[tokio::test]
async fn agent_on_the_bypass_list_is_not_asked_about() {
    let hub = Hub::start().await;
    let approver = hub.sign_in().await;
    let token = hub.add_agent("ci").await;
    let ledger = Ledger::new();
    let wrap = || Wrap::around(ledger.server()).named("repos").with_hub(&hub, &token);
    introduce(wrap(), &approver, "repos", "delete_repo").await;
    let agents = approver.get("/agents").await;
    let client_id =
        agents["items"].as_array().unwrap().iter().find(|agent| agent["name"] == "ci").unwrap()["client_id"].clone();
    approver.set_policy("repos", json!({ "bypass": [client_id], "require_all": true })).await;

    let mut client = wrap().start();
    client.initialize().await;
    let id = client.call("delete_repo", json!({ "repo": "a" })).await;
    assert!(client.answer(id).await["result"]["isError"].is_null());
    assert_eq!(ledger.runs_of("delete_repo"), 1);
}

#[tokio::test]
async fn what_the_agent_holds_cannot_approve() {
    let hub = Hub::start().await;
    let approver = hub.sign_in().await;
    let token = hub.add_agent("claude").await;
    let ledger = Ledger::new();
    let mut client = Wrap::around(ledger.server()).named("repos").with_hub(&hub, &token).start();
    client.initialize().await;
    client.call("delete_repo", json!({ "repo": "a" })).await;
    let pending = approver.the_pending_approval().await;

    let id = pending["id"].as_str().unwrap();
    let http = browser();
    for path in [format!("/approvals/{id}/approve"), "/approvals/batch".to_owned()] {
        let body = json!({ "ids": [id], "action": "approve" });
        let request = http.post(format!("{}/api/v1{path}", hub.url)).bearer_auth(&token).json(&body);
        assert_eq!(request.send().await.unwrap().status(), 403, "{path}");
    }
    assert_eq!(
        http.get(format!("{}/api/v1/approvals", hub.url)).bearer_auth(&token).send().await.unwrap().status(),
        403
    );
    assert_eq!(approver.approval(id).await["status"], "pending");
    assert_eq!(ledger.runs_of("delete_repo"), 0);
}
