//! Who we are and whose a file is.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// As whom a process runs.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Identity {
    pub uid: u32,
    pub gid: u32,
    /// Beside `gid`.
    pub groups: Vec<u32>,
    pub privileges: Privileges,
}

/// Whether programs may make a process more than its user is: set-id bits, file capabilities, and so `sudo`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Privileges {
    /// As the system's files say.
    Gained,
    /// Never, and not for its descendants either.
    Fixed,
}

/// Our effective user id.
pub fn effective_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

pub fn owner_of(path: &Path) -> io::Result<u32> {
    Ok(path.metadata()?.uid())
}

/// The machine's name for itself.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Device and inode of standard error: systemd names them to say that it reads there.
pub fn standard_error_identity() -> Option<(u64, u64)> {
    let stat = rustix::fs::fstat(std::io::stderr()).ok()?;
    Some((stat.st_dev, stat.st_ino))
}
