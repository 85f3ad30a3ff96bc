//! Writing to stdout: what agents and servers wrote is made inert first, and a reader who has enough is no failure.

use std::io::{self, Write as _};

use anyhow::Context as _;

pub(super) use crate::core::inert::inert;
use crate::core::inert::spelled;

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

/// JSON for programs that is safe on a terminal too; such characters stand only inside strings, where the escape means
/// the same.
pub(super) fn inert_json(json: &str) -> String {
    let mut units = [0; 2];
    spelled(json, |c| c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect())
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
