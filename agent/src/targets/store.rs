//! Where snapshots stand on the disk, and the locks that keep their users apart.
//!
//! ```text
//! targets/<lane>/lane.json           the lane's key, for people and for `why`
//!               /lock                held while a choice is made or names change (milliseconds)
//!               /preparing           held while a ready clone is being made
//!               /snapshots/<id>/     snapshot.json, manifest.json, build/, durable, used
//!               /ready/<id>/         a private copy of that snapshot, to be leased by one rename
//! trash/                             what waits to be removed
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hearth_host::clones::Means;
use hearth_host::lock::FileLock;
use hearth_host::times::FileTime;
use hearth_host::{processes, tree};
use hearth_model::{Bytes, LaneId, SnapshotId, Timestamp};

use super::choose::Candidate;
use super::lane::LaneKey;
use super::snapshot::{RecordError, Snapshot};

#[derive(Debug, thiserror::Error)]
pub enum TargetsError {
    #[error("cannot {what} {path}")]
    File {
        what: &'static str,
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("cannot clone snapshot {id}")]
    Clone {
        id: SnapshotId,
        #[source]
        cause: hearth_host::clones::CloneError,
    },
    #[error("cannot write the record of snapshot {id}")]
    Record {
        id: SnapshotId,
        #[source]
        cause: io::Error,
    },
    #[error("no snapshot {id} here; `hearth targets list` shows what there is")]
    Unknown { id: String },
}

/// All snapshots of this machine.
#[derive(Debug)]
pub struct Targets {
    root: PathBuf,
    trash: PathBuf,
    pub(super) means: Means,
    pub(super) budget: Bytes,
    pub(super) free_reserve: Bytes,
}

/// The directories of one lane.
#[derive(Debug, Clone)]
pub(super) struct LaneDirectory {
    pub(super) root: PathBuf,
}

impl LaneDirectory {
    pub(super) fn at(targets: &Path, id: &LaneId) -> Self {
        Self { root: targets.join(id.as_str()) }
    }
    pub(super) fn snapshot(&self, id: &SnapshotId) -> PathBuf {
        self.root.join("snapshots").join(id.as_str())
    }
    pub(super) fn ready(&self, id: &SnapshotId) -> PathBuf {
        self.root.join("ready").join(id.as_str())
    }
    pub(super) fn lock(&self) -> Result<FileLock, TargetsError> {
        let path = self.root.join("lock");
        FileLock::exclusive(&path).map_err(|cause| TargetsError::File { what: "lock", path, cause })
    }
    pub(super) fn preparing(&self) -> PathBuf {
        self.root.join("preparing")
    }

    /// When the snapshot was last handed out.
    pub(super) fn used_at(&self, id: &SnapshotId) -> Option<Timestamp> {
        let metadata = self.snapshot(id).join("used").metadata().ok()?;
        Some(Timestamp::from_millis(FileTime::modified(&metadata).0 / 1_000_000))
    }

    /// Keeps a snapshot from being removed or taken apart while it is read.
    pub(super) fn reader(&self, id: &SnapshotId) -> Result<FileLock, TargetsError> {
        let path = self.snapshot(id).join("readers");
        FileLock::shared(&path).map_err(|cause| failed("lock", &path, cause))
    }

    /// Gives a finished snapshot its name.
    pub(super) fn publish(&self, partial: &Path, id: &SnapshotId) -> Result<(), TargetsError> {
        let _held = self.lock()?;
        fs::rename(partial, self.snapshot(id)).map_err(|cause| failed("publish", partial, cause))
    }

    /// Writes a snapshot out, so that it may be trusted after a power cut.
    pub(super) fn make_durable(&self, id: &SnapshotId) -> Result<(), TargetsError> {
        let mark = self.snapshot(id).join("durable");
        if mark.exists() || !self.snapshot(id).exists() {
            return Ok(());
        }
        tree::sync_file_system(&self.root).map_err(|cause| failed("sync", &self.root, cause))?;
        fs::write(&mark, b"").map_err(|cause| failed("write", &mark, cause))
    }
}

impl Targets {
    /// Opens the store below `root`; finds out what the file system can do.
    pub fn open(root: &Path, trash: &Path, budget: Bytes, free_reserve: Bytes) -> Result<Self, TargetsError> {
        for path in [root, trash] {
            fs::create_dir_all(path).map_err(|cause| failed("make", path, cause))?;
        }
        let means = hearth_host::clones::probe(root).map_err(|cause| failed("write in", root, cause))?;
        Ok(Self { root: root.to_owned(), trash: trash.to_owned(), means, budget, free_reserve })
    }

    /// How file contents are cloned here.
    pub fn means(&self) -> Means {
        self.means
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn lane(&self, id: &LaneId) -> LaneDirectory {
        LaneDirectory::at(&self.root, id)
    }

    /// Makes the lane's directories and writes its key down.
    pub(super) fn make_lane(&self, key: &LaneKey) -> Result<LaneDirectory, TargetsError> {
        let lane = self.lane(&key.id());
        for path in [lane.root.join("snapshots"), lane.root.join("ready")] {
            fs::create_dir_all(&path).map_err(|cause| failed("make", &path, cause))?;
        }
        let path = lane.root.join("lane.json");
        // A lane whose key cannot be read has no upkeep, so damage is made good here.
        let written = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<LaneKey>(&bytes).ok());
        if written.as_ref() != Some(key) {
            let text = serde_json::to_vec_pretty(key).unwrap_or_default();
            tree::write_atomically(&path, &text).map_err(|cause| failed("write", &path, cause))?;
        }
        Ok(lane)
    }

    /// Every lane that has a readable key.
    pub fn lanes(&self) -> Result<Vec<(LaneId, LaneKey)>, TargetsError> {
        let mut found = Vec::new();
        for name in names_in(&self.root)? {
            let Ok(id) = name.parse::<LaneId>() else { continue };
            let key = fs::read(self.root.join(&name).join("lane.json")).ok();
            if let Some(key) = key.and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
                found.push((id, key));
            }
        }
        Ok(found)
    }

    /// Every snapshot of a lane whose record can be read; a damaged one is dropped and told of.
    pub fn candidates(&self, id: &LaneId) -> Result<Vec<Candidate>, TargetsError> {
        let lane = self.lane(id);
        let boot_id = processes::boot_id().unwrap_or_default();
        let mut found = Vec::new();
        for name in names_in(&lane.root.join("snapshots"))? {
            let Ok(id) = name.parse::<SnapshotId>() else { continue };
            let directory = lane.snapshot(&id);
            match Snapshot::read(&directory, &id) {
                Ok(snapshot) => {
                    let is_durable = directory.join("durable").exists() || snapshot.boot_id == boot_id;
                    found.push(Candidate { snapshot, is_durable });
                }
                // A donor on its way into a ready clone has no record any more; that is no damage.
                Err(RecordError::Read { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {}
                Err(error) => self.drop_damaged(&lane, &id, &error),
            }
        }
        Ok(found)
    }

    /// A snapshot by the beginning of its id, in any lane.
    pub fn find(&self, beginning: &str) -> Result<Snapshot, TargetsError> {
        for (lane, _) in self.lanes()? {
            for candidate in self.candidates(&lane)? {
                if !beginning.is_empty() && candidate.snapshot.id.as_str().contains(beginning) {
                    return Ok(candidate.snapshot);
                }
            }
        }
        Err(TargetsError::Unknown { id: beginning.to_owned() })
    }

    pub(super) fn drop_damaged(&self, lane: &LaneDirectory, id: &SnapshotId, why: &dyn std::error::Error) {
        tracing::warn!(snapshot.id = %id, "dropped a damaged snapshot: {why}");
        for path in [lane.snapshot(id), lane.ready(id)] {
            if let Err(error) = self.discard(&path) {
                tracing::error!(path = %path.display(), "cannot move a damaged snapshot away: {error}");
            }
        }
    }

    /// Moves a directory out of everybody's way at once; upkeep removes it later.
    pub fn discard(&self, path: &Path) -> Result<(), TargetsError> {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        for number in 0..u32::MAX {
            let target = self.trash.join(format!("{name}.{}.{number}", std::process::id()));
            if target.exists() {
                continue;
            }
            return match fs::rename(path, &target) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                other => other.map_err(|cause| failed("move to the trash", path, cause)),
            };
        }
        Ok(())
    }

    /// Removes what lies in the trash, for good.
    pub fn empty_trash(&self) -> Result<usize, TargetsError> {
        tree::empty(&self.trash).map_err(|cause| failed("empty", &self.trash, cause))
    }
}

pub(super) fn failed(what: &'static str, path: &Path, cause: io::Error) -> TargetsError {
    TargetsError::File { what, path: path.to_owned(), cause }
}

/// The names in a directory; none when it does not exist.
pub(super) fn names_in(path: &Path) -> Result<Vec<String>, TargetsError> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(|cause| failed("read", path, cause))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|cause| failed("read", path, cause))?;
        if let Ok(name) = entry.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}
