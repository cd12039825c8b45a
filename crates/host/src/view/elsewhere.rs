//! Systems without private mount namespaces: a slot keeps one path of its own instead.

use std::io;

use super::Bind;

pub(super) fn enter_private() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn bind(_bind: &Bind) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
