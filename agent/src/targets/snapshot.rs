//! What is written beside a snapshot's build directory: its record, and the manifest of the sources it was built from.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use hearth_host::times::FileTime;
use hearth_host::tree;
use hearth_model::{Bytes, ExecutionId, LaneId, Scope, SnapshotId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::checkout::Listing;

/// One snapshot. Immutable once it stands under its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    pub id: SnapshotId,
    pub lane: LaneId,
    pub repository: String,
    pub scope: Scope,
    pub job: String,
    pub commit: Option<String>,
    /// Digest of everything in the checkout: equal means the same sources.
    pub tree: String,
    pub lock_digest: Option<String>,
    /// What this one's clone was leased from.
    pub parent: Option<SnapshotId>,
    pub execution: ExecutionId,
    pub made_at: Timestamp,
    pub files: u64,
    pub bytes: Bytes,
    /// The moment, by the file system's clock, from which on the job may have written into its clone.
    pub lease_began: FileTime,
    /// The boot in which it was made: before the first sync, a later boot must not trust it.
    pub boot_id: String,
    pub manifest_digest: String,
}

/// The sources that a build directory was made from, and what stands in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub sources: Listing,
    /// The newest time in the build directory: a changed source must be newer than this.
    pub newest: FileTime,
    /// Size of every file in the build directory, to know a damaged one.
    pub artifacts: BTreeMap<String, u64>,
}

#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("cannot read {what} of snapshot {id}")]
    Read {
        what: &'static str,
        id: SnapshotId,
        #[source]
        cause: io::Error,
    },
    #[error("{what} of snapshot {id} is damaged: {why}")]
    Damaged { what: &'static str, id: SnapshotId, why: String },
}

impl Snapshot {
    pub fn read(directory: &Path, id: &SnapshotId) -> Result<Self, RecordError> {
        let what = "the record";
        let bytes = fs::read(directory.join("snapshot.json")).map_err(|cause| RecordError::Read {
            what,
            id: id.clone(),
            cause,
        })?;
        let damaged = |why: String| RecordError::Damaged { what, id: id.clone(), why };
        let snapshot: Self = serde_json::from_slice(&bytes).map_err(|e| damaged(e.to_string()))?;
        if snapshot.id == *id { Ok(snapshot) } else { Err(damaged(format!("it names {}", snapshot.id))) }
    }

    pub fn write(&self, directory: &Path) -> io::Result<()> {
        tree::write_atomically(&directory.join("snapshot.json"), &serde_json::to_vec_pretty(self)?)
    }
}

impl Manifest {
    pub fn read(directory: &Path, of: &Snapshot) -> Result<Self, RecordError> {
        let what = "the manifest";
        let bytes = fs::read(directory.join("manifest.json")).map_err(|cause| RecordError::Read {
            what,
            id: of.id.clone(),
            cause,
        })?;
        let damaged = |why: String| RecordError::Damaged { what, id: of.id.clone(), why };
        if digest(&bytes) != of.manifest_digest {
            return Err(damaged("its digest is not the recorded one".to_owned()));
        }
        serde_json::from_slice(&bytes).map_err(|e| damaged(e.to_string()))
    }

    /// Writes it and gives its digest.
    pub fn write(&self, directory: &Path) -> io::Result<String> {
        let bytes = serde_json::to_vec(self)?;
        tree::write_atomically(&directory.join("manifest.json"), &bytes)?;
        Ok(digest(&bytes))
    }

    /// How many units cargo keeps here: each has one fingerprint with a description in JSON beside it.
    pub fn units(&self) -> u64 {
        let is_fingerprint = |path: &&String| {
            Path::new(path).extension().is_some_and(|ending| ending == "json") && path.contains("fingerprint/")
        };
        self.artifacts.keys().filter(is_fingerprint).count() as u64
    }

    /// Compares a build directory with what it should hold; says the first thing that is wrong.
    pub fn verify(&self, build: &Path) -> io::Result<Result<(), String>> {
        let (mut seen, mut wrong) = (0_usize, None);
        tree::walk(build, &mut |entry| {
            if !entry.metadata.is_file() || wrong.is_some() {
                return Ok(());
            }
            let path = entry.path.to_string_lossy();
            match self.artifacts.get(path.as_ref()) {
                Some(size) if *size == entry.metadata.len() => seen += 1,
                Some(size) => wrong = Some(format!("{path} has {} bytes instead of {size}", entry.metadata.len())),
                None => wrong = Some(format!("{path} should not be there")),
            }
            Ok(())
        })?;
        if wrong.is_none() && seen != self.artifacts.len() {
            wrong = Some(format!("{} of {} files are missing", self.artifacts.len() - seen, self.artifacts.len()));
        }
        Ok(wrong.map_or(Ok(()), Err))
    }
}

fn digest(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex()[..32].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_truncated_missing_or_surplus_file_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("deps")).unwrap();
        fs::write(dir.path().join("deps/a"), "1234").unwrap();
        let manifest = Manifest { artifacts: [("deps/a".to_owned(), 4)].into(), ..Manifest::default() };
        assert_eq!(manifest.verify(dir.path()).unwrap(), Ok(()));
        fs::write(dir.path().join("deps/a"), "12").unwrap();
        assert_eq!(manifest.verify(dir.path()).unwrap(), Err("deps/a has 2 bytes instead of 4".to_owned()));
        fs::remove_file(dir.path().join("deps/a")).unwrap();
        assert_eq!(manifest.verify(dir.path()).unwrap(), Err("1 of 1 files are missing".to_owned()));
        fs::write(dir.path().join("b"), "").unwrap();
        assert_eq!(manifest.verify(dir.path()).unwrap(), Err("b should not be there".to_owned()));
    }
}
