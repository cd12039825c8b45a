//! The end of a job is told twice: by its runner, here, and by the forge, in the counts of what it wants. Either may come
//! first, and the forge's may come only when a poll ends, so who is counted twice or not at all is found by the
//! execution. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hearth_model::ExecutionId;
use tokio::time::Instant;

/// How long the forge's counts may lag behind a runner's end. Whoever has not told of it by then never will.
const LAG: Duration = Duration::from_mins(1);
/// Ends that nobody here has seen: of runners that an earlier daemon saw to.
const HEARD: usize = 1_000;

/// Ends of one place's jobs of which only one side has told.
#[derive(Debug, Default)]
pub(super) struct Ends {
    /// The runner has ended, and the forge's counts still have its job.
    seen: BTreeMap<ExecutionId, Instant>,
    /// The forge has told, and the runner is still to be seen off.
    heard: BTreeSet<ExecutionId>,
}

impl Ends {
    /// The runner of a job has ended.
    pub(super) fn seen(&mut self, execution: ExecutionId, now: Instant) {
        if !self.heard.remove(&execution) {
            self.seen.insert(execution, now);
        }
    }

    /// The forge's counts are without this job.
    pub(super) fn heard(&mut self, execution: ExecutionId) {
        if self.seen.remove(&execution).is_none() {
            self.heard.insert(execution);
            // The oldest first: their ids begin with their times.
            while self.heard.len() > HEARD {
                self.heard.pop_first();
            }
        }
    }

    /// How many jobs of the forge's counts have ended.
    pub(super) fn ahead(&mut self, now: Instant) -> u32 {
        self.seen.retain(|_, at| now.saturating_duration_since(*at) < LAG);
        u32::try_from(self.seen.len()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use hearth_model::Timestamp;

    use super::*;

    fn execution(n: i64) -> ExecutionId {
        ExecutionId::new(Timestamp::from_millis(n))
    }

    #[test]
    fn an_end_counts_from_the_runners_word_to_the_forges() {
        let (mut ends, now, one) = (Ends::default(), Instant::now(), execution(1));
        ends.seen(one, now);
        assert_eq!(ends.ahead(now), 1);
        ends.heard(one);
        assert_eq!(ends.ahead(now), 0);
    }

    #[test]
    fn an_end_that_the_forge_told_first_never_counts() {
        let (mut ends, now, one) = (Ends::default(), Instant::now(), execution(1));
        ends.heard(one);
        ends.seen(one, now);
        assert_eq!(ends.ahead(now), 0);
        assert!(ends.heard.is_empty());
    }

    #[test]
    fn the_forge_is_not_waited_for_without_end_and_strangers_are_not_remembered_without_end() {
        let (mut ends, now) = (Ends::default(), Instant::now());
        ends.seen(execution(1), now);
        assert_eq!(ends.ahead(now + LAG), 0);
        for n in 0..2_000 {
            ends.heard(execution(n));
        }
        assert_eq!(ends.heard.len(), HEARD);
        assert!(!ends.heard.contains(&execution(0)));
    }
}
