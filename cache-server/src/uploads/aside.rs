//! Uploads of unknown length lie aside in files of their own until their end. A process that is killed leaves its files;
//! they are swept once they are older than any upload can be.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use hearth_host::files;
use hearth_model::{Millis, Timestamp};
use tracing::{info, warn};

use crate::segments::PIECE;
use crate::store::Store;

/// Where they lie, below the node's directory.
pub(crate) const DIR: &str = "uploads";
/// No upload takes so long; its limit is in minutes.
const ABANDONED: Millis = Millis::from_minutes(120);

/// A file for bytes of which nobody knows how many will come; removed when dropped.
#[derive(Debug)]
pub(super) struct Aside {
    pub(super) file: File,
    path: PathBuf,
}

impl Aside {
    pub(super) fn open(store: &Store) -> io::Result<Self> {
        let name = getrandom::u64().map_err(io::Error::other)?;
        let path = store.config.root.join(DIR).join(format!("{name:016x}"));
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        Ok(Self { file, path })
    }

    pub(super) fn read(&self, length: u64) -> io::Result<Vec<u8>> {
        files::read_at(&self.file, usize::try_from(length).map_err(io::Error::other)?, 0)
    }

    /// Writes the first `length` bytes to `to`, from `at` on.
    pub(super) fn copy(&self, length: u64, to: &File, to_at: u64) -> io::Result<()> {
        let mut at = 0;
        while at < length {
            let next = usize::try_from(length - at).map_or(PIECE, |left| left.min(PIECE));
            let piece = files::read_at(&self.file, next, at)?;
            files::write_all_at(to, &mut [IoSlice::new(&piece)], to_at + at)?;
            at += next as u64;
        }
        Ok(())
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // What cannot be removed now is swept later.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Removes what killed processes have left.
pub(crate) async fn sweep_aside(store: &Arc<Store>) {
    let (dir, before) = (store.config.root.join(DIR), store.clock.now() - ABANDONED);
    match store.disk.at_leisure(move || sweep(&dir, before)).await {
        Some(Ok(0)) | None => {}
        Some(Ok(swept)) => {
            info!(cache.uploads = swept, "removed {swept} files of uploads that never came to their end");
        }
        Some(Err(error)) => warn!(error = %error, "cannot sweep uploads that never came to their end"),
    }
}

/// Removes the files that nobody has written to since `before`; says how many. Blocks.
fn sweep(dir: &Path, before: Timestamp) -> io::Result<u64> {
    let before = UNIX_EPOCH + Duration::from_millis(u64::try_from(before.as_millis()).unwrap_or(0));
    let mut swept = 0;
    for file in fs::read_dir(dir)? {
        let file = file?;
        let removed = file.metadata().and_then(|metadata| {
            let is_old = metadata.is_file() && metadata.modified()? < before;
            if is_old { fs::remove_file(file.path()).map(|()| 1) } else { Ok(0) }
        });
        swept += match removed {
            // Its upload has come to its end meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            other => other?,
        };
    }
    Ok(swept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, Shed};

    #[tokio::test]
    async fn what_a_killed_process_left_is_swept_and_what_is_being_written_is_not() {
        let shed = Shed::new().await;
        let dir = shed.dir.path().join(DIR);
        let plant = |name: &str, age: Millis| {
            let at = u64::try_from((NOW - age).as_millis()).unwrap();
            let file = File::create(dir.join(name)).unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_millis(at)).unwrap();
        };
        plant("old", ABANDONED + Millis::from_minutes(1));
        plant("new", Millis::from_minutes(100));
        let shed = shed.restart(|_| {}).await;
        assert!(!dir.join("old").exists());
        assert!(dir.join("new").exists());
        drop(shed);
    }
}
