//! Text from elsewhere, made fit for a line that a person reads; and the one table of characters that deceive.

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

/// Whether a character shows nothing, or something else than it is: control, format and private characters, those that
/// fonts leave out, and every blank but the space (Unicode 17; a browser test compares the page's table with this one).
pub fn deceives(c: char) -> bool {
    let point = u32::from(c);
    let after = DECEIVING.partition_point(|(first, _)| *first <= point);
    !(' '..='~').contains(&c) && after.checked_sub(1).is_some_and(|index| point <= DECEIVING[index].1)
}

/// First and last of each range, ascending.
#[rustfmt::skip]
const DECEIVING: [(u32, u32); 46] = [
    (0x0, 0x1f), (0x7f, 0xa0), (0xad, 0xad), (0x34f, 0x34f), (0x600, 0x605), (0x61c, 0x61c), (0x6dd, 0x6dd),
    (0x70f, 0x70f), (0x890, 0x891), (0x8e2, 0x8e2), (0x115f, 0x1160), (0x1680, 0x1680), (0x17b4, 0x17b5),
    (0x180b, 0x180f), (0x2000, 0x200f), (0x2028, 0x202f), (0x205f, 0x206f), (0x2800, 0x2800), (0x3000, 0x3000),
    (0x3164, 0x3164), (0xe000, 0xf8ff), (0xfdd0, 0xfdef), (0xfe00, 0xfe0f), (0xfeff, 0xfeff), (0xffa0, 0xffa0),
    (0xfff0, 0xfffb), (0xfffe, 0xffff), (0x110bd, 0x110bd), (0x110cd, 0x110cd), (0x13430, 0x1343f),
    (0x1bca0, 0x1bca3), (0x1d173, 0x1d17a), (0x1fffe, 0x1ffff), (0x2fffe, 0x2ffff), (0x3fffe, 0x3ffff),
    (0x4fffe, 0x4ffff), (0x5fffe, 0x5ffff), (0x6fffe, 0x6ffff), (0x7fffe, 0x7ffff), (0x8fffe, 0x8ffff),
    (0x9fffe, 0x9ffff), (0xafffe, 0xaffff), (0xbfffe, 0xbffff), (0xcfffe, 0xcffff), (0xdfffe, 0xe0fff),
    (0xefffe, 0x10ffff),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_moves_the_cursor_or_turns_text_around() {
        assert_eq!(inert("a\u{1b}[2Jb\u{202e}c\nd é 漢"), "a\\u{1b}[2Jb\\u{202e}c\\u{a}d é 漢");
    }

    #[test]
    fn the_table_has_what_a_reader_does_not_see_and_nothing_that_they_do() {
        assert!(DECEIVING.is_sorted_by(|one, next| one.0 <= one.1 && one.1 < next.0));
        for c in "\0\t\n\u{7f}\u{85}\u{a0}\u{ad}\u{34f}\u{61c}\u{1160}\u{180e}\u{2003}\u{200b}\u{202e}\u{2066}\u{2800}\u{3000}\u{3164}\u{e000}\u{fe0f}\u{feff}\u{fffb}\u{ffff}\u{1bca0}\u{e0041}\u{e0100}\u{f0000}\u{10ffff}".chars() {
            assert!(deceives(c), "{c:?}");
        }
        for c in " a~é漢ß€𝒜\u{301}\u{fffd}\u{1f600}".chars() {
            assert!(!deceives(c), "{c:?}");
        }
    }
}
