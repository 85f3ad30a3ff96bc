//! A strict reader of JSON text (RFC 8259) that keeps every byte where it was: it returns views, never values.
//!
//! It exists because a gate and a server must not read one line differently: duplicate names, names with half a
//! surrogate pair, raw control bytes and deep nesting are faults here. Number literals and the order of members stay as
//! they came.

mod canonical;
mod text;
mod tokens;

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

pub use self::canonical::canonical;
pub use self::text::{mended, unescape, whole};
use self::tokens::{Read, Tokens};

/// Nesting deeper than this is a fault.
pub const MAX_DEPTH: usize = 128;

/// An array with more elements than this is not opened for anyone.
const MAX_ELEMENTS: usize = 1 << 14;

/// Objects with more members than this look their names up in a set.
const FEW: usize = 16;

/// How much is demanded of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A client's line: no duplicate names at any depth, and no halves of surrogate pairs in them.
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
    /// An array that was to be opened is too long.
    #[error("more than {MAX_ELEMENTS} elements")]
    TooMany,
    /// Nested too deeply.
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// One name twice in one object.
    #[error("duplicate member name {0:?}")]
    Duplicate(String),
    /// Half of a surrogate pair in a name.
    #[error("half of a surrogate pair in the member name at byte {0}")]
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
    /// The value's own members, or elements without a name, if they were asked for ([`Open`]).
    pub inner: Vec<Member<'a>>,
}

impl Member<'_> {
    /// Whether it says no more than a member that is left out: `null`, or the empty list that some languages make of an
    /// empty object.
    pub fn is_void(&self) -> bool {
        says_nothing(self.raw)
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        self.raw == "null"
    }
}

/// Whether a value says no more than one that is left out: `null`, or the empty list that some languages make of an
/// empty object.
pub fn says_nothing(json: &str) -> bool {
    let json = json.trim_ascii();
    let list = json.strip_prefix('[').and_then(|list| list.strip_suffix(']'));
    json == "null" || list.is_some_and(|list| list.trim_ascii().is_empty())
}

/// What is wanted of a member besides its raw text.
#[derive(Clone, Copy, Debug)]
pub enum Open {
    /// The members of an object, and what is wanted of those.
    Members(Wanted),
    /// The elements of an array, with the members of those that are objects.
    Elements,
}

/// Members by name, and what is wanted of them.
pub type Wanted = &'static [(&'static str, Open)];

/// An object's members in the order they came.
pub type Members<'a> = Vec<Member<'a>>;

/// The member of that name.
pub fn member<'m, 'a>(members: &'m [Member<'a>], name: &str) -> Option<&'m Member<'a>> {
    members.iter().find(|member| member.name == name)
}

/// The member of that name, unless it is `null`.
pub fn present<'m, 'a>(members: &'m [Member<'a>], name: &str) -> Option<&'m Member<'a>> {
    member(members, name).filter(|member| !member.is_null())
}

/// Where `part`, a piece of `text`, lies in it.
pub(super) fn range_in(text: &[u8], part: &str) -> Range<usize> {
    let start = part.as_ptr() as usize - text.as_ptr() as usize;
    start..start + part.len()
}

/// Reads a text that is one object; `open` names the members that are wanted with what is in them.
///
/// On a fault, the members read before it come along, so that a refusal can name the id.
pub fn object(text: &str, mode: Mode, open: Wanted) -> Result<Members<'_>, (Fault, Members<'_>)> {
    let mut reader = Reader::new(text, mode);
    let mut members = Vec::with_capacity(6);
    match reader.whole_object(&mut members, open) {
        Ok(()) => Ok(members),
        Err(fault) => Err((*fault, members)),
    }
}

struct Reader<'a> {
    tokens: Tokens<'a>,
    /// The names of all objects that are open, innermost last.
    names: Vec<Cow<'a, str>>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, mode: Mode) -> Self {
        Self { tokens: Tokens::new(text, mode), names: Vec::new() }
    }

    fn whole_object(&mut self, members: &mut Members<'a>, open: Wanted) -> Read<()> {
        self.tokens.blank()?;
        if self.tokens.peek() != Some(b'{') {
            return Err(Box::new(Fault::NotAnObject));
        }
        self.members(1, members, open)?;
        self.tokens.blank()?;
        if self.tokens.is_at_end() { Ok(()) } else { Err(Box::new(Fault::Trailing(self.tokens.at()))) }
    }

    /// Reads an object into `members`; names are unique here in both modes.
    fn members(&mut self, depth: usize, members: &mut Members<'a>, open: Wanted) -> Read<()> {
        if self.opens(b'{', b'}')? {
            return Ok(());
        }
        let base = self.names.len();
        let mut many = None;
        loop {
            let name = self.name()?;
            self.note(base, name.clone(), &mut many)?;
            let start = self.tokens.at();
            let mut inner = Vec::new();
            let wanted = open.iter().find(|(wanted, _)| *wanted == name).map(|(_, open)| *open);
            let kind = self.opened(depth, wanted, &mut inner)?;
            members.push(Member { name, raw: self.tokens.since(start), kind, inner });
            if self.tokens.close_or_comma(b'}')? {
                self.names.truncate(base);
                return Ok(());
            }
        }
    }

    /// Reads a value, and into `inner` what is wanted of it.
    fn opened(&mut self, depth: usize, wanted: Option<Open>, inner: &mut Members<'a>) -> Read<Kind> {
        match (wanted, self.tokens.peek()) {
            (Some(Open::Members(open)), Some(b'{')) => self.members(depth + 1, inner, open).map(|()| Kind::Object),
            (Some(Open::Elements), Some(b'[')) => self.elements(depth + 1, inner).map(|()| Kind::Array),
            _ => self.value(depth),
        }
    }

    /// Reads an array into `elements`, and the members of each that is an object.
    fn elements(&mut self, depth: usize, elements: &mut Members<'a>) -> Read<()> {
        if self.opens(b'[', b']')? {
            return Ok(());
        }
        loop {
            let start = self.tokens.at();
            let mut inner = Vec::new();
            if elements.len() == MAX_ELEMENTS {
                return Err(Box::new(Fault::TooMany));
            }
            let kind = self.opened(depth, Some(Open::Members(&[])), &mut inner)?;
            elements.push(Member { name: Cow::Borrowed(""), raw: self.tokens.since(start), kind, inner });
            if self.tokens.close_or_comma(b']')? {
                return Ok(());
            }
        }
    }

    fn value(&mut self, depth: usize) -> Read<Kind> {
        if self.tokens.mode() == Mode::Lenient {
            return self.tokens.skip(depth);
        }
        match self.tokens.peek() {
            Some(b'{') => self.skip_object(depth + 1).map(|()| Kind::Object),
            Some(b'[') => self.array(depth + 1).map(|()| Kind::Array),
            _ => self.tokens.scalar(),
        }
    }

    fn skip_object(&mut self, depth: usize) -> Read<()> {
        if depth > MAX_DEPTH {
            return Err(Box::new(Fault::TooDeep));
        }
        if self.opens(b'{', b'}')? {
            return Ok(());
        }
        let base = self.names.len();
        let mut many: Option<HashSet<Cow<'a, str>>> = None;
        loop {
            let name = self.name()?;
            self.note(base, name, &mut many)?;
            self.value(depth)?;
            if self.tokens.close_or_comma(b'}')? {
                self.names.truncate(base);
                return Ok(());
            }
        }
    }

    /// Remembers a name of the innermost object, or finds that it was there before.
    fn note(&mut self, base: usize, name: Cow<'a, str>, many: &mut Option<HashSet<Cow<'a, str>>>) -> Read<()> {
        if many.is_none() && self.names.len() - base == FEW {
            *many = Some(self.names.drain(base..).collect());
        }
        let known = match many {
            Some(set) => set.contains(&name),
            None => self.names[base..].contains(&name),
        };
        if known {
            return Err(Box::new(Fault::Duplicate(name.into_owned())));
        }
        match many {
            Some(set) => drop(set.insert(name)),
            None => self.names.push(name),
        }
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Read<()> {
        if depth > MAX_DEPTH {
            return Err(Box::new(Fault::TooDeep));
        }
        if self.opens(b'[', b']')? {
            return Ok(());
        }
        loop {
            self.value(depth)?;
            if self.tokens.close_or_comma(b']')? {
                return Ok(());
            }
        }
    }

    /// Reads an opening bracket up to what is first inside; `true` if that is nothing.
    fn opens(&mut self, open: u8, close: u8) -> Read<bool> {
        self.tokens.expect(open)?;
        self.tokens.blank()?;
        Ok(self.tokens.eat(close))
    }

    /// A member's name, its colon, and the blanks up to the value.
    fn name(&mut self) -> Read<Cow<'a, str>> {
        let start = self.tokens.at();
        let escaped = self.tokens.string()?;
        let literal = self.tokens.since(start);
        self.tokens.colon()?;
        let inner = Cow::Borrowed(&literal[1..literal.len() - 1]);
        match if escaped { whole(literal) } else { Some(inner.clone()) } {
            Some(name) => Ok(name),
            None if self.tokens.mode() == Mode::Strict => Err(Box::new(Fault::LoneSurrogate(start))),
            None => Ok(inner),
        }
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
