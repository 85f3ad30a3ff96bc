//! Where the hub listens.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context as _, bail};
use tokio::net::{TcpListener, TcpSocket};

use crate::config::hub::Settings;

/// So many callers may wait until they are let in, as far as the system allows; more would try again after a second. When
/// a hub is back, all its shims come at once.
const AT_ONCE: u32 = 4096;

/// Listens; one person's own hub takes a free port when nobody chose one and the usual one is taken.
pub(super) fn bind(settings: &Settings, local: bool) -> anyhow::Result<TcpListener> {
    let addr = settings.listen;
    match listen(addr) {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && local && !settings.listen_named => {
            listen((Ipv4Addr::LOCALHOST, 0).into()).context("cannot listen on any port of 127.0.0.1")
        }
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            bail!("{addr} is in use by another program; choose another address with --listen")
        }
        Err(error) => Err(error).with_context(|| format!("cannot listen on {addr}; choose another with --listen")),
    }
}

/// As [`TcpListener::bind`] does, for more callers at once.
fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Elsewhere that would let another program listen there, too.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(AT_ONCE)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_port_in_use_is_named_and_only_a_local_hub_that_nobody_placed_takes_another() {
        let dir = tempfile::tempdir().unwrap();
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap().into_std().unwrap();
        let addr = taken.local_addr().unwrap();
        let placed = Settings { listen: addr, listen_named: true, ..Settings::of_env(dir.path(), &[]) };
        for local in [false, true] {
            let error = bind(&placed, local).unwrap_err().to_string();
            assert!(error.contains(&addr.to_string()) && error.contains("--listen"), "{error}");
        }
        let anywhere = Settings { listen_named: false, ..placed };
        assert!(bind(&anywhere, false).is_err());
        let other = bind(&anywhere, true).unwrap().local_addr().unwrap();
        assert!(other.ip().is_loopback() && other.port() != addr.port());
    }

    #[tokio::test]
    async fn hundreds_of_callers_at_once_are_let_in_by_and_by() {
        let listener = listen((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let addr = listener.local_addr().unwrap();
        // Nobody lets them in meanwhile.
        let callers = (0..300).map(|_| std::net::TcpStream::connect_timeout(&addr, Duration::from_secs(10)));
        let callers: Vec<_> = callers.collect::<io::Result<_>>().unwrap();
        assert_eq!(callers.len(), 300);
    }
}
