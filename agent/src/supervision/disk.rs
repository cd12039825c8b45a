//! A full disk, told apart from a job's own failure.

use std::path::Path;

use hearth_host::space;
use hearth_model::{Bytes, Outcome};

/// A failed job on a disk with less room than this has failed because of it.
const FULL: Bytes = Bytes::mib(4);

/// The same outcome, unless a failure is that of a disk without room.
pub fn told_apart_from_full_disk(outcome: Outcome, paths: &[&Path]) -> Outcome {
    let Outcome::Exited { code } = outcome else { return outcome };
    let is_full = |path: &&Path| space::of(path).is_ok_and(|room| room.available < FULL);
    if code != 0 && paths.iter().any(is_full) { Outcome::DiskFull { code } } else { outcome }
}
