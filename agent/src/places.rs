//! Where everything stands below the state directory, and the checks that the directory can be ours.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use hearth_host::{tree, users};
use hearth_model::SlotNumber;

#[derive(Debug, thiserror::Error)]
pub enum PlacesError {
    #[error("cannot make the state directory {path}; make it writable, or name another with --state or HEARTH_STATE")]
    Make {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error(
        "the state directory {path} belongs to user {owner} and we run as user {us}; run as its owner, or name another \
         with --state or HEARTH_STATE"
    )]
    Foreign { path: PathBuf, owner: u32, us: u32 },
    #[error(
        "cannot write in the state directory {path}; make it writable or free some room, or name another with --state \
         or HEARTH_STATE"
    )]
    Write {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    root: PathBuf,
}

impl Places {
    /// Makes the state directory when it is missing, and finds out by trying whether it can be used.
    pub fn open(root: &Path) -> Result<Self, PlacesError> {
        let make = |cause| PlacesError::Make { path: root.to_owned(), cause };
        if !root.exists() {
            fs::create_dir_all(root).map_err(make)?;
            // Snapshots hold what private sources were compiled into.
            fs::set_permissions(root, fs::Permissions::from_mode(0o700)).map_err(make)?;
        }
        let root = root.canonicalize().map_err(make)?;
        let write = |cause| PlacesError::Write { path: root.clone(), cause };
        let (owner, us) = (users::owner_of(&root).map_err(write)?, users::effective_uid());
        if owner != us {
            return Err(PlacesError::Foreign { path: root, owner, us });
        }
        let places = Self { root: root.clone() };
        for directory in [places.slots(), places.view(), places.trash(), places.programs(), places.sources()] {
            fs::create_dir_all(&directory).map_err(write)?;
        }
        let probe = root.join(format!(".writable-{}.partial", std::process::id()));
        let write_probe = || fs::write(&probe, b"this directory can be written").and_then(|()| fs::remove_file(&probe));
        let written = write_probe().or_else(|error| {
            if !matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
                return Err(error);
            }
            // What was thrown away already may be what fills the disk, and upkeep needs room to get this far.
            let _emptied = tree::empty(&places.trash());
            write_probe()
        });
        if let Err(cause) = written {
            let _unfinished = fs::remove_file(&probe);
            return Err(write(cause));
        }
        Ok(places)
    }

    /// The places below `root`, unchecked: for questions about a state that somebody else keeps.
    pub fn at(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }
    pub fn ledger(&self) -> PathBuf {
        self.root.join("ledger")
    }
    pub fn targets(&self) -> PathBuf {
        self.root.join("targets")
    }
    pub fn trash(&self) -> PathBuf {
        self.root.join("trash")
    }
    pub fn cache(&self) -> PathBuf {
        self.root.join("cache")
    }
    /// Versions of the runner program.
    pub fn runner(&self) -> PathBuf {
        self.root.join("runner")
    }
    pub fn slots(&self) -> PathBuf {
        self.root.join("slots")
    }
    pub fn slot(&self, number: SlotNumber) -> PathBuf {
        self.slots().join(number.to_string())
    }
    /// Where a job sees its slot, whichever slot that is, when it has a mount namespace of its own.
    pub fn view(&self) -> PathBuf {
        self.root.join("view")
    }
    /// The number by which this agent names its runners.
    pub fn agent_number(&self) -> PathBuf {
        self.root.join("agent.id")
    }
    /// Open sessions at the forge.
    pub fn sessions(&self) -> PathBuf {
        self.root.join("sessions")
    }
    /// What cargo has downloaded for the jobs of forges.
    pub fn sources(&self) -> PathBuf {
        self.root.join("sources")
    }
    /// Which repository had a name first.
    pub fn realms(&self) -> PathBuf {
        self.root.join("realms")
    }
    pub fn programs(&self) -> PathBuf {
        self.root.join("bin")
    }
    pub fn daemon_lock(&self) -> PathBuf {
        self.root.join("daemon.lock")
    }
    pub fn daemon_socket(&self) -> PathBuf {
        self.root.join("agent.sock")
    }
    /// Where a running daemon says how it is reached.
    pub fn announcement(&self) -> PathBuf {
        self.root.join("daemon.json")
    }
    pub fn token_key(&self) -> PathBuf {
        self.root.join("token.key")
    }
    pub fn upkeep_lock(&self) -> PathBuf {
        self.root.join("upkeep.lock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_state_directory_is_nobody_elses_business() {
        let dir = tempfile::tempdir().unwrap();
        let places = Places::open(&dir.path().join("a/state")).unwrap();
        assert_eq!(places.root().metadata().unwrap().permissions().mode() & 0o777, 0o700);
        assert!(places.view().is_dir());
    }

    #[test]
    fn a_state_path_that_is_a_file_is_an_error_that_names_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Places::open(file.path()).unwrap_err();
        assert!(error.to_string().contains(&file.path().display().to_string()), "{error}");
    }
}
