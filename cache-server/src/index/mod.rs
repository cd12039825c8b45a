//! The accounts: which objects there are, how big, when last used. In memory, filled from the directory after a start
//! while the node serves already. Once complete it also answers whether an object exists without asking the disk. It
//! never touches a file.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hearth_model::{Bytes, Millis, Timestamp};

use crate::blobs::Listed;
use crate::keys::ObjectName;

/// A copy of one part for eviction holds up few requests, and those for a moment.
const SHARDS: usize = 16;
/// File systems give space in blocks of this size.
const BLOCK: u64 = 4096;

#[derive(Debug, Clone, Copy)]
struct Entry {
    on_disk: u64,
    used: Timestamp,
    /// The time of use that the disk knows.
    noted: Timestamp,
}

/// What eviction looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) used: Timestamp,
    pub(crate) name: ObjectName,
    pub(crate) on_disk: Bytes,
}

/// Whether a use should be written down on disk now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Note {
    Due,
    Later,
}

#[derive(Debug, Default)]
pub(crate) struct Index {
    shards: [Mutex<HashMap<ObjectName, Entry>>; SHARDS],
    objects: AtomicU64,
    bytes: AtomicU64,
    reserved: AtomicU64,
    complete: AtomicBool,
}

impl Index {
    pub(crate) fn objects(&self) -> u64 {
        self.objects.load(Ordering::Relaxed)
    }

    /// Disk space of all objects that are known.
    pub(crate) fn bytes(&self) -> Bytes {
        Bytes(self.bytes.load(Ordering::Relaxed))
    }

    /// Whether everything on disk is known.
    pub(crate) fn is_complete(&self) -> bool {
        self.complete.load(Ordering::Acquire)
    }

    pub(crate) fn mark_complete(&self) {
        self.complete.store(true, Ordering::Release);
    }

    pub(crate) fn contains(&self, name: ObjectName) -> bool {
        self.shard(name).contains_key(&name)
    }

    /// An object that was just stored.
    pub(crate) fn insert(&self, name: ObjectName, file_size: u64, now: Timestamp) {
        let entry = Entry { on_disk: on_disk(file_size), used: now, noted: now };
        let replaced = self.shard(name).insert(name, entry);
        self.account(replaced.map(|e| e.on_disk), Some(entry.on_disk));
    }

    /// An object that was found on disk; what is known of it already is newer.
    pub(crate) fn found(&self, listed: Listed) {
        let on_disk = on_disk(listed.size);
        if let Slot::Vacant(slot) = self.shard(listed.name).entry(listed.name) {
            slot.insert(Entry { on_disk, used: listed.used, noted: listed.used });
        } else {
            return;
        }
        self.account(None, Some(on_disk));
    }

    pub(crate) fn remove(&self, name: ObjectName) {
        let removed = self.shard(name).remove(&name);
        self.account(removed.map(|e| e.on_disk), None);
    }

    /// An object was read.
    pub(crate) fn touch(&self, name: ObjectName, now: Timestamp, every: Duration) -> Note {
        let mut shard = self.shard(name);
        let Some(entry) = shard.get_mut(&name) else {
            return Note::Later;
        };
        entry.used = entry.used.max(now);
        if now.since(entry.noted) < Millis::from(every) {
            return Note::Later;
        }
        entry.noted = now;
        Note::Due
    }

    /// Sets space aside for an upload while everything stored and set aside stays within `budget`.
    pub(crate) fn reserve(&self, file_size: u64, budget: Bytes) -> Option<Reservation<'_>> {
        let size = on_disk(file_size);
        let reserved = self.reserved.fetch_add(size, Ordering::Relaxed).saturating_add(size);
        let reservation = Reservation { index: self, size };
        (self.bytes().0.saturating_add(reserved) <= budget.0).then_some(reservation)
    }

    pub(crate) fn candidates(&self) -> Vec<Candidate> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend(shard.iter().map(|(name, entry)| Candidate {
                used: entry.used,
                name: *name,
                on_disk: Bytes(entry.on_disk),
            }));
        }
        all
    }

    fn shard(&self, name: ObjectName) -> MutexGuard<'_, HashMap<ObjectName, Entry>> {
        let shard = usize::from(name.as_bytes()[0]) % SHARDS;
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn account(&self, less: Option<u64>, more: Option<u64>) {
        if let Some(size) = less {
            self.objects.fetch_sub(1, Ordering::Relaxed);
            self.bytes.fetch_sub(size, Ordering::Relaxed);
        }
        if let Some(size) = more {
            self.objects.fetch_add(1, Ordering::Relaxed);
            self.bytes.fetch_add(size, Ordering::Relaxed);
        }
    }
}

fn on_disk(file_size: u64) -> u64 {
    file_size.div_ceil(BLOCK).saturating_mul(BLOCK)
}

/// Space set aside for one upload; given back when dropped.
#[derive(Debug)]
pub(crate) struct Reservation<'a> {
    index: &'a Index,
    size: u64,
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        self.index.reserved.fetch_sub(self.size, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const T0: Timestamp = Timestamp::from_millis(1_000_000);

    fn name(n: u8) -> ObjectName {
        ObjectName::from_bytes([n; 32])
    }

    #[test]
    fn what_is_known_is_newer_than_what_is_found() {
        let index = Index::default();
        index.insert(name(1), 5000, T0);
        let old = Timestamp::from_millis(5);
        for n in [1, 2] {
            index.found(Listed { name: name(n), size: 100, used: old });
        }
        assert_eq!((index.objects(), index.bytes()), (2, Bytes(8192 + 4096)));
        let mut used: Vec<_> = index.candidates().iter().map(|c| c.used).collect();
        used.sort();
        assert_eq!(used, [old, T0]);
    }

    #[test]
    fn a_use_is_written_down_once_in_a_while() {
        let index = Index::default();
        let every = Duration::from_mins(5);
        index.insert(name(1), 1, T0);
        assert_eq!(index.touch(name(1), T0 + Millis::from_secs(299), every), Note::Later);
        assert_eq!(index.touch(name(1), T0 + Millis::from_secs(300), every), Note::Due);
        assert_eq!(index.touch(name(1), T0 + Millis::from_secs(301), every), Note::Later);
        assert_eq!(index.touch(name(2), T0 + Millis::from_secs(999), every), Note::Later);
    }

    #[test]
    fn space_is_set_aside_within_the_budget_and_given_back() {
        let index = Index::default();
        index.insert(name(1), 4096, T0);
        let budget = Bytes(3 * 4096);
        let first = index.reserve(1, budget).unwrap();
        let second = index.reserve(4096, budget).unwrap();
        assert!(index.reserve(1, budget).is_none());
        drop(first);
        assert!(index.reserve(1, budget).is_some());
        assert!(index.reserve(4097, budget).is_none());
        drop(second);
        assert!(index.reserve(8192, budget).is_some());
        assert!(index.reserve(u64::MAX, budget).is_none());
        assert!(index.reserve(8192, budget).is_some());
    }

    proptest! {
        #[test]
        fn the_sums_are_the_sums_of_the_entries(steps in prop::collection::vec((0..3u8, 0..6u8, 0..20_000u64), 0..60)) {
            let index = Index::default();
            for (step, n, size) in steps {
                match step {
                    0 => index.insert(name(n), size, T0),
                    1 => index.remove(name(n)),
                    _ => index.found(Listed { name: name(n), size, used: T0 }),
                }
            }
            let all = index.candidates();
            prop_assert_eq!(index.objects(), all.len() as u64);
            prop_assert_eq!(index.bytes(), all.iter().map(|c| c.on_disk).sum());
        }
    }
}
