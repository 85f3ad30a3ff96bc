//! What lies between a hub and those who speak to it: a connection through it can be cut while both sides live.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinHandle};

/// See the module; gone when dropped.
pub struct Cable {
    /// Where to connect.
    pub address: SocketAddr,
    open: Arc<Mutex<Vec<AbortHandle>>>,
    accepting: JoinHandle<()>,
}

impl Cable {
    /// From a port of its own to a program that may not listen yet.
    pub async fn to(ip: IpAddr, program: SocketAddr) -> Self {
        let listener = TcpListener::bind((ip, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let open = Arc::<Mutex<Vec<AbortHandle>>>::default();
        let opened = open.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let carry = async move {
                    if let Ok(mut far) = TcpStream::connect(program).await {
                        drop(copy_bidirectional(&mut near, &mut far).await);
                    }
                };
                opened.lock().unwrap().push(tokio::spawn(carry).abort_handle());
            }
        });
        Self { address, open, accepting }
    }

    /// Ends every connection that there is; new ones can be made.
    pub fn cut(&self) {
        self.open.lock().unwrap().drain(..).for_each(|connection| connection.abort());
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}
