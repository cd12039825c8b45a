//! What a running daemon says of itself, in `daemon.json` of the state directory: for `hearth status`, scripts and
//! tests that let it choose its ports.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use hearth_host::tree;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    pub version: String,
    pub pid: u32,
    /// Where health, metrics and dashboard are.
    pub admin: SocketAddr,
    /// Where the cache node is.
    pub cache: SocketAddr,
}

#[derive(Debug, thiserror::Error)]
pub enum RunningError {
    #[error("no daemon says that it runs: {path} cannot be read")]
    Read {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("{path} is not what a daemon writes")]
    Damaged {
        path: PathBuf,
        #[source]
        cause: serde_json::Error,
    },
}

impl Running {
    pub(super) fn new(admin: SocketAddr, cache: SocketAddr) -> Self {
        Self { version: env!("CARGO_PKG_VERSION").to_owned(), pid: std::process::id(), admin, cache }
    }

    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        tree::write_atomically(path, &serde_json::to_vec_pretty(self)?)
    }

    /// What the daemon of a state directory wrote last. It may have crashed since.
    pub fn read(path: &Path) -> Result<Self, RunningError> {
        let bytes = fs::read(path).map_err(|cause| RunningError::Read { path: path.to_owned(), cause })?;
        serde_json::from_slice(&bytes).map_err(|cause| RunningError::Damaged { path: path.to_owned(), cause })
    }
}
