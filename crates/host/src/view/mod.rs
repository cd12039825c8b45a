//! What a job sees of the file system: a private mount namespace in which its slot's directory stands at a constant
//! place, so that cargo, rustc and the compile cache see the same paths whichever slot the job is in, and in which what
//! is not the job's business does not exist. Described as data, put together by the guard.
//!
//! The directories that are shown stay where they are: whoever is outside may rename things into them, and they appear
//! inside.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use hearth_model::Bytes;
use serde::{Deserialize, Serialize};

use crate::owners::Mapping;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as platform;
#[cfg(target_os = "linux")]
pub(crate) use linux::map_owners;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(not(target_os = "linux"))]
use elsewhere as platform;

pub(crate) use platform::Outside;

/// A namespace as data: its mounts in the order in which they are put up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    pub mounts: Vec<Mount>,
}

/// One place of a view. Directories of ours are named by their real paths: one with a symbolic link in it is refused,
/// because a job could have put it there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mount {
    /// An empty directory that nobody can write into, in the place of this one. What later mounts show in it is there.
    Hidden { place: PathBuf },
    /// A directory of the job's own in memory, empty at first and gone at the end.
    Memory { place: PathBuf, limit: Bytes },
    /// A directory, or one file, that is somewhere else.
    Shown(Shown),
}

impl Mount {
    pub fn place(&self) -> &Path {
        match self {
            Self::Hidden { place } | Self::Memory { place, .. } | Self::Shown(Shown { place, .. }) => place,
        }
    }
}

/// Something to show at another place, or at its own when that was hidden. Devices and set-id programs in it are
/// without effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    pub source: PathBuf,
    /// Made when it is in a hidden or a memory place of the same view; there already otherwise.
    pub place: PathBuf,
    pub access: Access,
    /// With which owners; `None` is with those that are stored.
    pub owners: Option<Mapping>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    Writable,
    ReadOnly,
}

/// What could not be done on the way to a view. The view is half put together then, and nothing may be started in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("cannot {step} {path}")]
pub struct ViewError {
    pub step: Step,
    pub path: PathBuf,
    #[source]
    pub cause: SystemError,
}

impl ViewError {
    /// A view was asked for in the namespace that everybody shares.
    pub(crate) fn not_private() -> Self {
        Self::new(Step::Enter, Path::new("/"), io::Error::from_raw_os_error(libc::EPERM))
    }

    fn new(step: Step, path: &Path, cause: impl Into<io::Error>) -> Self {
        Self { step, path: path.to_owned(), cause: SystemError::from(cause.into()) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    Enter,
    Open,
    Map,
    Restrict,
    Make,
    Cover,
    Show,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Enter => "use the mount namespace of others for",
            Self::Open => "open for a view",
            Self::Map => "map the owners of files in",
            Self::Restrict => "restrict the use of",
            Self::Make => "make in a view",
            Self::Cover => "cover in a view",
            Self::Show => "show in a view",
        })
    }
}

/// An error of the system by its number, as it passes between processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SystemError(pub i32);

impl From<io::Error> for SystemError {
    /// An error that did not come from the system reads as a failure of input and output.
    fn from(error: io::Error) -> Self {
        Self(error.raw_os_error().unwrap_or(libc::EIO))
    }
}

impl fmt::Display for SystemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        io::Error::from_raw_os_error(self.0).fmt(f)
    }
}

impl std::error::Error for SystemError {}

/// The proof that the thread which holds it is in a mount namespace of its own.
#[derive(Debug)]
pub struct PrivateNamespace {
    /// Threads have namespaces: this one must not be taken for another's.
    _of_this_thread: PhantomData<*const ()>,
}

/// Moves the calling thread, and whatever it starts from now on, into a mount namespace of its own. What is mounted
/// there is seen by nobody else.
pub fn enter_private() -> io::Result<PrivateNamespace> {
    platform::enter_private()?;
    Ok(PrivateNamespace { _of_this_thread: PhantomData })
}

/// Puts a view together in the calling thread's own namespace.
pub fn assemble(_namespace: &PrivateNamespace, view: &View) -> Result<(), ViewError> {
    platform::assemble(view)
}
