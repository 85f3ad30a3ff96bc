//! Lines out of a byte stream, in a buffer that grows with a long line and shrinks after it.
//!
//! Lines are ranges of the buffer: nothing is copied to be looked at. A line over the limit is reported once and its
//! rest is thrown away unseen.

use std::io;
use std::ops::Range;

use super::ends::Source;

/// The longest line of a client, without its line end.
pub const CLIENT_LIMIT: usize = 8 << 20;
/// The longest line of a server, without its line end.
pub const SERVER_LIMIT: usize = 64 << 20;

/// Room for one read; what a pipe holds.
const CHUNK_BYTES: usize = 64 << 10;
/// A buffer that grew over this is given back once it is empty.
const KEEP_BYTES: usize = 512 << 10;

/// What was found next in the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A line, its line end included.
    Line(Range<usize>),
    /// A line over the limit; it is gone.
    TooLong,
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
    /// Inside a line over the limit.
    skipping: bool,
}

impl Lines {
    /// Reads lines of at most `limit` bytes from `source`.
    pub fn new(source: Source, limit: usize) -> Self {
        Self { source: Some(source), buffer: Vec::new(), start: 0, scanned: 0, limit, skipping: false }
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

    /// Takes the next complete line, or notices that it is too long.
    pub fn next_line(&mut self) -> Option<Found> {
        loop {
            let Some(feed) = memchr::memchr(b'\n', &self.buffer[self.scanned..]) else { return self.no_line_yet() };
            let line = self.start..self.scanned + feed + 1;
            self.start = line.end;
            self.scanned = line.end;
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            // One for the feed itself; a carriage return before it counts as content, which changes nothing.
            if line.len() > self.limit + 1 {
                return Some(Found::TooLong);
            }
            return Some(Found::Line(line));
        }
    }

    fn no_line_yet(&mut self) -> Option<Found> {
        self.scanned = self.buffer.len();
        if self.skipping {
            self.start = self.scanned;
            return None;
        }
        if self.scanned - self.start <= self.limit {
            return None;
        }
        self.start = self.scanned;
        self.skipping = true;
        Some(Found::TooLong)
    }

    /// Takes all complete lines at once, if each of them is short enough and none holds a carriage return.
    pub fn take_plain(&mut self) -> Option<Range<usize>> {
        if self.skipping {
            return None;
        }
        let feed = memchr::memrchr(b'\n', &self.buffer[self.scanned..])?;
        let lines = self.start..self.scanned + feed + 1;
        if lines.len() > self.limit || memchr::memchr(b'\r', &self.buffer[lines.clone()]).is_some() {
            return None;
        }
        self.start = lines.end;
        self.scanned = lines.end;
        Some(lines)
    }

    /// Takes what stands after the last line feed; only at the end of the stream.
    pub fn take_rest(&mut self) -> Range<usize> {
        let rest = if self.skipping { 0..0 } else { self.start..self.buffer.len() };
        self.start = self.buffer.len();
        self.scanned = self.start;
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

/// A line without its line end: one LF, and one CR directly before it.
pub fn content(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
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
                    Found::TooLong => "<too long>".to_owned(),
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
    async fn a_line_over_the_limit_is_reported_once_and_its_tail_is_no_line() {
        let (mut lines, mut writer) = pipe(10);
        writer.write_all(b"0123456789\n0123456789x\nnext\n").unwrap();
        drop(writer);
        assert_eq!(all(&mut lines).await, ["0123456789\n", "<too long>", "next\n", "<rest \"\">"]);

        let (mut lines, mut writer) = pipe(10);
        let feed = tokio::task::spawn_blocking(move || {
            writer.write_all(&b"x".repeat(300 << 10)).unwrap();
            writer.write_all(b"{\"tail\":1}\nnext\n").unwrap();
        });
        assert_eq!(all(&mut lines).await, ["<too long>", "next\n", "<rest \"\">"]);
        feed.await.unwrap();
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
        let (mut most, mut found) = (0, Vec::new());
        while lines.fill().await.unwrap() {
            most = most.max(lines.buffer.capacity());
            found.extend(std::iter::from_fn(|| lines.next_line()));
            lines.compact();
        }
        feed.await.unwrap();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(matches!(found[1], Found::Line(_)));
        assert!(most <= (1 << 20) + 4 * CHUNK_BYTES, "{most} bytes for a limit of 1 MiB");
        assert!(lines.buffer.capacity() <= KEEP_BYTES, "{} bytes kept", lines.buffer.capacity());
    }

    #[tokio::test]
    async fn plain_lines_are_taken_together_and_others_one_by_one() {
        let (mut lines, mut writer) = pipe(100);
        writer.write_all(b"one\ntwo\nthr").unwrap();
        lines.fill().await.unwrap();
        assert_eq!(lines.take_plain(), Some(0..8));
        assert_eq!(lines.take_plain(), None);
        lines.compact();
        writer.write_all(b"ee\rfour\n").unwrap();
        lines.fill().await.unwrap();
        assert_eq!(lines.take_plain(), None, "a carriage return wants a closer look");
        assert_eq!(lines.next_line(), Some(Found::Line(0..11)));
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
    fn only_a_carriage_return_before_the_line_feed_is_a_line_end() {
        assert_eq!(content(b"a\r\n"), b"a");
        assert!(!has_inner_cr(b"a\r\n") && !has_inner_cr(b"a\n"));
        assert!(has_inner_cr(b"a\rb\n") && has_inner_cr(b"a\r\r\n"));
    }
}
