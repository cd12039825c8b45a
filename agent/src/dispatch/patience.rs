//! How long a place at the forge is left alone after its runners came to nothing: longer with each bad moment. Pure.

use std::time::Duration;

use tokio::time::Instant;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(5);

#[derive(Debug, Default)]
pub(super) struct Patience {
    failures: u32,
    not_before: Option<Instant>,
    trouble: Option<String>,
}

impl Patience {
    pub(super) fn went_well(&mut self) {
        (self.failures, self.trouble) = (0, None);
    }

    pub(super) fn failed(&mut self, now: Instant, why: String) {
        self.trouble = Some(why);
        if self.is_waiting(now) {
            // Nobody is sent while a place waits, so this one was under way with those that have failed already.
            return;
        }
        let pause = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures += 1;
        self.not_before = Some(now + pause);
    }

    pub(super) fn is_waiting(&self, now: Instant) -> bool {
        self.not_before.is_some_and(|then| then > now)
    }

    /// What went wrong last, until something goes well.
    pub(super) fn trouble(&self) -> Option<&String> {
        self.trouble.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seconds until `patience` ends.
    fn pause(patience: &Patience, now: Instant) -> u64 {
        patience.not_before.map_or(0, |then| then.saturating_duration_since(now).as_secs())
    }

    #[test]
    fn each_bad_moment_is_waited_out_longer_up_to_an_end() {
        let (mut patience, mut now) = (Patience::default(), Instant::now());
        let mut pauses = Vec::new();
        for _ in 0..11 {
            patience.failed(now, "away".to_owned());
            assert!(patience.is_waiting(now));
            pauses.push(pause(&patience, now));
            now += Duration::from_secs(pause(&patience, now));
            assert!(!patience.is_waiting(now));
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        patience.went_well();
        assert_eq!(patience.trouble(), None);
        patience.failed(now, "away".to_owned());
        assert_eq!(pause(&patience, now), 1);
    }

    #[test]
    fn walks_that_fail_together_are_one_bad_moment_however_many_slots_there_are() {
        let (mut patience, now) = (Patience::default(), Instant::now());
        for slot in 0..64 {
            patience.failed(now, format!("slot {slot}"));
        }
        assert_eq!(pause(&patience, now), 1);
        assert_eq!(patience.trouble().map(String::as_str), Some("slot 63"));
    }
}
