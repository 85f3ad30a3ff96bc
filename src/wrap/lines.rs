//! Lines out of a byte stream, in a buffer that grows with a long line and shrinks after it.
//!
//! Lines are ranges of the buffer: nothing is copied to be looked at. A line over the limit comes in parts. Where a
//! message stands behind a `Content-Length` header, as some clients try when lines are not answered, it is taken whole.

use std::io;
use std::ops::Range;

use super::framing::{Header, header};
use super::platform::Source;

/// The longest line that is kept in memory, without its line end.
pub const LIMIT: usize = 64 << 20;

/// Room for one read; what a pipe holds.
const CHUNK_BYTES: usize = 64 << 10;
/// A buffer that grew over this is given back once it is empty.
const KEEP_BYTES: usize = 512 << 10;

/// What was found next in the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A line, its line end included.
    Line(Range<usize>),
    /// A message behind a `Content-Length` header.
    Framed {
        /// Header and message.
        whole: Range<usize>,
        /// The message.
        body: Range<usize>,
        /// What the lines of the header end in.
        line_end: &'static str,
    },
    /// A part of a message over the limit.
    Part {
        /// What there is of it.
        bytes: Range<usize>,
        /// Whether it ends here.
        ends: bool,
        /// Whether it began with a `Content-Length` header.
        framed: bool,
    },
}

/// A message over the limit, of which something was taken.
#[derive(Clone, Copy, Debug)]
enum Long {
    /// A line.
    Line,
    /// A message behind a header, and how much of it is to come.
    Framed(usize),
}

/// A line reader.
#[derive(Debug)]
pub struct Lines {
    source: Option<Source>,
    buffer: Vec<u8>,
    /// Where the first line starts that was not taken yet.
    start: usize,
    /// Up to here there is no line feed after `start`.
    scanned: usize,
    limit: usize,
    long: Option<Long>,
}

impl Lines {
    /// Reads lines of at most `limit` bytes from `source`.
    pub fn new(source: Source, limit: usize) -> Self {
        Self { source: Some(source), buffer: Vec::new(), start: 0, scanned: 0, limit, long: None }
    }

    /// Whether there may be more to read.
    pub fn is_open(&self) -> bool {
        self.source.is_some()
    }

    /// Stops reading and gives the descriptor back; what was read stays.
    pub fn close(&mut self) {
        self.source = None;
    }

    /// Reads once; `false` is the end of the stream. Cancel safe.
    pub async fn fill(&mut self) -> io::Result<bool> {
        let Some(source) = &mut self.source else { return Ok(false) };
        make_room(&mut self.buffer, self.limit);
        let more = source.read(&mut self.buffer).await? > 0;
        if !more {
            self.close();
        }
        Ok(more)
    }

    /// Takes the next complete line or message, or what there is of one over the limit.
    pub fn next_line(&mut self) -> Option<Found> {
        match self.long {
            Some(Long::Line) => self.part_of_line(),
            Some(Long::Framed(left)) => self.part_of_framed(left),
            None => match header(&self.buffer[self.start..]) {
                Header::None => self.whole_line(),
                Header::Begun => None,
                Header::Whole { bytes, length, line_end } => self.framed(bytes, length, line_end),
            },
        }
    }

    fn whole_line(&mut self) -> Option<Found> {
        let Some(feed) = memchr::memchr(b'\n', &self.buffer[self.scanned..]) else {
            self.scanned = self.buffer.len();
            if self.scanned - self.start <= self.limit {
                return None;
            }
            self.long = Some(Long::Line);
            return self.part_of_line();
        };
        let line = self.start..self.scanned + feed + 1;
        self.take(line.end);
        // One for the feed itself; a carriage return before it counts as content, which changes nothing.
        if line.len() > self.limit + 1 {
            return Some(Found::Part { bytes: line, ends: true, framed: false });
        }
        Some(Found::Line(line))
    }

    fn part_of_line(&mut self) -> Option<Found> {
        let feed = memchr::memchr(b'\n', &self.buffer[self.scanned..]).map(|feed| self.scanned + feed + 1);
        let bytes = self.start..feed.unwrap_or(self.buffer.len());
        self.take(bytes.end);
        if feed.is_some() {
            self.long = None;
        }
        (!bytes.is_empty()).then(|| Found::Part { bytes, ends: feed.is_some(), framed: false })
    }

    fn framed(&mut self, header: usize, length: usize, line_end: &'static str) -> Option<Found> {
        if length > self.limit {
            self.long = Some(Long::Framed(header + length));
            return self.part_of_framed(header + length);
        }
        let whole = self.start..self.start + header + length;
        if self.buffer.len() < whole.end {
            return None;
        }
        self.take(whole.end);
        Some(Found::Framed { body: whole.start + header..whole.end, whole, line_end })
    }

    fn part_of_framed(&mut self, left: usize) -> Option<Found> {
        let bytes = self.start..self.buffer.len().min(self.start + left);
        let ends = bytes.len() == left;
        self.take(bytes.end);
        self.long = (!ends).then(|| Long::Framed(left - bytes.len()));
        (!bytes.is_empty()).then_some(Found::Part { bytes, ends, framed: true })
    }

    fn take(&mut self, end: usize) {
        self.start = end;
        self.scanned = end;
    }

    /// Takes what stands after the last line feed; only at the end of the stream.
    pub fn take_rest(&mut self) -> Range<usize> {
        let rest = self.start..self.buffer.len();
        self.take(rest.end);
        rest
    }

    /// The bytes of a range that was just taken.
    pub fn bytes(&self, range: Range<usize>) -> &[u8] {
        &self.buffer[range]
    }

    /// Whether handing the whole buffer over beats copying these bytes.
    pub fn worth_detaching(range: &Range<usize>) -> bool {
        range.len() > KEEP_BYTES
    }

    /// Hands over the buffer up to `end`, which must have been taken, and returns how far ranges have moved with it:
    /// the giant is written from where it was read to.
    pub fn detach(&mut self, end: usize) -> Vec<u8> {
        let rest = self.buffer[end..].to_vec();
        let mut whole = std::mem::replace(&mut self.buffer, rest);
        whole.truncate(end);
        self.start -= end;
        self.scanned -= end;
        whole
    }

    /// Forgets what was taken; to be called when all ranges are used.
    pub fn compact(&mut self) {
        self.buffer.drain(..self.start);
        self.scanned -= self.start;
        self.start = 0;
        if self.buffer.capacity() > KEEP_BYTES && self.buffer.len() < CHUNK_BYTES {
            self.buffer.shrink_to(CHUNK_BYTES);
        }
    }
}

/// Doubles a full buffer, but not far over the limit: then it is thrown away anyway.
fn make_room(buffer: &mut Vec<u8>, limit: usize) {
    if buffer.capacity() - buffer.len() >= CHUNK_BYTES / 2 {
        return;
    }
    let wanted = buffer.len().clamp(CHUNK_BYTES, limit.saturating_sub(buffer.len()).max(CHUNK_BYTES) + CHUNK_BYTES);
    buffer.reserve_exact(wanted);
}

/// A line without its line end: one LF, and whatever CR directly before it, which are blank lines to other readers.
pub fn content(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let end = line.iter().rposition(|byte| *byte != b'\r').map_or(0, |last| last + 1);
    &line[..end]
}

/// Whether a reader that also splits at a lone CR would see more than this one line.
pub fn has_inner_cr(line: &[u8]) -> bool {
    memchr::memchr(b'\r', content(line)).is_some()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn pipe(limit: usize) -> (Lines, io::PipeWriter) {
        let (reader, writer) = io::pipe().unwrap();
        (Lines::new(Source::of(reader.into()).unwrap(), limit), writer)
    }

    async fn all(lines: &mut Lines) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            let more = lines.fill().await.unwrap();
            while let Some(found) = lines.next_line() {
                seen.push(match found {
                    Found::Line(range) => String::from_utf8(lines.bytes(range).to_vec()).unwrap(),
                    Found::Framed { body, .. } => format!("<{}>", String::from_utf8_lossy(lines.bytes(body))),
                    Found::Part { bytes, ends, .. } => format!("<part of {} {ends}>", bytes.len()),
                });
            }
            if !more {
                let rest = lines.take_rest();
                seen.push(format!("<rest {:?}>", std::str::from_utf8(lines.bytes(rest)).unwrap()));
                return seen;
            }
            lines.compact();
        }
    }

    #[tokio::test]
    async fn lines_keep_their_bytes_and_the_rest_is_apart() {
        let (mut lines, mut writer) = pipe(100);
        writer.write_all(b"one\n\ntwo\r\nwi\rth\nrest").unwrap();
        drop(writer);
        assert_eq!(all(&mut lines).await, ["one\n", "\n", "two\r\n", "wi\rth\n", "<rest \"rest\">"]);
    }

    #[tokio::test]
    async fn a_line_in_many_pieces_is_one_line() {
        let (mut lines, mut writer) = pipe(100);
        for piece in ["a", "b", "c\nd"] {
            writer.write_all(piece.as_bytes()).unwrap();
            assert!(lines.fill().await.unwrap());
            if piece.contains('\n') {
                assert_eq!(lines.next_line(), Some(Found::Line(0..4)));
            }
            assert_eq!(lines.next_line(), None);
        }
    }

    #[tokio::test]
    async fn a_line_over_the_limit_comes_in_parts_and_its_tail_is_no_line() {
        let (mut lines, mut writer) = pipe(10);
        writer.write_all(b"0123456789\n0123456789x\nnext\n").unwrap();
        drop(writer);
        assert_eq!(all(&mut lines).await, ["0123456789\n", "<part of 12 true>", "next\n", "<rest \"\">"]);

        let (mut lines, mut writer) = pipe(10);
        let mut seen = Vec::new();
        for piece in ["0123456789x", "y", "{\"tail\":1}\nne", "xt\n"] {
            writer.write_all(piece.as_bytes()).unwrap();
            lines.fill().await.unwrap();
            seen.extend(std::iter::from_fn(|| lines.next_line()).map(|found| match found {
                Found::Part { bytes, ends, .. } => (bytes.len(), ends),
                Found::Line(line) => (line.len(), true),
                other @ Found::Framed { .. } => panic!("{other:?}"),
            }));
            lines.compact();
        }
        assert_eq!(seen, [(11, false), (1, false), (11, true), (5, true)]);
    }

    #[tokio::test]
    async fn a_message_behind_a_header_is_taken_whole_and_lines_go_on_behind_it() {
        let (mut lines, mut writer) = pipe(100);
        writer.write_all(b"one\nContent-Length: 7\r\n\r\n{\"a\n\":}two\ncontent-LENGTH:2\r\n").unwrap();
        writer
            .write_all(
                b"Content-Type: a/b\r\n\r\n{}Content-Length: 3\n\n{ }Content-Length: 2\nContent-Length: 300\r\n\r\n",
            )
            .unwrap();
        writer.write_all(&b"{".repeat(300)).unwrap();
        writer.write_all(b"last\n").unwrap();
        drop(writer);
        let seen = all(&mut lines).await;
        let framed =
            ["one\n", "<{\"a\n\":}>", "two\n", "<{}>", "<{ }>", "Content-Length: 2\n", "<part of 323 true>", "last\n"];
        assert_eq!(seen[..8], framed);
    }

    #[tokio::test]
    async fn a_message_behind_a_header_may_come_in_pieces() {
        let (mut lines, mut writer) = pipe(100);
        for piece in ["Content-L", "ength: 4\r", "\n\r", "\n{\n", "}"] {
            writer.write_all(piece.as_bytes()).unwrap();
            lines.fill().await.unwrap();
            assert_eq!(lines.next_line(), None);
        }
        writer.write_all(b"\n").unwrap();
        lines.fill().await.unwrap();
        let found = Found::Framed { whole: 0..25, body: 21..25, line_end: "\r\n" };
        assert_eq!(lines.next_line(), Some(found));
    }

    #[tokio::test]
    async fn memory_stays_bounded_on_an_endless_line_and_shrinks_after_a_giant() {
        let (mut lines, mut writer) = pipe(1 << 20);
        let feed = tokio::task::spawn_blocking(move || {
            writer.write_all(&b"x".repeat(8 << 20)).unwrap();
            writer.write_all(b"\n").unwrap();
            writer.write_all(&b"y".repeat(1 << 20)).unwrap();
            writer.write_all(b"\n").unwrap();
        });
        let (mut most, mut bytes, mut found) = (0, 0, Vec::new());
        while lines.fill().await.unwrap() {
            most = most.max(lines.buffer.capacity());
            while let Some(next) = lines.next_line() {
                if let Found::Part { bytes: part, .. } = &next {
                    bytes += part.len();
                }
                if !matches!(next, Found::Part { ends: false, .. }) {
                    found.push(next);
                }
            }
            lines.compact();
        }
        feed.await.unwrap();
        assert_eq!(bytes, (8 << 20) + 1);
        assert!(matches!(found[..], [Found::Part { .. }, Found::Line(_)]), "{found:?}");
        assert!(most <= (1 << 20) + 4 * CHUNK_BYTES, "{most} bytes for a limit of 1 MiB");
        assert!(lines.buffer.capacity() <= KEEP_BYTES, "{} bytes kept", lines.buffer.capacity());
    }

    #[tokio::test]
    async fn a_detached_giant_leaves_what_follows_it() {
        let (mut lines, mut writer) = pipe(100);
        writer.write_all(b"giant\nnext\nhal").unwrap();
        lines.fill().await.unwrap();
        assert_eq!(lines.next_line(), Some(Found::Line(0..6)));
        assert_eq!(lines.detach(6), b"giant\n");
        assert_eq!(lines.next_line(), Some(Found::Line(0..5)));
        assert_eq!(lines.bytes(0..5), b"next\n");
        let rest = lines.take_rest();
        assert_eq!(lines.bytes(rest), b"hal");
    }

    #[test]
    fn only_carriage_returns_before_the_line_feed_are_a_line_end() {
        assert_eq!([content(b"a\r\n"), content(b"a\r\r\n"), content(b"\r\r\n")], [b"a".as_slice(), b"a", b""]);
        assert!(!has_inner_cr(b"a\r\n") && !has_inner_cr(b"a\n") && !has_inner_cr(b"a\r\r\n"));
        assert!(has_inner_cr(b"a\rb\n") && has_inner_cr(b"a\rb\r\r\n") && has_inner_cr(b"\ra\n"));
    }
}
