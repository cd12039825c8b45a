//! The lists on disk, in `access/` of a node's directory: `tokens.toml` and `revoked.toml`. Whoever changes them takes
//! the lock beside them and exchanges a whole file; whoever reads sees the old or the new one. They hold no secret, but
//! who has which rights is nobody's business either: only their owner may read them.

use std::fs::{self, DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hearth_host::lock::FileLock;
use hearth_host::tree::write_private;

use super::book::{Book, BookError};
use super::revoked::{RevocationError, Revocations};

/// The largest file that is read.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// How long a change waits for another one.
const LOCK_WAIT: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    #[error("cannot read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("cannot write {}", path.display())]
    Write {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("{} is larger than 16 MiB", path.display())]
    TooLarge { path: PathBuf },
    #[error("{} does not hold a list of tokens", path.display())]
    Tokens {
        path: PathBuf,
        #[source]
        cause: BookError,
    },
    #[error("{} does not hold a list of revocations", path.display())]
    Revocations {
        path: PathBuf,
        #[source]
        cause: RevocationError,
    },
    #[error("somebody else has been changing {} for 10 seconds", path.display())]
    Busy { path: PathBuf },
}

/// Who may come in, as the files say it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lists {
    pub book: Book,
    pub revoked: Revocations,
}

/// What a file looked like when it was read; a file that looks the same is not read again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Stamp {
    tokens: Option<(u64, u64, i64, i64)>,
    revoked: Option<(u64, u64, i64, i64)>,
}

/// The directory of the lists. It comes into being with the first change.
#[derive(Debug, Clone)]
pub struct AccessFiles {
    dir: PathBuf,
}

impl AccessFiles {
    /// `root` is the node's directory.
    pub fn of(root: &Path) -> Self {
        Self { dir: root.join("access") }
    }

    fn tokens(&self) -> PathBuf {
        self.dir.join("tokens.toml")
    }

    fn revoked(&self) -> PathBuf {
        self.dir.join("revoked.toml")
    }

    pub fn read(&self) -> Result<Lists, AccessError> {
        let (tokens, revoked) = (self.tokens(), self.revoked());
        let book = match text(&tokens)? {
            Some(text) => Book::parse(&text).map_err(|cause| AccessError::Tokens { path: tokens, cause })?,
            None => Book::default(),
        };
        let revoked = match text(&revoked)? {
            Some(text) => {
                Revocations::parse(&text).map_err(|cause| AccessError::Revocations { path: revoked, cause })?
            }
            None => Revocations::default(),
        };
        Ok(Lists { book, revoked })
    }

    /// Changes the lists as `change` says, all of it or nothing, while nobody else does.
    pub fn change<T, E: From<AccessError>>(&self, change: impl FnOnce(&mut Lists) -> Result<T, E>) -> Result<T, E> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |cause| AccessError::Write { path, cause }
        };
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir).map_err(failed(&self.dir))?;
        let lock = self.dir.join("lock");
        let held = FileLock::exclusive_within(&lock, LOCK_WAIT).map_err(failed(&lock))?;
        let _held = held.ok_or_else(|| AccessError::Busy { path: self.dir.clone() })?;
        let before = self.read()?;
        let mut after = before.clone();
        let changed = change(&mut after)?;
        // Revocations first: between the two writes, somebody may be shut out twice, but nobody let in.
        if after.revoked != before.revoked {
            let path = self.revoked();
            write_private(&path, after.revoked.to_text().as_bytes()).map_err(failed(&path))?;
        }
        if after.book != before.book {
            let path = self.tokens();
            write_private(&path, after.book.to_text().as_bytes()).map_err(failed(&path))?;
        }
        Ok(changed)
    }

    pub(super) fn stamp(&self) -> Stamp {
        let look = |path: &Path| {
            // Every exchange makes a new inode; a person's editor may write in place, which moves the time of change.
            let of = |file: Metadata| (file.ino(), file.len(), file.ctime(), file.ctime_nsec());
            fs::metadata(path).ok().map(of)
        };
        Stamp { tokens: look(&self.tokens()), revoked: look(&self.revoked()) }
    }
}

/// The file's text; `None` when there is no file.
fn text(path: &Path) -> Result<Option<String>, AccessError> {
    let failed = |cause| AccessError::Read { path: path.to_owned(), cause };
    match fs::metadata(path) {
        Ok(file) if file.len() > MAX_FILE => Err(AccessError::TooLarge { path: path.to_owned() }),
        Ok(_) => fs::read_to_string(path).map(Some).map_err(failed),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(failed(cause)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use hearth_model::{ExecutionId, Timestamp};

    use super::*;
    use crate::access::revoked::{Revocation, Revoked};

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    /// Nothing can go wrong with the change itself.
    fn revoke(files: &AccessFiles) -> Result<(), AccessError> {
        files.change(|lists| {
            let revocation = Revocation { at: NOW, what: Revoked::Job { execution: ExecutionId::new(NOW) } };
            lists.revoked = lists.revoked.with(revocation).unwrap();
            Ok(())
        })
    }

    #[test]
    fn what_was_changed_is_read_and_seen_to_have_changed() {
        let root = tempfile::tempdir().unwrap();
        let files = AccessFiles::of(root.path());
        assert_eq!(files.read().unwrap(), Lists::default());
        let mut stamps = vec![files.stamp()];
        for count in 1..=3 {
            revoke(&files).unwrap();
            assert_eq!(files.read().unwrap().revoked.iter().count(), count);
            assert!(!stamps.contains(&files.stamp()));
            stamps.push(files.stamp());
        }
        assert_eq!(Some(&files.stamp()), stamps.last());
    }

    #[test]
    fn only_the_owner_may_read_them() {
        let root = tempfile::tempdir().unwrap();
        let files = AccessFiles::of(root.path());
        revoke(&files).unwrap();
        for (path, mode) in [(files.dir.clone(), 0o700), (files.revoked(), 0o600)] {
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, mode, "{}", path.display());
        }
    }

    #[test]
    fn a_change_that_fails_and_a_file_that_is_broken_change_nothing() {
        let root = tempfile::tempdir().unwrap();
        let files = AccessFiles::of(root.path());
        revoke(&files).unwrap();
        let before = files.stamp();
        let refused: Result<(), AccessError> = files.change(|lists| {
            lists.revoked = Revocations::default();
            Err(AccessError::Busy { path: PathBuf::new() })
        });
        assert!(refused.is_err());
        assert_eq!(files.stamp(), before);
        fs::write(files.tokens(), "token = 1").unwrap();
        let before = files.stamp();
        assert!(matches!(revoke(&files), Err(AccessError::Tokens { .. })));
        assert_eq!(files.stamp(), before);
    }

    #[test]
    fn a_file_beyond_all_measure_is_not_read() {
        let root = tempfile::tempdir().unwrap();
        let files = AccessFiles::of(root.path());
        revoke(&files).unwrap();
        fs::File::create(files.tokens()).unwrap().set_len(MAX_FILE + 1).unwrap();
        assert!(matches!(files.read(), Err(AccessError::TooLarge { .. })));
    }
}
