//! Systems on which a file can neither be asked what is in memory nor be given holes by the same call.

use std::fs::File;
use std::io;

use super::Ready;

#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Linux")]
pub(super) fn read_cached_at(_: &File, _: usize, _: u64) -> io::Result<Ready> {
    Ok(Ready::WouldWait)
}

pub(super) fn allocate(file: &File, length: u64) -> io::Result<()> {
    super::fill(file, length)
}

pub(super) fn punch(_: &File, _: u64, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
