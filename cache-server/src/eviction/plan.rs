//! Decides what goes: least recently used first, from the high mark down to the low one.

use hearth_model::Bytes;

use crate::index::Candidate;

/// Where eviction starts and where it stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Watermarks {
    budget: Bytes,
    pub(crate) high: Bytes,
    low: Bytes,
}

impl Watermarks {
    /// 95 and 85 percent: room for the uploads of the next minutes, and rarely a sort of the whole index.
    pub(crate) fn of(budget: Bytes) -> Self {
        let percent = |n: u64| Bytes(budget.0 / 100 * n + budget.0 % 100 * n / 100);
        Self { budget, high: percent(95), low: percent(85) }
    }

    /// How much should stay of what is stored. `short` is what the file system lacks, `wanted` the biggest upload that
    /// found no room lately; one that can never fit moves nothing.
    pub(crate) fn target(self, stored: Bytes, short: Bytes, wanted: Bytes) -> Bytes {
        let by_budget = if stored > self.high { self.low } else { stored };
        let by_upload = if wanted <= self.budget { self.budget.saturating_sub(wanted) } else { stored };
        by_budget.min(by_upload).min(stored.saturating_sub(short))
    }
}

/// The objects to remove so that at most `target` of `stored` stays.
pub(crate) fn to_evict(mut candidates: Vec<Candidate>, stored: Bytes, target: Bytes) -> Vec<Candidate> {
    candidates.sort_unstable_by_key(|candidate| (candidate.used, candidate.name));
    let mut left = stored;
    let going = candidates.iter().take_while(|candidate| {
        let goes = left > target;
        left = left.saturating_sub(candidate.on_disk);
        goes
    });
    let going = going.count();
    candidates.truncate(going);
    candidates
}

#[cfg(test)]
mod tests {
    use hearth_model::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::keys::ObjectName;

    #[test]
    fn eviction_starts_at_the_high_mark_and_goes_to_the_low_one() {
        let marks = Watermarks::of(Bytes(1000));
        assert_eq!((marks.high, marks.low), (Bytes(950), Bytes(850)));
        let none = Bytes(0);
        assert_eq!(marks.target(Bytes(950), none, none), Bytes(950));
        assert_eq!(marks.target(Bytes(951), none, none), Bytes(850));
        assert_eq!(marks.target(Bytes(500), Bytes(100), none), Bytes(400));
        assert_eq!(marks.target(Bytes(500), Bytes(700), none), none);
        assert_eq!(marks.target(Bytes(900), none, Bytes(300)), Bytes(700));
        assert_eq!(marks.target(Bytes(900), none, Bytes(1001)), Bytes(900));
        assert_eq!(Watermarks::of(Bytes(u64::MAX)).high.0 / 95, u64::MAX / 100);
    }

    proptest! {
        #[test]
        fn the_oldest_go_and_no_more_than_needed(all in prop::collection::vec((0..50i64, 1..100u64), 0..40), target in 0..3000u64) {
            let candidates: Vec<_> = all.iter().enumerate().map(|(n, (used, size))| Candidate {
                used: Timestamp::from_millis(*used),
                name: ObjectName::from_bytes([u8::try_from(n).unwrap(); 32]),
                on_disk: Bytes(*size),
                stored: Timestamp::from_millis(0),
                cost_ms: 0,
                reads: 0,
                pinned: false,
            }).collect();
            let stored: Bytes = candidates.iter().map(|c| c.on_disk).sum();
            let going = to_evict(candidates.clone(), stored, Bytes(target));
            let gone: Bytes = going.iter().map(|c| c.on_disk).sum();
            prop_assert!(stored.saturating_sub(gone) <= Bytes(target));
            if let Some(last) = going.last() {
                prop_assert!(stored.saturating_sub(gone.saturating_sub(last.on_disk)) > Bytes(target));
                let stays_oldest = candidates.iter().filter(|c| !going.contains(c)).map(|c| c.used).min();
                prop_assert!(stays_oldest.is_none_or(|oldest| oldest >= last.used));
            }
        }
    }
}
