//! What a running server says of itself, in `server.json` of its directory: for our own commands, for scripts, and for
//! tests that let it choose its ports.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use hearth_host::tree;
use serde::Serialize;

use super::doors::Doors;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Running {
    pub(super) version: &'static str,
    pub(super) pid: u32,
    /// Where health, readiness and metrics are.
    pub(super) admin: SocketAddr,
    /// Where the cache is served without encryption.
    pub(super) http: Option<SocketAddr>,
    /// Where it is served over TLS.
    pub(super) tls: Option<SocketAddr>,
    pub(super) socket: Option<PathBuf>,
}

pub(super) fn path(dir: &Path) -> PathBuf {
    dir.join("server.json")
}

impl Running {
    pub(super) fn of_this_process(admin: SocketAddr, doors: &Doors) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            pid: std::process::id(),
            admin,
            http: doors.http,
            tls: doors.tls,
            socket: doors.socket.clone(),
        }
    }

    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        tree::write_atomically(path, &serde_json::to_vec_pretty(self)?)
    }
}

impl fmt::Display for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("serving")?;
        if let Some(address) = self.http {
            write!(f, " http://{address}/")?;
        }
        if let Some(address) = self.tls {
            write!(f, " https://{address}/")?;
        }
        if let Some(path) = &self.socket {
            write!(f, " {}", path.display())?;
        }
        write!(f, ", health and metrics at http://{}/", self.admin)
    }
}
