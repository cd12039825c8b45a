//! Everything a node keeps, in one place: files, index, memory, counts, clock. Owns the rules that tie them together:
//! an object that goes, goes everywhere; an object that is read is touched; space is asked for before it is used.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hearth_model::{Bytes, Clock, Timestamp};
use tokio::sync::Notify;
use tracing::warn;

use crate::access::{Accounts, Caller, OverQuota};
use crate::blobs::{BlobFiles, ReadError, VerifiedReader};
use crate::config::NodeConfig;
use crate::counts::{Counts, Traffic};
use crate::disk::Disk;
use crate::error::NodeError;
use crate::eviction::Watermarks;
use crate::index::{Index, Note, Reservation};
use crate::keys::ObjectName;
use crate::memory::Memory;

#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) config: NodeConfig,
    pub(crate) files: BlobFiles,
    pub(crate) index: Index,
    pub(crate) memory: Memory,
    pub(crate) disk: Disk,
    pub(crate) counts: Counts,
    pub(crate) traffic: Arc<Traffic>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) marks: Watermarks,
    /// Rung when somebody needs room.
    pub(crate) eviction_bell: Notify,
    wanted: AtomicU64,
    accounts: Accounts,
}

impl Store {
    pub(crate) fn open(config: NodeConfig, clock: Arc<dyn Clock>) -> Result<Self, NodeError> {
        let files = BlobFiles::open(&config.root, config.ownership)?;
        Ok(Self {
            files,
            index: Index::default(),
            memory: Memory::new(config.memory),
            disk: Disk::default(),
            counts: Counts::default(),
            traffic: Arc::default(),
            marks: Watermarks::of(config.budget),
            eviction_bell: Notify::new(),
            wanted: AtomicU64::new(0),
            accounts: Accounts::default(),
            clock,
            config,
        })
    }

    /// Opens the first of `names` that holds a good object. Blocks.
    pub(crate) fn open_first(&self, names: &[ObjectName]) -> Option<(ObjectName, VerifiedReader)> {
        names.iter().find_map(|name| {
            let opened = match self.files.open_object(*name) {
                Ok(Some(file)) => VerifiedReader::open(file, *name),
                Ok(None) => {
                    // Somebody removed the file behind our back.
                    self.index.remove(*name);
                    return None;
                }
                Err(cause) => Err(ReadError::Io(cause)),
            };
            match opened {
                Ok(reader) => Some((*name, reader)),
                Err(error) => {
                    self.unreadable(*name, &error);
                    None
                }
            }
        })
    }

    /// A damaged object is removed, so that the next build stores a good one. Blocks.
    pub(crate) fn unreadable(&self, name: ObjectName, error: &ReadError) {
        let object = name.to_hex();
        match error {
            ReadError::Damaged(_) => {
                self.counts.corrupt.one();
                warn!(cache.object = %object, "removed a damaged object");
                if let Err(error) = self.remove(name) {
                    warn!(cache.object = %object, error = %error, "cannot remove a damaged object");
                }
            }
            ReadError::Io(cause) => warn!(cache.object = %object, error = %cause, "cannot read an object"),
        }
    }

    /// Blocks.
    pub(crate) fn remove(&self, name: ObjectName) -> io::Result<()> {
        self.memory.remove(name);
        self.files.remove(name)?;
        self.index.remove(name);
        Ok(())
    }

    /// An object was put in place.
    pub(crate) fn filed(&self, name: ObjectName, file_size: u64, now: Timestamp) {
        self.memory.remove(name);
        self.index.insert(name, file_size, now);
        if self.index.bytes() > self.marks.high {
            self.eviction_bell.notify_one();
        }
    }

    /// Notes that an object was read; says whether the disk should be told.
    pub(crate) fn touch(&self, name: ObjectName) -> Note {
        self.index.touch(name, self.clock.now(), self.config.limits.touch)
    }

    /// Blocks.
    pub(crate) fn note_use(&self, name: ObjectName) {
        if let Err(error) = self.files.note_use(name, self.clock.now())
            && error.kind() != io::ErrorKind::NotFound
        {
            warn!(cache.object = %name.to_hex(), error = %error, "cannot note the use of an object");
        }
    }

    /// Sets space aside within the budget.
    pub(crate) fn reserve(&self, file_size: u64) -> Option<Reservation<'_>> {
        self.index.reserve(file_size, self.config.budget)
    }

    /// An upload found no room. It is declined, but the next one should find some.
    pub(crate) fn ask_for_room(&self, file_size: u64) {
        self.wanted.fetch_max(file_size, Ordering::Relaxed);
        self.eviction_bell.notify_one();
    }

    /// The biggest upload that found no room since the last call.
    pub(crate) fn take_wanted(&self) -> Bytes {
        Bytes(self.wanted.swap(0, Ordering::Relaxed))
    }

    /// What the file system lacks so that `more` bytes fit beside the reserve. Blocks.
    pub(crate) fn short_of(&self, more: u64) -> io::Result<Bytes> {
        let wanted = Bytes(self.config.free_reserve.0.saturating_add(more));
        Ok(wanted.saturating_sub(self.files.available()?))
    }

    /// Takes `length` from what the caller may still write.
    pub(crate) fn take_allowance(&self, caller: &Caller, length: u64) -> Result<(), OverQuota> {
        let Some(quota) = caller.quota else { return Ok(()) };
        self.accounts.take(caller.writer, quota, length, self.clock.now())
    }
}
