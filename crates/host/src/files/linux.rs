//! Linux: `preadv2` with `RWF_NOWAIT`, `fallocate`.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use super::Ready;

pub(super) fn read_cached_at(file: &File, length: usize, offset: u64) -> io::Result<Ready> {
    let mut bytes: Vec<u8> = Vec::with_capacity(length);
    let at = i64::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
    let part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: length };
    #[expect(
        unsafe_code,
        reason = "the safe wrapper reads into memory that was cleared first, which costs as much again"
    )]
    // SAFETY: the one part is memory of ours of at least `length` bytes, and nobody else uses it meanwhile.
    let read = unsafe { libc::preadv2(file.as_raw_fd(), &raw const part, 1, at, libc::RWF_NOWAIT) };
    let Ok(read) = usize::try_from(read) else {
        let error = io::Error::last_os_error();
        return match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INTR) => Ok(Ready::WouldWait),
            _ => Err(error),
        };
    };
    if read < length {
        // The rest is on the disk, or the file ends here: an ordinary read tells.
        return Ok(Ready::WouldWait);
    }
    #[expect(unsafe_code, reason = "the system has filled these bytes")]
    // SAFETY: `preadv2` has written all of the first `length` bytes, and the capacity is at least that.
    unsafe {
        bytes.set_len(length);
    };
    Ok(Ready::Here(bytes))
}

pub(super) fn allocate(file: &File, length: u64) -> io::Result<()> {
    match fallocate(file, FallocateFlags::empty(), 0, length) {
        Err(Errno::OPNOTSUPP) => super::fill(file, length),
        other => Ok(other?),
    }
}

pub(super) fn punch(file: &File, offset: u64, length: u64) -> io::Result<()> {
    match fallocate(file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, offset, length) {
        Err(Errno::OPNOTSUPP) => Err(io::ErrorKind::Unsupported.into()),
        other => Ok(other?),
    }
}
