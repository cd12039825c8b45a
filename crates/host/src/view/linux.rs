//! Linux: `unshare(CLONE_NEWNS)`, everything private, bind mounts. Needs CAP_SYS_ADMIN.

use std::io;

use rustix::mount::{MountPropagationFlags, mount_bind, mount_change};
use rustix::thread::UnshareFlags;

use super::Bind;

pub(super) fn enter_private() -> io::Result<()> {
    #[expect(unsafe_code, reason = "no safe wrapper exists")]
    // SAFETY: NEWNS (which implies FS) unshares the mount namespace, root and working directory of this thread; file
    // descriptors and memory stay shared, so no other thread can observe a dangling descriptor.
    unsafe {
        rustix::thread::unshare_unsafe(UnshareFlags::NEWNS)?;
    }
    Ok(mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE)?)
}

pub(super) fn bind(bind: &Bind) -> io::Result<()> {
    Ok(mount_bind(&bind.source, &bind.target)?)
}
