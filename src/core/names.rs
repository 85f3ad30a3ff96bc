//! Names of servers: the same rule where one is given and where one is taken.

use super::inert::deceives;

/// The longest one, in characters.
const MAX_CHARS: usize = 128;

/// What a name must be, in words.
pub const RULE: &str = "1 to 128 visible characters, without white space at either end, and neither . nor ..";

/// Whether a name is one: people see all of it, and it is one part of a path.
pub fn is_name(text: &str) -> bool {
    let visible = !text.is_empty() && text.trim() == text && !text.chars().any(deceives);
    visible && text.chars().count() <= MAX_CHARS && !matches!(text, "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_seen_as_a_whole_and_is_one_part_of_a_path() {
        for name in ["x", "server-everything", "my files", "ключ 漢字", "a/b", "...", ".x", &"é".repeat(MAX_CHARS)]
        {
            assert!(is_name(name), "{name:?}");
        }
        let long = "x".repeat(MAX_CHARS + 1);
        for text in ["", " ", "  x", "x\u{a0}", "a\nb", "a\u{1b}[2J", "a\u{202e}b", "a\u{200b}", ".", "..", &long] {
            assert!(!is_name(text), "{text:?}");
        }
    }
}
