//! Which of the runner program's own logs are of one job: those that were last written while it was looked after. A
//! runner before it had ended, and one after it had not begun.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hearth_host::times::FileTime;
use hearth_model::{Bytes, Timestamp};

/// One log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Diagnostic {
    pub(super) path: PathBuf,
    pub(super) bytes: Bytes,
}

/// The logs below `aside`, a directory for each start, that were last written in this time, in order.
pub(super) fn written_between(aside: &Path, from: Timestamp, to: Timestamp) -> io::Result<Vec<Diagnostic>> {
    let mut found = Vec::new();
    for start in listed(aside)? {
        for path in listed(&start)? {
            let metadata = path.symlink_metadata()?;
            let millis = Timestamp::from_millis(FileTime::modified(&metadata).0.div_euclid(1_000_000));
            if metadata.is_file() && (from..=to).contains(&millis) {
                found.push(Diagnostic { path, bytes: Bytes(metadata.len()) });
            }
        }
    }
    Ok(found)
}

/// What is in a directory, in order; nothing where there is none.
fn listed(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        entries => entries?,
    };
    let mut paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort_unstable();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_belong_to_the_job_that_ran_when_they_were_last_written() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(written_between(&dir.path().join("none"), Timestamp::default(), Timestamp::default()).unwrap(), []);
        for (start, name, ms) in
            [("1", "Worker_1", 999), ("2", "Runner_2", 1_000), ("2", "Worker_2", 2_000), ("3", "Worker_3", 2_001)]
        {
            let path = dir.path().join(start).join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, name).unwrap();
            hearth_host::times::set_modified(&path, FileTime(ms * 1_000_000)).unwrap();
        }
        let found = written_between(dir.path(), Timestamp::from_millis(1_000), Timestamp::from_millis(2_000)).unwrap();
        let names: Vec<_> = found.iter().map(|log| log.path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["Runner_2", "Worker_2"]);
        assert_eq!(found[0].bytes, Bytes(8));
    }
}
