//! Which version a start takes, what a start that failed means for it, and which versions may go. Pure.

use std::cmp::Reverse;

use hearth_model::{Millis, Timestamp};

use super::book::{Book, Trial, WhyGivenUp};
use super::version::RunnerVersion;

/// After GitHub refused a version as too old it is left alone for so long. Not for ever: it has refused good ones during
/// an outage.
const REFUSED_FOR: Millis = Millis::from_minutes(60);

/// Why no installed version can be started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoVersion {
    #[error("no version of the runner program is installed; install one: hearth runner install")]
    NothingInstalled,
    #[error("runner {version} is pinned and not installed; install it, or unpin it: hearth runner pin --off")]
    PinIsMissing { version: RunnerVersion },
    #[error("every installed version of the runner program was given up: {}", list(versions))]
    AllGivenUp { versions: Vec<RunnerVersion> },
    #[error("GitHub has refused runner {version} as too old; install a newer one: hearth runner install")]
    Refused { version: RunnerVersion, until: Timestamp },
}

fn list(versions: &[RunnerVersion]) -> String {
    let words: Vec<_> = versions.iter().map(ToString::to_string).collect();
    words.join(", ")
}

/// The version that the next start takes: the pinned one, else the newest that works.
pub(super) fn current(installed: &[RunnerVersion], book: &Book, now: Timestamp) -> Result<RunnerVersion, NoVersion> {
    let wanted = wanted(installed, book)?;
    match refused_until(wanted, book, now) {
        Some(until) => Err(NoVersion::Refused { version: wanted, until }),
        None => Ok(wanted),
    }
}

/// The same, whatever GitHub thinks of it. An older one than a version that is refused as too old is refused as well, so
/// there is nothing else to try.
pub(super) fn wanted(installed: &[RunnerVersion], book: &Book) -> Result<RunnerVersion, NoVersion> {
    if installed.is_empty() {
        return Err(NoVersion::NothingInstalled);
    }
    if let Some(version) = book.pinned {
        let there = installed.contains(&version);
        return if there { Ok(version) } else { Err(NoVersion::PinIsMissing { version }) };
    }
    let best = installed.iter().copied().filter(|version| !book.is_given_up(*version)).max();
    best.ok_or_else(|| NoVersion::AllGivenUp { versions: installed.to_vec() })
}

/// Until when this version is left alone, because it or a newer one was refused as too old.
fn refused_until(version: RunnerVersion, book: &Book, now: Timestamp) -> Option<Timestamp> {
    let same_or_newer = book.versions.range(version..).filter_map(|(_, standing)| standing.refused_at);
    // A clock that was set back must not prolong it.
    let refusals = same_or_newer.filter(|at| *at <= now).map(|at| at + REFUSED_FOR);
    refusals.filter(|until| *until > now).max()
}

/// How the start of a runner speaks for its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// It listened for jobs, or ran one.
    Worked,
    /// It ended by itself before it listened, with an error.
    Failed,
    /// GitHub refused the version as too old.
    Refused,
}

/// The trial of a version after one more start. A new version is given up only where another one takes its place:
/// without one, and most causes are not the version's own, the next start is as good a try as any.
pub(super) fn tried(
    version: RunnerVersion,
    installed: &[RunnerVersion],
    book: &Book,
    started: Started,
    failed_starts: u32,
    now: Timestamp,
) -> Trial {
    match (book.standing(version).trial, started) {
        (Trial::New { failed }, Started::Failed) => {
            let failed = failed.saturating_add(1);
            if failed >= failed_starts && has_substitute(version, installed, book) {
                Trial::GivenUp { at: now, why: WhyGivenUp::FailedStarts(failed) }
            } else {
                Trial::New { failed }
            }
        }
        (Trial::New { .. }, Started::Worked) => Trial::Proved,
        // A runner that was started before its version was given up does not bring it back.
        (trial, _) => trial,
    }
}

/// Whether giving this version up leaves one to start.
pub(super) fn has_substitute(version: RunnerVersion, installed: &[RunnerVersion], book: &Book) -> bool {
    let is_usable = |other: &RunnerVersion| *other != version && !book.is_given_up(*other);
    book.pinned.is_none() && installed.iter().any(is_usable)
}

/// The installed versions that may go when nobody uses them, the oldest first.
pub(super) fn surplus(installed: &[RunnerVersion], book: &Book, keep: usize) -> Vec<RunnerVersion> {
    let current = wanted(installed, book).ok();
    let mut by_worth = installed.to_vec();
    by_worth.sort_by_key(|version| {
        let is_needed = Some(*version) == current || Some(*version) == book.pinned;
        Reverse((is_needed, !book.is_given_up(*version), *version))
    });
    let mut surplus: Vec<_> = by_worth.into_iter().skip(keep.max(1)).collect();
    surplus.sort_unstable();
    surplus
}

/// Whether a version that could be installed should be.
pub(super) fn is_worth_installing(version: RunnerVersion, installed: &[RunnerVersion], book: &Book) -> bool {
    let is_newest = installed.iter().all(|other| *other < version);
    is_newest && book.pinned.is_none_or(|pinned| pinned == version) && !book.is_given_up(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: RunnerVersion = RunnerVersion::new(2, 334, 0);
    const MIDDLE: RunnerVersion = RunnerVersion::new(2, 335, 0);
    const NEW: RunnerVersion = RunnerVersion::new(2, 336, 0);
    const ALL: [RunnerVersion; 3] = [OLD, MIDDLE, NEW];

    fn at(minutes: u64) -> Timestamp {
        Timestamp::default() + Millis::from_minutes(minutes)
    }

    fn given_up(versions: &[RunnerVersion]) -> Book {
        let mut book = Book::default();
        for version in versions {
            book.standing_mut(*version).trial = Trial::GivenUp { at: at(0), why: WhyGivenUp::Person };
        }
        book
    }

    #[test]
    fn the_newest_version_that_works_is_taken() {
        let pinned = |version| Book { pinned: Some(version), ..given_up(&[version]) };
        for (installed, book, expected) in [
            (&[][..], Book::default(), Err(NoVersion::NothingInstalled)),
            (&ALL, Book::default(), Ok(NEW)),
            (&ALL, given_up(&[NEW]), Ok(MIDDLE)),
            (&ALL, given_up(&ALL), Err(NoVersion::AllGivenUp { versions: ALL.to_vec() })),
            // A person who pins a version knows that it was given up.
            (&ALL, pinned(MIDDLE), Ok(MIDDLE)),
            (&[OLD, NEW], pinned(MIDDLE), Err(NoVersion::PinIsMissing { version: MIDDLE })),
        ] {
            assert_eq!(current(installed, &book, at(0)), expected, "{book:?}");
        }
    }

    #[test]
    fn a_version_that_github_refuses_is_left_alone_for_an_hour_and_older_ones_with_it() {
        let mut book = Book::default();
        book.standing_mut(NEW).refused_at = Some(at(10));
        let refused = Err(NoVersion::Refused { version: NEW, until: at(70) });
        assert_eq!(current(&ALL, &book, at(10)), refused);
        assert_eq!(current(&ALL, &book, at(69)), refused);
        assert_eq!(current(&ALL, &book, at(70)), Ok(NEW));
        assert_eq!(current(&ALL, &book, at(5)), Ok(NEW), "refused in a future that is none");
        book.standing_mut(NEW).trial = Trial::GivenUp { at: at(0), why: WhyGivenUp::Person };
        assert_eq!(current(&ALL, &book, at(20)), Err(NoVersion::Refused { version: MIDDLE, until: at(70) }));
        let newer = RunnerVersion::new(2, 337, 0);
        assert_eq!(current(&[NEW, newer], &book, at(20)), Ok(newer));
    }

    #[test]
    fn a_new_version_is_given_up_after_its_first_starts_when_there_is_another() {
        let failing = |installed: &[RunnerVersion], mut book: Book, started: &[Started]| {
            for start in started {
                book.standing_mut(NEW).trial = tried(NEW, installed, &book, *start, 3, at(1));
            }
            book.standing(NEW).trial
        };
        let (worked, failed) = (Started::Worked, Started::Failed);
        let new = |failed| Trial::New { failed };
        let gone = Trial::GivenUp { at: at(1), why: WhyGivenUp::FailedStarts(3) };
        let pinned = Book { pinned: Some(NEW), ..Book::default() };
        for (installed, book, starts, expected) in [
            (&ALL[..], Book::default(), &[failed, failed][..], new(2)),
            (&ALL, Book::default(), &[failed, failed, failed], gone),
            (&ALL, Book::default(), &[failed, failed, worked, failed, failed, failed], Trial::Proved),
            (&ALL, Book::default(), &[failed, failed, failed, worked], gone),
            (&ALL, Book::default(), &[Started::Refused; 5], new(0)),
            (&[NEW], Book::default(), &[failed; 5], new(5)),
            (&ALL, given_up(&[OLD, MIDDLE]), &[failed; 5], new(5)),
            (&ALL, pinned, &[failed; 5], new(5)),
        ] {
            assert_eq!(failing(installed, book.clone(), starts), expected, "{book:?} {starts:?}");
        }
    }

    #[test]
    fn what_nobody_needs_goes_the_oldest_first() {
        let pinned = Book { pinned: Some(OLD), ..Book::default() };
        for (installed, book, keep, expected) in [
            (&ALL[..], Book::default(), 2, &[OLD][..]),
            (&ALL, Book::default(), 1, &[OLD, MIDDLE]),
            (&ALL, Book::default(), 5, &[]),
            (&ALL, pinned, 2, &[MIDDLE]),
            (&ALL, given_up(&[NEW]), 2, &[NEW]),
            (&ALL, given_up(&ALL), 2, &[OLD]),
            (&[], Book::default(), 2, &[]),
        ] {
            assert_eq!(surplus(installed, &book, keep), expected, "{book:?} {keep}");
        }
    }

    #[test]
    fn only_what_would_be_used_is_worth_a_download() {
        assert!(is_worth_installing(NEW, &[OLD, MIDDLE], &Book::default()));
        assert!(is_worth_installing(NEW, &[], &Book::default()));
        assert!(!is_worth_installing(NEW, &ALL, &Book::default()), "there already");
        assert!(!is_worth_installing(OLD, &[NEW], &Book::default()), "a step back");
        assert!(!is_worth_installing(NEW, &[OLD], &given_up(&[NEW])), "it does not come back by itself");
        assert!(!is_worth_installing(NEW, &[OLD], &Book { pinned: Some(OLD), ..Book::default() }));
    }
}
