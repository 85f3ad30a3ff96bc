//! A strict reader of JSON text (RFC 8259) that keeps every byte where it was: it returns views, never values.
//!
//! It exists because a gate and a server must not read one line differently: duplicate names, lone surrogates, raw
//! control bytes and deep nesting are faults here. Number literals and the order of members stay as they came.

use std::borrow::Cow;
use std::collections::HashSet;

/// Nesting deeper than this is a fault.
pub const MAX_DEPTH: usize = 128;

/// Objects with more members than this look their names up in a set.
const FEW: usize = 16;

/// How much is demanded of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A client's line: no duplicate names at any depth, no lone surrogates.
    Strict,
    /// A server's line: the same of the members that are looked at, plain grammar below them.
    Lenient,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `{…}`
    Object,
    /// `[…]`
    Array,
    /// `"…"`
    String,
    /// A number literal.
    Number,
    /// `true`, `false` or `null`.
    Literal,
}

/// Why a text was not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not RFC 8259.
    #[error("not valid JSON at byte {0}")]
    Syntax(usize),
    /// The outermost value is not an object.
    #[error("not a JSON object")]
    NotAnObject,
    /// Something follows the object.
    #[error("more than one JSON value on the line (byte {0})")]
    Trailing(usize),
    /// A control byte that other readers take for a line end or drop.
    #[error("raw control byte 0x{1:02x} at byte {0}")]
    ControlByte(usize, u8),
    /// Nested too deeply.
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// One name twice in one object.
    #[error("duplicate member name {0:?}")]
    Duplicate(String),
    /// Half of a surrogate pair.
    #[error("lone surrogate at byte {0}")]
    LoneSurrogate(usize),
}

/// One member of an object.
#[derive(Clone, Debug)]
pub struct Member<'a> {
    /// The name, unescaped.
    pub name: Cow<'a, str>,
    /// The value's raw text.
    pub raw: &'a str,
    /// What the value is.
    pub kind: Kind,
    /// The value's own members, if it is an object and was asked for.
    pub inner: Vec<Member<'a>>,
}

/// An object's members in the order they came.
pub type Members<'a> = Vec<Member<'a>>;

/// The member of that name.
pub fn member<'m, 'a>(members: &'m [Member<'a>], name: &str) -> Option<&'m Member<'a>> {
    members.iter().find(|member| member.name == name)
}

/// Reads a text that is one object; `open` names the members whose own members are wanted too.
///
/// On a fault, the members read before it come along, so that a refusal can name the id.
pub fn object<'a>(text: &'a str, mode: Mode, open: &[&str]) -> Result<Members<'a>, (Fault, Members<'a>)> {
    let mut reader = Reader { text, bytes: text.as_bytes(), at: 0, mode, names: Vec::new() };
    let mut members = Vec::with_capacity(6);
    match reader.whole_object(&mut members, open) {
        Ok(()) => Ok(members),
        Err(fault) => Err((fault, members)),
    }
}

/// The raw texts of an array's elements; `None` if the text is no array. The text must have been read before.
pub fn elements(text: &str) -> Option<Vec<&str>> {
    let mut reader = Reader { text, bytes: text.as_bytes(), at: 0, mode: Mode::Lenient, names: Vec::new() };
    let mut found = Vec::new();
    reader.array(0, |element| found.push(element)).ok()?;
    Some(found)
}

/// The text of a string literal, unescaped; lone surrogates, which have no text, leave it as it stands.
pub fn unescape(literal: &str) -> Cow<'_, str> {
    let inner = literal.get(1..literal.len().saturating_sub(1)).unwrap_or_default();
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    serde_json::from_str::<String>(literal).map_or(Cow::Borrowed(inner), Cow::Owned)
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    mode: Mode,
    /// The names of all objects that are open, innermost last.
    names: Vec<Cow<'a, str>>,
}

impl<'a> Reader<'a> {
    fn whole_object(&mut self, members: &mut Members<'a>, open: &[&str]) -> Result<(), Fault> {
        self.blank()?;
        if self.peek() != Some(b'{') {
            return Err(Fault::NotAnObject);
        }
        self.members(1, members, open)?;
        self.blank()?;
        if self.at == self.bytes.len() { Ok(()) } else { Err(Fault::Trailing(self.at)) }
    }

    /// Reads an object into `members`; names are unique here in both modes.
    fn members(&mut self, depth: usize, members: &mut Members<'a>, open: &[&str]) -> Result<(), Fault> {
        self.at += 1;
        self.blank()?;
        if self.eat(b'}') {
            return Ok(());
        }
        let base = self.names.len();
        let mut many = None;
        loop {
            let name = self.name()?;
            self.note(base, name.clone(), &mut many)?;
            let start = self.at;
            let mut inner = Vec::new();
            let kind = if self.peek() == Some(b'{') && open.contains(&name.as_ref()) {
                self.members(depth + 1, &mut inner, &[])?;
                Kind::Object
            } else {
                self.value(depth)?
            };
            members.push(Member { name, raw: &self.text[start..self.at], kind, inner });
            if self.close_or_comma(b'}')? {
                self.names.truncate(base);
                return Ok(());
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<Kind, Fault> {
        match self.peek() {
            Some(b'"') => self.string().map(|_| Kind::String),
            Some(b'{') => self.skip_object(depth + 1).map(|()| Kind::Object),
            Some(b'[') => self.array(depth + 1, |_| ()).map(|()| Kind::Array),
            Some(b'-' | b'0'..=b'9') => self.number().map(|()| Kind::Number),
            Some(b't') => self.literal("true"),
            Some(b'f') => self.literal("false"),
            Some(b'n') => self.literal("null"),
            _ => Err(self.unexpected()),
        }
    }

    fn skip_object(&mut self, depth: usize) -> Result<(), Fault> {
        if depth > MAX_DEPTH {
            return Err(Fault::TooDeep);
        }
        self.at += 1;
        self.blank()?;
        if self.eat(b'}') {
            return Ok(());
        }
        let base = self.names.len();
        let mut many: Option<HashSet<Cow<'a, str>>> = None;
        loop {
            let name = self.name()?;
            if self.mode == Mode::Strict {
                self.note(base, name, &mut many)?;
            }
            self.value(depth)?;
            if self.close_or_comma(b'}')? {
                self.names.truncate(base);
                return Ok(());
            }
        }
    }

    /// Remembers a name of the innermost object, or finds that it was there before.
    fn note(&mut self, base: usize, name: Cow<'a, str>, many: &mut Option<HashSet<Cow<'a, str>>>) -> Result<(), Fault> {
        if many.is_none() && self.names.len() - base == FEW {
            *many = Some(self.names.drain(base..).collect());
        }
        let known = match many {
            Some(set) => set.contains(&name),
            None => self.names[base..].contains(&name),
        };
        if known {
            return Err(Fault::Duplicate(name.into_owned()));
        }
        match many {
            Some(set) => drop(set.insert(name)),
            None => self.names.push(name),
        }
        Ok(())
    }

    fn array(&mut self, depth: usize, mut element: impl FnMut(&'a str)) -> Result<(), Fault> {
        if depth > MAX_DEPTH {
            return Err(Fault::TooDeep);
        }
        self.blank()?;
        if !self.eat(b'[') {
            return Err(self.unexpected());
        }
        self.blank()?;
        if self.eat(b']') {
            return Ok(());
        }
        loop {
            let start = self.at;
            self.value(depth)?;
            element(&self.text[start..self.at]);
            if self.close_or_comma(b']')? {
                return Ok(());
            }
        }
    }

    /// A member's name, its colon, and the blanks up to the value.
    fn name(&mut self) -> Result<Cow<'a, str>, Fault> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected());
        }
        let start = self.at;
        let escaped = self.string()?;
        let literal = &self.text[start..self.at];
        self.blank()?;
        if !self.eat(b':') {
            return Err(self.unexpected());
        }
        self.blank()?;
        Ok(if escaped { unescape(literal) } else { Cow::Borrowed(&literal[1..literal.len() - 1]) })
    }

    /// After a member or element: `true` at the closing bracket, `false` after a comma.
    fn close_or_comma(&mut self, close: u8) -> Result<bool, Fault> {
        self.blank()?;
        if self.eat(close) {
            return Ok(true);
        }
        if !self.eat(b',') {
            return Err(self.unexpected());
        }
        self.blank()?;
        Ok(false)
    }

    /// Skips a string literal and tells whether it has escapes.
    fn string(&mut self) -> Result<bool, Fault> {
        self.at += 1;
        let mut escaped = false;
        loop {
            self.at = plain_end(self.bytes, self.at);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return Err(self.unexpected()),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Fault> {
        let start = self.at;
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => self.unicode(start)?,
            _ => return Err(Fault::Syntax(start)),
        }
        Ok(())
    }

    fn unicode(&mut self, start: usize) -> Result<(), Fault> {
        let unit = self.hex4(start)?;
        self.at = start + 6;
        let high = (0xd800..0xdc00).contains(&unit);
        let low = (0xdc00..0xe000).contains(&unit);
        if high && self.bytes[self.at..].starts_with(b"\\u") {
            let second = self.hex4(self.at)?;
            if (0xdc00..0xe000).contains(&second) {
                self.at += 6;
                return Ok(());
            }
        }
        if (high || low) && self.mode == Mode::Strict { Err(Fault::LoneSurrogate(start)) } else { Ok(()) }
    }

    /// The four digits of `\uXXXX` that begins at `at`.
    fn hex4(&self, at: usize) -> Result<u32, Fault> {
        let digits = self.bytes.get(at + 2..at + 6).ok_or(Fault::Syntax(at))?;
        digits.iter().try_fold(0, |unit, digit| {
            let digit = (*digit as char).to_digit(16).ok_or(Fault::Syntax(at))?;
            Ok(unit * 16 + digit)
        })
    }

    fn number(&mut self) -> Result<(), Fault> {
        let start = self.at;
        self.eat(b'-');
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(Fault::Syntax(start)),
        }
        if self.eat(b'.') {
            self.some_digits(start)?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            if !self.eat(b'+') {
                self.eat(b'-');
            }
            self.some_digits(start)?;
        }
        Ok(())
    }

    fn some_digits(&mut self, start: usize) -> Result<(), Fault> {
        let before = self.at;
        self.digits();
        if self.at == before { Err(Fault::Syntax(start)) } else { Ok(()) }
    }

    fn digits(&mut self) {
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
    }

    fn literal(&mut self, word: &str) -> Result<Kind, Fault> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(self.unexpected());
        }
        self.at += word.len();
        Ok(Kind::Literal)
    }

    /// Skips blanks. Line ends are no blanks here: they would end the line for another reader.
    fn blank(&mut self) -> Result<(), Fault> {
        loop {
            match self.peek() {
                Some(b' ' | b'\t') => self.at += 1,
                Some(byte) if byte < 0x20 => return Err(Fault::ControlByte(self.at, byte)),
                _ => return Ok(()),
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn unexpected(&self) -> Fault {
        match self.peek() {
            Some(byte) if byte < 0x20 => Fault::ControlByte(self.at, byte),
            _ => Fault::Syntax(self.at),
        }
    }
}

/// The first byte at or after `at` that a string literal cannot simply contain: quote, backslash, control byte.
fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
    const QUOTES: u64 = u64::from_ne_bytes([b'"'; 8]);
    const BACKSLASHES: u64 = u64::from_ne_bytes([b'\\'; 8]);
    const SPACES: u64 = u64::from_ne_bytes([b' '; 8]);
    // Eight bytes at a time, by the usual "has a byte equal to / less than" tricks; a hit is looked at below.
    while let Some(Ok(eight)) = bytes.get(at..at + 8).map(<[u8; 8]>::try_from) {
        let word = u64::from_ne_bytes(eight);
        let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
        let control = word.wrapping_sub(SPACES) & !word & HIGHS;
        if zero(word ^ QUOTES) | zero(word ^ BACKSLASHES) | control != 0 {
            break;
        }
        at += 8;
    }
    while let Some(byte) = bytes.get(at) {
        if matches!(byte, b'"' | b'\\' | 0..=0x1f) {
            break;
        }
        at += 1;
    }
    at
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
