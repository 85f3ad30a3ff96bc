//! The layer table of `src/lib.rs`, checked: an arrow only goes down, and `core` is pure.

use std::fs;
use std::path::{Path, PathBuf};

/// Who may use whom; `lib.rs` only names the modules and the binaries use everything.
const TABLE: [(&str, &[&str]); 6] = [
    ("core", &[]),
    ("wire", &["core"]),
    ("config", &["core"]),
    ("telemetry", &["core"]),
    ("wrap", &["core", "wire", "config", "telemetry"]),
    ("hub", &["core", "wire", "config", "telemetry"]),
];

/// What `core` must not touch: no async, no IO, no clock, no logging, no chance.
const IMPURE: [&str; 14] = [
    "tokio",
    "std::net",
    "std::fs",
    "std::io",
    "std::env",
    "std::process",
    "std::thread",
    "SystemTime",
    "Instant::now",
    "tracing",
    "println!",
    "getrandom",
    "Uuid::now",
    "unsafe",
];

#[test]
fn an_arrow_between_modules_only_goes_down() {
    let mut wrong = Vec::new();
    for file in sources() {
        let module = top_module(&file);
        let Some((_, may_use)) = TABLE.iter().find(|(name, _)| *name == module) else {
            assert!(matches!(module.as_str(), "lib" | "bin"), "{module} is not in the layer table");
            continue;
        };
        for used in used_modules(&code_of(&file)) {
            if used != module && !may_use.contains(&used.as_str()) {
                wrong.push(format!("{} uses crate::{used}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn core_is_pure() {
    let mut wrong = Vec::new();
    for file in sources().into_iter().filter(|file| top_module(file) == "core") {
        let code = code_of(&file);
        // Tests may look at a clock.
        let code = code.split("#[cfg(test)]").next().unwrap_or_default();
        for word in IMPURE.iter().filter(|word| !is_tests(&file) && has_word(code, word)) {
            wrong.push(format!("{} mentions {word}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn another_top_module_is_always_called_by_its_full_path() {
    // `super::super::hub` would slip past the table.
    for file in sources() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let inside = file.strip_prefix(root).unwrap();
        let depth = inside.iter().count() - usize::from(inside.ends_with("mod.rs"));
        let code = code_of(&file);
        let code = code.split("#[cfg(test)]").next().unwrap_or_default();
        assert!(!code.contains(&"super::".repeat(depth)), "{} climbs to the top with super::", file.display());
    }
}

#[test]
fn only_use_cases_and_the_store_speak_sql() {
    let silent = ["src/hub/api", "src/hub/cli", "src/hub/page", "src/hub/serve", "src/hub/shims/session"];
    let mut wrong = Vec::new();
    for file in sources() {
        let path = file.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap();
        let may_speak = path.starts_with("src/hub") && !silent.iter().any(|dir| path.starts_with(dir));
        if !may_speak && has_word(&code_of(&file), "sqlx") {
            wrong.push(path.to_owned());
        }
    }
    assert!(wrong.is_empty(), "sqlx where only use cases are called: {wrong:#?}");
}

#[test]
fn an_upward_arrow_is_found_however_it_is_written() {
    for code in
        ["use crate::hub::Hub;", "use crate::{core::ids, hub};", "use crate::{\n  hub::a,\n};", "x(crate::hub::y())"]
    {
        assert!(used_modules(code).contains(&"hub".to_owned()), "{code}");
    }
    assert_eq!(used_modules("use crate::{core::{ids, hub}, wire};"), ["core", "wire"]);
}

/// Every Rust file under `src/`.
fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    assert!(found.len() > 10, "the sources were found");
    found
}

/// `src/hub/store/mod.rs` is `hub`, `src/wire.rs` is `wire`.
fn top_module(file: &Path) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let first = file.strip_prefix(root).unwrap().components().next().unwrap();
    first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
}

fn is_tests(file: &Path) -> bool {
    file.components().any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "tests.rs")))
}

/// The file without its comments, whose links may point anywhere.
fn code_of(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The top modules that `crate::…` paths name, also inside `use crate::{…}`.
fn used_modules(code: &str) -> Vec<String> {
    let mut used = Vec::new();
    for (start, _) in code.match_indices("crate::") {
        let rest = &code[start + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => used.extend(names_of_group(group)),
            None => used.push(leading_name(rest)),
        }
    }
    used.retain(|name| name.starts_with(char::is_lowercase));
    used
}

/// The first name of each member of a `{…}` group, whose opening brace is already read.
fn names_of_group(group: &str) -> Vec<String> {
    let (mut names, mut depth, mut expect) = (Vec::new(), 0_u32, true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => expect = true,
            c if expect && depth == 0 && !c.is_whitespace() => {
                names.push(leading_name(&group[at..]));
                expect = false;
            }
            _ => {}
        }
    }
    names
}

fn leading_name(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Whether the word stands in the code on its own.
fn has_word(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        let inside = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !inside(before) && (word.ends_with('!') || !inside(after))
    })
}
