//! Advisory locks on files. The kernel lets go of them when their owner dies, so a crash never leaves one behind.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often a wait that has an end looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// A lock, held until dropped. A child that is just being started has a copy of it until its program runs; that copy holds
/// nothing once we have dropped ours, unless the lock was given to the child on purpose.
#[derive(Debug)]
pub struct FileLock {
    file: File,
    path: PathBuf,
    /// Somebody else holds it with us.
    is_given: AtomicBool,
}

impl FileLock {
    /// Takes the lock now, or says `None` when somebody else holds it.
    pub fn try_exclusive(path: &Path) -> io::Result<Option<Self>> {
        let file = open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self::of(file, path))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Waits for the lock for at most `limit`; `None` when its holder keeps it longer.
    pub fn exclusive_within(path: &Path, limit: Duration) -> io::Result<Option<Self>> {
        let began = Instant::now();
        loop {
            let lock = Self::try_exclusive(path)?;
            if lock.is_some() || began.elapsed() >= limit {
                return Ok(lock);
            }
            // The kernel's own wait has no end to it.
            std::thread::park_timeout(LOOK_AGAIN);
        }
    }

    /// Waits for the lock. Only for locks whose holders keep them for a bounded time.
    pub fn exclusive(path: &Path) -> io::Result<Self> {
        let file = open(path)?;
        file.lock()?;
        Ok(Self::of(file, path))
    }

    /// Takes a place among the readers now, or says `None` when somebody holds the lock alone.
    pub fn try_shared(path: &Path) -> io::Result<Option<Self>> {
        let file = open(path)?;
        match file.try_lock_shared() {
            Ok(()) => Ok(Some(Self::of(file, path))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Waits for a place among the readers.
    pub fn shared(path: &Path) -> io::Result<Self> {
        let file = open(path)?;
        file.lock_shared()?;
        Ok(Self::of(file, path))
    }

    /// The same lock for a child, as its standard output. It is held until we and the child have both let go.
    pub fn for_child(&self) -> io::Result<Stdio> {
        let given = self.file.try_clone()?;
        self.is_given.store(true, Ordering::Relaxed);
        Ok(given.into())
    }

    /// Takes over the lock that our parent gave us as standard output, which leads nowhere from then on. `path` is
    /// what the lock is for.
    pub fn from_parent(path: &Path) -> io::Result<Self> {
        let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        let (given, expected) = (file.metadata()?, path.metadata()?);
        if (given.dev(), given.ino()) != (expected.dev(), expected.ino()) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "standard output is not this lock"));
        }
        let nowhere = OpenOptions::new().write(true).open("/dev/null")?;
        rustix::stdio::dup2_stdout(&nowhere)?;
        let lock = Self::of(file, path);
        lock.is_given.store(true, Ordering::Relaxed);
        Ok(lock)
    }

    fn of(file: File, path: &Path) -> Self {
        Self { file, path: path.to_owned(), is_given: AtomicBool::new(false) }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes who holds the lock into the file, for people and for error messages.
    pub fn sign(&mut self, text: &str) -> io::Result<()> {
        use std::io::{Seek, Write};
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(text.as_bytes())
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        if !self.is_given.load(Ordering::Relaxed) {
            // What cannot be unlocked is let go of with its last copy.
            let _ = self.file.unlock();
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_exclusive_and_ends_with_its_holder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = FileLock::try_exclusive(&path).unwrap().unwrap();
        assert!(FileLock::try_exclusive(&path).unwrap().is_none());
        assert!(FileLock::exclusive_within(&path, Duration::from_millis(20)).unwrap().is_none());
        drop(held);
        assert!(FileLock::exclusive_within(&path, Duration::ZERO).unwrap().is_some());
        let shared = FileLock::shared(&path).unwrap();
        let _also = FileLock::try_shared(&path).unwrap().unwrap();
        assert!(FileLock::try_exclusive(&path).unwrap().is_none());
        drop(shared);
    }

    #[test]
    fn a_copy_that_nobody_was_given_holds_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = FileLock::try_exclusive(&path).unwrap().unwrap();
        let _of_a_fork = held.file.try_clone().unwrap();
        drop(held);
        assert!(FileLock::try_exclusive(&path).unwrap().is_some());
    }

    #[test]
    fn a_lock_is_held_until_parent_and_child_have_let_go() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = FileLock::try_exclusive(&path).unwrap().unwrap();
        let mut child =
            std::process::Command::new("cat").stdin(Stdio::piped()).stdout(held.for_child().unwrap()).spawn().unwrap();
        drop(held);
        assert!(FileLock::try_exclusive(&path).unwrap().is_none());
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(FileLock::try_exclusive(&path).unwrap().is_some());
    }
}
