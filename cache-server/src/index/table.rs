//! What is in memory for each object: [`ENTRY`] bytes, whatever the length of its key, and five more for each place of
//! the table that finds it. Entries lie in a slab that grows by blocks, so a million objects are never copied to make
//! room for one more, and eviction can go round them.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use hearth_model::{Millis, Timestamp};

use crate::eviction::{Class, Pin, Standing, counts};
use crate::keys::ObjectName;
use crate::segments::Layout;

/// The memory of one entry.
pub(crate) const ENTRY: usize = size_of::<Entry>();
const _: () = assert!(ENTRY == 64, "the documentation says 64 bytes for each object");
/// Entries of one block of the slab.
const BLOCK: usize = 1024;

const PINNED: u8 = 1;
/// Used since its use was last written down.
const USED: u8 = 2;
/// No object has it: the entry is free.
const FREE: u8 = 4;
/// Seen by whoever goes through all entries.
const MARKED: u8 = 8;
/// How often it was used, in the upper half of the flags.
const USES_SHIFT: u8 = 4;

/// Where a record is, in as few bytes as possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The segment's slot.
    pub(crate) slot: u32,
    pub(crate) offset: u32,
    pub(crate) layout: Layout,
}

/// One object, packed. Seconds are enough for times, and 2^40 bytes for lengths.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    name: ObjectName,
    slot: u32,
    offset: u32,
    length_low: u32,
    /// Seconds since 1970.
    used: u32,
    stored: u32,
    pub(super) tally: u32,
    cost_ms: u32,
    head: u16,
    length_high: u8,
    flags: u8,
}

/// Longer objects cannot be named by an entry.
pub(crate) const MAX_LENGTH: u64 = (1 << 40) - 1;

impl Entry {
    pub(crate) fn new(name: ObjectName, place: Place, stored: Timestamp, tally: u32) -> Self {
        let stored = seconds(stored);
        let mut entry = Self {
            name,
            slot: 0,
            offset: 0,
            length_low: 0,
            used: stored,
            stored,
            tally,
            cost_ms: 0,
            head: 0,
            length_high: 0,
            flags: 0,
        };
        entry.move_to(place);
        entry
    }

    pub(crate) fn name(&self) -> ObjectName {
        self.name
    }

    pub(crate) fn place(&self) -> Place {
        let length = u64::from(self.length_high) << 32 | u64::from(self.length_low);
        Place { slot: self.slot, offset: self.offset, layout: Layout { head: u64::from(self.head), length } }
    }

    pub(super) fn move_to(&mut self, place: Place) {
        let Layout { head, length } = place.layout;
        self.slot = place.slot;
        self.offset = place.offset;
        self.head = u16::try_from(head).expect("heads are bounded");
        self.length_low = u32::try_from(length & u64::from(u32::MAX)).expect("masked to 32 bits");
        self.length_high = u8::try_from(length >> 32).expect("lengths are bounded");
    }

    pub(crate) fn size(&self) -> u64 {
        self.place().layout.size()
    }

    pub(crate) fn used(&self) -> Timestamp {
        Timestamp::from_millis(i64::from(self.used) * 1000)
    }

    pub(crate) fn stored(&self) -> Timestamp {
        Timestamp::from_millis(i64::from(self.stored) * 1000)
    }

    pub(crate) fn cost_ms(&self) -> u32 {
        self.cost_ms
    }

    pub(super) fn set_cost(&mut self, cost_ms: u32) {
        self.cost_ms = cost_ms;
    }

    pub(crate) fn is_pinned(&self) -> bool {
        self.flags & PINNED != 0
    }

    pub(super) fn set_pinned(&mut self, pinned: bool) {
        self.flags = self.flags & !PINNED | if pinned { PINNED } else { 0 };
    }

    /// What eviction looks at.
    pub(super) fn standing(&self, class: Class) -> Standing {
        Standing {
            class,
            stored: self.stored(),
            used: self.used(),
            uses: self.flags >> USES_SHIFT,
            cost: (self.cost_ms > 0).then(|| Millis(self.cost_ms.into())),
            pin: if self.is_pinned() { Pin::Pinned } else { Pin::Free },
        }
    }

    /// Notes a use; says whether it is the first since uses were written down.
    pub(super) fn touch(&mut self, now: Timestamp) -> bool {
        self.set_used(now);
        let first = self.flags & USED == 0;
        self.flags |= USED;
        first
    }

    pub(super) fn set_used(&mut self, at: Timestamp) {
        let uses = counts(self.flags >> USES_SHIFT, at.since(self.used()));
        self.flags = self.flags & ((1 << USES_SHIFT) - 1) | uses << USES_SHIFT;
        self.used = self.used.max(seconds(at));
    }

    /// Marks the entry; says whether it was not marked yet.
    pub(super) fn mark(&mut self) -> bool {
        let first = self.flags & MARKED == 0;
        self.flags |= MARKED;
        first
    }

    pub(super) fn unmark(&mut self) {
        self.flags &= !MARKED;
    }

    pub(super) fn forget_use(&mut self) {
        self.flags &= !USED;
    }
}

pub(super) fn seconds(at: Timestamp) -> u32 {
    u32::try_from(at.as_millis().div_euclid(1000).max(0)).unwrap_or(u32::MAX)
}

/// A part of the index.
#[derive(Debug, Default)]
pub(crate) struct Table {
    places: HashTable<u32>,
    blocks: Vec<Box<[Entry]>>,
    free: Vec<u32>,
    used: u32,
    /// A client that chooses names cannot choose where they fall.
    hasher: RandomState,
}

impl Table {
    pub(crate) fn get(&self, name: ObjectName) -> Option<&Entry> {
        let at = self.places.find(self.hash(name), |at| self.at(*at).name == name)?;
        Some(self.at(*at))
    }

    pub(crate) fn get_mut(&mut self, name: ObjectName) -> Option<&mut Entry> {
        let at = *self.places.find(self.hash(name), |at| self.at(*at).name == name)?;
        Some(self.at_mut(at))
    }

    /// Adds an entry whose name is not there.
    pub(crate) fn add(&mut self, entry: Entry) {
        let at = match self.free.pop() {
            Some(at) => at,
            None => self.grow(),
        };
        *self.at_mut(at) = entry;
        let Self { places, blocks, hasher, .. } = self;
        let rehash = |at: &u32| hash(hasher, blocks[*at as usize / BLOCK][*at as usize % BLOCK].name);
        places.insert_unique(hash(hasher, entry.name), at, rehash);
    }

    pub(crate) fn remove(&mut self, name: ObjectName) -> Option<Entry> {
        let hash = self.hash(name);
        let blocks = &self.blocks;
        let same = |at: &u32| blocks[*at as usize / BLOCK][*at as usize % BLOCK].name == name;
        let (at, _) = self.places.find_entry(hash, same).ok()?.remove();
        let entry = *self.at(at);
        self.at_mut(at).flags = FREE;
        self.free.push(at);
        Some(entry)
    }

    /// The entries at every `parts`-th place, from the one at `part`.
    pub(crate) fn every(&self, part: usize, parts: usize) -> impl Iterator<Item = &Entry> {
        let places = (part..self.used as usize).step_by(parts.max(1));
        places.map(|at| &self.blocks[at / BLOCK][at % BLOCK]).filter(|entry| entry.flags & FREE == 0)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.blocks.iter().flatten().take(self.used as usize).filter(|entry| entry.flags & FREE == 0)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.blocks.iter_mut().flatten().take(self.used as usize).filter(|entry| entry.flags & FREE == 0)
    }

    fn grow(&mut self) -> u32 {
        let at = self.used;
        if (at as usize).is_multiple_of(BLOCK) {
            let place = Place { slot: 0, offset: 0, layout: Layout { head: 0, length: 0 } };
            let empty = Entry::new(ObjectName::from_bytes([0; 32]), place, Timestamp::from_millis(0), 0);
            self.blocks.push(vec![Entry { flags: FREE, ..empty }; BLOCK].into());
        }
        self.used += 1;
        at
    }

    fn at(&self, at: u32) -> &Entry {
        &self.blocks[at as usize / BLOCK][at as usize % BLOCK]
    }

    fn at_mut(&mut self, at: u32) -> &mut Entry {
        &mut self.blocks[at as usize / BLOCK][at as usize % BLOCK]
    }

    fn hash(&self, name: ObjectName) -> u64 {
        hash(&self.hasher, name)
    }
}

fn hash(hasher: &RandomState, name: ObjectName) -> u64 {
    // Names are digests: to find two that share these bytes is a search through 2^32 of them for each.
    let bytes = name.as_bytes().first_chunk::<8>().expect("a name has 32 bytes");
    hasher.hash_one(u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn name(n: u16) -> ObjectName {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&n.to_le_bytes());
        ObjectName::from_bytes(bytes)
    }

    fn place(length: u64) -> Place {
        Place { slot: 3, offset: u32::MAX, layout: Layout { head: 300, length } }
    }

    #[test]
    fn an_entry_gives_back_what_was_packed() {
        let stored = Timestamp::from_millis(1_790_000_000_999);
        let mut entry = Entry::new(name(1), place(MAX_LENGTH), stored, 7);
        assert_eq!(entry.place(), place(MAX_LENGTH));
        assert_eq!(entry.stored(), Timestamp::from_millis(1_790_000_000_000));
        assert!(entry.touch(Timestamp::from_millis(1_790_000_005_000)));
        assert!(!entry.touch(Timestamp::from_millis(1_790_000_001_000)));
        entry.set_pinned(true);
        entry.set_cost(70);
        let standing = entry.standing(Class::Branch);
        assert_eq!((standing.uses, standing.pin, standing.class), (0, Pin::Pinned, Class::Branch));
        assert_eq!((standing.cost, standing.stored), (Some(Millis(70)), entry.stored()));
        entry.set_pinned(false);
        entry.forget_use();
        assert!(entry.touch(stored) && !entry.is_pinned());
        assert_eq!(entry.used(), Timestamp::from_millis(1_790_000_005_000));
        entry.touch(Timestamp::from_millis(1_790_000_099_000));
        assert_eq!((entry.standing(Class::Branch).uses, entry.standing(Class::Branch).pin), (1, Pin::Free));
    }

    proptest! {
        #[test]
        fn a_table_is_a_map(steps in prop::collection::vec((any::<bool>(), 0u16..3000), 0..5000)) {
            let mut table = Table::default();
            let mut model = HashMap::new();
            for (step, (add, n)) in (0u64..).zip(steps) {
                if !add {
                    prop_assert_eq!(table.remove(name(n)).map(|e| e.place().layout.length), model.remove(&n));
                } else if table.get(name(n)).is_none() {
                    table.add(Entry::new(name(n), place(step), Timestamp::from_millis(0), 0));
                    model.insert(n, step);
                }
            }
            prop_assert_eq!(table.iter().count(), model.len());
            for (n, length) in model {
                prop_assert_eq!(table.get(name(n)).map(|e| e.place().layout.length), Some(length));
            }
        }
    }
}
