//! What the cache is good for: the seconds of compiling that it saves, job by job, and why it did not save more. Kept in
//! memory and bounded; a restart begins anew. No request waits for anything here.
//!
//! ```text
//! GET, nothing there ─▶ intervals ─the time until the same caller's PUT of the same key─▶ the entry's cost
//! GET, entry         ─▶ jobs: its cost is saved
//! PUT of sccache     ─▶ contents: whose unit is it? ─▶ history: was that unit stored under another key, and by whom?
//! ```

mod contents;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod history;
mod intervals;
mod jobs;
mod recent;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hearth_model::{Bytes, Millis, Timestamp, WriterId};

pub(crate) use self::contents::{Inspector, Malformed, Unit};
use self::history::History;
use self::intervals::Intervals;
use self::jobs::Jobs;
pub use self::jobs::{JobSavings, MissedCrate, Misses, RealmSavings, SavingsReport};
use crate::access::Caller;
use crate::counts::Count;
use crate::keys::ObjectKey;

/// What one node's cache has saved.
#[derive(Debug, Default)]
pub(crate) struct Savings {
    inner: Mutex<Inner>,
    /// Milliseconds of compiling that hits have saved since the node was opened.
    pub(crate) saved_ms: Count,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Inner {
    intervals: Intervals,
    history: History,
    jobs: Jobs,
}

/// What is kept of a key: a digest is enough, and what it costs to be wrong once in 2^64 is a wrong figure.
type KeyDigest = u64;

impl Savings {
    pub(crate) fn hit(&self, caller: &Caller, length: Bytes, cost: Option<Millis>, now: Timestamp) {
        self.saved_ms.add(cost.map_or(0, |cost| cost.0));
        let Some(realm) = realm(caller) else { return };
        self.lock().jobs.hit(caller.writer, realm, length, cost, now);
    }

    pub(crate) fn missed(&self, caller: &Caller, key: &ObjectKey, now: Timestamp) {
        let Some(realm) = realm(caller) else { return };
        let key = self.hasher.hash_one(key);
        let mut inner = self.lock();
        inner.jobs.missed(caller.writer, realm, now);
        inner.intervals.begin(caller.writer, key, now);
    }

    /// An upload begins: how long its caller took to make what he did not find.
    pub(crate) fn cost(&self, caller: &Caller, key: &ObjectKey, now: Timestamp) -> Option<Millis> {
        let key = self.hasher.hash_one(key);
        self.lock().intervals.end(caller.writer, key, now)
    }

    /// A compilation was stored whose unit is known.
    pub(crate) fn stored(&self, caller: &Caller, key: &ObjectKey, unit: Unit, cost: Option<Millis>, now: Timestamp) {
        let Some(realm) = realm(caller) else { return };
        let key = self.hasher.hash_one(key);
        let mut inner = self.lock();
        let why = inner.history.stored(realm, &unit, key, caller.writer);
        // Without a miss before it, it was not missed either.
        if let Some(cost) = cost {
            inner.jobs.explain(caller.writer, realm, unit.into_name(), why, cost, now);
        }
    }

    pub(crate) fn report(&self, top: usize) -> SavingsReport {
        self.lock().jobs.report(top)
    }

    pub(crate) fn job(&self, writer: WriterId) -> Option<JobSavings> {
        self.lock().jobs.job(writer)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every statement leaves sound figures behind, so a poisoned lock guards good ones.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whose account it is: the realm that the caller writes, or reads first.
fn realm(caller: &Caller) -> Option<&Arc<str>> {
    let space = caller.writes().or_else(|| caller.reads().first());
    space.map(|space| &space.realm)
}
