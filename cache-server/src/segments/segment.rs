//! One segment file: where it ends, how much of it is alive, who is reading it. Bytes are only ever appended; what is
//! dead is marked or turned into holes, and nothing moves.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hearth_host::files;

use super::format::{PREAMBLE, gap, preamble};

/// Who made the segment, and its number among theirs. Never used twice, so a place in a segment means one record or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SegmentId {
    pub(crate) owner: u32,
    pub(crate) number: u32,
}

impl SegmentId {
    pub(crate) fn to_u64(self) -> u64 {
        u64::from(self.owner) << 32 | u64::from(self.number)
    }

    pub(crate) fn from_u64(id: u64) -> Self {
        let half = |n: u64| u32::try_from(n & u64::from(u32::MAX)).expect("masked to 32 bits");
        Self { owner: half(id >> 32), number: half(id) }
    }

    /// The id of the file of this name.
    pub(crate) fn from_file_name(name: &str) -> Option<Self> {
        let id = u64::from_str_radix(name, 16).ok().map(Self::from_u64)?;
        (id.to_string() == name).then_some(id)
    }
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}{:08x}", self.owner, self.number)
    }
}

#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) id: SegmentId,
    /// Its place in the shelf, which is shorter to keep than its id.
    pub(crate) slot: u32,
    path: PathBuf,
    /// Where the next record goes.
    end: AtomicU64,
    /// Bytes before the end that were given back to the file system.
    holes: AtomicU64,
    /// Bytes of records that the index knows.
    live: AtomicU64,
    /// Rooms in it that wait for their records.
    awaited: AtomicU32,
    phase: AtomicU8,
    /// Whether a log has told of a record in it.
    told_of: AtomicBool,
    /// The open file, while there is one; the shelf closes those that were not used lately.
    file: Mutex<Option<Arc<File>>>,
    /// The turn of the last use of the file.
    pub(super) turn: AtomicU64,
    readers: Mutex<Readers>,
}

/// Records that somebody is reading bit by bit, dead ones that become holes once nobody does, and those that have.
#[derive(Debug, Default)]
struct Readers {
    leases: HashMap<u64, u32>,
    waiting: Vec<Range<u64>>,
    /// Stretches of dead records by their begin, neighbors put together, because only whole blocks can be given back.
    dead: BTreeMap<u64, Stretch>,
}

#[derive(Debug, Clone, Copy)]
struct Stretch {
    end: u64,
    /// Bytes of it that were given back.
    given: u64,
}

/// Room is given back in pieces of at least this size: a call for each small record would cost more than the record.
const WORTH: u64 = 64 * 1024;

const FILLING: u8 = 0;
const SEALED: u8 = 1;

impl Segment {
    /// A new, empty file.
    pub(super) fn create(dir: &Path, id: SegmentId, slot: u32) -> io::Result<Self> {
        let path = dir.join(id.to_string());
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        let segment = Self::at(path, id, slot, PREAMBLE);
        if let Err(error) = files::write_all_at(&file, &mut [IoSlice::new(&preamble(id.to_u64()))], 0) {
            segment.unlink()?;
            return Err(error);
        }
        *segment.file() = Some(Arc::new(file));
        Ok(segment)
    }

    /// A file that is there.
    pub(super) fn found(dir: &Path, id: SegmentId, slot: u32) -> io::Result<Self> {
        let path = dir.join(id.to_string());
        let file = File::open(&path)?;
        let length = file.metadata()?.len();
        let segment = Self::at(path, id, slot, length);
        segment.holes.store(length - files::room_taken(&file)?, Ordering::Relaxed);
        segment.seal();
        Ok(segment)
    }

    /// One without a file.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn nowhere(id: SegmentId) -> Self {
        Self::at(PathBuf::new(), id, 0, PREAMBLE)
    }

    fn at(path: PathBuf, id: SegmentId, slot: u32, end: u64) -> Self {
        Self {
            id,
            slot,
            path,
            end: AtomicU64::new(end),
            holes: AtomicU64::new(0),
            live: AtomicU64::new(0),
            awaited: AtomicU32::new(0),
            phase: AtomicU8::new(FILLING),
            told_of: AtomicBool::new(false),
            file: Mutex::default(),
            turn: AtomicU64::new(0),
            readers: Mutex::default(),
        }
    }

    pub(crate) fn end(&self) -> u64 {
        self.end.load(Ordering::Relaxed)
    }

    /// Looks how long the file is now, to which others may be adding. Returns by how much it has grown.
    pub(super) fn grown(&self) -> u64 {
        let length = std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len());
        length.saturating_sub(self.end.fetch_max(length, Ordering::Relaxed))
    }

    /// Nothing is added any more.
    pub(crate) fn seal(&self) {
        self.phase.store(SEALED, Ordering::Release);
    }

    pub(crate) fn is_sealed(&self) -> bool {
        self.phase.load(Ordering::Acquire) == SEALED
    }

    /// The room that the file takes.
    pub(crate) fn on_disk(&self) -> u64 {
        self.end().saturating_sub(self.holes.load(Ordering::Relaxed))
    }

    pub(crate) fn live(&self) -> u64 {
        self.live.load(Ordering::Relaxed)
    }

    pub(crate) fn gain(&self, size: u64) {
        self.live.fetch_add(size, Ordering::Relaxed);
    }

    pub(crate) fn lose(&self, size: u64) {
        self.live.fetch_sub(size, Ordering::Relaxed);
    }

    /// A log has told of a record in it.
    pub(crate) fn mark_told_of(&self) {
        self.told_of.store(true, Ordering::Relaxed);
    }

    /// Whether it has records of which no log has told.
    pub(crate) fn is_unknown(&self) -> bool {
        self.is_sealed() && !self.told_of.load(Ordering::Relaxed) && self.end() > PREAMBLE
    }

    /// Whether nothing in it is alive and nothing will be.
    pub(crate) fn is_spent(&self) -> bool {
        self.is_sealed() && self.awaited.load(Ordering::Acquire) == 0 && self.live() == 0
    }

    /// A record is to come, or has come or will not.
    pub(crate) fn expect(&self) {
        self.awaited.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn settle(&self) {
        self.awaited.fetch_sub(1, Ordering::AcqRel);
    }

    /// Sets room aside at the end. Only the shelf calls this, for one caller at a time.
    pub(super) fn extend(&self, size: u64) -> u64 {
        self.end.fetch_add(size, Ordering::Relaxed)
    }

    /// Takes back what was set aside last, if it was this.
    pub(super) fn shrink(&self, from: u64, size: u64) -> bool {
        self.end.compare_exchange(from + size, from, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// The file, opened if it is not. `opened` is told when it was.
    pub(super) fn open(&self, opened: impl FnOnce()) -> io::Result<Arc<File>> {
        let mut held = self.file();
        if let Some(file) = &*held {
            return Ok(Arc::clone(file));
        }
        let file = match OpenOptions::new().read(true).write(true).open(&self.path) {
            // A disk that has become read-only can still be read.
            Err(error) if error.kind() != io::ErrorKind::NotFound => File::open(&self.path)?,
            file => file?,
        };
        opened();
        let file = Arc::new(file);
        *held = Some(Arc::clone(&file));
        Ok(file)
    }

    /// Lets go of the file; whoever reads it keeps it open until then. Says whether there was one.
    pub(super) fn close(&self) -> bool {
        self.file().take().is_some()
    }

    pub(super) fn has_file(&self) -> bool {
        self.file().is_some()
    }

    /// Removes the file; one that is gone already is as good.
    pub(super) fn unlink(&self) -> io::Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Keeps the record at `offset` from becoming a hole while it is being read bit by bit.
    pub(crate) fn lease(self: &Arc<Self>, offset: u64) -> Lease {
        *self.readers().leases.entry(offset).or_insert(0) += 1;
        Lease { segment: Arc::clone(self), offset }
    }

    /// Declares a record dead for good, whatever a log says, and gives its room back, now or once nobody reads it.
    /// Returns how much that was.
    pub(super) fn bury(&self, file: &File, range: Range<u64>) -> io::Result<u64> {
        let mut readers = self.readers();
        if readers.leases.contains_key(&range.start) {
            readers.waiting.push(range.clone());
            drop(readers);
            Self::mark_gap(file, &range)?;
            return Ok(0);
        }
        let (around, given) = readers.bury(range);
        drop(readers);
        let punched = if given > 0 { files::punch(file, around.clone()) } else { Ok(0) };
        // Behind the hole, which may have taken the place of an older gap.
        Self::mark_gap(file, &around)?;
        match punched {
            Ok(_) => {
                // A file that somebody has cut short had less to give.
                let end = self.end();
                let cap = |holes: u64| Some((holes + given).min(end));
                let before = self.holes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, cap).unwrap_or(end);
                Ok(given.min(end.saturating_sub(before)))
            }
            // Then the room comes back when the segment is compacted.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(0),
            Err(error) => Err(error),
        }
    }

    fn mark_gap(file: &File, range: &Range<u64>) -> io::Result<()> {
        files::write_all_at(file, &mut [IoSlice::new(&gap(range.end - range.start))], range.start)
    }

    /// Dead records that nobody reads any more.
    pub(super) fn take_waiting(&self) -> Vec<Range<u64>> {
        let mut readers = self.readers();
        let Readers { leases, waiting, .. } = &mut *readers;
        let (ready, still) = std::mem::take(waiting).into_iter().partition(|range| !leases.contains_key(&range.start));
        *waiting = still;
        ready
    }

    fn file(&self) -> MutexGuard<'_, Option<Arc<File>>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn readers(&self) -> MutexGuard<'_, Readers> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Readers {
    /// Adds to what is dead. Returns the whole stretch around it, and how much more of that should be given back now.
    fn bury(&mut self, range: Range<u64>) -> (Range<u64>, u64) {
        let (mut start, mut end) = (range.start, range.end);
        let mut given = 0;
        // Everything that overlaps or touches it.
        while let Some((from, stretch)) = self.dead.range(..=end).next_back().map(|(from, stretch)| (*from, *stretch))
            && stretch.end >= start
        {
            given += stretch.given;
            (start, end) = (start.min(from), end.max(stretch.end));
            self.dead.remove(&from);
        }
        let more = files::whole_blocks(start..end).saturating_sub(given);
        let now = if more >= WORTH { more } else { 0 };
        self.dead.insert(start, Stretch { end, given: given + now });
        (start..end, now)
    }
}

/// A record that is being read. While it lives, the record's bytes stay where they are.
#[derive(Debug)]
pub(crate) struct Lease {
    segment: Arc<Segment>,
    offset: u64,
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut readers = self.segment.readers();
        if let Some(count) = readers.leases.get_mut(&self.offset) {
            *count -= 1;
            if *count == 0 {
                readers.leases.remove(&self.offset);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn dead_records_become_stretches_whose_whole_blocks_are_given_back(
            sizes in prop::collection::vec(1..100_000u64, 1..40),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        ) {
            let mut readers = Readers::default();
            let mut records: Vec<Range<u64>> = Vec::new();
            for size in sizes {
                let start = records.last().map_or(PREAMBLE, |record| record.end);
                records.push(start..start + size);
            }
            let all = records.first().unwrap().start..records.last().unwrap().end;
            let mut given = 0;
            for index in order {
                if records.is_empty() {
                    break;
                }
                let record = records.swap_remove(index.index(records.len()));
                let (around, now) = readers.bury(record.clone());
                prop_assert!(around.start <= record.start && record.end <= around.end);
                prop_assert!(records.iter().all(|live| live.end <= around.start || around.end <= live.start));
                given += now;
            }
            let blocks = readers.dead.iter().map(|(start, stretch)| files::whole_blocks(*start..stretch.end));
            let stretches = readers.dead.len() as u64;
            let blocks: u64 = blocks.sum();
            prop_assert!(given <= blocks && blocks - given < WORTH * stretches.max(1));
            if records.is_empty() {
                prop_assert_eq!(stretches, 1, "all of {:?} is dead", all);
            }
        }
    }
}
