//! The store's bytes: append-only segment files of checked records.

mod format;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod hashes;
mod reader;
mod segment;
mod shelf;
mod walk;

pub(crate) use format::{Damaged, Fields, Head, Layout, MAX_ATTRIBUTES};
pub(crate) use hashes::{ChunkHasher, Hashes};
pub(crate) use reader::{PIECE, ReadError, Record, RecordReader, Source, Step};
pub(crate) use segment::{Segment, SegmentId};
pub(crate) use shelf::{Room, SOLE, Shelf};
pub(crate) use walk::Walk;
