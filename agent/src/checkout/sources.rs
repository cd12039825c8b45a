//! What identifies every source file and directory of a checkout: git's blob id for a file, a digest of what it
//! holds for a directory. Two equal identities are equal contents, whatever the times say.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hearth_host::times::FileTime;
use serde::{Deserialize, Serialize};

use super::git::{Git, GitError, Status};

/// A regular file as it stands in the checkout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStamp {
    /// Octal, as git writes it: `100644` or `100755`.
    pub mode: String,
    pub blob: String,
    /// Beside the blob, because a filter (LFS, line ends) may make two files of one blob.
    pub size: u64,
    pub modified: FileTime,
}

impl FileStamp {
    pub fn is_same_content(&self, other: &Self) -> bool {
        (&self.mode, &self.blob, self.size) == (&other.mode, &other.blob, other.size)
    }
}

/// A directory: the digest of the names and contents below it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryStamp {
    pub identity: String,
    pub modified: FileTime,
}

/// Every file that git knows or would add, and every directory that holds one, by path below the top.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    pub files: BTreeMap<String, FileStamp>,
    pub directories: BTreeMap<String, DirectoryStamp>,
}

impl Listing {
    /// Leaves out what changed since the listing was made: such a file was written while the job ran, and what the
    /// job's build saw of it is not known.
    #[must_use]
    pub fn without_changes(self, top: &Path) -> Self {
        let unchanged = |path: &String, modified: FileTime, size: Option<u64>| {
            top.join(path)
                .symlink_metadata()
                .is_ok_and(|m| FileTime::modified(&m) == modified && size.is_none_or(|size| size == m.len()))
        };
        Self {
            files: self.files.into_iter().filter(|(p, s)| unchanged(p, s.modified, Some(s.size))).collect(),
            directories: self.directories.into_iter().filter(|(p, s)| unchanged(p, s.modified, None)).collect(),
        }
    }

    /// A digest of all contents: the identity of the whole tree.
    pub fn identity(&self) -> String {
        self.directories.get("").map(|d| d.identity.clone()).unwrap_or_default()
    }
}

pub(super) async fn list(git: &Git, top: &Path, status: &Status) -> Result<Listing, GitError> {
    let staged = git.ask(&["ls-files", "--stage", "-z"]).await?;
    let mut found: BTreeMap<Vec<u8>, (String, String)> = BTreeMap::new();
    for record in staged.split(|b| *b == 0).filter(|r| !r.is_empty()) {
        let (path, mode, blob) = parse_staged(record).ok_or_else(|| git.unreadable("ls-files", record))?;
        found.insert(path, (mode, blob));
    }
    // Files that are not what the index says are hashed; git does it, so that its filters apply.
    let loose: Vec<&[u8]> = status.modified.iter().chain(&status.untracked).map(Vec::as_slice).collect();
    let hashable: Vec<&[u8]> = loose.iter().copied().filter(|path| is_plain_file(top, path)).collect();
    for path in &loose {
        found.remove(*path);
    }
    if !hashable.is_empty() {
        let input: Vec<u8> = hashable.iter().flat_map(|path| [*path, b"\n"].concat()).collect();
        let hashes = git.ask_with(&["hash-object", "--stdin-paths"], input).await?;
        let hashes = String::from_utf8_lossy(&hashes).into_owned();
        for (path, blob) in hashable.iter().zip(hashes.lines()) {
            let mode = if is_executable(top, path) { "100755" } else { "100644" };
            found.insert(path.to_vec(), (mode.to_owned(), blob.to_owned()));
        }
    }
    Ok(stamp(top, found))
}

fn parse_staged(record: &[u8]) -> Option<(Vec<u8>, String, String)> {
    let tab = record.iter().position(|b| *b == b'\t')?;
    let head = std::str::from_utf8(&record[..tab]).ok()?;
    let mut fields = head.split(' ');
    let (mode, blob) = (fields.next()?, fields.next()?);
    Some((record[tab + 1..].to_owned(), mode.to_owned(), blob.to_owned()))
}

fn relative(path: &[u8]) -> Option<PathBuf> {
    std::str::from_utf8(path).ok().map(PathBuf::from)
}

fn is_plain_file(top: &Path, path: &[u8]) -> bool {
    // A newline would read as two paths; such a file counts as changed, always.
    !path.contains(&b'\n') && relative(path).is_some_and(|p| top.join(p).symlink_metadata().is_ok_and(|m| m.is_file()))
}

fn is_executable(top: &Path, path: &[u8]) -> bool {
    use std::os::unix::fs::PermissionsExt;
    relative(path).is_some_and(|p| top.join(p).symlink_metadata().is_ok_and(|m| m.permissions().mode() & 0o100 != 0))
}

/// Reads the times, and digests directories from their entries upwards.
fn stamp(top: &Path, found: BTreeMap<Vec<u8>, (String, String)>) -> Listing {
    let mut listing = Listing::default();
    // Per directory: the entries that stand in it, in order.
    let mut entries: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for (path, (mode, blob)) in found {
        let Ok(path) = String::from_utf8(path) else { continue };
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", &path));
        entries.entry(parent.to_owned()).or_default().insert(name.to_owned(), format!("{mode} {blob}"));
        let Ok(metadata) = top.join(&path).symlink_metadata() else { continue };
        if metadata.is_file() {
            let modified = FileTime::modified(&metadata);
            listing.files.insert(path, FileStamp { mode, blob, size: metadata.len(), modified });
        }
    }
    let mut parents: Vec<String> = entries.keys().cloned().collect();
    while let Some(directory) = parents.pop() {
        if let Some((parent, _)) = directory.rsplit_once('/').or((!directory.is_empty()).then_some(("", "")))
            && !entries.contains_key(parent)
        {
            entries.insert(parent.to_owned(), BTreeMap::new());
            parents.push(parent.to_owned());
        }
    }
    // Deepest first: a directory's digest holds those of the directories in it.
    let mut order: Vec<String> = entries.keys().cloned().collect();
    order.sort_by_key(|d| std::cmp::Reverse(if d.is_empty() { 0 } else { d.matches('/').count() + 1 }));
    for directory in order {
        let mut digest = blake3::Hasher::new();
        for (name, what) in entries.remove(&directory).unwrap_or_default() {
            digest.update(name.as_bytes()).update(&[0]).update(what.as_bytes()).update(&[0]);
        }
        let identity = digest.finalize().to_hex()[..32].to_owned();
        if !directory.is_empty() {
            let (parent, name) = directory.rsplit_once('/').unwrap_or(("", &directory));
            entries.entry(parent.to_owned()).or_default().insert(name.to_owned(), format!("tree {identity}"));
        }
        if let Ok(metadata) = top.join(&directory).symlink_metadata()
            && metadata.is_dir()
        {
            let modified = FileTime::modified(&metadata);
            listing.directories.insert(directory, DirectoryStamp { identity, modified });
        }
    }
    listing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing_of(files: &[(&str, &str)]) -> Listing {
        let dir = tempfile::tempdir().unwrap();
        let mut found = BTreeMap::new();
        for (path, blob) in files {
            let full = dir.path().join(path);
            std::fs::create_dir_all(full.parent().unwrap()).unwrap();
            std::fs::write(&full, blob).unwrap();
            found.insert(path.as_bytes().to_vec(), ("100644".to_owned(), (*blob).to_owned()));
        }
        stamp(dir.path(), found)
    }

    #[test]
    fn a_directory_is_what_stands_below_it() {
        let before = listing_of(&[("a/b/c.rs", "1"), ("a/d.rs", "2"), ("e.rs", "3")]);
        assert_eq!(before.directories.keys().collect::<Vec<_>>(), ["", "a", "a/b"]);
        let deep = listing_of(&[("a/b/c.rs", "9"), ("a/d.rs", "2"), ("e.rs", "3")]);
        for (path, same) in [("a/b", false), ("a", false), ("", false)] {
            assert_eq!(before.directories[path].identity == deep.directories[path].identity, same, "{path}");
        }
        let sibling = listing_of(&[("a/b/c.rs", "1"), ("a/d.rs", "9"), ("e.rs", "3")]);
        assert_eq!(before.directories["a/b"].identity, sibling.directories["a/b"].identity);
        let only_deep = listing_of(&[("x/y/z.rs", "1")]);
        assert_eq!(only_deep.directories.keys().collect::<Vec<_>>(), ["", "x", "x/y"]);
    }

    #[test]
    fn what_changed_during_the_job_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["kept", "rewritten", "deleted"] {
            std::fs::write(dir.path().join(name), "one").unwrap();
        }
        let found = ["kept", "rewritten", "deleted"]
            .map(|n| (n.as_bytes().to_vec(), ("100644".to_owned(), "b".to_owned())))
            .into();
        let listing = stamp(dir.path(), found);
        std::fs::write(dir.path().join("rewritten"), "three").unwrap();
        std::fs::remove_file(dir.path().join("deleted")).unwrap();
        let after = listing.without_changes(dir.path());
        assert_eq!(after.files.keys().collect::<Vec<_>>(), ["kept"]);
        assert!(after.directories.is_empty());
    }
}
