//! Linux: users by the name service, which knows more of them than `/etc/passwd`; rights by capabilities.

use std::ffi::{CStr, CString, OsStr, c_char, c_int};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use rustix::process::{Gid, Uid};
use rustix::thread::{
    CapabilitySet, capabilities, set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

use super::{Account, Identity, Privileges};

/// Room for the texts of one user, at first and at most.
const FIRST_ROOM: usize = 4 << 10;
const LARGEST_ROOM: usize = 1 << 20;
/// The kernel's own limit of groups for one process.
const MOST_GROUPS: usize = 65_536;

pub(super) fn may_change_user() -> bool {
    let needed = CapabilitySet::SETUID | CapabilitySet::SETGID | CapabilitySet::KILL;
    capabilities(None).is_ok_and(|ours| ours.effective.contains(needed))
}

/// An identity in the kernel's types, made before the fork.
pub(crate) struct Role {
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
    privileges: Privileges,
}

impl Role {
    pub(crate) fn of(identity: &Identity) -> io::Result<Self> {
        // To the kernel this number means to change nothing.
        if identity.groups.iter().chain([&identity.uid, &identity.gid]).any(|id| *id == u32::MAX) {
            return Err(rustix::io::Errno::INVAL.into());
        }
        Ok(Self {
            uid: Uid::from_raw(identity.uid),
            gid: Gid::from_raw(identity.gid),
            groups: identity.groups.iter().copied().map(Gid::from_raw).collect(),
            privileges: identity.privileges,
        })
    }

    /// For the one thread of a forked child. Groups first and the user last: each step needs the right that the last
    /// one gives away.
    pub(crate) fn take_on(&self) -> io::Result<()> {
        set_thread_groups(&self.groups)?;
        set_thread_res_gid(self.gid, self.gid, self.gid)?;
        set_thread_res_uid(self.uid, self.uid, self.uid)?;
        if self.privileges == Privileges::Fixed {
            set_no_new_privs(true)?;
        }
        Ok(())
    }
}

pub(super) fn lookup(name: &str) -> io::Result<Option<Account>> {
    let c_name = CString::new(name)?;
    let mut room = vec![0; FIRST_ROOM];
    loop {
        let mut entry = std::mem::MaybeUninit::<libc::passwd>::zeroed();
        let mut found = std::ptr::null_mut();
        #[expect(unsafe_code, reason = "the name service has no safe interface in our dependencies")]
        // SAFETY: all pointers are live for the call, and the length is that of the room.
        let error = unsafe {
            libc::getpwnam_r(c_name.as_ptr(), entry.as_mut_ptr(), room.as_mut_ptr(), room.len(), &raw mut found)
        };
        match error {
            0 if found.is_null() => return Ok(None),
            0 => {
                #[expect(unsafe_code, reason = "the name service has no safe interface in our dependencies")]
                // SAFETY: the call has filled the entry; its texts are C strings in `room`, which is still there.
                let (uid, gid, home, shell) = unsafe {
                    let entry = entry.assume_init();
                    (entry.pw_uid, entry.pw_gid, path(entry.pw_dir), path(entry.pw_shell))
                };
                let groups = groups_of(&c_name, gid)?;
                return Ok(Some(Account { name: name.to_owned(), uid, gid, groups, home, shell }));
            }
            // Some name services say so of a user whom they do not have.
            libc::ENOENT | libc::ESRCH => return Ok(None),
            libc::ERANGE if room.len() < LARGEST_ROOM => room.resize(room.len() * 2, 0),
            error => return Err(io::Error::from_raw_os_error(error)),
        }
    }
}

/// A text of an entry as a path; one that is not there is empty.
#[expect(unsafe_code, reason = "the name service has no safe interface in our dependencies")]
// SAFETY: the caller hands in null or a C string that lives for the call.
unsafe fn path(text: *const c_char) -> PathBuf {
    if text.is_null() {
        return PathBuf::new();
    }
    // SAFETY: it is not null, so it is a C string.
    PathBuf::from(OsStr::from_bytes(unsafe { CStr::from_ptr(text) }.to_bytes()))
}

/// The groups of a user beside the first.
fn groups_of(name: &CStr, gid: u32) -> io::Result<Vec<u32>> {
    let mut groups = vec![0; 64];
    loop {
        let mut count = c_int::try_from(groups.len()).unwrap_or(c_int::MAX);
        #[expect(unsafe_code, reason = "the name service has no safe interface in our dependencies")]
        // SAFETY: the name is a C string, and the room for groups is as long as `count` says.
        let all = unsafe { libc::getgrouplist(name.as_ptr(), gid, groups.as_mut_ptr(), &raw mut count) };
        if all >= 0 {
            groups.truncate(usize::try_from(count).unwrap_or_default());
            groups.retain(|group| *group != gid);
            return Ok(groups);
        }
        if groups.len() >= MOST_GROUPS {
            return Err(io::ErrorKind::InvalidData.into());
        }
        groups.resize(groups.len() * 4, 0);
    }
}
