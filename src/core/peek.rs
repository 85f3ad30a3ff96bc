//! A cheap look at a server's line: which request it answers, and how that ended.
//!
//! It reads the first and the last members of the envelope, as servers write them, and searches a line of moderate
//! length once; whatever it cannot tell for sure it leaves to [`frame::read_server`](super::frame::read_server). On
//! it depend the log, and that a tool list is not read again whose bytes are those of one that was read.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::approval::Outcome;

/// A longer line is not searched: how it ended is known from its last bytes, or not at all.
pub const SEARCHED_BYTES: usize = 256 << 10;
/// The longest id that is looked at here, quotes included.
const MAX_ID_BYTES: usize = super::frame::MAX_NAME_BYTES + 2;

/// What a line is at first sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight<'a> {
    /// A request or a notification.
    NoAnswer,
    /// The answer to a request.
    Answer(Answer<'a>),
    /// Not written as servers usually do.
    Unclear,
}

/// The answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The request's id, as [`Id::key`](super::frame::Id::key) has it.
    pub key: &'a str,
    /// The raw value of `result`, or nothing of an error.
    pub result: Option<&'a [u8]>,
}

/// Looks at a server's line, without its line end.
pub fn look(line: &[u8]) -> Sight<'_> {
    sight(line).unwrap_or(Sight::Unclear)
}

fn sight(line: &[u8]) -> Option<Sight<'_>> {
    let (mut rest, mut id) = (after(line, b'{')?, None);
    loop {
        let (name, value) = member(rest)?;
        match name {
            b"method" => return is_plain_message(value).then_some(Sight::NoAnswer),
            b"result" | b"error" if null(value).is_some() => rest = null(value)?,
            b"result" | b"error" => return answer(value, id, name == b"error").map(Sight::Answer),
            b"jsonrpc" => rest = scalar(value)?.1,
            b"id" => (id, rest) = scalar(value).map(|(id, rest)| (Some(id), rest))?,
            _ => return None,
        }
        rest = after(rest, b',')?;
    }
}

/// Whether what stands from the method to the end of the line names a method, and no outcome to any reader.
fn is_plain_message(value: &[u8]) -> bool {
    static RESULT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"result\""));
    static ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"error\""));
    value.trim_ascii_start().starts_with(b"\"")
        && !has_escaped_letters(value)
        && RESULT.find(value).is_none()
        && ERROR.find(value).is_none()
}

/// Whether something in the line may be a member `id`: at the outermost level, the last one counts for most readers.
fn may_name_an_id(bytes: &[u8]) -> bool {
    static ID: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"id\""));
    has_escaped_letters(bytes) || ID.find(bytes).is_some()
}

/// A plain letter written as an escape may stand in any member's name.
fn has_escaped_letters(bytes: &[u8]) -> bool {
    static ESCAPE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\\u00"));
    ESCAPE.find(bytes).is_some()
}

/// `value` is what stands from the outcome to the end of the line.
fn answer<'a>(value: &'a [u8], id: Option<&'a [u8]>, is_error: bool) -> Option<Answer<'a>> {
    let mut body = before(value, b'}')?;
    let mut found = id;
    // What may follow the outcome: that there is no other one, the id, and the version, in any order.
    while let Some((name, scalar, rest)) = last_member(body).or_else(|| last_null(body)) {
        match name {
            b"id" if found.is_none() => found = Some(scalar),
            b"jsonrpc" | b"error" => {}
            _ => break,
        }
        body = rest;
    }
    if may_name_an_id(body) {
        return None;
    }
    Some(Answer { key: key(found?)?, result: (!is_error).then_some(body) })
}

impl Answer<'_> {
    /// How the call ended; `None` when that takes more than a look.
    pub fn outcome(&self) -> Option<Outcome> {
        let Some(result) = self.result else { return Some(Outcome::Failed) };
        let said = || {
            let result = before(result, b'}')?;
            let (rest, outcome) = match result.strip_suffix(b"false") {
                Some(rest) => (rest, Outcome::Succeeded),
                None => (result.strip_suffix(b"true")?, Outcome::Failed),
            };
            let before_name = before(rest, b':')?.strip_suffix(b"\"isError\"")?;
            matches!(before_name.last(), Some(b',' | b'{' | b' ')).then_some(outcome)
        };
        said().or_else(|| (!mentions_error(result)?).then_some(Outcome::Succeeded))
    }
}

/// Whether the word occurs at all; `None` of a result that is too long to be searched.
fn mentions_error(result: &[u8]) -> Option<bool> {
    // Made once: for a short line, making it costs more than the search.
    static WORD: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"isError\""));
    (result.len() <= SEARCHED_BYTES).then(|| WORD.find(result).is_some())
}

fn key(literal: &[u8]) -> Option<&str> {
    // A string's key is its literal without the closing quote.
    let key = literal.strip_suffix(b"\"").unwrap_or(literal);
    std::str::from_utf8(key).ok()
}

// From the front.

fn after(bytes: &[u8], byte: u8) -> Option<&[u8]> {
    bytes.trim_ascii_start().strip_prefix(&[byte])
}

/// A member's name, and everything from its value on.
fn member(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = after(bytes, b'"')?;
    let end = rest.iter().take(MAX_ID_BYTES).position(|byte| matches!(byte, b'"' | b'\\'))?;
    Some((&rest[..end], after(after(&rest[end..], b'"')?, b':')?))
}

/// A plain string or integer, and what follows it.
fn scalar(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let bytes = bytes.trim_ascii_start();
    let end = match bytes.first()? {
        b'"' => bytes[1..].iter().take(MAX_ID_BYTES).position(|byte| matches!(byte, b'"' | b'\\'))? + 2,
        _ => bytes.iter().take(MAX_ID_BYTES).position(|byte| !is_of_integer(*byte))?,
    };
    let (scalar, rest) = bytes.split_at(end);
    (!scalar.is_empty() && !scalar.ends_with(b"\\")).then_some((scalar, rest))
}

/// What follows a `null`.
fn null(bytes: &[u8]) -> Option<&[u8]> {
    bytes.trim_ascii_start().strip_prefix(b"null")
}

fn is_of_integer(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'-'
}

// From the back.

fn before(bytes: &[u8], byte: u8) -> Option<&[u8]> {
    bytes.trim_ascii_end().strip_suffix(&[byte]).map(<[u8]>::trim_ascii_end)
}

/// The last member of an object, if its value is a plain string or integer: name, value, and what stands before it.
fn last_member(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let window = bytes.len().saturating_sub(MAX_ID_BYTES + 1);
    let start = match bytes.strip_suffix(b"\"") {
        Some(open) => window + open[window.min(open.len())..].iter().rposition(|byte| *byte == b'"')?,
        None => window + bytes[window..].iter().rposition(|byte| !is_of_integer(*byte))? + 1,
    };
    let (rest, value) = bytes.split_at(start);
    let named = before(rest, b':')?.strip_suffix(b"\"")?;
    let (rest, name) = [b"id".as_slice(), b"jsonrpc"]
        .iter()
        .find_map(|name| Some((named.strip_suffix(*name)?.strip_suffix(b"\"")?, *name)))?;
    (!value.is_empty() && !value.contains(&b'\\')).then_some((name, value, before(rest, b',')?))
}

/// The last member of an object, if it says that there is no error.
fn last_null(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let named = before(bytes.strip_suffix(b"null")?, b':')?;
    Some((b"error", b"null", before(named.strip_suffix(b"\"error\"")?, b',')?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(line: &str) -> (&str, Option<Outcome>) {
        match look(line.as_bytes()) {
            Sight::Answer(answer) => (answer.key, answer.outcome()),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn answers_are_read_as_servers_write_them() {
        let (yes, no) = (Some(Outcome::Succeeded), Some(Outcome::Failed));
        for (line, expected) in [
            (r#"{"jsonrpc":"2.0","id":7,"result":{"content":[]}}"#, ("7", yes)),
            (r#"{"jsonrpc":"2.0","id":-7,"result":{"content":[],"isError":false}}"#, ("-7", yes)),
            (r#"{"jsonrpc": "2.0", "id": "a", "result": {"content": [], "isError": true}}"#, ("\"a", no)),
            (r#"{"result":{"content":[]},"jsonrpc":"2.0","id":7}"#, ("7", yes)),
            (r#"{"result":{"content":[],"isError":true},"jsonrpc":"2.0","id":"b c"}"#, ("\"b c", no)),
            (r#"{"result":{"isError":true},"id":7,"jsonrpc":"2.0"}"#, ("7", no)),
            (r#"{"id":7,"result":{"isError":false},"jsonrpc":"2.0"}"#, ("7", yes)),
            (r#"{"id":7,"jsonrpc":"2.0","error":{"code":-32602,"message":"no"}}"#, ("7", no)),
            (r#"{"error":{"code":1,"message":"no"},"jsonrpc":"2.0","id":7}"#, ("7", no)),
            (r#"{"jsonrpc":"2.0","id":7,"result":"odd"}"#, ("7", yes)),
            (r#"{"jsonrpc":"2.0","id":7,"result":{},"error":null}"#, ("7", yes)),
            (r#"{"id":7,"error": null,"result":{"isError":true},"jsonrpc":"2.0"}"#, ("7", no)),
            (r#"{"result":{"isError":false},"error" : null , "id":7}"#, ("7", yes)),
            (r#"{"id":7,"result":null,"error":{"code":1,"message":"no"}}"#, ("7", no)),
            (r#"{"id":7,"error":{"code":1,"message":"no"},"result":null}"#, ("7", no)),
        ] {
            assert_eq!(seen(line), expected, "{line}");
        }
    }

    #[test]
    fn an_error_that_is_not_said_at_the_end_takes_more_than_a_look() {
        for line in [
            r#"{"jsonrpc":"2.0","id":7,"result":{"isError":true,"content":[]}}"#,
            r#"{"jsonrpc":"2.0","id":7,"result":{"content":[{"text":"say \"isError\":true}"}],"isError":1}}"#,
            r#"{"jsonrpc":"2.0","id":7,"result":{"structuredContent":{"isError":true}}}"#,
            r#"{"jsonrpc":"2.0","id":7,"result":{"x\"isError":true}}"#,
        ] {
            assert_eq!(seen(line).1.filter(|outcome| *outcome == Outcome::Failed), None, "{line}");
        }
        let giant = "x".repeat(SEARCHED_BYTES);
        assert_eq!(seen(&format!(r#"{{"jsonrpc":"2.0","id":7,"result":{{"a":"{giant}"}}}}"#)), ("7", None));
        let told = format!(r#"{{"result":{{"a":"{giant}","isError":false}},"jsonrpc":"2.0","id":7}}"#);
        assert_eq!(seen(&told), ("7", Some(Outcome::Succeeded)));
    }

    #[test]
    fn what_is_no_answer_is_seen_at_once_and_what_is_odd_is_left_to_the_reader() {
        for line in [
            r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{}}"#,
            r#"{"jsonrpc":"2.0","id":3,"method":"sampling/createMessage","params":{}}"#,
            r#"{"method":"ping","jsonrpc":"2.0","id":3}"#,
        ] {
            assert_eq!(look(line.as_bytes()), Sight::NoAnswer, "{line}");
        }
        for line in [
            r#"{"jsonrpc":"2.0","params":{},"id":7,"result":{}}"#,
            r#"{"jsonrpc":"2.0","method":null,"id":7,"result":{}}"#,
            r#"{"jsonrpc":"2.0","method":"x","id":7,"result":{}}"#,
            r#"{"jsonrpc":"2.0","method":"x","id":7,"error":{}}"#,
            r#"{"jsonrpc":"2.0","method":"x","id":7,"\u0072esult":{}}"#,
            r#"{"jsonrpc":"2.0","id":7,"result":{},"id":8}"#,
            r#"{"jsonrpc":"2.0","id":7,"result":{},"id":8,"x":{}}"#,
            r#"{"jsonrpc":"2.0","id":7,"result":{},"\u0069d":8}"#,
            r#"{"jsonrpc":"2.0","result":{},"id":7,"jsonrpc":"2.0","id":8}"#,
            "",
            "{",
            "{}",
            "[]",
            "7",
            "\"",
            "{\"",
            "{\"id",
            "{\"id\"",
            "{\"id\":",
            "{\"id\":\"",
            "{\"result\":",
            "{\"result\":}",
            r#"{"jsonrpc":"2.0","id":null,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":"\u0061","result":{}}"#,
            r#"{"result":{},"jsonrpc":"2.0","id":"\u0061"}"#,
            r#"{"result":{},"jsonrpc":"2.0"}"#,
            r#"{"x":1,"jsonrpc":"2.0","id":7,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":7,"result":null}"#,
            r#"{"\u0069d":7,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":7.5,"result":{}}"#,
        ] {
            assert_eq!(look(line.as_bytes()), Sight::Unclear, "{line}");
        }
    }

    proptest::proptest! {
        /// Whatever a known writer writes, a look says what the reader says, or nothing.
        #[test]
        fn a_look_agrees_with_the_reader(
            id in proptest::prop_oneof!["[0-9]{1,18}", "\"[a-z\\\\\"\u{e9},:}{ ]{0,8}\""],
            text in proptest::collection::vec(proptest::sample::select(
                vec!["\\\"", "isError", ":", "true", "}", ",", "\\\\", "id", "jsonrpc", "7", " ", "é"]), 0..12),
            said in proptest::sample::select(vec!["", ",\"isError\":true", ",\"isError\":false", ", \"isError\": true"]),
            order in 0..4,
        ) {
            let result = format!("{{\"content\":[{{\"text\":\"{}\"}}]{said}}}", text.concat());
            let line = match order {
                0 => format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#),
                1 => format!(r#"{{"result":{result},"jsonrpc":"2.0","id":{id}}}"#),
                2 => format!(r#"{{"result":{result},"id":{id},"jsonrpc":"2.0"}}"#),
                _ => format!(r#"{{ "id" : {id} , "result" : {result} }}"#),
            };
            let read = super::super::frame::read_server(line.as_bytes());
            if let (Sight::Answer(answer), super::super::frame::ServerFrame::Response { id, .. }) = (look(line.as_bytes()), read) {
                proptest::prop_assert_eq!(answer.key, id.key.as_ref(), "{}", line);
                let truth = if said.contains("true") { Outcome::Failed } else { Outcome::Succeeded };
                proptest::prop_assert!(answer.outcome().is_none_or(|outcome| outcome == truth), "{}", line);
            }
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(proptest::sample::select(b"{}\":,\\ id7-jsonrpcresult".to_vec()), 0..48)) {
            if let Sight::Answer(answer) = look(&bytes) {
                let _ = answer.outcome();
            }
        }
    }
}
