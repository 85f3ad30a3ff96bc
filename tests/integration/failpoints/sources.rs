//! The commits of the hub as its sources have them: every function that hands the store's writer something to do.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// How a function does that.
const WRITES: [&str; 2] = [".write(move |tx|", ".write_in("];

/// Their names, such as `approvals::hold::release`.
pub fn commits() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/hub");
    let (mut found, mut open) = (BTreeSet::new(), vec![root.clone()]);
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let is_of_tests = path.file_stem().is_some_and(|stem| stem == "tests");
            if path.is_dir() && !is_of_tests {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !is_of_tests {
                let module = path.strip_prefix(&root).unwrap().with_extension("");
                let module = module.to_str().unwrap().trim_end_matches("/mod").replace('/', "::");
                found.extend(of(&fs::read_to_string(&path).unwrap()).map(|function| format!("{module}::{function}")));
            }
        }
    }
    found
}

/// The functions of one file.
fn of(text: &str) -> impl Iterator<Item = &str> {
    let (mut function, mut found) = ("", Vec::new());
    for line in text.lines() {
        if let Some((_, name)) = line.split_once("fn ") {
            function = name.split(['(', '<']).next().unwrap_or_default();
        }
        // The writer's own way to itself is none.
        if WRITES.iter().any(|write| line.contains(write)) && !line.contains("self.write_in(Turn::First") {
            found.push(function);
        }
    }
    found.into_iter()
}
