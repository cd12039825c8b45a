//! What becomes of a clone when its job has ended and its whole process tree is gone: a new snapshot, a ready clone
//! again, or nothing.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use hearth_host::clones::{self, Names};
use hearth_host::times::FileTime;
use hearth_host::{processes, space, tree};
use hearth_model::{Bytes, Clock, Outcome, Scope, SnapshotId};
use serde::{Deserialize, Serialize};

use super::kept;
use super::lease::{Lease, Origin, remove_intent};
use super::snapshot::{Manifest, Snapshot};
use super::store::{Targets, TargetsError, failed};
use crate::checkout::Checkout;

/// What became of the clone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GivenBack {
    /// It is a snapshot now.
    Promoted {
        id: SnapshotId,
        bytes: Bytes,
    },
    /// The job changed nothing; the next one gets this very clone.
    Unchanged,
    Discarded(Why),
}

/// Why a clone was dropped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    #[error("the job {0}")]
    NotSuccessful(Outcome),
    #[error("jobs of this kind may not write a snapshot")]
    NoScope,
    #[error("the job built nothing")]
    Empty,
    #[error("nobody saw the sources that it was built from")]
    NoSources,
    #[error("the job put something else into its place")]
    Replaced,
    #[error("nothing new to keep")]
    NothingNew,
    #[error("a compilation did not finish ({unit})")]
    Unfinished { unit: String },
    #[error("the disk is down to {available}")]
    DiskFull { available: Bytes },
    #[error("a process of the job could not be ended")]
    StillRunning,
}

/// Everything found in one walk over a build directory.
#[derive(Debug, Default)]
struct Survey {
    artifacts: BTreeMap<String, u64>,
    bytes: Bytes,
    newest: FileTime,
    /// Something was written since the lease began.
    is_changed: bool,
    /// A unit whose fingerprint cargo had emptied and not written again.
    unfinished: Option<String>,
    /// Files that have several names, and how many of these are here.
    names: Names,
}

impl Targets {
    /// Gives the clone back. `ended_well` must only be `Ok` when every process of the job is gone.
    pub fn give_back(
        &self,
        lease: &Lease,
        outcome: Outcome,
        swept: Swept,
        writes: Option<&Scope>,
        checkout: Option<&Checkout>,
        clock: &dyn Clock,
    ) -> Result<GivenBack, TargetsError> {
        let discarded = |why: Why| {
            self.discard(&lease.build)?;
            Ok(GivenBack::Discarded(why))
        };
        if swept == Swept::ProcessesLeft {
            return discarded(Why::StillRunning);
        }
        remove_intent(&lease.slot)?;
        if !outcome.is_success() {
            return discarded(Why::NotSuccessful(outcome));
        }
        let Some(checkout) = checkout else { return discarded(Why::NoSources) };
        if !lease.build.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
            return discarded(Why::Replaced);
        }
        let survey = survey(&lease.build, lease.began).map_err(|cause| failed("read", &lease.build, cause))?;
        if let Some(unit) = survey.unfinished {
            return discarded(Why::Unfinished { unit });
        }
        if survey.names.is_any_known_elsewhere() {
            // cargo links final artifacts into the checkout: what is done to them there must not reach the next job.
            let cloning = |cause| TargetsError::Clone { id: SnapshotId::from(lease.execution), cause };
            clones::separate(&lease.build, self.means).map_err(cloning)?;
        }
        if let Origin::Warm { snapshot, manifest, .. } = &lease.origin
            && !survey.is_changed
            && survey.artifacts.len() == manifest.artifacts.len()
            // Other sources with the same result: a snapshot that says so fits the next job exactly.
            && (snapshot.tree == checkout.listing.identity() || writes != Some(&snapshot.scope))
        {
            // Only who may write a scope may hand a clone on to it.
            return if writes == Some(&snapshot.scope) {
                self.return_unchanged(lease, snapshot)
            } else {
                discarded(Why::NothingNew)
            };
        }
        if survey.artifacts.is_empty() {
            return discarded(Why::Empty);
        }
        let Some(scope) = writes else { return discarded(Why::NoScope) };
        let room = space::of(&lease.build).map_err(|cause| failed("ask the free space of", &lease.build, cause))?;
        if room.available < self.free_reserve {
            return discarded(Why::DiskFull { available: room.available });
        }
        self.promote(lease, survey, scope, checkout, clock)
    }

    fn return_unchanged(&self, lease: &Lease, origin: &Snapshot) -> Result<GivenBack, TargetsError> {
        let lane = self.lane(&lease.lane);
        let _held = lane.lock()?;
        let ready = lane.ready(&origin.id);
        // Another job may have had a clone made meanwhile, or the snapshot may be superseded: one copy is enough.
        if ready.exists() || !lane.snapshot(&origin.id).join("snapshot.json").exists() {
            self.discard(&lease.build)?;
        } else {
            fs::rename(&lease.build, &ready).map_err(|cause| failed("move", &lease.build, cause))?;
        }
        Ok(GivenBack::Unchanged)
    }

    fn promote(
        &self,
        lease: &Lease,
        survey: Survey,
        scope: &Scope,
        checkout: &Checkout,
        clock: &dyn Clock,
    ) -> Result<GivenBack, TargetsError> {
        let lane = self.make_lane(&lease.key)?;
        let id = SnapshotId::from(lease.execution);
        let bytes = survey.bytes;
        let partial = lane.root.join("snapshots").join(format!("{id}.partial"));
        tree::remove(&partial).map_err(|cause| failed("remove", &partial, cause))?;
        fs::create_dir_all(&partial).map_err(|cause| failed("make", &partial, cause))?;
        let record = |cause: io::Error| TargetsError::Record { id: id.clone(), cause };
        kept::keep(&checkout.top, &checkout.listing, &lease.build, &partial).map_err(record)?;
        let files = survey.artifacts.len() as u64;
        let sources = checkout.listing.clone().without_changes(&checkout.top);
        let manifest = Manifest { sources, newest: survey.newest, artifacts: survey.artifacts };
        let manifest_digest = manifest.write(&partial).map_err(record)?;
        let parent = match &lease.origin {
            Origin::Warm { snapshot, .. } => Some(snapshot.id.clone()),
            Origin::Cold { .. } => None,
        };
        let snapshot = Snapshot {
            id: id.clone(),
            lane: lease.lane.clone(),
            repository: lease.key.repository.clone(),
            scope: scope.clone(),
            job: lease.key.job.clone(),
            commit: checkout.commit.clone(),
            tree: checkout.listing.identity(),
            lock_digest: checkout.lock_digest.clone(),
            parent,
            execution: lease.execution,
            made_at: clock.now(),
            files,
            bytes,
            lease_began: lease.began,
            boot_id: processes::boot_id().unwrap_or_default(),
            manifest_digest,
        };
        snapshot.write(&partial).map_err(record)?;
        let inside = partial.join("build");
        fs::rename(&lease.build, &inside).map_err(|cause| failed("move", &lease.build, cause))?;
        lane.publish(&partial, &id)?;
        Ok(GivenBack::Promoted { id, bytes })
    }
}

/// Whether anything of the job is still alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Swept {
    AllGone,
    ProcessesLeft,
}

fn survey(build: &Path, began: FileTime) -> io::Result<Survey> {
    let mut survey = Survey::default();
    tree::walk(build, &mut |entry| {
        survey.newest = survey.newest.max(FileTime::modified(&entry.metadata));
        // A directory's own inode changes when the clone is moved into place; what is made in it shows by itself.
        // cargo gives some files a second name in every run, which changes their inode and nothing of theirs.
        let metadata = &entry.metadata;
        let is_written =
            FileTime::modified(metadata) >= began || (FileTime::changed(metadata) >= began && metadata.nlink() == 1);
        if metadata.is_file() && is_written {
            survey.is_changed = true;
        }
        survey.names.count(metadata);
        if entry.metadata.is_file() {
            if is_emptied_fingerprint(&entry.path, entry.metadata.len(), build) {
                survey.unfinished = Some(entry.path.to_string_lossy().into_owned());
            }
            survey.bytes += Bytes(entry.metadata.len());
            survey.artifacts.insert(entry.path.to_string_lossy().into_owned(), entry.metadata.len());
        }
        Ok(())
    })?;
    Ok(survey)
}

/// cargo empties a unit's fingerprint before it compiles the unit and writes it after. The file has a twin with the
/// ending `.json`, in `.fingerprint/<unit>/` up to cargo 1.99 and in `build/<package>/<hash>/fingerprint/` after.
fn is_emptied_fingerprint(path: &Path, size: u64, build: &Path) -> bool {
    if size != 0 || path.extension().is_some() {
        return false;
    }
    let Some(directory) = path.parent() else { return false };
    let old_layout = directory.parent().and_then(Path::file_name).is_some_and(|name| name == ".fingerprint");
    let new_layout = directory.file_name().is_some_and(|name| name == "fingerprint");
    (old_layout || new_layout) && build.join(path).with_extension("json").exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emptied_fingerprint_is_seen_in_both_layouts() {
        let dir = tempfile::tempdir().unwrap();
        for (unit, expected) in [
            ("debug/.fingerprint/a-0123/lib-a", true),
            ("debug/build/a/0123/fingerprint/lib-a", true),
            ("debug/deps/x", false),
        ] {
            let path = dir.path().join(unit);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            assert!(!is_emptied_fingerprint(Path::new(unit), 0, dir.path()), "{unit} has no twin yet");
            fs::write(path.with_extension("json"), "{}").unwrap();
            assert_eq!(is_emptied_fingerprint(Path::new(unit), 0, dir.path()), expected, "{unit}");
            assert!(!is_emptied_fingerprint(Path::new(unit), 16, dir.path()), "{unit} is written");
        }
    }

    #[test]
    fn a_write_after_the_lease_began_is_seen_whatever_its_time_says() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), "1").unwrap();
        let began = FileTime::changed(&dir.path().join("a").metadata().unwrap());
        assert!(survey(dir.path(), began).unwrap().is_changed);
        assert!(!survey(dir.path(), began.plus_secs(1)).unwrap().is_changed);
    }
}
