//! What a running server takes of its machine, and whether that grows.

use std::fmt;
use std::fs;
use std::path::Path;

/// One look at it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) resident_kib: u64,
    /// Without those of segments, of which it keeps some open.
    pub(crate) descriptors: u64,
    pub(crate) segments: u64,
    pub(crate) threads: u64,
    /// What its directory takes on the disk.
    pub(crate) disk_kib: u64,
    pub(crate) objects: u64,
}

impl Sample {
    pub(crate) fn take(pid: u32, dir: &Path, objects: u64) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).expect("it is there");
            line.split_whitespace().next().and_then(|word| word.parse().ok()).expect("it is a number")
        };
        let is_segment = |entry: &fs::DirEntry| {
            fs::read_link(entry.path()).is_ok_and(|file| file.starts_with(dir.join("objects/segments")))
        };
        let open: Vec<_> = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().map(Result::unwrap).collect();
        let segments = open.iter().filter(|entry| is_segment(entry)).count();
        Self {
            resident_kib: field("VmRSS"),
            threads: field("Threads"),
            descriptors: (open.len() - segments) as u64,
            segments: segments as u64,
            disk_kib: blocks_below(dir) / 2,
            objects,
        }
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resident_kib, descriptors, segments, threads, disk_kib, objects } = self;
        write!(
            f,
            "{resident_kib:>7} KiB resident, {descriptors:>2} descriptors and \
             {segments:>3} segments open, {threads:>2} threads, {disk_kib:>8} KiB on disk, {objects:>6} objects"
        )
    }
}

/// In units of 512 bytes. What goes away meanwhile counts nothing.
fn blocks_below(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    let of = |entry: fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => blocks_below(&entry.path()),
        Ok(found) => found.blocks(),
        Err(_) => 0,
    };
    entries.filter_map(Result::ok).map(of).sum()
}

/// The middle one of these figures.
pub(crate) fn median(figures: impl Iterator<Item = u64>) -> u64 {
    let mut figures: Vec<_> = figures.collect();
    figures.sort_unstable();
    figures[figures.len() / 2]
}
