//! What has to go up yet: names on their way to the upstream, in the order in which they were stored, each once. A file
//! keeps the list, so that neither a crash nor a restart forgets any; its records are checksummed, and a torn one at the
//! end is one that was never promised. When the list is full, the oldest name is dropped and counted: after a long
//! separation the other nodes want what was built last.
//!
//! ```text
//! record   what 1 (+ to go, - gone) · name 32 · size 8 · checksum 4
//! ```
//!
//! Every method that changes the list writes to the file, and so blocks.

use std::collections::VecDeque;
use std::collections::hash_map::{Entry, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hearth_model::Bytes;

use crate::keys::ObjectName;

const RECORD: usize = 1 + 32 + 8 + 4;
const TO_GO: u8 = b'+';
const GONE: u8 = b'-';
/// The file is written anew when it holds this many records, and twice as many as there are names.
const REWRITE: usize = 4096;

/// How long the list may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QueueLimits {
    pub(crate) objects: usize,
    pub(crate) bytes: Bytes,
}

#[derive(Debug)]
pub(crate) struct Queue {
    path: PathBuf,
    file: File,
    /// Records in the file.
    records: usize,
    limits: QueueLimits,
    /// In the order in which they came, and since when they wait; those that have gone since are not in `sizes` under
    /// their number any more.
    order: VecDeque<(u64, ObjectName, Instant)>,
    sizes: HashMap<ObjectName, Waiting>,
    /// Those that are not stored yet, and how many are storing each of them.
    coming: HashMap<ObjectName, usize>,
    bytes: Bytes,
    next: u64,
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    number: u64,
    size: Bytes,
    /// How often it was said to have to go up.
    said: u64,
}

/// What may be carried now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) name: ObjectName,
    size: Bytes,
    said: u64,
}

/// Names that were dropped because the list was full.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Dropped(pub(crate) u64);

impl Queue {
    pub(crate) fn open(path: &Path, limits: QueueLimits) -> io::Result<(Self, Dropped)> {
        let mut bytes = Vec::new();
        match File::open(path) {
            Ok(mut file) => drop(file.read_to_end(&mut bytes)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        let mut queue = Self {
            path: path.to_owned(),
            file,
            records: 0,
            limits,
            order: VecDeque::new(),
            sizes: HashMap::new(),
            coming: HashMap::new(),
            bytes: Bytes(0),
            next: 0,
        };
        for record in bytes.as_chunks::<RECORD>().0 {
            match decode(record) {
                Some((TO_GO, name, size)) => queue.insert(name, size),
                Some((GONE, name, _)) => drop(queue.take_out(name)),
                // Damaged: an upload more or less, and never a wrong one.
                _ => {}
            }
        }
        let dropped = queue.shorten()?;
        queue.rewrite()?;
        Ok((queue, dropped))
    }

    pub(crate) fn len(&self) -> usize {
        self.sizes.len()
    }

    pub(crate) fn bytes(&self) -> Bytes {
        self.bytes
    }

    /// For how long the first one has waited, as far as this process has seen.
    pub(crate) fn age(&self) -> Duration {
        self.order.front().map_or(Duration::ZERO, |(.., since)| since.elapsed())
    }

    /// The object has to go up once it is stored, which [`Queue::came`] says. A name that is in the list keeps its place.
    pub(crate) fn add(&mut self, name: ObjectName, size: Bytes) -> io::Result<Dropped> {
        if let Some(waiting) = self.sizes.get_mut(&name) {
            waiting.said += 1;
        } else {
            self.write(TO_GO, name, size)?;
            self.insert(name, size);
        }
        *self.coming.entry(name).or_default() += 1;
        self.shorten()
    }

    /// One of those who were storing it is done, well or not.
    pub(crate) fn came(&mut self, name: ObjectName) {
        if let Entry::Occupied(mut storing) = self.coming.entry(name) {
            *storing.get_mut() -= 1;
            if *storing.get() == 0 {
                storing.remove();
            }
        }
    }

    /// The object is up, or need not go any more. One that was stored anew meanwhile has to.
    pub(crate) fn done(&mut self, due: Due) -> io::Result<()> {
        let is_same = self.sizes.get(&due.name).is_some_and(|waiting| waiting.said == due.said);
        if is_same { self.remove(due.name) } else { Ok(()) }
    }

    /// The first `most` of those that are stored and for which `free` is true.
    pub(crate) fn first(&self, most: usize, free: impl Fn(ObjectName) -> bool) -> Vec<Due> {
        let is_due = |due: &Due| !self.coming.contains_key(&due.name) && free(due.name);
        self.waiting().filter(is_due).take(most).collect()
    }

    fn waiting(&self) -> impl Iterator<Item = Due> {
        self.order.iter().filter_map(|&(number, name, _)| {
            let waiting = self.sizes.get(&name)?;
            (waiting.number == number).then_some(Due { name, size: waiting.size, said: waiting.said })
        })
    }

    fn remove(&mut self, name: ObjectName) -> io::Result<()> {
        let Some(size) = self.take_out(name) else { return Ok(()) };
        self.write(GONE, name, size)
    }

    fn insert(&mut self, name: ObjectName, size: Bytes) {
        if self.sizes.contains_key(&name) {
            return;
        }
        self.next += 1;
        self.order.push_back((self.next, name, Instant::now()));
        self.sizes.insert(name, Waiting { number: self.next, size, said: 0 });
        self.bytes = Bytes(self.bytes.0.saturating_add(size.0));
    }

    fn take_out(&mut self, name: ObjectName) -> Option<Bytes> {
        let Waiting { size, .. } = self.sizes.remove(&name)?;
        self.bytes = self.bytes.saturating_sub(size);
        let sizes = &self.sizes;
        let waits =
            |(number, name, _): &(u64, ObjectName, Instant)| sizes.get(name).is_some_and(|w| w.number == *number);
        while self.order.front().is_some_and(|first| !waits(first)) {
            self.order.pop_front();
        }
        // Names taken from the middle leave their place empty; not more of them than there are names.
        if self.order.len() > 2 * self.sizes.len() + REWRITE {
            self.order.retain(waits);
        }
        Some(size)
    }

    fn shorten(&mut self) -> io::Result<Dropped> {
        let mut dropped = Dropped(0);
        while self.sizes.len() > self.limits.objects || self.bytes > self.limits.bytes {
            let Some((_, oldest, _)) = self.order.front().copied() else { break };
            self.remove(oldest)?;
            dropped.0 += 1;
        }
        Ok(dropped)
    }

    fn write(&mut self, what: u8, name: ObjectName, size: Bytes) -> io::Result<()> {
        self.file.write_all(&encode(what, name, size))?;
        self.records += 1;
        if self.records >= REWRITE.max(2 * self.sizes.len()) { self.rewrite() } else { Ok(()) }
    }

    /// Writes the list anew, without what has gone. The old file stays until the new one is whole.
    fn rewrite(&mut self) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(self.sizes.len() * RECORD);
        for due in self.waiting() {
            bytes.extend_from_slice(&encode(TO_GO, due.name, due.size));
        }
        let new = self.path.with_extension("new");
        fs::write(&new, &bytes)?;
        File::open(&new)?.sync_data()?;
        fs::rename(&new, &self.path)?;
        self.file = OpenOptions::new().append(true).open(&self.path)?;
        self.records = self.sizes.len();
        Ok(())
    }
}

fn encode(what: u8, name: ObjectName, size: Bytes) -> [u8; RECORD] {
    let mut record = [0; RECORD];
    record[0] = what;
    record[1..33].copy_from_slice(name.as_bytes());
    record[33..41].copy_from_slice(&size.0.to_le_bytes());
    let sum = checksum(&record[..41]);
    record[41..].copy_from_slice(&sum);
    record
}

fn decode(record: &[u8; RECORD]) -> Option<(u8, ObjectName, Bytes)> {
    let (covered, sum) = record.split_last_chunk::<4>()?;
    if checksum(covered) != *sum {
        return None;
    }
    let (rest, size) = covered.split_last_chunk::<8>()?;
    let (what, name) = rest.split_first_chunk::<1>()?;
    Some((what[0], ObjectName::from_bytes(name.try_into().ok()?), Bytes(u64::from_le_bytes(*size))))
}

fn checksum(bytes: &[u8]) -> [u8; 4] {
    let mut short = [0; 4];
    short.copy_from_slice(&blake3::hash(bytes).as_bytes()[..4]);
    short
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;

    const LIMITS: QueueLimits = QueueLimits { objects: 1000, bytes: Bytes(1_000_000) };

    fn name(n: u16) -> ObjectName {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&n.to_le_bytes());
        ObjectName::from_bytes(bytes)
    }

    fn open(dir: &TempDir, limits: QueueLimits) -> (Queue, Dropped) {
        Queue::open(&dir.path().join("queue"), limits).unwrap()
    }

    fn names(queue: &Queue) -> Vec<ObjectName> {
        queue.first(usize::MAX, |_| true).into_iter().map(|due| due.name).collect()
    }

    /// The object is stored, and has to go up.
    fn store(queue: &mut Queue, name: ObjectName, size: u64) -> u64 {
        let dropped = queue.add(name, Bytes(size)).unwrap();
        queue.came(name);
        dropped.0
    }

    fn finish(queue: &mut Queue, name: ObjectName) {
        for due in queue.first(1, |other| other == name) {
            queue.done(due).unwrap();
        }
    }

    #[test]
    fn the_list_survives_and_keeps_its_order() {
        let dir = tempfile::tempdir().unwrap();
        let (mut queue, _) = open(&dir, LIMITS);
        for n in [3, 1, 2, 1] {
            store(&mut queue, name(n), 10);
        }
        finish(&mut queue, name(1));
        store(&mut queue, name(1), 10);
        for _ in 0..2 {
            assert_eq!(names(&queue), [name(3), name(2), name(1)]);
            assert_eq!((queue.len(), queue.bytes()), (3, Bytes(30)));
            queue = open(&dir, LIMITS).0;
        }
        assert_eq!(queue.first(1, |n| n != name(3)).iter().map(|due| due.name).collect::<Vec<_>>(), [name(2)]);
    }

    #[test]
    fn what_is_not_stored_yet_waits_for_all_who_store_it() {
        let dir = tempfile::tempdir().unwrap();
        let (mut queue, _) = open(&dir, LIMITS);
        queue.add(name(1), Bytes(10)).unwrap();
        queue.add(name(1), Bytes(10)).unwrap();
        store(&mut queue, name(2), 10);
        for _ in 0..2 {
            assert_eq!(names(&queue), [name(2)]);
            queue.came(name(1));
        }
        assert_eq!(names(&queue), [name(1), name(2)]);
        queue.add(name(3), Bytes(10)).unwrap();
        assert_eq!(names(&open(&dir, LIMITS).0), [name(1), name(2), name(3)], "nobody stores any more");
    }

    #[test]
    fn what_is_stored_anew_while_it_is_carried_goes_again() {
        let dir = tempfile::tempdir().unwrap();
        let (mut queue, _) = open(&dir, LIMITS);
        store(&mut queue, name(1), 10);
        let carried = queue.first(1, |_| true)[0];
        store(&mut queue, name(1), 20);
        queue.done(carried).unwrap();
        assert_eq!(names(&queue), [name(1)]);
        finish(&mut queue, name(1));
        assert_eq!((queue.len(), queue.bytes()), (0, Bytes(0)));
    }

    #[test]
    fn a_full_list_drops_its_oldest_names() {
        let dir = tempfile::tempdir().unwrap();
        let (mut queue, _) = open(&dir, QueueLimits { objects: 3, bytes: Bytes(100) });
        let dropped: u64 = (0..5).map(|n| store(&mut queue, name(n), 10)).sum();
        assert_eq!((dropped, names(&queue)), (2, vec![name(2), name(3), name(4)]));
        assert_eq!(store(&mut queue, name(9), 85), 2);
        assert_eq!(names(&queue), [name(4), name(9)]);
        let (queue, dropped) = open(&dir, QueueLimits { objects: 1, bytes: Bytes(100) });
        assert_eq!((dropped, names(&queue)), (Dropped(1), vec![name(9)]));
    }

    #[test]
    fn damage_costs_the_damaged_records_only() {
        let dir = tempfile::tempdir().unwrap();
        let (mut queue, _) = open(&dir, LIMITS);
        for n in 0..4 {
            store(&mut queue, name(n), 1);
        }
        let path = dir.path().join("queue");
        let mut bytes = fs::read(&path).unwrap();
        bytes[RECORD + 5] ^= 1;
        bytes.truncate(bytes.len() - 1);
        fs::write(&path, bytes).unwrap();
        assert_eq!(names(&open(&dir, LIMITS).0), [name(0), name(2)]);
    }

    #[test]
    fn the_file_does_not_grow_with_what_has_gone() {
        let dir = tempfile::tempdir().unwrap();
        let (mut queue, _) = open(&dir, LIMITS);
        for n in 0..u16::MAX {
            store(&mut queue, name(n), 1);
            finish(&mut queue, name(n));
        }
        assert!(fs::metadata(dir.path().join("queue")).unwrap().len() <= (REWRITE * RECORD) as u64);
        assert!(queue.order.len() <= REWRITE);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn it_is_a_list_of_names_without_repetition(steps in prop::collection::vec((0..3u8, 0..12u16), 0..80)) {
            let dir = tempfile::tempdir().unwrap();
            let (mut queue, _) = open(&dir, LIMITS);
            let mut model: Vec<ObjectName> = Vec::new();
            for (step, n) in steps {
                match step {
                    0 => {
                        store(&mut queue, name(n), 1);
                        if !model.contains(&name(n)) { model.push(name(n)) }
                    }
                    1 => {
                        finish(&mut queue, name(n));
                        model.retain(|other| *other != name(n));
                    }
                    _ => queue = open(&dir, LIMITS).0,
                }
                prop_assert_eq!(&names(&queue), &model);
                prop_assert_eq!(queue.bytes(), Bytes(model.len() as u64));
            }
        }
    }
}
