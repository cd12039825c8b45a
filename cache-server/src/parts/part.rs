//! The file of one part: written once, piece by piece, and good only when it can be read to its end.
//!
//! ```text
//! data · MD5 of the data 16, or zeros · length 8 · BLAKE3 of data and MD5 32
//! ```

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use hearth_model::Timestamp;
use md5::{Digest as _, Md5};

const MD5: usize = 16;
pub(super) const TRAILER: u64 = (MD5 + 8 + blake3::OUT_LEN) as u64;

/// What is computed over a part as it comes in, besides what proves it whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Summed {
    Not,
    Md5,
}

/// A part that has a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Numbered {
    pub(crate) number: u16,
    pub(crate) length: u64,
    pub(crate) md5: [u8; MD5],
    pub(crate) kept_at: Timestamp,
}

impl Numbered {
    pub(super) fn read(path: &Path, number: u16) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let End { length, md5, .. } = End::read(&mut file)?;
        Ok(Self { number, length, md5, kept_at: modified(&file)? })
    }
}

/// A part on its way in. Dropped before its end, it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Staged {
    file: File,
    pub(super) path: PathBuf,
    hasher: blake3::Hasher,
    md5: Option<Md5>,
    length: u64,
}

impl Staged {
    pub(super) fn new(file: File, path: PathBuf, summed: Summed) -> Self {
        let md5 = (summed == Summed::Md5).then(Md5::new);
        Self { file, path, hasher: blake3::Hasher::new(), md5, length: 0 }
    }

    /// Writes what stands behind the data; says the MD5 and how long the file is.
    pub(super) fn end(&mut self) -> io::Result<([u8; MD5], u64)> {
        let md5 = self.md5.take().map_or([0; MD5], |md5| md5.finalize().into());
        self.hasher.update(&md5);
        self.file.write_all(&md5)?;
        self.file.write_all(&self.length.to_le_bytes())?;
        self.file.write_all(self.hasher.finalize().as_bytes())?;
        Ok((md5, self.length + TRAILER))
    }

    pub(crate) fn write(&mut self, pieces: &[Bytes]) -> io::Result<()> {
        for piece in pieces {
            self.file.write_all(piece)?;
            self.hasher.update(piece);
            if let Some(md5) = &mut self.md5 {
                md5.update(piece);
            }
            self.length += piece.len() as u64;
        }
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // After it was put in place there is nothing by this name.
        let _gone = fs::remove_file(&self.path);
    }
}

/// A part's data, which is good when it could be read to its end.
#[derive(Debug)]
pub(crate) struct PartReader {
    file: File,
    left: u64,
    hasher: blake3::Hasher,
    md5: [u8; MD5],
    hash: blake3::Hash,
}

impl PartReader {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let End { length, md5, hash } = End::read(&mut file)?;
        file.rewind()?;
        Ok(Self { file, left: length, hasher: blake3::Hasher::new(), md5, hash })
    }

    /// Up to `most` bytes; `None` at the end.
    pub(crate) fn next(&mut self, most: usize) -> io::Result<Option<Bytes>> {
        if self.left == 0 {
            self.hasher.update(&self.md5);
            return if self.hasher.finalize() == self.hash { Ok(None) } else { Err(io::ErrorKind::InvalidData.into()) };
        }
        let mut bytes = vec![0; most.min(usize::try_from(self.left).unwrap_or(most))];
        self.file.read_exact(&mut bytes)?;
        self.hasher.update(&bytes);
        self.left -= bytes.len() as u64;
        Ok(Some(bytes.into()))
    }
}

/// What stands behind a part's data.
struct End {
    length: u64,
    md5: [u8; MD5],
    hash: blake3::Hash,
}

impl End {
    fn read(file: &mut File) -> io::Result<Self> {
        let length = file.metadata()?.len().checked_sub(TRAILER).ok_or(io::ErrorKind::InvalidData)?;
        file.seek(SeekFrom::Start(length))?;
        let (mut md5, mut said, mut hash) = ([0; MD5], [0; 8], [0; blake3::OUT_LEN]);
        file.read_exact(&mut md5)?;
        file.read_exact(&mut said)?;
        file.read_exact(&mut hash)?;
        if u64::from_le_bytes(said) != length {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(Self { length, md5, hash: blake3::Hash::from_bytes(hash) })
    }
}

fn modified(file: &File) -> io::Result<Timestamp> {
    let since = file.metadata()?.modified()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Ok(Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)))
}
