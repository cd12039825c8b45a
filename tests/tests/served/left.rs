//! What a machine must not leave behind.

use std::fs;

use hearth_tests::family::described;
use hearth_tests::served::Served;
use hearth_tests::wait::{PATIENCE, is_reached};

/// No process but the daemon's, no mount, no record of a slot.
pub(crate) fn nothing_is_left(served: &mut Served) {
    served.idle();
    let is_clean = is_reached(PATIENCE, || served.others().is_empty());
    assert!(is_clean, "left over: {:#?}", served.others().into_iter().map(described).collect::<Vec<_>>());
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("the system lists its mounts");
    let root = served.world.path("").display().to_string();
    let left: Vec<_> = mounts.lines().filter(|line| line.contains(&root)).collect();
    assert!(left.is_empty(), "{left:#?}");
}
