//! A log that never grows beyond its limit: two generations of half the size each.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags, openat, renameat};

use super::Log;
use crate::view::Outside;

#[derive(Debug)]
pub(super) struct BoundedLog {
    directory: OwnedFd,
    name: OsString,
    file: File,
    written: u64,
    /// Of one generation.
    limit: u64,
}

impl BoundedLog {
    /// Opens the file and goes on behind what it holds. Its path is one of the machine's, not of a job's view.
    pub(super) fn open(log: &Log, outside: &Outside) -> io::Result<Self> {
        let path = Path::new(log.path.as_os());
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let directory = outside.directory(parent)?;
        let file = open(&directory, name)?;
        let written = file.metadata()?.len();
        Ok(Self { directory, name: name.to_owned(), file, written, limit: log.limit_bytes / 2 })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        // A chunk is small; one that is larger than a generation is cut to its end.
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX).min(self.limit);
        let bytes = &bytes[bytes.len() - usize::try_from(length).unwrap_or(0)..];
        if self.written + length > self.limit {
            let mut old = self.name.clone();
            old.push(".old");
            renameat(&self.directory, &self.name, &self.directory, &old)?;
            self.file = open(&self.directory, &self.name)?;
            self.written = 0;
        }
        self.file.write_all(bytes)?;
        self.written += length;
        Ok(())
    }
}

/// Never through a link: whoever may write in the directory could name any file of ours by one.
fn open(directory: &OwnedFd, name: &OsStr) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(directory, name, flags, Mode::RUSR | Mode::WUSR)?.into())
}

#[cfg(test)]
mod tests {
    use super::super::{Lines, Raw};
    use super::*;

    #[test]
    fn a_log_keeps_the_newest_within_its_limit_and_goes_on_when_it_is_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let request = Log { path: Raw::from(&path), limit_bytes: 20, lines: Lines::Untold };
        let outside = Outside::here().unwrap();
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap_or_default();
        let mut log = BoundedLog::open(&request, &outside).unwrap();
        log.write(b"12345\n").unwrap();
        assert_eq!((read("log").as_str(), read("log.old").as_str()), ("12345\n", ""));
        drop(log);
        let mut log = BoundedLog::open(&request, &outside).unwrap();
        log.write(b"abcd\n").unwrap();
        assert_eq!((read("log").as_str(), read("log.old").as_str()), ("abcd\n", "12345\n"));
        log.write(b"much longer than half\n").unwrap();
        assert_eq!((read("log").as_str(), read("log.old").as_str()), ("than half\n", "abcd\n"));
        let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_log_is_never_written_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (path, precious) = (dir.path().join("log"), dir.path().join("precious"));
        std::fs::write(&precious, "").unwrap();
        std::os::unix::fs::symlink(&precious, &path).unwrap();
        let request = Log { path: Raw::from(&path), limit_bytes: 20, lines: Lines::Untold };
        assert!(BoundedLog::open(&request, &Outside::here().unwrap()).is_err());
    }
}
