//! Slots: places on this machine that carry one job at a time. Who holds a slot's lock file owns the slot; the kernel
//! lets go of it when its holder dies, so a crash never blocks one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use hearth_host::lock::FileLock;
use hearth_host::users::Identity;
use hearth_model::SlotNumber;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::places::Places;

mod limits;
pub mod logs;
mod record;

pub use limits::{CpuCount, DiskLimitFile, LimitsError, LimitsFile, OutOfMemory};
pub use record::{Ended, Record, RecordError, State, WrongState};

/// How often a waiting job looks for a free slot. The kernel wakes nobody when one of several locks becomes free.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

#[derive(Debug, thiserror::Error)]
pub enum SlotsError {
    #[error("cannot use the slot directory {path}")]
    Directory {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
}

/// The section `[slots]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SlotsFile {
    /// How many jobs this machine carries at a time.
    #[schemars(range(min = 1, max = 256))]
    pub count: u16,
    /// As whom the jobs of a forge run: one system user for each slot, by this pattern. Where there is no such user,
    /// or we may not change to it, they run as the agent does.
    pub user: String,
    pub limits: LimitsFile,
}

impl Default for SlotsFile {
    fn default() -> Self {
        Self { count: 2, user: "hearth-slot-{slot}".to_owned(), limits: LimitsFile::default() }
    }
}

/// A slot that is ours until dropped.
#[derive(Debug)]
pub struct Slot {
    pub number: SlotNumber,
    /// What we know of the slot; nothing in it but `job` is the job's.
    pub directory: PathBuf,
    lock: FileLock,
}

impl Slot {
    /// The slot of somebody who has ended; its lock is ours now.
    pub fn taken_over(number: SlotNumber, directory: PathBuf, lock: FileLock) -> Self {
        Self { number, directory, lock }
    }

    /// The slot's lock for a process that we start in it.
    pub fn lock_for_child(&self) -> io::Result<Stdio> {
        self.lock.for_child()
    }

    /// The job's own part: build directory, sockets, temporary files. This is what stands at the constant place.
    pub fn job(&self) -> PathBuf {
        job_directory(&self.directory)
    }
}

/// The job's own part of its slot, by the two paths that it may have, and as whom the job runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobPlace {
    /// Where we find it.
    pub ours: PathBuf,
    /// Where the job finds it.
    pub seen: PathBuf,
    /// `None`: as we do.
    pub user: Option<Identity>,
}

/// The job's own part of the slot with this directory.
pub fn job_directory(slot: &Path) -> PathBuf {
    slot.join("job")
}

/// What the slot with this directory keeps for its job beside the job's own part.
pub fn kept_directory(slot: &Path) -> PathBuf {
    slot.join("kept")
}

/// What a look over the slots finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Occupancy {
    Free,
    Busy,
}

/// Takes the first free slot, or says `None`.
pub fn try_claim(places: &Places, count: u16) -> Result<Option<Slot>, SlotsError> {
    for number in (0..count).map(SlotNumber) {
        if let Some(slot) = try_claim_one(places, number)?
            // What a runner has left in it is the daemon's to clear up.
            && !Record::stands_in(&slot.directory)
        {
            return Ok(Some(slot));
        }
    }
    Ok(None)
}

/// Takes this slot, or says `None` when somebody has it.
pub fn try_claim_one(places: &Places, number: SlotNumber) -> Result<Option<Slot>, SlotsError> {
    let directory = places.slot(number);
    let failed = |cause| SlotsError::Directory { path: directory.clone(), cause };
    fs::create_dir_all(job_directory(&directory).join("tmp")).map_err(failed)?;
    let Some(mut lock) = FileLock::try_exclusive(&lock_file(&directory)).map_err(failed)? else { return Ok(None) };
    // For people who look; a full disk must not make a slot one that cannot be had.
    if let Err(error) = lock.sign(&format!("{}\n", std::process::id())) {
        tracing::debug!("slot {number} does not say who has it: {error}");
    }
    Ok(Some(Slot { number, directory, lock }))
}

/// The lock of the slot with this directory.
pub fn lock_file(slot: &Path) -> PathBuf {
    slot.join("lock")
}

/// Waits for a slot; `on_wait` is called once, when there is none at first.
pub async fn claim(places: &Places, count: u16, on_wait: impl FnOnce()) -> Result<Slot, SlotsError> {
    let mut on_wait = Some(on_wait);
    loop {
        if let Some(slot) = try_claim(places, count)? {
            return Ok(slot);
        }
        if let Some(tell) = on_wait.take() {
            tell();
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Whether somebody has the slot. Those who look do not get in each other's way.
pub fn look(places: &Places, number: SlotNumber) -> Occupancy {
    let path = lock_file(&places.slot(number));
    if path.exists() && matches!(FileLock::try_shared(&path), Ok(None)) { Occupancy::Busy } else { Occupancy::Free }
}

/// Who is where.
pub fn occupancy(places: &Places, count: u16) -> Vec<(SlotNumber, Occupancy)> {
    (0..count).map(SlotNumber).map(|number| (number, look(places, number))).collect()
}

/// The runners that stand written in slots, readable or not.
pub fn records(places: &Places, count: u16) -> Vec<(SlotNumber, Result<Record, RecordError>)> {
    let record = |number| Record::read(&places.slot(number)).transpose().map(|record| (number, record));
    (0..count).map(SlotNumber).filter_map(record).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_carries_one_job() {
        let dir = tempfile::tempdir().unwrap();
        let places = Places::open(dir.path()).unwrap();
        let first = try_claim(&places, 2).unwrap().unwrap();
        let second = try_claim(&places, 2).unwrap().unwrap();
        assert_eq!((first.number, second.number), (SlotNumber(0), SlotNumber(1)));
        assert!(try_claim(&places, 2).unwrap().is_none());
        drop(first);
        let looking = FileLock::try_shared(&lock_file(&places.slot(SlotNumber(0)))).unwrap().unwrap();
        assert_eq!(occupancy(&places, 2), [(SlotNumber(0), Occupancy::Free), (SlotNumber(1), Occupancy::Busy)]);
        drop(looking);
        assert_eq!(try_claim(&places, 2).unwrap().unwrap().number, SlotNumber(0));
    }
}
