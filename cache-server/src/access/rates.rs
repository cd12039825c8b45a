//! How fast a caller may ask, and how many bytes may come and go: a bucket for each one that has a limit, filled at his
//! rate. Nobody waits for it: who asks too fast is told that nothing is there, and what he sends is thrown away, because
//! an error would break his build.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hearth_model::{Bytes, WriterId};

use super::book::Rate;

/// Callers with a limit that are remembered at the same time.
const MAX_BUCKETS: usize = 64 * 1024;

/// What one request, or one byte, takes out; a bucket holds parts of it.
const REQUEST: i128 = 1_000_000;
/// What a rest earns: bytes of so many seconds at once, for a build asks in bursts.
const BYTES_BURST_SECONDS: i128 = 10;

/// Whether a request may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    Free,
    TooFast,
}

#[derive(Debug, Default)]
pub(crate) struct Rates {
    requests: Buckets,
    bytes: Buckets,
}

/// What flows into a bucket, and how much it holds: in millionths, so that a microsecond brings a whole number.
#[derive(Debug, Clone, Copy)]
struct Flow {
    per_micro: u64,
    most: i128,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    flow: Flow,
    /// Below zero it is in debt.
    level: i128,
    /// When the level was right.
    at: Duration,
}

impl Bucket {
    /// What is in there by `now`, time that goes backwards counting for nothing.
    fn filled(self, now: Duration) -> Self {
        let micros = u64::try_from(now.saturating_sub(self.at).as_micros()).unwrap_or(u64::MAX);
        let more = i128::from(micros) * i128::from(self.flow.per_micro);
        Self { level: self.level.saturating_add(more).min(self.flow.most), at: self.at.max(now), ..self }
    }

    fn is_full(&self) -> bool {
        self.level >= self.flow.most
    }
}

#[derive(Debug, Default)]
struct Buckets(Mutex<HashMap<WriterId, Bucket>>);

impl Buckets {
    /// Takes `much` out of the bucket of `who` if `least` is in there.
    fn take(&self, who: WriterId, flow: Flow, least: i128, much: i128, now: Duration) -> Pace {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MAX_BUCKETS && !buckets.contains_key(&who) {
            // Whoever has rested long enough is as good as new.
            buckets.retain(|_, bucket| !bucket.filled(now).is_full());
            if buckets.len() >= MAX_BUCKETS {
                return Pace::TooFast;
            }
        }
        let bucket = buckets.entry(who).or_insert(Bucket { flow, level: flow.most, at: now });
        // A limit that was changed meanwhile holds from now on.
        bucket.flow = flow;
        *bucket = bucket.filled(now);
        if bucket.level < least {
            return Pace::TooFast;
        }
        bucket.level -= much;
        Pace::Free
    }
}

impl Rates {
    /// Takes one request of `who` out of his bucket. `now` only goes forward.
    pub(crate) fn take(&self, who: WriterId, rate: Rate, now: Duration) -> Pace {
        let flow = Flow { per_micro: rate.per_second.into(), most: i128::from(rate.burst) * REQUEST };
        self.requests.take(who, flow, REQUEST, REQUEST, now)
    }

    /// Takes the bytes of one object, whatever their number, if he is not in debt for others.
    pub(crate) fn take_bytes(&self, who: WriterId, per_second: Bytes, bytes: u64, now: Duration) -> Pace {
        let most = i128::from(per_second.0) * BYTES_BURST_SECONDS * REQUEST;
        let flow = Flow { per_micro: per_second.0, most };
        self.bytes.take(who, flow, 1, i128::from(bytes) * REQUEST, now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RATE: Rate = Rate { per_second: 10, burst: 5 };

    fn who(n: u64) -> WriterId {
        let mut bytes = [0; WriterId::LENGTH];
        bytes[..8].copy_from_slice(&n.to_be_bytes());
        WriterId::from_bytes(bytes)
    }

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn a_burst_goes_through_and_then_the_rate() {
        let rates = Rates::default();
        let free = |at, asked: usize| (0..asked).filter(|_| rates.take(who(1), RATE, at) == Pace::Free).count();
        assert_eq!(free(ms(0), 10), 5);
        assert_eq!(free(ms(99), 10), 0);
        assert_eq!(free(ms(100), 10), 1);
        assert_eq!(free(ms(300), 10), 2);
        assert_eq!(free(ms(60_000), 10), 5, "a rest earns no more than a burst");
        assert_eq!(free(ms(0), 1), 0, "time does not go back");
        assert_eq!(rates.take(who(2), RATE, ms(60_000)), Pace::Free, "everybody has his own");
    }

    #[test]
    fn buckets_are_bounded_and_those_of_the_rested_make_room() {
        let rates = Rates::default();
        for n in 0..MAX_BUCKETS as u64 {
            assert_eq!(rates.take(who(n), RATE, ms(0)), Pace::Free);
        }
        assert_eq!(rates.take(who(u64::MAX), RATE, ms(0)), Pace::TooFast);
        assert_eq!(rates.take(who(u64::MAX), RATE, ms(100)), Pace::Free);
        assert_eq!(rates.requests.0.lock().unwrap().len(), 1);
    }

    #[test]
    fn bytes_of_ten_seconds_go_at_once_and_debts_are_waited_for() {
        let rates = Rates::default();
        let take = |bytes, at| rates.take_bytes(who(1), Bytes(1000), bytes, ms(at));
        assert_eq!(take(9_000, 0), Pace::Free);
        assert_eq!(take(5_000, 0), Pace::Free, "there was something left");
        assert_eq!(take(1, 0), Pace::TooFast);
        assert_eq!(take(1, 4_000), Pace::TooFast, "the debt is paid, and no more");
        assert_eq!(take(1, 4_002), Pace::Free);
        assert_eq!(take(u64::MAX, 60_000), Pace::Free);
        assert_eq!(take(0, 600_000), Pace::TooFast);
        assert_eq!(rates.take_bytes(who(2), Bytes(1000), 10, ms(0)), Pace::Free, "everybody has his own");
        assert_eq!(rates.take(who(1), RATE, ms(0)), Pace::Free, "requests are another thing");
    }

    proptest! {
        #[test]
        fn nobody_gets_more_than_his_burst_and_his_rate(gaps in prop::collection::vec(0..400_u64, 1..200)) {
            let rates = Rates::default();
            let (mut now, mut free) = (0, 0);
            for gap in gaps {
                now += gap;
                free += u64::from(rates.take(who(1), RATE, ms(now)) == Pace::Free);
            }
            prop_assert!(free <= u64::from(RATE.burst) + now * u64::from(RATE.per_second) / 1000);
        }
    }
}
