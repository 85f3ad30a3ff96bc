//! Text of agents and servers, made fit for places that are not ours.

use std::fmt::Write as _;

use crate::core::inert::deceives;

/// One line of at most `most` characters, in which every invisible or direction-changing character is spelled out.
pub(super) fn plain(text: &str, most: usize) -> String {
    let mut line = String::new();
    let mut left = most;
    for c in text.trim().chars() {
        let hidden = deceives(c);
        let width = if hidden { 8 } else { 1 };
        if left < width + 1 {
            line.push('…');
            break;
        }
        left -= width;
        if hidden {
            // Writing to a string cannot fail.
            let _ = write!(line, "⟦{:04X}⟧", u32::from(c));
        } else {
            line.push(c);
        }
    }
    line
}

/// `&`, `<`, `>` and quotes as entities: for HTML, and for Slack, which knows the first three.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_line_and_shows_what_hides() {
        assert_eq!(plain("delete_repo", 80), "delete_repo");
        assert_eq!(plain("a\r\nBcc: b", 80), "a⟦000D⟧⟦000A⟧Bcc: b");
        assert_eq!(plain("\u{202e}oper", 80), "⟦202E⟧oper");
        assert_eq!(plain("a\u{200b}b\u{3164}c", 80), "a⟦200B⟧b⟦3164⟧c");
        assert_eq!(plain("löschen 删除", 80), "löschen 删除");
    }

    #[test]
    fn a_long_line_is_cut() {
        assert_eq!(plain(&"x".repeat(500), 10), format!("{}…", "x".repeat(9)));
        assert!(plain(&"\u{202e}".repeat(500), 100).chars().count() <= 100);
    }

    #[test]
    fn markup_becomes_text() {
        assert_eq!(escape("<!channel> & 'co'"), "&lt;!channel&gt; &amp; &#39;co&#39;");
    }
}
