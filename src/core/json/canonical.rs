//! One text for each JSON value, so that values can be compared and digested whatever way they were written.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::tokens::{Read, Tokens};
use super::{Fault, MAX_DEPTH, Mode, whole};

/// The text of the value that `json` writes: members by name, no blanks, strings with as few escapes as can be, number
/// literals as they are. Text that cannot be read stays as it is.
///
/// Members of one name keep their order, and half of a surrogate pair its escape: two values never become one.
pub fn canonical(json: &str) -> Cow<'_, str> {
    // Line ends are blanks between tokens, and nothing inside of one.
    let one_line = match json.contains(['\n', '\r']) && serde_json::from_str::<&RawValue>(json).is_ok() {
        true => Cow::Owned(json.replace(['\n', '\r'], " ")),
        false => Cow::Borrowed(json),
    };
    written(&one_line).map_or(Cow::Borrowed(json), Cow::Owned)
}

fn written(json: &str) -> Option<String> {
    let mut writer = Writer { tokens: Tokens::new(json, Mode::Lenient), out: String::with_capacity(json.len()) };
    writer.whole().ok().filter(|()| writer.tokens.is_at_end()).map(|()| writer.out)
}

struct Writer<'a> {
    tokens: Tokens<'a>,
    out: String,
}

impl Writer<'_> {
    fn whole(&mut self) -> Read<()> {
        self.tokens.blank()?;
        self.value(0)?;
        self.tokens.blank()
    }

    fn value(&mut self, depth: usize) -> Read<()> {
        if depth > MAX_DEPTH {
            return Err(Box::new(Fault::TooDeep));
        }
        match self.tokens.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string(),
            _ => {
                let start = self.tokens.at();
                self.tokens.scalar()?;
                self.out.push_str(self.tokens.since(start));
                Ok(())
            }
        }
    }

    fn string(&mut self) -> Read<()> {
        let start = self.tokens.at();
        let escaped = self.tokens.string()?;
        let literal = self.tokens.since(start);
        match whole(literal).filter(|_| escaped) {
            Some(text) => self.out.push_str(&serde_json::Value::from(text.as_ref()).to_string()),
            None => self.out.push_str(literal),
        }
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Read<()> {
        self.out.push('[');
        let mut closed = self.opens(b'[', b']')?;
        while !closed {
            self.value(depth + 1)?;
            closed = self.tokens.close_or_comma(b']')?;
            self.out.push_str(if closed { "" } else { "," });
        }
        self.out.push(']');
        Ok(())
    }

    fn object(&mut self, depth: usize) -> Read<()> {
        let before = std::mem::take(&mut self.out);
        let mut members = Vec::new();
        let mut closed = self.opens(b'{', b'}')?;
        while !closed {
            self.string()?;
            let name = std::mem::take(&mut self.out);
            self.tokens.colon()?;
            self.value(depth + 1)?;
            members.push((name, std::mem::take(&mut self.out)));
            closed = self.tokens.close_or_comma(b'}')?;
        }
        members.sort_by(|(one, _), (other, _)| one.cmp(other));
        let members: Vec<String> = members.into_iter().map(|(name, value)| format!("{name}:{value}")).collect();
        self.out = format!("{before}{{{}}}", members.join(","));
        Ok(())
    }

    fn opens(&mut self, open: u8, close: u8) -> Read<bool> {
        self.tokens.expect(open)?;
        self.tokens.blank()?;
        Ok(self.tokens.eat(close))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_one_text_whatever_way_it_is_written() {
        for (sent, text) in [
            ("{}", "{}"),
            (" { } ", "{}"),
            ("{\t\"b\" : [ 1 , 2 ] ,\"a\":{\"d\":null,\"c\":\"\"}}", r#"{"a":{"c":"","d":null},"b":[1,2]}"#),
            (r#"{"n": 1.0, "m": 1e400, "b": 123456789012345678901234567890}"#, {
                r#"{"b":123456789012345678901234567890,"m":1e400,"n":1.0}"#
            }),
            (r#"["\u0061\/\u00e9","é\n","\u000a"]"#, r#"["a/é","é\n","\n"]"#),
            (r#"{"\u0062":1,"a":2}"#, r#"{"a":2,"b":1}"#),
            (r#" "\ud83d" "#, r#""\ud83d""#),
            ("\n[1,\r\n2 ]\n", "[1,2]"),
        ] {
            assert_eq!(canonical(sent), text, "{sent}");
            assert_eq!(canonical(text), text, "it is its own");
        }
    }

    #[test]
    fn other_values_have_other_texts() {
        let all = [
            "[1,2]",
            "[2,1]",
            "1",
            "1.0",
            "\"1\"",
            "null",
            "[]",
            "{}",
            r#"{"a":1,"a":2}"#,
            r#"{"a":2,"a":1}"#,
            r#"{"a":[]}"#,
            r#""\ud83d""#,
            r#""\ufffd""#,
            r#""\\ud83d""#,
            r#""a b""#,
            r#""a  b""#,
            "{",
            "",
            "{ ",
            "\"a\nb\"",
        ];
        for (index, one) in all.iter().enumerate() {
            for other in &all[..index] {
                assert_ne!(canonical(one), canonical(other));
            }
        }
    }

    #[test]
    fn what_is_nested_too_deeply_stays_as_it_is() {
        let deep = format!("{}1{}", "[ ".repeat(100_000), "]".repeat(100_000));
        assert_eq!(canonical(&deep), deep);
    }

    proptest::proptest! {
        #[test]
        fn the_text_is_of_the_same_value(text in r#"[\[\]{}:,"\\aun0-9\. ]{0,24}"#) {
            if let Ok(value) = serde_json::from_str::<serde_json::Value>(&text) {
                let canonical = canonical(&text).into_owned();
                proptest::prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&canonical).ok(), Some(value), "{}", text);
            }
        }
    }
}
