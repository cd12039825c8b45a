//! The official runner program: which version comes next and until when, and whether its paths are such that it can
//! work with them.

use std::path::{Path, PathBuf};

use hearth_model::{Millis, SlotNumber, Timestamp};

use super::finding::Finding;
use crate::compiler_cache::{LONGEST_SOCKET_PATH, socket};
use crate::journey::chain;
use crate::places::Places;
use crate::runner::{ListedVersion, RunnerSettings, Versions, VersionsError};
use crate::settings::Settings;
use crate::slots;

const VERSION: &str = "installed version";
const DEADLINE: &str = "deadline";
const ARCHIVE: &str = "archive";
const SCRIPTS: &str = "hook scripts";
const SOCKETS: &str = "socket paths";

/// What was looked at, and the version that the next start takes.
pub(super) fn look(settings: &Settings, places: &Places, now: Timestamp) -> (Vec<Finding>, Option<String>) {
    let listed = listed(settings, places);
    let current = listed.as_ref().ok().and_then(|all| all.iter().find(|version| version.current));
    let current = current.map(|version| version.version.to_string());
    let mut findings = match &listed {
        Ok(listed) => judge_versions(listed, now, settings.runner.warn_before, settings.github.len()),
        Err(error) => {
            vec![Finding::bad(VERSION, chain(error), "without a version no runner can be started", "see what it names")]
        }
    };
    findings.extend(archive(&settings.runner));
    findings.push(judge_scripts(&places.programs()));
    findings.push(judge_sockets(&sockets(places, settings.file.slots.count)));
    (findings, current)
}

/// Looks without making anything.
fn listed(settings: &Settings, places: &Places) -> Result<Vec<ListedVersion>, VersionsError> {
    if !places.runner().is_dir() {
        return Ok(Vec::new());
    }
    let clock = std::sync::Arc::new(hearth_host::clock::SystemClock::default());
    Versions::open(&places.runner(), settings.runner.clone(), clock)?.list()
}

/// `served`: how many places at GitHub want runners.
fn judge_versions(listed: &[ListedVersion], now: Timestamp, warn_before: Millis, served: usize) -> Vec<Finding> {
    let Some(current) = listed.iter().find(|version| version.current) else {
        if served == 0 {
            return vec![Finding::not_checked(VERSION, "no place at GitHub is served, so none is needed")];
        }
        let found =
            if listed.is_empty() { "none is installed" } else { "none of those that are installed can be used" };
        let why = "without a version no runner can be started";
        let fix = "install one: hearth runner install; `hearth runner list` shows what there is";
        return vec![Finding::bad(VERSION, found, why, fix)];
    };
    let version = current.version;
    let installed = match current.refused_at {
        None => Finding::good(VERSION, format!("runner {version}")),
        Some(at) => {
            let found = format!("runner {version}, which GitHub refused as too old {} ago", now.since(at));
            Finding::bad(
                VERSION,
                found,
                "a runner that is refused gets no jobs",
                "install a newer one: hearth runner install",
            )
        }
    };
    let deadline = match current.deadline {
        None => Finding::good(DEADLINE, format!("none is known for runner {version}")),
        Some(deadline) => match deadline.warning(version, now, warn_before) {
            None => Finding::good(DEADLINE, format!("GitHub takes runner {version} for {}", deadline.at.since(now))),
            Some(warning) => {
                let said = warning.to_string();
                let found = said.split(';').next().unwrap_or_default();
                let why = "a version that is too old gets no jobs";
                Finding::warning(DEADLINE, found, why, "install a newer one: hearth runner install")
            }
        },
    };
    vec![installed, deadline]
}

fn archive(settings: &RunnerSettings) -> Option<Finding> {
    let path = settings.archive.as_ref()?;
    Some(match path.metadata() {
        Ok(metadata) if metadata.is_file() => Finding::good(ARCHIVE, path.display().to_string()),
        Ok(_) => judge_no_archive(path, "it is no file"),
        Err(error) => judge_no_archive(path, &error.to_string()),
    })
}

fn judge_no_archive(path: &Path, why: &str) -> Finding {
    let found = format!("runner.archive names {}: {why}", path.display());
    let fix = "put the archive there, under the name that GitHub gave it, or correct runner.archive and runner.sha256";
    Finding::bad(ARCHIVE, found, "the next version of the runner program cannot be installed", fix)
}

fn judge_scripts(directory: &Path) -> Finding {
    let shown = directory.display();
    if !directory.to_string_lossy().contains(char::is_whitespace) {
        return Finding::good(SCRIPTS, format!("they stand in {shown}"));
    }
    let found = format!("they stand in {shown}, and that path has a blank in it");
    let why = "the runner program splits the path of a script at blanks, so that every job fails at its start";
    Finding::bad(SCRIPTS, found, why, "name a state directory without blanks with --state, HEARTH_STATE or `state`")
}

/// The sockets of the last slot, whose number is the longest, and the daemon's.
fn sockets(places: &Places, slots: u16) -> Vec<PathBuf> {
    let last = places.slot(SlotNumber(slots.saturating_sub(1)));
    vec![socket(&slots::job_directory(&last)), socket(&places.view()), places.daemon_socket()]
}

fn judge_sockets(sockets: &[PathBuf]) -> Finding {
    let length = |path: &PathBuf| path.as_os_str().len();
    let longest = sockets.iter().max_by_key(|path| length(path));
    match longest.filter(|path| length(path) > LONGEST_SOCKET_PATH) {
        None => Finding::good(SOCKETS, format!("{} bytes at most", longest.map_or(0, length))),
        Some(path) => {
            let found =
                format!("{} has {} bytes, and a socket may have {LONGEST_SOCKET_PATH}", path.display(), length(path));
            let why = "hooks, compile cache and commands find each other by sockets";
            Finding::bad(SOCKETS, found, why, "name a shorter state directory with --state, HEARTH_STATE or `state`")
        }
    }
}

#[cfg(test)]
mod tests {
    use hearth_model::Bytes;

    use super::super::finding::State;
    use super::*;
    use crate::runner::{Basis, Deadline, RunnerVersion, Trial};

    const WEEK: Millis = Millis::from_minutes(7 * 24 * 60);

    fn at(days: u64) -> Timestamp {
        Timestamp::default() + Millis::from_minutes(days * 24 * 60)
    }

    fn version(deadline: Option<Timestamp>) -> ListedVersion {
        ListedVersion {
            version: RunnerVersion::new(2, 336, 0),
            current: true,
            pinned: false,
            in_use: false,
            trial: Trial::Proved,
            refused_at: None,
            deadline: deadline.map(|at| Deadline { at, basis: Basis::Answer }),
            installed_at: at(1),
            built_at: None,
            bytes: Bytes(1),
            sha256: "ab".repeat(32).parse().unwrap(),
            source: String::new(),
        }
    }

    fn check(listed: &[ListedVersion], served: usize) -> Vec<(&'static str, State)> {
        judge_versions(listed, at(10), WEEK, served).into_iter().map(|finding| (finding.name, finding.state)).collect()
    }

    #[test]
    fn a_version_is_needed_where_somebody_is_served() {
        assert_eq!(check(&[], 0), [(VERSION, State::NotChecked)]);
        assert_eq!(check(&[], 1), [(VERSION, State::Bad)]);
        let given_up = ListedVersion { current: false, ..version(None) };
        assert_eq!(check(&[given_up], 1), [(VERSION, State::Bad)]);
        let refused = ListedVersion { refused_at: Some(at(9)), ..version(None) };
        assert_eq!(check(&[refused], 1)[0], (VERSION, State::Bad));
    }

    #[test]
    fn a_deadline_is_seen_coming() {
        assert_eq!(check(&[version(None)], 1), [(VERSION, State::Good), (DEADLINE, State::Good)]);
        assert_eq!(check(&[version(Some(at(30)))], 1)[1], (DEADLINE, State::Good));
        assert_eq!(check(&[version(Some(at(12)))], 1)[1], (DEADLINE, State::Warning));
        let late = judge_versions(&[version(Some(at(9)))], at(10), WEEK, 1);
        assert!(late[1].found.starts_with("GitHub may refuse runner 2.336.0 since"), "{late:?}");
        assert!(late[1].fix.contains("hearth runner install"));
    }

    #[test]
    fn a_path_that_the_runner_program_would_split_is_bad() {
        assert_eq!(judge_scripts(Path::new("/var/lib/hearth/bin")).state, State::Good);
        let blank = judge_scripts(Path::new("/srv/ci state/bin"));
        assert_eq!(blank.state, State::Bad);
        assert!(blank.fix.contains("without blanks"), "{blank:?}");
    }

    #[test]
    fn a_socket_that_the_kernel_would_refuse_is_bad() {
        assert_eq!(judge_sockets(&sockets(&Places::at(Path::new("/var/lib/hearth")), 2)).state, State::Good);
        let long = PathBuf::from("/s").join("x".repeat(100));
        let finding = judge_sockets(&sockets(&Places::at(&long), 2));
        assert_eq!(finding.state, State::Bad);
        assert!(finding.found.contains("/slots/1/job/") && finding.fix.contains("shorter"), "{finding:?}");
    }

    #[test]
    fn an_archive_that_is_not_there_is_bad() {
        let finding = judge_no_archive(Path::new("/media/actions-runner.tar.gz"), "no such file");
        assert_eq!(finding.state, State::Bad);
        assert!(finding.found.contains("/media/actions-runner.tar.gz") && finding.fix.contains("runner.archive"));
    }
}
