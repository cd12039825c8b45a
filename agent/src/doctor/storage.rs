//! Where everything is kept: whose the directory is, how much room there is, and what its file system can do.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use hearth_host::clones::{self, Means};
use hearth_host::space::{self, Space};
use hearth_host::users;
use hearth_model::Bytes;

use super::finding::Finding;
use crate::journey::chain;
use crate::places::Places;
use crate::supervision::LEAST_ROOM;

pub(super) const STATE: &str = "state directory";
const SPACE: &str = "free space";
const CLONES: &str = "clones";
const FILE_SYSTEM: &str = "one file system";

const WRITABLE_BY_OTHERS: u32 = 0o022;
const READABLE_BY_OTHERS: u32 = 0o055;

/// The state directory, as far as it concerns those who look further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing has been kept yet.
    Missing,
    /// It is there, and not for us to use.
    Unusable,
    Usable,
}

/// What the state directory looks like.
#[derive(Debug)]
enum Seen {
    Missing,
    Broken(io::Error),
    There { owner: u32, mode: u32, written: io::Result<()> },
}

/// Room that the configuration leaves to others, by the key that says so.
#[derive(Debug, Clone, Copy)]
struct Reserve {
    key: &'static str,
    room: Bytes,
}

pub(super) fn look_at_state(root: &Path) -> (Standing, Finding) {
    let seen = match root.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Seen::Missing,
        Err(error) => Seen::Broken(error),
        Ok(metadata) if !metadata.is_dir() => Seen::Broken(io::ErrorKind::NotADirectory.into()),
        Ok(metadata) => {
            Seen::There { owner: metadata.uid(), mode: metadata.permissions().mode(), written: write(root) }
        }
    };
    judge_state(root, &seen, users::effective_uid())
}

fn write(root: &Path) -> io::Result<()> {
    let probe = root.join(format!(".doctor-{}.partial", std::process::id()));
    let written = fs::write(&probe, b"this directory can be written");
    let removed = fs::remove_file(&probe);
    written.and(removed)
}

fn judge_state(root: &Path, seen: &Seen, us: u32) -> (Standing, Finding) {
    let path = root.display();
    let bad = |found: String, fix: String| {
        (
            Standing::Unusable,
            Finding::bad(STATE, found, "everything that Hearth knows and keeps warm stands in it", fix),
        )
    };
    match seen {
        Seen::Missing => {
            let found = format!("{path} is not there yet; the first job or `hearth up` makes it");
            (Standing::Missing, Finding::not_checked(STATE, found))
        }
        Seen::Broken(error) => {
            bad(format!("{path} cannot be used: {error}"), "name a directory with --state or HEARTH_STATE".to_owned())
        }
        Seen::There { owner, .. } if *owner != us => {
            let found = format!("{path} belongs to user {owner}, and we run as user {us}");
            bad(found, format!("run this as user {owner}, as the daemon does, or name another directory with --state"))
        }
        Seen::There { written: Err(error), .. } => {
            let found = format!("nothing can be written in {path}: {error}");
            bad(found, "make it writable, or free some room".to_owned())
        }
        Seen::There { mode, .. } if mode & WRITABLE_BY_OTHERS != 0 => {
            let found = format!("{path} can be written by others (mode {:o})", mode & 0o777);
            let why = "whoever can write in it decides what the next build links";
            (Standing::Usable, Finding::bad(STATE, found, why, format!("chmod go-w {path}")))
        }
        Seen::There { mode, .. } if mode & READABLE_BY_OTHERS != 0 => {
            let found = format!("{path} can be read by others (mode {:o})", mode & 0o777);
            let why = "snapshots hold what private sources were compiled into";
            (Standing::Usable, Finding::warning(STATE, found, why, format!("chmod 700 {path}")))
        }
        Seen::There { .. } => {
            (Standing::Usable, Finding::good(STATE, format!("{path} is ours alone and can be written")))
        }
    }
}

/// Finds out how the state directory's file system clones, where that can be tried.
pub(super) fn means(root: &Path, standing: Standing) -> Option<Result<Means, String>> {
    (standing == Standing::Usable).then(|| clones::probe(root).map_err(|error| chain(&error)))
}

/// What its disk is like. `targets`, `cache`: the reserves of both.
pub(super) fn look_at_disk(
    places: &Places,
    means: Option<Result<Means, String>>,
    targets: Bytes,
    cache: Bytes,
) -> Vec<Finding> {
    let reserves = [("targets.free_reserve", targets), ("cache.free_reserve", cache)];
    let reserves = reserves.map(|(key, room)| Reserve { key, room });
    let root = places.root();
    let above = root.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/"));
    let mut findings = vec![match space::of(above) {
        Ok(space) => judge_space(space, &reserves),
        Err(error) => {
            Finding::not_checked(SPACE, format!("the room on the disk of {} is unknown: {error}", root.display()))
        }
    }];
    findings.push(match means {
        Some(means) => judge_clones(means),
        None => Finding::not_checked(CLONES, "there is no state directory to try it in"),
    });
    findings.push(judge_file_systems(&file_systems(places)));
    findings
}

fn judge_space(space: Space, reserves: &[Reserve]) -> Finding {
    let Space { available, total } = space;
    let found = format!("{available} of {total} are free");
    if available < LEAST_ROOM {
        let found = format!("{found}, less than the {LEAST_ROOM} that a job of a forge needs to begin");
        let why = "no runner is started until there is room";
        return Finding::bad(SPACE, found, why, "free some room, or name another state directory with --state");
    }
    let short: Vec<&Reserve> = reserves.iter().filter(|reserve| available <= reserve.room).collect();
    if short.is_empty() {
        return Finding::good(SPACE, found);
    }
    let short =
        short.iter().map(|reserve| format!("{} of {}", reserve.key, reserve.room)).collect::<Vec<_>>().join(", ");
    let why = "what would go below the reserve is not kept, so jobs are cold";
    Finding::warning(SPACE, format!("{found}, no more than {short}"), why, "free some room, or lower the reserve")
}

fn judge_clones(means: Result<Means, String>) -> Finding {
    match means {
        Ok(Means::Reflink) => Finding::good(CLONES, "by reflink: a clone shares the blocks of its snapshot"),
        Ok(Means::Copy) => {
            let why = "every warm target takes its size once more for the clone that is made ready, and the time to copy \
                       what has changed; both off the job's path";
            let fix = "put the state directory on XFS or btrfs";
            Finding::warning(CLONES, "by copying: this file system shares no blocks", why, fix)
        }
        Err(error) => {
            let found = format!("it could not be tried: {error}");
            Finding::bad(CLONES, found, "without clones every job is cold", "make the state directory writable")
        }
    }
}

/// The devices of those directories between which things are renamed.
fn file_systems(places: &Places) -> Vec<(PathBuf, u64)> {
    let all = [places.targets(), places.slots(), places.trash()];
    all.into_iter().filter_map(|path| path.metadata().ok().map(|metadata| (path, metadata.dev()))).collect()
}

fn judge_file_systems(devices: &[(PathBuf, u64)]) -> Finding {
    let Some(((first, device), rest)) = devices.split_first() else {
        return Finding::not_checked(FILE_SYSTEM, "nothing is kept yet");
    };
    let apart: Vec<String> =
        rest.iter().filter(|(_, other)| other != device).map(|(path, _)| path.display().to_string()).collect();
    if apart.is_empty() {
        return Finding::good(FILE_SYSTEM, "snapshots, slots and trash stand on one");
    }
    let found = format!("{} is on another file system than {}", apart.join(", "), first.display());
    let fix = "mount one file system at the state directory, and none below it";
    Finding::bad(FILE_SYSTEM, found, "a warm target is handed out by a rename, which cannot leave its file system", fix)
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;

    #[test]
    fn a_state_directory_is_usable_by_its_owner_alone() {
        let there = |owner, mode, written: io::Result<()>| Seen::There { owner, mode, written };
        let denied = || Err(io::ErrorKind::PermissionDenied.into());
        for (seen, standing, state, words) in [
            (Seen::Missing, Standing::Missing, State::NotChecked, "not there yet"),
            (Seen::Broken(io::ErrorKind::NotADirectory.into()), Standing::Unusable, State::Bad, "--state"),
            (there(7, 0o40_700, Ok(())), Standing::Usable, State::Good, "ours alone"),
            (there(8, 0o40_700, denied()), Standing::Unusable, State::Bad, "as user 8"),
            (there(7, 0o40_700, denied()), Standing::Unusable, State::Bad, "make it writable"),
            (there(7, 0o40_770, Ok(())), Standing::Usable, State::Bad, "chmod go-w /s"),
            (there(7, 0o40_755, Ok(())), Standing::Usable, State::Warning, "mode 755"),
        ] {
            let (found_standing, finding) = judge_state(Path::new("/s"), &seen, 7);
            assert_eq!((found_standing, finding.state), (standing, state), "{seen:?}");
            assert!(format!("{} {}", finding.found, finding.fix).contains(words), "{finding:?}");
        }
    }

    #[test]
    fn looking_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let (standing, _) = look_at_state(dir.path());
        assert_eq!(standing, Standing::Usable);
        let findings = look_at_disk(&Places::at(dir.path()), means(dir.path(), standing), Bytes(0), Bytes(0));
        assert_eq!(findings.len(), 3);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let missing = dir.path().join("missing");
        assert_eq!(look_at_state(&missing).0, Standing::Missing);
        assert!(!missing.exists());
    }

    #[test]
    fn room_that_the_reserve_takes_is_no_room() {
        let reserves = [Reserve { key: "targets.free_reserve", room: Bytes::gib(2) }];
        let check = |available| judge_space(Space { available, total: Bytes::gib(9) }, &reserves).state;
        assert_eq!(check(Bytes::gib(3)), State::Good);
        assert_eq!(check(Bytes::gib(2)), State::Warning);
        assert_eq!(check(LEAST_ROOM), State::Warning);
        assert_eq!(check(Bytes::mib(31)), State::Bad);
    }

    #[test]
    fn copies_are_told_with_what_they_cost() {
        assert_eq!(judge_clones(Ok(Means::Reflink)).state, State::Good);
        assert!(judge_clones(Ok(Means::Copy)).why.contains("its size once more"));
        assert_eq!(judge_clones(Err("no".to_owned())).state, State::Bad);
    }

    #[test]
    fn a_file_system_mounted_below_the_state_is_found() {
        let at = |path: &str, device| (PathBuf::from(path), device);
        assert_eq!(judge_file_systems(&[]).state, State::NotChecked);
        assert_eq!(judge_file_systems(&[at("/s/targets", 1), at("/s/slots", 1)]).state, State::Good);
        let apart = judge_file_systems(&[at("/s/targets", 1), at("/s/slots", 2), at("/s/trash", 1)]);
        assert_eq!(apart.state, State::Bad);
        assert!(apart.found.starts_with("/s/slots is on another"), "{apart:?}");
    }
}
