//! Who we are and whose a file is.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

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
