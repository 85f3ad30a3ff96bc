//! A line of the server that is longer than is kept in memory: it passes as it comes, all but its end.
//!
//! Only at the end is it known what the line was. Without the bracket that closes it, it is nothing to any reader; so
//! that bracket waits until the gate has said whether the line may be whole. What stands behind a `Content-Length`
//! header cannot be cut short, so nothing of that passes.

use crate::core::outline::{Object, Outline};

/// What may stand behind the last bracket, at most.
const MAX_TAIL_BYTES: usize = 1 << 10;

/// Such a line, as far as it has come.
#[derive(Debug)]
pub struct Long {
    /// Why nothing of it passes, if so.
    swallowed: Option<&'static str>,
    /// What does not begin like a message must not pass.
    drops_noise: bool,
    outline: Outline,
    /// What is held back: from the last bracket on, or from a carriage return on.
    tail: Vec<u8>,
    /// The tail is more than can be the end of one line for every reader.
    broken: bool,
}

/// The end of such a line.
#[derive(Debug)]
pub struct End {
    /// What the line was.
    pub object: Option<Object>,
    /// What of it was held back.
    pub tail: Vec<u8>,
    /// What is to stand in the tail's place if the line must not be whole.
    pub cut: &'static [u8],
    /// Why it must not, if so.
    pub fault: Option<&'static str>,
}

impl Long {
    /// One of which nothing has come.
    pub fn new(is_framed: bool, drops_noise: bool) -> Self {
        let swallowed = is_framed.then_some("it stands behind a Content-Length header");
        Self { swallowed, drops_noise, outline: Outline::default(), tail: Vec::new(), broken: false }
    }

    /// Takes the next bytes; returns how many of them may be written.
    pub fn push(&mut self, bytes: &[u8]) -> usize {
        if self.swallowed.is_some() {
            self.outline.push(bytes);
            return 0;
        }
        if !self.tail.is_empty() || self.broken {
            self.hold_back(bytes);
            return 0;
        }
        let plain = memchr::memchr2(b'\r', b'\n', bytes).unwrap_or(bytes.len());
        let passes = self.outline.push_open(&bytes[..plain]);
        if self.drops_noise && !self.outline.has_begun() {
            self.swallowed = Some("it does not begin like a message");
            return 0;
        }
        self.hold_back(&bytes[passes..]);
        passes
    }

    fn hold_back(&mut self, bytes: &[u8]) {
        self.broken |= self.tail.len() + bytes.len() > MAX_TAIL_BYTES;
        if !self.broken {
            self.tail.extend_from_slice(bytes);
        }
    }

    /// The line has ended.
    pub fn end(self) -> End {
        let object = self.outline.objects().into_iter().next();
        let closing: &[u8] = if object.is_some() { b"}" } else { b"" };
        let is_whole = !self.broken && self.tail.trim_ascii_end() == closing;
        let cut: &[u8] = if self.swallowed.is_some() { b"" } else { b"\n" };
        let fault = self.swallowed.or((!is_whole).then_some("it is not one line of JSON to every reader"));
        End { object, tail: self.tail, cut, fault }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What passes of a line that comes in these pieces, what is held back, and whether it is one line.
    fn through(pieces: &[&str]) -> (String, String, bool) {
        let (mut long, mut passed) = (Long::new(false, false), String::new());
        for piece in pieces {
            passed.push_str(&piece[..long.push(piece.as_bytes())]);
        }
        let end = long.end();
        (passed, String::from_utf8(end.tail).unwrap(), end.fault.is_none())
    }

    #[test]
    fn all_but_the_end_passes_as_it_comes() {
        for (pieces, passed, tail, is_whole) in [
            (&["{\"id\":1,\"result\":{\"a\":", "\"}\"}}\n"][..], "{\"id\":1,\"result\":{\"a\":\"}\"}", "}\n", true),
            (&["{\"a\":1", "} \t", "\r\r\n"], "{\"a\":1", "} \t\r\r\n", true),
            (&["{\"a\":1}"], "{\"a\":1", "}", true),
            (&["noise\n"], "noise", "\n", true),
            (&["{\"a\":1}{\"id\":1,\"result\":0}\n"], "{\"a\":1", "}{\"id\":1,\"result\":0}\n", false),
            (&["{\"a\":1\r", "{\"id\":1}\n"], "{\"a\":1", "\r{\"id\":1}\n", false),
            (&["noise\r{\"id\":1,\"result\":0}\n"], "noise", "\r{\"id\":1,\"result\":0}\n", false),
            (&["[{\"a\":1},{\"id\":1}]\n"], "[{\"a\":1", "},{\"id\":1}]\n", false),
            (&["{\"a\":1\n"], "{\"a\":1", "\n", false),
        ] {
            assert_eq!(through(pieces), (passed.to_owned(), tail.to_owned(), is_whole), "{pieces:?}");
        }
    }

    #[test]
    fn an_endless_tail_is_not_kept() {
        let mut long = Long::new(false, false);
        assert_eq!(long.push(b"{}"), 1);
        for _ in 0..1000 {
            assert_eq!(long.push(&[b' '; 1000]), 0);
        }
        let end = long.end();
        assert!(end.fault.is_some() && end.tail.len() <= MAX_TAIL_BYTES);
    }

    #[test]
    fn nothing_passes_of_what_stands_behind_a_header() {
        let mut long = Long::new(true, false);
        assert_eq!(long.push(b"Content-Length: 30\r\n\r\n{\"id\":3,\"result\":0,\"a\":\"x"), 0);
        assert_eq!(long.push(b"\"}"), 0);
        let end = long.end();
        assert_eq!(end.object.as_ref().and_then(Object::answered), Some("3"));
        assert!(end.tail.is_empty() && end.cut.is_empty() && end.fault.is_some());
    }

    #[test]
    fn noise_is_swallowed_while_it_may_be_an_answer() {
        let mut long = Long::new(false, true);
        assert_eq!((long.push(b"noise"), long.push(b" and noise\n")), (0, 0));
        let end = long.end();
        assert!(end.fault.is_some() && end.tail.is_empty() && end.cut.is_empty());
        assert_eq!(Long::new(false, true).push(b" {\"a\":1}"), 7);
    }
}
