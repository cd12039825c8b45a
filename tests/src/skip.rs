//! Leaving a test out, in the open: a machine that lacks something says so, and one that must have everything fails.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::environment::{Environment, REQUIRE_ALL};

/// Says why this test does not run here. The caller returns right after.
#[expect(clippy::print_stdout, reason = "a skip that nobody can read is a silent one")]
pub fn skipped(why: &str) {
    let required = Environment::of_this_process().requires_all();
    assert!(!required, "{REQUIRE_ALL}=1 forbids to skip: {why}");
    println!("skipped: {why}");
}

/// Says why this test can run on no machine like this one, whatever is installed: then it may be left out even where
/// everything is required.
#[expect(clippy::print_stdout, reason = "a skip that nobody can read is a silent one")]
pub fn beyond_this_machine(why: &str) {
    println!("skipped: {why}");
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether all these commands can be started.
pub fn has_programs(names: &[&str]) -> bool {
    let is_there = |name: &&str| {
        let mut which = Command::new("sh");
        which.args(["-c", "command -v \"$1\"", "sh", name]).stdout(Stdio::null());
        which.status().is_ok_and(|status| status.success())
    };
    names.iter().all(is_there)
}

/// Whether loop devices can be had, which containers often lack.
pub fn has_loop_devices() -> bool {
    Path::new("/dev/loop-control").exists()
        && Command::new("losetup").arg("--find").output().is_ok_and(|output| output.status.success())
}
