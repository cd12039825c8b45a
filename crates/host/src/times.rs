//! Modification times of files and directories, to the nanosecond, never through a symbolic link.

use std::fs::Metadata;
use std::io;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_OMIT, utimensat};

/// Nanoseconds since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct FileTime(pub i64);

impl FileTime {
    pub fn modified(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self(metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec()))
    }

    /// When the inode last changed; a process without privilege cannot set it back.
    pub fn changed(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self(metadata.ctime().saturating_mul(1_000_000_000).saturating_add(metadata.ctime_nsec()))
    }

    #[must_use]
    pub fn plus_secs(self, secs: i64) -> Self {
        Self(self.0.saturating_add(secs.saturating_mul(1_000_000_000)))
    }
}

/// Sets the modification time and leaves the access time alone.
pub fn set_modified(path: &Path, time: FileTime) -> io::Result<()> {
    let times = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec {
            tv_sec: time.0.div_euclid(1_000_000_000),
            tv_nsec: time.0.rem_euclid(1_000_000_000),
        },
    };
    Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_restored_to_the_nanosecond_and_not_through_links() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("f"), dir.path().join("l"));
        std::fs::write(&file, "x").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        set_modified(&file, FileTime(1_700_000_000_123_456_789)).unwrap();
        set_modified(&link, FileTime(5)).unwrap();
        assert_eq!(FileTime::modified(&file.metadata().unwrap()), FileTime(1_700_000_000_123_456_789));
        assert_eq!(FileTime::modified(&link.symlink_metadata().unwrap()), FileTime(5));
    }
}
