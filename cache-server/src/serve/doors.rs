//! The places where clients come in, opened before any of them is served.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hearth_host::open_files;
use tokio::net::TcpListener;
use tracing::warn;

use crate::config::Limits;
use crate::settings::Settings;
use crate::transport::{Certificates, Listener, SocketError, TlsError, listen, listen_on_socket};

/// Descriptors that connections leave to the store, its peers, the admin pages and the log.
const RESERVED: u64 = 256;
/// With fewer connections nobody can be served.
const LEAST_CONNECTIONS: usize = 16;

/// Why a place cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DoorError {
    #[error("cannot listen on {address}")]
    Listen {
        address: SocketAddr,
        #[source]
        cause: io::Error,
    },
    #[error("cannot serve TLS on {address}")]
    Tls {
        address: SocketAddr,
        #[source]
        cause: Box<TlsError>,
    },
    #[error(transparent)]
    Socket(SocketError),
}

/// What is open.
#[derive(Debug, Default)]
pub(super) struct Doors {
    pub(super) listeners: Vec<(&'static str, Listener)>,
    pub(super) http: Option<SocketAddr>,
    pub(super) tls: Option<SocketAddr>,
    pub(super) socket: Option<PathBuf>,
    /// The certificates, and how often to look whether they changed.
    pub(super) certificates: Option<(Arc<Certificates>, Duration)>,
}

impl Doors {
    pub(super) fn open(settings: &Settings) -> Result<Self, DoorError> {
        let mut doors = Self::default();
        if let Some(address) = settings.http {
            let (listener, address) = open(address)?;
            doors.http = Some(address);
            doors.listeners.push(("http", Listener::Plain(listener)));
        }
        if let Some(tls) = &settings.tls {
            let failed = |cause| DoorError::Tls { address: tls.listen, cause: Box::new(cause) };
            let certificates = Arc::new(Certificates::load(tls.files.clone()).map_err(failed)?);
            let (listener, address) = open(tls.listen)?;
            doors.tls = Some(address);
            doors.listeners.push(("tls", Listener::Tls(listener, Arc::clone(&certificates))));
            doors.certificates = Some((certificates, tls.reload));
        }
        if let Some(socket) = &settings.socket {
            let listener = listen_on_socket(&socket.path, socket.mode).map_err(DoorError::Socket)?;
            doors.socket = Some(socket.path.clone());
            doors.listeners.push(("socket", Listener::Unix(listener)));
        }
        Ok(doors)
    }
}

fn open(address: SocketAddr) -> Result<(TcpListener, SocketAddr), DoorError> {
    let failed = |cause| DoorError::Listen { address, cause };
    let listener = listen(address).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// Takes as many descriptors as the system gives, and no more connections than they allow.
pub(super) fn fit_to_descriptors(limits: &mut Limits) {
    let descriptors = open_files::raise().unwrap_or_else(|error| {
        warn!(error = %error, "cannot raise the limit of open files");
        open_files::limit()
    });
    let Some(descriptors) = descriptors else { return };
    let most = connections(descriptors);
    if most < limits.connections {
        let asked = limits.connections;
        warn!(
            connections = most,
            "at most {most} of {asked} connections, because the system allows {descriptors} open files"
        );
        limits.connections = most;
    }
}

fn connections(descriptors: u64) -> usize {
    usize::try_from(descriptors.saturating_sub(RESERVED)).unwrap_or(usize::MAX).max(LEAST_CONNECTIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_to_the_store() {
        for (descriptors, expected) in [(0, 16), (256, 16), (1024, 768), (1_048_576, 1_048_320)] {
            assert_eq!(connections(descriptors), expected, "{descriptors}");
        }
    }
}
