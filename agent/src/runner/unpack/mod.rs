//! Unpacking an archive of the runner program. The checksum says who made it; this room does not rely on that: whatever
//! an archive says, nothing is written outside of the directory that it is unpacked into, nothing but plain files,
//! directories and links inside comes of it, and it is bounded in size and number.

mod ground;
mod tarball;
mod zip;

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use hearth_model::{Bytes, Timestamp};

use super::version::Packing;
use ground::Ground;

/// What an archive may come to. The official ones come to about 20,000 entries and a gigabyte.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) entries: u64,
    pub(super) bytes: Bytes,
}

pub(super) const BOUNDS: Bounds = Bounds { entries: 200_000, bytes: Bytes::gib(4) };

#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    #[error("cannot read the archive; it is damaged or not what its name says")]
    Read {
        #[source]
        cause: io::Error,
    },
    #[error("the archive holds `{entry}`")]
    Entry {
        entry: String,
        #[source]
        problem: Problem,
    },
    #[error("the archive holds more than {limit}")]
    TooLarge { limit: Bytes },
    #[error("the archive holds more than {limit} entries")]
    TooMany { limit: u64 },
    #[error("cannot write {path}")]
    Write {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
}

/// What an entry of an archive must not be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("its name is empty, too long, or has characters that no file of the runner has")]
    Name,
    #[error("its name is an absolute path")]
    Absolute,
    #[error("its name climbs out of the archive's directory")]
    ClimbsOut,
    #[error("it is {kind}, and only files, directories and links belong into the archive")]
    Kind { kind: &'static str },
    #[error("it asks to run with the rights of its owner or group")]
    SetId,
    #[error("it is there twice")]
    Twice,
    #[error("what should be its directory is none")]
    NoDirectory,
    #[error("it is a link that leaves the archive's directory")]
    LinkLeaves,
    #[error("it is a link to something that the archive does not hold")]
    LinkToNothing,
    #[error("it has a header that no archive of the runner has")]
    Header,
    #[error("it is encrypted or compressed in a way that no archive of the runner is")]
    Compression,
}

/// What came of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unpacked {
    pub(super) files: u64,
    pub(super) bytes: Bytes,
    /// The newest time of a file in it: when it was built. Archives without times have none.
    pub(super) built_at: Option<Timestamp>,
}

/// Unpacks `archive` into `root`, a new directory that nobody else knows. After an error the caller removes it.
pub(super) fn unpack(archive: File, packing: Packing, root: &Path, bounds: Bounds) -> Result<Unpacked, UnpackError> {
    let mut ground = Ground::make(root, bounds)?;
    match packing {
        Packing::TarGz => tarball::unpack(BufReader::with_capacity(128 << 10, archive), &mut ground)?,
        Packing::Zip => zip::unpack(archive, &mut ground)?,
    }
    ground.finish()
}

#[cfg(test)]
mod tests;
