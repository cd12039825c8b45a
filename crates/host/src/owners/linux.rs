//! Linux: a mount takes its mapping of owners from a user namespace, which has to be somebody's before it can be named.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use super::{Mapping, MappingError, Owner};

pub(super) fn idmapped_binds(path: &Path) -> Result<(), MappingError> {
    let opened = open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
    let opened = opened.map_err(|cause| MappingError::Open { path: path.to_owned(), cause: cause.into() })?;
    let mount = clone_of(&opened).map_err(|cause| match cause {
        Errno::PERM => MappingError::NotPrivileged,
        cause => MappingError::Open { path: path.to_owned(), cause: cause.into() },
    })?;
    let root = Owner { uid: 0, gid: 0 };
    let mapping = Mapping { stored: root, seen: Owner { uid: 1, gid: 1 } };
    let namespace = user_namespace(&mapping).map_err(|cause| MappingError::Namespace { cause })?;
    crate::view::map_owners(&mount, &namespace)
        .map_err(|cause| MappingError::FileSystem { path: path.to_owned(), cause })
}

/// A mount of this directory that stands nowhere and goes with its descriptor.
pub(crate) fn clone_of(directory: impl AsFd) -> rustix::io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    open_tree(directory, "", flags)
}

/// A user namespace with this mapping. No process stays in it; the descriptor keeps it.
pub(crate) fn user_namespace(mapping: &Mapping) -> io::Result<OwnedFd> {
    let holder = Holder::start()?;
    let line = |stored: u32, seen: u32| format!("{stored} {seen} 1");
    fs::write(holder.file("uid_map"), line(mapping.stored.uid, mapping.seen.uid))?;
    fs::write(holder.file("gid_map"), line(mapping.stored.gid, mapping.seen.gid))?;
    Ok(File::open(holder.file("ns/user"))?.into())
}

/// A process whose only work is to be in a new user namespace. Dropping it ends it.
struct Holder(Pid);

impl Holder {
    fn start() -> io::Result<Self> {
        let flags = libc::c_long::from(libc::CLONE_NEWUSER | libc::SIGCHLD);
        let zero: libc::c_long = 0;
        let blocked = SignalsBlocked::all();
        #[expect(unsafe_code, reason = "a user namespace needs a process, and no safe call makes one without exec")]
        // SAFETY: without CLONE_VM this is a fork; the child has its own memory and makes nothing but system calls
        // that are async-signal-safe, and it never returns from this block. All its signals are blocked, so that no
        // handler of ours runs in it.
        let pid = unsafe {
            let pid = libc::syscall(libc::SYS_clone, flags, zero, zero, zero, zero);
            if pid == 0 {
                libc::syscall(libc::SYS_prctl, libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                loop {
                    // Waits for nothing, without end.
                    libc::syscall(libc::SYS_ppoll, zero, zero, zero, zero, zero);
                }
            }
            pid
        };
        let error = io::Error::last_os_error();
        drop(blocked);
        i32::try_from(pid).ok().and_then(|pid| if pid > 0 { Pid::from_raw(pid) } else { None }).map(Self).ok_or(error)
    }

    fn file(&self, name: &str) -> String {
        format!("/proc/{}/{name}", self.0.as_raw_nonzero())
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // Nothing stands in the way of killing our own child; whoever waits for all children may have reaped it.
        let _gone = kill_process(self.0, Signal::KILL);
        let _reaped = waitpid(Some(self.0), WaitOptions::empty());
    }
}

/// No signal reaches this thread until dropped.
struct SignalsBlocked {
    before: libc::sigset_t,
}

impl SignalsBlocked {
    fn all() -> Self {
        let mut sets = std::mem::MaybeUninit::<[libc::sigset_t; 2]>::zeroed();
        #[expect(unsafe_code, reason = "no safe wrapper for the signal mask in our dependencies")]
        // SAFETY: both pointers are to live sets; a zeroed set is a valid one, and the call only changes the mask of
        // this thread.
        let [_all, before] = unsafe {
            let all = sets.as_mut_ptr().cast::<libc::sigset_t>();
            let before = all.add(1);
            libc::sigfillset(all);
            libc::pthread_sigmask(libc::SIG_SETMASK, all, before);
            sets.assume_init()
        };
        Self { before }
    }
}

impl Drop for SignalsBlocked {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "no safe wrapper for the signal mask in our dependencies")]
        // SAFETY: the set is the one that this thread had before.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, std::ptr::null_mut());
        }
    }
}
