//! Systems without private mount namespaces: a slot keeps one path of its own instead.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, openat};

use super::{Step, View, ViewError};

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC);

pub(super) fn enter_private() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn assemble(view: &View) -> Result<(), ViewError> {
    let unsupported = |_| ViewError::new(Step::Enter, Path::new("/"), io::Error::from(io::ErrorKind::Unsupported));
    view.mounts.first().map_or(Ok(()), |mount| Err(unsupported(mount)))
}

/// The one file system that everybody sees.
#[derive(Debug)]
pub(crate) struct Outside {
    root: OwnedFd,
}

impl Outside {
    pub(crate) fn here() -> io::Result<Self> {
        Ok(Self { root: openat(CWD, "/", DIRECTORY, Mode::empty())? })
    }

    /// Opens a directory by its absolute path.
    pub(crate) fn directory(&self, path: &Path) -> io::Result<OwnedFd> {
        let path = path.strip_prefix("/").map_err(|_| io::ErrorKind::InvalidInput)?;
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        Ok(openat(&self.root, path, DIRECTORY, Mode::empty())?)
    }
}
