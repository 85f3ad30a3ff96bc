//! Text from elsewhere, made fit for a line that a person reads.

/// Whatever could move the cursor, hide, or turn text around is spelled out; ordinary text stays as it is.
pub fn inert(text: &str) -> String {
    spelled(text, |c| format!("\\u{{{:x}}}", u32::from(c)))
}

/// The text with every character that [`deceives`] as `spell` writes it.
pub fn spelled(text: &str, mut spell: impl FnMut(char) -> String) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if deceives(c) {
            out.push_str(&spell(c));
        } else {
            out.push(c);
        }
        out
    })
}

/// Control characters, and the invisible ones that order, join, tag or select.
pub fn deceives(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
            | '\u{e000}'..='\u{f8ff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_moves_the_cursor_or_turns_text_around() {
        assert_eq!(inert("a\u{1b}[2Jb\u{202e}c\nd é 漢"), "a\\u{1b}[2Jb\\u{202e}c\\u{a}d é 漢");
    }
}
