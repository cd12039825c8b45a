//! Whether a job runs in a container, where none of our paths exist: a compiler wrapper that is not there would fail every
//! build. The hooks run outside and are not told; the runner program's own log of the job is.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// The job's message stands at the beginning of the log.
const LOOKED_AT: u64 = 16 << 20;
const LOG_PREFIX: &str = "Worker_";
const KEY: &str = "\"jobContainer\":";

/// Looks into the log of the job that is about to begin below this root of a runner.
pub(super) fn is_in_container(root: &Path) -> bool {
    let logs = fs::read_dir(root.join("_diag")).into_iter().flatten().flatten();
    let of_jobs = logs.filter(|entry| entry.file_name().to_string_lossy().starts_with(LOG_PREFIX));
    let newest = of_jobs.max_by_key(fs::DirEntry::file_name);
    let Some(log) = newest.and_then(|entry| File::open(entry.path()).ok()) else { return false };
    BufReader::new(log.take(LOOKED_AT)).split(b'\n').map_while(Result::ok).any(|line| names_container(&line))
}

/// A job without a container has no such key, or nothing behind it.
fn names_container(line: &[u8]) -> bool {
    let line = String::from_utf8_lossy(line);
    let line = line.trim_start();
    line.strip_prefix(KEY).is_some_and(|value| !value.trim_start().starts_with("null"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_seen_in_the_newest_log() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!is_in_container(dir.path()));
        let diag = dir.path().join("_diag");
        fs::create_dir(&diag).unwrap();
        let write = |name: &str, text: &str| fs::write(diag.join(name), text).unwrap();
        write(
            "Worker_20261122-100000-utc.log",
            "[INFO Worker] Job message:\n {\n  \"jobContainer\": {\n    \"type\": 2\n",
        );
        write("Runner_20261122-120000-utc.log", "  \"jobContainer\": \"x\"");
        assert!(is_in_container(dir.path()));
        for (message, expected) in [
            ("  \"jobContainer\": \"rust:1.95\",", true),
            ("  \"jobContainer\": null,", false),
            ("  \"jobServiceContainers\": {", false),
            ("  \"displayName\": \"\\\"jobContainer\\\": x\",", false),
        ] {
            write("Worker_20261122-110000-utc.log", &format!(" {{\n{message}\n"));
            assert_eq!(is_in_container(dir.path()), expected, "{message}");
        }
    }
}
