//! The man pages in `packaging/man` are what the command lines say, and readers of such pages take them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use clap::CommandFactory as _;
use clap_mangen::Man;

/// At the foot of each page: when the text of these pages was last gone through.
const DATE: &str = "2026-11-28";

fn pages() -> BTreeMap<String, String> {
    let mut pages = BTreeMap::new();
    for mut program in [hitl::wrap::cli::Cli::command(), hitl::hub::cli::Cli::command()] {
        program = program.disable_help_subcommand(true);
        program.build();
        add(program, &mut pages);
    }
    pages
}

fn add(command: clap::Command, pages: &mut BTreeMap<String, String>) {
    for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        add(command.clone(), pages);
    }
    let title = command.get_display_name().unwrap_or(command.get_name()).to_uppercase();
    let source = concat!("hitl ", env!("CARGO_PKG_VERSION"));
    let page = Man::new(command).title(title).date(DATE).source(source).manual("hitl");
    let mut text = Vec::new();
    page.render(&mut text).unwrap();
    pages.insert(page.get_filename(), tidy(&String::from_utf8(text).unwrap()));
}

/// Without what `mandoc -Tlint` objects to, and with a heading that readers know.
fn tidy(page: &str) -> String {
    let page = page.replace(".br\n\n.br\n", ".sp\n").replace(".SH EXTRA", ".SH NOTES");
    page.lines().map(|line| folded(line.trim_end()) + "\n").collect()
}

/// Text is filled anyway, so that a long line may end at any blank.
fn folded(line: &str) -> String {
    let (mut folded, mut width) = (String::new(), 0);
    for word in line.split(' ') {
        let breaks = !line.starts_with('.') && width > 0 && width + word.len() > 79;
        if breaks {
            folded.push('\n');
            width = 0;
        } else if !folded.is_empty() {
            folded.push(' ');
        }
        folded.push_str(word);
        width += word.len() + 1;
    }
    folded
}

#[test]
fn man_pages_are_those_of_the_command_lines() {
    let (made, mut kept) = (pages(), BTreeMap::new());
    for entry in fs::read_dir("packaging/man").unwrap().map(Result::unwrap) {
        kept.insert(entry.file_name().display().to_string(), fs::read_to_string(entry.path()).unwrap());
    }
    let names: BTreeSet<&String> = made.keys().chain(kept.keys()).collect();
    let differ: Vec<_> = names.into_iter().filter(|name| made.get(*name) != kept.get(*name)).collect();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("man");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    made.iter().for_each(|(name, page)| fs::write(folder.join(name), page).unwrap());
    let mend = format!("rm packaging/man/*; cp {}/* packaging/man/", folder.display());
    assert!(differ.is_empty(), "if the command lines are right, then:\n{mend}\n{differ:?}");
}

#[test]
fn man_pages_are_read_without_complaint() {
    let mut mandoc = Command::new("mandoc");
    mandoc.arg("-Tlint").args(fs::read_dir("packaging/man").unwrap().map(|entry| entry.unwrap().path()));
    let output = mandoc.output().expect("mandoc, which tests/install installs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
