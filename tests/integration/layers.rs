//! The layers of `src/lib.rs`, checked: an arrow only goes down, no arrows make a circle, and `core` is pure.

mod arrows;

use std::fs;
use std::path::{Path, PathBuf};

use self::arrows::{Arrow, Sources, circles, paths, product_code};

/// Who may use whom; `lib.rs` only names the modules and the binaries use everything.
const TABLE: [(&str, &[&str]); 8] = [
    ("core", &[]),
    ("chance", &[]),
    ("wire", &["core"]),
    ("config", &["core"]),
    ("telemetry", &["core"]),
    ("failpoint", &["config"]),
    ("wrap", &["core", "wire", "config", "telemetry", "chance", "failpoint"]),
    ("hub", &["core", "wire", "config", "telemetry", "chance", "failpoint"]),
];

/// The floors of `hub`, the upper first: the hub's own file, its sweeper and its upkeep, `hub`, are above the rooms that they hold.
const FLOORS: [&str; 21] = [
    "cli",
    "serve",
    "api",
    "page",
    "hub",
    "shims",
    "agents",
    "approvals",
    "servers",
    "people",
    "notify",
    "live",
    "who",
    "error",
    "store",
    "tallies",
    "model",
    "clock",
    "quota",
    "base_url",
    "aside",
];

/// The rooms of the hub: folders whose files are theirs alone.
const ROOMS: [&str; 8] = ["agents", "approvals", "notify", "people", "serve", "servers", "shims", "store"];

/// Files of rooms that are doors themselves: how a column is read, which every room's rows need.
const OPEN: [[&str; 3]; 1] = [["hub", "store", "rows"]];

/// What may be said of the database outside the store and the files that read rows: SQL, and what to do with it.
const SPOKEN: [&str; 4] = ["query(", "query_as(", "query_as::<", "query_scalar("];

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
    for (from, to) in product().arrows() {
        let Some((_, may_use)) = TABLE.iter().find(|(name, _)| *name == from[0]) else {
            assert!(matches!(from[0].as_str(), "lib" | "bin"), "{} is not in the layer table", from[0]);
            continue;
        };
        if from[0] != to[0] && !may_use.contains(&to[0].as_str()) {
            wrong.push(format!("{} uses {}", from.join("::"), to.join("::")));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn an_arrow_inside_the_hub_only_goes_down() {
    let wrong = upward(&product());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_files_of_a_layer_use_each_other_in_a_circle() {
    let inside = |(from, to): &Arrow| from[0] == to[0];
    let wrong = circles(&product().arrows().into_iter().filter(inside).collect());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Arrows between rooms of the hub that go up.
fn upward(sources: &Sources) -> Vec<String> {
    let floor = |module: &[String]| {
        let room =
            module.get(1).map_or("hub", |room| if ["sweep", "upkeep"].contains(&room.as_str()) { "hub" } else { room });
        let floor = FLOORS.iter().position(|name| *name == room);
        floor.unwrap_or_else(|| panic!("hub::{room} is on no floor"))
    };
    let inside = sources.arrows().into_iter().filter(|(from, to)| from[0] == "hub" && to[0] == "hub");
    let up = inside.filter(|(from, to)| floor(to) < floor(from));
    up.map(|(from, to)| format!("{} uses {}", from.join("::"), to.join("::"))).collect()
}

#[test]
fn a_room_is_entered_by_its_door() {
    let wrong = past_doors(&product());
    assert!(wrong.is_empty(), "name what is needed in the room's mod.rs: {wrong:#?}");
}

#[test]
fn what_a_room_shows_is_named_in_its_door() {
    let mut wrong = Vec::new();
    for (module, code) in product().files().filter(|(module, _)| module[0] == "hub") {
        for (at, _) in code.match_indices("pub(in crate::hub") {
            let shown = code[at..].split_once(')').map_or("", |(shown, _)| shown);
            // A folder inside a room shows to its room.
            let room = module.get(1).filter(|_| module.len() > 3).map(|room| format!("pub(in crate::hub::{room}"));
            if room.as_deref() != Some(shown) {
                wrong.push(format!("{}: {shown})", module.join("::")));
            }
        }
        let is_room = module.len() == 2 && ROOMS.contains(&module[1].as_str());
        let files = code.lines().filter(|line| is_room && line.starts_with("pub") && line.contains(" mod "));
        let shut = |line: &&str| !OPEN.iter().any(|open| line.ends_with(&format!(" mod {};", open[2])));
        wrong.extend(files.filter(shut).map(|line| format!("{}: {line}", module.join("::"))));
    }
    assert!(wrong.is_empty(), "a method of the room's struct, or `pub use` in its mod.rs: {wrong:#?}");
}

/// Paths from outside a room that lead to one of its files, past what its door shows.
fn past_doors(sources: &Sources) -> Vec<String> {
    let past = |(from, path): &Arrow| {
        path.first().is_some_and(|layer| layer == "hub")
            && from.get(..2) != path.get(..2)
            && path.get(..3).is_some_and(|file| sources.has(file) && !OPEN.iter().any(|open| file == open))
    };
    let wrong = sources.paths().into_iter().filter(past);
    wrong.map(|(from, path)| format!("{} reaches for {}", from.join("::"), path.join("::"))).collect()
}

#[test]
fn core_is_pure() {
    let mut wrong = Vec::new();
    for file in sources().into_iter().filter(|file| top_module(file) == "core") {
        // Tests may look at a clock.
        let code = product_code(&fs::read_to_string(&file).unwrap());
        for word in IMPURE.iter().filter(|word| !is_tests(&file) && has_word(&code, word)) {
            wrong.push(format!("{} mentions {word}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_use_cases_and_the_store_speak_sql() {
    let silent = ["src/hub/api", "src/hub/cli", "src/hub/page", "src/hub/serve", "src/hub/shims/session"];
    let mut wrong = Vec::new();
    for file in sources() {
        let path = file.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap();
        let may_speak = path.starts_with("src/hub") && !silent.iter().any(|dir| path.starts_with(dir));
        if !may_speak && has_word(&product_code(&fs::read_to_string(&file).unwrap()), "sqlx") {
            wrong.push(path.to_owned());
        }
    }
    assert!(wrong.is_empty(), "sqlx where only use cases are called: {wrong:#?}");
}

#[test]
fn only_the_store_and_rows_name_types_of_the_database() {
    let mut wrong = Vec::new();
    for (module, code) in product().files() {
        // There `?` makes an answer of what the database said.
        let may_name = module.starts_with(&["hub".to_owned(), "store".to_owned()])
            || module.last().is_some_and(|file| file == "row")
            || module.join("::") == "hub::error";
        let named = code.match_indices("sqlx").map(|(at, word)| &code[at + word.len()..]);
        let named = named.filter(|rest| !rest.strip_prefix("::").is_some_and(|rest| begins(rest, &SPOKEN)));
        let line = |rest: &str| rest.lines().next().unwrap_or_default().to_owned();
        let named = named.filter(|_| !may_name).map(|rest| format!("{}: sqlx{}", module.join("::"), line(rest)));
        wrong.extend(named);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn begins(text: &str, with: &[&str]) -> bool {
    with.iter().any(|start| text.starts_with(start))
}

#[test]
fn a_way_past_a_door_is_found() {
    let door = "mod row; pub mod rows; pub use self::row::Held;";
    let past = |code: &str| {
        let files = [
            ("hub/store/mod.rs", door.to_owned()),
            ("hub/store/row.rs", "struct Held; fn f() {}".to_owned()),
            ("hub/store/rows.rs", "fn text() {}".to_owned()),
            ("hub/servers/set.rs", code.to_owned()),
        ];
        past_doors(&Sources::new(files)).len()
    };
    assert_eq!(past("use crate::hub::store::row::Held;"), 1);
    assert_eq!(past("use crate::hub::store::{self, row};"), 1);
    assert_eq!(past("fn g() { super::super::store::row::f() }"), 1);
    assert_eq!(past("use crate::hub::store::{Held, rows::{self, text}};"), 0);
}

#[test]
fn an_upward_arrow_is_found_however_it_is_written() {
    let hub = "struct Hub;".to_owned();
    for code in [
        "use crate::hub::Hub;",
        "use crate::{core::ids, hub};",
        "use crate::{\n  hub::{self, a},\n};",
        "x(crate::hub::y())",
        "use super::super::Hub;",
        "fn f() -> super::super::Hub { x }",
        "use super::{rows, super::Hub};",
        "use super::passed_on::Hub;",
        "#[cfg(test)]\nmod tests {\n    x\n}\nuse crate::hub::Hub;",
    ] {
        let passed_on = "pub use crate::hub::Hub;".to_owned();
        let files =
            [("hub/mod.rs", hub.clone()), ("hub/store/passed_on.rs", passed_on), ("hub/store/open.rs", code.into())];
        let found = upward(&Sources::new(files));
        assert!(found.iter().any(|arrow| arrow.starts_with("hub::store::open")), "{code}: {found:?}");
    }
    let tests =
        "#[cfg(test)]\nmod tests {\n    use crate::hub::Hub;\n}\n// crate::hub::Hub\npub(in crate::hub) fn f() {}\n";
    let files = [("hub/mod.rs", hub), ("hub/store/open.rs", tests.into())];
    assert_eq!(upward(&Sources::new(files)), Vec::<String>::new());
}

#[test]
fn a_circle_is_found_and_a_door_is_none() {
    let files = |a: &str, b: &str, door: &str| {
        Sources::new([("hub/a.rs", a.to_owned()), ("hub/b.rs", b.to_owned()), ("hub/mod.rs", door.to_owned())]).arrows()
    };
    assert!(circles(&files("use super::b::B;", "struct B;", "use self::a::A; struct Hub;")).is_empty());
    assert!(circles(&files("use super::Hub;", "", "use self::a::A; struct Hub;")).is_empty());
    assert_eq!(circles(&files("use super::b::B;", "use crate::hub::{a};", "")).len(), 2);
    assert_eq!(circles(&files("use super::b::B;", "use super::A;", "pub use self::a::A;")).len(), 2);
}

#[test]
fn every_member_of_a_group_is_read() {
    let found = paths("use crate::{core::{ids, hub::{self}}, wire};", &[]);
    let found: Vec<_> = found.iter().map(|path| path.join("::")).collect();
    assert_eq!(found, ["core::ids", "core::hub", "wire"]);
}

/// What the files under `src/` say.
fn product() -> Sources {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let name = |file: &PathBuf| file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
    let files: Vec<_> = sources().iter().map(|file| (name(file), fs::read_to_string(file).unwrap())).collect();
    Sources::new(files.iter().map(|(path, text)| (path.as_str(), text.clone())))
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

/// Whether the word stands in the code on its own.
fn has_word(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        let inside = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !inside(before) && (word.ends_with('!') || !inside(after))
    })
}
