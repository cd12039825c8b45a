//! Generated sources: files inside the checkout that git does not track but a compilation has read. A fresh checkout
//! lacks them, and a build script whose own inputs are unchanged does not write them again, so the build would fail.
//! They are kept with the snapshot and put back where they are missing.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use hearth_host::times::{FileTime, set_modified};
use hearth_host::tree;
use hearth_model::Bytes;

use crate::checkout::Listing;

/// Generated sources are small; what is larger is not source.
const LARGEST: Bytes = Bytes::mib(16);

/// Where the generated sources of a snapshot stand.
pub(super) fn directory(snapshot: &Path) -> PathBuf {
    snapshot.join("kept")
}

/// Copies the generated sources that `build` was made from into `snapshot`.
pub(super) fn keep(top: &Path, listing: &Listing, build: &Path, snapshot: &Path) -> io::Result<()> {
    // A symbolic link of the job's must not lead us out of its checkout. The job has ended, so nothing changes now.
    let is_real = |path: &Path| path.canonicalize().is_ok_and(|real| real == path);
    if !is_real(top) {
        return Ok(());
    }
    for path in read_by_compilations(top, build)? {
        let Some(text) = path.to_str() else { continue };
        let source = top.join(&path);
        if !is_real(&source) {
            continue;
        }
        let metadata = match source.symlink_metadata() {
            Ok(metadata) if metadata.is_file() && metadata.len() <= LARGEST.0 => metadata,
            _ => continue,
        };
        if listing.files.contains_key(text) {
            continue;
        }
        let target = directory(snapshot).join(&path);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::copy(&source, &target)?;
        set_modified(&target, FileTime::modified(&metadata))?;
    }
    Ok(())
}

/// Puts back what is missing from the checkout; gives how many files. A file that is there is never touched.
pub(super) fn put_back(top: &Path, root: &Path) -> io::Result<usize> {
    if !root.exists() {
        return Ok(0);
    }
    let mut count = 0;
    tree::walk(root, &mut |entry| {
        let target = top.join(&entry.path);
        if !entry.metadata.is_file() || target.symlink_metadata().is_ok() {
            return Ok(());
        }
        let Some(parent) = target.parent() else { return Ok(()) };
        // A symbolic link in the checkout must not lead us out of it.
        let existing = parent.ancestors().find(|p| p.symlink_metadata().is_ok()).unwrap_or(top);
        if !existing.canonicalize()?.starts_with(top) {
            return Ok(());
        }
        fs::create_dir_all(parent)?;
        fs::copy(root.join(&entry.path), &target)?;
        set_modified(&target, FileTime::modified(&entry.metadata))?;
        count += 1;
        Ok(())
    })?;
    Ok(count)
}

/// Every path below `top` that a dep-info in `build` names.
fn read_by_compilations(top: &Path, build: &Path) -> io::Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    tree::walk(build, &mut |entry| {
        if entry.metadata.is_file() && entry.path.extension().is_some_and(|e| e == "d") {
            let text = String::from_utf8_lossy(&fs::read(build.join(&entry.path))?).into_owned();
            found.extend(text.lines().flat_map(prerequisites).filter_map(|path| below(top, &path)));
        }
        Ok(())
    })?;
    Ok(found)
}

/// The right side of a Makefile rule; a space in a name is written `\ `.
fn prerequisites(line: &str) -> Vec<String> {
    if line.starts_with('#') {
        return Vec::new();
    }
    let Some((_target, rest)) = line.split_once(": ") else { return Vec::new() };
    let joined = rest.replace("\\ ", "\0");
    joined.split(' ').filter(|part| !part.is_empty()).map(|part| part.replace('\0', " ")).collect()
}

fn below(top: &Path, path: &str) -> Option<PathBuf> {
    let path = Path::new(path);
    let relative = if path.is_absolute() { path.strip_prefix(top).ok()? } else { path };
    let plain = relative.components().all(|c| matches!(c, Component::Normal(_)));
    // Final artifacts and git's own files are not sources, wherever they were read from.
    let first = relative.components().next()?;
    let generated_elsewhere = matches!(first, Component::Normal(name) if name == "target" || name == ".git");
    (plain && !generated_elsewhere).then(|| relative.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_as_rustc_writes_them() {
        assert_eq!(prerequisites("/b/x.d: src/lib.rs src/a\\ b.rs"), ["src/lib.rs", "src/a b.rs"]);
        assert!(prerequisites("src/lib.rs:").is_empty());
        assert!(prerequisites("# env-dep:OUT_DIR=/x").is_empty());
    }

    #[test]
    fn only_generated_files_are_kept_and_only_missing_ones_put_back() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let (top, build, snapshot) = (root.join("w"), root.join("b"), root.join("s"));
        for directory in [&top.join("src"), &build, &snapshot] {
            fs::create_dir_all(directory).unwrap();
        }
        fs::write(top.join("src/lib.rs"), "mod generated;").unwrap();
        fs::write(top.join("src/generated.rs"), "// made").unwrap();
        fs::write(build.join("x.d"), "x: src/lib.rs src/generated.rs ../outside /etc/passwd\n").unwrap();
        let mut listing = Listing::default();
        let modified = FileTime::modified(&top.join("src/lib.rs").metadata().unwrap());
        let stamp = crate::checkout::FileStamp { mode: "100644".into(), blob: "b".into(), size: 14, modified };
        listing.files.insert("src/lib.rs".to_owned(), stamp);
        keep(&top, &listing, &build, &snapshot).unwrap();
        assert_eq!(put_back(&top, &directory(&snapshot)).unwrap(), 0);
        fs::remove_file(top.join("src/generated.rs")).unwrap();
        assert_eq!(put_back(&top, &directory(&snapshot)).unwrap(), 1);
        assert_eq!(fs::read_to_string(top.join("src/generated.rs")).unwrap(), "// made");
        assert!(!snapshot.join("kept/src/lib.rs").exists());
        // A link in the checkout does not let a kept file out of it.
        fs::remove_dir_all(top.join("src")).unwrap();
        let outside = root.join("outside");
        fs::create_dir(&outside).unwrap();
        std::os::unix::fs::symlink(&outside, top.join("src")).unwrap();
        assert_eq!(put_back(&top, &directory(&snapshot)).unwrap(), 0);
        assert!(!outside.join("generated.rs").exists());
    }
}
