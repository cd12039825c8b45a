//! Going through a segment from record to record, by their heads alone.

use std::fs::File;
use std::io;
use std::sync::Arc;

use hearth_host::files;

use super::format::{Head, PREAMBLE, gap_size, preamble};
use super::reader::Record;
use super::segment::Segment;

/// What a head and most small records fit in.
const FIRST_LOOK: u64 = 4096;

/// A walk through one segment. It ends at the first head that is none: what lies behind it cannot be found, because to
/// search for a head would be to believe what a client has written.
#[derive(Debug)]
pub(crate) struct Walk {
    segment: Arc<Segment>,
    file: Arc<File>,
    next: u64,
    end: u64,
}

impl Walk {
    /// `None` when the file is no segment of ours, or not this one. Blocks.
    pub(crate) fn begin(segment: Arc<Segment>, file: Arc<File>) -> io::Result<Option<Self>> {
        let end = file.metadata()?.len();
        if end < PREAMBLE || files::read_at(&file, preamble(0).len(), 0)? != preamble(segment.id.to_u64()) {
            return Ok(None);
        }
        Ok(Some(Self { segment, file, next: PREAMBLE, end }))
    }

    /// Blocks.
    pub(crate) fn next(&mut self) -> io::Result<Option<(Record, Head)>> {
        let (mut bytes, mut offset);
        loop {
            offset = self.next;
            bytes = self.look(offset, FIRST_LOOK)?;
            match gap_size(&bytes).filter(|size| *size > 0).and_then(|size| offset.checked_add(size)) {
                Some(next) => self.next = next,
                None => break,
            }
        }
        let Ok(size) = Head::size_of(&bytes) else { return Ok(None) };
        if size > bytes.len() {
            bytes = self.look(offset, size as u64)?;
        }
        let Ok(head) = Head::decode(&bytes) else { return Ok(None) };
        let layout = head.layout();
        let Some(end) = layout.checked_size().and_then(|size| offset.checked_add(size)) else { return Ok(None) };
        self.next = end;
        if end > self.end {
            // Its end was never written.
            return Ok(None);
        }
        let record = Record { name: head.name, segment: Arc::clone(&self.segment), offset, layout };
        Ok(Some((record, head)))
    }

    fn look(&self, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        let available = self.end.saturating_sub(offset).min(length);
        files::read_at(&self.file, usize::try_from(available).map_err(io::Error::other)?, offset)
    }
}
