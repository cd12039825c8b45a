//! What the disk has last said to those who work on it, for whoever asks whether the node is well. On the path of a
//! request a success costs one look at a flag. Nothing here waits for anything.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a failure counts that no success has followed: whom nobody sends to has none, and must not stay away for that.
const COUNTS_FOR: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Health {
    pub(crate) writes: Last,
    pub(crate) reads: Last,
    pub(crate) syncs: Last,
    born: Instant,
    /// Milliseconds after `born` when the appender began what it is writing, and one; zero while it waits.
    appending: AtomicU64,
}

/// How the last attempt at something went.
#[derive(Debug, Default)]
pub(crate) struct Last {
    is_bad: AtomicBool,
    failure: Mutex<Option<Failure>>,
}

#[derive(Debug)]
struct Failure {
    at: Instant,
    said: String,
}

impl Last {
    pub(crate) fn failed(&self, error: &impl fmt::Display) {
        *lock(&self.failure) = Some(Failure { at: Instant::now(), said: error.to_string() });
        self.is_bad.store(true, Ordering::Release);
    }

    pub(crate) fn succeeded(&self) {
        if self.is_bad.load(Ordering::Acquire) {
            *lock(&self.failure) = None;
            self.is_bad.store(false, Ordering::Release);
        }
    }

    /// What went wrong, if that is what happened last, and not long ago.
    pub(crate) fn failure(&self) -> Option<String> {
        let failure = lock(&self.failure);
        failure.as_ref().filter(|failure| failure.at.elapsed() < COUNTS_FOR).map(|failure| failure.said.clone())
    }
}

impl Default for Health {
    fn default() -> Self {
        Self {
            writes: Last::default(),
            reads: Last::default(),
            syncs: Last::default(),
            born: Instant::now(),
            appending: AtomicU64::new(0),
        }
    }
}

impl Health {
    pub(crate) fn appending(&self) {
        let now = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.appending.store(now.saturating_add(1), Ordering::Relaxed);
    }

    pub(crate) fn appended(&self) {
        self.appending.store(0, Ordering::Relaxed);
    }

    /// For how long the appender has been at what it writes; zero while it waits.
    pub(crate) fn appending_for(&self) -> Duration {
        match self.appending.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            began => self.born.elapsed().saturating_sub(Duration::from_millis(began - 1)),
        }
    }
}

/// What is behind these locks is sound after every statement, so a poisoned one is as good as a whole one.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_success_ends_a_failure() {
        let last = Last::default();
        assert_eq!(last.failure(), None);
        last.failed(&"input/output error");
        assert_eq!(last.failure().as_deref(), Some("input/output error"));
        last.succeeded();
        assert_eq!(last.failure(), None);
    }

    #[test]
    fn an_appender_that_waits_for_orders_is_not_stuck() {
        let health = Health::default();
        assert_eq!(health.appending_for(), Duration::ZERO);
        health.appending();
        std::thread::park_timeout(Duration::from_millis(5));
        assert!(health.appending_for() > Duration::ZERO);
        health.appended();
        assert_eq!(health.appending_for(), Duration::ZERO);
    }
}
