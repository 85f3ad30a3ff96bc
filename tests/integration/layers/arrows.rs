//! Who uses whom: every path of a file, however it is written, as an arrow to the file it leads to.

use std::collections::{BTreeMap, BTreeSet};

/// A file as a module: its path from the crate's root, such as `hub::store::rows`.
pub type Module = Vec<String>;

/// The files of the product, with what they say outside tests.
pub struct Sources(BTreeMap<Module, String>);

/// What lies at both ends of an arrow.
pub type Arrow = (Module, Module);

impl Sources {
    /// Of the files' paths below `src/` and their texts; files of tests are left out.
    pub fn new<'f>(files: impl IntoIterator<Item = (&'f str, String)>) -> Self {
        let is_tests = |part: &str| matches!(part, "tests" | "tests.rs" | "testing.rs") || part.ends_with("_tests.rs");
        let product = |path: &str| !path.split('/').any(is_tests);
        let files = files.into_iter().filter(|(path, _)| product(path));
        Self(files.map(|(path, text)| (module_of(path), product_code(&text))).collect())
    }

    /// Every arrow from one file to another. A module is the door of those inside it: what it says of them is none.
    pub fn arrows(&self) -> BTreeSet<Arrow> {
        let mut found = BTreeSet::new();
        for (module, code) in &self.0 {
            let targets = paths(code, module).into_iter().map(|path| self.target(&path, 0));
            found.extend(targets.filter(|target| !target.starts_with(module)).map(|target| (module.clone(), target)));
        }
        found
    }

    /// Every file, with what it says.
    pub fn files(&self) -> impl Iterator<Item = (&Module, &str)> {
        self.0.iter().map(|(module, code)| (module, code.as_str()))
    }

    /// Whether there is such a file.
    pub fn has(&self, module: &[String]) -> bool {
        self.0.contains_key(module)
    }

    /// Every path as it is written, from the crate's root on, with the file that says it.
    pub fn paths(&self) -> BTreeSet<Arrow> {
        let of_file = |(module, code): (&Module, &str)| {
            paths(code, module).into_iter().map(|path| (module.clone(), path)).collect()
        };
        self.files().flat_map::<Vec<_>, _>(of_file).collect()
    }

    /// The file that a path leads to, through what other files pass on.
    fn target(&self, path: &[String], depth: usize) -> Module {
        let file = (1..=path.len()).rev().map(|length| &path[..length]).find(|prefix| self.0.contains_key(*prefix));
        let Some(file) = file else { return path[..1].to_vec() };
        let (Some(name), true) = (path.get(file.len()), depth < 4) else { return file.to_vec() };
        let code = &self.0[file];
        if ["struct", "enum", "fn", "const", "trait", "type", "static"].iter().any(|kind| defines(code, kind, name)) {
            return file.to_vec();
        }
        let passed_on = paths(code, file).into_iter().find(|other| other.last() == Some(name) && *other != path);
        passed_on.map_or_else(|| file.to_vec(), |other| self.target(&other, depth + 1))
    }
}

/// The arrows that lie on a circle.
pub fn circles(arrows: &BTreeSet<Arrow>) -> Vec<String> {
    let back = |(from, to): &&Arrow| reaches(arrows, to, from);
    arrows.iter().filter(back).map(|(from, to)| format!("{} -> {}", from.join("::"), to.join("::"))).collect()
}

fn reaches(arrows: &BTreeSet<Arrow>, from: &Module, to: &Module) -> bool {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(here) = open.pop() {
        if here == to {
            return true;
        }
        if seen.insert(here) {
            open.extend(arrows.iter().filter(|(start, _)| start == here).map(|(_, end)| end));
        }
    }
    false
}

/// `hub/store/mod.rs` is `hub::store`, `hub/live.rs` is `hub::live`.
pub fn module_of(path: &str) -> Module {
    let path = path.trim_end_matches(".rs").trim_end_matches("/mod");
    path.split('/').map(str::to_owned).collect()
}

/// The code without comments, whose links may point anywhere, and without what is built for tests only.
pub fn product_code(text: &str) -> String {
    let mut lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    let mut code = String::new();
    while let Some(line) = lines.next() {
        if line.trim() == "#[cfg(test)]" {
            let blank = &line[..line.len() - line.trim_start().len()];
            let item = lines.by_ref().find(|line| !line.trim_start().starts_with("#["));
            if item.is_some_and(|item| item.trim_end().ends_with('{')) {
                lines.by_ref().find(|line| *line == format!("{blank}}}"));
            }
            continue;
        }
        code.push_str(line);
        code.push('\n');
    }
    code
}

fn defines(code: &str, kind: &str, name: &str) -> bool {
    let start = format!("{kind} {name}");
    code.match_indices(&start).any(|(at, _)| !code[at + start.len()..].starts_with(is_of_name))
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Every path that begins at the crate, at this module or above it, from the crate's root on.
pub fn paths(code: &str, module: &[String]) -> Vec<Module> {
    let mut found = Vec::new();
    for start in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(start) {
            if !code[..at].ends_with(|c| is_of_name(c) || c == ':' || c == '$') && !code[..at].ends_with("pub(in ") {
                read_path(&code[at..], &[], &mut found);
            }
        }
    }
    found.into_iter().filter_map(|path| from_root(&path, module)).collect()
}

/// Reads one path, and each member of the groups it opens.
fn read_path(text: &str, before: &[String], found: &mut Vec<Module>) {
    let text = text.trim_start();
    if let Some(group) = text.strip_prefix('{') {
        return members(group).iter().for_each(|member| read_path(member, before, found));
    }
    let name: String = text.chars().take_while(|c| is_of_name(*c)).collect();
    let rest = &text[name.len()..];
    let mut path = before.to_vec();
    // `a::{self}` is `a`, and `a::*` is all of it.
    if !name.is_empty() && (name != "self" || before.is_empty()) {
        path.push(name);
    }
    match rest.strip_prefix("::") {
        Some(rest) if !rest.starts_with('<') => read_path(rest, &path, found),
        _ => found.push(path),
    }
}

/// The members of a `{…}` group, whose opening brace is already read.
fn members(group: &str) -> Vec<&str> {
    let (mut members, mut depth, mut start) = (Vec::new(), 0_u32, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                members.push(&group[start..at]);
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    members.retain(|member| !member.trim().is_empty());
    members
}

fn from_root(path: &[String], module: &[String]) -> Option<Module> {
    let mut here = module.to_vec();
    let mut rest = path;
    while let Some((first, after)) = rest.split_first() {
        match first.as_str() {
            "crate" => here.clear(),
            "super" => drop(here.pop()?),
            "self" => {}
            _ => break,
        }
        rest = after;
    }
    here.extend_from_slice(rest);
    Some(here).filter(|path| !path.is_empty())
}
