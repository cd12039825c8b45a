//! What a node has counted since it was opened. Metrics and status are read from here and from nowhere else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::eviction::Evictions;
use crate::reads::Nothing;
use crate::uploads::Taken;

/// One number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn one(&self) {
        self.add(1);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Bytes of objects over the network, without heads.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) received: Count,
    pub(crate) sent: Count,
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) hits: Count,
    /// Hits that the memory tier answered; they are among `hits`.
    pub(crate) memory_hits: Count,
    pub(crate) misses: Count,
    /// Reads that the disk did not answer in time; they are among `misses`.
    pub(crate) slow_reads: Count,
    pub(crate) stored: Count,
    /// The same bytes were there already.
    pub(crate) duplicate: Count,
    /// Other bytes were there already: a compiler that is not reproducible, or somebody who poisons.
    pub(crate) divergent: Count,
    /// Writes that the job had no right or no quota for.
    pub(crate) discarded: Count,
    /// Writes for which there was no quota left; they are among `discarded`.
    pub(crate) over_quota: Count,
    /// Writes below a key of sccache's that are nothing that it makes.
    pub(crate) malformed: Count,
    pub(crate) too_large: Count,
    pub(crate) no_room: Count,
    pub(crate) slow_writes: Count,
    pub(crate) aborted: Count,
    /// Requests without a token that is good here.
    pub(crate) refused: Count,
    /// Requests of callers who asked faster than they may; they are among `misses` and `discarded`.
    pub(crate) too_fast: Count,
    /// Lines of the audit log that did not fit into its queue, or that the disk did not take.
    pub(crate) audit_lost: Arc<Count>,
    pub(crate) corrupt: Count,
    /// Records that were checked without anybody asking for them, and their bytes.
    pub(crate) scrubbed: Count,
    pub(crate) scrubbed_bytes: Count,
    /// Segments that were emptied to give their dead room back, and bytes that had to be copied for it.
    pub(crate) compacted: Count,
    pub(crate) compacted_bytes: Count,
    pub(crate) evictions: Evictions,
}

impl Counts {
    /// The count of what became of a write.
    pub(crate) fn of_write(&self, taken: Taken) -> &Count {
        match taken {
            Taken::Stored => &self.stored,
            Taken::Duplicate => &self.duplicate,
            Taken::Divergent => &self.divergent,
            Taken::Discarded => &self.discarded,
            Taken::Malformed => &self.malformed,
            Taken::TooLarge => &self.too_large,
            Taken::NoRoom => &self.no_room,
            Taken::TooSlow => &self.slow_writes,
            Taken::Aborted => &self.aborted,
        }
    }

    /// Counts what came of a read, and leaves what was found.
    pub(crate) fn read<T>(&self, found: Result<T, Nothing>) -> Option<T> {
        match found {
            Ok(_) => self.hits.one(),
            Err(Nothing::Absent) => self.misses.one(),
            Err(Nothing::TooSlow) => {
                self.misses.one();
                self.slow_reads.one();
            }
        }
        found.ok()
    }
}
