//! The machine's clocks.

use std::time::{Duration, Instant, UNIX_EPOCH};

use hearth_model::{Clock, Timestamp};

/// The real clocks; the monotonic one counts from when this value was made.
#[derive(Debug)]
pub struct SystemClock {
    born: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { born: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the clock that everybody else is told to use")]
        let now = std::time::SystemTime::now();
        // A clock set before 1970 reads as 1970: the books stay readable, and doctor complains.
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.born.elapsed()
    }
}
