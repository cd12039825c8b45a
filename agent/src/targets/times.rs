//! The restoring of times by content. cargo decides freshness by comparing times, and a fresh checkout has none that
//! mean anything. Unchanged files and directories get back, to the nanosecond, the time they had when this very
//! snapshot was built; everything else is made newer than anything in the snapshot. Times from commits, from another
//! snapshot, or plainly "now" give stale builds.

use std::io;
use std::path::{Path, PathBuf};

use hearth_host::times::{FileTime, set_modified};
use hearth_model::{Clock, Timestamp};
use serde::{Deserialize, Serialize};

use super::kept;
use super::lease::{Lease, Origin};
use super::snapshot::Manifest;
use super::store::LaneDirectory;
use crate::checkout::{Checkout, Listing};

/// What has to be set, in order: files before directories, inner directories before outer ones.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    settings: Vec<(String, FileTime)>,
    restored: usize,
    renewed: usize,
}

/// What was done to a checkout.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// Generated sources that were missing and came with the snapshot.
    pub put_back: usize,
    /// Unchanged since the snapshot, with another time than then.
    pub restored: usize,
    /// Changed since the snapshot, but not newer than it.
    pub renewed: usize,
}

impl Lease {
    /// Makes a checkout look to cargo as it did to the build that left the lease's snapshot. `targets` is where the
    /// snapshots stand.
    pub fn restore(&self, targets: &Path, checkout: &mut Checkout, clock: &dyn Clock) -> io::Result<Restored> {
        let Origin::Warm { manifest, .. } = &self.origin else { return Ok(Restored::default()) };
        let kept = self.kept(targets).unwrap_or_default();
        restore_checkout(&kept, manifest, checkout, clock)
    }

    /// Where the generated sources of the lease's snapshot stand, if it has one.
    pub fn kept(&self, targets: &Path) -> Option<PathBuf> {
        let Origin::Warm { snapshot, .. } = &self.origin else { return None };
        Some(kept::directory(&LaneDirectory::at(targets, &self.lane).snapshot(&snapshot.id)))
    }
}

/// Generated sources first, because putting them back changes the times of directories.
pub fn restore_checkout(
    kept: &Path,
    manifest: &Manifest,
    checkout: &mut Checkout,
    clock: &dyn Clock,
) -> io::Result<Restored> {
    let put_back = kept::put_back(&checkout.top, kept)?;
    let restored = restore(&checkout.top, &mut checkout.listing, manifest, clock)?;
    Ok(Restored { put_back, ..restored })
}

/// Sets the times of the checkout at `top` and corrects `listing` to match.
fn restore(top: &Path, listing: &mut Listing, manifest: &Manifest, clock: &dyn Clock) -> io::Result<Restored> {
    let plan = decide(listing, manifest, clock.now());
    for (path, time) in &plan.settings {
        set_modified(&top.join(path), *time)?;
        if let Some(file) = listing.files.get_mut(path) {
            file.modified = *time;
        } else if let Some(directory) = listing.directories.get_mut(path) {
            directory.modified = *time;
        }
    }
    Ok(Restored { restored: plan.restored, renewed: plan.renewed, put_back: 0 })
}

fn decide(listing: &Listing, manifest: &Manifest, now: Timestamp) -> Plan {
    // A second more than the newest, because some file systems keep only seconds.
    let renewed = FileTime(now.as_millis().saturating_mul(1_000_000)).max(manifest.newest.plus_secs(1));
    let mut plan = Plan::default();
    let mut set = |path: &String, current: FileTime, then: Option<FileTime>| match then {
        Some(then) if then == current => {}
        Some(then) => {
            plan.restored += 1;
            plan.settings.push((path.clone(), then));
        }
        None if current > manifest.newest => {}
        None => {
            plan.renewed += 1;
            plan.settings.push((path.clone(), renewed));
        }
    };
    for (path, file) in &listing.files {
        let then = manifest.sources.files.get(path).filter(|then| then.is_same_content(file));
        set(path, file.modified, then.map(|then| then.modified));
    }
    // Reverse order of paths puts what is inside before what it is inside of.
    for (path, directory) in listing.directories.iter().rev() {
        let then = manifest.sources.directories.get(path).filter(|then| then.identity == directory.identity);
        set(path, directory.modified, then.map(|then| then.modified));
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkout::{DirectoryStamp, FileStamp};

    fn file(blob: &str, modified: i64) -> FileStamp {
        FileStamp { mode: "100644".to_owned(), blob: blob.to_owned(), size: 1, modified: FileTime(modified) }
    }

    fn directory(identity: &str, modified: i64) -> DirectoryStamp {
        DirectoryStamp { identity: identity.to_owned(), modified: FileTime(modified) }
    }

    fn check(current: FileStamp, expected: Option<i64>) {
        let manifest = Manifest {
            sources: Listing { files: [("f".to_owned(), file("one", 100))].into(), directories: [].into() },
            newest: FileTime(2_000_000_000),
            artifacts: [].into(),
        };
        let listing = Listing { files: [("f".to_owned(), current)].into(), directories: [].into() };
        let plan = decide(&listing, &manifest, Timestamp::from_millis(1));
        let expected: Vec<_> = expected.map(|time| ("f".to_owned(), FileTime(time))).into_iter().collect();
        assert_eq!(plan.settings, expected);
    }

    #[test]
    fn unchanged_files_get_their_time_back_and_changed_ones_a_newer_one() {
        check(file("one", 100), None);
        check(file("one", 9_000_000_000), Some(100));
        check(file("two", 9_000_000_000), None);
        // As old as the snapshot's newest counts as fresh for cargo, so it must move, and past a slow clock too.
        check(file("two", 2_000_000_000), Some(3_000_000_000));
        check(file("two", 100), Some(3_000_000_000));
        check(FileStamp { size: 2, ..file("one", 100) }, Some(3_000_000_000));
        check(FileStamp { mode: "100755".to_owned(), ..file("one", 100) }, Some(3_000_000_000));
    }

    #[test]
    fn directories_follow_their_contents_from_the_inside_out() {
        let of = |inner: &str, outer: &str, modified: i64| {
            [(String::new(), directory(outer, modified)), ("d".to_owned(), directory(inner, modified))].into()
        };
        let manifest = Manifest {
            sources: Listing { files: [].into(), directories: of("i", "o", 100) },
            newest: FileTime(500),
            artifacts: [].into(),
        };
        let listing = Listing { files: [].into(), directories: of("i", "changed", 7_000_000) };
        let plan = decide(&listing, &manifest, Timestamp::from_millis(1));
        assert_eq!(plan.settings, [("d".to_owned(), FileTime(100))]);
        assert_eq!((plan.restored, plan.renewed), (1, 0));
    }
}
