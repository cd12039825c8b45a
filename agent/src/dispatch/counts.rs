//! What came of the runners of one place, counted since the daemon started. Written by whoever walks a runner, read by
//! anybody.

use std::sync::atomic::{AtomicU64, Ordering};

use super::walk::Walked;

#[derive(Debug, Default)]
pub(super) struct RunnerCounts {
    registered: AtomicU64,
    jobs: AtomicU64,
    idle: AtomicU64,
    failed: AtomicU64,
}

/// The counts at one time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RunnerTally {
    /// Runners that the forge took.
    pub registered: u64,
    /// Runners that ended after a job.
    pub jobs: u64,
    /// Runners that ended without one.
    pub idle: u64,
    /// Runners that never came to listen, those that the forge did not take included.
    pub failed: u64,
}

impl RunnerCounts {
    pub(super) fn registered(&self) {
        self.registered.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn walked(&self, walked: &Walked) {
        let count = match walked {
            Walked::Job { .. } => &self.jobs,
            Walked::Idle => &self.idle,
            Walked::Failed { .. } => &self.failed,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn tally(&self) -> RunnerTally {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        RunnerTally {
            registered: read(&self.registered),
            jobs: read(&self.jobs),
            idle: read(&self.idle),
            failed: read(&self.failed),
        }
    }
}

#[cfg(test)]
mod tests {
    use hearth_model::{ExecutionId, Timestamp};

    use super::*;

    #[test]
    fn every_end_has_its_own_count() {
        let counts = RunnerCounts::default();
        counts.registered();
        let job = Walked::Job { execution: ExecutionId::new(Timestamp::from_millis(1)) };
        for walked in [job.clone(), Walked::Idle, Walked::Failed { why: String::new() }, job] {
            counts.walked(&walked);
        }
        assert_eq!(counts.tally(), RunnerTally { registered: 1, jobs: 2, idle: 1, failed: 1 });
    }
}
