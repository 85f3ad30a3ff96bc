//! Connections that are read from only as far as their [`Meter`] has room.

use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready as when_ready};

use axum::Extension;
use axum_server::accept::Accept;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tower_layer::Layer as _;

use crate::hub::shims::{Meter, Reading, Step};

/// Gives each connection a meter, which its requests find among their extensions.
#[derive(Clone, Copy, Debug)]
pub(super) struct MeterAcceptor;

impl<S> Accept<TcpStream, S> for MeterAcceptor {
    type Stream = Metered<TcpStream>;
    type Service = axum::middleware::AddExtension<S, Meter>;
    type Future = Ready<io::Result<(Self::Stream, Self::Service)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let meter = Meter::default();
        let service = Extension(meter.clone()).layer(service);
        ready(stream.set_nodelay(true).map(|()| (Metered { stream, meter, step: None }, service)))
    }
}

/// See the module.
pub(super) struct Metered<T> {
    stream: T,
    meter: Meter,
    /// Room that is waited for.
    step: Option<BoxFuture<'static, Option<Step>>>,
}

impl<T> std::fmt::Debug for Metered<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metered")
    }
}

impl<T> Metered<T> {
    /// How many bytes may be read now; waits for room.
    fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        loop {
            if let Some(step) = &mut self.step {
                let step = when_ready!(step.poll_unpin(context));
                self.step = None;
                step.into_iter().for_each(|step| self.meter.grant(step));
            }
            match self.meter.reading() {
                Reading::Free => return Poll::Ready(Ok(usize::MAX)),
                Reading::UpTo(room) => return Poll::Ready(Ok(room)),
                Reading::After(shared) => self.step = Some(shared.step().boxed()),
                Reading::Never => return Poll::Ready(Err(io::Error::other("the message is too long before a hello"))),
            }
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Metered<T> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let room = when_ready!(this.poll_room(context))?.min(buf.remaining());
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(room));
        when_ready!(Pin::new(&mut this.stream).poll_read(context, &mut part))?;
        let read = part.filled().len();
        buf.advance(read);
        this.meter.note_read(read);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Metered<T> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
