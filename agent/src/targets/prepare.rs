//! Upkeep of the snapshots, off every job's path: make the next clones ready, write new snapshots out to the disk,
//! remove what is superseded, keep to the budget, empty the trash. Every step may be interrupted and done again.

use std::fs;
use std::path::Path;

use hearth_host::clones;
use hearth_host::lock::FileLock;
use hearth_host::times::FileTime;
use hearth_model::{Bytes, LaneId, Scope, SnapshotId};

use super::retention::{Kept, to_evict};
use super::snapshot::Snapshot;
use super::store::{LaneDirectory, Targets, TargetsError, failed, names_in};

/// What one round of upkeep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Upkept {
    pub prepared: usize,
    /// Bytes written for ready clones; what was equal already is not among them.
    pub cloned: Bytes,
    pub superseded: usize,
    pub evicted: usize,
    pub freed: Bytes,
    pub trash: usize,
}

impl Targets {
    /// One whole round. Lanes that somebody else is preparing are left to them.
    pub fn upkeep(&self) -> Result<Upkept, TargetsError> {
        let mut done = Upkept::default();
        for (id, _) in self.lanes()? {
            self.upkeep_lane(&id, &mut done)?;
        }
        let evicted = self.evict(self.budget)?;
        (done.evicted, done.freed) = (evicted.evicted, evicted.freed);
        done.trash = self.empty_trash()?;
        Ok(done)
    }

    fn upkeep_lane(&self, id: &LaneId, done: &mut Upkept) -> Result<(), TargetsError> {
        let lane = self.lane(id);
        let path = lane.preparing();
        let preparing = FileLock::try_exclusive(&path).map_err(|cause| failed("lock", &path, cause))?;
        let Some(_preparing) = preparing else { return Ok(()) };
        self.remove_leftovers(&lane)?;
        let latest = self.latest_by_scope(id)?;
        for snapshot in &latest {
            if !lane.ready(&snapshot.id).exists() {
                self.make_ready(&lane, snapshot, done)?;
            }
            lane.make_durable(&snapshot.id)?;
        }
        self.remove_superseded(id, &lane, &latest, done)
    }

    /// Half-made things of a round that was interrupted. Ours to remove: we hold the lane's `preparing`.
    fn remove_leftovers(&self, lane: &LaneDirectory) -> Result<(), TargetsError> {
        let ready = lane.root.join("ready");
        for name in names_in(&ready)? {
            let known = name.parse::<SnapshotId>().is_ok_and(|id| lane.snapshot(&id).join("snapshot.json").exists());
            if !known {
                self.discard(&ready.join(&name))?;
            }
        }
        Ok(())
    }

    /// The snapshots that a job could still be given: one for each scope.
    fn latest_by_scope(&self, id: &LaneId) -> Result<Vec<Snapshot>, TargetsError> {
        let mut latest: Vec<Snapshot> = Vec::new();
        for candidate in self.candidates(id)?.into_iter().filter(|c| c.is_durable) {
            match latest.iter_mut().find(|s| s.scope == candidate.snapshot.scope) {
                Some(known) if is_newer(&candidate.snapshot, known) => *known = candidate.snapshot,
                Some(_) => {}
                None => latest.push(candidate.snapshot),
            }
        }
        Ok(latest)
    }

    fn make_ready(&self, lane: &LaneDirectory, snapshot: &Snapshot, done: &mut Upkept) -> Result<(), TargetsError> {
        let partial = lane.root.join("ready").join(format!("{}.partial", snapshot.id));
        // The snapshot that this one's clone came from is nearly equal to it: only the difference has to be cloned.
        let donor = snapshot
            .parent
            .as_ref()
            .and_then(|parent| self.take_donor(lane, parent, &snapshot.scope, &partial).transpose());
        let since = match donor {
            Some(taken) => taken.map(|()| Some(snapshot.lease_began))?,
            None if self.has_room_for(snapshot.bytes)? => None,
            None => {
                tracing::warn!(snapshot.id = %snapshot.id, "no room to make a clone of {} ready", snapshot.bytes);
                return Ok(());
            }
        };
        let source = lane.snapshot(&snapshot.id).join("build");
        let cloning = |cause| TargetsError::Clone { id: snapshot.id.clone(), cause };
        let cloned = clones::mirror(&source, &partial, self.means, since);
        let cloned = cloned.map_err(cloning)?;
        let _held = lane.lock()?;
        if lane.snapshot(&snapshot.id).exists() && !lane.ready(&snapshot.id).exists() {
            fs::rename(&partial, lane.ready(&snapshot.id)).map_err(|cause| failed("publish", &partial, cause))?;
            done.prepared += 1;
            done.cloned += cloned.bytes;
        }
        Ok(())
    }

    /// Takes the build directory (or the unused ready clone) of the superseded parent, when it is of the same scope
    /// and nobody reads it. From then on the parent is no snapshot any more.
    fn take_donor(
        &self,
        lane: &LaneDirectory,
        parent: &SnapshotId,
        scope: &Scope,
        partial: &Path,
    ) -> Result<Option<()>, TargetsError> {
        let directory = lane.snapshot(parent);
        if !Snapshot::read(&directory, parent).is_ok_and(|snapshot| snapshot.scope == *scope) {
            return Ok(None);
        }
        let path = directory.join("readers");
        let _held = lane.lock()?;
        let readers = FileLock::try_exclusive(&path).map_err(|cause| failed("lock", &path, cause))?;
        let Some(_readers) = readers else { return Ok(None) };
        let record = directory.join("snapshot.json");
        fs::remove_file(&record).map_err(|cause| failed("remove", &record, cause))?;
        let build = directory.join("build");
        fs::rename(&build, partial).map_err(|cause| failed("move", &build, cause))?;
        self.discard(&lane.ready(parent))?;
        self.discard(&directory)?;
        Ok(Some(()))
    }

    fn remove_superseded(
        &self,
        id: &LaneId,
        lane: &LaneDirectory,
        latest: &[Snapshot],
        done: &mut Upkept,
    ) -> Result<(), TargetsError> {
        let snapshots = lane.root.join("snapshots");
        let known: Vec<Snapshot> =
            self.candidates(id)?.into_iter().filter(|c| c.is_durable).map(|c| c.snapshot).collect();
        for name in names_in(&snapshots)? {
            let Ok(id) = name.parse::<SnapshotId>() else {
                // A promotion that was interrupted; a running one is younger than any round of upkeep is apart.
                if is_abandoned(&snapshots.join(&name)) {
                    self.discard(&snapshots.join(&name))?;
                }
                continue;
            };
            // One that appeared since the list of the latest was made is newer than the one of its scope there.
            let is_unsurpassed =
                |own: &Snapshot| latest.iter().filter(|s| s.scope == own.scope).all(|s| s.id == id || is_newer(own, s));
            let is_current = known.iter().any(|own| own.id == id && is_unsurpassed(own));
            if is_current || !self.remove_snapshot(lane, &id)? {
                continue;
            }
            done.superseded += 1;
        }
        Ok(())
    }

    /// Moves a snapshot and its clone away unless somebody reads it.
    pub(super) fn remove_snapshot(&self, lane: &LaneDirectory, id: &SnapshotId) -> Result<bool, TargetsError> {
        let directory = lane.snapshot(id);
        let path = directory.join("readers");
        let _held = lane.lock()?;
        let readers = match FileLock::try_exclusive(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(true),
            other => other.map_err(|cause| failed("lock", &path, cause))?,
        };
        if readers.is_none() {
            return Ok(false);
        }
        self.discard(&directory)?;
        self.discard(&lane.ready(id))?;
        Ok(true)
    }

    /// What an eviction down to `budget` would remove.
    pub(super) fn doomed(&self, budget: Bytes) -> Result<Vec<Kept>, TargetsError> {
        let mut all = Vec::new();
        for (id, _) in self.lanes()? {
            let lane = self.lane(&id);
            for candidate in self.candidates(&id)? {
                let snapshot = candidate.snapshot;
                let copies = if lane.ready(&snapshot.id).exists() { 2 } else { 1 };
                let used = lane.used_at(&snapshot.id).unwrap_or(snapshot.made_at);
                all.push(Kept { bytes: Bytes(snapshot.bytes.0 * copies), used, snapshot });
            }
        }
        Ok(to_evict(all, budget))
    }

    /// Evicts the least recently used snapshots until all together fit into `budget`.
    pub fn evict(&self, budget: Bytes) -> Result<Upkept, TargetsError> {
        let mut done = Upkept::default();
        for kept in self.doomed(budget)? {
            if self.remove_snapshot(&self.lane(&kept.snapshot.lane), &kept.snapshot.id)? {
                tracing::info!(snapshot.id = %kept.snapshot.id, "evicted a snapshot of {}", kept.bytes);
                done.evicted += 1;
                done.freed += kept.bytes;
            }
        }
        Ok(done)
    }
}

fn is_newer(one: &Snapshot, other: &Snapshot) -> bool {
    (one.made_at, &one.id) > (other.made_at, &other.id)
}

/// An hour without a change: no promotion takes that long.
fn is_abandoned(path: &Path) -> bool {
    use hearth_model::Clock;
    let now = hearth_host::clock::SystemClock::default().now().as_millis();
    path.symlink_metadata().is_ok_and(|m| FileTime::modified(&m).0 / 1_000_000 < now - 3_600_000)
}
