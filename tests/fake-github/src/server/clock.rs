//! The one place that asks for the time. What is said to others is the wall clock and can be wrong on purpose; what
//! ends by itself, a token or a session, is measured by a clock that nothing turns back.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

/// One moment on both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// For deadlines.
    pub(crate) instant: Instant,
    /// For everything that is written down or sent.
    pub(crate) time: Timestamp,
}

/// A wall clock that can be put forward or back while the server runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clock {
    skew_seconds: Arc<AtomicI64>,
}

impl Clock {
    pub(crate) fn now(&self) -> Now {
        let skew = SignedDuration::from_secs(self.skew_seconds.load(Ordering::Relaxed));
        Now { instant: Instant::now(), time: add(Timestamp::now(), skew) }
    }

    pub(crate) fn set_skew(&self, skew: SignedDuration) {
        self.skew_seconds.store(skew.as_secs(), Ordering::Relaxed);
    }
}

impl Now {
    /// The same moment as a clock shows it that is off by so much.
    pub(crate) fn skewed(self, skew: SignedDuration) -> Self {
        Self { time: add(self.time, skew), ..self }
    }
}

/// As GitHub's REST writes times: whole seconds, UTC.
pub(crate) fn rest_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// As the Actions service writes times.
pub(crate) fn service_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// As the `Date` header has it.
pub(crate) fn http_time(time: Timestamp) -> String {
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn add(time: Timestamp, duration: SignedDuration) -> Timestamp {
    time.checked_add(duration).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_their_readers_expect() {
        let time: Timestamp = "2026-03-04T05:06:07.089Z".parse().unwrap();
        assert_eq!(rest_time(time), "2026-03-04T05:06:07Z");
        assert_eq!(service_time(time), "2026-03-04T05:06:07.089Z");
        assert_eq!(http_time(time), "Wed, 04 Mar 2026 05:06:07 GMT");
    }

    #[test]
    fn a_clock_that_is_put_forward_does_not_move_deadlines() {
        let clock = Clock::default();
        let before = clock.now();
        clock.set_skew(SignedDuration::from_mins(10));
        let after = clock.now();
        assert!(after.time.duration_since(before.time) >= SignedDuration::from_mins(10));
        assert!(after.instant.duration_since(before.instant).as_secs() < 60);
    }
}
