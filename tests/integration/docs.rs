//! The documents keep up with the code.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use clap::{CommandFactory as _, Parser as _};

#[test]
fn every_route_of_the_api_is_in_its_reference() {
    let code = fs::read_to_string("src/hub/api/mod.rs").unwrap();
    let reference = fs::read_to_string("docs/api.md").unwrap();
    let after = |mark: &str| -> Vec<String> {
        let quoted = code.split(mark).skip(1).filter_map(|rest| rest.split_once('"'));
        quoted.map(|(path, _)| path.to_owned()).collect()
    };
    let routes = [after(".route(\""), after("    (\"")].concat();
    assert!(routes.len() > 30, "routes are written otherwise now: {routes:?}");
    let missing: Vec<_> = routes.iter().filter(|path| !reference.contains(&format!(" {path}`"))).collect();
    assert!(missing.is_empty(), "docs/api.md does not tell of {missing:?}");
}

/// Everything that is written for people.
fn documents() -> Vec<String> {
    let of_docs = fs::read_dir("docs").unwrap().map(|entry| format!("docs/{}", entry.unwrap().file_name().display()));
    let others =
        ["README.md", "CONTRIBUTING.md", "SECURITY.md", "tests/README.md", "benches/README.md"].map(str::to_owned);
    of_docs.filter(|path| path.ends_with(".md")).chain(others).collect()
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let mut dead = Vec::new();
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        let folder = document.rsplit_once('/').map_or("", |(folder, _)| folder);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(link, _)| link)) {
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            if path.is_empty() || path.contains("://") {
                continue;
            }
            let path = format!("./{folder}/{path}");
            let has = |text: String| text.lines().any(|line| anchor(line).is_some_and(|anchor| anchor == heading));
            if fs::metadata(&path).is_err() || !heading.is_empty() && !fs::read_to_string(&path).is_ok_and(has) {
                dead.push(format!("{document}: {link}"));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}

/// What a heading is linked by.
fn anchor(line: &str) -> Option<String> {
    let heading = line.strip_prefix('#')?.trim_start_matches('#').trim().to_lowercase();
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-'));
    Some(kept.map(|c| if c == ' ' { '-' } else { c }).collect())
}

/// The lines of a document that a reader would type, each as words.
fn typed(text: &str) -> Vec<Vec<String>> {
    let blocks = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let lines = blocks.flat_map(str::lines).map(|line| line.split(" #").next().unwrap_or_default());
    lines.flat_map(|line| line.split(" && ")).map(words).collect()
}

fn words(command: &str) -> Vec<String> {
    let quoted = command.split('"').enumerate().map(|(at, part)| (at % 2 == 1, part));
    let words = quoted.flat_map(|(is_quoted, part)| match is_quoted {
        true => vec![part.to_owned()],
        false => part.split_whitespace().map(str::to_owned).collect(),
    });
    words.collect()
}

#[test]
fn every_file_that_the_front_page_of_the_code_names_is_there() {
    let page = fs::read_to_string("src/lib.rs").unwrap();
    let page: String = page.lines().filter(|line| line.starts_with("//!")).collect();
    let named = page.split('`').skip(1).step_by(2).filter(|word| word.contains('/') && word.ends_with(".rs"));
    let linked = page.split("(../src/hitl/").skip(1).filter_map(|rest| rest.split_once(".html)"));
    let files: BTreeSet<_> = named.chain(linked.map(|(path, _)| path)).collect();
    assert!(files.len() > 10, "files are named otherwise now: {files:?}");
    let dead = files.into_iter().filter(|path| !Path::new(path).exists() && !Path::new("src").join(path).exists());
    assert_eq!(dead.collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn every_command_that_a_document_has_its_reader_type_is_one() {
    let (mut tried, mut wrong) = (0, Vec::new());
    for document in documents() {
        for command in typed(&fs::read_to_string(&document).unwrap()) {
            let parsed = match command.first().map(String::as_str) {
                Some("hitl-hub") => hitl::hub::cli::Cli::try_parse_from(&command).map(drop),
                Some("hitl-wrap") => hitl::wrap::cli::Cli::try_parse_from(&command).map(drop),
                _ => continue,
            };
            tried += 1;
            wrong.extend(parsed.err().map(|error| format!("{document}: {command:?}: {error}")));
        }
    }
    assert!(tried > 10, "commands are written otherwise now");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Every command that people see, with the words that lead to it.
fn commands(command: &clap::Command, way: &str, found: &mut Vec<(String, clap::Command)>) {
    let way = format!("{way} {}", command.get_name());
    for command in command.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help") {
        commands(command, &way, found);
    }
    found.push((way.trim().to_owned(), command.clone()));
}

#[test]
fn the_help_of_every_command_ends_with_an_example_that_is_one() {
    let mut found = Vec::new();
    commands(&hitl::wrap::cli::Cli::command(), "", &mut found);
    commands(&hitl::hub::cli::Cli::command(), "", &mut found);
    assert!(found.len() > 30, "commands are written otherwise now: {found:?}");
    for (way, command) in found {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let example = help.lines().last().and_then(|line| line.strip_prefix("Example: "));
        let example = example.unwrap_or_else(|| panic!("{way} --help has no example: {help:?}"));
        assert!(example.starts_with(&way), "{way}: {example}");
        let parsed = match way.starts_with("hitl-hub") {
            true => hitl::hub::cli::Cli::try_parse_from(words(example)).map(drop),
            false => hitl::wrap::cli::Cli::try_parse_from(words(example)).map(drop),
        };
        assert!(parsed.is_ok(), "{way}: {example}: {parsed:?}");
    }
}

#[test]
fn every_direct_dependency_is_on_its_page() {
    let manifest: toml::Table = fs::read_to_string("Cargo.toml").unwrap().parse().unwrap();
    let page = fs::read_to_string("docs/dependencies.md").unwrap();
    let first_cells = page.lines().filter_map(|line| line.strip_prefix("| `")?.split(" |").next());
    let named: BTreeSet<String> =
        first_cells.flat_map(|cell| cell.split(", ")).map(|name| name.replace('`', "")).collect();
    let systems = manifest["target"].as_table().unwrap().values().map(|system| &system["dependencies"]);
    let tables = [&manifest["dependencies"], &manifest["dev-dependencies"]].into_iter().chain(systems);
    let used: BTreeSet<String> = tables.flat_map(|table| table.as_table().unwrap().keys().cloned()).collect();
    assert_eq!(named, used);
}
