//! `hitl-wrap install`, `uninstall`, `status` and `doctor` on a machine with clients, in a home of the test's own.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Hub, Ledger, Wrap, binary, eventually, is_alive, test_file, text_of};

struct Machine {
    home: TempDir,
}

impl Machine {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("project")).unwrap();
        Self { home }
    }

    fn file(&self, path: &str, text: &str) -> PathBuf {
        let path = self.home.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    fn run(&self, args: &[&str]) -> Output {
        self.run_with(args, &[])
    }

    fn run_with(&self, args: &[&str], env: &[(&str, &str)]) -> Output {
        let mut command = std::process::Command::new(binary("hitl-wrap"));
        command.args(args).env_clear().env("HOME", self.home.path()).env("PATH", std::env::var("PATH").unwrap());
        command.envs(env.iter().copied()).current_dir(self.home.path().join("project"));
        command.stdin(std::process::Stdio::null()).output().unwrap()
    }

    /// What `doctor` finds, by kind.
    fn findings(&self, args: &[&str]) -> Vec<Value> {
        let output = self.run(&[&["doctor", "--json"], args].concat());
        let found: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        let wrong = found.iter().any(|finding| finding["is_wrong"] == json!(true));
        assert_eq!(output.status.code(), Some(i32::from(wrong)), "{found:?}");
        found
    }

    fn finds(&self, kind: &str) -> bool {
        self.findings(&[]).iter().any(|finding| finding["kind"] == kind)
    }
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn entry(command: &[String]) -> String {
    json!({ "command": command[0], "args": command[1..] }).to_string()
}

#[tokio::test]
async fn the_next_call_of_an_installed_server_is_gated_and_uninstall_leaves_the_files_as_they_were() {
    let (machine, ledger, hub) = (Machine::new(), Ledger::new(), Hub::start().await);
    let cursor = format!("{{\n\t\"mcpServers\": {{ \"repos\": {} }}\n}}\n", entry(&ledger.server()));
    let codex = "model = \"x\" # mine\n\n[mcp_servers.files]\ncommand = \"npx\"\nargs = [\"-y\", \"fs\"]\n";
    let files = [machine.file(".cursor/mcp.json", &cursor), machine.file(".codex/config.toml", codex)];

    let preview = machine.run(&["install", "--dry-run"]);
    assert!(preview.status.success() && text(&preview).contains("+ "), "{}", text(&preview));
    assert_eq!(std::fs::read_to_string(&files[0]).unwrap(), cursor);
    assert_eq!(machine.run(&["install"]).status.code(), Some(2), "nobody can be asked");
    assert_eq!(machine.run(&["status"]).status.code(), Some(3));
    let installed = machine.run(&["install", "--yes"]);
    assert!(installed.status.success() && text(&installed).contains("Codex"), "{}", text(&installed));
    assert_eq!(machine.run(&["status"]).status.code(), Some(0), "{}", text(&machine.run(&["status"])));

    // As the client starts it.
    let config: Value = serde_json::from_str(&std::fs::read_to_string(&files[0]).unwrap()).unwrap();
    let words: Vec<String> = serde_json::from_value(config["mcpServers"]["repos"]["args"].clone()).unwrap();
    assert_eq!(config["mcpServers"]["repos"]["command"], binary("hitl-wrap").display().to_string());
    let (options, server) = words.split_at(words.iter().position(|word| word == "--").unwrap());
    let (approver, token) = (hub.sign_in().await, hub.add_agent("cursor").await);
    let wrap = options.iter().fold(Wrap::around(server[1..].to_vec()), |wrap, word| wrap.arg(word));
    let mut client = wrap.with_hub(&hub, &token).start();
    client.initialize().await;
    let id = client.call("delete_repo", json!({ "repo": "a" })).await;
    let pending = approver.the_pending_approval().await;
    assert_eq!(pending["server"], "repos");
    approver.approve(&pending).await;
    assert!(text_of(&client.answer(id).await).contains("delete_repo done"));

    let gone = machine.run(&["uninstall", "--yes"]);
    assert!(gone.status.success() && text(&gone).contains("cargo uninstall"), "{}", text(&gone));
    assert_eq!(std::fs::read_to_string(&files[0]).unwrap(), cursor);
    assert_eq!(std::fs::read_to_string(&files[1]).unwrap(), codex);
    assert!(text(&machine.run(&["uninstall", "--yes"])).contains("nothing to do"));
    assert!(!machine.home.path().join(".local/state/hitl/installs").exists());
}

#[test]
fn an_unknown_client_and_a_missing_file_are_told_of() {
    let machine = Machine::new();
    let unknown = machine.run(&["install", "--client", "cursr", "--yes"]);
    assert!(unknown.status.code() == Some(2) && text(&unknown).contains("cursor"), "{}", text(&unknown));
    let missing = machine.run(&["install", "--config", "nowhere.json", "--yes"]);
    assert!(missing.status.code() == Some(2) && text(&missing).contains("nowhere.json"), "{}", text(&missing));
    let none = machine.run(&["install", "--yes"]);
    assert!(none.status.success() && text(&none).contains("no client"), "{}", text(&none));
}

#[test]
fn a_file_that_cannot_be_changed_is_an_exit_code_of_1_and_the_others_are_changed() {
    let machine = Machine::new();
    machine.file(".cursor/mcp.json", "{\"mcpServers\": {");
    let good = machine.file(".warp/.mcp.json", "{\"mcpServers\":{\"a\":{\"command\":\"sh\"}}}");
    let output = machine.run(&["install", "--yes"]);
    assert!(output.status.code() == Some(1) && text(&output).contains("not valid JSON"), "{}", text(&output));
    assert!(std::fs::read_to_string(good).unwrap().contains("hitl-wrap"));
}

#[test]
fn yaml_is_told_and_never_edited() {
    let machine = Machine::new();
    let yaml = "extensions:\n  git:\n    cmd: uvx\n    args: [mcp-server-git]\n";
    let path = machine.file(".config/goose/config.yaml", yaml);
    let output = machine.run(&["install", "--yes"]);
    assert!(output.status.success() && text(&output).contains("cmd: /"), "{}", text(&output));
    assert_eq!(std::fs::read_to_string(path).unwrap(), yaml);
}

#[test]
fn doctor_finds_nothing_wrong_on_a_machine_in_order() {
    let machine = Machine::new();
    machine.file(".cursor/mcp.json", "{\"mcpServers\":{\"a\":{\"command\":\"sh\",\"args\":[]}}}");
    assert!(machine.run(&["install", "--yes"]).status.success());
    let wrong: Vec<_> =
        machine.findings(&[]).into_iter().filter(|finding| finding["is_wrong"] == json!(true)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// A fault is planted on a machine that is otherwise in order.
fn planted(plant: impl FnOnce(&Machine), kind: &str) {
    let machine = Machine::new();
    machine.file(".warp/.mcp.json", "{\"mcpServers\":{\"fine\":{\"command\":\"sh\"}}}");
    assert!(machine.run(&["install", "--yes"]).status.success());
    assert!(!machine.finds(kind), "{kind} before");
    plant(&machine);
    let found = machine.findings(&[]);
    let finding = found.iter().find(|finding| finding["kind"] == kind);
    assert!(finding.is_some_and(|finding| !finding["text"].as_str().unwrap().is_empty()), "{kind}: {found:?}");
}

fn cursor(entry: &str) -> impl FnOnce(&Machine) {
    let text = format!("{{\"mcpServers\":{{\"x\":{entry}}}}}");
    move |machine: &Machine| {
        machine.file(".cursor/mcp.json", &text);
    }
}

fn gated(more: &str) -> String {
    let shim = binary("hitl-wrap").display().to_string();
    format!("{{\"command\":{},\"args\":[\"--server\",\"x\",\"--\",\"sh\"]{more}}}", json!(shim))
}

#[test]
fn doctor_finds_a_server_that_is_not_gated() {
    planted(cursor("{\"command\":\"sh\"}"), "not_gated");
}

#[test]
fn doctor_finds_a_file_that_cannot_be_read() {
    planted(|machine| drop(machine.file(".cursor/mcp.json", "{")), "unreadable");
}

#[test]
fn doctor_finds_a_server_that_stands_twice() {
    let twice = "{\"mcpServers\":{\"a\":{\"command\":\"x\"},\"a\":{\"command\":\"y\"}}}";
    planted(|machine| drop(machine.file(".cursor/mcp.json", twice)), "twice");
}

#[test]
fn doctor_finds_a_link_that_leads_nowhere() {
    let plant = |machine: &Machine| {
        std::fs::create_dir(machine.home.path().join(".cursor")).unwrap();
        std::os::unix::fs::symlink("nowhere", machine.home.path().join(".cursor/mcp.json")).unwrap();
    };
    planted(plant, "dangling_link");
}

#[test]
fn doctor_finds_a_remote_server() {
    planted(cursor("{\"url\":\"https://x.example\"}"), "remote");
}

#[test]
fn doctor_finds_a_shim_that_is_gone() {
    planted(cursor("{\"command\":\"/gone/hitl-wrap\",\"args\":[\"--server\",\"x\",\"--\",\"sh\"]}"), "stale_shim");
}

#[test]
fn doctor_finds_another_shim() {
    let plant = |machine: &Machine| {
        let other = machine.file("old/hitl-wrap", "#!/bin/sh\n");
        std::fs::set_permissions(&other, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        cursor(&format!("{{\"command\":{},\"args\":[\"--server\",\"x\",\"--\",\"sh\"]}}", json!(other)))(machine);
    };
    planted(plant, "other_shim");
}

#[test]
fn doctor_finds_a_program_that_is_missing() {
    planted(cursor("{\"command\":\"no-such-program\"}"), "program_missing");
}

#[test]
fn doctor_finds_a_program_that_the_desktop_does_not_see() {
    let machine = Machine::new();
    let own = machine.file("own/my-server", "#!/bin/sh\n");
    std::fs::set_permissions(&own, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    cursor("{\"command\":\"my-server\"}")(&machine);
    let path = format!("{}:/usr/bin:/bin", own.parent().unwrap().display());
    let output = machine.run_with(&["doctor", "--json"], &[("PATH", &path)]);
    assert!(text(&output).contains("\"desktop_path\""), "{}", text(&output));
}

#[test]
fn doctor_finds_what_a_client_wiped() {
    let plant =
        |machine: &Machine| drop(machine.file(".warp/.mcp.json", "{\"mcpServers\":{\"fine\":{\"command\":\"sh\"}}}"));
    planted(plant, "wiped");
}

#[test]
fn doctor_finds_an_entry_and_a_file_that_are_gone() {
    planted(|machine| drop(machine.file(".warp/.mcp.json", "{\"mcpServers\":{}}")), "entry_gone");
    planted(|machine| std::fs::remove_file(machine.home.path().join(".warp/.mcp.json")).unwrap(), "file_gone");
}

#[test]
fn doctor_finds_an_entry_that_shadows_a_gated_one() {
    let plant = |machine: &Machine| {
        machine.file(".cursor/mcp.json", &format!("{{\"mcpServers\":{{\"x\":{}}}}}", gated("")));
        machine.file("project/.cursor/mcp.json", "{\"mcpServers\":{\"x\":{\"command\":\"sh\"}}}");
    };
    planted(plant, "shadowed");
}

#[test]
fn doctor_finds_a_client_that_asks_nobody() {
    planted(cursor(&gated(",\"autoApprove\":[\"delete\"]")), "client_approves");
    planted(cursor(&gated(",\"trust\":true")), "client_approves");
}

#[test]
fn doctor_finds_a_limit_that_is_too_short() {
    let text = format!("{{\"mcpServers\":{{\"x\":{}}}}}", gated(",\"timeout\":60000"));
    planted(|machine| drop(machine.file(".gemini/settings.json", &text)), "short_limit");
}

#[test]
fn doctor_finds_variables_in_the_wrong_place() {
    planted(cursor(&gated(",\"env\":{\"HITL_AGENT_TOKEN\":\"hitl_a_x\"}")), "token_in_file");
    planted(cursor(&gated(",\"env\":{\"HITL_HUBB\":\"x\"}")), "unknown_variable");
    planted(cursor(&gated(",\"env\":{\"KEY\":\"${NOT_SET_ANYWHERE}\"}")), "unset_variable");
}

#[test]
fn doctor_finds_a_shim_without_a_name_and_two_under_one() {
    let shim = json!(binary("hitl-wrap"));
    planted(cursor(&format!("{{\"command\":{shim},\"args\":[\"npx\",\"a\"]}}")), "unnamed");
    let other =
        format!("{{\"mcpServers\":{{\"x\":{{\"command\":{shim},\"args\":[\"--server\",\"x\",\"--\",\"cat\"]}}}}}}");
    let plant = |machine: &Machine| {
        cursor(&gated(""))(machine);
        machine.file(".junie/mcp/mcp.json", &other);
    };
    planted(plant, "same_name");
}

#[test]
fn doctor_finds_a_path_of_one_person_in_a_project() {
    let text = format!("{{\"mcpServers\":{{\"x\":{}}}}}", gated(""));
    planted(|machine| drop(machine.file("project/.mcp.json", &text)), "path_in_project");
}

#[test]
fn doctor_finds_settings_that_cannot_be_used() {
    let config = ".config/hitl/config.toml";
    planted(|machine| drop(machine.file(config, "hubb = 1\n")), "config");
    planted(|machine| drop(machine.file(config, "hub = \"http://127.0.0.1:1\"\n")), "token_missing");
    let with_token = |mode: u32| {
        move |machine: &Machine| {
            let token = machine.file("token", "hitl_a_x\n");
            std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
            machine.file(config, &format!("hub = \"http://127.0.0.1:1\"\nagent_token_file = {}\n", json!(token)));
        }
    };
    planted(with_token(0o644), "token_readable");
    planted(with_token(0o600), "hub_unreachable");
    let plain = |machine: &Machine| {
        with_token(0o600)(machine);
        let token = machine.home.path().join("token");
        machine.file(config, &format!("hub = \"http://192.0.2.1:1\"\nagent_token_file = {}\n", json!(token)));
    };
    planted(plain, "plain_text");
}

/// The shim's settings name this hub, and this token.
fn uses(machine: &Machine, hub: &Hub, token: &str) {
    let file = machine.file("token", token);
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let text = format!("hub = {}\nagent_token_file = {}\n", json!(hub.url), json!(file));
    machine.file(".config/hitl/config.toml", &text);
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_asks_the_hub_as_the_shim_does() {
    let (machine, hub) = (Machine::new(), Hub::start().await);
    uses(&machine, &hub, &hub.add_agent("claude").await);
    let about_hub = |machine: &Machine| -> Vec<Value> {
        machine.findings(&[]).into_iter().filter(|finding| finding["about"] == json!(hub.url)).collect()
    };
    assert_eq!(about_hub(&machine), Vec::<Value>::new());
    hub.run(&["agent", "revoke", "claude"]).await;
    let found = about_hub(&machine);
    assert!(found.len() == 1 && found[0]["kind"] == "token_refused", "{found:?}");
    assert!(found[0]["text"].as_str().unwrap().contains("revoked"), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_finds_a_certificate_that_nobody_vouches_for() {
    let (certificate, key) = (test_file("tls/hub.pem"), test_file("tls/hub.key"));
    let tls = [("HITL_TLS_CERT", certificate.as_str()), ("HITL_TLS_KEY", key.as_str())];
    let (machine, hub) = (Machine::new(), Hub::start_with(&tls).await);
    uses(&machine, &hub, "hitl_a_x\n");
    let found = machine.findings(&[]);
    let finding = found.iter().find(|finding| finding["kind"] == "certificate");
    assert!(finding.is_some_and(|finding| finding["text"].to_string().contains("authority")), "{found:?}");
}

#[test]
fn doctor_finds_settings_that_clients_do_not_hand_on() {
    let output = Machine::new().run_with(&["doctor", "--json"], &[("HITL_HOLD_FOR", "30")]);
    let found: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let of_it = |finding: &&Value| finding["kind"] == "stripped_variable" && finding["about"] == "HITL_HOLD_FOR";
    assert_eq!(found.iter().filter(of_it).count(), 1, "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn status_tells_what_the_hub_alone_knows_and_uninstall_ends_that_hub() {
    let (machine, ledger) = (Machine::new(), Ledger::new());
    let data = machine.home.path().join(".local/share/hitl");
    let wrap = Wrap::around(ledger.server()).named("by-hand").env("HITL_DATA_DIR", data.to_str().unwrap());
    let mut client = wrap.start();
    client.initialize().await;
    client.list_tools().await;
    let known = || async { text(&machine.run(&["status"])).contains("hub only   by-hand").then_some(()) };
    eventually("the server that only the hub knows", known).await;
    client.close();
    client.wait().await;

    machine.file(".cursor/mcp.json", "{\"mcpServers\":{\"a\":{\"command\":\"sh\"}}}");
    assert!(machine.run(&["install", "--yes"]).status.success());
    let process: u32 = std::fs::read_to_string(data.join("hub.lock")).unwrap().parse().unwrap();
    let gone = machine.run(&["uninstall", "--yes"]);
    assert!(gone.status.success() && text(&gone).contains("has ended"), "{}", text(&gone));
    assert!(text(&gone).contains("~/.local/share/hitl; remove"), "{}", text(&gone));
    eventually("its end", || async { (!is_alive(process)).then_some(()) }).await;
    assert!(text(&machine.run(&["uninstall", "--yes"])).contains("nothing to do"));
}

#[test]
fn doctor_finds_a_journal_that_cannot_be_read() {
    planted(|machine| drop(machine.file(".local/state/hitl/installs/installs.json", "{")), "journal");
}

#[test]
fn doctor_finds_a_data_dir_that_others_may_enter() {
    let plant = |machine: &Machine| {
        let data = machine.home.path().join(".local/share/hitl");
        std::fs::create_dir_all(&data).unwrap();
        std::fs::set_permissions(&data, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    };
    planted(plant, "data_mode");
}

#[test]
fn doctor_starts_servers_as_their_clients_would_and_says_what_waits() {
    let (machine, ledger) = (Machine::new(), Ledger::new());
    let broken = "{\"command\":\"sh\",\"args\":[\"-c\",\"echo no key >&2; exit 3\"]}";
    machine.file(
        ".cursor/mcp.json",
        &format!("{{\"mcpServers\":{{\"repos\":{},\"broken\":{broken}}}}}", entry(&ledger.server())),
    );
    let found = machine.findings(&["--start-servers"]);
    let of =
        |kind: &str| found.iter().find(|finding| finding["kind"] == kind).map(|finding| finding["text"].to_string());
    assert!(of("tools").is_some_and(|text| text.contains("delete_repo")), "{found:?}");
    assert!(of("does_not_start").is_some_and(|text| text.contains("no key")), "{found:?}");
}

/// The state directory that this machine uses; so that a test which looks elsewhere fails.
#[test]
fn what_was_changed_is_kept_in_the_state_directory() {
    let machine = Machine::new();
    machine.file(".warp/.mcp.json", "{\"mcpServers\":{\"fine\":{\"command\":\"sh\"}}}");
    machine.run(&["install", "--yes"]);
    assert!(Path::new(&machine.home.path().join(".local/state/hitl/installs/installs.json")).exists());
}
