//! How the last hours were, minute by minute: what a person wants to see without a database of metrics. In memory, and a
//! restart begins anew.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hearth_model::{Millis, Timestamp};
use tokio::time::{MissedTickBehavior, interval};

use crate::store::Store;

/// Minutes that are remembered: six hours.
pub(crate) const REMEMBERED: usize = 360;
const MINUTE: Duration = Duration::from_mins(1);

/// Sums since the node was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) saved: Millis,
}

impl Sums {
    fn since(self, last: Self, end: Timestamp) -> Minute {
        Minute {
            end,
            hits: self.hits.saturating_sub(last.hits),
            misses: self.misses.saturating_sub(last.misses),
            saved: Millis(self.saved.0.saturating_sub(last.saved.0)),
        }
    }
}

/// What there was in one minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Minute {
    pub end: Timestamp,
    pub hits: u64,
    pub misses: u64,
    /// Compile time of what was read instead of compiled.
    pub saved: Millis,
}

#[derive(Debug, Default)]
pub(crate) struct Minutes {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    ring: VecDeque<Minute>,
    last: Sums,
}

impl Minutes {
    /// A minute is over, and this is what there was up to now.
    pub(crate) fn note(&self, end: Timestamp, sums: Sums) {
        let mut kept = self.lock();
        let minute = sums.since(kept.last, end);
        kept.last = sums;
        if kept.ring.len() == REMEMBERED {
            kept.ring.pop_front();
        }
        kept.ring.push_back(minute);
    }

    /// The oldest first; the last one is under way, and this is what there was up to now.
    pub(crate) fn all(&self, now: Timestamp, sums: Sums) -> Vec<Minute> {
        let kept = self.lock();
        kept.ring.iter().copied().chain([sums.since(kept.last, now)]).collect()
    }

    /// What is behind the lock is sound after every statement, so a poisoned one is as good as a whole one.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes every minute. Runs until it is dropped.
pub(crate) async fn keep_minutes(store: Arc<Store>) {
    let mut ends = interval(MINUTE);
    ends.set_missed_tick_behavior(MissedTickBehavior::Skip);
    // The first tick comes at once.
    ends.tick().await;
    loop {
        ends.tick().await;
        store.minutes.note(store.clock.now(), store.sums());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_has_what_came_since_the_one_before_and_the_oldest_goes() {
        let minutes = Minutes::default();
        let start = Timestamp::from_millis(0);
        for n in 1..=400 {
            minutes.note(start + Millis::from_minutes(n), Sums { hits: n * n, misses: n, saved: Millis(n) });
        }
        let now = start + Millis::from_minutes(400) + Millis(1000);
        let all = minutes.all(now, Sums { hits: 160_002, misses: 403, saved: Millis(400) });
        assert_eq!(all.len(), REMEMBERED + 1);
        assert_eq!(all[0].end, start + Millis::from_minutes(41));
        let last = Minute { end: start + Millis::from_minutes(400), hits: 799, misses: 1, saved: Millis(1) };
        assert_eq!(all[REMEMBERED - 1], last);
        assert_eq!(all[REMEMBERED], Minute { end: now, hits: 2, misses: 3, saved: Millis(0) });
    }
}
