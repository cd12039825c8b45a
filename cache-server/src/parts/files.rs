//! The directory of parts: `parts/<id of the upload>/<id of the part>`, beside them a note of whoever began the upload
//! and the order in which its parts make the object. Owns every path below it. Everything here blocks.
//!
//! ```text
//! note    whose upload it is, one line · text of a dialect
//! order   ids of parts, one a line
//! ```
//!
//! Nothing is synced. After a power cut a part may have lost bytes that its client believes to be here; the hash at its
//! end keeps them out of every object.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use hearth_model::{Timestamp, WriterId};

use super::ids::{PartId, UploadId};
use super::ledger::{Begun, Crowded, Ledger, Occupied};
use super::part::{Numbered, PartReader, Staged, Summed, TRAILER};

/// Parts of clients are called in base64, which has no dot.
const NOTE: &str = "upload.note";
const ORDER: &str = "upload.order";
/// What a part counts at least: an upload of many tiny ones must not use up the file system's inodes.
const LEAST: u64 = 64 * 1024;
/// Much more than the longest order that any dialect takes, and no reason to run out of memory.
const MAX_ORDER: u64 = 4 * 1024 * 1024;

#[derive(Debug)]
pub(crate) struct Parts {
    dir: PathBuf,
    serial: AtomicU64,
    ledger: Ledger,
}

impl Parts {
    /// Opens the directory, drops what never became whole, and counts the rest.
    pub(crate) fn open(dir: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        let parts = Self { dir, serial: AtomicU64::new(0), ledger: Ledger::default() };
        for entry in fs::read_dir(&parts.dir)? {
            let dir = entry?.path();
            let known = if dir.is_dir() { upload_of(&dir).zip(whose(&dir)?) } else { None };
            let Some((upload, writer)) = known else {
                remove_all(&dir)?;
                continue;
            };
            parts.ledger.recall(upload, writer);
            for (path, size) in files_in(&dir)? {
                if is_unfinished(&path) {
                    fs::remove_file(&path)?;
                } else {
                    parts.ledger.add(upload, counted(&path, size));
                }
            }
        }
        Ok(parts)
    }

    /// How much room parts take, those of this writer and all.
    pub(crate) fn occupied(&self, writer: WriterId) -> Occupied {
        self.ledger.occupied(writer)
    }

    /// The uploads that a writer has under way, in no order.
    pub(crate) fn of_writer(&self, writer: WriterId) -> Vec<UploadId> {
        self.ledger.of_writer(writer)
    }

    /// Begins an upload, or begins it anew: the parts that it has stay.
    pub(crate) fn begin(&self, upload: UploadId, writer: WriterId, note: &str) -> io::Result<()> {
        let crowded = |error: Crowded| io::Error::new(io::ErrorKind::QuotaExceeded, error);
        let begun = self.ledger.begin(upload, writer).map_err(crowded)?;
        let dir = self.dir_of(upload);
        let made = fs::create_dir_all(&dir).and_then(|()| self.put(&dir, NOTE, format!("{writer}\n{note}").as_bytes()));
        if made.is_err() && begun == Begun::Anew {
            self.ledger.end(upload);
        }
        made
    }

    /// What was noted when the upload was begun; `None` when it was not, or is swept.
    pub(crate) fn note(&self, upload: UploadId) -> io::Result<Option<String>> {
        let text = text(&self.dir_of(upload).join(NOTE))?;
        Ok(text.and_then(|text| text.split_once('\n').map(|(_, note)| note.to_owned())))
    }

    /// Begins a part of an upload, which must have been begun.
    pub(crate) fn stage(&self, upload: UploadId, summed: Summed) -> io::Result<Staged> {
        let path = self.unfinished(&self.dir_of(upload));
        let file = File::create_new(&path)?;
        Ok(Staged::new(file, path, summed))
    }

    /// Puts a part in its place; one that had its id before is gone. Says its MD5, when that was to be summed.
    pub(crate) fn keep(&self, mut staged: Staged, upload: UploadId, part: &PartId) -> io::Result<[u8; 16]> {
        let (md5, size) = staged.end()?;
        let path = self.dir_of(upload).join(part.as_str());
        let before = size_of(&path)?;
        fs::rename(&staged.path, &path)?;
        self.ledger.add(upload, counted(&path, size));
        if let Some(before) = before {
            self.ledger.discount(upload, counted(&path, before));
        }
        Ok(md5)
    }

    /// How many bytes of data the part has; `None` when it is not there.
    pub(crate) fn length(&self, upload: UploadId, part: &PartId) -> io::Result<Option<u64>> {
        Ok(size_of(&self.dir_of(upload).join(part.as_str()))?.map(|size| size.saturating_sub(TRAILER)))
    }

    /// The parts that have numbers, in their order; `None` when there is no such upload.
    pub(crate) fn numbered(&self, upload: UploadId) -> io::Result<Option<Vec<Numbered>>> {
        let dir = self.dir_of(upload);
        if size_of(&dir.join(NOTE))?.is_none() {
            return Ok(None);
        }
        let mut all = Vec::new();
        for (path, _) in files_in(&dir)? {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if let Some(number) = PartId::from_name(name).number() {
                match Numbered::read(&path, number) {
                    Ok(part) => all.push(part),
                    // One that a power cut has torn, and one that is replaced at this moment, are not there.
                    Err(error) if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::NotFound) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        all.sort_unstable_by_key(|part| part.number);
        Ok(Some(all))
    }

    /// Says which parts the object is made of, in their order.
    pub(crate) fn set_order(&self, upload: UploadId, order: &[PartId]) -> io::Result<()> {
        let lines: Vec<&str> = order.iter().map(PartId::as_str).collect();
        self.put(&self.dir_of(upload), ORDER, lines.join("\n").as_bytes())
    }

    /// `None` until it was said.
    pub(crate) fn order(&self, upload: UploadId) -> io::Result<Option<Vec<PartId>>> {
        let text = text(&self.dir_of(upload).join(ORDER))?;
        Ok(text.map(|text| text.lines().map(PartId::from_name).collect()))
    }

    /// Opens a part for reading.
    pub(crate) fn open_part(&self, upload: UploadId, part: &PartId) -> io::Result<PartReader> {
        PartReader::open(&self.dir_of(upload).join(part.as_str()))
    }

    /// Ends an upload: from now on it takes no parts. Those that it has stay until it is removed.
    pub(crate) fn end(&self, upload: UploadId) -> io::Result<()> {
        remove_if_there(&self.dir_of(upload).join(NOTE)).map(drop)
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
                upload_of(dir).inspect(|upload| self.ledger.discount(*upload, counted(&path, size)));
            }
        }
        match fs::remove_dir(dir) {
            Ok(()) => {
                upload_of(dir).inspect(|upload| self.ledger.end(*upload));
                Ok(())
            }
            // Somebody has removed it, or has begun it anew.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) => Ok(()),
            other => other,
        }
    }

    fn dir_of(&self, upload: UploadId) -> PathBuf {
        self.dir.join(upload.to_hex())
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
}

fn upload_of(dir: &Path) -> Option<UploadId> {
    let name = dir.file_name()?.to_str()?;
    UploadId::from_hex(name)
}

/// Whose the upload in this directory is; `None` when it was never begun to its end.
fn whose(dir: &Path) -> io::Result<Option<WriterId>> {
    let note = text(&dir.join(NOTE))?;
    Ok(note.and_then(|note| note.lines().next()?.parse().ok()))
}

fn remove_all(path: &Path) -> io::Result<()> {
    if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
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
