//! Real clients with everything passing: what goes into the shim comes out of it, and the client sees no difference.
//!
//! A recorder stands on either side of the shim, so the bytes of one run are compared with themselves.

use std::path::Path;
use std::process::Stdio;

use rmcp::ServiceExt as _;
use rmcp::transport::TokioChildProcess;
use serde_json::json;
use tokio::process::Command;

use crate::support::{Hub, PATIENCE, Wrap, everything, inspector, node22, python, test_file};

/// What a client left behind.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    stdout: String,
    stderr: String,
    code: Option<i32>,
}

fn recorder(name: &Path) -> Vec<String> {
    vec![python(), "-I".into(), test_file("servers/tee.py"), name.display().to_string()]
}

fn recorded(name: &Path, way: &str) -> String {
    String::from_utf8_lossy(&std::fs::read(name.with_extension(way)).unwrap_or_default()).into_owned()
}

/// A client that is given the server's command line and variables.
type Client = fn(&[String], &[(String, String)], &Path) -> Command;

async fn run(client: Client, line: &[String], env: &[(String, String)], dir: &Path) -> Seen {
    let mut command = client(line, env, dir);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await.expect("the client ends").unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Seen { stdout: text(output.stdout), stderr: text(output.stderr), code: output.status.code() }
}

/// A hub that knows the tools already: of the very first call the policy is asked for.
async fn acquainted() -> (Hub, String) {
    let hub = Hub::start().await;
    let (approver, token) = (hub.sign_in().await, hub.add_agent("claude").await);
    let mut client = Wrap::around(everything()).named("everything").with_hub(&hub, &token).start();
    client.initialize().await;
    approver.knows_tool("everything", "echo").await;
    client.end().await;
    (hub, token)
}

/// `runs` is how often the client starts the server: only the last run is sure to be recorded to its end.
async fn sees_no_difference(name: &str, client: Client, runs: usize) {
    let (hub, token) = acquainted().await;
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let direct_line = [recorder(&at("direct")), everything()].concat();
    let direct = run(client, &direct_line, &[], dir.path()).await;

    let wrap = Wrap::around([recorder(&at("inner")), everything()].concat()).named("everything").with_hub(&hub, &token);
    let line = [recorder(&at("outer")), wrap.command_line()].concat();
    let wrapped = run(client, &line, &wrap.variables(), dir.path()).await;

    assert_eq!(direct.code, Some(0), "{name}: {direct:?}");
    assert!(direct.stdout.contains("Echo: hello"), "{name}: {direct:?}");
    assert_eq!(wrapped, direct, "{name}");
    if runs == 1 {
        for way in ["in", "out"] {
            assert!(recorded(&at("outer"), way).contains("hello"), "{name}: {way}");
            assert_eq!(recorded(&at("outer"), way), recorded(&at("inner"), way), "{name}: {way}");
        }
    }
}

fn spec(line: &[String], env: &[(String, String)], more: serde_json::Value) -> String {
    let mut variables: serde_json::Map<_, _> = env.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    variables.insert("PATH".to_owned(), json!(std::env::var("PATH").unwrap()));
    let mut spec = more;
    spec["command"] = json!(line);
    spec["env"] = variables.into();
    spec["calls"] = json!([{ "tool": "echo", "arguments": { "message": "hello" } }]);
    spec.to_string()
}

fn script(program: &str, script: &str, spec: String) -> Command {
    let mut command = Command::new(program);
    command.arg(test_file(script)).arg(spec);
    command
}

#[tokio::test]
async fn python_v1_sees_no_difference() {
    let client: Client = |line, env, _| {
        script(&test_file(".cache/venv-v1/bin/python"), "clients/python_client.py", spec(line, env, json!({})))
    };
    sees_no_difference("Python v1", client, 1).await;
}

#[tokio::test]
async fn python_v2_session_sees_no_difference() {
    let client: Client = |line, env, _| script(&python(), "clients/python_client.py", spec(line, env, json!({})));
    sees_no_difference("Python v2, session", client, 1).await;
}

#[tokio::test]
async fn python_v2_client_sees_no_difference() {
    let client: Client =
        |line, env, _| script(&python(), "clients/python_client.py", spec(line, env, json!({ "api": "client" })));
    sees_no_difference("Python v2, client", client, 1).await;
}

#[tokio::test]
async fn fastmcp_sees_no_difference() {
    let client: Client = |line, env, _| script(&python(), "clients/fastmcp_client.py", spec(line, env, json!({})));
    sees_no_difference("fastmcp", client, 1).await;
}

#[tokio::test]
async fn typescript_v1_sees_no_difference() {
    let client: Client =
        |line, env, _| script("node", "clients/typescript_client.mjs", spec(line, env, json!({ "sdk": "v1" })));
    sees_no_difference("TypeScript v1", client, 1).await;
}

#[tokio::test]
async fn typescript_v2_sees_no_difference() {
    let client: Client =
        |line, env, _| script(&node22(), "clients/typescript_client.mjs", spec(line, env, json!({ "sdk": "v2" })));
    // It starts the server twice and ends the first by a signal.
    sees_no_difference("TypeScript v2", client, 2).await;
}

#[tokio::test]
async fn inspector_sees_no_difference() {
    let client: Client = |line, env, dir| {
        let config = dir.join("inspector.json");
        let env: serde_json::Map<_, _> = env.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
        let server = json!({ "command": line[0], "args": line[1..], "env": env });
        std::fs::write(&config, json!({ "mcpServers": { "everything": server } }).to_string()).unwrap();
        let mut command = Command::new(node22());
        command.arg(inspector()).arg("--cli").arg("--config").arg(config).args(["--server", "everything"]);
        command.args(["--method", "tools/call", "--tool-name", "echo", "--tool-arg", "message=hello"]);
        command
    };
    sees_no_difference("Inspector", client, 1).await;
}

#[tokio::test]
async fn rmcp_sees_no_difference() {
    let (hub, token) = acquainted().await;
    let dir = tempfile::tempdir().unwrap();
    let (inner, outer) = (dir.path().join("inner"), dir.path().join("outer"));
    let wrap = Wrap::around([recorder(&inner), everything()].concat()).named("everything").with_hub(&hub, &token);
    let line = [recorder(&outer), wrap.command_line()].concat();
    let mut command = Command::new(&line[0]);
    command.args(&line[1..]).envs(wrap.variables());
    let client = ().serve(TokioChildProcess::new(command).unwrap()).await.unwrap();
    client.list_all_tools().await.unwrap();
    let arguments = json!({ "message": "hello" }).as_object().cloned().unwrap();
    let call = rmcp::model::CallToolRequestParams::new("echo").with_arguments(arguments);
    let result = client.peer().call_tool(call).await.unwrap();
    assert!(serde_json::to_string(&result).unwrap().contains("Echo: hello"));
    client.cancel().await.unwrap();
    for way in ["in", "out"] {
        assert!(recorded(&outer, way).contains("hello"), "{way}");
        assert_eq!(recorded(&outer, way), recorded(&inner, way), "{way}");
    }
}
