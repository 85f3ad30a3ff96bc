//! The ends of byte streams: our stdin and stdout, and the child's.
//!
//! A pipe or a socket goes into the reactor as it is; a file or a terminal gets a thread, because it cannot be waited
//! for, and because `O_NONBLOCK` on it would be seen by every other process that shares it. On pipes and sockets the
//! flag is set here and put back when the end is dropped.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, OFlags, fcntl_getfl, fcntl_setfl, fstat};
use tokio::io::{AsyncReadExt as _, Interest};
use tokio::net::{UnixStream, unix::pipe};

use crate::wrap::threads::{ThreadSink, ThreadSource};

/// Where bytes come from.
#[derive(Debug)]
pub enum Source {
    /// A pipe.
    Pipe(pipe::Receiver, Restore),
    /// A socket, as Node clients hand over.
    Socket(UnixStream, Restore),
    /// Anything else.
    Thread(ThreadSource),
}

/// Where bytes go.
#[derive(Debug)]
pub enum Sink {
    /// A pipe.
    Pipe(pipe::Sender, Restore),
    /// A socket, as Node clients hand over.
    Socket(UnixStream, Restore),
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
        match kind(fd.as_fd()) {
            FileType::Fifo => {
                let restore = Restore::before(fd.as_fd())?;
                Ok(Self::Pipe(pipe::Receiver::from_owned_fd(fd)?, restore))
            }
            FileType::Socket => socket(fd).map(|(socket, restore)| Self::Socket(socket, restore)),
            _ => Ok(Self::Thread(ThreadSource::start(fd.into())?)),
        }
    }

    /// Appends what there is to `buffer`, at most its spare capacity where the reactor serves us; 0 is the end.
    ///
    /// Cancel safe: nothing is read unless it is returned.
    pub async fn read(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Self::Pipe(pipe, _) => pipe.read_buf(buffer).await,
            Self::Socket(socket, _) => socket.read_buf(buffer).await,
            Self::Thread(thread) => thread.read(buffer).await,
        }
    }
}

impl Sink {
    /// Our own stdout.
    pub fn stdout() -> io::Result<Self> {
        let fd = io::stdout().as_fd().try_clone_to_owned()?;
        // The child inherits stderr: if it is the same stream, the child would meet our O_NONBLOCK.
        let shared = same_stream(fd.as_fd(), io::stderr().as_fd());
        // The sink alone holds the stream from here on: closing it ends it for the client, and no stray print of ours
        // can get in between.
        #[expect(clippy::disallowed_methods, reason = "nothing is made")]
        let nowhere = std::fs::File::options().write(true).open("/dev/null")?;
        rustix::stdio::dup2_stdout(nowhere)?;
        if shared {
            return Ok(Self::Thread(ThreadSink::start(fd.into())?));
        }
        Self::of(fd)
    }

    /// Any descriptor.
    pub fn of(fd: OwnedFd) -> io::Result<Self> {
        match kind(fd.as_fd()) {
            FileType::Fifo => {
                let restore = Restore::before(fd.as_fd())?;
                Ok(Self::Pipe(pipe::Sender::from_owned_fd(fd)?, restore))
            }
            FileType::Socket => socket(fd).map(|(socket, restore)| Self::Socket(socket, restore)),
            _ => Ok(Self::Thread(ThreadSink::start(fd.into())?)),
        }
    }

    /// Writes what can be written without waiting; `WouldBlock` when that is nothing.
    pub fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Pipe(pipe, _) => pipe.try_write(bytes),
            Self::Socket(socket, _) => socket.try_write(bytes),
            Self::Thread(thread) => thread.try_write(bytes),
        }
    }

    /// Waits until something can be written, or the other side is gone. Cancel safe.
    pub async fn writable(&mut self) -> io::Result<()> {
        match self {
            Self::Pipe(pipe, _) => pipe.writable().await,
            Self::Socket(socket, _) => socket.writable().await,
            Self::Thread(thread) => thread.writable().await,
        }
    }

    /// Whether nobody can read any more what is written, as far as that is known without writing.
    pub fn is_abandoned(&self) -> bool {
        use futures_util::FutureExt as _;
        let ready = match self {
            Self::Pipe(pipe, _) => pipe.ready(Interest::WRITABLE).now_or_never(),
            Self::Socket(socket, _) => socket.ready(Interest::WRITABLE).now_or_never(),
            Self::Thread(_) => None,
        };
        ready.is_some_and(|ready| ready.is_ok_and(|ready| ready.is_write_closed()))
    }

    /// Whether every byte taken has left this process.
    pub fn is_flushed(&self) -> bool {
        match self {
            Self::Pipe(..) | Self::Socket(..) => true,
            Self::Thread(thread) => thread.is_flushed(),
        }
    }
}

/// Takes `O_NONBLOCK` back on drop, if it was not set before.
#[derive(Debug)]
pub struct Restore(Option<OwnedFd>);

impl Restore {
    /// To be made before the flag is set, with a descriptor of its own for the time after the stream is closed.
    fn before(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let was_set = fcntl_getfl(fd)?.contains(OFlags::NONBLOCK);
        Ok(Self(if was_set { None } else { Some(fd.try_clone_to_owned()?) }))
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        if let Some(fd) = &self.0
            && let Ok(flags) = fcntl_getfl(fd)
        {
            // Nothing is left to do about a descriptor that does not take its flags back.
            let _ = fcntl_setfl(fd, flags - OFlags::NONBLOCK);
        }
    }
}

fn socket(fd: OwnedFd) -> io::Result<(UnixStream, Restore)> {
    let restore = Restore::before(fd.as_fd())?;
    let socket = std::os::unix::net::UnixStream::from(fd);
    socket.set_nonblocking(true)?;
    Ok((UnixStream::from_std(socket)?, restore))
}

fn kind(fd: BorrowedFd<'_>) -> FileType {
    fstat(fd).map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode))
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
