//! Installing and undoing in files of every dialect, in a home directory of the test's own.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::journal::Journal;
use super::place::{Surroundings, System};
use super::plan::{Action, Plan};
use super::survey::{Choice, survey};
use super::{clients, status, tree};

struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    fn journal(&self) -> Journal {
        Journal::open(&self.dir.path().join("state")).unwrap()
    }

    fn look<T>(&self, look: impl FnOnce(&Surroundings<'_>) -> T) -> T {
        let (home, project) = (self.dir.path().to_owned(), self.dir.path().join("project"));
        look(&Surroundings { system: System::Linux, home, project, env: &|_| None })
    }

    fn plan(&self, choice: &Choice, action: Action<'_>) -> Plan {
        let sites = self.look(|here| survey(here, choice)).unwrap();
        Plan::make(sites, choice, action, &self.journal())
    }

    fn install(&self) -> Plan {
        self.carry_out(&Choice::default(), Action::Install("/opt/hitl-wrap"))
    }

    fn uninstall(&self) -> Plan {
        self.carry_out(&Choice::default(), Action::Uninstall)
    }

    fn carry_out(&self, choice: &Choice, action: Action<'_>) -> Plan {
        let (plan, mut journal) = (self.plan(choice, action), self.journal());
        for change in &plan.changes {
            change.make(&mut journal).unwrap();
        }
        plan
    }

    fn states(&self) -> Vec<(String, &'static str)> {
        let sites = self.look(|here| survey(here, &Choice::default())).unwrap();
        status::rows(&sites).into_iter().map(|row| (row.server.unwrap_or_default(), row.state)).collect()
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn a_server_that_lies_elsewhere_is_gated_when_that_is_asked_for_and_comes_back() {
    let text = "{\n  \"mcpServers\": {\n    \"far\": { \"type\": \"http\",  \"url\": \"https://x.example/mcp\", \"disabled\": false },\n    \"own\": { \"url\": \"https://y.example\", \"headers\": { \"Authorization\": \"Bearer s\" } }\n  }\n}\n";
    let home = Home::new();
    let file = home.write(".cursor/mcp.json", text);
    assert!(home.install().changes.is_empty(), "nobody asked");
    let choice = Choice { remote: true, ..Choice::default() };
    let plan = home.carry_out(&choice, Action::Install("/opt/hitl-wrap"));
    assert!(plan.left.iter().any(|left| left.why.contains("`headers`") && !left.is_fault), "{:?}", plan.left);
    let now: serde_json::Value = serde_json::from_str(&read(&file)).unwrap();
    let words = ["--server", "far", "--", "npx", "-y", "mcp-remote@0.15.1", "https://x.example/mcp"];
    let far = serde_json::json!({ "type": "stdio", "command": "/opt/hitl-wrap", "args": words, "disabled": false });
    assert_eq!(now["mcpServers"]["far"], far);
    assert_eq!(home.states(), [("far".to_owned(), "gated"), ("own".to_owned(), "remote")]);

    // Somebody else changed the file meanwhile, so it is undone entry by entry.
    let edited = read(&file).replace("\"disabled\": false", "\"disabled\": true");
    std::fs::write(&file, edited).unwrap();
    home.uninstall();
    assert_eq!(read(&file), text.replace("\"disabled\": false", "\"disabled\": true"));
    home.carry_out(&choice, Action::Install("/opt/hitl-wrap"));
    home.uninstall();
    assert_eq!(read(&file), text.replace("\"disabled\": false", "\"disabled\": true"));
}

#[test]
fn a_command_one_level_deeper_is_gated_and_had_back() {
    let text = "{\n  \"mcpServers\": {\n    \"x\": {\n      \"transport\": {\n        \"type\": \"stdio\",\n        \"command\": \"npx\",\n        \"args\": [\"-y\"]\n      }\n    }\n  }\n}\n";
    let home = Home::new();
    let file = home.write(".cline/data/settings/cline_mcp_settings.json", text);
    home.install();
    let now: serde_json::Value = serde_json::from_str(&read(&file)).unwrap();
    let words = ["--server", "x", "--", "npx", "-y"];
    let inner = serde_json::json!({ "type": "stdio", "command": "/opt/hitl-wrap", "args": words });
    assert_eq!(now["mcpServers"]["x"], serde_json::json!({ "transport": inner }));
    assert_eq!(home.states(), [("x".to_owned(), "gated")]);
    home.uninstall();
    assert_eq!(read(&file), text);
}

#[test]
fn in_the_home_directory_no_file_is_looked_at_twice() {
    let home = Home::new();
    home.write(".cursor/mcp.json", "{\"mcpServers\":{\"a\":{\"command\":\"npx\"}}}");
    let (dir, env) = (home.dir.path().to_owned(), |_: &str| None);
    let here = Surroundings { system: System::Linux, home: dir.clone(), project: dir, env: &env };
    assert_eq!(survey(&here, &Choice::default()).unwrap().len(), 1);
}

#[test]
fn every_client_of_the_table_is_gated_and_had_back_to_the_byte() {
    for client in clients::CLIENTS.iter().filter(|client| client.dialect != tree::Dialect::Yaml) {
        let home = Home::new();
        let places = client.places.iter().filter(|place| matches!(place.system, System::Any | System::Linux));
        let mut files = Vec::new();
        for place in places.filter(|place| !place.path.starts_with('/')) {
            // Any path will do for a variable's default and a wildcard.
            let path = place.path.replace("{XDG_CONFIG_HOME:~/.config}", "~/.config").replace('*', "p-1");
            let path = path.replace("{CLAUDE_CONFIG_DIR:~}", "~").replace("{COPILOT_HOME:~/.copilot}", "~/.copilot");
            let path = path.replace("{CODEX_HOME:~/.codex}", "~/.codex");
            let path =
                if path.contains('{') { "~/.cline/data/settings/cline_mcp_settings.json".to_owned() } else { path };
            let path = path.strip_prefix("~/").map_or_else(|| format!("project/{path}"), str::to_owned);
            let text = sample(client, place.keys);
            // One file of Claude Code is two places.
            if !files.iter().any(|(other, _): &(PathBuf, String)| other.ends_with(&path)) {
                files.push((home.write(&path, &text), text));
            }
        }
        assert!(!files.is_empty(), "{}", client.id);
        home.install();
        for (path, text) in &files {
            let now = read(path);
            assert!(now.contains("hitl-wrap") && now != *text, "{}: {now}", path.display());
        }
        assert!(home.states().iter().all(|(_, state)| *state == "gated"), "{}: {:?}", client.id, home.states());
        assert!(home.install().changes.is_empty(), "twice is once");
        home.uninstall();
        for (path, text) in &files {
            assert_eq!(read(path), *text, "{}", path.display());
        }
        assert!(!home.dir.path().join("state").exists(), "nothing is left of it");
        assert!(home.uninstall().changes.is_empty());
    }
}

/// A small file of the client with one server.
fn sample(client: &clients::Client, keys: &[&str]) -> String {
    if client.dialect == tree::Dialect::Toml {
        return format!("model = \"x\"\n\n[{}.files]\ncommand = \"npx\"\nargs = [\"-y\", \"fs\"]\n", keys.join("."));
    }
    let entry = match client.shape {
        clients::Shape::CommandAndArgs => r#"{ "command": "npx", "args": ["-y", "fs"], "env": { "K": "v" } }"#,
        clients::Shape::OneList => r#"{ "type": "local", "command": ["npx", "-y", "fs"] }"#,
    };
    let inner = format!("{{\n    \"files\": {entry}\n  }}");
    let nested = keys.iter().rev().fold(inner, |inner, key| {
        let key = if *key == "*" { "/home/me/project" } else { key };
        format!("{{\n  \"{key}\": {inner}\n}}")
    });
    nested + "\n"
}

#[test]
fn a_client_that_rewrote_its_file_in_between_loses_nothing_of_its_own() {
    let home = Home::new();
    let path = home.write(".codex/config.toml", "[mcp_servers.a]\ncommand = \"npx\"\n");
    home.install();
    let rewritten = format!("model = \"new\"\n{}\n[mcp_servers.b]\nurl = \"https://b\"\n", read(&path));
    std::fs::write(&path, rewritten).unwrap();
    home.uninstall();
    assert_eq!(
        read(&path),
        "model = \"new\"\n[mcp_servers.a]\ncommand = \"npx\"\n\n[mcp_servers.b]\nurl = \"https://b\"\n"
    );
}

#[test]
fn without_its_journal_the_arguments_suffice() {
    let home = Home::new();
    let text = "{\"mcpServers\":{\"a\":{\"command\":\"npx\",\"args\":[\"-y\",\"x\"]}}}";
    let path = home.write(".cursor/mcp.json", text);
    home.install();
    std::fs::remove_dir_all(home.dir.path().join("state")).unwrap();
    home.uninstall();
    assert_eq!(read(&path), text);
}

#[test]
fn only_what_was_chosen_is_changed() {
    let home = Home::new();
    let entry = |name: &str| format!("\"{name}\":{{\"command\":\"npx\",\"args\":[\"{name}\"]}}");
    let text = format!("{{\"mcpServers\":{{{},{}}}}}", entry("a"), entry("b"));
    let (one, two) = (home.write(".cursor/mcp.json", &text), home.write(".warp/.mcp.json", &text));
    let choice = Choice { clients: vec!["cursor".into()], servers: vec!["b".into()], ..Choice::default() };
    let plan = home.carry_out(&choice, Action::Install("/opt/hitl-wrap"));
    assert_eq!(plan.changes[0].names, ["b"]);
    assert_eq!(read(&two), text);
    assert_eq!(home.states().iter().filter(|(_, state)| *state == "gated").count(), 1);
    home.install();
    let choice = Choice { servers: vec!["a".into()], ..Choice::default() };
    home.carry_out(&choice, Action::Uninstall);
    assert!(
        read(&one).contains("\"--\", \"npx\", \"b\"") && !read(&one).contains("\"--\", \"npx\", \"a\""),
        "{}",
        read(&one)
    );
    home.uninstall();
    assert_eq!((read(&one), read(&two)), (text.clone(), text));
}

#[test]
fn a_project_file_names_no_directory_of_one_person() {
    let home = Home::new();
    let path = home.write("project/.mcp.json", "{\"mcpServers\":{\"a\":{\"command\":\"npx\"}}}");
    home.install();
    assert!(read(&path).contains("\"command\":\"hitl-wrap\""), "{}", read(&path));
}

#[test]
fn what_cannot_be_changed_safely_is_left_with_a_sentence() {
    let home = Home::new();
    for (path, text, why) in [
        (".cursor/mcp.json", "{\"mcpServers\":{\"a\":{\"command\":\"x\"},\"a\":{\"command\":\"y\"}}}", "stands twice"),
        (".warp/.mcp.json", "{\"mcpServers\":{\"a\":{\"command\":\"x\"},}}", "not valid JSON"),
        (".codex/config.toml", "[mcp_servers.a]\ncommand = \"x\"\n[mcp_servers.a]\n", "not valid TOML"),
        (".junie/mcp/mcp.json", "[]", "not a JSON object"),
        (".kiro/settings/mcp.json", "{\"mcpServers\":{},\"mcpServers\":{\"a\":{\"command\":\"x\"}}}", "stands twice"),
    ] {
        let path = home.write(path, text);
        let plan = home.install();
        assert!(plan.changes.is_empty());
        let left = plan.left.iter().find(|left| left.path == path).unwrap();
        assert!(left.is_fault && left.why.contains(why), "{}: {}", path.display(), left.why);
        assert_eq!(read(&path), text);
    }
    home.write(".gemini/config/mcp_config.json", "");
    assert!(home.install().changes.is_empty(), "an empty file holds nothing");
}

#[test]
fn remote_servers_and_those_of_extensions_are_told_of_and_left() {
    let home = Home::new();
    home.write(
        ".config/zed/settings.json",
        "{ // zed\n \"context_servers\": {\"e\": {\"source\": \"extension\"}, \"r\": {\"url\": \"https://r\"},}}",
    );
    home.write(".config/Code/User/mcp.json", "{\"servers\":{\"s\":{\"command\":\"npx\",\"sandboxEnabled\":true}}}");
    let plan = home.install();
    assert!(plan.changes.is_empty() && plan.left.len() == 2, "{:?}", plan.left);
    let states = home.states();
    assert!(states.contains(&("r".into(), "remote")) && states.contains(&("e".into(), "not gated")), "{states:?}");
}

#[test]
fn a_hundred_servers_are_had_back_too() {
    let home = Home::new();
    let entries: Vec<_> = (0..100).map(|n| format!("    \"s{n}\": {{\"command\": \"npx\"}}")).collect();
    let text = format!("{{\n  \"mcpServers\": {{\n{}\n  }}\n}}", entries.join(",\n"));
    let path = home.write(".claude.json", &text);
    assert_eq!(home.install().changes[0].names.len(), 100);
    assert!(home.states().iter().all(|(_, state)| *state == "gated"));
    home.uninstall();
    assert_eq!(read(&path), text);
}

/// White space, comments and order as people and programs leave them.
fn json_file(comments: bool) -> impl Strategy<Value = String> {
    let blank = prop::sample::select(vec!["", " ", "\n  ", "\r\n\t"]);
    let comment =
        prop::sample::select(vec!["", "/* c */", "// \"}\n"]).prop_map(move |text| if comments { text } else { "" });
    let word =
        prop::sample::select(vec!["npx", "-y", "a b", "ünï", "\\\"q\\\"", "${input:x}", "--", "C:\\\\x", "\\u00e9"]);
    let args = prop::option::of(prop::collection::vec(word.clone(), 0..4));
    let entry = (word, args, any::<bool>(), blank.clone(), comment, any::<bool>(), any::<bool>());
    let entry = entry.prop_map(move |(command, args, first, blank, comment, comma, timeout)| {
        let args = args.map(|args| {
            let words: Vec<_> = args.iter().map(|word| format!("\"{word}\"")).collect();
            let trailing = if comments && comma && !words.is_empty() { "," } else { "" };
            format!("\"args\":{blank}[{blank}{}{trailing}{blank}]", words.join(&format!(",{blank}")))
        });
        let mut members =
            vec![format!("\"command\":{blank}\"{command}\"{comment}"), "\"env\":{\"K\":\"${V}\"}".to_owned()];
        members.extend(timeout.then(|| "\"timeout\": 30".to_owned()));
        members.insert(if first { 0 } else { members.len() }, args.unwrap_or_else(|| "\"type\":\"stdio\"".to_owned()));
        let trailing = if comments && comma { "," } else { "" };
        format!("{{{blank}{}{trailing}{blank}}}", members.join(&format!(",{blank}{comment}")))
    });
    (prop::collection::vec(entry, 1..5), blank, any::<bool>()).prop_map(|(entries, blank, bom)| {
        let servers: Vec<_> = entries.iter().enumerate().map(|(n, entry)| format!("\"s{n}\":{blank}{entry}")).collect();
        let bom = if bom { "\u{feff}" } else { "" };
        format!(
            "{bom}{{\"other\":[1.50,null],{blank}\"mcpServers\":{blank}{{{}}}{blank}}}{blank}",
            servers.join(&format!(",{blank}"))
        )
    })
}

fn toml_file() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec!["\"npx\"", "'-y'", "\"a b\"", "\"\\\"q\\\"\"", "'''ünï'''"]);
    let args = prop::option::of(prop::collection::vec(word.clone(), 0..4));
    let entry = (word, args, 0..3, any::<bool>(), any::<bool>(), prop::option::of(1..9000));
    let entry = entry.prop_map(|(command, args, form, comment, first, limit)| {
        let comment = if comment { " # c" } else { "" };
        let multiline = if comment.is_empty() { ", " } else { ", # a\n  " };
        let mut members = vec![("command".to_owned(), command.to_owned())];
        members.extend(limit.map(|limit: i32| ("tool_timeout_sec".to_owned(), limit.to_string())));
        if let Some(args) = args {
            let separator = if form == 1 { ", " } else { multiline };
            members.insert(
                if first { 0 } else { members.len() },
                ("args".to_owned(), format!("[{}]", args.join(separator))),
            );
        }
        (form, comment.to_owned(), members)
    });
    (prop::collection::vec(entry, 1..5), any::<bool>()).prop_map(|(entries, crlf)| {
        let mut text = "model = \"x\"\n".to_owned();
        // Dotted keys and inline tables of the top come before the first table.
        let (tables, top): (Vec<_>, Vec<_>) = entries.into_iter().enumerate().partition(|(_, (form, ..))| *form == 0);
        for (n, (form, comment, members)) in top {
            if form == 1 {
                let members: Vec<_> = members.iter().map(|(key, value)| format!("{key} = {value}")).collect();
                text += &format!("mcp_servers.s{n} = {{ {} }}{comment}\n", members.join(", "));
            } else {
                members.iter().for_each(|(key, value)| text += &format!("mcp_servers.s{n}.{key} = {value}{comment}\n"));
            }
        }
        for (n, (_, comment, members)) in tables {
            text += &format!("\n[mcp_servers.s{n}]{comment}\n");
            members.iter().for_each(|(key, value)| text += &format!("{key} = {value}{comment}\n"));
        }
        if crlf { text.replace('\n', "\r\n") } else { text }
    })
}

/// Installs, installs again, undoes; with the file untouched, and by what is known of each entry alone.
fn is_had_back(place: &str, text: &str) -> Result<(), TestCaseError> {
    let home = Home::new();
    let path = home.write(place, text);
    let plan = home.install();
    prop_assert!(plan.left.is_empty(), "{:?}", plan.left);
    prop_assert!(home.states().iter().all(|(_, state)| *state == "gated"));
    let installed = read(&path);
    prop_assert!(home.install().changes.is_empty());
    home.uninstall();
    prop_assert_eq!(&read(&path), text);
    home.install();
    // The client wrote something of its own, so the kept copy is of no use.
    std::fs::write(&path, format!("{installed}\n")).unwrap();
    home.uninstall();
    prop_assert_eq!(read(&path), format!("{text}\n"));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_strict_json_is_had_back(text in json_file(false)) {
        is_had_back(".cursor/mcp.json", &text)?;
    }

    #[test]
    fn any_json_with_comments_is_had_back(text in json_file(true)) {
        is_had_back(".gemini/settings.json", &text)?;
    }

    #[test]
    fn any_toml_is_had_back(text in toml_file()) {
        is_had_back(".codex/config.toml", &text)?;
    }
}
