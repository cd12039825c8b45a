//! Where the runner program's versions stand below the state directory.
//!
//! ```text
//! runner/lock                    held while the book or the set of versions changes
//! runner/install.lock            held by who fills or empties `incoming`
//! runner/book.json               pin, trials, GitHub's answers
//! runner/incoming/…              being downloaded, unpacked or removed; nothing in it outlives its process
//! runner/versions/2.336.0/       published by one rename: installed.json, program/{bin,externals,…} without write bits
//! runner/uses/2.336.0            a lock that every runner of this version shares
//! ```

use std::path::{Path, PathBuf};

use super::version::RunnerVersion;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub(super) fn at(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }
    pub(super) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }
    pub(super) fn install_lock(&self) -> PathBuf {
        self.root.join("install.lock")
    }
    pub(super) fn book(&self) -> PathBuf {
        self.root.join("book.json")
    }
    pub(super) fn incoming(&self) -> PathBuf {
        self.root.join("incoming")
    }
    pub(super) fn versions(&self) -> PathBuf {
        self.root.join("versions")
    }
    pub(super) fn uses(&self) -> PathBuf {
        self.root.join("uses")
    }
    pub(super) fn version(&self, version: RunnerVersion) -> PathBuf {
        self.versions().join(version.to_string())
    }
    pub(super) fn program(&self, version: RunnerVersion) -> PathBuf {
        program_in(&self.version(version))
    }
    pub(super) fn record(&self, version: RunnerVersion) -> PathBuf {
        record_in(&self.version(version))
    }
    pub(super) fn use_lock(&self, version: RunnerVersion) -> PathBuf {
        self.uses().join(version.to_string())
    }
}

/// The unpacked archive in the directory of a version.
pub(super) fn program_in(version: &Path) -> PathBuf {
    version.join("program")
}

/// Says that the directory of a version is whole.
pub(super) fn record_in(version: &Path) -> PathBuf {
    version.join("installed.json")
}
