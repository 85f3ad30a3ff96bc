//! What a published crate holds: without the page or the migrations, `cargo install` builds a hub that cannot work.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

#[test]
fn published_crate_holds_what_the_programs_need() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(env!("CARGO"));
    command.args(["package", "--list", "--allow-dirty", "--offline"]).current_dir(root);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let listed = String::from_utf8(output.stdout).unwrap();
    let listed: BTreeSet<&str> = listed.lines().collect();

    let mut needed: Vec<String> =
        ["README.md", "LICENSE-MIT", "LICENSE-APACHE", "config.example.toml", "Cargo.lock"].map(String::from).to_vec();
    for dir in ["src", "migrations"] {
        files_under(root, &root.join(dir), &mut needed);
    }
    let missing: Vec<_> = needed.iter().filter(|file| !listed.contains(file.as_str())).collect();
    assert!(missing.is_empty(), "not in the crate: {missing:#?}");
}

fn files_under(root: &Path, dir: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_under(root, &path, found);
        } else {
            found.push(path.strip_prefix(root).unwrap().display().to_string());
        }
    }
}

#[test]
fn no_dependency_needs_cmake_or_openssl_and_websockets_are_there_once() {
    let lock = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock")).unwrap();
    let count = |name: &str| lock.matches(&format!("name = \"{name}\"\n")).count();
    for banned in ["aws-lc-sys", "aws-lc-rs", "openssl-sys", "native-tls", "cmake"] {
        assert_eq!(count(banned), 0, "{banned} is in Cargo.lock");
    }
    assert_eq!(count("tungstenite"), 1, "axum and the shim share one tungstenite");
}

/// Keys of the settings, as variables.
fn variables() -> BTreeSet<String> {
    let example = std::fs::read_to_string("config.example.toml").unwrap();
    let lines = example.lines().filter_map(|line| line.strip_prefix("# ")?.split_once(" = "));
    lines.map(|(key, _)| format!("HITL_{}", key.to_ascii_uppercase())).collect()
}

#[test]
fn what_packages_set_is_a_setting() {
    let (root, known, mut set) = (Path::new(env!("CARGO_MANIFEST_DIR")), variables(), BTreeSet::new());
    let mut files = Vec::new();
    files_under(root, &root.join("packaging"), &mut files);
    for file in files.iter().filter(|file| file.ends_with(".yaml") || file.ends_with("Dockerfile")) {
        let text = std::fs::read_to_string(file).unwrap();
        let words = text.split(|c: char| !c.is_ascii_uppercase() && c != '_').map(str::to_owned);
        // The name that people use, and where the hubs are, are for the proxy.
        let of_proxy = |word: &str| ["HITL_HOST", "HITL_HUBS"].contains(&word);
        set.extend(words.filter(|word| word.starts_with("HITL_") && !of_proxy(word)));
    }
    assert!(set.contains("HITL_BEHIND_PROXY"), "packages are written otherwise now: {set:?}");
    let unknown: Vec<_> = set.difference(&known).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn the_launchd_agent_is_read_as_launchd_reads_it_and_starts_a_hub_for_this_user_alone() {
    use clap::Parser as _;
    let script = "import json, plistlib, sys; print(json.dumps(plistlib.load(open(sys.argv[1], 'rb'))))";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/launchd/dev.hitl.hub.plist");
    let output = Command::new(crate::support::python()).args(["-c", script]).arg(file).output().unwrap();
    let agent: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let command = agent["ProgramArguments"].as_array().unwrap().iter().map(|word| word.as_str().unwrap());
    let command: Vec<&str> = command.collect();
    assert!(command[0].starts_with('/') && command[1..].contains(&"--local"), "{command:?}");
    hitl::hub::cli::Cli::try_parse_from(command).unwrap();
    assert_eq!((&agent["Umask"], &agent["RunAtLoad"]), (&0o077.into(), &true.into()));
}
