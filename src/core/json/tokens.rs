//! The tokens of JSON text, read where they stand: blanks, strings, numbers, literals, and whole values of which only
//! the grammar counts.

use super::{Fault, Kind, MAX_DEPTH, Mode};

/// A fault is rare and large: boxed, it costs the common case next to nothing.
pub(super) type Read<T> = Result<T, Box<Fault>>;

/// A place in a text. It is small and copied freely, so that a loop may keep it in registers.
#[derive(Clone, Copy)]
pub(super) struct Tokens<'a> {
    text: &'a str,
    at: usize,
    mode: Mode,
}

/// The brackets that are open around a value: how many there are in all, and what the inner ones are.
struct Nest {
    depth: usize,
    /// Those opened here, a bit each, innermost lowest, set for an object, below a guard bit.
    open: u128,
    /// How many.
    inside: usize,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a str, mode: Mode) -> Self {
        Self { text, at: 0, mode }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn mode(&self) -> Mode {
        self.mode
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.text.len()
    }

    /// The text from `start` to here.
    pub(super) fn since(&self, start: usize) -> &'a str {
        &self.text[start..self.at]
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        // A branch, because what follows must not wait for the byte to be looked at.
        if self.peek() != Some(byte) {
            return false;
        }
        self.at += 1;
        true
    }

    #[inline]
    pub(super) fn expect(&mut self, byte: u8) -> Read<()> {
        if self.eat(byte) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// Skips blanks. Line ends are no blanks here: they would end the line for another reader.
    #[inline]
    pub(super) fn blank(&mut self) -> Read<()> {
        while let Some(byte) = self.peek().filter(|byte| *byte <= b' ') {
            if !matches!(byte, b' ' | b'\t') {
                return Err(self.unexpected());
            }
            self.at += 1;
        }
        Ok(())
    }

    /// After a member or element: `true` at the closing bracket, `false` after a comma.
    #[inline]
    pub(super) fn close_or_comma(&mut self, close: u8) -> Read<bool> {
        self.blank()?;
        if self.eat(close) {
            return Ok(true);
        }
        self.expect(b',')?;
        self.blank()?;
        Ok(false)
    }

    /// The colon after a member's name, and the blanks around it.
    #[inline]
    pub(super) fn colon(&mut self) -> Read<()> {
        self.blank()?;
        self.expect(b':')?;
        self.blank()
    }

    /// A value that has no brackets.
    #[inline(never)]
    pub(super) fn scalar(&mut self) -> Read<Kind> {
        match self.peek() {
            Some(b'"') => self.string().map(|_| Kind::String),
            Some(b'-' | b'0'..=b'9') => self.number().map(|()| Kind::Number),
            Some(b't') => self.literal("true"),
            Some(b'f') => self.literal("false"),
            Some(b'n') => self.literal("null"),
            _ => Err(self.unexpected()),
        }
    }

    /// Skips a string literal and tells whether it has escapes.
    #[inline]
    pub(super) fn string(&mut self) -> Read<bool> {
        self.expect(b'"')?;
        self.at = plain_end(self.text.as_bytes(), self.at);
        if self.eat(b'"') {
            return Ok(false);
        }
        self.rest_of_string().map(|()| true)
    }

    #[inline(never)]
    fn rest_of_string(&mut self) -> Read<()> {
        while !self.eat(b'"') {
            if self.peek() != Some(b'\\') {
                return Err(self.unexpected());
            }
            self.escape()?;
            self.at = plain_end(self.text.as_bytes(), self.at);
        }
        Ok(())
    }

    fn escape(&mut self) -> Read<()> {
        let start = self.at;
        match self.text.as_bytes().get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => self.unicode(start)?,
            _ => return Err(syntax(start)),
        }
        Ok(())
    }

    fn unicode(&mut self, start: usize) -> Read<()> {
        let unit = self.hex4(start)?;
        self.at = start + 6;
        let high = (0xd800..0xdc00).contains(&unit);
        if high && self.text.as_bytes()[self.at..].starts_with(b"\\u") {
            let second = self.hex4(self.at)?;
            if (0xdc00..0xe000).contains(&second) {
                self.at += 6;
            }
        }
        Ok(())
    }

    /// The four digits of `\uXXXX` that begins at `at`.
    fn hex4(&self, at: usize) -> Read<u32> {
        let digits = self.text.as_bytes().get(at + 2..at + 6).ok_or_else(|| syntax(at))?;
        digits.iter().try_fold(0, |unit, digit| {
            let digit = (*digit as char).to_digit(16).ok_or_else(|| syntax(at))?;
            Ok(unit * 16 + digit)
        })
    }

    #[inline(never)]
    fn number(&mut self) -> Read<()> {
        let start = self.at;
        self.eat(b'-');
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(syntax(start)),
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

    fn some_digits(&mut self, start: usize) -> Read<()> {
        let before = self.at;
        self.digits();
        if self.at == before { Err(syntax(start)) } else { Ok(()) }
    }

    fn digits(&mut self) {
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
    }

    fn literal(&mut self, word: &str) -> Read<Kind> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(self.unexpected());
        }
        self.at += word.len();
        Ok(Kind::Literal)
    }

    #[cold]
    pub(super) fn unexpected(&self) -> Box<Fault> {
        match self.peek() {
            Some(byte) if byte < 0x20 => Box::new(Fault::ControlByte(self.at, byte)),
            _ => syntax(self.at),
        }
    }

    /// Skips a value of which the grammar alone counts; `depth` brackets are open around it.
    pub(super) fn skip(&mut self, depth: usize) -> Read<Kind> {
        let kind = match self.peek() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            _ => return self.scalar(),
        };
        let mut tokens = *self;
        let mut nest = Nest { depth, open: 1, inside: 0 };
        loop {
            if !tokens.goes_in(&mut nest)? && !tokens.goes_on(&mut nest)? {
                *self = tokens;
                return Ok(kind);
            }
        }
    }

    /// Reads a scalar, or a bracket up to the first value in it: `true`.
    #[inline]
    fn goes_in(&mut self, nest: &mut Nest) -> Read<bool> {
        let bracket = match self.peek() {
            Some(b'"') => return self.string().map(|_| false),
            Some(bracket @ (b'{' | b'[')) => bracket,
            _ => return self.scalar().map(|_| false),
        };
        if nest.depth + nest.inside >= MAX_DEPTH {
            return Err(Box::new(Fault::TooDeep));
        }
        self.at += 1;
        self.blank()?;
        // Both closing brackets stand two after their opening ones.
        if self.eat(bracket + 2) {
            return Ok(false);
        }
        nest.inside += 1;
        nest.open = nest.open << 1 | u128::from(bracket == b'{');
        if bracket == b'{' {
            self.skip_name()?;
        }
        Ok(true)
    }

    /// After a value: closes brackets, up to the next value; `false` when all are closed.
    #[inline]
    fn goes_on(&mut self, nest: &mut Nest) -> Read<bool> {
        while nest.inside > 0 {
            let in_object = nest.open & 1 == 1;
            if !self.close_or_comma(if in_object { b'}' } else { b']' })? {
                if in_object {
                    self.skip_name()?;
                }
                return Ok(true);
            }
            nest.inside -= 1;
            nest.open >>= 1;
        }
        Ok(false)
    }

    #[inline]
    fn skip_name(&mut self) -> Read<()> {
        self.string()?;
        self.colon()
    }
}

fn syntax(at: usize) -> Box<Fault> {
    Box::new(Fault::Syntax(at))
}

/// The first byte at or after `at` that a string literal cannot simply contain: quote, backslash, control byte.
#[inline]
fn plain_end(bytes: &[u8], at: usize) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
    const QUOTES: u64 = u64::from_ne_bytes([b'"'; 8]);
    const BACKSLASHES: u64 = u64::from_ne_bytes([b'\\'; 8]);
    const SPACES: u64 = u64::from_ne_bytes([b' '; 8]);
    let mut at = at;
    while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*eight);
        let zero = |word: u64| word.wrapping_sub(ONES) & !word;
        let marks = (zero(word ^ QUOTES) | zero(word ^ BACKSLASHES) | word.wrapping_sub(SPACES) & !word) & HIGHS;
        if marks != 0 {
            return at + marks.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)).unwrap_or(rest.len())
}
