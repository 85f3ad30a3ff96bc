//! The text of string literals, in which half a surrogate pair may stand: JavaScript writes such, few others read it.

use std::borrow::Cow;

/// The text of a string literal, unescaped; `None` if half of a surrogate pair is in it, which has no text.
pub fn whole(literal: &str) -> Option<Cow<'_, str>> {
    let inner = literal.get(1..literal.len().saturating_sub(1)).unwrap_or_default();
    if !inner.contains('\\') {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str(literal).ok().map(Cow::Owned)
}

/// The text of a string literal, unescaped, with U+FFFD for half of a surrogate pair.
pub fn unescape(literal: &str) -> Cow<'_, str> {
    whole(literal).unwrap_or_else(|| {
        Cow::Owned(serde_json::from_str(&mended(literal)).unwrap_or_else(|_| literal.trim_matches('"').to_owned()))
    })
}

/// JSON text with the escape of U+FFFD in place of each half of a surrogate pair, so that every reader takes it.
pub fn mended(json: &str) -> Cow<'_, str> {
    let mut halves = halves(json).peekable();
    if halves.peek().is_none() {
        return Cow::Borrowed(json);
    }
    let mut mended = json.as_bytes().to_vec();
    for at in halves {
        mended[at + 2..at + 6].copy_from_slice(b"fffd");
    }
    // Digits took the place of digits.
    String::from_utf8(mended).map_or(Cow::Borrowed(json), Cow::Owned)
}

/// Where the escapes of lone halves begin.
fn halves(json: &str) -> impl Iterator<Item = usize> {
    let bytes = json.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let start = at + memchr::memchr(b'\\', bytes.get(at..)?)?;
            let unit = unit(bytes, start);
            let pair = unit.is_some_and(is_high) && unit_after(bytes, start).is_some_and(is_low);
            at = start
                + if pair {
                    12
                } else if unit.is_some() {
                    6
                } else {
                    2
                };
            if !pair && unit.is_some_and(|unit| is_high(unit) || is_low(unit)) {
                return Some(start);
            }
        }
    })
}

/// The code unit of the escape `\uXXXX` that begins at `at`, if one does.
fn unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    std::str::from_utf8(digits).ok().and_then(|digits| u16::from_str_radix(digits, 16).ok())
}

fn unit_after(bytes: &[u8], at: usize) -> Option<u16> {
    unit(bytes, at + 6)
}

fn is_high(unit: u16) -> bool {
    (0xd800..0xdc00).contains(&unit)
}

fn is_low(unit: u16) -> bool {
    (0xdc00..0xe000).contains(&unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_pairs_are_read_as_the_replacement_character() {
        for (literal, text, is_whole) in [
            (r#""plain""#, "plain", true),
            (r#""\ud83d\ude00""#, "\u{1f600}", true),
            (r#""a\ud83d""#, "a\u{fffd}", false),
            (r#""\uD83Dx\uDE00""#, "\u{fffd}x\u{fffd}", false),
            (r#""\ude00\ud83d""#, "\u{fffd}\u{fffd}", false),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}\u{1f600}", false),
            (r#""\\ud83d\n""#, "\\ud83d\n", true),
            (r#""\ud83d\\ude00""#, "\u{fffd}\\ude00", false),
        ] {
            assert_eq!(unescape(literal), text, "{literal}");
            assert_eq!(whole(literal).is_some(), is_whole, "{literal}");
        }
    }

    #[test]
    fn a_text_without_halves_is_left_as_it_is() {
        for text in [r#"{"a":"\ud83d\ude00"}"#, r#"{"a":"\\ud83d"}"#, "{}", "\"\\u12", "\\"] {
            assert!(matches!(mended(text), Cow::Borrowed(_)), "{text}");
        }
        assert_eq!(mended(r#"{"a":"\uD83D","b":1}"#), r#"{"a":"\ufffd","b":1}"#);
    }

    proptest::proptest! {
        #[test]
        fn what_is_mended_can_be_read(text in "(\\\\u[dD][8-9a-fA-F][0-9a-f]{2}|\\\\\\\\|\\\\n|[a-z\u{e9}]){0,12}") {
            let mended = mended(&text).into_owned();
            let read = serde_json::from_str::<String>(&format!("\"{mended}\""));
            proptest::prop_assert!(read.is_ok(), "{} became {}", text, mended);
        }
    }
}
