//! How long things took to make: the time between a caller's miss of a key and his upload of it. For a compiler that is
//! the compilation with its own queuing, as the job saw it: where more compilers run than there are cores, the sum over
//! all units is more than the time on the clock. The answer's way back and the request's way here are in it; the
//! upload's body is not.

use std::collections::{HashMap, VecDeque};

use hearth_model::{Millis, Timestamp, WriterId};

use super::KeyDigest;

/// Misses that are remembered: some hundred jobs with as many compilers each as a big machine has cores. About a
/// hundred bytes each.
const PENDING: usize = 16 * 1024;
/// Whoever stores something that long after he missed it has done other things in between.
const LONGEST: Millis = Millis::from_minutes(30);

type Awaited = (WriterId, KeyDigest);

#[derive(Debug, Default)]
pub(super) struct Intervals {
    since: HashMap<Awaited, Timestamp>,
    /// In the order of the misses, which is nearly that of the clock.
    order: VecDeque<(Timestamp, Awaited)>,
}

impl Intervals {
    /// A miss. Of several of one caller the last one counts: it is the one that he acts on.
    pub(super) fn begin(&mut self, writer: WriterId, key: KeyDigest, now: Timestamp) {
        let awaited = (writer, key);
        self.since.insert(awaited, now);
        self.order.push_back((now, awaited));
        while self.order.front().is_some_and(|(at, _)| self.order.len() > PENDING || now.since(*at) > LONGEST) {
            self.forget_first();
        }
    }

    /// The upload of what was missed.
    pub(super) fn end(&mut self, writer: WriterId, key: KeyDigest, now: Timestamp) -> Option<Millis> {
        let began = self.since.remove(&(writer, key))?;
        // Something that took no time that the clock can tell still took some.
        Some(now.since(began)).filter(|took| *took <= LONGEST).map(|took| Millis(took.0.max(1)))
    }

    fn forget_first(&mut self) {
        if let Some((at, awaited)) = self.order.pop_front()
            && self.since.get(&awaited) == Some(&at)
        {
            self.since.remove(&awaited);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Timestamp = Timestamp::from_millis(1_000_000);
    const ONE: WriterId = WriterId::from_bytes([1; 16]);
    const OTHER: WriterId = WriterId::from_bytes([2; 16]);

    #[test]
    fn an_interval_is_one_callers_and_is_told_once() {
        let mut intervals = Intervals::default();
        intervals.begin(ONE, 7, T0);
        intervals.begin(OTHER, 7, T0 + Millis(500));
        assert_eq!(intervals.end(ONE, 8, T0), None);
        assert_eq!(intervals.end(ONE, 7, T0 + Millis(2000)), Some(Millis(2000)));
        assert_eq!(intervals.end(ONE, 7, T0 + Millis(2000)), None);
        assert_eq!(intervals.end(OTHER, 7, T0 + Millis(500)), Some(Millis(1)));
    }

    #[test]
    fn the_last_miss_counts_and_absurd_intervals_do_not() {
        let mut intervals = Intervals::default();
        intervals.begin(ONE, 7, T0);
        intervals.begin(ONE, 7, T0 + Millis(1000));
        assert_eq!(intervals.end(ONE, 7, T0 + Millis(1500)), Some(Millis(500)));
        intervals.begin(ONE, 7, T0);
        assert_eq!(intervals.end(ONE, 7, T0 + LONGEST + Millis(1)), None);
        // A clock that was set back.
        intervals.begin(ONE, 7, T0);
        assert_eq!(intervals.end(ONE, 7, T0 - Millis(5)), Some(Millis(1)));
    }

    #[test]
    fn misses_without_an_upload_are_forgotten() {
        let mut intervals = Intervals::default();
        for n in 0..3 * PENDING as u64 {
            intervals.begin(ONE, n % (2 * PENDING as u64), T0);
        }
        assert!(intervals.since.len() <= PENDING && intervals.order.len() == PENDING);
        intervals.begin(ONE, 1, T0 + LONGEST + Millis(1));
        assert_eq!((intervals.since.len(), intervals.order.len()), (1, 1));
    }
}
