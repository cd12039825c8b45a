//! Waiting for a state of the world, with an end to it. Never for time alone.

use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything takes here on a machine that is busy with other builds.
pub const PATIENCE: Duration = Duration::from_mins(3);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Looks until `condition` holds; fails with `what` when it never does.
pub fn until(what: &str, condition: impl FnMut() -> bool) {
    assert!(is_reached(PATIENCE, condition), "waited {} s in vain for: {what}", PATIENCE.as_secs());
}

/// Looks until `condition` holds; `false` when it did not within `limit`.
pub fn is_reached(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    loop {
        if condition() {
            return true;
        }
        if began.elapsed() > limit {
            return false;
        }
        thread::park_timeout(LOOK_AGAIN);
    }
}
