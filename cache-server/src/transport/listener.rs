//! Where connections are accepted. Nothing here waits for a client: a handshake is made by the connection's own task.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::net::{TcpListener, TcpSocket, UnixListener};

use super::stream::Stream;
use super::tls::Certificates;

/// Connections that may wait to be accepted; the system has a bound of its own below this. With the usual 128, a crowd's
/// first packets are dropped, and whoever has sent one tries again after a second, after three, and after seven.
const BACKLOG: u32 = 65_535;

/// Listens at an address, with room for a crowd.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // So that a server can be started again while connections of the last one end.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// One place where clients connect.
#[derive(Debug)]
pub enum Listener {
    Plain(TcpListener),
    Tls(TcpListener, Arc<Certificates>),
    Unix(UnixListener),
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Plain(listener)
    }
}

/// Who is at the other end, as far as the connection says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Peer {
    Address(IpAddr),
    /// A process of this machine, over the socket.
    Local,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Local => f.write_str("local"),
        }
    }
}

/// A connection that was accepted, and has not said anything yet.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(super) stream: Stream,
    /// Set where a handshake comes first.
    pub(super) certificates: Option<Arc<Certificates>>,
    pub(crate) peer: Peer,
}

impl Listener {
    /// A dropped accept loses no connection: it stays in the queue of the listener.
    pub(crate) async fn accept(&self) -> io::Result<Arrival> {
        let (listener, certificates) = match self {
            Self::Plain(listener) => (listener, None),
            Self::Tls(listener, certificates) => (listener, Some(Arc::clone(certificates))),
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                return Ok(Arrival { stream: Stream::Unix(stream), certificates: None, peer: Peer::Local });
            }
        };
        let (stream, address) = listener.accept().await?;
        // Without it, the end of an answer waits for the client's acknowledgement of its beginning.
        let _works_without = stream.set_nodelay(true);
        // One machine is one peer, by whichever family of addresses it comes.
        let peer = Peer::Address(address.ip().to_canonical());
        Ok(Arrival { stream: Stream::Tcp(stream), certificates, peer })
    }
}
