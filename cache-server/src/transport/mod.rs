//! How connections come in: over TCP in the clear, over TLS, over a Unix socket; and which HTTP they speak. Knows
//! nothing of requests.

mod listener;
mod opening;
mod socket;
mod stream;
mod tls;
mod way;

pub use listener::Listener;
pub(crate) use listener::{Arrival, Peer, listen};
pub(crate) use opening::{Protocol, open};
pub(crate) use socket::{SocketError, listen_on_socket};
pub use tls::{Certificates, ClientCertificates, TlsError, TlsFiles};
pub(crate) use way::Way;
