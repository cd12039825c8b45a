//! Linux: `unshare(CLONE_NEWNS)`, everything private, mounts made apart and put into place. Needs CAP_SYS_ADMIN.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use hearth_model::Bytes;
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2};
use rustix::mount::{
    MountAttrFlags, MountFlags, MountPropagationFlags, MoveMountFlags, mount, mount_change, move_mount,
};
use rustix::thread::UnshareFlags;

use super::{Access, Mount, Shown, Step, View, ViewError};
use crate::owners::user_namespace;

/// An empty directory needs one page.
const HIDDEN_LIMIT: Bytes = Bytes::kib(256);

pub(super) fn enter_private() -> io::Result<()> {
    #[expect(unsafe_code, reason = "no safe wrapper exists")]
    // SAFETY: NEWNS (which implies FS) unshares the mount namespace, root and working directory of this thread; file
    // descriptors and memory stay shared, so no other thread can observe a dangling descriptor.
    unsafe {
        rustix::thread::unshare_unsafe(UnshareFlags::NEWNS)?;
    }
    mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE)?;
    // Kernels before 5.12 and some containers have namespaces but not what views are made of: said now, while the job
    // can still do without.
    let unused = crate::owners::clone_of(open_real(Path::new("/"))?)?;
    restrict(unused.as_fd(), MountAttrFlags::MOUNT_ATTR_NODEV)
}

pub(super) fn assemble(view: &View) -> Result<(), ViewError> {
    // All before anything is covered: sources are found by the paths that they have now.
    let prepared = view.mounts.iter().map(Prepared::of).collect::<Result<Vec<_>, _>>()?;
    let mut covered: Vec<&Path> = Vec::new();
    for (mount, prepared) in view.mounts.iter().zip(&prepared) {
        let place = mount.place();
        if !place.exists() && covered.iter().any(|cover| place.starts_with(cover)) {
            prepared.make(place).map_err(|cause| ViewError::new(Step::Make, place, cause))?;
        }
        match prepared {
            Prepared::Source(source) => {
                source.show(place).map_err(|cause| ViewError::new(Step::Show, place, cause))?;
            }
            Prepared::Empty { limit, mode } => {
                cover(place, *limit, mode).map_err(|cause| ViewError::new(Step::Cover, place, cause))?;
                covered.push(place);
            }
        }
    }
    // Last, because the places of what is shown were made in them.
    for mount in &view.mounts {
        if let Mount::Hidden { place } = mount {
            let restricted =
                open_real(place).and_then(|root| restrict(root.as_fd(), MountAttrFlags::MOUNT_ATTR_RDONLY));
            restricted.map_err(|cause| ViewError::new(Step::Restrict, place, cause))?;
        }
    }
    Ok(())
}

/// A mount of a view that has all it needs from outside.
enum Prepared {
    Empty { limit: Bytes, mode: &'static str },
    Source(Detached),
}

impl Prepared {
    fn of(mount: &Mount) -> Result<Self, ViewError> {
        Ok(match mount {
            Mount::Hidden { .. } => Self::Empty { limit: HIDDEN_LIMIT, mode: "0755" },
            Mount::Memory { limit, .. } => Self::Empty { limit: *limit, mode: "1777" },
            Mount::Shown(shown) => Self::Source(Detached::of(shown)?),
        })
    }

    /// Makes the place where it will stand.
    fn make(&self, place: &Path) -> io::Result<()> {
        if let Self::Source(Detached { kind, .. }) = self
            && *kind != FileType::Directory
        {
            fs::create_dir_all(place.parent().unwrap_or(place))?;
            return fs::File::create_new(place).map(drop);
        }
        fs::create_dir_all(place)
    }
}

fn cover(place: &Path, limit: Bytes, mode: &str) -> io::Result<()> {
    let options = std::ffi::CString::new(format!("size={},mode={mode}", limit.0))?;
    // By its descriptor: between a look at the path and the mount nobody can make it lead elsewhere.
    let place = open_real(place)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    Ok(mount("tmpfs", own_path(&place), "tmpfs", flags, options.as_c_str())?)
}

/// A mount that is nowhere yet.
struct Detached {
    mount: OwnedFd,
    kind: FileType,
}

impl Detached {
    fn of(shown: &Shown) -> Result<Self, ViewError> {
        let failed = |step, cause| ViewError::new(step, &shown.source, cause);
        let source = open_real(&shown.source).map_err(|cause| failed(Step::Open, cause))?;
        let stat = fstat(&source).map_err(|cause| failed(Step::Open, cause.into()))?;
        let mount = crate::owners::clone_of(&source).map_err(|cause| failed(Step::Open, cause.into()))?;
        if let Some(mapping) = &shown.owners {
            let mapped = user_namespace(mapping).and_then(|namespace| map_owners(&mount, &namespace));
            mapped.map_err(|cause| failed(Step::Map, cause))?;
        }
        let mut flags = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
        flags.set(MountAttrFlags::MOUNT_ATTR_RDONLY, shown.access == Access::ReadOnly);
        restrict(mount.as_fd(), flags).map_err(|cause| failed(Step::Restrict, cause))?;
        Ok(Self { mount, kind: FileType::from_raw_mode(stat.st_mode) })
    }

    fn show(&self, place: &Path) -> io::Result<()> {
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        Ok(move_mount(&self.mount, "", &open_real(place)?, "", flags)?)
    }
}

/// Opens what is at a path that leads through no symbolic link.
fn open_real(path: &Path) -> io::Result<OwnedFd> {
    Ok(openat2(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::NO_SYMLINKS)?)
}

/// A path to what is open here, for calls that take nothing else.
fn own_path(open: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", open.as_raw_fd()))
}

fn restrict(mount: BorrowedFd<'_>, flags: MountAttrFlags) -> io::Result<()> {
    set_attributes(mount, u64::from(flags.bits()), 0)
}

/// Shows the files of a detached mount with the owners that the user namespace gives them.
pub(crate) fn map_owners(mount: &OwnedFd, namespace: &OwnedFd) -> io::Result<()> {
    let namespace = u64::try_from(namespace.as_raw_fd()).map_err(|_| io::ErrorKind::InvalidInput)?;
    set_attributes(mount.as_fd(), u64::from(MountAttrFlags::MOUNT_ATTR_IDMAP.bits()), namespace)
}

fn set_attributes(mount: BorrowedFd<'_>, attr_set: u64, userns_fd: u64) -> io::Result<()> {
    let attributes = libc::mount_attr { attr_set, attr_clr: 0, propagation: 0, userns_fd };
    #[expect(unsafe_code, reason = "no safe wrapper for mount_setattr in our dependencies")]
    // SAFETY: the path is an empty C string, the structure is live for the call and its size is its own.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The file system as it was when this was made, whatever namespace its holder has entered since.
#[derive(Debug)]
pub(crate) struct Outside {
    root: OwnedFd,
}

impl Outside {
    pub(crate) fn here() -> io::Result<Self> {
        Ok(Self { root: openat(CWD, "/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())? })
    }

    /// Opens a directory by its absolute path, which leads through no symbolic link.
    pub(crate) fn directory(&self, path: &Path) -> io::Result<OwnedFd> {
        let path = path.strip_prefix("/").map_err(|_| io::ErrorKind::InvalidInput)?;
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(openat2(&self.root, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH)?)
    }
}
