//! What a running server says of itself, in `server.json` of its directory: for our own commands, for scripts, and for
//! tests that let it choose its ports.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use hearth_host::tree;
use serde::Serialize;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Running {
    pub(super) version: &'static str,
    pub(super) pid: u32,
    /// Where health, metrics and dashboard are.
    pub(super) admin: SocketAddr,
    /// Where the cache is served without encryption.
    pub(super) http: Option<SocketAddr>,
}

pub(super) fn path(dir: &Path) -> PathBuf {
    dir.join("server.json")
}

impl Running {
    pub(super) fn of_this_process(admin: SocketAddr) -> Self {
        Self { version: env!("CARGO_PKG_VERSION"), pid: std::process::id(), admin, http: None }
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
        write!(f, ", dashboard at http://{}/", self.admin)
    }
}
