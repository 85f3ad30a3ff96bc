//! As much of HTTP/1.1 as it takes to be let through a proxy and to become a websocket: the head of an answer, and the
//! first words of its body for whoever has to find out why.

use std::io;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::timeout;

use crate::core::inert::inert;

/// A longer head is nobody's we talk to.
const MAX_HEAD_BYTES: usize = 32 << 10;
const MAX_HEADERS: usize = 100;
/// So much of a body is read, in so much time, and so much of it said.
const MAX_BODY_BYTES: usize = 4 << 10;
const BODY_WITHIN: Duration = Duration::from_secs(1);
const MAX_WORDS_CHARS: usize = 160;

/// The head of an answer, and what was read behind it.
#[derive(Debug)]
pub struct Answer {
    /// Such as 403.
    pub status: u16,
    reason: String,
    headers: Vec<(String, String)>,
    /// Bytes after the head.
    pub rest: Vec<u8>,
}

impl Answer {
    /// Reads an answer up to the end of its head, or a little further.
    pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        let mut bytes = Vec::with_capacity(1024);
        loop {
            if stream.read_buf(&mut bytes).await? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection without an answer"));
            }
            if let Some(answer) = parse(&bytes)? {
                return Ok(answer);
            }
        }
    }

    /// The value of a header, by its name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Status and reason, such as `403 Forbidden`, and the first words of the body.
    pub async fn in_words(mut self, stream: &mut (impl AsyncRead + Unpin)) -> String {
        // What does not come in time is not said.
        let _ = timeout(BODY_WITHIN, self.read_body(stream)).await;
        let status = format!("{} {}", self.status, inert(&self.reason));
        let words = self.words();
        if words.is_empty() { status.trim().to_owned() } else { format!("{}: {words}", status.trim()) }
    }

    async fn read_body(&mut self, stream: &mut (impl AsyncRead + Unpin)) {
        let told = self.header("content-length").and_then(|length| length.trim().parse().ok());
        let wanted = told.unwrap_or(MAX_BODY_BYTES).min(MAX_BODY_BYTES);
        while self.rest.len() < wanted && matches!(stream.read_buf(&mut self.rest).await, Ok(1..)) {}
    }

    fn words(&self) -> String {
        let body = String::from_utf8_lossy(&self.rest);
        let is_chunked = self.header("transfer-encoding").is_some_and(|coding| coding.contains("chunked"));
        // The size of the first chunk stands before it.
        let body = if is_chunked { body.split_once("\r\n").map_or("", |(_, chunk)| chunk) } else { &body };
        let told = serde_json::from_str::<Value>(body).ok();
        let told = told.and_then(|value| value["detail"].as_str().map(str::to_owned));
        let plain = told.unwrap_or_else(|| without_tags(body));
        let words = plain.split_whitespace().collect::<Vec<_>>().join(" ");
        inert(&words).chars().take(MAX_WORDS_CHARS).collect()
    }
}

fn parse(bytes: &[u8]) -> io::Result<Option<Answer>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Response::new(&mut headers);
    match head.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => Ok(Some(Answer {
            status: head.code.unwrap_or_default(),
            reason: head.reason.unwrap_or_default().to_owned(),
            headers: head.headers.iter().map(owned).collect(),
            rest: bytes[length..].to_vec(),
        })),
        Ok(httparse::Status::Partial) if bytes.len() < MAX_HEAD_BYTES => Ok(None),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "what answers there does not speak HTTP")),
    }
}

fn owned(header: &httparse::Header<'_>) -> (String, String) {
    (header.name.to_owned(), String::from_utf8_lossy(header.value).into_owned())
}

/// The text between tags, as far as that is easily said: it is for a person who wonders who answered.
fn without_tags(body: &str) -> String {
    let mut text = String::with_capacity(body.len());
    for piece in body.split('<') {
        let after = piece.split_once('>').map_or(piece, |(_, after)| after);
        text.push_str(after);
        text.push(' ');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn said(answer: &str) -> String {
        let mut stream = answer.as_bytes();
        Answer::read(&mut stream).await.unwrap().in_words(&mut stream).await
    }

    #[tokio::test]
    async fn an_answer_is_said_by_its_status_and_its_first_words() {
        for (answer, words) in [
            ("HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\n\r\nblocked", "403 Forbidden: blocked"),
            ("HTTP/1.1 502 Bad Gateway\r\n\r\n<html><b>no</b>\n upstream</html>", "502 Bad Gateway: no upstream"),
            ("HTTP/1.1 401 \r\ncontent-length: 0\r\n\r\n", "401"),
            ("HTTP/1.1 421 Misdirected\r\n\r\n{\"title\":\"x\",\"detail\":\"not here\"}", "421 Misdirected: not here"),
            ("HTTP/1.1 400 No\r\ntransfer-encoding: chunked\r\n\r\n3\r\nbad\r\n0\r\n\r\n", "400 No: bad 0"),
            ("HTTP/1.1 200 OK\r\n\r\n\u{1b}[2Jhi", "200 OK: \\u{1b}[2Jhi"),
        ] {
            assert_eq!(said(answer).await, words);
        }
        assert!(said(&format!("HTTP/1.1 403 No\r\n\r\n{}", "x".repeat(9000))).await.len() < 200);
    }

    #[tokio::test]
    async fn what_is_no_answer_is_an_error() {
        for text in ["", "SSH-2.0-OpenSSH_9\r\n", "HTTP/1.1 200 OK\r\nhalf: "] {
            assert!(Answer::read(&mut text.as_bytes()).await.is_err(), "{text:?}");
        }
    }
}
