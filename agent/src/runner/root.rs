//! The root of one runner: the directory above `bin`, in which the runner keeps its registration, its logs and its work.
//! Each slot has one; `bin` and `externals` in it are those of an installed version.
//!
//! The runner takes for its root what is above the real place of its own program: its files are found by resolving every
//! symbolic link. A linked `bin` would lead all runners into the version's directory. So `bin` and `externals` are shown
//! by read-only mounts where a slot has a view of its own, which costs nothing and which no job can undo; and are clones
//! where it has none, kept from start to start as long as nobody has touched them.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use hearth_host::clones::{self, CloneError};
use hearth_host::times::FileTime;
use hearth_host::tree;
use hearth_host::view::{Access, Shown};
use hearth_model::Timestamp;
use serde::{Deserialize, Serialize};

use super::diagnostics::{KEEP, put_aside};
use super::sealed;
use super::version::RunnerVersion;
use super::versions::Held;
use crate::slots::logs;

/// What a version brings and a runner only reads.
const PROGRAM: [&str; 2] = ["bin", "externals"];
const DIAGNOSTICS: &str = "_diag";
/// Printed under "Set up job".
const SETUP: &str = ".setup_info";

#[derive(Debug, thiserror::Error)]
pub enum RootError {
    #[error("cannot clear {path} for the next runner")]
    Clear {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("cannot put the logs of the last runner aside from {path}")]
    Diagnostics {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("cannot write {path}")]
    Write {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("cannot clone runner {version} into the slot")]
    Clone {
        version: RunnerVersion,
        #[source]
        cause: CloneError,
    },
    #[error("cannot look through {path}")]
    Read {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
}

/// How a slot comes to the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// The slot has a view, in which the version's directories are shown.
    Mounts,
    /// It has none, and gets a copy.
    Clones,
}

/// Where a root is made.
#[derive(Debug, Clone, Copy)]
pub struct RootPlace<'a> {
    /// The directory of the slot, in which nothing but the job's part is the job's.
    pub slot: &'a Path,
    /// The root, in the job's part, as we find it.
    pub ours: &'a Path,
    /// The same as the runner finds it.
    pub seen: &'a Path,
}

/// One paragraph under "Set up job".
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SetupGroup {
    pub group: String,
    pub detail: String,
}

/// A root that is ready for one start.
#[derive(Debug)]
#[must_use]
pub struct Root {
    /// For the slot's view, after the job's part itself. None, where the program was cloned.
    pub mounts: Vec<Shown>,
}

/// Makes the root ready for one start of this version: nothing of the last start is left in it but what is named in
/// `kept`. No process of the slot is alive. The files are ours afterwards; the caller hands over to the slot's user what
/// that has to write, and that is not the program.
pub fn prepare(
    held: &Held,
    place: RootPlace<'_>,
    sharing: Sharing,
    kept: &[&str],
    setup: &[SetupGroup],
    now: Timestamp,
) -> Result<Root, RootError> {
    make_directory(place.ours)?;
    let diag = place.ours.join(DIAGNOSTICS);
    put_aside(&diag, &logs::diagnostics(place.slot), KEEP, now)
        .map_err(|cause| RootError::Diagnostics { path: diag.clone(), cause })?;
    clear(place.ours, kept)?;
    let mounts = match sharing {
        Sharing::Mounts => show_program(held, place)?,
        Sharing::Clones => {
            clone_program(held, place)?;
            Vec::new()
        }
    };
    let setup_file = place.ours.join(SETUP);
    write_setup(&setup_file, setup).map_err(|cause| RootError::Write { path: setup_file, cause })?;
    Ok(Root { mounts })
}

/// Removes everything but the program and what is kept. Not what is known to be dangerous, because the runner reads more
/// files from its root than we know, and a job can write any of them for the next one.
fn clear(root: &Path, kept: &[&str]) -> Result<(), RootError> {
    let failed = |cause| RootError::Clear { path: root.to_owned(), cause };
    for entry in fs::read_dir(root).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let stays = PROGRAM.iter().chain(kept).any(|kept| name == *kept);
        // Behind a link would be a directory that is not the slot's.
        let is_directory = entry.file_type().map_err(failed)?.is_dir();
        if !(stays && is_directory) {
            let path = entry.path();
            sealed::remove(&path).map_err(|cause| RootError::Clear { path, cause })?;
        }
    }
    Ok(())
}

/// Makes a real directory, whatever stood in its place.
fn make_directory(path: &Path) -> Result<(), RootError> {
    let failed = |cause| RootError::Write { path: path.to_owned(), cause };
    if path.symlink_metadata().is_ok_and(|metadata| !metadata.is_dir()) {
        sealed::remove(path).map_err(failed)?;
    }
    fs::create_dir_all(path).map_err(failed)
}

/// Empty directories for the mounts to stand on, and the mounts.
fn show_program(held: &Held, place: RootPlace<'_>) -> Result<Vec<Shown>, RootError> {
    // A clone of before the slot had a view.
    forget_clone(place)?;
    let mut mounts = Vec::new();
    for part in PROGRAM {
        let ours = place.ours.join(part);
        sealed::remove(&ours).map_err(|cause| RootError::Clear { path: ours.clone(), cause })?;
        make_directory(&ours)?;
        mounts.push(Shown {
            source: held.program.join(part),
            place: place.seen.join(part),
            access: Access::ReadOnly,
            owners: None,
        });
    }
    Ok(mounts)
}

/// What a clone looked like when it was made. It stands where no job can write.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Seal {
    version: RunnerVersion,
    /// Over every entry's name, kind, size, owner, inode and time of change. The last one nobody can set back.
    digest: String,
}

fn seal_path(place: RootPlace<'_>) -> PathBuf {
    place.slot.join("runner-clone.json")
}

fn forget_clone(place: RootPlace<'_>) -> Result<(), RootError> {
    let path = seal_path(place);
    sealed::remove(&path).map_err(|cause| RootError::Clear { path, cause })
}

fn clone_program(held: &Held, place: RootPlace<'_>) -> Result<(), RootError> {
    let sealed = fs::read(seal_path(place)).ok().and_then(|bytes| serde_json::from_slice::<Seal>(&bytes).ok());
    if let Some(seal) = sealed
        && seal.version == held.version
        && digest(place.ours).is_ok_and(|digest| digest == seal.digest)
    {
        return Ok(());
    }
    // First the seal: a clone that was begun is none.
    forget_clone(place)?;
    let means = clones::probe(place.slot).map_err(|cause| RootError::Read { path: place.slot.to_owned(), cause })?;
    for part in PROGRAM {
        let ours = place.ours.join(part);
        sealed::remove(&ours).map_err(|cause| RootError::Clear { path: ours.clone(), cause })?;
        let cloned = clones::mirror(&held.program.join(part), &ours, means, None);
        cloned.map_err(|cause| RootError::Clone { version: held.version, cause })?;
    }
    let read = |cause| RootError::Read { path: place.ours.to_owned(), cause };
    let seal = Seal { version: held.version, digest: digest(place.ours).map_err(read)? };
    let path = seal_path(place);
    let bytes = serde_json::to_vec(&seal).map_err(io::Error::from);
    bytes.and_then(|bytes| tree::write_atomically(&path, &bytes)).map_err(|cause| RootError::Write { path, cause })
}

fn digest(root: &Path) -> io::Result<String> {
    let mut lines = Vec::new();
    for part in PROGRAM {
        let part = root.join(part);
        let mut note = |path: &Path, metadata: &fs::Metadata| {
            let (mode, owner, inode) = (metadata.permissions().mode(), metadata.uid(), metadata.ino());
            let changed = FileTime::changed(metadata).0;
            lines.push(format!("{} {mode} {owner} {inode} {} {changed}", path.display(), metadata.len()));
        };
        note(&part, &part.symlink_metadata()?);
        tree::walk(&part, &mut |entry| {
            note(&part.join(&entry.path), &entry.metadata);
            Ok(())
        })?;
    }
    lines.sort_unstable();
    Ok(blake3::hash(lines.join("\n").as_bytes()).to_hex().to_string())
}

fn write_setup(path: &Path, setup: &[SetupGroup]) -> io::Result<()> {
    if setup.is_empty() {
        return Ok(());
    }
    let text = serde_json::to_vec(setup)?;
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o644).open(path)?;
    file.write_all(&text)
}

#[cfg(test)]
mod tests;
