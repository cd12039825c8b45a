//! The directory of parts: `parts/<id of the upload>/<id of the part>`, beside them a note of whoever began the upload
//! and the order in which its parts make the object. Owns every path below it. Everything here blocks.
//!
//! ```text
//! part    data · length 8 · BLAKE3 of the data 32
//! note    text of a dialect
//! order   ids of parts, one a line
//! ```
//!
//! Nothing is synced. After a power cut a part may have lost bytes that its client believes to be here; the hash at its
//! end keeps them out of every object.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use hearth_model::{Timestamp, WriterId};

use crate::keys::ObjectName;

/// Parts of clients are called in base64, which has no dot.
const NOTE: &str = "upload.note";
const ORDER: &str = "upload.order";
const TRAILER: u64 = 8 + blake3::OUT_LEN as u64;
/// What a part counts at least: an upload of many tiny ones must not use up the file system's inodes.
const LEAST: u64 = 64 * 1024;
/// Much more than the longest order that any dialect takes, and no reason to run out of memory.
const MAX_ORDER: u64 = 4 * 1024 * 1024;
const MAX_PART_ID: usize = 100;

/// An upload of one writer to one object. It follows from both, so that whoever comes back meets his upload again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct UploadId(blake3::Hash);

impl UploadId {
    pub(crate) fn of(object: ObjectName, writer: WriterId) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(object.as_bytes());
        hasher.update(&writer.to_bytes());
        Self(hasher.finalize())
    }
}

/// One part of an upload; its text is a file name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PartId(String);

impl PartId {
    /// The part that a client calls by these bytes; `None` if they are too many.
    pub(crate) fn new(bytes: &[u8]) -> Option<Self> {
        (bytes.len() <= MAX_PART_ID).then(|| Self(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// The part that is all of its object. No id of a client's is spelled with a dot.
    pub(crate) fn whole() -> Self {
        Self("whole.part".to_owned())
    }
}

#[derive(Debug)]
pub(crate) struct Parts {
    dir: PathBuf,
    serial: AtomicU64,
    /// What all parts count together.
    bytes: AtomicU64,
}

/// A part on its way in. Dropped before its end, it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Staged {
    file: File,
    path: PathBuf,
    hasher: blake3::Hasher,
    length: u64,
}

impl Parts {
    /// Opens the directory, drops what never became whole, and counts the rest.
    pub(crate) fn open(dir: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        let parts = Self { dir, serial: AtomicU64::new(0), bytes: AtomicU64::new(0) };
        for upload in fs::read_dir(&parts.dir)? {
            let upload = upload?.path();
            for (path, size) in files_in(&upload)? {
                if is_unfinished(&path) {
                    fs::remove_file(&path)?;
                } else {
                    parts.bytes.fetch_add(counted(&path, size), Ordering::Relaxed);
                }
            }
        }
        Ok(parts)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Begins an upload, or begins it anew: the parts that it has stay.
    pub(crate) fn begin(&self, upload: UploadId, note: &str) -> io::Result<()> {
        let dir = self.dir_of(upload);
        fs::create_dir_all(&dir)?;
        self.put(&dir, NOTE, note.as_bytes())
    }

    /// What was noted when the upload was begun; `None` when it was not, or is swept.
    pub(crate) fn note(&self, upload: UploadId) -> io::Result<Option<String>> {
        text(&self.dir_of(upload).join(NOTE))
    }

    /// Begins a part of an upload, which must have been begun.
    pub(crate) fn stage(&self, upload: UploadId) -> io::Result<Staged> {
        let path = self.unfinished(&self.dir_of(upload));
        let file = File::create_new(&path)?;
        Ok(Staged { file, path, hasher: blake3::Hasher::new(), length: 0 })
    }

    /// Puts a part in its place; one that had its id before is gone.
    pub(crate) fn keep(&self, mut staged: Staged, upload: UploadId, part: &PartId) -> io::Result<()> {
        staged.file.write_all(&staged.length.to_le_bytes())?;
        staged.file.write_all(staged.hasher.finalize().as_bytes())?;
        let path = self.dir_of(upload).join(&part.0);
        let before = size_of(&path)?;
        fs::rename(&staged.path, &path)?;
        self.bytes.fetch_add(counted(&path, staged.length + TRAILER), Ordering::Relaxed);
        if let Some(before) = before {
            self.discount(counted(&path, before));
        }
        Ok(())
    }

    /// How many bytes of data the part has; `None` when it is not there.
    pub(crate) fn length(&self, upload: UploadId, part: &PartId) -> io::Result<Option<u64>> {
        Ok(size_of(&self.dir_of(upload).join(&part.0))?.map(|size| size.saturating_sub(TRAILER)))
    }

    /// Says which parts the object is made of, in their order.
    pub(crate) fn set_order(&self, upload: UploadId, order: &[PartId]) -> io::Result<()> {
        let lines: Vec<&str> = order.iter().map(|part| part.0.as_str()).collect();
        self.put(&self.dir_of(upload), ORDER, lines.join("\n").as_bytes())
    }

    /// `None` until it was said.
    pub(crate) fn order(&self, upload: UploadId) -> io::Result<Option<Vec<PartId>>> {
        let text = text(&self.dir_of(upload).join(ORDER))?;
        Ok(text.map(|text| text.lines().map(|line| PartId(line.to_owned())).collect()))
    }

    /// Opens a part for reading.
    pub(crate) fn open_part(&self, upload: UploadId, part: &PartId) -> io::Result<PartReader> {
        let mut file = File::open(self.dir_of(upload).join(&part.0))?;
        let length = file.metadata()?.len().checked_sub(TRAILER).ok_or(io::ErrorKind::InvalidData)?;
        file.seek(SeekFrom::Start(length))?;
        let (mut said, mut hash) = ([0; 8], [0; blake3::OUT_LEN]);
        file.read_exact(&mut said)?;
        file.read_exact(&mut hash)?;
        if u64::from_le_bytes(said) != length {
            return Err(io::ErrorKind::InvalidData.into());
        }
        file.rewind()?;
        Ok(PartReader { file, left: length, hasher: blake3::Hasher::new(), hash: blake3::Hash::from_bytes(hash) })
    }

    /// Drops an upload with all its parts.
    pub(crate) fn remove(&self, upload: UploadId) -> io::Result<()> {
        self.remove_dir(&self.dir_of(upload))
    }

    /// Drops uploads to which nothing was added since `before`; says how many.
    pub(crate) fn sweep(&self, before: Timestamp) -> io::Result<u64> {
        let before = u64::try_from(before.as_millis()).unwrap_or(0);
        let before = std::time::UNIX_EPOCH + std::time::Duration::from_millis(before);
        let mut swept = 0;
        for upload in fs::read_dir(&self.dir)? {
            let upload = upload?;
            // A directory's time changes whenever a file in it is made or renamed.
            if upload.metadata()?.modified()? < before {
                self.remove_dir(&upload.path())?;
                swept += 1;
            }
        }
        Ok(swept)
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        for (path, size) in files_in(dir)? {
            if remove_if_there(&path)? {
                self.discount(counted(&path, size));
            }
        }
        match fs::remove_dir(dir) {
            // Somebody has removed it, or has begun it anew.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) => Ok(()),
            other => other,
        }
    }

    fn dir_of(&self, upload: UploadId) -> PathBuf {
        self.dir.join(upload.0.to_hex().as_str())
    }

    /// A new name for a file that is not whole yet.
    fn unfinished(&self, dir: &Path) -> PathBuf {
        dir.join(format!("{}.new", self.serial.fetch_add(1, Ordering::Relaxed)))
    }

    /// Writes a small file in one go.
    fn put(&self, dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
        let aside = self.unfinished(dir);
        fs::write(&aside, bytes)?;
        fs::rename(&aside, dir.join(name))
    }

    fn discount(&self, counted: u64) {
        self.bytes.fetch_sub(counted, Ordering::Relaxed);
    }
}

impl Staged {
    pub(crate) fn write(&mut self, pieces: &[Bytes]) -> io::Result<()> {
        for piece in pieces {
            self.file.write_all(piece)?;
            self.hasher.update(piece);
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
    hash: blake3::Hash,
}

impl PartReader {
    /// Up to `most` bytes; `None` at the end.
    pub(crate) fn next(&mut self, most: usize) -> io::Result<Option<Bytes>> {
        if self.left == 0 {
            return if self.hasher.finalize() == self.hash { Ok(None) } else { Err(io::ErrorKind::InvalidData.into()) };
        }
        let mut bytes = vec![0; most.min(usize::try_from(self.left).unwrap_or(most))];
        self.file.read_exact(&mut bytes)?;
        self.hasher.update(&bytes);
        self.left -= bytes.len() as u64;
        Ok(Some(bytes.into()))
    }
}

/// What a file counts of the room that parts may take.
fn counted(path: &Path, size: u64) -> u64 {
    if is_part(path) { size.max(LEAST) } else { 0 }
}

fn is_unfinished(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "new")
}

fn is_part(path: &Path) -> bool {
    !is_unfinished(path) && path.file_name().is_none_or(|name| name != NOTE && name != ORDER)
}

/// A small file; `None` when it is not there.
fn text(path: &Path) -> io::Result<Option<String>> {
    let mut text = String::new();
    match File::open(path) {
        Ok(file) => file.take(MAX_ORDER).read_to_string(&mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Some(text))
}

fn size_of(path: &Path) -> io::Result<Option<u64>> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The files of an upload and their sizes; none if there is no such upload.
fn files_in(dir: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = dir.join(entry?.file_name());
        // One that is gone meanwhile is none of them.
        if let Some(size) = size_of(&path)? {
            files.push((path, size));
        }
    }
    Ok(files)
}

fn remove_if_there(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
