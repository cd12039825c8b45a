//! Reading an object: the footer first, then segments, each checked before it is handed out. A reader that met damage
//! must not be read on.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use bytes::Bytes;

use super::format::{CHUNK, Damaged, Footer, file_size, footer_size};
use crate::keys::ObjectName;

/// How much is read and handed out at once: whole chunks, small enough for a processor's cache.
pub(crate) const SEGMENT: usize = 4 * CHUNK;

#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("cannot read the object's file")]
    Io(#[source] io::Error),
    #[error("the object's file is not what was stored")]
    Damaged(#[source] Damaged),
}

impl From<Damaged> for ReadError {
    fn from(damage: Damaged) -> Self {
        Self::Damaged(damage)
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        // The file was shorter than it said.
        if error.kind() == io::ErrorKind::UnexpectedEof { Self::Damaged(Damaged) } else { Self::Io(error) }
    }
}

/// An object whose footer is good.
#[derive(Debug)]
pub(crate) struct VerifiedReader {
    footer: Footer,
    rest: Rest,
}

#[derive(Debug)]
enum Rest {
    /// A small file was read at once.
    Here(Bytes),
    OnDisk {
        file: File,
        next_chunk: usize,
    },
}

impl VerifiedReader {
    pub(crate) fn open(file: File, name: ObjectName) -> Result<Self, ReadError> {
        let size = file.metadata()?.len();
        let footer_length = footer_size(size)?;
        if size <= file_size(SEGMENT as u64) {
            let mut data = read_exactly(&file, usize::try_from(size).map_err(|_| Damaged)?)?;
            let footer = Footer::decode(&data[data.len() - footer_length..], size, name)?;
            data.truncate(data.len() - footer_length);
            let rest = Rest::Here(data.into());
            return Ok(Self { footer, rest });
        }
        (&file).seek(SeekFrom::Start(size - footer_length as u64))?;
        let footer = Footer::decode(&read_exactly(&file, footer_length)?, size, name)?;
        (&file).rewind()?;
        let rest = Rest::OnDisk { file, next_chunk: 0 };
        Ok(Self { footer, rest })
    }

    pub(crate) fn footer(&self) -> &Footer {
        &self.footer
    }

    /// Bytes that were not handed out yet.
    pub(crate) fn remaining(&self) -> u64 {
        match &self.rest {
            Rest::Here(data) => data.len() as u64,
            Rest::OnDisk { next_chunk, .. } => self.footer.length - (next_chunk * CHUNK) as u64,
        }
    }

    /// The next checked bytes; empty at the end.
    pub(crate) fn read_segment(&mut self) -> Result<Bytes, ReadError> {
        let length = usize::try_from(self.remaining()).map_or(SEGMENT, |n| n.min(SEGMENT));
        match &mut self.rest {
            Rest::Here(data) => {
                self.footer.verify(0, data)?;
                Ok(std::mem::take(data))
            }
            Rest::OnDisk { file, next_chunk } => {
                let data = read_exactly(file, length)?;
                self.footer.verify(*next_chunk, &data)?;
                // The last segment may be short; whoever asks on gets nothing.
                *next_chunk += length / CHUNK;
                if length < SEGMENT {
                    self.rest = Rest::Here(Bytes::new());
                }
                Ok(data.into())
            }
        }
    }
}

/// Exactly `length` bytes, into memory that was not cleared first.
fn read_exactly(mut file: &File, length: usize) -> Result<Vec<u8>, ReadError> {
    let mut data = Vec::with_capacity(length);
    Read::by_ref(&mut file).take(length as u64).read_to_end(&mut data)?;
    if data.len() == length { Ok(data) } else { Err(Damaged.into()) }
}
