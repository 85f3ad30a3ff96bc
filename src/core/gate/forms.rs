//! What clients make of an id. TypeScript ones compare `Number(id)`, Python ones turn strings into integers: `"7"`,
//! `7.0`, `" 7"` and `"0x7"` are the answer to 7 for some of them.

use std::borrow::Cow;

use crate::core::json::unescape;

/// Whole numbers up to here are whole to JavaScript.
const WHOLE: f64 = 9_007_199_254_740_992.0;

/// The number that some client takes an id for, written in one way; `key` is [`Id::key`](crate::core::frame::Id::key).
pub(super) fn number(key: &str) -> Option<Cow<'_, str>> {
    match key.strip_prefix('"') {
        Some(text) => of_text(text).map(Cow::Owned),
        None if is_integer(key) => Some(Cow::Borrowed(key)),
        None => of_literal(key).map(Cow::Owned),
    }
}

/// The same of any JSON literal, also of one that no id may be.
pub(super) fn number_of_any(raw: &str) -> Option<Cow<'_, str>> {
    match raw.strip_prefix('"') {
        Some(_) => of_text(&unescape(raw)).map(Cow::Owned),
        None => number(raw),
    }
}

fn is_integer(literal: &str) -> bool {
    let digits = literal.strip_prefix('-').unwrap_or(literal);
    literal != "-0" && !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn of_literal(literal: &str) -> Option<String> {
    match literal {
        "null" | "false" => Some("0".to_owned()),
        "true" => Some("1".to_owned()),
        // An array of one is what is in it.
        _ => match literal.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(inner) if inner.trim().is_empty() => Some("0".to_owned()),
            Some(inner) => number_of_any(inner.trim()).map(Cow::into_owned),
            None => decimal(literal),
        },
    }
}

fn of_text(text: &str) -> Option<String> {
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    if text.is_empty() {
        return Some("0".to_owned());
    }
    let radix = |prefixes: [&str; 2], radix| {
        let digits = prefixes.iter().find_map(|prefix| text.strip_prefix(prefix))?;
        u128::from_str_radix(digits, radix).ok()
    };
    let other = radix(["0x", "0X"], 16).or_else(|| radix(["0o", "0O"], 8)).or_else(|| radix(["0b", "0B"], 2));
    other.map(|number| number.to_string()).or_else(|| decimal(&text.replace('_', "")))
}

/// Digits of any length without leading zeros; with a point or an exponent, what it is in whole numbers.
fn decimal(text: &str) -> Option<String> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let digits = digits.trim_start_matches('0');
        return Some(if digits.is_empty() { "0".to_owned() } else { format!("{sign}{digits}") });
    }
    let number: f64 = text.parse().ok()?;
    (number.fract() == 0.0 && number.abs() <= WHOLE).then(|| format!("{}", number + 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_that_some_client_takes_for_a_number_is_that_number() {
        for form in [
            "7",
            "\"7\"",
            "7.0",
            "70e-1",
            "0.7e1",
            "\" 7\"",
            "\"7\\n\"",
            "\"\\u0037\"",
            "\"+7\"",
            "\"07\"",
            "\"0_7\"",
            "\"0x7\"",
            "\"0X07\"",
            "\"0o7\"",
            "\"0b111\"",
            "\"7.0\"",
            "\"7e0\"",
            "\"\u{feff}7\u{a0}\"",
            "[7]",
            "[\"7\"]",
        ] {
            assert_eq!(number_of_any(form).as_deref(), Some("7"), "{form}");
        }
        for form in ["0", "-0", "-0.0", "\"\"", "\" \"", "\"-0\"", "\"0x0\"", "null", "false", "[]"] {
            assert_eq!(number_of_any(form).as_deref(), Some("0"), "{form}");
        }
        for form in ["\"a\"", "\"7a\"", "\"nan\"", "\"inf\"", "\"0x\"", "7.5", "\"7 7\"", "{}", "[7,7]", "\"call_7\""] {
            assert_eq!(number_of_any(form), None, "{form}");
        }
    }

    #[test]
    fn long_numbers_keep_every_digit() {
        let (one, other) = ("123456789012345678901234567890", "123456789012345678901234567891");
        assert_eq!(number(&format!("\"00{one}")).as_deref(), Some(one));
        assert_ne!(number(one), number(other));
    }
}
