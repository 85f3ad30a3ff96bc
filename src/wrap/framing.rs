//! The header in front of a message that is no line: `Content-Length`, as the Language Server Protocol has it.
//!
//! Only the one form that every reader of such headers takes alike is one, with one kind of line end; anything else is
//! read as lines.

/// A longer header is none.
const MAX_HEADER_BYTES: usize = 256;

/// How the messages of a side are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// By line feeds.
    #[default]
    Lines,
    /// By headers, whose lines end in this.
    Headers(&'static str),
}

/// What stands at the beginning of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// No header.
    None,
    /// A header may have begun.
    Begun,
    /// A header.
    Whole {
        /// Its length.
        bytes: usize,
        /// The length of the message behind it.
        length: usize,
        /// What its lines end in.
        line_end: &'static str,
    },
}

/// Reads the beginning of `bytes`.
pub fn header(bytes: &[u8]) -> Header {
    if !matches!(bytes.first(), Some(b'C' | b'c')) {
        return Header::None;
    }
    let head = &bytes[..bytes.len().min(MAX_HEADER_BYTES)];
    let line_end = line_end(head);
    let end = memchr::memmem::find(head, line_end.repeat(2).as_bytes());
    match end.map(|end| (end, end + 2 * line_end.len())) {
        Some((_, after)) if bytes.get(after).is_some_and(|first| !b"{[ \t\r\n".contains(first)) => Header::None,
        Some((end, after)) => length(&head[..end], line_end).map_or(Header::None, |length| Header::Whole {
            bytes: after,
            length,
            line_end,
        }),
        None if head.len() < MAX_HEADER_BYTES && may_begin(head, line_end) => Header::Begun,
        None => Header::None,
    }
}

/// What the first line ends in, and so all that follow.
fn line_end(head: &[u8]) -> &'static str {
    match memchr::memchr(b'\n', head) {
        Some(feed) if feed == 0 || head[feed - 1] != b'\r' => "\n",
        _ => "\r\n",
    }
}

/// The length that a whole header gives, once.
fn length(header: &[u8], line_end: &str) -> Option<usize> {
    let fields: Option<Vec<_>> = fields(header, line_end).map(field).collect();
    let [length] = fields?.into_iter().flatten().collect::<Vec<_>>()[..] else { return None };
    Some(length)
}

/// Whether all fields but the last one, which is not whole, are such of a header.
fn may_begin(head: &[u8], line_end: &str) -> bool {
    let fields: Vec<&[u8]> = fields(head, line_end).collect();
    let Some((last, whole)) = fields.split_last() else { return false };
    let last = last.strip_suffix(b"\r").unwrap_or(last);
    !last.contains(&b'\n')
        && !last.contains(&b'\r')
        && whole.iter().all(|whole| whole.is_empty() || field(whole).is_some())
}

fn fields<'a>(header: &'a [u8], line_end: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = Some(header);
    std::iter::from_fn(move || {
        let bytes = rest?;
        let end = memchr::memmem::find(bytes, line_end.as_bytes());
        rest = end.map(|end| &bytes[end + line_end.len()..]);
        Some(&bytes[..end.unwrap_or(bytes.len())])
    })
}

/// A field of a header, with the length if it says one.
fn field(field: &[u8]) -> Option<Option<usize>> {
    let (name, value) = std::str::from_utf8(field).ok()?.split_once(':')?;
    if value.contains(['\r', '\n']) {
        return None;
    }
    let value = value.trim_matches([' ', '\t']);
    if name.eq_ignore_ascii_case("content-type") {
        return Some(None);
    }
    let is_length = name.eq_ignore_ascii_case("content-length") && value.bytes().all(|byte| byte.is_ascii_digit());
    let whole = is_length && !value.starts_with('0') && value.len() <= 10;
    whole.then(|| value.parse().ok()).flatten().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_form_of_header_is_one() {
        for (text, length) in [
            ("Content-Length: 7\r\n\r\n{}", 7),
            ("content-length:12\r\n\r\n", 12),
            ("Content-Length: 7\r\nContent-Type: application/vscode-jsonrpc; charset=utf-8\r\n\r\n", 7),
            ("Content-Type: a\r\nContent-Length: 9999999999\r\n\r\n", 9_999_999_999),
            ("Content-Length: 7\n\n{}", 7),
            ("Content-Type: a\nContent-Length: 7\n\n", 7),
        ] {
            let (line_end, bytes) = match text.rfind("\r\n\r\n") {
                Some(end) => ("\r\n", end + 4),
                None => ("\n", text.rfind("\n\n").unwrap() + 2),
            };
            assert_eq!(header(text.as_bytes()), Header::Whole { bytes, length, line_end }, "{text:?}");
            for end in 1..bytes {
                assert_eq!(header(&text.as_bytes()[..end]), Header::Begun, "{:?}", &text[..end]);
            }
        }
        for text in [
            "",
            "{}",
            " Content-Length: 7\r\n\r\n",
            "Content-Length: 7\n\r\n",
            "Content-Length: 7\r\n\n",
            "Content-Length: 7\nContent-Type: a\r\n",
            "Content-Length: 7\n{}\n",
            "Content-Length: 07\r\n\r\n",
            "Content-Length: 0\r\n\r\n",
            "Content-Length: +7\r\n\r\n",
            "Content-Length: 0x7\r\n\r\n",
            "Content-Length: 7, 7\r\n\r\n",
            "Content-Length: 7\r\nContent-Length: 7\r\n\r\n",
            "Content-Length : 7\r\n\r\n",
            "Content-Length: 99999999999\r\n\r\n",
            "Content-Type: a\r\n\r\n",
            "Content-Length: 7\r\nX: y\r\n\r\n",
            "Content-Length: 7\r\nX: y\r\n",
            "Content-Length: 7\r8",
            "Content-Length: 7\r\n\r\n<html>",
            "Connected\n",
        ] {
            assert_eq!(header(text.as_bytes()), Header::None, "{text:?}");
        }
        assert_eq!(header(format!("Content-Type: {}", "x".repeat(300)).as_bytes()), Header::None);
    }
}
