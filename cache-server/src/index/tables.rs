//! The index in memory: one entry for each object, sums over all and for each space, keys in order where somebody asks
//! for them by prefix, and room set aside for what is on its way. It never touches a file.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hearth_model::{Bytes, Timestamp};
use tokio::sync::watch;

use super::names::Names;
use super::record::Added;
use super::table::{Entry, Place, Table};
use super::tally::{Tallies, Usage};
use crate::eviction::{Candidate, Class};
use crate::keys::{ObjectKey, ObjectName, Space};

/// A look at one part for eviction holds up few requests, and those for a moment.
const SHARDS: usize = 16;

/// What became of an object that was offered to the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Insertion {
    New,
    /// The index knows it, from this very place.
    Known,
    /// The name is taken by a record elsewhere.
    Taken(Place),
}

#[derive(Debug)]
pub(crate) struct Index {
    shards: [Mutex<Table>; SHARDS],
    tallies: Mutex<Tallies>,
    names: Mutex<Names>,
    objects: AtomicU64,
    bytes: AtomicU64,
    reserved: AtomicU64,
    /// Objects whose last use is not written down.
    used: Mutex<Vec<ObjectName>>,
    loaded: watch::Sender<bool>,
}

impl Default for Index {
    fn default() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            tallies: Mutex::default(),
            names: Mutex::default(),
            objects: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            reserved: AtomicU64::new(0),
            used: Mutex::default(),
            loaded: watch::Sender::new(false),
        }
    }
}

impl Index {
    pub(crate) fn objects(&self) -> u64 {
        self.objects.load(Ordering::Relaxed)
    }

    /// Bytes of the records of all objects. What is dead on disk is not among them.
    pub(crate) fn bytes(&self) -> Bytes {
        Bytes(self.bytes.load(Ordering::Relaxed))
    }

    /// Whether everything that was on disk at the start is known.
    pub(crate) fn is_loaded(&self) -> bool {
        *self.loaded.borrow()
    }

    pub(crate) fn mark_loaded(&self) {
        self.loaded.send_replace(true);
    }

    /// Ends when everything that was on disk at the start is known.
    pub(crate) async fn loaded(&self) {
        // The sender lives as long as this index.
        let _ = self.loaded.subscribe().wait_for(|loaded| *loaded).await;
    }

    pub(crate) fn get(&self, name: ObjectName) -> Option<Entry> {
        self.shard(name).get(name).copied()
    }

    pub(crate) fn contains(&self, name: ObjectName) -> bool {
        self.shard(name).get(name).is_some()
    }

    /// An object that was stored, or that a log tells of. The one that is known already stays.
    pub(crate) fn insert(&self, added: &Added, slot: u32) -> Insertion {
        let place = Place { slot, offset: added.site.offset, layout: added.layout };
        let mut shard = self.shard(added.name);
        if let Some(entry) = shard.get(added.name) {
            let known = entry.place();
            return if known == place { Insertion::Known } else { Insertion::Taken(known) };
        }
        let size = added.layout.size();
        let tally = lock(&self.tallies).gain(&added.address, size);
        let mut entry = Entry::new(added.name, place, added.stored_at, tally);
        entry.set_used(added.used_at);
        entry.set_cost(added.cost_ms);
        entry.set_pinned(added.pinned);
        shard.add(entry);
        if added.address.key.is_reserved() {
            lock(&self.names).add(&added.address, added.name);
        }
        drop(shard);
        self.objects.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(size, Ordering::Relaxed);
        Insertion::New
    }

    /// Removes the object if it lies at `place`, or wherever it lies.
    pub(crate) fn remove(&self, name: ObjectName, place: Option<Place>) -> Option<Entry> {
        let mut shard = self.shard(name);
        let found = shard.get(name)?;
        if place.is_some_and(|place| place != found.place()) {
            return None;
        }
        let entry = shard.remove(name)?;
        lock(&self.tallies).lose(entry.tally, entry.size());
        lock(&self.names).remove(name);
        drop(shard);
        self.objects.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(entry.size(), Ordering::Relaxed);
        Some(entry)
    }

    /// The object was copied; says whether it still lay at `from`, and lies at `to` now. Both are as long.
    pub(crate) fn relocate(&self, name: ObjectName, from: Place, to: Place) -> bool {
        let mut shard = self.shard(name);
        match shard.get_mut(name) {
            Some(entry) if entry.place() == from => {
                entry.move_to(to);
                true
            }
            _ => false,
        }
    }

    /// An object was read.
    pub(crate) fn touch(&self, name: ObjectName, now: Timestamp) {
        let first = self.shard(name).get_mut(name).is_some_and(|entry| entry.touch(now));
        if first {
            lock(&self.used).push(name);
        }
    }

    /// Objects that were used since the last call, and when.
    pub(crate) fn take_uses(&self) -> Vec<(ObjectName, Timestamp)> {
        let names = std::mem::take(&mut *lock(&self.used));
        let use_of = |name: ObjectName| {
            let mut shard = self.shard(name);
            let entry = shard.get_mut(name)?;
            entry.forget_use();
            Some((name, entry.used()))
        };
        names.into_iter().filter_map(use_of).collect()
    }

    /// Changes an entry that is there.
    fn change(&self, name: ObjectName, change: impl FnOnce(&mut Entry)) -> bool {
        self.shard(name).get_mut(name).map(change).is_some()
    }

    pub(crate) fn set_used(&self, name: ObjectName, at: Timestamp) {
        self.change(name, |entry| entry.set_used(at));
    }

    pub(crate) fn set_pinned(&self, name: ObjectName, pinned: bool) -> bool {
        self.change(name, |entry| entry.set_pinned(pinned))
    }

    pub(crate) fn set_cost(&self, name: ObjectName, cost_ms: u32) -> bool {
        self.change(name, |entry| entry.set_cost(cost_ms))
    }

    /// Sets room aside for an upload, if `taken` and everything set aside stays within `budget`.
    pub(crate) fn set_aside(&self, size: u64, taken: u64, budget: Bytes) -> bool {
        let reserved = self.reserved.fetch_add(size, Ordering::Relaxed).saturating_add(size);
        let fits = taken.saturating_add(reserved) <= budget.0;
        if !fits {
            self.release(size);
        }
        fits
    }

    pub(crate) fn release(&self, size: u64) {
        self.reserved.fetch_sub(size, Ordering::Relaxed);
    }

    /// Every object whose place in the index is `part` plus a multiple of `parts`: a fair sample of all, of whatever
    /// age. What is stored meanwhile may be in it or not.
    pub(crate) fn slice(&self, part: usize, parts: usize) -> Vec<Candidate> {
        let mut entries = Vec::new();
        for shard in &self.shards {
            entries.extend(lock(shard).every(part, parts).copied());
        }
        let tallies = lock(&self.tallies);
        let candidate = |entry: Entry| {
            let class = tallies.class(entry.tally)?;
            Some(Candidate { name: entry.name(), bytes: entry.size(), standing: entry.standing(class) })
        };
        entries.into_iter().filter_map(candidate).collect()
    }

    /// What the objects of each class take.
    pub(crate) fn classes(&self) -> [Usage; Class::COUNT] {
        lock(&self.tallies).classes()
    }

    /// The first `most` names behind `after`, in order.
    pub(crate) fn names_after(&self, after: Option<ObjectName>, most: usize) -> Vec<ObjectName> {
        let mut first = BTreeSet::new();
        for shard in &self.shards {
            for name in lock(shard).iter().map(Entry::name) {
                if after.is_some_and(|after| name <= after) || (first.len() == most && first.last() < Some(&name)) {
                    continue;
                }
                first.insert(name);
                if first.len() > most {
                    first.pop_last();
                }
            }
        }
        first.into_iter().collect()
    }

    /// The objects of a segment.
    pub(crate) fn in_segment(&self, slot: u32) -> Vec<Entry> {
        let mut all = Vec::new();
        for shard in &self.shards {
            all.extend(lock(shard).iter().filter(|entry| entry.place().slot == slot));
        }
        all
    }

    /// From now on [`Index::mark`] says once of each object that it was not seen yet. One pass at a time.
    pub(crate) fn begin_marking(&self) {
        for shard in &self.shards {
            lock(shard).iter_mut().for_each(Entry::unmark);
        }
    }

    pub(crate) fn mark(&self, name: ObjectName) -> bool {
        self.shard(name).get_mut(name).is_some_and(Entry::mark)
    }

    pub(crate) fn usage(&self, space: &Space) -> Usage {
        lock(&self.tallies).usage(space)
    }

    pub(crate) fn usages(&self) -> Vec<(Space, Usage)> {
        lock(&self.tallies).all()
    }

    /// Reserved keys that begin with `prefix`, in order, from behind `after`.
    pub(crate) fn reserved_keys(
        &self,
        space: &Space,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Vec<(ObjectKey, ObjectName)> {
        lock(&self.names).list(space, prefix, after, limit)
    }

    fn shard(&self, name: ObjectName) -> MutexGuard<'_, Table> {
        lock(&self.shards[usize::from(name.as_bytes()[31]) % SHARDS])
    }
}

/// What is behind these locks is sound after every statement, so a poisoned one is as good as a whole one.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "tables_tests.rs"]
mod tests;
