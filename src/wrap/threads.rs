//! Files and terminals, each served by a thread that may block on them.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, mpsc};

/// Bytes a thread reads at once, and the most it has on its way.
const CHUNK_BYTES: usize = 64 << 10;
/// Chunks on their way between thread and reactor.
const CHUNKS: usize = 4;

/// A thread that reads.
#[derive(Debug)]
pub struct ThreadSource {
    chunks: mpsc::Receiver<io::Result<Vec<u8>>>,
}

impl ThreadSource {
    /// Starts reading `file`; the thread ends with the file, or after the chunk that nobody takes.
    pub fn start(mut file: File) -> io::Result<Self> {
        let (sender, chunks) = mpsc::channel(CHUNKS);
        let read = move || {
            loop {
                let mut chunk = vec![0; CHUNK_BYTES];
                let result = match file.read(&mut chunk) {
                    Ok(0) => return,
                    Ok(count) => {
                        chunk.truncate(count);
                        Ok(chunk)
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => Err(error),
                };
                let failed = result.is_err();
                if sender.blocking_send(result).is_err() || failed {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("read".to_owned()).spawn(read)?;
        Ok(Self { chunks })
    }

    /// Appends one chunk; 0 is the end. Cancel safe.
    pub async fn read(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        let Some(chunk) = self.chunks.recv().await.transpose()? else { return Ok(0) };
        buffer.extend_from_slice(&chunk);
        Ok(chunk.len())
    }
}

/// A thread that writes.
#[derive(Debug)]
pub struct ThreadSink {
    chunks: mpsc::UnboundedSender<Vec<u8>>,
    shared: Arc<Shared>,
}

/// What thread and reactor both see; its bound is what keeps the channel short.
#[derive(Debug, Default)]
struct Shared {
    /// Bytes taken and not yet written.
    waiting: AtomicUsize,
    /// Rung after every write, and at the end.
    written: Notify,
}

impl ThreadSink {
    /// Starts writing to `file`; the thread ends when this is dropped and everything is written, or at an error.
    pub fn start(mut file: File) -> io::Result<Self> {
        let (sender, mut chunks) = mpsc::unbounded_channel::<Vec<u8>>();
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let write = move || {
            while let Some(chunk) = chunks.blocking_recv() {
                if file.write_all(&chunk).is_err() {
                    break;
                }
                theirs.waiting.fetch_sub(chunk.len(), Ordering::AcqRel);
                theirs.written.notify_one();
            }
            // The dropped receiver is what tells the other side; wake it so that it looks.
            drop(chunks);
            theirs.written.notify_one();
        };
        std::thread::Builder::new().name("write".to_owned()).spawn(write)?;
        Ok(Self { chunks: sender, shared })
    }

    /// Hands over up to one chunk; `WouldBlock` while the thread has enough to do.
    pub fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.chunks.is_closed() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if self.shared.waiting.load(Ordering::Acquire) >= CHUNK_BYTES {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let taken = &bytes[..bytes.len().min(CHUNK_BYTES)];
        self.shared.waiting.fetch_add(taken.len(), Ordering::AcqRel);
        self.chunks.send(taken.to_vec()).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(taken.len())
    }

    /// Waits until the thread has written something, unless it could take more at once. Cancel safe.
    pub async fn writable(&mut self) -> io::Result<()> {
        if self.chunks.is_closed() || self.is_flushed() {
            return Ok(());
        }
        self.shared.written.notified().await;
        Ok(())
    }

    /// Whether the thread has nothing left to do, or has given up.
    pub fn is_flushed(&self) -> bool {
        self.chunks.is_closed() || self.shared.waiting.load(Ordering::Acquire) == 0
    }
}
