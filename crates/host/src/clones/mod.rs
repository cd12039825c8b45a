//! Private copies of a directory tree, by the best means the file system has.
//!
//! A clone shares no inode with its source: cargo and rustc write in place, and a second job on hard links would link
//! stale code. Times are kept to the nanosecond, because cargo's freshness rests on their order.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use hearth_model::Bytes;

use crate::times::{FileTime, set_modified};
use crate::tree;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as platform;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(not(target_os = "linux"))]
use elsewhere as platform;

/// How file contents are cloned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Means {
    /// Blocks are shared until written (XFS, btrfs, bcachefs).
    Reflink,
    /// Bytes are copied.
    Copy,
}

impl std::fmt::Display for Means {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Reflink => "reflink",
            Self::Copy => "copy",
        })
    }
}

/// What a clone or a mirror did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cloned {
    pub files: u64,
    pub bytes: Bytes,
    /// Files that were there already and equal.
    pub kept: u64,
    /// Entries that the source no longer has.
    pub removed: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum CloneError {
    #[error("cannot read {path}")]
    Read {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("cannot write {path}")]
    Write {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("{path} is neither a file, a directory nor a symbolic link")]
    Kind { path: PathBuf },
}

impl CloneError {
    /// Whether the disk had no room.
    pub fn is_disk_full(&self) -> bool {
        let (Self::Read { cause, .. } | Self::Write { cause, .. }) = self else {
            return false;
        };
        matches!(cause.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

/// Finds out by trying, in `dir`, what its file system can do.
pub fn probe(dir: &Path) -> io::Result<Means> {
    let source = dir.join(format!(".probe-{}.partial", std::process::id()));
    let target = source.with_extension("clone.partial");
    fs::write(&source, b"probe")?;
    let tried = File::open(&source).and_then(|from| File::create(&target).and_then(|to| platform::reflink(&from, &to)));
    fs::remove_file(&source)?;
    if target.exists() {
        fs::remove_file(&target)?;
    }
    Ok(if tried.is_ok() { Means::Reflink } else { Means::Copy })
}

/// Makes `target` equal to `source`. What `target` holds already and equals the source is kept: the work is in
/// proportion to the difference. A file of the source whose inode changed after `since` is always taken anew, because
/// its size and modification time may lie; `since` is the moment when `target` was last equal to the source's
/// predecessor (`None` takes everything anew).
pub fn mirror(source: &Path, target: &Path, means: Means, since: Option<FileTime>) -> Result<Cloned, CloneError> {
    let mut done = Cloned::default();
    mirror_directory(source, target, means, since, &mut done)?;
    Ok(done)
}

fn mirror_directory(
    source: &Path,
    target: &Path,
    means: Means,
    since: Option<FileTime>,
    done: &mut Cloned,
) -> Result<(), CloneError> {
    let metadata = metadata_of(source)?;
    if !metadata_of(target).is_ok_and(|m| m.is_dir()) {
        remove_entry(target)?;
        fs::create_dir_all(target).map_err(|cause| CloneError::Write { path: target.to_owned(), cause })?;
    }
    let mut wanted = std::collections::HashSet::new();
    let entries = fs::read_dir(source).map_err(|cause| CloneError::Read { path: source.to_owned(), cause })?;
    for entry in entries {
        let entry = entry.map_err(|cause| CloneError::Read { path: source.to_owned(), cause })?;
        let (from, to) = (entry.path(), target.join(entry.file_name()));
        wanted.insert(entry.file_name());
        let kind = metadata_of(&from)?;
        if kind.is_dir() {
            mirror_directory(&from, &to, means, since, done)?;
        } else if kind.is_symlink() {
            mirror_link(&from, &to, &kind)?;
        } else if kind.is_file() {
            mirror_file(&from, &to, &kind, means, since, done)?;
        } else {
            return Err(CloneError::Kind { path: from });
        }
    }
    let present = fs::read_dir(target).map_err(|cause| CloneError::Read { path: target.to_owned(), cause })?;
    for entry in present {
        let entry = entry.map_err(|cause| CloneError::Read { path: target.to_owned(), cause })?;
        if !wanted.contains(&entry.file_name()) {
            remove_entry(&entry.path())?;
            done.removed += 1;
        }
    }
    // The directory's own time last: making entries in it has changed it.
    finish(target, &metadata)
}

fn mirror_file(
    from: &Path,
    to: &Path,
    metadata: &Metadata,
    means: Means,
    since: Option<FileTime>,
    done: &mut Cloned,
) -> Result<(), CloneError> {
    if let (Some(since), Ok(present)) = (since, to.symlink_metadata()) {
        let equal = present.is_file()
            && present.len() == metadata.len()
            && FileTime::modified(&present) == FileTime::modified(metadata)
            && present.permissions() == metadata.permissions()
            && FileTime::changed(metadata) < since;
        if equal {
            done.kept += 1;
            return Ok(());
        }
    }
    // A new inode each time: a reader of the old one keeps what it has.
    remove_entry(to)?;
    clone_file(from, to, means)?;
    finish(to, metadata)?;
    done.files += 1;
    done.bytes += Bytes(metadata.len());
    Ok(())
}

fn clone_file(from: &Path, to: &Path, means: Means) -> Result<(), CloneError> {
    let source = File::open(from).map_err(|cause| CloneError::Read { path: from.to_owned(), cause })?;
    let write = |cause| CloneError::Write { path: to.to_owned(), cause };
    match means {
        Means::Reflink => {
            let target = File::create_new(to).map_err(write)?;
            platform::reflink(&source, &target).map_err(write)
        }
        Means::Copy => {
            let mut target = File::create_new(to).map_err(write)?;
            let mut source = source;
            io::copy(&mut source, &mut target).map(drop).map_err(write)
        }
    }
}

fn mirror_link(from: &Path, to: &Path, metadata: &Metadata) -> Result<(), CloneError> {
    let points_to = fs::read_link(from).map_err(|cause| CloneError::Read { path: from.to_owned(), cause })?;
    let write = |cause| CloneError::Write { path: to.to_owned(), cause };
    if !fs::read_link(to).is_ok_and(|present| present == points_to) {
        remove_entry(to)?;
        std::os::unix::fs::symlink(&points_to, to).map_err(write)?;
    }
    set_modified(to, FileTime::modified(metadata)).map_err(write)
}

/// Mode and time of the source, mode first: a read-only directory still takes a time.
fn finish(target: &Path, source: &Metadata) -> Result<(), CloneError> {
    let write = |cause| CloneError::Write { path: target.to_owned(), cause };
    let mode = fs::Permissions::from_mode(source.permissions().mode());
    fs::set_permissions(target, mode).map_err(write)?;
    set_modified(target, FileTime::modified(source)).map_err(write)
}

/// Gives every file below `root` that has a name outside of it an inode of its own: cargo links final artifacts into the
/// checkout, and what is done to them there must not reach a snapshot. Gives how many there were.
pub fn separate(root: &Path, means: Means) -> Result<u64, CloneError> {
    let (mut linked, mut times) = (Vec::new(), std::collections::BTreeMap::new());
    let read = |cause| CloneError::Read { path: root.to_owned(), cause };
    let mut names = Names::default();
    tree::walk(root, &mut |entry| {
        names.count(&entry.metadata);
        if entry.metadata.is_file() && entry.metadata.nlink() > 1 {
            let parent = entry.path.parent().unwrap_or(Path::new("")).to_owned();
            times.entry(parent.clone()).or_insert(FileTime::modified(&root.join(&parent).symlink_metadata()?));
            linked.push(entry);
        }
        Ok(())
    })
    .map_err(read)?;
    let shared: Vec<_> = linked.into_iter().filter(|entry| names.is_known_elsewhere(&entry.metadata)).collect();
    for entry in &shared {
        let path = root.join(&entry.path);
        let mut partial = path.clone().into_os_string();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        remove_entry(&partial)?;
        clone_file(&path, &partial, means)?;
        finish(&partial, &entry.metadata)?;
        fs::rename(&partial, &path).map_err(|cause| CloneError::Write { path, cause })?;
    }
    for (directory, time) in times {
        let path = root.join(directory);
        set_modified(&path, time).map_err(|cause| CloneError::Write { path, cause })?;
    }
    Ok(shared.len() as u64)
}

/// The names of files that have several, counted in one walk over a tree. rustc links one incremental session into the
/// next, so many have them all inside; only a name elsewhere is a way for others to change a file.
#[derive(Debug, Default)]
pub struct Names {
    /// By device and inode: names that were not seen yet.
    missing: std::collections::HashMap<(u64, u64), u64>,
}

impl Names {
    pub fn count(&mut self, metadata: &Metadata) {
        if metadata.is_file() && metadata.nlink() > 1 {
            let missing = self.missing.entry((metadata.dev(), metadata.ino())).or_insert(metadata.nlink());
            *missing = missing.saturating_sub(1);
        }
    }

    /// Whether this file has a name that was not counted.
    pub fn is_known_elsewhere(&self, metadata: &Metadata) -> bool {
        self.missing.get(&(metadata.dev(), metadata.ino())).is_some_and(|missing| *missing > 0)
    }

    pub fn is_any_known_elsewhere(&self) -> bool {
        self.missing.values().any(|missing| *missing > 0)
    }
}

fn metadata_of(path: &Path) -> Result<Metadata, CloneError> {
    path.symlink_metadata().map_err(|cause| CloneError::Read { path: path.to_owned(), cause })
}

fn remove_entry(path: &Path) -> Result<(), CloneError> {
    let removed = match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => tree::remove(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    removed.map_err(|cause| CloneError::Write { path: path.to_owned(), cause })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(root: &Path) -> Vec<(PathBuf, u64, FileTime, u32)> {
        let mut all = Vec::new();
        tree::walk(root, &mut |e| {
            let size = if e.metadata.is_dir() { 0 } else { e.metadata.len() };
            all.push((e.path, size, FileTime::modified(&e.metadata), e.metadata.mode()));
            Ok(())
        })
        .unwrap();
        all.sort();
        all
    }

    fn sample(root: &Path) {
        fs::create_dir_all(root.join("deps/empty")).unwrap();
        fs::write(root.join("deps/a.rlib"), "aaaa").unwrap();
        fs::write(root.join("deps/b.rlib"), "bbbb").unwrap();
        std::os::unix::fs::symlink("a.rlib", root.join("deps/link")).unwrap();
        set_modified(&root.join("deps/a.rlib"), FileTime(1_000_000_000_000_000_001)).unwrap();
        set_modified(&root.join("deps"), FileTime(1_000_000_000_000_000_002)).unwrap();
    }

    fn here() -> FileTime {
        let probe = tempfile::NamedTempFile::new().unwrap();
        FileTime::changed(&probe.path().metadata().unwrap()).plus_secs(1)
    }

    #[test]
    fn a_clone_has_the_same_entries_times_and_modes_and_no_shared_inode() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        sample(&from);
        let done = mirror(&from, &to, probe(dir.path()).unwrap(), None).unwrap();
        assert_eq!((done.files, done.bytes), (2, Bytes(8)));
        assert_eq!(listing(&from), listing(&to));
        fs::write(to.join("deps/a.rlib"), "changed").unwrap();
        assert_eq!(fs::read(from.join("deps/a.rlib")).unwrap(), b"aaaa");
    }

    #[test]
    fn a_mirror_takes_only_what_differs() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        sample(&from);
        mirror(&from, &to, Means::Copy, None).unwrap();
        fs::write(from.join("deps/new"), "n").unwrap();
        fs::remove_file(from.join("deps/b.rlib")).unwrap();
        fs::create_dir(to.join("surplus")).unwrap();
        let done = mirror(&from, &to, Means::Copy, Some(here())).unwrap();
        assert_eq!((done.files, done.kept, done.removed), (1, 1, 2));
        assert_eq!(listing(&from), listing(&to));
    }

    #[test]
    fn a_separated_tree_shares_nothing_and_looks_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("from");
        sample(&root);
        fs::hard_link(root.join("deps/a.rlib"), dir.path().join("outside")).unwrap();
        fs::hard_link(root.join("deps/b.rlib"), root.join("deps/inside")).unwrap();
        set_modified(&root.join("deps"), FileTime(1_000_000_000_000_000_002)).unwrap();
        let before = listing(&root);
        assert_eq!(separate(&root, Means::Copy).unwrap(), 1);
        assert_eq!(listing(&root), before);
        fs::write(dir.path().join("outside"), "evil").unwrap();
        assert_eq!(fs::read(root.join("deps/a.rlib")).unwrap(), b"aaaa");
        assert_eq!(root.join("deps/inside").metadata().unwrap().nlink(), 2, "what is shared inside stays so");
    }

    #[test]
    fn a_forged_time_does_not_hide_a_change() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        sample(&from);
        mirror(&from, &to, Means::Copy, None).unwrap();
        let since = FileTime::changed(&from.join("deps/b.rlib").metadata().unwrap());
        fs::write(from.join("deps/a.rlib"), "evil").unwrap();
        set_modified(&from.join("deps/a.rlib"), FileTime(1_000_000_000_000_000_001)).unwrap();
        mirror(&from, &to, Means::Copy, Some(since)).unwrap();
        assert_eq!(fs::read(to.join("deps/a.rlib")).unwrap(), b"evil");
    }
}
