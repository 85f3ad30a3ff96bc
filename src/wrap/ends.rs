//! The ends of byte streams: our stdin and stdout, and the child's.
//!
//! A pipe or a socket goes into the reactor as it is; a file or a terminal gets a thread, because it cannot be waited
//! for, and because `O_NONBLOCK` on it would be seen by every other process that shares it. On pipes and sockets the
//! flag is set here and put back when the end is dropped.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::fs::{FileType, OFlags, fcntl_getfl, fcntl_setfl, fstat};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::threads::{ThreadSink, ThreadSource};

/// Where bytes come from.
#[derive(Debug)]
pub enum Source {
    /// A pipe or a socket.
    Ready(AsyncFd<Nonblocking>),
    /// Anything else.
    Thread(ThreadSource),
}

/// Where bytes go.
#[derive(Debug)]
pub enum Sink {
    /// A pipe or a socket.
    Ready(AsyncFd<Nonblocking>),
    /// Anything else.
    Thread(ThreadSink),
}

impl Source {
    /// Our own stdin.
    pub fn stdin() -> io::Result<Self> {
        Self::of(io::stdin().as_fd().try_clone_to_owned()?)
    }

    /// Any descriptor.
    pub fn of(fd: OwnedFd) -> io::Result<Self> {
        if waits_in_reactor(fd.as_fd()) {
            return Ok(Self::Ready(AsyncFd::try_with_interest(Nonblocking::of(fd)?, Interest::READABLE)?));
        }
        Ok(Self::Thread(ThreadSource::start(fd.into())?))
    }

    /// Appends what there is to `buffer`, at most its spare capacity where the reactor serves us; 0 is the end.
    ///
    /// Cancel safe: nothing is read unless it is returned.
    pub async fn read(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Self::Ready(fd) => read_ready(fd, buffer).await,
            Self::Thread(thread) => thread.read(buffer).await,
        }
    }
}

async fn read_ready(fd: &AsyncFd<Nonblocking>, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let spare = buffer.capacity() - buffer.len();
    loop {
        let mut ready = fd.readable().await?;
        let read = |fd: &AsyncFd<Nonblocking>| Ok(rustix::io::read(fd, rustix::buffer::spare_capacity(buffer))?);
        match ready.try_io(read) {
            Ok(Ok(count)) => {
                // A short read emptied the stream: the next one need not find that out with a system call.
                if 0 < count && count < spare {
                    ready.clear_ready();
                }
                return Ok(count);
            }
            Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(Err(error)) => return Err(error),
            Err(_would_block) => {}
        }
    }
}

impl Sink {
    /// Our own stdout.
    pub fn stdout() -> io::Result<Self> {
        let fd = io::stdout().as_fd().try_clone_to_owned()?;
        // The child inherits stderr: if it is the same stream, the child would meet our O_NONBLOCK.
        if same_stream(fd.as_fd(), io::stderr().as_fd()) {
            return Ok(Self::Thread(ThreadSink::start(fd.into())?));
        }
        Self::of(fd)
    }

    /// Any descriptor.
    pub fn of(fd: OwnedFd) -> io::Result<Self> {
        if waits_in_reactor(fd.as_fd()) {
            return Ok(Self::Ready(AsyncFd::try_with_interest(Nonblocking::of(fd)?, Interest::WRITABLE)?));
        }
        Ok(Self::Thread(ThreadSink::start(fd.into())?))
    }

    /// Writes what can be written without waiting; `WouldBlock` when that is nothing.
    pub fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Ready(fd) => fd.try_io(Interest::WRITABLE, |fd| Ok(rustix::io::write(fd, bytes)?)),
            Self::Thread(thread) => thread.try_write(bytes),
        }
    }

    /// Waits until something can be written, or the other side is gone. Cancel safe.
    pub async fn writable(&mut self) -> io::Result<()> {
        match self {
            Self::Ready(fd) => {
                // The readiness stays: only a write that would block takes it back.
                fd.writable().await?.retain_ready();
                Ok(())
            }
            Self::Thread(thread) => thread.writable().await,
        }
    }

    /// Whether every byte taken has left this process.
    pub fn is_flushed(&self) -> bool {
        match self {
            Self::Ready(_) => true,
            Self::Thread(thread) => thread.is_flushed(),
        }
    }
}

/// A descriptor with `O_NONBLOCK`, taken back on drop if it was set here.
#[derive(Debug)]
pub struct Nonblocking {
    fd: OwnedFd,
    set_here: bool,
}

impl Nonblocking {
    fn of(fd: OwnedFd) -> io::Result<Self> {
        let flags = fcntl_getfl(&fd)?;
        let set_here = !flags.contains(OFlags::NONBLOCK);
        if set_here {
            fcntl_setfl(&fd, flags | OFlags::NONBLOCK)?;
        }
        Ok(Self { fd, set_here })
    }
}

impl Drop for Nonblocking {
    fn drop(&mut self) {
        if let (true, Ok(flags)) = (self.set_here, fcntl_getfl(&self.fd)) {
            // Nothing is left to do about a descriptor that does not take its flags back.
            let _ = fcntl_setfl(&self.fd, flags - OFlags::NONBLOCK);
        }
    }
}

impl AsRawFd for Nonblocking {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl AsFd for Nonblocking {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn waits_in_reactor(fd: BorrowedFd<'_>) -> bool {
    fstat(fd).is_ok_and(|stat| matches!(FileType::from_raw_mode(stat.st_mode), FileType::Fifo | FileType::Socket))
}

fn same_stream(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> bool {
    match (fstat(one), fstat(other)) {
        (Ok(one), Ok(other)) => (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn is_nonblocking(fd: impl AsFd) -> bool {
        fcntl_getfl(fd).unwrap().contains(OFlags::NONBLOCK)
    }

    #[tokio::test]
    async fn a_shared_pipe_gets_its_flags_back() {
        let (reader, _writer) = io::pipe().unwrap();
        let source = Source::of(reader.try_clone().unwrap().into()).unwrap();
        assert!(is_nonblocking(&reader), "the flag sits on what both descriptors share");
        drop(source);
        assert!(!is_nonblocking(&reader));
    }

    #[tokio::test]
    async fn one_socket_as_both_ends_gets_its_flags_back_in_either_order() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let source = Source::of(ours.try_clone().unwrap().into()).unwrap();
        let sink = Sink::of(ours.try_clone().unwrap().into()).unwrap();
        drop(source);
        drop(sink);
        assert!(!is_nonblocking(&ours));
    }

    #[tokio::test]
    async fn a_file_is_left_as_it_is_and_read_to_its_end() {
        let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        std::fs::write(&path, "some bytes").unwrap();
        let file = std::fs::File::open(&path).unwrap();
        let mut source = Source::of(file.try_clone().unwrap().into()).unwrap();
        assert!(!is_nonblocking(&file));
        let mut bytes = Vec::new();
        while source.read(&mut bytes).await.unwrap() > 0 {}
        assert_eq!(bytes, b"some bytes");
    }

    #[tokio::test]
    async fn a_file_takes_everything_before_it_counts_as_flushed() {
        let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        let mut sink = Sink::of(std::fs::File::create(&path).unwrap().into()).unwrap();
        assert_eq!(sink.try_write(b"to a file").unwrap(), 9);
        while !sink.is_flushed() {
            sink.writable().await.unwrap();
        }
        assert_eq!(std::fs::read(&path).unwrap(), b"to a file");
    }

    #[tokio::test]
    async fn sockets_carry_bytes_both_ways() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut sink = Sink::of(ours.into()).unwrap();
        let mut source = Source::of(theirs.into()).unwrap();
        sink.writable().await.unwrap();
        assert_eq!(sink.try_write(b"hello").unwrap(), 5);
        let mut bytes = Vec::with_capacity(64);
        assert_eq!(source.read(&mut bytes).await.unwrap(), 5);
        drop(sink);
        assert_eq!(source.read(&mut bytes).await.unwrap(), 0);
    }
}
