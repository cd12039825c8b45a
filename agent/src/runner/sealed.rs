//! Directories that nobody writes into any more: every write bit below them is gone. A job that runs as their owner can
//! take that back, so this is against mistakes; the read-only mounts of a slot's view are against malice.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use hearth_host::tree;

const ALL_READ: u32 = 0o444;
const ALL_EXECUTE: u32 = 0o111;

/// Takes every write bit from `root` and all below it, and lets everybody read: a slot's user is another than ours.
pub(super) fn seal(root: &Path) -> io::Result<()> {
    let mut directories = vec![root.to_owned()];
    tree::walk(root, &mut |entry| {
        let path = root.join(entry.path);
        if entry.metadata.is_dir() {
            directories.push(path);
        } else if entry.metadata.is_file() {
            fs::set_permissions(&path, fs::Permissions::from_mode(sealed_mode(&entry.metadata)))?;
        }
        Ok(())
    })?;
    // The innermost first, while those around it can still be passed.
    directories
        .iter()
        .rev()
        .try_for_each(|directory| fs::set_permissions(directory, fs::Permissions::from_mode(ALL_READ | ALL_EXECUTE)))
}

fn sealed_mode(metadata: &Metadata) -> u32 {
    let can_run = metadata.permissions().mode() & ALL_EXECUTE != 0;
    ALL_READ | if can_run { ALL_EXECUTE } else { 0 }
}

/// Removes a tree that may be sealed, in whole or in part, or whatever else stands there, a link itself and not what it
/// leads to. What is not there is removed already.
pub(super) fn remove(root: &Path) -> io::Result<()> {
    match root.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => return fs::remove_file(root),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    match tree::remove(root) {
        // The superuser needs no bits.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            unseal(root)?;
            tree::remove(root)
        }
        other => other,
    }
}

/// Lets us write into every directory below `root`, the outermost first, because what is in a directory is seen only
/// when it can be passed.
fn unseal(root: &Path) -> io::Result<()> {
    let mut pending: Vec<PathBuf> = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                pending.push(entry.path());
            }
        }
    }
    Ok(())
}

/// Whether something below `root` can still be written, as the bits say.
#[cfg(test)]
pub(super) fn is_sealed(root: &Path) -> bool {
    const EVERY_WRITE_BIT: u32 = 0o222;
    let mut sealed = root.metadata().unwrap().permissions().mode() & EVERY_WRITE_BIT == 0;
    tree::walk(root, &mut |entry| {
        sealed &= entry.metadata.is_symlink() || entry.metadata.permissions().mode() & EVERY_WRITE_BIT == 0;
        Ok(())
    })
    .unwrap();
    sealed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_tree_can_be_read_and_run_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("a");
        fs::create_dir_all(root.join("b/c")).unwrap();
        fs::write(root.join("b/c/tool"), "x").unwrap();
        fs::set_permissions(root.join("b/c/tool"), fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(root.join("b/text"), "x").unwrap();
        std::os::unix::fs::symlink("text", root.join("b/link")).unwrap();
        assert!(!is_sealed(&root));
        seal(&root).unwrap();
        assert!(is_sealed(&root));
        let mode = |path: &str| root.join(path).symlink_metadata().unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode("b/c/tool"), mode("b/text"), mode("b/c")), (0o555, 0o444, 0o555));
        remove(&root).unwrap();
        assert!(!root.exists());
        remove(&root).unwrap();
    }
}
