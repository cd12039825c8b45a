//! What was evicted, why, and how long nobody had used it: young ages say that the budget is too small.

use hearth_model::{Millis, Timestamp};

use super::{Budgets, Candidate};
use crate::counts::Count;
use crate::metrics::{AGES, Histogram};

/// Why an object went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Its class keeps nothing for that long, or its own time is over.
    Age,
    /// Others were worth more of the room.
    Room,
}

impl Reason {
    pub(crate) const ALL: [Self; 2] = [Self::Age, Self::Room];

    pub(super) fn of(budgets: &Budgets, candidate: &Candidate, now: Timestamp) -> Self {
        if budgets.is_too_old(candidate.standing, now) { Self::Age } else { Self::Room }
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Room => "room",
        }
    }
}

#[derive(Debug)]
pub(crate) struct Evictions {
    by: [Count; Reason::ALL.len()],
    pub(crate) bytes: Count,
    /// Milliseconds since the last use.
    pub(crate) idle: Histogram<{ AGES.len() }>,
}

impl Default for Evictions {
    fn default() -> Self {
        Self { by: Default::default(), bytes: Count::default(), idle: Histogram::new(&AGES) }
    }
}

impl Evictions {
    pub(crate) fn note(&self, reason: Reason, bytes: u64, idle: Millis) {
        self.by[reason as usize].one();
        self.bytes.add(bytes);
        self.idle.observe(idle.0);
    }

    pub(crate) fn of(&self, reason: Reason) -> u64 {
        self.by[reason as usize].get()
    }

    pub(crate) fn objects(&self) -> u64 {
        self.by.iter().map(Count::get).sum()
    }
}
