//! An object that is being written. Small ones are collected in memory and handed to the appender whole; bigger ones
//! stream into room that was set aside for them, and count once they are; those of unknown length go to a file aside
//! until it is known. What is dropped before its end leaves nothing behind but room that is given back.

use std::fs::File;
use std::io::{self, IoSlice};
use std::sync::Arc;

use bytes::Bytes;
use hearth_host::files;
use hearth_model::{Timestamp, WriterId};

use super::aside::Aside;
use crate::appender::Ready;
use crate::index::{Added, Site};
use crate::keys::{Address, ObjectName};
use crate::segments::{ChunkHasher, Hashes, Head, Layout, MAX_ATTRIBUTES, Room, SegmentId};
use crate::store::Store;

/// Objects up to this size are collected in memory.
const SMALL: u64 = 256 * 1024;

/// Realm and scope together are no longer.
const MAX_SPACE: usize = 2048;

/// What somebody wants to store.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    pub(crate) address: Address,
    /// `None` when only the end will tell.
    pub(crate) length: Option<u64>,
    pub(crate) writer: WriterId,
    /// What the dialect wants to know again: at most 2 KiB without control characters.
    pub(crate) attributes: Box<str>,
    /// How long it took to make; 0 when nobody knows.
    pub(crate) cost_ms: u32,
    /// When it was stored first, where another node says so; else it is now. What is taken back by time is found by this.
    pub(crate) stored_at: Option<Timestamp>,
}

impl Offer {
    /// Whether its texts fit into a record.
    pub(super) fn is_writable(&self) -> bool {
        let Address { space, .. } = &self.address;
        let texts = space.realm.len() + space.scope.to_string().len();
        texts <= MAX_SPACE && self.attributes.len() <= MAX_ATTRIBUTES && !self.attributes.chars().any(char::is_control)
    }
}

#[derive(Debug)]
pub(super) struct Draft {
    store: Arc<Store>,
    offer: Offer,
    name: ObjectName,
    stored_at: Timestamp,
    hasher: ChunkHasher,
    target: Target,
}

#[derive(Debug)]
enum Target {
    Memory(Vec<Bytes>),
    Room(Claim),
    /// The name is taken: only what the bytes are is of interest.
    Nowhere,
    Aside(Aside),
}

/// A whole object, ready for the appender.
#[derive(Debug)]
pub(super) enum Whole {
    Record { ready: Box<Ready>, record: Vec<Bytes> },
    InRoom { ready: Box<Ready>, claim: Claim },
    Known { ready: Box<Ready> },
}

impl Draft {
    /// Whether an object of this length is collected in memory, so that beginning and writing take no disk.
    pub(super) fn is_small(length: Option<u64>) -> bool {
        length.is_some_and(|length| length <= SMALL)
    }

    /// Blocks, unless the object is small.
    pub(super) fn begin(store: &Arc<Store>, offer: Offer) -> io::Result<Self> {
        let (name, now) = (offer.address.name(), store.clock.now());
        let mut draft = Self {
            store: Arc::clone(store),
            name,
            stored_at: offer.stored_at.map_or(now, |at| at.min(now)),
            hasher: ChunkHasher::new(name),
            target: Target::Memory(Vec::new()),
            offer,
        };
        if Self::is_small(draft.offer.length) {
            return Ok(draft);
        }
        draft.target = if Self::is_taken(store, name) {
            Target::Nowhere
        } else if let Some(length) = draft.offer.length {
            Target::Room(draft.claim(length)?)
        } else {
            Target::Aside(Aside::open(store)?)
        };
        Ok(draft)
    }

    /// Whether a good object has the name. A damaged one is removed, or these bytes would be compared with nothing. Blocks.
    fn is_taken(store: &Store, name: ObjectName) -> bool {
        let Some(entry) = store.book.index.get(name) else { return false };
        match store.book.read_proof(&entry) {
            Ok(_) => true,
            Err(error) => store.unreadable(&entry, &error).is_some(),
        }
    }

    /// Blocks, unless the object is small.
    pub(super) fn write(&mut self, pieces: &[Bytes]) -> io::Result<()> {
        let at = self.hasher.length();
        for piece in pieces {
            self.hasher.update(piece);
        }
        let mut buffers: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        match &mut self.target {
            Target::Memory(held) => held.extend_from_slice(pieces),
            Target::Room(claim) => files::write_all_at(&claim.file, &mut buffers, claim.data_at + at)?,
            Target::Nowhere => {}
            Target::Aside(aside) => files::write_all_at(&aside.file, &mut buffers, at)?,
        }
        Ok(())
    }

    /// Blocks, unless the object is small.
    pub(super) fn finish(mut self) -> io::Result<Whole> {
        let length = self.hasher.length();
        let hasher = std::mem::replace(&mut self.hasher, ChunkHasher::new(self.name));
        let target = match std::mem::replace(&mut self.target, Target::Nowhere) {
            Target::Aside(aside) if length <= SMALL => Target::Memory(vec![aside.read(length)?.into()]),
            Target::Aside(aside) => {
                let claim = self.claim(length)?;
                aside.copy(length, &claim.file, claim.data_at)?;
                Target::Room(claim)
            }
            other => other,
        };
        let head = self.head(length);
        // What was stored elsewhere long ago is wanted here now.
        let used_at = self.store.clock.now();
        let hashes = hasher.finish();
        Ok(match target {
            Target::Memory(pieces) => {
                let mut record = vec![Bytes::from(head.encode())];
                record.extend(pieces.into_iter().filter(|piece| !piece.is_empty()));
                record.push(hashes.encode(length).into());
                Whole::Record { ready: Self::ready(head, used_at, hashes), record }
            }
            Target::Room(claim) => {
                let tail = hashes.encode(length);
                files::write_all_at(&claim.file, &mut [IoSlice::new(&tail)], claim.data_at + length)?;
                Whole::InRoom { ready: Self::ready(head, used_at, hashes), claim }
            }
            Target::Nowhere | Target::Aside(_) => Whole::Known { ready: Self::ready(head, used_at, hashes) },
        })
    }

    /// Sets room aside and writes the record's head.
    fn claim(&self, length: u64) -> io::Result<Claim> {
        let head = self.head(length);
        let layout = head.layout();
        let book = &self.store.book;
        if book.short_of(layout.size())?.0 > 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let room = book.shelf.room(layout.size())?;
        let file = book.shelf.file(&room.segment)?;
        let (offset, data_at) = (room.offset, room.offset + layout.head);
        let claim = Claim { store: Arc::clone(&self.store), file, data_at, room: Some(room) };
        files::write_all_at(&claim.file, &mut [IoSlice::new(&head.encode())], offset)?;
        Ok(claim)
    }

    fn head(&self, length: u64) -> Head {
        let Offer { address, writer, attributes, cost_ms, .. } = self.offer.clone();
        Head { length, name: self.name, address, writer, stored_at: self.stored_at, cost_ms, attributes }
    }

    fn ready(head: Head, used_at: Timestamp, hashes: Hashes) -> Box<Ready> {
        let layout: Layout = head.layout();
        let Head { name, address, writer, stored_at, cost_ms, .. } = head;
        // Where it lies is for the appender to say.
        let site = Site { segment: SegmentId { owner: 0, number: 0 }, offset: 0 };
        let pinned = false;
        Box::new(Ready {
            added: Added { site, layout, name, address, writer, stored_at, used_at, cost_ms, pinned },
            hashes,
        })
    }
}

/// Room in a segment that belongs to one upload, and is given back unless the record in it was filed.
#[derive(Debug)]
pub(super) struct Claim {
    store: Arc<Store>,
    file: Arc<File>,
    /// Where the data begin in the segment.
    data_at: u64,
    room: Option<Room>,
}

impl Claim {
    pub(super) fn into_room(mut self) -> Option<Room> {
        self.room.take()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let Some(room) = self.room.take() else { return };
        let book = Arc::clone(&self.store.book);
        // With the disk too busy even for that, it stays as dead bytes, which compaction finds.
        self.store.disk.if_idle(move || {
            if let Err(error) = book.shelf.give_back(&room) {
                tracing::warn!(error = %error, "cannot give room in a segment back");
            }
        });
    }
}
