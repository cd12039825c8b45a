//! The directory of a node: `objects/<2 digits>/<62 digits>`, `uploads/` for what is not whole yet, and two locks: `house`
//! of the one node that keeps the accounts, `lock` of all that write. Owns every path below the root and is the only one
//! to make or remove a file there.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hearth_host::lock::FileLock;
use hearth_model::{Bytes, Timestamp};

use crate::config::Ownership;
use crate::error::NodeError;
use crate::keys::ObjectName;

/// Commits of different objects rarely wait for each other.
const STRIPES: usize = 64;

#[derive(Debug)]
pub(crate) struct BlobFiles {
    root: PathBuf,
    serial: AtomicU64,
    stripes: [Mutex<()>; STRIPES],
    /// Two nodes that both keep accounts would undo each other's.
    _house: Option<FileLock>,
    lock: Mutex<Option<FileLock>>,
}

/// One object as a walk through the directory finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) name: ObjectName,
    pub(crate) size: u64,
    pub(crate) used: Timestamp,
}

impl BlobFiles {
    /// Makes the directories and takes the locks; a node that is alone sweeps what an earlier life left unfinished. Jobs
    /// that share the directory keep nobody from opening it: see [`BlobFiles::be_alone`].
    pub(crate) fn open(root: &Path, ownership: Ownership) -> Result<Self, NodeError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |cause| NodeError::Directory { path, cause }
        };
        fs::create_dir_all(root).map_err(at(root))?;
        let (house_path, lock_path) = (root.join("house"), root.join("lock"));
        let in_use = || NodeError::InUse { path: root.to_owned() };
        let (house, lock) = match ownership {
            Ownership::Alone => {
                let house = FileLock::try_exclusive(&house_path).map_err(at(&house_path))?.ok_or_else(in_use)?;
                (Some(house), FileLock::try_exclusive(&lock_path).map_err(at(&lock_path))?)
            }
            Ownership::Shared => {
                let lock = FileLock::try_shared(&lock_path).map_err(at(&lock_path))?;
                (None, Some(lock.ok_or_else(in_use)?))
            }
        };
        let uploads = root.join("uploads");
        if ownership == Ownership::Alone && lock.is_some() {
            // A file that cannot be swept is left: new uploads get new names and never meet it.
            match fs::read_dir(&uploads) {
                Ok(entries) => entries.flatten().for_each(|entry| drop(fs::remove_file(entry.path()))),
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
                Err(cause) => return Err(at(&uploads)(cause)),
            }
        }
        fs::create_dir_all(&uploads).map_err(at(&uploads))?;
        let files = Self {
            root: root.to_owned(),
            serial: AtomicU64::new(0),
            stripes: std::array::from_fn(|_| Mutex::new(())),
            _house: house,
            lock: Mutex::new(lock),
        };
        for shelf in 0..=u8::MAX {
            let path = files.shelf(shelf);
            fs::create_dir_all(&path).map_err(at(&path))?;
        }
        Ok(files)
    }

    /// Whether nobody shares the directory with the node that keeps it; once that is so, it stays so.
    pub(crate) fn be_alone(&self) -> io::Result<bool> {
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if lock.is_none() {
            *lock = FileLock::try_exclusive(&self.root.join("lock"))?;
        }
        Ok(lock.is_some())
    }

    /// Removes uploads that nobody has written to since `before`: their writers are dead.
    pub(crate) fn sweep_uploads(&self, before: Timestamp) -> io::Result<()> {
        for entry in fs::read_dir(self.root.join("uploads"))? {
            let entry = entry?;
            // One that is gone meanwhile was finished or swept by somebody else.
            let Ok(modified) = entry.metadata().and_then(|m| m.modified()) else { continue };
            if modified < Self::time(before) {
                let _swept_by_another = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }

    /// Room left on the file system.
    pub(crate) fn available(&self) -> io::Result<Bytes> {
        hearth_host::space::of(&self.root).map(|space| space.available)
    }

    /// Opens the file of an object; `None` when there is none.
    pub(crate) fn open_object(&self, name: ObjectName) -> io::Result<Option<File>> {
        match File::open(self.path(name)) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes an object; one that is gone already is as good.
    pub(crate) fn remove(&self, name: ObjectName) -> io::Result<()> {
        match fs::remove_file(self.path(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Writes down when an object was last used, where a restart finds it.
    pub(crate) fn note_use(&self, name: ObjectName, at: Timestamp) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(self.path(name))?;
        file.set_modified(Self::time(at))
    }

    /// An instant as files carry it.
    pub(crate) fn time(at: Timestamp) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(u64::try_from(at.as_millis()).unwrap_or(0))
    }

    /// A new file for an upload, removed when dropped unless it was filed.
    pub(crate) fn begin(&self) -> io::Result<TempFile> {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let path = self.root.join("uploads").join(format!("{}-{serial}", std::process::id()));
        // A left-over that could not be swept is overwritten.
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(&path)?;
        Ok(TempFile { file, path: Some(path) })
    }

    /// Held while an object's file is looked for and put in place, so that the first of two writers wins.
    pub(crate) fn exclusive(&self, name: ObjectName) -> MutexGuard<'_, ()> {
        let stripe = usize::from(name.as_bytes()[31]) % STRIPES;
        self.stripes[stripe].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a finished file in place.
    pub(crate) fn file_away(&self, mut temp: TempFile, name: ObjectName) -> io::Result<()> {
        let from = temp.path.take().expect("a temporary file has its path until it is filed");
        let to = self.path(name);
        let moved = fs::rename(&from, &to).or_else(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                return Err(error);
            }
            // Somebody removed the shelf under us.
            fs::create_dir_all(self.shelf(name.as_bytes()[0]))?;
            fs::rename(&from, &to)
        });
        if moved.is_err() {
            temp.path = Some(from);
        }
        moved
    }

    /// All objects on one shelf. Files that are not ours are passed over.
    pub(crate) fn list(&self, shelf: u8) -> io::Result<Vec<Listed>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(self.shelf(shelf))? {
            let entry = entry?;
            let Some(name) =
                entry.file_name().to_str().and_then(|rest| ObjectName::from_hex(&format!("{shelf:02x}{rest}")))
            else {
                continue;
            };
            // Evicted since it was listed.
            let Ok(metadata) = entry.metadata() else { continue };
            let since = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            let used = since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
            all.push(Listed { name, size: metadata.len(), used: Timestamp::from_millis(used) });
        }
        Ok(all)
    }

    fn shelf(&self, shelf: u8) -> PathBuf {
        self.root.join("objects").join(format!("{shelf:02x}"))
    }

    fn path(&self, name: ObjectName) -> PathBuf {
        let hex = name.to_hex().to_hex();
        let (shelf, rest) = hex.as_str().split_at(2);
        self.root.join("objects").join(shelf).join(rest)
    }
}

/// A file below `uploads/`.
#[derive(Debug)]
pub(crate) struct TempFile {
    pub(crate) file: File,
    path: Option<PathBuf>,
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if let Some(path) = self.path.take() {
            // What cannot be removed now is swept at the next start.
            let _ = fs::remove_file(path);
        }
    }
}
