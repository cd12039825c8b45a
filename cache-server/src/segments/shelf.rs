//! All segments of a directory: which there are, which one is being filled, which files are open, how much room they
//! take together. Hands out room for new records; knows nothing of what is in them.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use hearth_model::Bytes;

use super::segment::{Segment, SegmentId};

/// Objects of this size and above have a segment of their own: it goes when they go, and is never compacted.
pub(crate) const SOLE: u64 = 8 << 20;
/// Files kept open. Far below what a process may have, which connections need.
const OPEN_FILES: u64 = 128;

#[derive(Debug)]
pub(crate) struct Shelf {
    dir: PathBuf,
    /// Part of the name of every segment that we make.
    owner: u32,
    /// A segment of many records is full at this size.
    full: u64,
    table: RwLock<Table>,
    /// The segment that is being filled.
    filling: Mutex<Option<Arc<Segment>>>,
    next_number: AtomicU32,
    open_files: AtomicU64,
    /// The room that all segments take.
    taken: AtomicU64,
    /// Whether files were made whose names may not have reached the disk.
    made: AtomicBool,
    turn: AtomicU64,
}

#[derive(Debug, Default)]
struct Table {
    slots: Vec<Option<Arc<Segment>>>,
    by_id: HashMap<SegmentId, u32>,
}

/// Room for a record.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) segment: Arc<Segment>,
    pub(crate) offset: u64,
    pub(crate) size: u64,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.segment.settle();
    }
}

impl Shelf {
    /// Learns which segments there are; what is in them is not read.
    pub(crate) fn open(dir: PathBuf, owner: u32, full: Bytes) -> io::Result<Self> {
        std::fs::create_dir_all(&dir)?;
        let shelf = Self {
            dir,
            owner,
            full: full.0,
            table: RwLock::default(),
            filling: Mutex::default(),
            next_number: AtomicU32::new(0),
            open_files: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            made: AtomicBool::new(false),
            turn: AtomicU64::new(0),
        };
        shelf.refresh()?;
        Ok(shelf)
    }

    /// Learns of segments that others have made.
    pub(crate) fn refresh(&self) -> io::Result<()> {
        for entry in std::fs::read_dir(&self.dir)? {
            let name = entry?.file_name();
            // Files that are not ours are passed over.
            if let Some(id) = name.to_str().and_then(SegmentId::from_file_name) {
                self.slot_of(id)?;
            }
        }
        Ok(())
    }

    /// The segment's slot; `None` when there is no such file.
    pub(crate) fn slot_of(&self, id: SegmentId) -> io::Result<Option<u32>> {
        if let Some(slot) = self.table().by_id.get(&id) {
            return Ok(Some(*slot));
        }
        match self.enter(id, |slot| Segment::found(&self.dir, id, slot)) {
            Ok(segment) => Ok(Some(segment.slot)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn get(&self, slot: u32) -> Option<Arc<Segment>> {
        self.table().slots.get(slot as usize)?.clone()
    }

    /// Slots are below this.
    pub(crate) fn slots(&self) -> u32 {
        u32::try_from(self.table().slots.len()).expect("slots are numbered by 32 bits")
    }

    pub(crate) fn all(&self) -> Vec<Arc<Segment>> {
        self.table().slots.iter().flatten().cloned().collect()
    }

    /// The room that all segments take.
    pub(crate) fn on_disk(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Whether the segment's file is at least so long. Others may be writing to it.
    pub(crate) fn reaches(&self, segment: &Segment, end: u64) -> bool {
        if segment.end() < end {
            self.taken.fetch_add(segment.grown(), Ordering::Relaxed);
        }
        segment.end() >= end
    }

    /// The segment's open file.
    pub(crate) fn file(&self, segment: &Segment) -> io::Result<Arc<File>> {
        segment.turn.store(self.turn.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        let mut opened = false;
        let file = segment.open(|| opened = true)?;
        if opened && self.open_files.fetch_add(1, Ordering::Relaxed) >= OPEN_FILES {
            self.close_oldest(segment.slot);
        }
        Ok(file)
    }

    /// Sets room aside for a record of this size. Blocks.
    pub(crate) fn room(&self, size: u64) -> io::Result<Room> {
        if size >= SOLE {
            let segment = self.create()?;
            let room = self.room_in(segment, size);
            room.segment.seal();
            return Ok(room);
        }
        let mut filling = self.filling();
        let segment = match filling.take() {
            Some(segment) if segment.end() + size <= self.full => segment,
            full => {
                let next = self.create()?;
                full.inspect(|full| full.seal());
                next
            }
        };
        *filling = Some(Arc::clone(&segment));
        Ok(self.room_in(segment, size))
    }

    fn room_in(&self, segment: Arc<Segment>, size: u64) -> Room {
        segment.expect();
        self.taken.fetch_add(size, Ordering::Relaxed);
        Room { offset: segment.extend(size), segment, size }
    }

    /// Gives room back that no record came to fill. Blocks.
    pub(crate) fn give_back(&self, room: &Room) -> io::Result<()> {
        let Room { segment, offset, size } = room;
        let file = self.file(segment)?;
        let filling = self.filling();
        if segment.shrink(*offset, *size) {
            self.taken.fetch_sub(*size, Ordering::Relaxed);
            return file.set_len(*offset);
        }
        drop(filling);
        self.bury(segment, *offset, *size)
    }

    /// Declares a record dead for good and gives its room back, at once or when nobody reads it any more. Blocks.
    pub(crate) fn bury(&self, segment: &Segment, offset: u64, size: u64) -> io::Result<()> {
        let file = self.file(segment)?;
        let freed = segment.bury(&file, offset..offset + size)?;
        self.taken.fetch_sub(freed, Ordering::Relaxed);
        Ok(())
    }

    /// Gives room back that readers have kept until now. Blocks.
    pub(crate) fn bury_waiting(&self, segment: &Segment) -> io::Result<()> {
        let waiting = segment.take_waiting();
        waiting.into_iter().try_for_each(|range| self.bury(segment, range.start, range.end - range.start))
    }

    /// Has the names of new segments reach the disk. Blocks.
    pub(crate) fn sync_names(&self) -> io::Result<()> {
        if !self.made.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let synced = File::open(&self.dir).and_then(|dir| dir.sync_all());
        if synced.is_err() {
            self.made.store(true, Ordering::Release);
        }
        synced
    }

    /// Removes a segment that has no live record.
    pub(crate) fn remove(&self, segment: &Segment) -> io::Result<()> {
        segment.unlink()?;
        self.forget(segment);
        Ok(())
    }

    /// The segment's file is gone.
    pub(crate) fn forget(&self, segment: &Segment) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        if table.by_id.remove(&segment.id).is_some() {
            table.slots[segment.slot as usize] = None;
            self.taken.fetch_sub(segment.on_disk(), Ordering::Relaxed);
            if segment.close() {
                self.open_files.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    fn create(&self) -> io::Result<Arc<Segment>> {
        let id = SegmentId { owner: self.owner, number: self.next_number.fetch_add(1, Ordering::Relaxed) };
        let segment = self.enter(id, |slot| Segment::create(&self.dir, id, slot))?;
        self.made.store(true, Ordering::Release);
        if self.open_files.fetch_add(1, Ordering::Relaxed) >= OPEN_FILES {
            self.close_oldest(segment.slot);
        }
        Ok(segment)
    }

    /// Gives a segment its slot. Slots are not used again: an entry of the index must never mean another segment.
    fn enter(&self, id: SegmentId, make: impl FnOnce(u32) -> io::Result<Segment>) -> io::Result<Arc<Segment>> {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(segment) = table.by_id.get(&id).and_then(|slot| table.slots[*slot as usize].clone()) {
            return Ok(segment);
        }
        let slot = u32::try_from(table.slots.len()).map_err(|_| io::ErrorKind::QuotaExceeded)?;
        let segment = Arc::new(make(slot)?);
        self.taken.fetch_add(segment.on_disk(), Ordering::Relaxed);
        table.slots.push(Some(Arc::clone(&segment)));
        table.by_id.insert(id, slot);
        Ok(segment)
    }

    fn close_oldest(&self, but: u32) {
        let all = self.all();
        let open = all.iter().filter(|segment| segment.slot != but && segment.has_file());
        let oldest = open.min_by_key(|segment| segment.turn.load(Ordering::Relaxed));
        if oldest.is_some_and(|segment| segment.close()) {
            self.open_files.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn table(&self) -> std::sync::RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn filling(&self) -> MutexGuard<'_, Option<Arc<Segment>>> {
        self.filling.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
