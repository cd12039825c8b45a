//! Reading a record: its head against the name that was asked for, its hashes, then its data piece by piece, each
//! checked before it is handed out. The same steps read from the system's memory, without waiting, or from the disk.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use hearth_host::files::{self, Ready};

use super::format::{CHUNK, Damaged, Head, Layout, gap_size};
use super::hashes::Hashes;
use super::segment::{Lease, Segment};
use crate::keys::ObjectName;

/// How much is read and handed out at once: whole chunks, small enough for a processor's cache.
pub(crate) const PIECE: usize = 4 * CHUNK;

#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("cannot read the segment")]
    Io(#[source] io::Error),
    #[error("the record is not what was stored")]
    Damaged(#[source] Damaged),
    /// Somebody has removed it meanwhile.
    #[error("the record is gone")]
    Gone,
}

impl From<Damaged> for ReadError {
    fn from(damage: Damaged) -> Self {
        Self::Damaged(damage)
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // The file was shorter than it said.
            io::ErrorKind::UnexpectedEof => Self::Damaged(Damaged),
            io::ErrorKind::NotFound => Self::Gone,
            _ => Self::Io(error),
        }
    }
}

/// Where bytes may come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// Only what the system has in memory.
    Memory,
    Disk,
}

/// What came of a step that may not have been possible without waiting.
#[derive(Debug)]
pub(crate) enum Step<T> {
    Done(T),
    WouldWait,
}

fn read(file: &File, length: u64, offset: u64, source: Source) -> Result<Step<Vec<u8>>, ReadError> {
    let length = usize::try_from(length).map_err(|_| Damaged)?;
    Ok(match source {
        Source::Disk => Step::Done(files::read_at(file, length, offset)?),
        Source::Memory => match files::read_cached_at(file, length, offset)? {
            Ready::Here(bytes) => Step::Done(bytes),
            Ready::WouldWait => Step::WouldWait,
        },
    })
}

macro_rules! step {
    ($read:expr) => {
        match $read? {
            Step::Done(bytes) => bytes,
            Step::WouldWait => return Ok(Step::WouldWait),
        }
    };
}

/// Where a record lies.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) name: ObjectName,
    pub(crate) segment: Arc<Segment>,
    pub(crate) offset: u64,
    pub(crate) layout: Layout,
}

impl Record {
    /// Reads and checks the head.
    pub(crate) fn head(&self, file: &File, source: Source) -> Result<Step<Head>, ReadError> {
        let bytes = step!(read(file, self.layout.head, self.offset, source));
        self.check(&bytes).map(Step::Done)
    }

    /// Reads and checks the hashes.
    pub(crate) fn hashes(&self, file: &File, source: Source) -> Result<Step<Hashes>, ReadError> {
        let tail = step!(read(file, self.layout.tail(), self.offset + self.layout.hashes_at(), source));
        Ok(Step::Done(Hashes::decode(&tail, self.layout.length)?))
    }

    fn check(&self, bytes: &[u8]) -> Result<Head, ReadError> {
        if gap_size(bytes).is_some() {
            return Err(ReadError::Gone);
        }
        let head = Head::decode(bytes)?;
        if head.name == self.name && head.layout() == self.layout { Ok(head) } else { Err(Damaged.into()) }
    }

    /// All of it, checked. Blocks.
    pub(crate) fn whole(&self, file: &File) -> Result<(Head, Hashes, Vec<u8>), ReadError> {
        let length = usize::try_from(self.layout.size()).map_err(|_| Damaged)?;
        let bytes = files::read_at(file, length, self.offset)?;
        let (before_tail, tail) = bytes.split_at(bytes.len() - self.tail_size()?);
        let head = self.check(before_tail)?;
        let hashes = Hashes::decode(tail, self.layout.length)?;
        hashes.verify(self.name, 0, &before_tail[usize::try_from(self.layout.head).map_err(|_| Damaged)?..])?;
        Ok((head, hashes, bytes))
    }

    /// Opens the record for `wanted` of its data and checks the first piece of it.
    pub(crate) fn open(
        &self,
        file: &Arc<File>,
        wanted: Range<u64>,
        source: Source,
    ) -> Result<Step<(Head, RecordReader, Bytes)>, ReadError> {
        let (head, hashes) = if self.layout.length <= PIECE as u64 {
            // One read for everything.
            let bytes = step!(read(file, self.layout.size(), self.offset, source));
            let (before_tail, tail) = bytes.split_at(bytes.len() - self.tail_size()?);
            let head = self.check(before_tail)?;
            let hashes = Hashes::decode(tail, self.layout.length)?;
            let from = usize::try_from(self.layout.head).map_err(|_| Damaged)?;
            let data = &before_tail[from..];
            hashes.verify(self.name, 0, data)?;
            let end = from + data.len();
            let (first, last) = (offset_in(wanted.start, data.len()), offset_in(wanted.end, data.len()));
            let piece = Bytes::from(bytes).slice(from..end).slice(first..last.max(first));
            return Ok(Step::Done((head, RecordReader { rest: None }, piece)));
        } else {
            (step!(self.head(file, source)), step!(self.hashes(file, source)))
        };
        let lease = self.segment.lease(self.offset);
        let end = wanted.end.min(self.layout.length);
        let next = wanted.start.min(end);
        let rest = Rest { record: self.clone(), file: Arc::clone(file), hashes, next, end, _lease: lease };
        let mut reader = RecordReader { rest: Some(rest) };
        let piece = step!(reader.next(source));
        Ok(Step::Done((head, reader, piece)))
    }

    fn tail_size(&self) -> Result<usize, Damaged> {
        usize::try_from(self.layout.tail()).map_err(|_| Damaged)
    }
}

fn offset_in(at: u64, length: usize) -> usize {
    usize::try_from(at).map_or(length, |at| at.min(length))
}

/// A record that is being read. One that met damage must not be read on.
#[derive(Debug)]
pub(crate) struct RecordReader {
    /// `None` when everything was handed out.
    rest: Option<Rest>,
}

#[derive(Debug)]
struct Rest {
    record: Record,
    file: Arc<File>,
    hashes: Hashes,
    /// The next byte to hand out.
    next: u64,
    end: u64,
    _lease: Lease,
}

impl RecordReader {
    pub(crate) fn is_done(&self) -> bool {
        self.rest.is_none()
    }

    /// The next checked bytes; empty at the end. Reads whole chunks, whatever part of them is wanted.
    pub(crate) fn next(&mut self, source: Source) -> Result<Step<Bytes>, ReadError> {
        let Some(Rest { record, file, hashes, next, end, .. }) = &mut self.rest else {
            return Ok(Step::Done(Bytes::new()));
        };
        let chunk = *next / CHUNK as u64;
        let from = chunk * CHUNK as u64;
        // The last piece is not longer than needed, but ends at a chunk's end, or the object's.
        let to = (from + PIECE as u64).min(end.next_multiple_of(CHUNK as u64)).min(record.layout.length);
        let data = step!(read(file, to.saturating_sub(from), record.offset + record.layout.head + from, source));
        hashes.verify(record.name, usize::try_from(chunk).map_err(|_| Damaged)?, &data)?;
        let skip = offset_in(*next - from, data.len());
        let keep = offset_in(*end - from, data.len());
        *next = to.min(*end);
        if *next == *end {
            self.rest = None;
        }
        Ok(Step::Done(Bytes::from(data).slice(skip..keep.max(skip))))
    }
}
