//! What is said on the terminal: the lines that change, what is left alone and why, what to do next.

use std::fmt::Write as _;
use std::path::Path;

use super::clients::Client;
use super::plan::{Change, Left};
use super::tree::Dialect;
use crate::core::inert::inert;

/// Unchanged lines around a change.
const CONTEXT: usize = 1;

/// The change as a diff of its lines.
pub fn change(change: &Change, home: &Path) -> String {
    let mut text = format!("{}: {}\n", change.client.title, tilde(&change.found.path, home));
    let (old, new): (Vec<&str>, Vec<&str>) = (change.found.text.lines().collect(), change.text.lines().collect());
    for (number, lines) in hunks(&old, &new) {
        let _ = writeln!(text, "  line {number}");
        for line in lines {
            let _ = writeln!(text, "  {}", inert(&line));
        }
    }
    text
}

/// What is left alone.
pub fn left(left: &Left, home: &Path) -> String {
    let server = left.server.as_ref().map(|name| format!(", {}", inert(name))).unwrap_or_default();
    let path = tilde(&left.path, home);
    // Many faults name the file themselves.
    let why = left.why.replace(&left.path.display().to_string(), &path);
    format!("{}: {path}{server}: left alone: {}\n", left.client.title, inert(&why))
}

/// The edit that a person makes in a file we do not.
pub fn by_hand(client: &Client, path: &Path, shim: &str, home: &Path) -> Option<String> {
    let command = if client.id == "goose" { "cmd" } else { "command" };
    (client.dialect == Dialect::Yaml).then(|| {
        format!(
            "{}: {} is YAML, which is edited by hand: in each server that has a `{command}`, set\n    {command}: {shim}\n    \
             args: [--server, NAME, --, ITS_{}, ITS_ARGS...]\n",
            client.title,
            tilde(path, home),
            command.to_uppercase(),
        )
    })
}

/// The path with `~` for the home directory.
pub fn tilde(path: &Path, home: &Path) -> String {
    match path.strip_prefix(home) {
        Ok(rest) if !home.as_os_str().is_empty() => format!("~{}{}", std::path::MAIN_SEPARATOR, rest.display()),
        _ => path.display().to_string(),
    }
}

/// Runs of lines that differ, each with the number of its first line and the lines around it. Lines never move here,
/// so the next line that both have in common ends a run.
fn hunks(old: &[&str], new: &[&str]) -> Vec<(usize, Vec<String>)> {
    let (mut hunks, mut a, mut b) = (Vec::new(), 0, 0);
    while a < old.len() || b < new.len() {
        if a < old.len() && b < new.len() && old[a] == new[b] {
            (a, b) = (a + 1, b + 1);
            continue;
        }
        let (end_a, end_b) = common(old, new, a, b);
        let mut lines: Vec<String> = old[a.saturating_sub(CONTEXT)..a].iter().map(|line| format!("  {line}")).collect();
        lines.extend(old[a..end_a].iter().map(|line| format!("- {line}")));
        lines.extend(new[b..end_b].iter().map(|line| format!("+ {line}")));
        hunks.push((a + 1, lines));
        (a, b) = (end_a, end_b);
    }
    hunks
}

/// Where both continue alike: the nearest pair of equal lines.
fn common(old: &[&str], new: &[&str], a: usize, b: usize) -> (usize, usize) {
    let longest = (old.len() - a) + (new.len() - b);
    for distance in 1..=longest {
        for skipped in 0..=distance {
            let (x, y) = (a + skipped, b + distance - skipped);
            if x < old.len() && y < new.len() && old[x] == new[y] && !old[x].trim().is_empty() {
                return (x, y);
            }
        }
    }
    (old.len(), new.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_that_differ_are_shown_with_the_line_before_them() {
        let old = ["{", " \"x\": {", "  \"command\": \"npx\",", "  \"args\": []", " },", "", " \"y\": 1", "}"];
        let new =
            ["{", " \"x\": {", "  \"command\": \"hitl-wrap\",", "  \"args\": [\"--\"]", " },", "", " \"y\": 2", "}"];
        let shown = hunks(&old, &new);
        assert_eq!(shown.len(), 2);
        assert_eq!(shown[0].0, 3);
        assert_eq!(
            shown[0].1,
            [
                "   \"x\": {",
                "-   \"command\": \"npx\",",
                "-   \"args\": []",
                "+   \"command\": \"hitl-wrap\",",
                "+   \"args\": [\"--\"]"
            ]
        );
        assert_eq!(hunks(&["a", "b"], &["a", "new", "b"])[0].1, ["  a", "+ new"]);
        assert!(hunks(&old, &old).is_empty());
    }
}
