//! How a source of demand is doing, counted for the metrics. Written by the source, read by anybody.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use hearth_model::Timestamp;

/// The counters of one source. They only grow; a new process begins at zero.
#[derive(Debug, Default)]
pub struct DemandHealth {
    counters: [AtomicU64; COUNTERS],
    last_heard_ms: AtomicI64,
}

const COUNTERS: usize = 10;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Counter {
    SessionsOpened,
    SessionConflicts,
    TokensRefreshed,
    Empty,
    Messages,
    Repeated,
    Deaf,
    Stuck,
    Contradicted,
    NotUnderstood,
}

/// The counters at one time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DemandCounts {
    pub sessions_opened: u64,
    /// The service said that somebody else has the session.
    pub session_conflicts: u64,
    pub tokens_refreshed: u64,
    /// Polls that told nothing new.
    pub empty: u64,
    pub messages: u64,
    /// Messages and news that came again and were left out.
    pub repeated: u64,
    /// New sessions because nothing at all was heard for too long.
    pub deaf: u64,
    /// New sessions because jobs were announced and never delivered.
    pub stuck: u64,
    /// Messages whose statistics denied the jobs in their body.
    pub contradicted: u64,
    /// Job messages in words that we do not know.
    pub not_understood: u64,
    /// The last answer of any kind.
    pub last_heard: Option<Timestamp>,
}

impl DemandHealth {
    pub fn counts(&self) -> DemandCounts {
        let count = |counter: Counter| self.counters[counter as usize].load(Ordering::Relaxed);
        let heard = self.last_heard_ms.load(Ordering::Relaxed);
        DemandCounts {
            sessions_opened: count(Counter::SessionsOpened),
            session_conflicts: count(Counter::SessionConflicts),
            tokens_refreshed: count(Counter::TokensRefreshed),
            empty: count(Counter::Empty),
            messages: count(Counter::Messages),
            repeated: count(Counter::Repeated),
            deaf: count(Counter::Deaf),
            stuck: count(Counter::Stuck),
            contradicted: count(Counter::Contradicted),
            not_understood: count(Counter::NotUnderstood),
            last_heard: (heard != 0).then(|| Timestamp::from_millis(heard)),
        }
    }

    pub(crate) fn count(&self, counter: Counter, by: usize) {
        self.counters[counter as usize].fetch_add(by as u64, Ordering::Relaxed);
    }

    pub(crate) fn heard(&self, now: Timestamp) {
        self.last_heard_ms.store(now.as_millis(), Ordering::Relaxed);
    }
}
