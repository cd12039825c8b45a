//! Writing an object: bytes to a file aside, hashed on their way, then the footer, then the rename. The first writer of
//! a name wins: later bytes are hashed and compared, never stored. Nothing is synced: an object that a power cut tore
//! does not pass its footer, and losing one costs a compilation.

use std::io::{self, Write};

use bytes::Bytes;
use hearth_model::{Timestamp, WriterId};

use super::files::{BlobFiles, TempFile};
use super::format::{ChunkHasher, Footer, file_size};
use super::reader::{ReadError, VerifiedReader};
use crate::keys::ObjectName;

/// One object on its way in. Dropped before its end, it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Upload {
    name: ObjectName,
    hasher: ChunkHasher,
    target: Target,
}

#[derive(Debug)]
enum Target {
    New(TempFile),
    /// The name is taken; this is what it holds.
    Taken(Footer),
}

/// What became of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filed {
    New {
        file_size: u64,
    },
    /// The same bytes were there.
    Same,
    /// Other bytes were there, and still are.
    Divergent,
}

impl Upload {
    pub(crate) fn begin(files: &BlobFiles, name: ObjectName) -> io::Result<Self> {
        let target = match look(files, name)? {
            Some(footer) => Target::Taken(footer),
            None => Target::New(files.begin()?),
        };
        Ok(Self { name, hasher: ChunkHasher::default(), target })
    }

    pub(crate) fn write(&mut self, pieces: &[Bytes]) -> io::Result<()> {
        for piece in pieces {
            self.hasher.update(piece);
            if let Target::New(temp) = &mut self.target {
                temp.file.write_all(piece)?;
            }
        }
        Ok(())
    }

    pub(crate) fn finish(self, files: &BlobFiles, writer: WriterId, now: Timestamp) -> io::Result<Filed> {
        let (length, hashes) = self.hasher.finish();
        let compare = |found: &Footer| {
            if found.length == length && found.hashes == hashes { Filed::Same } else { Filed::Divergent }
        };
        let mut temp = match self.target {
            Target::Taken(found) => return Ok(compare(&found)),
            Target::New(temp) => temp,
        };
        let footer = Footer { length, stored_at: now, name: self.name, writer, hashes: hashes.clone() };
        temp.file.write_all(&footer.encode())?;
        temp.file.set_modified(BlobFiles::time(now))?;
        let _guard = files.exclusive(self.name);
        if let Some(found) = look(files, self.name)? {
            return Ok(compare(&found));
        }
        files.file_away(temp, self.name)?;
        Ok(Filed::New { file_size: file_size(length) })
    }
}

/// The footer of the object that holds this name already. A damaged one does not count; it is overwritten.
fn look(files: &BlobFiles, name: ObjectName) -> io::Result<Option<Footer>> {
    let Some(file) = files.open_object(name)? else {
        return Ok(None);
    };
    match VerifiedReader::open(file, name) {
        Ok(reader) => Ok(Some(reader.footer().clone())),
        Err(ReadError::Damaged(_)) => Ok(None),
        Err(ReadError::Io(error)) => Err(error),
    }
}
