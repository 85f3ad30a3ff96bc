//! Who is connected: how many connections each address may have, so that nobody without a credential takes all of them,
//! and how soon a new one must say something.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum_server::accept::Accept;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use crate::hub::api::network;

/// Descriptors for everything that is no connection: the store, the log, deliveries.
const RESERVE: usize = 128;
/// More connections than this are not counted on, whatever the system allows.
const MOST: usize = 65_536;
/// A connection must have said this much within this time: as many bytes as it takes to know which HTTP it speaks.
const FIRST_BYTES: usize = 24;
const FIRST_WITHIN: Duration = Duration::from_secs(10);

/// Raises the soft limit on open files to the hard one, and says how many connections that leaves room for.
pub(super) fn make_room() -> usize {
    open_files().clamp(RESERVE + 4, MOST) - RESERVE
}

#[cfg(unix)]
fn open_files() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let most = u64::try_from(MOST).unwrap_or(u64::MAX);
    let wanted = limit.maximum.map_or(most, |maximum| maximum.min(most));
    if limit.current.is_none_or(|current| current >= wanted) {
        return limit.current.map_or(MOST, |current| usize::try_from(current).unwrap_or(MOST));
    }
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum });
    let current = if raised.is_ok() { Some(wanted) } else { limit.current };
    current.and_then(|current| usize::try_from(current).ok()).unwrap_or(MOST)
}

#[cfg(not(unix))]
fn open_files() -> usize {
    8_192
}

/// The connections that are open, in front of another acceptor; clones count the same.
#[derive(Clone)]
pub(super) struct Callers<A> {
    next: A,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
    room: usize,
    behind_proxy: bool,
}

impl<A> Callers<A> {
    /// Room for so many in all; behind a proxy all come from its address, and it keeps its own count.
    pub(super) fn new(next: A, room: usize, behind_proxy: bool) -> Self {
        Self { next, open: Arc::default(), room, behind_proxy }
    }

    /// The most that one address may have: a quarter of all, and this machine, where shims are, three quarters.
    fn share(&self, address: IpAddr) -> usize {
        let quarter = (self.room / 4).max(1);
        match (self.behind_proxy, address.is_loopback()) {
            (true, _) => self.room,
            (false, true) => quarter * 3,
            (false, false) => quarter,
        }
    }

    fn enter(&self, address: IpAddr) -> io::Result<Place> {
        let (address, mut open) = (network(address), counts(&self.open));
        let (all, theirs) = (open.values().sum::<usize>(), open.get(&address).copied().unwrap_or_default());
        if all >= self.room || theirs >= self.share(address) {
            return Err(io::Error::other("too many connections"));
        }
        open.insert(address, theirs + 1);
        Ok(Place { open: Arc::clone(&self.open), address })
    }
}

fn counts(open: &Mutex<HashMap<IpAddr, usize>>) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
    // Every change is a single insert or remove.
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One open connection; dropping it makes room for another.
struct Place {
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
    address: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = counts(&self.open);
        match open.get(&self.address).copied() {
            Some(count) if count > 1 => drop(open.insert(self.address, count - 1)),
            _ => drop(open.remove(&self.address)),
        }
    }
}

impl<A, S> Accept<TcpStream, S> for Callers<A>
where
    A: Accept<TcpStream, S> + Clone + Send + 'static,
    A::Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    A::Service: Send,
    A::Future: Send,
    S: Send + 'static,
{
    type Stream = Caller;
    type Service = A::Service;
    type Future = BoxFuture<'static, io::Result<(Self::Stream, Self::Service)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let place = stream.peer_addr().and_then(|peer| self.enter(peer.ip()));
        let next = self.next.clone();
        Box::pin(async move {
            let place = place?;
            let (stream, service) = next.accept(stream, service).await?;
            let (stream, patience) = (Box::new(stream), Box::pin(sleep(FIRST_WITHIN)));
            Ok((Caller { stream, unsaid: FIRST_BYTES, patience, _place: place }, service))
        })
    }
}

/// What bytes come and go through.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<I: AsyncRead + AsyncWrite + Send + Unpin> Stream for I {}

/// One caller's connection, with TLS or without: as one type, so that what speaks HTTP is compiled once.
pub(super) struct Caller {
    stream: Box<dyn Stream>,
    unsaid: usize,
    patience: Pin<Box<Sleep>>,
    _place: Place,
}

impl AsyncRead for Caller {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.unsaid > 0 && self.patience.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.unsaid = self.unsaid.saturating_sub(buffer.filled().len() - before);
        read
    }
}

impl AsyncWrite for Caller {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use axum_server::accept::NoDelayAcceptor;

    use super::*;

    #[test]
    fn nobody_takes_all_connections_and_each_that_ends_makes_room() {
        let callers = Callers::new(NoDelayAcceptor, 100, false);
        let address = |n: u8| IpAddr::from([10, 0, 0, n]);
        let take = |address| std::iter::from_fn(move || callers.enter(address).ok());
        let one: Vec<_> = take.clone()(address(1)).take(200).collect();
        assert_eq!(one.len(), 25);
        let own: Vec<_> = take.clone()(IpAddr::from([127, 0, 0, 1])).take(200).collect();
        assert_eq!(own.len(), 75, "and no more than there is room for");
        assert_eq!(take.clone()(address(2)).count(), 0);
        drop(own);
        assert_eq!(take(address(2)).take(200).collect::<Vec<_>>().len(), 25);
    }

    #[test]
    fn an_ipv6_network_is_one_address_and_this_machine_is_itself() {
        let address = |n: u16| IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, n));
        assert_eq!(network(address(1)), network(address(2)));
        assert!(network(Ipv6Addr::LOCALHOST.into()).is_loopback());
        assert!(network("::ffff:127.0.0.1".parse().unwrap()).is_loopback());
    }

    #[test]
    fn behind_a_proxy_all_come_from_one_address() {
        let callers = Callers::new(NoDelayAcceptor, 100, true);
        let places: Vec<_> = (0..200).filter_map(|_| callers.enter(IpAddr::from([10, 0, 0, 1])).ok()).collect();
        assert_eq!(places.len(), 100);
    }

    #[cfg(unix)]
    #[test]
    fn as_many_files_may_be_open_as_the_system_allows() {
        use rustix::process::{Resource, getrlimit};
        make_room();
        let limit = getrlimit(Resource::Nofile);
        let most = limit.maximum.unwrap_or(u64::MAX).min(MOST as u64);
        assert!(limit.current.is_none_or(|current| current >= most), "{limit:?}");
    }
}
