//! The logs that runners leave in `_diag`. After a start they are put aside into a place of ours, because the next job in
//! the slot must not read what the last one did, and only so many are kept. A job writes into `_diag` as it likes, so
//! nothing in it is trusted: plain files that look like the runner's logs are taken, everything else is dropped.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use hearth_host::times::FileTime;
use hearth_host::tree;
use hearth_model::{Bytes, Timestamp};

use super::sealed;

/// What is kept of a slot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keep {
    pub(super) starts: usize,
    pub(super) bytes_per_start: Bytes,
    pub(super) files_per_start: usize,
}

/// A start leaves some hundred KiB: two logs, in pages of 8 MiB.
pub(super) const KEEP: Keep = Keep { starts: 5, bytes_per_start: Bytes::mib(32), files_per_start: 16 };

const LOGS: [&str; 2] = ["Runner_", "Worker_"];

/// Moves the logs in `diag` to a directory of their own in `aside`, removes `diag`, and forgets the oldest starts.
pub(super) fn put_aside(diag: &Path, aside: &Path, keep: Keep, now: Timestamp) -> io::Result<()> {
    let logs = logs(diag, keep)?;
    if !logs.is_empty() {
        // Sorts by time; two starts of one slot do not end in the same millisecond.
        let place = aside.join(format!("{:015}", now.as_millis().max(0)));
        fs::create_dir_all(&place)?;
        fs::set_permissions(aside, fs::Permissions::from_mode(0o700))?;
        for log in logs {
            let Some(name) = log.file_name() else { continue };
            let kept = place.join(name);
            fs::rename(&log, &kept)?;
            fs::set_permissions(&kept, fs::Permissions::from_mode(0o600))?;
        }
    }
    sealed::remove(diag)?;
    forget(aside, keep)
}

/// The newest logs that fit.
fn logs(diag: &Path, keep: Keep) -> io::Result<Vec<PathBuf>> {
    match diag.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => return Ok(Vec::new()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(diag)? {
        let (path, metadata) = entry.and_then(|entry| Ok((entry.path(), entry.metadata()?)))?;
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_log = LOGS.iter().any(|log| name.starts_with(log)) && path.extension().is_some_and(|kind| kind == "log");
        // A second name may be anywhere, and the file anybody's.
        if is_log && metadata.is_file() && metadata.nlink() == 1 {
            found.push((FileTime::modified(&metadata), metadata.len(), path));
        }
    }
    found.sort_by_key(|(modified, ..)| std::cmp::Reverse(*modified));
    let mut left = keep.bytes_per_start.0;
    let fits = |(_, bytes, path): (FileTime, u64, PathBuf)| {
        left = left.checked_sub(bytes)?;
        Some(path)
    };
    Ok(found.into_iter().take(keep.files_per_start).map_while(fits).collect())
}

fn forget(aside: &Path, keep: Keep) -> io::Result<()> {
    let listed = match fs::read_dir(aside) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        listed => listed?,
    };
    let mut starts = listed.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    starts.sort_unstable();
    let surplus = starts.len().saturating_sub(keep.starts);
    starts.iter().take(surplus).try_for_each(|start| tree::remove(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Keep = Keep { starts: 2, bytes_per_start: Bytes(10), files_per_start: 3 };

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    /// Everything below, in order, with what is in it.
    fn kept(aside: &Path) -> Vec<(String, String)> {
        let mut all = Vec::new();
        tree::walk(aside, &mut |entry| {
            if entry.metadata.is_file() {
                let text = fs::read_to_string(aside.join(&entry.path))?;
                all.push((entry.path.display().to_string(), text));
            }
            Ok(())
        })
        .unwrap();
        all.sort();
        all
    }

    #[test]
    fn logs_are_put_aside_for_us_alone_and_the_oldest_starts_go() {
        let dir = tempfile::tempdir().unwrap();
        let (diag, aside) = (dir.path().join("_diag"), dir.path().join("aside"));
        put_aside(&diag, &aside, SMALL, at(1)).unwrap();
        assert!(!aside.exists(), "there was nothing");
        for start in 2..=4 {
            fs::create_dir_all(diag.join("pages")).unwrap();
            fs::write(diag.join("pages/x.log"), "console").unwrap();
            fs::write(diag.join("Runner_1-utc.log"), start.to_string()).unwrap();
            put_aside(&diag, &aside, SMALL, at(start)).unwrap();
            assert!(!diag.exists());
        }
        let expected = [(3, "3"), (4, "4")].map(|(n, text)| (format!("{n:015}/Runner_1-utc.log"), text.to_owned()));
        assert_eq!(kept(&aside), expected);
        let mode = |path: &str| aside.join(path).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(""), mode("000000000000003/Runner_1-utc.log")), (0o700, 0o600));
    }

    #[test]
    fn the_newest_logs_that_fit_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let (diag, aside) = (dir.path().join("_diag"), dir.path().join("aside"));
        fs::create_dir(&diag).unwrap();
        for (n, text) in [(1, "oldest"), (2, "older"), (3, "newer")] {
            let log = diag.join(format!("Worker_{n}-utc.log"));
            fs::write(&log, text).unwrap();
            hearth_host::times::set_modified(&log, FileTime(n * 1_000_000_000)).unwrap();
        }
        put_aside(&diag, &aside, SMALL, at(7)).unwrap();
        let names: Vec<_> = kept(&aside).into_iter().map(|(_, text)| text).collect();
        assert_eq!(names, ["older", "newer"]);
    }

    #[test]
    fn what_a_job_made_to_look_like_a_log_is_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        let (diag, aside) = (dir.path().join("_diag"), dir.path().join("aside"));
        let secret = dir.path().join("secret");
        fs::write(&secret, "secret").unwrap();
        fs::create_dir(&diag).unwrap();
        std::os::unix::fs::symlink(&secret, diag.join("Runner_link.log")).unwrap();
        fs::hard_link(&secret, diag.join("Runner_hard.log")).unwrap();
        fs::create_dir(diag.join("Runner_directory.log")).unwrap();
        fs::write(diag.join("passwd"), "x").unwrap();
        put_aside(&diag, &aside, SMALL, at(1)).unwrap();
        assert!(!aside.exists() && !diag.exists());
        // And `_diag` itself as a way to somewhere else.
        let elsewhere = dir.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        fs::write(elsewhere.join("Runner_1-utc.log"), "x").unwrap();
        std::os::unix::fs::symlink(&elsewhere, &diag).unwrap();
        put_aside(&diag, &aside, SMALL, at(2)).unwrap();
        assert!(elsewhere.join("Runner_1-utc.log").exists() && diag.symlink_metadata().is_err());
        assert_eq!(fs::read_to_string(&secret).unwrap(), "secret");
    }
}
