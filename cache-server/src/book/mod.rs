//! Segments, index and logs, and what holds between them: a record counts as alive in its segment exactly while the index
//! has it; a segment without live records goes; what others write to the same directory is learned from their logs. Used
//! by the appender and by everything that reads and removes.

mod learned;
mod rivals;

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hearth_host::lock::FileLock;
use hearth_model::{Bytes, WriterId};
use tokio::sync::Notify;
use tracing::warn;

use self::rivals::Rivals;
use crate::appender::Ready;
use crate::config::{Durability, NodeConfig, Ownership};
use crate::error::NodeError;
use crate::health::Health;
use crate::index::{Added, Entry, Fact, Index, Logs, Place, Site};
use crate::keys::ObjectName;
use crate::segments::{Hashes, ReadError, Record, SOLE, Segment, Shelf, Source, Step};

/// The biggest segment of many records, and the smallest.
const FULL: Bytes = Bytes::mib(256);
const SMALL: Bytes = Bytes(2 * SOLE);
/// A directory's budget is at least this many segments.
const SEGMENTS: u64 = 64;

#[derive(Debug)]
pub(crate) struct Book {
    pub(crate) shelf: Shelf,
    pub(crate) index: Index,
    pub(crate) logs: Logs,
    pub(crate) durability: Durability,
    pub(crate) health: Health,
    /// Rung when something was written that is not synced.
    pub(crate) unsynced: Notify,
    unsaved: Mutex<Unsaved>,
    /// Held during a sync: whoever comes meanwhile may count on what they wrote only after it.
    syncing: Mutex<()>,
    /// Removals of records that no log has told of yet: logs are read in any order.
    removed: Mutex<HashSet<Site>>,
    rivals: Mutex<Rivals>,
    /// Nobody else writes to the directory.
    alone: AtomicBool,
    locks: Locks,
    root: PathBuf,
    /// How much of the file system is left to others.
    free_reserve: Bytes,
}

/// What was written and has not surely reached the disk.
#[derive(Debug, Default)]
struct Unsaved {
    segments: HashMap<u32, Arc<Segment>>,
    /// Since when there is any.
    since: Option<Instant>,
    /// The same of what is being synced.
    syncing_since: Option<Instant>,
}

#[derive(Debug)]
struct Locks {
    /// Two nodes that both keep accounts would undo each other's.
    _house: Option<FileLock>,
    /// Of all that write.
    writers: Mutex<Option<FileLock>>,
    path: PathBuf,
}

impl Book {
    /// Makes the directories and takes the locks. Jobs that share the directory keep nobody from opening it.
    pub(crate) fn open(config: &NodeConfig) -> Result<Self, NodeError> {
        let root = &config.root;
        let at = |path: &Path| {
            let path = path.to_owned();
            move |cause| NodeError::Directory { path, cause }
        };
        std::fs::create_dir_all(root).map_err(at(root))?;
        let (house_path, lock_path) = (root.join("house"), root.join("lock"));
        let in_use = || NodeError::InUse { path: root.clone() };
        let (house, writers) = match config.ownership {
            Ownership::Alone => {
                let house = FileLock::try_exclusive(&house_path).map_err(at(&house_path))?.ok_or_else(in_use)?;
                (Some(house), FileLock::try_exclusive(&lock_path).map_err(at(&lock_path))?)
            }
            Ownership::Shared => {
                let lock = FileLock::try_shared(&lock_path).map_err(at(&lock_path))?;
                (None, Some(lock.ok_or_else(in_use)?))
            }
        };
        let alone = config.ownership == Ownership::Alone && writers.is_some();
        let owner = getrandom::u32().map_err(|error| at(root)(io::Error::other(error)))?;
        let full = Bytes((config.budget.0 / SEGMENTS).clamp(SMALL.0, FULL.0));
        let (segments, logs) = (root.join("segments"), root.join("log"));
        Ok(Self {
            shelf: Shelf::open(segments.clone(), owner, full).map_err(at(&segments))?,
            index: Index::default(),
            logs: Logs::open(logs.clone(), owner).map_err(at(&logs))?,
            durability: config.durability,
            health: Health::default(),
            unsynced: Notify::new(),
            unsaved: Mutex::default(),
            syncing: Mutex::default(),
            removed: Mutex::default(),
            rivals: Mutex::default(),
            alone: AtomicBool::new(alone),
            locks: Locks { _house: house, writers: Mutex::new(writers), path: lock_path },
            root: root.clone(),
            free_reserve: config.free_reserve,
        })
    }

    /// Whether nobody shares the directory with the node that keeps it; once that is so, it stays so.
    pub(crate) fn be_alone(&self) -> io::Result<bool> {
        let mut writers = lock(&self.locks.writers);
        if writers.is_none() {
            *writers = FileLock::try_exclusive(&self.locks.path)?;
            if writers.is_some() {
                drop(writers);
                // What the others wrote last.
                self.learn_from_others();
                self.settle_all();
                self.alone.store(true, Ordering::Release);
            }
        }
        Ok(self.is_alone())
    }

    pub(crate) fn is_alone(&self) -> bool {
        self.alone.load(Ordering::Acquire)
    }

    /// What the file system lacks so that `more` bytes fit beside the reserve. Blocks.
    pub(crate) fn short_of(&self, more: u64) -> io::Result<Bytes> {
        let wanted = Bytes(self.free_reserve.0.saturating_add(more));
        Ok(wanted.saturating_sub(hearth_host::space::of(&self.root)?.available))
    }

    /// Whether the directory is there at all: a disk that is not mounted has lost nothing. Blocks.
    pub(crate) fn is_there(&self) -> bool {
        self.locks.path.exists()
    }

    /// Where a place is, as a log says it.
    pub(crate) fn site(&self, place: Place) -> Option<Site> {
        let segment = self.shelf.get(place.slot)?;
        Some(Site { segment: segment.id, offset: place.offset })
    }

    /// The record of an object.
    pub(crate) fn record(&self, entry: &Entry) -> Option<Record> {
        let place = entry.place();
        let segment = self.shelf.get(place.slot)?;
        Some(Record { name: entry.name(), segment, offset: u64::from(place.offset), layout: place.layout })
    }

    /// Who stored the object, how long it is, and its hashes, without its data. Blocks.
    pub(crate) fn read_proof(&self, entry: &Entry) -> Result<(WriterId, u64, Hashes), ReadError> {
        let record = self.record(entry).ok_or(ReadError::Gone)?;
        let file = self.shelf.file(&record.segment)?;
        match (record.head(&file, Source::Disk)?, record.hashes(&file, Source::Disk)?) {
            (Step::Done(head), Step::Done(hashes)) => Ok((head.writer, head.length, hashes)),
            _ => Err(ReadError::Gone),
        }
    }

    /// What the name holds: who stored it, and whether the bytes are the same. `None` when nothing good is there. Blocks.
    pub(crate) fn compare(&self, ready: &Ready) -> Option<(WriterId, bool)> {
        let Added { name, layout, .. } = ready.added;
        let entry = self.index.get(name)?;
        match self.read_proof(&entry) {
            Ok((writer, length, hashes)) => Some((writer, length == layout.length && hashes == ready.hashes)),
            Err(error) => {
                // What cannot be read does not keep others from storing.
                warn!(cache.object = %name.to_hex(), error = %error, "replaced an unreadable object");
                self.remove(name, Some(entry.place()));
                None
            }
        }
    }

    /// Takes an object out of the index and writes that down. Only for the appender's thread. Blocks.
    fn remove(&self, name: ObjectName, place: Option<Place>) {
        let Some(entry) = self.index.remove(name, place) else { return };
        let place = entry.place();
        if let Some(site) = self.site(place) {
            self.write_down(&Fact::Removed { site, name });
        }
        self.lost(place);
    }

    /// A record that the log has, and nobody may have. Only for the appender's thread. Blocks.
    pub(crate) fn deny(&self, added: &Added) {
        self.write_down(&Fact::Removed { site: added.site, name: added.name });
    }

    fn write_down(&self, fact: &Fact) {
        let mut bytes = Vec::new();
        fact.encode(&mut bytes);
        if let Err(error) = self.logs.append_surely(&bytes) {
            warn!(error = %error, "cannot write to the index log yet");
        }
    }

    /// The record at `place` counts no more. Its room comes back as far as possible. Blocks.
    pub(crate) fn lost(&self, place: Place) {
        let Some(segment) = self.shelf.get(place.slot) else { return };
        segment.lose(place.layout.size());
        let result = if self.is_alone() && segment.is_spent() {
            self.remove_segment(&segment)
        } else {
            self.shelf.bury(&segment, u64::from(place.offset), place.layout.size())
        };
        match result {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.shelf.forget(&segment),
            Err(error) => warn!(cache.segment = %segment.id, error = %error, "cannot give room back"),
            Ok(()) => {}
        }
    }

    /// Removes a segment that has no live record. Blocks.
    pub(crate) fn remove_segment(&self, segment: &Segment) -> io::Result<()> {
        lock(&self.unsaved).segments.remove(&segment.slot);
        self.shelf.remove(segment)
    }

    /// These bytes are in their segment, as far as the system knows. To be said after they were written: a sync that began
    /// before may have missed them.
    pub(crate) fn touched(&self, segment: &Arc<Segment>) {
        let mut unsaved = lock(&self.unsaved);
        unsaved.segments.insert(segment.slot, Arc::clone(segment));
        unsaved.since.get_or_insert_with(Instant::now);
    }

    /// For how long something that was stored has been waiting to reach the disk.
    pub(crate) fn unsynced_for(&self) -> Option<Duration> {
        let unsaved = lock(&self.unsaved);
        let since = unsaved.syncing_since.or(unsaved.since).filter(|_| self.durability != Durability::None);
        since.map(|since| since.elapsed())
    }

    /// Something was written.
    pub(crate) fn written(&self) {
        if self.durability == Durability::Batch {
            self.unsynced.notify_one();
        }
    }

    /// Whether a fact is of a record that may yet get the name.
    pub(crate) fn is_rival(&self, added: &Added) -> bool {
        lock(&self.rivals).has(added.name, added.site)
    }

    /// A record lies elsewhere, or is gone; its old room comes back with its whole segment, once a copy is on disk.
    pub(crate) fn moved(&self, from: Place) {
        if let Some(segment) = self.shelf.get(from.slot) {
            segment.lose(from.layout.size());
        }
    }

    /// Has everything that was written reach the disk: first the bytes, then the log that tells of them. Blocks.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let _one_at_a_time = lock(&self.syncing);
        let segments = {
            let mut unsaved = lock(&self.unsaved);
            unsaved.syncing_since = unsaved.since.take();
            std::mem::take(&mut unsaved.segments)
        };
        let synced = self.sync_segments(&segments).and_then(|()| self.logs.sync());
        let mut unsaved = lock(&self.unsaved);
        let since = unsaved.syncing_since.take();
        match &synced {
            Ok(()) => self.health.syncs.succeeded(),
            // Somebody will try again.
            Err(error) => {
                self.health.syncs.failed(error);
                unsaved.segments.extend(segments);
                unsaved.since = since.or(unsaved.since);
            }
        }
        synced
    }

    fn sync_segments(&self, segments: &HashMap<u32, Arc<Segment>>) -> io::Result<()> {
        for segment in segments.values() {
            match self.shelf.file(segment).and_then(|file| file.sync_data()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.shelf.sync_names()
    }
}

/// What is behind these locks is sound after every statement, so a poisoned one is as good as a whole one.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
