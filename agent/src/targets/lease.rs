//! The lease: the exclusive right of one execution to a private clone at its slot's fixed path.
//!
//! The intent is written into the slot before the first rename, so that whoever finds the slot after a crash knows
//! whose clone it holds and drops it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hearth_host::clones;
use hearth_host::lock::FileLock;
use hearth_host::times::FileTime;
use hearth_host::{processes, space, tree};
use hearth_model::{Bytes, ExecutionId, LaneId, Millis, Scope, SnapshotId, WarmTarget};
use serde::{Deserialize, Serialize};

use super::choose::{Choice, choose};
use super::lane::LaneKey;
use super::snapshot::{Manifest, Snapshot};
use super::store::{LaneDirectory, Targets, TargetsError, failed};
use crate::environment::EXECUTION;

/// Stands in a slot from a lease to its job's end.
const INTENT: &str = "lease.json";

/// A clone that is being made is waited for this long; then the job makes its own beside it.
const PREPARING_LIMIT: Duration = Duration::from_mins(1);

/// What a job started from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    Cold { why: String },
    Warm { snapshot: Box<Snapshot>, manifest: Box<Manifest>, handed_out: HandedOut },
}

/// How the clone came to its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HandedOut {
    /// A clone that was ready was renamed.
    Ready,
    /// Made on the job's path, by sharing blocks.
    Reflink,
    /// Made on the job's path, by copying bytes.
    Copy,
}

/// A held lease.
#[derive(Debug, Serialize, Deserialize)]
pub struct Lease {
    pub lane: LaneId,
    pub key: LaneKey,
    pub execution: ExecutionId,
    pub origin: Origin,
    pub slot: PathBuf,
    /// The clone, inside the slot.
    pub build: PathBuf,
    pub began: FileTime,
    pub took: Millis,
}

/// What stands in the slot while a lease is held.
#[derive(Debug, Serialize, Deserialize)]
struct Intent {
    execution: ExecutionId,
    lane: LaneId,
    origin: Option<SnapshotId>,
}

impl Lease {
    pub fn warm_bytes(&self) -> Option<Bytes> {
        match &self.origin {
            Origin::Warm { snapshot, .. } => Some(snapshot.bytes),
            Origin::Cold { .. } => None,
        }
    }

    /// Whether cargo has laid out a profile in it, at the top or below a target's name.
    pub fn has_been_built(&self) -> bool {
        let is_profile = |path: &Path| [".fingerprint", "build"].iter().any(|name| path.join(name).exists());
        let below = |path: &Path| {
            let entries = fs::read_dir(path).into_iter().flatten().flatten();
            entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect::<Vec<_>>()
        };
        below(&self.build).iter().any(|top| is_profile(top) || below(top).iter().any(|inner| is_profile(inner)))
    }

    /// How well the clone fits a checkout.
    pub fn fit(&self, tree: &str, lock_digest: Option<&str>) -> WarmTarget {
        match &self.origin {
            Origin::Cold { .. } => WarmTarget::None,
            Origin::Warm { snapshot, .. }
                if snapshot.tree == tree && snapshot.lock_digest.as_deref() == lock_digest =>
            {
                WarmTarget::Exact
            }
            Origin::Warm { .. } => WarmTarget::Partial,
        }
    }
}

impl Targets {
    /// Gives `execution` a build directory in `slot`. The caller owns the slot. Whatever goes wrong on the way to a
    /// warm clone, a cold directory is the answer; only a slot that cannot be written is an error.
    pub fn lease(
        &self,
        slot: &Path,
        execution: ExecutionId,
        key: &LaneKey,
        reads: &[Scope],
        clock: &dyn hearth_model::Clock,
    ) -> Result<Lease, TargetsError> {
        let started = clock.monotonic();
        let (build, lane_id) = (build_directory(slot), key.id());
        // A clone without an owner is suspect: nobody knows how its job ended. What may be left of that job itself sees
        // the slot at the path at which our job will see it.
        end_previous(slot)?;
        self.discard(&build)?;
        let origin = match self.make_lane(key).and_then(|lane| self.warm_clone(slot, execution, &lane, &lane_id, reads))
        {
            Ok(origin) => origin,
            Err(error) => {
                let why = format!("the snapshot could not be handed out: {error}");
                tracing::warn!(job.execution = %execution, "{why}");
                self.discard(&build)?;
                Origin::Cold { why }
            }
        };
        if matches!(origin, Origin::Cold { .. }) {
            write_intent(slot, execution, &lane_id, None)?;
            fs::create_dir_all(&build).map_err(|cause| failed("make", &build, cause))?;
        }
        let marker = slot.join("began");
        fs::write(&marker, b"").map_err(|cause| failed("write", &marker, cause))?;
        let began = marker.metadata().map_err(|cause| failed("read", &marker, cause))?;
        let took = Millis::from(clock.monotonic().saturating_sub(started));
        let (slot, key, began) = (slot.to_owned(), key.clone(), FileTime::changed(&began));
        Ok(Lease { lane: lane_id, key, execution, origin, slot, build, began, took })
    }

    fn warm_clone(
        &self,
        slot: &Path,
        execution: ExecutionId,
        lane: &LaneDirectory,
        lane_id: &LaneId,
        reads: &[Scope],
    ) -> Result<Origin, TargetsError> {
        // Each round either answers or drops one damaged snapshot.
        loop {
            let held = lane.lock()?;
            let snapshot = match choose(&self.candidates(lane_id)?, reads) {
                Choice::Cold { why } => return Ok(Origin::Cold { why }),
                Choice::Warm(snapshot) => snapshot,
            };
            let manifest = match Manifest::read(&lane.snapshot(&snapshot.id), &snapshot) {
                Ok(manifest) => manifest,
                Err(error) => {
                    self.drop_damaged(lane, &snapshot.id, &error);
                    continue;
                }
            };
            let reader = lane.reader(&snapshot.id)?;
            write_intent(slot, execution, lane_id, Some(&snapshot.id))?;
            let used = lane.snapshot(&snapshot.id).join("used");
            fs::write(&used, b"").map_err(|cause| failed("write", &used, cause))?;
            let build = build_directory(slot);
            let mut handed_out = take_ready(lane, &snapshot.id, &build)?;
            drop(held);
            if handed_out.is_none() {
                handed_out = self.wait_or_clone(lane, &snapshot, &build)?;
            }
            drop(reader);
            let Some(handed_out) = handed_out else {
                let why = format!("no room for a clone of {} beside the reserve", snapshot.bytes);
                return Ok(Origin::Cold { why });
            };
            match manifest.verify(&build).map_err(|cause| failed("read", &build, cause))? {
                Ok(()) => {
                    let (snapshot, manifest) = (snapshot, Box::new(manifest));
                    return Ok(Origin::Warm { snapshot, manifest, handed_out });
                }
                Err(what) => {
                    self.discard(&build)?;
                    self.drop_damaged(lane, &snapshot.id, &Damage(what));
                }
            }
        }
    }

    /// No clone is ready: if one is being made, that will be done before ours would be; otherwise make one now.
    fn wait_or_clone(
        &self,
        lane: &LaneDirectory,
        snapshot: &Snapshot,
        build: &Path,
    ) -> Result<Option<HandedOut>, TargetsError> {
        let path = lane.preparing();
        let preparing =
            FileLock::exclusive_within(&path, PREPARING_LIMIT).map_err(|cause| failed("lock", &path, cause))?;
        let taken = take_ready(lane, &snapshot.id, build)?;
        drop(preparing);
        if taken.is_some() {
            return Ok(taken);
        }
        if !self.has_room_for(snapshot.bytes)? {
            return Ok(None);
        }
        let source = lane.snapshot(&snapshot.id).join("build");
        clones::mirror(&source, build, self.means, None)
            .map_err(|cause| TargetsError::Clone { id: snapshot.id.clone(), cause })?;
        Ok(Some(match self.means {
            clones::Means::Reflink => HandedOut::Reflink,
            clones::Means::Copy => HandedOut::Copy,
        }))
    }

    /// Whether a byte copy of this size leaves the reserve alone; shared blocks need next to nothing.
    pub(super) fn has_room_for(&self, bytes: Bytes) -> Result<bool, TargetsError> {
        let needed = match self.means {
            clones::Means::Reflink => Bytes(bytes.0 / 20),
            clones::Means::Copy => bytes,
        };
        let room = space::of(self.root()).map_err(|cause| failed("ask the free space of", self.root(), cause))?;
        Ok(room.available >= needed + self.free_reserve)
    }
}

fn build_directory(slot: &Path) -> PathBuf {
    crate::slots::job_directory(slot).join("build")
}

fn take_ready(lane: &LaneDirectory, id: &SnapshotId, build: &Path) -> Result<Option<HandedOut>, TargetsError> {
    match fs::rename(lane.ready(id), build) {
        Ok(()) => Ok(Some(HandedOut::Ready)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(failed("move the ready clone to", build, cause)),
    }
}

/// Ends what is left of the job that had this slot before, when nobody has seen its end.
fn end_previous(slot: &Path) -> Result<(), TargetsError> {
    let path = slot.join(INTENT);
    let intent = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<Intent>(&bytes).ok());
    let Some(intent) = intent else { return Ok(()) };
    let ended = processes::end_marked(EXECUTION, &intent.execution.to_string());
    ended.map_err(|cause| failed("end what is left of the job in", slot, cause)).map(drop)
}

/// The job of this slot has ended, with every process of it.
pub(super) fn remove_intent(slot: &Path) -> Result<(), TargetsError> {
    let path = slot.join(INTENT);
    match fs::remove_file(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(|cause| failed("remove", &path, cause)),
    }
}

fn write_intent(
    slot: &Path,
    execution: ExecutionId,
    lane: &LaneId,
    origin: Option<&SnapshotId>,
) -> Result<(), TargetsError> {
    let path = slot.join(INTENT);
    let intent = Intent { execution, lane: lane.clone(), origin: origin.cloned() };
    let text = serde_json::to_vec(&intent).unwrap_or_default();
    tree::write_atomically(&path, &text).map_err(|cause| failed("write", &path, cause))
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Damage(String);
