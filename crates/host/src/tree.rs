//! Directories as trees of entries: reading one, removing one. Never follows a symbolic link.

use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};

/// One entry below a root. `path` is relative to it.
#[derive(Debug)]
pub struct Entry {
    pub path: PathBuf,
    pub metadata: Metadata,
}

/// Calls `visit` for everything below `root`, a directory before what is in it, in no order beside that.
pub fn walk(root: &Path, visit: &mut dyn FnMut(Entry) -> io::Result<()>) -> io::Result<()> {
    let mut pending = vec![PathBuf::new()];
    while let Some(relative) = pending.pop() {
        for entry in fs::read_dir(root.join(&relative))? {
            let entry = entry?;
            let path = relative.join(entry.file_name());
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                pending.push(path.clone());
            }
            visit(Entry { path, metadata })?;
        }
    }
    Ok(())
}

/// Removes a tree; one that is not there is removed already.
pub fn remove(root: &Path) -> io::Result<()> {
    match fs::remove_dir_all(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Removes everything that a directory holds; gives how many entries there were. Others may do the same meanwhile.
pub fn empty(directory: &Path) -> io::Result<usize> {
    let mut removed = 0;
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let gone = match path.symlink_metadata() {
            Ok(metadata) if metadata.is_dir() => remove(&path),
            Ok(_) => fs::remove_file(&path),
            Err(error) => Err(error),
        };
        gone.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })?;
        removed += 1;
    }
    Ok(removed)
}

/// Asks the file system that holds `path` to write everything out.
#[cfg(target_os = "linux")]
pub fn sync_file_system(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(fs::File::open(path)?)?)
}

/// Systems that have no call for one file system, and whose call for all of them does not wait.
#[cfg(not(target_os = "linux"))]
pub fn sync_file_system(_path: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Writes a small file so that a reader sees the old bytes or the new ones and a power cut leaves one of them.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write;
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let partial = path.with_file_name(format!(".{name}.{}.partial", std::process::id()));
    let mut file = fs::File::create(&partial)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    fs::rename(&partial, path)
}

/// The same for a file that only its owner may read. Others may have had it open before; nobody has the new one.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write;
    let (partial, mut file) = private_beside(path)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    fs::rename(&partial, path)
}

/// A new file beside `path` that only its owner may read.
fn private_beside(path: &Path) -> io::Result<(PathBuf, fs::File)> {
    use std::os::unix::fs::OpenOptionsExt;
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let partial = path.with_file_name(format!(".{name}.{}.partial", std::process::id()));
    let _leftover = fs::remove_file(&partial);
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial)?;
    Ok((partial, file))
}

/// Writes a file that only its owner may read, unless it is there already: then the one that is there stands.
pub fn write_private_once(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write;
    let (partial, mut file) = private_beside(path)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    // A hard link fails where the name is taken, which rename does not.
    let linked = fs::hard_link(&partial, path);
    fs::remove_file(&partial)?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}
