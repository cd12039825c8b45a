//! How soon a source of demand tries again after a failure.

use std::time::Duration;

use hearth_model::Clock;
use tokio::time::Instant;

use crate::Remedy;
use crate::http::backoff;

const FIRST: Duration = Duration::from_secs(1);
/// What passes by itself is tried at least this often.
const PASSING: Duration = Duration::from_mins(1);
/// So is what a person must change: they should not have to restart us.
const PERSON: Duration = Duration::from_mins(5);
/// Nothing that GitHub says makes us wait longer.
const LONGEST: Duration = Duration::from_hours(1);

#[derive(Debug, Default)]
pub(super) struct Pace {
    failures: u32,
    not_before: Option<Instant>,
}

impl Pace {
    /// Waits out what is left of the last failure's pause.
    pub(super) async fn keep(&self) {
        if let Some(instant) = self.not_before {
            tokio::time::sleep_until(instant).await;
        }
    }

    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    pub(super) fn failed(&mut self, remedy: Remedy, clock: &dyn Clock) {
        self.failures = self.failures.saturating_add(1);
        let pause = match remedy {
            Remedy::WaitUntil(until) => until.since(clock.now()).to_duration().min(LONGEST),
            Remedy::Person => backoff(self.failures, FIRST, PERSON),
            Remedy::Wait | Remedy::FindOut => backoff(self.failures, FIRST, PASSING),
        };
        self.not_before = Some(Instant::now() + pause);
    }
}

#[cfg(test)]
mod tests {
    use hearth_model::{ManualClock, Millis};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn failures_are_waited_out_longer_each_time_until_something_succeeds() {
        let clock = ManualClock::default();
        let mut pace = Pace::default();
        let mut waits = Vec::new();
        for _ in 0..9 {
            pace.failed(Remedy::Wait, &clock);
            let start = Instant::now();
            pace.keep().await;
            waits.push(start.elapsed());
        }
        for (wait, full) in waits.iter().zip([1, 2, 4, 8, 16, 32, 60, 60, 60]) {
            let full = Duration::from_secs(full);
            assert!(full / 2 <= *wait && *wait <= full + Duration::from_millis(1), "{waits:?}");
        }
        pace.succeeded();
        let start = Instant::now();
        pace.keep().await;
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_s_end_is_waited_for() {
        let clock = ManualClock::default();
        let mut pace = Pace::default();
        pace.failed(Remedy::WaitUntil(clock.now() + Millis::from_secs(90)), &clock);
        let start = Instant::now();
        pace.keep().await;
        assert_eq!(start.elapsed().as_secs(), 90);
    }
}
