//! Real clients with everything passing: what goes into the shim comes out of it, and the client sees no difference.
//!
//! A recorder stands on either side of the shim, so the bytes of one run are compared with themselves.

use std::path::Path;
use std::process::Stdio;

use rmcp::ServiceExt as _;
use rmcp::transport::TokioChildProcess;
use serde_json::json;
use tokio::io::AsyncReadExt as _;
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

/// What passed in the session that called a tool: a client may start its server more than once.
fn recorded(name: &Path, way: &str) -> String {
    let prefix = format!("{}-", name.file_name().unwrap().display());
    let records = std::fs::read_dir(name.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let ours = |path: &Path| path.file_name().unwrap().to_string_lossy().starts_with(&prefix);
    let read = |path: &Path| String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned();
    let inputs = records.filter(|path| ours(path) && path.extension().is_some_and(|way| way == "in"));
    let session = inputs.filter(|path| read(path).contains("tools/call")).collect::<Vec<_>>();
    assert_eq!(session.len(), 1, "{}: one session calls a tool", name.display());
    read(&session[0].with_extension(way))
}

/// What one side asked or answered of its own accord: where that stands among its answers to the other side, and
/// whether a session lasts until those are there, is a matter of time.
fn own(record: &str, way: &str) -> Vec<String> {
    let mut lines: Vec<String> =
        record.lines().filter(|line| line.contains(r#""method":"#) == (way == "in")).map(str::to_owned).collect();
    lines.sort();
    lines
}

/// The client and the server of both sessions, without and with the shim, saw the same.
fn records_are_the_same(dir: &Path, name: &str) {
    for way in ["in", "out"] {
        let [direct, outer, inner] = ["direct", "outer", "inner"].map(|at| recorded(&dir.join(at), way));
        assert!(outer.contains("hello"), "{name}: {way}");
        assert_eq!(outer, inner, "{name}: {way}");
        assert_eq!(own(&inner, way), own(&direct, way), "{name}: {way}, direct");
    }
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

async fn sees_no_difference(name: &str, client: Client) {
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
    records_are_the_same(dir.path(), name);
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
    sees_no_difference("Python v1", client).await;
}

#[tokio::test]
async fn python_v2_session_sees_no_difference() {
    let client: Client = |line, env, _| script(&python(), "clients/python_client.py", spec(line, env, json!({})));
    sees_no_difference("Python v2, session", client).await;
}

#[tokio::test]
async fn python_v2_client_sees_no_difference() {
    let client: Client =
        |line, env, _| script(&python(), "clients/python_client.py", spec(line, env, json!({ "api": "client" })));
    sees_no_difference("Python v2, client", client).await;
}

#[tokio::test]
async fn fastmcp_sees_no_difference() {
    let client: Client = |line, env, _| script(&python(), "clients/fastmcp_client.py", spec(line, env, json!({})));
    sees_no_difference("fastmcp", client).await;
}

#[tokio::test]
async fn typescript_v1_sees_no_difference() {
    let client: Client =
        |line, env, _| script("node", "clients/typescript_client.mjs", spec(line, env, json!({ "sdk": "v1" })));
    sees_no_difference("TypeScript v1", client).await;
}

#[tokio::test]
async fn typescript_v2_sees_no_difference() {
    let client: Client =
        |line, env, _| script(&node22(), "clients/typescript_client.mjs", spec(line, env, json!({ "sdk": "v2" })));
    sees_no_difference("TypeScript v2", client).await;
}

#[tokio::test]
async fn inspector_sees_no_difference() {
    let client: Client = |line, env, dir| {
        let config = dir.join("inspector.json");
        let env: serde_json::Map<_, _> = env.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
        let server = json!({ "command": line[0], "args": line[1..], "env": env });
        std::fs::write(&config, json!({ "mcpServers": { "everything": server } }).to_string()).unwrap();
        let mut command = Command::new(node22());
        command.arg(inspector()).arg("--cli").arg("--config").arg(config).args([
            "--server",
            "everything",
            "--connect-timeout",
            "0",
        ]);
        command.args(["--method", "tools/call", "--tool-name", "echo", "--tool-arg", "message=hello"]);
        command
    };
    sees_no_difference("Inspector", client).await;
}

/// A session of rmcp with this server; returns what came on stderr.
async fn rmcp_session(line: &[String], env: Vec<(String, String)>) -> Vec<u8> {
    let mut command = Command::new(&line[0]);
    command.args(&line[1..]).envs(env);
    let (process, stderr) = TokioChildProcess::builder(command).stderr(Stdio::piped()).spawn().unwrap();
    let client = ().serve(process).await.unwrap();
    client.list_all_tools().await.unwrap();
    let arguments = json!({ "message": "hello" }).as_object().cloned().unwrap();
    let call = rmcp::model::CallToolRequestParams::new("echo").with_arguments(arguments);
    let result = client.peer().call_tool(call).await.unwrap();
    assert!(serde_json::to_string(&result).unwrap().contains("Echo: hello"));
    client.cancel().await.unwrap();
    let mut bytes = Vec::new();
    stderr.unwrap().read_to_end(&mut bytes).await.unwrap();
    bytes
}

/// Its library starts the server and keeps the exit code to itself; `process.rs` compares those.
#[tokio::test]
async fn rmcp_sees_no_difference() {
    let (hub, token) = acquainted().await;
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let direct = rmcp_session(&[recorder(&at("direct")), everything()].concat(), Vec::new()).await;
    let wrap = Wrap::around([recorder(&at("inner")), everything()].concat()).named("everything").with_hub(&hub, &token);
    let line = [recorder(&at("outer")), wrap.command_line()].concat();
    let wrapped = rmcp_session(&line, wrap.variables()).await;
    assert_eq!(String::from_utf8_lossy(&wrapped), String::from_utf8_lossy(&direct));
    records_are_the_same(dir.path(), "rmcp");
}
