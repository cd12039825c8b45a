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

/// What there was in one minute that is over.
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
        let last = std::mem::replace(&mut kept.last, sums);
        let minute = Minute {
            end,
            hits: sums.hits.saturating_sub(last.hits),
            misses: sums.misses.saturating_sub(last.misses),
            saved: Millis(sums.saved.0.saturating_sub(last.saved.0)),
        };
        if kept.ring.len() == REMEMBERED {
            kept.ring.pop_front();
        }
        kept.ring.push_back(minute);
    }

    /// The oldest first.
    pub(crate) fn all(&self) -> Vec<Minute> {
        self.lock().ring.iter().copied().collect()
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
        let all = minutes.all();
        assert_eq!(all.len(), REMEMBERED);
        assert_eq!(all[0].end, start + Millis::from_minutes(41));
        let last = Minute { end: start + Millis::from_minutes(400), hits: 799, misses: 1, saved: Millis(1) };
        assert_eq!(all.last(), Some(&last));
    }
}
