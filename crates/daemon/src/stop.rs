//! The one way a daemon is asked to end. Asking never interrupts anybody: whoever holds a [`Stop`] sees the request
//! and ends at a point of its own choice.
//!
//! ```text
//! Running ──request / first signal──▶ Ending ──second signal / deadline──▶ Now
//! ```

use std::fmt;
use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

/// Why the daemon ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopReason {
    /// The machine or a person sent a signal.
    Signal(i32),
    /// A person asked through one of our own doors.
    Asked,
    /// A task that the daemon cannot do without is gone.
    TaskPanicked(&'static str),
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal(number) => write!(f, "signal {number}"),
            Self::Asked => f.write_str("asked to"),
            Self::TaskPanicked(name) => write!(f, "task {name} panicked"),
        }
    }
}

/// A request to end that may or may not have been made. Clones share.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    requested: CancellationToken,
    now: CancellationToken,
    reason: Arc<OnceLock<StopReason>>,
}

impl Stop {
    /// Asks everybody to end. The first reason stands.
    pub fn request(&self, reason: StopReason) {
        // Losing this race means that somebody else's reason was first.
        let _ = self.reason.set(reason);
        self.requested.cancel();
    }

    /// Passes on a signal: the first asks everybody to end, any further one ends the waiting for them.
    pub fn signal(&self, number: i32) {
        if self.is_requested() {
            self.now.cancel();
        } else {
            self.request(StopReason::Signal(number));
        }
    }

    pub fn is_requested(&self) -> bool {
        self.requested.is_cancelled()
    }

    pub fn reason(&self) -> Option<&StopReason> {
        self.reason.get()
    }

    /// Comes back when the daemon was asked to end.
    pub async fn requested(&self) {
        self.requested.cancelled().await;
    }

    /// Comes back when nobody wants to wait any longer.
    pub async fn now(&self) {
        self.now.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_signal_asks_and_the_second_ends_the_waiting() {
        let stop = Stop::default();
        assert!(!stop.is_requested());
        stop.signal(15);
        stop.requested().await;
        assert!(!stop.now.is_cancelled());
        assert_eq!(stop.reason(), Some(&StopReason::Signal(15)));
        stop.clone().signal(2);
        stop.now().await;
        assert_eq!(stop.reason(), Some(&StopReason::Signal(15)), "the first reason stands");
    }

    #[tokio::test]
    async fn a_signal_after_another_request_ends_the_waiting() {
        let stop = Stop::default();
        stop.request(StopReason::Asked);
        stop.signal(15);
        stop.now().await;
    }
}
