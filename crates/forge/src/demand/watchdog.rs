//! Whether a session still hears. The service is known to fall silent, to announce jobs that it never delivers, and to
//! count none while it delivers some; a new session mends all three. Pure: times are on the clock that only goes forward.

use std::time::Duration;

use crate::wire::Statistics;

/// A poll is answered within a minute, with or without a message.
const DEAF: Duration = Duration::from_mins(5);
/// A job that was announced and not delivered. A runner that does not take one loses it after a minute, three times.
const STUCK: Duration = Duration::from_mins(10);
/// New sessions for statistics that lie are this far apart: they may go on lying.
const CONTRADICTED: Duration = Duration::from_mins(10);

/// Why a new session is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    Deaf,
    Stuck,
    Contradicted,
}

#[derive(Debug)]
pub(super) struct Watchdog {
    heard: Duration,
    /// Since when jobs are owed and nothing is delivered.
    owed_since: Option<Duration>,
    contradicted: bool,
    mended: Option<Duration>,
}

impl Watchdog {
    /// A session was opened.
    pub(super) fn new(now: Duration) -> Self {
        Self { heard: now, owed_since: None, contradicted: false, mended: None }
    }

    /// A new session was opened because of what this one saw.
    pub(super) fn renewed(&self, now: Duration, trouble: Option<Trouble>) -> Self {
        let mended = if trouble == Some(Trouble::Contradicted) { Some(now) } else { self.mended };
        Self { mended, ..Self::new(now) }
    }

    /// Any answer to a poll.
    pub(super) fn heard(&mut self, now: Duration) {
        self.heard = now;
    }

    /// The service's counts, and whether anything was delivered with them. While we offer no capacity nothing is owed.
    pub(super) fn told(&mut self, now: Duration, statistics: Statistics, delivered: bool, capacity: u32) {
        let owes = statistics.total_assigned_jobs > statistics.total_running_jobs && capacity > 0;
        self.owed_since = match self.owed_since {
            _ if !owes => None,
            Some(since) if !delivered => Some(since),
            _ => Some(now),
        };
    }

    /// The counts denied what came with them.
    pub(super) fn contradicted(&mut self) {
        self.contradicted = true;
    }

    pub(super) fn trouble(&self, now: Duration) -> Option<Trouble> {
        let since = |then: Duration| now.saturating_sub(then);
        if since(self.heard) >= DEAF {
            return Some(Trouble::Deaf);
        }
        if self.owed_since.is_some_and(|then| since(then) >= STUCK) {
            return Some(Trouble::Stuck);
        }
        let rested = self.mended.is_none_or(|then| since(then) >= CONTRADICTED);
        (self.contradicted && rested).then_some(Trouble::Contradicted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn minutes(n: u64) -> Duration {
        Duration::from_mins(n)
    }

    fn counts(assigned: u32, running: u32) -> Statistics {
        Statistics { total_available_jobs: 0, total_assigned_jobs: assigned, total_running_jobs: running }
    }

    #[test]
    fn a_session_that_hears_nothing_at_all_is_deaf() {
        let mut dog = Watchdog::new(minutes(0));
        dog.heard(minutes(3));
        assert_eq!(dog.trouble(minutes(7)), None);
        assert_eq!(dog.trouble(minutes(8)), Some(Trouble::Deaf));
    }

    #[test]
    fn jobs_that_are_announced_and_never_delivered_are_trouble() {
        let mut dog = Watchdog::new(minutes(0));
        let mut check = |now, assigned, running, delivered, capacity, expected| {
            dog.heard(minutes(now));
            dog.told(minutes(now), counts(assigned, running), delivered, capacity);
            assert_eq!(dog.trouble(minutes(now)), expected, "at minute {now}");
        };
        check(0, 2, 0, false, 4, None);
        check(9, 2, 0, false, 4, None);
        // A delivery starts the wait anew, and so do jobs that all run or a machine that takes none.
        check(10, 2, 1, true, 4, None);
        check(19, 2, 1, false, 4, None);
        check(21, 2, 2, false, 4, None);
        check(22, 2, 1, false, 4, None);
        check(31, 2, 1, false, 0, None);
        check(32, 2, 1, false, 4, None);
        check(41, 2, 1, false, 4, None);
        check(42, 2, 1, false, 4, Some(Trouble::Stuck));
    }

    #[test]
    fn a_service_that_goes_on_lying_gets_a_new_session_only_now_and_then() {
        let mut dog = Watchdog::new(minutes(0));
        dog.contradicted();
        assert_eq!(dog.trouble(minutes(1)), Some(Trouble::Contradicted));
        let mut dog = dog.renewed(minutes(1), Some(Trouble::Contradicted));
        dog.contradicted();
        for now in 2..11 {
            dog.heard(minutes(now));
            assert_eq!(dog.trouble(minutes(now)), None, "at minute {now}");
        }
        dog.heard(minutes(11));
        assert_eq!(dog.trouble(minutes(11)), Some(Trouble::Contradicted));
    }
}
