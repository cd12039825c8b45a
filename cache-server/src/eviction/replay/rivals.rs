//! The policies that ours is compared with. They live here and nowhere else. Each is as in its paper, but for sizes:
//! they evict until enough bytes are gone.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use super::{Object, Policy};

/// Least recently used first.
#[derive(Debug, Default)]
pub(super) struct Lru {
    objects: HashMap<u64, (Object, u64)>,
    by_use: BTreeMap<u64, u64>,
    uses: u64,
    bytes: u64,
}

impl Policy for Lru {
    fn name(&self) -> &'static str {
        "LRU"
    }

    fn get(&mut self, id: u64, _at: u32) -> bool {
        let Some((_, used)) = self.objects.get_mut(&id) else { return false };
        self.by_use.remove(used);
        self.uses += 1;
        *used = self.uses;
        self.by_use.insert(self.uses, id);
        true
    }

    fn put(&mut self, id: u64, object: Object, _at: u32) {
        self.uses += 1;
        self.bytes += u64::from(object.size);
        self.objects.insert(id, (object, self.uses));
        self.by_use.insert(self.uses, id);
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn evict(&mut self, target: u64, _at: u32) {
        while self.bytes > target {
            let (_, id) = self.by_use.pop_first().unwrap();
            let (object, _) = self.objects.remove(&id).unwrap();
            self.bytes -= u64::from(object.size);
        }
    }
}

/// SIEVE (Zhang and others, NSDI 2024): a queue in the order of arrival and a hand that spares what was read.
#[derive(Debug, Default)]
pub(super) struct Sieve {
    objects: HashMap<u64, SieveEntry>,
    queue: BTreeMap<u64, u64>,
    arrivals: u64,
    hand: u64,
    bytes: u64,
}

#[derive(Debug)]
struct SieveEntry {
    size: u64,
    visited: bool,
}

impl Policy for Sieve {
    fn name(&self) -> &'static str {
        "SIEVE"
    }

    fn get(&mut self, id: u64, _at: u32) -> bool {
        let found = self.objects.get_mut(&id);
        found.map(|entry| entry.visited = true).is_some()
    }

    fn put(&mut self, id: u64, object: Object, _at: u32) {
        self.arrivals += 1;
        self.bytes += u64::from(object.size);
        self.queue.insert(self.arrivals, id);
        self.objects.insert(id, SieveEntry { size: u64::from(object.size), visited: false });
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn evict(&mut self, target: u64, _at: u32) {
        while self.bytes > target {
            let Some((&place, &id)) = self.queue.range(self.hand..).next() else {
                self.hand = 0;
                continue;
            };
            self.hand = place + 1;
            let entry = self.objects.get_mut(&id).unwrap();
            if !std::mem::take(&mut entry.visited) {
                self.bytes -= entry.size;
                self.queue.remove(&place);
                self.objects.remove(&id);
            }
        }
    }
}

/// S3-FIFO (Yang and others, SOSP 2023): a small queue for a tenth, a main one, and the ghosts of what left the small.
#[derive(Debug, Default)]
pub(super) struct S3Fifo {
    objects: HashMap<u64, (u64, u8)>,
    small: Fifo,
    main: Fifo,
    ghosts: HashSet<u64>,
    ghost_queue: VecDeque<u64>,
}

#[derive(Debug, Default)]
struct Fifo {
    queue: VecDeque<u64>,
    bytes: u64,
}

impl Fifo {
    fn push(&mut self, id: u64, size: u64) {
        self.queue.push_back(id);
        self.bytes += size;
    }
}

impl Policy for S3Fifo {
    fn name(&self) -> &'static str {
        "S3-FIFO"
    }

    fn get(&mut self, id: u64, _at: u32) -> bool {
        let found = self.objects.get_mut(&id);
        found.map(|(_, uses)| *uses = (*uses + 1).min(3)).is_some()
    }

    fn put(&mut self, id: u64, object: Object, _at: u32) {
        let size = u64::from(object.size);
        self.objects.insert(id, (size, 0));
        let queue = if self.ghosts.remove(&id) { &mut self.main } else { &mut self.small };
        queue.push(id, size);
    }

    fn bytes(&self) -> u64 {
        self.small.bytes + self.main.bytes
    }

    fn evict(&mut self, target: u64, _at: u32) {
        while self.bytes() > target {
            let from_small = self.small.bytes > target / 10 || self.main.queue.is_empty();
            let from = if from_small { &mut self.small } else { &mut self.main };
            let id = from.queue.pop_front().unwrap();
            let (size, uses) = self.objects[&id];
            from.bytes -= size;
            if uses > 0 {
                let left = if from_small { 0 } else { uses - 1 };
                self.objects.insert(id, (size, left));
                self.main.push(id, size);
                continue;
            }
            self.objects.remove(&id);
            if from_small {
                self.ghosts.insert(id);
                self.ghost_queue.push_back(id);
                while self.ghost_queue.len() > self.objects.len() {
                    self.ghost_queue.pop_front().map(|old| self.ghosts.remove(&old));
                }
            }
        }
    }
}

/// Greedy-Dual-Size-Frequency (Cherkasova 1998): uses times cost by size, on top of the worth of what went last.
#[derive(Debug, Default)]
pub(super) struct Gdsf {
    objects: HashMap<u64, GdsfEntry>,
    by_worth: BTreeSet<(u64, u64)>,
    inflation: f64,
    bytes: u64,
}

#[derive(Debug)]
struct GdsfEntry {
    object: Object,
    uses: u32,
    worth: u64,
}

impl Gdsf {
    fn worth(&self, object: Object, uses: u32) -> u64 {
        let worth = self.inflation + f64::from(uses) * f64::from(object.cost_ms) / f64::from(object.size.max(1));
        // The bits of positive numbers are in their order.
        worth.to_bits()
    }
}

impl Policy for Gdsf {
    fn name(&self) -> &'static str {
        "GDSF"
    }

    fn get(&mut self, id: u64, _at: u32) -> bool {
        let Some(mut entry) = self.objects.remove(&id) else { return false };
        self.by_worth.remove(&(entry.worth, id));
        entry.uses += 1;
        entry.worth = self.worth(entry.object, entry.uses);
        self.by_worth.insert((entry.worth, id));
        self.objects.insert(id, entry);
        true
    }

    fn put(&mut self, id: u64, object: Object, _at: u32) {
        let worth = self.worth(object, 1);
        self.bytes += u64::from(object.size);
        self.by_worth.insert((worth, id));
        self.objects.insert(id, GdsfEntry { object, uses: 1, worth });
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn evict(&mut self, target: u64, _at: u32) {
        while self.bytes > target {
            let (worth, id) = self.by_worth.pop_first().unwrap();
            self.inflation = f64::from_bits(worth);
            self.bytes -= u64::from(self.objects.remove(&id).unwrap().object.size);
        }
    }
}
