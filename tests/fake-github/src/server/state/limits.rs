//! How much a credential has called: the hourly buckets, the points of a minute, and what runs at once.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use jiff::SignedDuration;

use crate::server::clock::Now;
use crate::server::options::Options;

/// Which hourly bucket a call counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Bucket {
    Core,
    Registration,
}

impl Bucket {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Registration => "actions_runner_registration",
        }
    }

    pub(crate) fn limit(self, options: &Options) -> Option<u64> {
        match self {
            Self::Core => options.primary_limit,
            Self::Registration => options.registration_limit,
        }
    }
}

/// A bucket as the `x-ratelimit-*` headers tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Level {
    pub(crate) limit: u64,
    pub(crate) used: u64,
    pub(crate) reset_seconds: i64,
}

impl Level {
    pub(crate) fn remaining(self) -> u64 {
        self.limit.saturating_sub(self.used)
    }
}

#[derive(Debug, Clone, Copy)]
struct Window {
    began: Now,
    used: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Limits {
    hours: HashMap<(String, Bucket), Window>,
    minutes: HashMap<(String, String), (Instant, u64)>,
    at_once: HashMap<String, u64>,
    /// Until when each caller was told to wait.
    told_to_wait: HashMap<String, Instant>,
    /// Calls that began before that.
    impatient: u64,
}

const MINUTE: Duration = Duration::from_mins(1);

impl Limits {
    /// Counts one call against a bucket; `Err` when it was full already. No level where there is no limit.
    pub(crate) fn charge(
        &mut self,
        account: &str,
        bucket: Bucket,
        now: Now,
        options: &Options,
    ) -> Result<Option<Level>, Level> {
        let Some(limit) = bucket.limit(options) else { return Ok(None) };
        let window = self.window(account, bucket, now, options);
        if window.used >= limit {
            return Err(level(*window, limit, options));
        }
        window.used += 1;
        Ok(Some(level(*window, limit, options)))
    }

    /// Takes one call back, which turned out to be free.
    pub(crate) fn refund(&mut self, account: &str, bucket: Bucket) {
        if let Some(window) = self.hours.get_mut(&(account.to_owned(), bucket)) {
            window.used = window.used.saturating_sub(1);
        }
    }

    pub(crate) fn level(&mut self, account: &str, bucket: Bucket, now: Now, options: &Options) -> Level {
        let limit = bucket.limit(options).unwrap_or(u64::from(u32::MAX));
        level(*self.window(account, bucket, now, options), limit, options)
    }

    fn window(&mut self, account: &str, bucket: Bucket, now: Now, options: &Options) -> &mut Window {
        let fresh = Window { began: now, used: 0 };
        let window = self.hours.entry((account.to_owned(), bucket)).or_insert(fresh);
        if now.instant.duration_since(window.began.instant) >= options.limit_window {
            *window = fresh;
        }
        window
    }

    /// Counts points of one operation; whether they are still within what a minute allows.
    pub(crate) fn points(&mut self, account: &str, operation: &str, points: u64, now: Now, most: u64) -> bool {
        let entry = self.minutes.entry((account.to_owned(), operation.to_owned())).or_insert((now.instant, 0));
        if now.instant.duration_since(entry.0) >= MINUTE {
            *entry = (now.instant, 0);
        }
        entry.1 += points;
        entry.1 <= most
    }

    /// One more call at once; whether that is still within what is allowed.
    pub(crate) fn begin(&mut self, account: &str, most: u64) -> bool {
        let running = self.at_once.entry(account.to_owned()).or_default();
        *running += 1;
        *running <= most
    }

    pub(crate) fn end(&mut self, account: &str) {
        if let Some(running) = self.at_once.get_mut(account) {
            *running = running.saturating_sub(1);
        }
    }

    pub(crate) fn tell_to_wait(&mut self, account: &str, until: Instant) {
        self.told_to_wait.insert(account.to_owned(), until);
    }

    /// Notes a call of somebody who was told to wait.
    pub(crate) fn notice(&mut self, account: &str, now: Now) {
        if self.told_to_wait.get(account).is_some_and(|until| now.instant < *until) {
            self.impatient += 1;
        }
    }

    pub(crate) fn impatient(&self) -> u64 {
        self.impatient
    }
}

fn level(window: Window, limit: u64, options: &Options) -> Level {
    let life = SignedDuration::try_from(options.limit_window).unwrap_or(SignedDuration::MAX);
    let reset = window.began.time.checked_add(life).unwrap_or(window.began.time);
    // Rounded up: whoever waits until then is not early.
    Level { limit, used: window.used, reset_seconds: reset.as_second() + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::clock::Clock;

    #[test]
    fn a_full_bucket_refuses_until_its_window_ends() {
        let options = Options { primary_limit: Some(2), limit_window: Duration::from_secs(100), ..Options::default() };
        let mut limits = Limits::default();
        let now = Clock::default().now();
        let remaining = |level: Option<Level>| level.unwrap().remaining();
        assert_eq!(limits.charge("a", Bucket::Core, now, &options).map(remaining), Ok(1));
        assert_eq!(limits.charge("a", Bucket::Core, now, &options).map(remaining), Ok(0));
        assert_eq!(limits.charge("a", Bucket::Core, now, &options).unwrap_err().remaining(), 0);
        assert_eq!(limits.charge("b", Bucket::Core, now, &options).map(remaining), Ok(1));
        assert_eq!(limits.charge("a", Bucket::Registration, now, &options).map(remaining), Ok(9_999));
        limits.refund("a", Bucket::Core);
        assert_eq!(limits.charge("a", Bucket::Core, now, &options).map(remaining), Ok(0));
        let later = Now { instant: now.instant + Duration::from_secs(100), ..now };
        assert_eq!(limits.charge("a", Bucket::Core, later, &options).map(remaining), Ok(1));
    }

    #[test]
    fn points_are_counted_by_operation_and_minute() {
        let mut limits = Limits::default();
        let now = Clock::default().now();
        assert!(limits.points("a", "x", 5, now, 9) && !limits.points("a", "x", 5, now, 9));
        assert!(limits.points("a", "y", 5, now, 9) && limits.points("b", "x", 5, now, 9));
        assert!(limits.points("a", "x", 5, Now { instant: now.instant + MINUTE, ..now }, 9));
    }

    #[test]
    fn calls_at_once_are_counted_while_they_run() {
        let mut limits = Limits::default();
        assert!(limits.begin("a", 1) && !limits.begin("a", 1) && limits.begin("b", 1));
        limits.end("a");
        limits.end("a");
        assert!(limits.begin("a", 1));
    }

    #[test]
    fn who_was_told_to_wait_and_did_not_is_noticed() {
        let mut limits = Limits::default();
        let now = Clock::default().now();
        limits.tell_to_wait("a", now.instant + MINUTE);
        limits.notice("b", now);
        limits.notice("a", Now { instant: now.instant + MINUTE, ..now });
        assert_eq!(limits.impatient(), 0);
        limits.notice("a", now);
        assert_eq!(limits.impatient(), 1);
    }
}
