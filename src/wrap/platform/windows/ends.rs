//! The ends of byte streams: our stdin and stdout, and the child's.
//!
//! What a client hands over was opened for blocking use, and an anonymous pipe knows no other: every end has a thread.

use std::fs::File;
use std::io;
use std::os::windows::io::{
    AsHandle as _, AsRawHandle as _, BorrowedHandle, FromRawHandle as _, IntoRawHandle as _, OwnedHandle, RawHandle,
};

use windows_sys::Wdk::Storage::FileSystem::{
    FILE_PIPE_CLOSING_STATE, FILE_PIPE_DISCONNECTED_STATE, FILE_PIPE_LOCAL_INFORMATION, FilePipeLocalInformation,
    NtQueryInformationFile,
};
use windows_sys::Win32::Foundation::{HANDLE_FLAG_INHERIT, SetHandleInformation};
use windows_sys::Win32::System::Console::{STD_OUTPUT_HANDLE, SetStdHandle};
use windows_sys::Win32::System::IO::IO_STATUS_BLOCK;

use crate::wrap::threads::{ThreadSink, ThreadSource};

/// Where bytes come from.
#[derive(Debug)]
pub struct Source(ThreadSource);

/// Where bytes go.
#[derive(Debug)]
pub struct Sink {
    thread: ThreadSink,
    /// The same stream, to ask after it.
    stream: OwnedHandle,
}

impl Source {
    /// Our own stdin.
    pub fn stdin() -> io::Result<Self> {
        Self::of(io::stdin().as_handle().try_clone_to_owned()?)
    }

    /// Any handle.
    pub fn of(handle: OwnedHandle) -> io::Result<Self> {
        Ok(Self(ThreadSource::start(handle.into())?))
    }

    /// Appends what there is to `buffer`; 0 is the end.
    ///
    /// Cancel safe: nothing is read unless it is returned.
    pub async fn read(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        self.0.read(buffer).await
    }
}

impl Sink {
    /// Our own stdout. The sink alone holds the stream from here on: closing it ends it for the client, and no stray
    /// print of ours can get in between.
    pub fn stdout() -> io::Result<Self> {
        let own = io::stdout().as_raw_handle();
        let shared = own == io::stderr().as_raw_handle();
        let theirs = io::stdout().as_handle().try_clone_to_owned()?;
        #[expect(clippy::disallowed_methods, reason = "nothing is made")]
        let nowhere = File::options().write(true).open("NUL")?;
        replace_stdout(nowhere)?;
        if !shared {
            close(own);
        }
        Self::of(theirs)
    }

    /// Any handle.
    pub fn of(handle: OwnedHandle) -> io::Result<Self> {
        let stream = handle.try_clone()?;
        Ok(Self { thread: ThreadSink::start(handle.into())?, stream })
    }

    /// Takes what can be taken without waiting; `WouldBlock` when that is nothing.
    pub fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.thread.try_write(bytes)
    }

    /// Waits until something can be written, or the other side is known to be gone. Cancel safe.
    pub async fn writable(&mut self) -> io::Result<()> {
        self.thread.writable().await
    }

    /// Whether nobody can read any more what is written, as far as that is known without writing.
    pub fn is_abandoned(&self) -> bool {
        // A question to a stream that is being written to waits for that.
        self.is_flushed() && is_closing(self.stream.as_handle())
    }

    /// Whether every byte taken has left this process.
    pub fn is_flushed(&self) -> bool {
        self.thread.is_flushed()
    }
}

/// No process that we start is given our stdin, stdout or stderr, unless it is handed over.
#[expect(unsafe_code, reason = "the standard library cannot change a handle's flags")]
pub(super) fn keep_to_ourselves() {
    for handle in [io::stdin().as_raw_handle(), io::stdout().as_raw_handle(), io::stderr().as_raw_handle()] {
        // SAFETY: one of our own three, which fails if it is none.
        unsafe { SetHandleInformation(handle, HANDLE_FLAG_INHERIT, 0) };
    }
}

/// What prints to stdout from here on prints to `file`.
#[expect(unsafe_code, reason = "the standard library cannot exchange a standard handle")]
fn replace_stdout(file: File) -> io::Result<()> {
    // SAFETY: an open handle, which nobody closes any more.
    if unsafe { SetStdHandle(STD_OUTPUT_HANDLE, file.into_raw_handle()) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Closes what has been our stdout.
#[expect(unsafe_code, reason = "the standard library never closes a standard handle")]
fn close(handle: RawHandle) {
    // SAFETY: it was open when it was taken from its place, and nobody else has it.
    drop(unsafe { OwnedHandle::from_raw_handle(handle) });
}

/// Whether a pipe's other end is closed; of anything else that is not known.
#[expect(unsafe_code, reason = "the standard library does not ask a pipe for its state")]
fn is_closing(stream: BorrowedHandle<'_>) -> bool {
    let mut status = IO_STATUS_BLOCK::default();
    let mut pipe = FILE_PIPE_LOCAL_INFORMATION::default();
    let size = u32::try_from(size_of_val(&pipe)).unwrap_or(0);
    // SAFETY: an open handle, and two structures that outlive the call, the second of the size that is told.
    let failed = unsafe {
        NtQueryInformationFile(
            stream.as_raw_handle(),
            &raw mut status,
            (&raw mut pipe).cast(),
            size,
            FilePipeLocalInformation,
        )
    };
    failed == 0 && [FILE_PIPE_CLOSING_STATE, FILE_PIPE_DISCONNECTED_STATE].contains(&pipe.NamedPipeState)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_pipe_carries_bytes_as_they_are_and_ends() {
        let (reader, writer) = io::pipe().unwrap();
        let (mut source, mut sink) = (Source::of(reader.into()).unwrap(), Sink::of(writer.into()).unwrap());
        assert_eq!(sink.try_write(b"one\r\ntwo\n\x1a\0").unwrap(), 11);
        while !sink.is_flushed() {
            sink.writable().await.unwrap();
        }
        drop(sink);
        let mut bytes = Vec::new();
        while source.read(&mut bytes).await.unwrap() > 0 {}
        assert_eq!(bytes, b"one\r\ntwo\n\x1a\0");
    }

    #[tokio::test]
    async fn a_reader_that_is_gone_is_noticed_without_writing() {
        let (reader, writer) = io::pipe().unwrap();
        let sink = Sink::of(writer.into()).unwrap();
        assert!(!sink.is_abandoned());
        drop(reader);
        assert!(sink.is_abandoned());
    }

    #[tokio::test]
    async fn a_file_is_read_to_its_end_and_is_never_abandoned() {
        let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        std::fs::write(&path, "some bytes").unwrap();
        let mut source = Source::of(File::open(&path).unwrap().into()).unwrap();
        let mut bytes = Vec::new();
        while source.read(&mut bytes).await.unwrap() > 0 {}
        assert_eq!(bytes, b"some bytes");
        assert!(!Sink::of(File::create(&path).unwrap().into()).unwrap().is_abandoned());
    }
}
