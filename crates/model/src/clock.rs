//! Where time comes from. Code that decides takes a [`Timestamp`]; code that acts takes a [`Clock`].

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::Timestamp;

/// The two clocks of a machine: the wall clock, which people set, and one that only goes forward.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The wall clock. For instants in records and for expiry; never subtract two of them for a duration.
    fn now(&self) -> Timestamp;
    /// Time since some fixed point of this process's life. For durations.
    fn monotonic(&self) -> Duration;
}

/// A clock that a test moves by hand.
#[derive(Debug, Default)]
pub struct ManualClock {
    now_ms: AtomicI64,
}

impl ManualClock {
    pub fn at(now: Timestamp) -> Self {
        Self { now_ms: AtomicI64::new(now.as_millis()) }
    }
    pub fn advance(&self, by: Duration) {
        let ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.now_ms.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now_ms.load(Ordering::SeqCst))
    }
    fn monotonic(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.now_ms.load(Ordering::SeqCst)).unwrap_or(0))
    }
}
