//! Reads everything on disk now and then and checks it, so that damage is found before somebody needs the object, and at
//! a rate that nobody notices.

use std::sync::Arc;
use std::time::Duration;

use crate::index::Entry;
use crate::segments::{ReadError, Record, Source, Step};
use crate::store::Store;

/// Even a small cache is checked in steps of at least this many bytes.
const STEP: u64 = 1 << 20;

/// How far a pass has come.
#[derive(Debug, Default)]
pub(super) struct Scrub {
    /// The next segment, by its slot.
    slot: u32,
    /// Records of the segment that is being checked.
    waiting: Vec<Entry>,
}

impl Scrub {
    /// Checks as much as belongs to this stretch of time.
    pub(super) async fn go_on(&mut self, store: &Arc<Store>, time: Duration) {
        let pass = store.config.limits.scrub.as_secs_f64().max(1.0);
        let share = store.book.shelf.on_disk() as f64 * time.as_secs_f64() / pass;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of the bytes on a disk")]
        let mut left = STEP.max(share as u64);
        while let Some(entry) = self.next(store) {
            let of = Arc::clone(store);
            let size = entry.size();
            if store.disk.at_leisure(move || check(&of, &entry)).await.is_none() || size >= left {
                return;
            }
            left -= size;
        }
    }

    /// `None` at the end of a pass; the next one begins from the front.
    fn next(&mut self, store: &Store) -> Option<Entry> {
        let end = store.book.shelf.slots();
        while self.waiting.is_empty() && self.slot < end {
            self.waiting = store.book.index.in_segment(self.slot);
            // Taken from the end.
            self.waiting.sort_by_key(|entry| std::cmp::Reverse(entry.place().offset));
            self.slot += 1;
        }
        let next = self.waiting.pop();
        if next.is_none() {
            self.slot = 0;
        }
        next
    }
}

/// What came of a look at a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Checked {
    /// It is what was stored, or was removed or moved meanwhile.
    Good,
    /// It cannot be read, for this reason.
    Damaged(String),
}

/// Reads a whole object. A damaged one is removed. Blocks.
pub(crate) fn check(store: &Store, entry: &Entry) -> Checked {
    let read = || -> Result<(), ReadError> {
        let record = store.book.record(entry).ok_or(ReadError::Gone)?;
        verify(&record, store)
    };
    store.counts.scrubbed.one();
    store.counts.scrubbed_bytes.add(entry.size());
    let Err(error) = read() else { return Checked::Good };
    // What was removed while it was read is no damage, and what was moved is read where it lies now.
    let lies_there = store.book.index.get(entry.name()).is_some_and(|now| now.place() == entry.place());
    match store.unreadable(entry, &error) {
        Some(now) => check(store, &now),
        None if lies_there => Checked::Damaged(error.to_string()),
        None => Checked::Good,
    }
}

/// Reads a record piece by piece. Blocks.
fn verify(record: &Record, store: &Store) -> Result<(), ReadError> {
    let file = store.book.shelf.file(&record.segment)?;
    let Step::Done((_, mut reader, _)) = record.open(&file, 0..record.layout.length, Source::Disk)? else {
        return Ok(());
    };
    while !reader.is_done() {
        reader.next(Source::Disk)?;
    }
    Ok(())
}
