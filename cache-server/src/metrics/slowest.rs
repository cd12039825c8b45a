//! The slowest requests of the last hour: a short list, for whoever asks why builds wait. A request that is quick enough
//! costs one comparison.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hearth_model::{Millis, Timestamp};

/// Requests that are remembered.
const MOST: usize = 12;
/// Quicker than this is not slow, however quick the others are.
const LEAST: Duration = Duration::from_millis(5);
const REMEMBERED: Millis = Millis::from_minutes(60);

/// A request that took long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlowRequest {
    pub at: Timestamp,
    pub dialect: &'static str,
    pub operation: &'static str,
    pub outcome: &'static str,
    /// From its head to the head of its answer.
    pub took: Duration,
    /// As much of its path as fits, from its client, whoever that is; not what was asked behind it, where signatures are.
    pub path: Box<str>,
}

#[derive(Debug)]
pub(crate) struct Slowest {
    /// Microseconds that a request has to take to be of interest.
    floor: AtomicU64,
    list: Mutex<Vec<SlowRequest>>,
}

impl Default for Slowest {
    fn default() -> Self {
        Self { floor: AtomicU64::new(micros(LEAST)), list: Mutex::default() }
    }
}

impl Slowest {
    pub(super) fn is_of_interest(&self, took: Duration) -> bool {
        micros(took) >= self.floor.load(Ordering::Relaxed)
    }

    pub(super) fn note(&self, slow: SlowRequest) {
        let mut list = self.list();
        let now = slow.at;
        let place = list.partition_point(|other| other.took >= slow.took);
        list.insert(place, slow);
        self.tidy(&mut list, now);
    }

    /// The slowest first.
    pub(crate) fn list_at(&self, now: Timestamp) -> Vec<SlowRequest> {
        let mut list = self.list();
        self.tidy(&mut list, now);
        list.clone()
    }

    fn tidy(&self, list: &mut Vec<SlowRequest>, now: Timestamp) {
        list.retain(|slow| now.since(slow.at) < REMEMBERED);
        list.truncate(MOST);
        let least = list.get(MOST - 1).map_or(LEAST, |last| last.took);
        self.floor.store(micros(least), Ordering::Relaxed);
    }

    /// The list is sound after every statement, so a poisoned lock guards a good one.
    fn list(&self) -> MutexGuard<'_, Vec<SlowRequest>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn slow(at: Timestamp, took_ms: u64) -> SlowRequest {
        SlowRequest {
            at,
            dialect: "plain",
            operation: "get",
            outcome: "done",
            took: Duration::from_millis(took_ms),
            path: "/a".into(),
        }
    }

    #[test]
    fn the_slowest_stay_and_the_list_is_short() {
        let slowest = Slowest::default();
        for took in (10..60).rev().chain(60..90) {
            slowest.note(slow(T0, took));
        }
        let took: Vec<_> = slowest.list_at(T0).iter().map(|slow| slow.took.as_millis()).collect();
        assert_eq!(took, (78..90).rev().collect::<Vec<_>>());
        assert!(
            !slowest.is_of_interest(Duration::from_millis(77)) && slowest.is_of_interest(Duration::from_millis(79))
        );
    }

    #[test]
    fn after_an_hour_slower_ones_are_forgotten() {
        let slowest = Slowest::default();
        assert!(!slowest.is_of_interest(Duration::from_millis(4)));
        (0..20).for_each(|_| slowest.note(slow(T0, 500)));
        assert!(!slowest.is_of_interest(Duration::from_millis(20)));
        assert!(slowest.list_at(T0 + REMEMBERED).is_empty());
        assert!(slowest.is_of_interest(Duration::from_millis(20)), "those of the next hour are of interest again");
    }
}
