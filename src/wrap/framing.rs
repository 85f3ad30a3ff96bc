//! The header in front of a message that is no line: `Content-Length`, as the Language Server Protocol has it.
//!
//! Only the one form that every reader of such headers takes alike is one; anything else is read as lines.

/// A longer header is none.
const MAX_HEADER_BYTES: usize = 256;
const END: &[u8] = b"\r\n\r\n";

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
    },
}

/// Reads the beginning of `bytes`.
pub fn header(bytes: &[u8]) -> Header {
    if !matches!(bytes.first(), Some(b'C' | b'c')) {
        return Header::None;
    }
    let head = &bytes[..bytes.len().min(MAX_HEADER_BYTES)];
    match memchr::memmem::find(head, END) {
        Some(end) if bytes.get(end + END.len()).is_some_and(|first| !b"{[ \t\r\n".contains(first)) => Header::None,
        Some(end) => {
            length(&head[..end]).map_or(Header::None, |length| Header::Whole { bytes: end + END.len(), length })
        }
        None if head.len() < MAX_HEADER_BYTES && may_begin(head) => Header::Begun,
        None => Header::None,
    }
}

/// The length that a whole header gives, once.
fn length(header: &[u8]) -> Option<usize> {
    let fields: Option<Vec<_>> = fields(header).map(field).collect();
    let [length] = fields?.into_iter().flatten().collect::<Vec<_>>()[..] else { return None };
    Some(length)
}

/// Whether all fields but the last one, which is not whole, are such of a header.
fn may_begin(head: &[u8]) -> bool {
    let fields: Vec<&[u8]> = fields(head).collect();
    let Some((last, whole)) = fields.split_last() else { return false };
    let last = last.strip_suffix(b"\r").unwrap_or(last);
    !last.contains(&b'\n')
        && !last.contains(&b'\r')
        && whole.iter().all(|whole| whole.is_empty() || field(whole).is_some())
}

fn fields(header: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(header);
    std::iter::from_fn(move || {
        let bytes = rest?;
        let end = memchr::memmem::find(bytes, b"\r\n");
        rest = end.map(|end| &bytes[end + 2..]);
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
        ] {
            let bytes = text.rfind("\r\n\r\n").unwrap() + 4;
            assert_eq!(header(text.as_bytes()), Header::Whole { bytes, length }, "{text:?}");
            for end in 1..bytes {
                assert_eq!(header(&text.as_bytes()[..end]), Header::Begun, "{:?}", &text[..end]);
            }
        }
        for text in [
            "",
            "{}",
            " Content-Length: 7\r\n\r\n",
            "Content-Length: 7\n\n",
            "Content-Length: 7\n",
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
