//! A full disk: told apart from a job's own failure, and noticed before there is a job to fail.

use std::path::Path;

use hearth_host::space::{self, Space};
use hearth_model::{Bytes, Outcome};

/// A failed job on a disk with less room than this has failed because of it.
const FULL: Bytes = Bytes::mib(4);
/// With less, a job could not even be prepared and written down.
pub const LEAST_ROOM: Bytes = Bytes::mib(32);
/// GitHub's word for a job that failed, where its runner could not say it any more.
const FAILED: i32 = 1;

/// The same outcome, unless a failure is that of a disk without room.
pub fn told_apart_from_full_disk(outcome: Outcome, paths: &[&Path]) -> Outcome {
    let code = match outcome {
        Outcome::Exited { code } if code != 0 => code,
        Outcome::Lost => FAILED,
        _ => return outcome,
    };
    let is_full = |path: &&Path| space::of(path).is_ok_and(|room| room.available < FULL);
    if paths.iter().any(is_full) { Outcome::DiskFull { code } } else { outcome }
}

/// What little room there is, when it is too little for a job.
pub fn lack_of_room(path: &Path) -> Option<Space> {
    space::of(path).ok().filter(|room| room.available < LEAST_ROOM)
}
