//! Room on a file system.

use std::io;
use std::path::Path;

use hearth_model::Bytes;

/// What an unprivileged writer can still use, and the whole size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    pub available: Bytes,
    pub total: Bytes,
}

pub fn of(path: &Path) -> io::Result<Space> {
    let s = rustix::fs::statvfs(path)?;
    Ok(Space { available: Bytes(s.f_bavail * s.f_frsize), total: Bytes(s.f_blocks * s.f_frsize) })
}
