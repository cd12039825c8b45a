//! The root of one runner: the directory above `bin`, and what stands where in it.
//!
//! .NET's host resolves every symbolic link in the path of its own program and of the assembly beside it before it sets
//! the assembly's location, from which the official runner takes its root. A `bin` that is a symbolic link therefore
//! leads to the root of the version directory, not of the runner; a bind mount, a clone or hard links do not. The kernel
//! resolves the path of our program, and `fake-runner.json` plays the assembly.

use std::io;
use std::path::{Path, PathBuf};

use crate::release::{FILE, Release, ReleaseError};

#[derive(Debug)]
pub(crate) struct Root {
    path: PathBuf,
    pub(crate) release: Release,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum RootError {
    #[error("cannot find the file {path} of this release")]
    Locate {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("cannot tell which release this is")]
    Release {
        #[source]
        cause: ReleaseError,
    },
    #[error("{path} does not stand in the directory bin of a root")]
    NoRoot { path: PathBuf },
    #[error("fake runner: the root {root} has no directory {name}")]
    Incomplete { root: PathBuf, name: &'static str },
}

/// Directories that the archive brings. The official program misses `externals` only when a job needs what is inside.
const BROUGHT: [&str; 2] = ["bin", "externals"];

impl Root {
    /// The root of the program in this file.
    pub(crate) fn of(program: &Path) -> Result<Self, RootError> {
        let beside = program.with_file_name(FILE);
        let file = beside.canonicalize().map_err(|cause| RootError::Locate { path: beside, cause })?;
        let release = Release::read(&file).map_err(|cause| RootError::Release { cause })?;
        let path = file.parent().and_then(Path::parent).map(Path::to_owned);
        let root = Self { path: path.ok_or(RootError::NoRoot { path: file })?, release };
        let missing = BROUGHT.into_iter().find(|name| !root.file(name).is_dir());
        missing.map_or(Ok(()), |name| Err(RootError::Incomplete { root: root.path.clone(), name }))?;
        Ok(root)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::release::Pace;

    /// A version directory as an archive leaves it, without the program.
    fn version(at: &Path) -> PathBuf {
        fs::create_dir_all(at.join("bin")).unwrap();
        fs::create_dir_all(at.join("externals")).unwrap();
        fs::write(at.join("bin").join(FILE), Release::new("2.335.1", Pace::BRISK).to_json()).unwrap();
        at.canonicalize().unwrap()
    }

    #[test]
    fn a_linked_bin_leads_to_the_version_and_not_to_the_runner() {
        let directory = tempfile::tempdir().unwrap();
        let version = version(&directory.path().join("2.335.1"));
        let runner = directory.path().join("runner");
        fs::create_dir(&runner).unwrap();
        symlink(version.join("bin"), runner.join("bin")).unwrap();
        assert_eq!(Root::of(&runner.join("bin/Runner.Listener")).unwrap().path(), version);
    }

    #[test]
    fn a_linked_assembly_leads_to_the_version_too() {
        let directory = tempfile::tempdir().unwrap();
        let version = version(&directory.path().join("2.335.1"));
        let runner = directory.path().join("runner");
        fs::create_dir_all(runner.join("bin")).unwrap();
        symlink(version.join("bin").join(FILE), runner.join("bin").join(FILE)).unwrap();
        assert_eq!(Root::of(&runner.join("bin/Runner.Listener")).unwrap().path(), version);
    }

    #[test]
    fn hard_links_make_a_root_of_their_own() {
        let directory = tempfile::tempdir().unwrap();
        let version = version(&directory.path().join("2.335.1"));
        let runner = directory.path().canonicalize().unwrap().join("runner");
        fs::create_dir_all(runner.join("bin")).unwrap();
        fs::create_dir_all(runner.join("externals")).unwrap();
        fs::hard_link(version.join("bin").join(FILE), runner.join("bin").join(FILE)).unwrap();
        let root = Root::of(&runner.join("bin/Runner.Listener")).unwrap();
        assert_eq!((root.path(), root.release.version.as_str()), (runner.as_path(), "2.335.1"));
    }

    #[test]
    fn a_root_without_externals_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let version = version(directory.path());
        fs::remove_dir(version.join("externals")).unwrap();
        let error = Root::of(&version.join("bin/Runner.Listener")).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("fake runner: the root {} has no directory externals", version.display())
        );
    }
}
