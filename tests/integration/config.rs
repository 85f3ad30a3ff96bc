//! Settings: mistakes are named, and the example is complete.

use std::path::Path;
use std::process::Stdio;

use crate::support::{Client, Hub, Ledger, Wrap, binary};

#[tokio::test]
async fn unknown_key_is_an_error_of_both_programs_that_names_file_line_and_key() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("config.toml");
    std::fs::write(&config, "log_format = \"text\"\nhubb = \"http://127.0.0.1:1\"\n").unwrap();
    let config = config.to_str().unwrap();
    let runs = [
        ("hitl-wrap", vec!["--config", config, "--", "true"]),
        ("hitl-hub", vec!["serve", "--listen", "127.0.0.1:0", "--config", config]),
        ("hitl-hub", vec!["config", "check", "--config", config]),
    ];
    for (program, args) in runs {
        let mut command = tokio::process::Command::new(binary(program));
        command.args(&args).env("HOME", dir.path()).env("HITL_DATA_DIR", dir.path()).stdin(Stdio::null());
        let output =
            tokio::time::timeout(crate::support::PATIENCE, command.output()).await.expect("it gives up").unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{program} {args:?}");
        for part in [format!("{program}: "), config.to_owned(), "line 2".to_owned(), "hubb".to_owned()] {
            assert!(stderr.contains(&part), "{program} {args:?}: {part:?} is missing in {stderr}");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_at_once_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("config.toml");
    std::fs::write(&config, "hold_for = \"soon\"\n").unwrap();
    let config = config.to_str().unwrap();
    let runs = [
        ("hitl-wrap", vec!["--server", "..", "--", "true"], "1 to 128 visible characters"),
        ("hitl-wrap", vec!["--config", config, "--", "true"], "line 1, column "),
        ("hitl-hub", vec!["config", "check", "--config", config], "not \"soon\""),
    ];
    for (program, args, what) in runs {
        let mut command = tokio::process::Command::new(binary(program));
        command.args(&args).env("HOME", dir.path()).env("HITL_DATA_DIR", dir.path()).stdin(Stdio::null());
        let output =
            tokio::time::timeout(crate::support::PATIENCE, command.output()).await.expect("it gives up").unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(what) && stderr.trim_end().lines().count() == 1, "{program} {args:?}: {stderr}");
        assert_ne!(output.status.code(), Some(0), "{program} {args:?}");
        assert!(program != "hitl-wrap" || output.status.code() == Some(2), "{program} {args:?}: {}", output.status);
    }
}

#[tokio::test]
async fn settings_come_from_the_file_when_nothing_else_says_them() {
    let hub = Hub::start().await;
    let approver = hub.sign_in().await;
    let token = hub.add_agent("claude").await;
    let ledger = Ledger::new();
    let wrap = Wrap::around(ledger.server()).named("repos");
    let token_file = wrap.home().join("token");
    std::fs::write(&token_file, format!("{token}\n")).unwrap();
    restrict(&token_file);
    let config = wrap.home().join("config.toml");
    std::fs::write(&config, format!("hub = {:?}\nagent_token_file = {token_file:?}\n", hub.url)).unwrap();
    let mut client: Client = wrap.arg("--config").arg(config.to_str().unwrap()).start();
    client.initialize().await;
    client.call("delete_repo", serde_json::json!({})).await;
    approver.the_pending_approval().await;
}

#[cfg(unix)]
fn restrict(file: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn example_config_parses_and_names_every_key() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let example = root.join("config.example.toml");
    hitl::config::file::File::load(&example, true).unwrap();

    // Every key stands in it, commented out or not, and parses when the comment sign is taken away.
    let text = std::fs::read_to_string(&example).unwrap();
    let lines = text.lines().map(|line| line.strip_prefix("# ").filter(|rest| is_setting(rest)).unwrap_or(line));
    let open = lines.collect::<Vec<_>>().join("\n");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    std::fs::write(&path, &open).unwrap();
    let parsed = hitl::config::file::File::load(&path, true).unwrap();
    let empty = |field: &&str| field.contains(": None") || field.contains(": {}");
    let parsed = format!("{parsed:?}");
    let missing: Vec<_> = parsed.split(", ").filter(empty).collect();
    assert!(missing.is_empty(), "config.example.toml does not name {missing:?}");
}

/// `key = value`, as opposed to a sentence.
fn is_setting(text: &str) -> bool {
    text.split_once(" = ").is_some_and(|(key, _)| key.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
}
