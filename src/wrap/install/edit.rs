//! Exchanging bytes of a file: where members and items stand, with what separates them from their neighbours.

use std::ops::Range;

use anyhow::{Context as _, bail};

use super::tree::{Member, Node, Value};

/// Bytes to exchange in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced; empty where something is only inserted.
    pub at: Range<usize>,
    /// What stands there afterwards.
    pub text: String,
}

/// The edits, whose places are those of the file as it is.
pub fn apply(text: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|edit| (edit.at.start, edit.at.end));
    let mut changed = text.to_owned();
    for edit in edits.iter().rev() {
        changed.replace_range(edit.at.clone(), &edit.text);
    }
    changed
}

/// The bytes of a member and of what separates it from its neighbours.
pub fn without(text: &str, node: &Node, name: &str) -> anyhow::Result<Range<usize>> {
    let members = node.members();
    let index = members.iter().position(|member| member.name == name).context("a member is missing")?;
    let (member, own) = (&members[index], &members[index].node.at);
    let name_at = member.name_at.clone().context("a member has no place")?;
    if !matches!(node.value, Value::Table { braces: true, .. }) {
        let start = text[..name_at.start].rfind('\n').map_or(0, |end| end + 1);
        return Ok(match text[own.end..].find('\n') {
            Some(length) => start..own.end + length + 1,
            // The last line goes with the line feed before it.
            None => text[..start].trim_end_matches('\n').trim_end_matches('\r').len()..text.len(),
        });
    }
    let end_of = |member: &Member| member.node.at.end;
    match (index.checked_sub(1).map(|previous| &members[previous]), members.get(index + 1)) {
        (Some(previous), _) => Ok(end_of(previous)..own.end),
        (None, Some(next)) => Ok(name_at.start..next.name_at.clone().context("a member has no place")?.start),
        (None, None) => Ok(name_at.start..own.end),
    }
}

/// The bytes of the first items of a list, with what separates them from the next.
pub fn removed(list: &Node, count: usize) -> anyhow::Result<Range<usize>> {
    let items = list.list().context("its arguments are no list")?;
    let first = items.first().context("its arguments are too few")?;
    match (items.get(count), items.get(count - 1)) {
        (Some(next), _) => Ok(first.at.start..next.at.start),
        (None, Some(last)) => Ok(first.at.start..last.at.end),
        (None, None) => bail!("its arguments are too few"),
    }
}

/// A new line for a member beside the one whose key starts there, with what stands before that key in its line:
/// indentation, and the rest of a dotted key.
pub fn newline_before(text: &str, key: usize) -> String {
    let line = text[..key].rfind('\n').map_or(0, |end| end + 1);
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    format!("{newline}{}", &text[line..key])
}
