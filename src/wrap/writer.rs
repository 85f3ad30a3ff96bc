//! One direction's only writer: writes at once what it can, queues the rest, never blocks.

use std::collections::VecDeque;
use std::io;

use super::platform::Sink;

/// Small pieces are gathered into chunks of this size.
const CHUNK_BYTES: usize = 64 << 10;

/// A queue in front of a sink.
#[derive(Debug)]
pub struct Writer {
    sink: Option<Sink>,
    queue: VecDeque<Chunk>,
    queued: usize,
    mid_line: bool,
    close_when_empty: bool,
}

/// Bytes that wait, from `at` on.
#[derive(Debug)]
struct Chunk {
    bytes: Vec<u8>,
    at: usize,
}

impl Writer {
    /// Writes to `sink`.
    pub fn new(sink: Sink) -> Self {
        Self { sink: Some(sink), queue: VecDeque::new(), queued: 0, mid_line: false, close_when_empty: false }
    }

    /// Bytes that wait in this process.
    pub fn queued(&self) -> usize {
        self.queued
    }

    /// Whether there is someone to write to.
    pub fn is_open(&self) -> bool {
        self.sink.is_some()
    }

    /// Whether the other side has gone, which a write would find out.
    pub fn is_abandoned(&self) -> bool {
        self.sink.as_ref().is_some_and(Sink::is_abandoned)
    }

    /// Whether something waits that can still be written.
    pub fn has_work(&self) -> bool {
        self.sink.as_ref().is_some_and(|sink| self.queued > 0 || !sink.is_flushed())
    }

    /// Writes bytes as they are and returns how many of them were neither written nor queued: a giant's rest, which
    /// [`queue_owned`](Self::queue_owned) takes without a copy.
    pub fn write_now(&mut self, bytes: &[u8]) -> usize {
        let Some(last) = bytes.last() else { return bytes.len() };
        self.mid_line = *last != b'\n';
        if self.queued > 0 || self.sink.is_none() {
            return 0;
        }
        match self.sink.as_mut().map(|sink| sink.try_write(bytes)) {
            Some(Ok(count)) => count,
            Some(Err(error)) if is_transient(&error) => 0,
            _ => {
                self.close();
                0
            }
        }
    }

    /// Writes bytes as they are, now or later.
    pub fn write(&mut self, bytes: &[u8]) {
        let written = self.write_now(bytes);
        self.queue_copy(&bytes[written..]);
    }

    /// Writes a line of our own: on a line of its own, with a line feed.
    pub fn write_line(&mut self, mut line: Vec<u8>) {
        if self.mid_line {
            line.insert(0, b'\n');
        }
        line.push(b'\n');
        let written = self.write_now(&line);
        self.queue_owned(line, written);
    }

    /// Writes a message of our own behind a `Content-Length` header, whose lines end in `line_end`.
    pub fn write_framed(&mut self, message: &[u8], line_end: &str) {
        let header = format!("Content-Length: {}{line_end}{line_end}", message.len());
        let framed = [header.as_bytes(), message].concat();
        let written = self.write_now(&framed);
        self.queue_owned(framed, written);
    }

    /// Queues a copy of `bytes`.
    pub fn queue_copy(&mut self, bytes: &[u8]) {
        if bytes.is_empty() || self.sink.is_none() {
            return;
        }
        self.queued += bytes.len();
        match self.queue.back_mut() {
            Some(chunk) if chunk.bytes.len() + bytes.len() <= CHUNK_BYTES => chunk.bytes.extend_from_slice(bytes),
            _ => self.queue.push_back(Chunk { bytes: bytes.to_vec(), at: 0 }),
        }
    }

    /// Queues `bytes` from `at` on without copying them.
    pub fn queue_owned(&mut self, bytes: Vec<u8>, at: usize) {
        if at < bytes.len() && self.sink.is_some() {
            self.queued += bytes.len() - at;
            self.queue.push_back(Chunk { bytes, at });
        }
    }

    /// Waits for room and writes from the queue. Cancel safe. An error closes this end.
    pub async fn flush_some(&mut self) {
        let Some(sink) = &mut self.sink else { return };
        if sink.writable().await.is_err() {
            return self.close();
        }
        while let Some(chunk) = self.queue.front_mut() {
            match sink.try_write(&chunk.bytes[chunk.at..]) {
                Ok(count) => {
                    chunk.at += count;
                    self.queued -= count;
                    if chunk.at == chunk.bytes.len() {
                        self.queue.pop_front();
                    }
                }
                Err(error) if is_transient(&error) => return,
                Err(_) => return self.close(),
            }
        }
        if self.close_when_empty && self.queued == 0 {
            self.close();
        }
    }

    /// Closes the stream once everything queued is written.
    pub fn finish(&mut self) {
        self.close_when_empty = true;
        if self.queued == 0 {
            self.close();
        }
    }

    /// Closes the stream now and forgets what waits.
    pub fn close(&mut self) {
        self.sink = None;
        self.queue.clear();
        self.queued = 0;
    }
}

fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn pipe() -> (io::PipeReader, Writer) {
        let (reader, writer) = io::pipe().unwrap();
        (reader, Writer::new(Sink::of(writer.into()).unwrap()))
    }

    async fn drain(writer: &mut Writer) {
        while writer.has_work() {
            writer.flush_some().await;
        }
    }

    #[tokio::test]
    async fn a_reader_that_waits_gets_everything_in_order() {
        let (mut reader, mut writer) = pipe();
        let giant = b"g".repeat(300 << 10);
        writer.write(b"first\n");
        writer.write(&giant);
        writer.queue_owned(b"xxsecond\n".to_vec(), 2);
        writer.write(b"third\n");
        assert!(writer.queued() > 200 << 10, "a pipe holds 64 KiB");
        let read = tokio::task::spawn_blocking(move || {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).map(|_| all)
        });
        writer.finish();
        drain(&mut writer).await;
        assert_eq!(read.await.unwrap().unwrap(), [b"first\n".as_slice(), &giant, b"second\nthird\n"].concat());
    }

    #[tokio::test]
    async fn a_reader_that_is_gone_closes_the_writer() {
        let (reader, mut writer) = pipe();
        drop(reader);
        writer.write(b"lost\n");
        drain(&mut writer).await;
        assert!(!writer.is_open());
        writer.write(b"lost too\n");
        assert_eq!(writer.queued(), 0);
    }

    #[tokio::test]
    async fn messages_behind_headers_stand_side_by_side() {
        let (mut reader, mut writer) = pipe();
        writer.write_framed(b"{}", "\r\n");
        writer.write_framed(b"[1]", "\n");
        writer.write_line(b"ours".to_vec());
        writer.finish();
        drain(&mut writer).await;
        let mut all = String::new();
        reader.read_to_string(&mut all).unwrap();
        assert_eq!(all, "Content-Length: 2\r\n\r\n{}Content-Length: 3\n\n[1]\nours\n");
    }

    #[tokio::test]
    async fn a_line_of_our_own_never_continues_a_strangers() {
        let (mut reader, mut writer) = pipe();
        writer.write(b"no line feed");
        writer.write_line(b"ours".to_vec());
        writer.write_line(b"again".to_vec());
        writer.finish();
        drain(&mut writer).await;
        let mut all = String::new();
        reader.read_to_string(&mut all).unwrap();
        assert_eq!(all, "no line feed\nours\nagain\n");
    }
}
