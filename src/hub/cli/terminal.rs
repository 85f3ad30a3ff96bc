//! Writing to stdout: what agents and servers wrote is made inert first, and a reader who has enough is no failure.

use std::io::{self, Write as _};

use anyhow::Context as _;

/// Writes bytes as they are.
pub(super) fn write(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error).context("cannot write to stdout"),
        _ => Ok(()),
    }
}

/// Writes a line.
pub(super) fn line(text: &str) -> anyhow::Result<()> {
    write(format!("{text}\n").as_bytes())
}

/// Text from elsewhere, for people: whatever could move the cursor, hide, or turn text around is spelled out.
pub(super) fn inert(text: &str) -> String {
    replace(text, |c| format!("\\u{{{:x}}}", u32::from(c)))
}

/// JSON for programs that is safe on a terminal too; such characters stand only inside strings, where the escape means
/// the same.
pub(super) fn inert_json(json: &str) -> String {
    let mut units = [0; 2];
    replace(json, |c| c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect())
}

fn replace(text: &str, mut spell: impl FnMut(char) -> String) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if deceives(c) {
            out.push_str(&spell(c))
        } else {
            out.push(c)
        }
        out
    })
}

/// Control characters, and the invisible ones that order, join, tag or select.
fn deceives(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
            | '\u{e000}'..='\u{f8ff}')
}

/// Rows as columns that line up; cells are inert already.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<_> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    rows.iter().fold(String::new(), |mut text, row| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
        text
    })
}

/// At most so many characters, with a sign when there were more.
pub(super) fn shorten(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A time of the hub, in UTC.
pub(super) fn time(unix_ms: i64) -> String {
    let second = jiff::Timestamp::from_millisecond(unix_ms).map(|time| time.strftime("%F %TZ").to_string());
    second.unwrap_or_else(|_| unix_ms.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_moves_the_cursor_or_turns_text_around() {
        assert_eq!(inert("a\u{1b}[2Jb\u{202e}c\nd é 漢"), "a\\u{1b}[2Jb\\u{202e}c\\u{a}d é 漢");
    }

    #[test]
    fn json_keeps_its_meaning() {
        let value = serde_json::json!({ "k": "\u{9b}31m\u{e0041}\u{202e} ok" });
        let text = inert_json(&value.to_string());
        assert!(!text.contains('\u{9b}') && text.contains("\\u009b") && text.contains("\\udb40\\udc41"), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }

    #[test]
    fn columns_line_up() {
        let rows = [vec!["a".to_owned(), "b".to_owned()], vec!["long".to_owned(), "é".to_owned()]];
        assert_eq!(table(&rows), "a     b\nlong  é\n");
        assert_eq!(shorten("äöü", 2), "äö…");
        assert_eq!(time(0), "1970-01-01 00:00:00Z");
    }
}
