//! Systems without private mount namespaces: a slot keeps one path of its own instead.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, openat};

use super::{Step, View, ViewError};

pub(super) fn enter_private() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn assemble(view: &View) -> Result<(), ViewError> {
    let unsupported = |_| ViewError::new(Step::Enter, Path::new("/"), io::Error::from(io::ErrorKind::Unsupported));
    view.mounts.first().map_or(Ok(()), |mount| Err(unsupported(mount)))
}

/// The one file system that everybody sees.
#[derive(Debug)]
pub(crate) struct Outside;

impl Outside {
    pub(crate) fn here() -> io::Result<Self> {
        Ok(Self)
    }

    pub(crate) fn directory(&self, path: &Path) -> io::Result<OwnedFd> {
        Ok(openat(CWD, path, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
    }
}
