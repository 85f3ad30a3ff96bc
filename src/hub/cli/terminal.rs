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
        let mut blanks = 0;
        for (cell, width) in row.iter().zip(&widths) {
            // Written only before what follows; and formatting by a width knows none above 65,535.
            if !cell.is_empty() {
                text.extend(std::iter::repeat_n(' ', std::mem::take(&mut blanks)));
                text.push_str(cell);
            }
            blanks += width.saturating_sub(cell.chars().count()) + 2;
        }
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

/// A stretch of time: `4:32`, `3 h 20 min` or `5 days`; never less than nothing.
pub(super) fn span(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    match (seconds / 60, seconds / 3600) {
        (minutes, 0) => format!("{minutes}:{:02}", seconds % 60),
        (minutes, hours) if hours < 48 => format!("{hours} h {} min", minutes % 60),
        (_, hours) => format!("{} days", hours / 24),
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
    fn a_cell_may_be_as_long_as_arguments_are() {
        let long = "x".repeat(100_000);
        let rows = [vec!["a".to_owned(), long.clone()], vec![long.clone(), "b".to_owned()]];
        assert_eq!(table(&rows), format!("a{}  {long}\n{long}  b\n", " ".repeat(99_999)));
    }

    #[test]
    fn columns_line_up() {
        let rows = [vec!["a".to_owned(), "b".to_owned()], vec!["long".to_owned(), "é".to_owned()]];
        assert_eq!(table(&rows), "a     b\nlong  é\n");
        assert_eq!(shorten("äöü", 2), "äö…");
        assert_eq!([-5, 272_900, 12_000_000, 200_000_000].map(span), ["0:00", "4:32", "3 h 20 min", "2 days"]);
        assert_eq!(time(0), "1970-01-01 00:00:00Z");
    }
}
