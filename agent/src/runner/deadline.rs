//! Until when GitHub takes a version of the runner program. It says so itself where it has the answer; where it has not,
//! its rule stands: a version may be used for thirty days after a newer one was released. Pure.

use std::fmt;

use hearth_model::{Millis, Timestamp};
use serde::{Deserialize, Serialize};

use super::version::RunnerVersion;

/// GitHub's rule for runners that do not update themselves.
const MAY_STAY_BEHIND: Millis = Millis::from_minutes(30 * 24 * 60);

/// What GitHub answered when it was asked how long it takes a version. A date that it did not give is not set yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeprecationAnswer {
    pub asked_at: Timestamp,
    /// From then on runners of this version cannot be registered.
    pub registration_ends_at: Option<Timestamp>,
    /// From then on runners of this version get no jobs.
    pub use_ends_at: Option<Timestamp>,
}

/// The newest version on GitHub's list of downloads, and since when we know of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewestOffer {
    pub version: RunnerVersion,
    pub since: Timestamp,
}

/// What a deadline is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// GitHub's own answer about this version.
    Answer,
    /// Thirty days after we first saw a newer version on its list.
    NewerVersion,
    /// Thirty days after this version was built: nobody told us of newer ones, and by then there usually is one.
    BuildDate,
}

/// The end of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Deadline {
    pub at: Timestamp,
    pub basis: Basis,
}

/// What is known of one version.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    pub(super) version: RunnerVersion,
    pub(super) answer: Option<DeprecationAnswer>,
    pub(super) newest_offer: Option<NewestOffer>,
    /// When it was built or, where the archive does not say, installed here.
    pub(super) built_at: Timestamp,
}

/// When GitHub stops taking this version; `None` where nothing speaks against it.
pub(super) fn deadline(known: Known) -> Option<Deadline> {
    if let Some(answer) = known.answer {
        let first = [answer.registration_ends_at, answer.use_ends_at].into_iter().flatten().min();
        return first.map(|at| Deadline { at, basis: Basis::Answer });
    }
    match known.newest_offer {
        Some(offer) if offer.version <= known.version => None,
        Some(offer) => Some(Deadline { at: offer.since + MAY_STAY_BEHIND, basis: Basis::NewerVersion }),
        None => Some(Deadline { at: known.built_at + MAY_STAY_BEHIND, basis: Basis::BuildDate }),
    }
}

impl Deadline {
    /// What a person has to know at this time, if anything.
    pub fn warning(self, version: RunnerVersion, now: Timestamp, warn_before: Millis) -> Option<Warning> {
        (now + warn_before >= self.at).then_some(Warning { version, deadline: self, now })
    }
}

/// A sentence for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Warning {
    version: RunnerVersion,
    deadline: Deadline,
    now: Timestamp,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (version, at) = (self.version, self.deadline.at);
        if at > self.now {
            write!(f, "GitHub takes runner {version} for another {}", InDays(at.since(self.now)))?;
        } else {
            write!(f, "GitHub may refuse runner {version} since {}", InDays(self.now.since(at)))?;
        }
        f.write_str(match self.deadline.basis {
            Basis::Answer => " as it says itself",
            Basis::NewerVersion => ", because a newer version is out",
            Basis::BuildDate => " as far as its age tells",
        })?;
        f.write_str("; install a newer one: hearth runner install")
    }
}

/// Whole days where there are any.
struct InDays(Millis);

impl fmt::Display for InDays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.0 / Millis::from_minutes(24 * 60).0 {
            0 => self.0.fmt(f),
            1 => f.write_str("1 day"),
            days => write!(f, "{days} days"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Millis = Millis::from_minutes(24 * 60);
    const OURS: RunnerVersion = RunnerVersion::new(2, 335, 0);
    const NEWER: RunnerVersion = RunnerVersion::new(2, 336, 0);

    fn day(n: u64) -> Timestamp {
        Timestamp::default() + Millis(DAY.0 * n)
    }

    fn known() -> Known {
        Known { version: OURS, answer: None, newest_offer: None, built_at: day(100) }
    }

    #[test]
    fn the_nearest_source_of_a_deadline_decides() {
        let answer = |registration, usage| {
            let (registration_ends_at, use_ends_at) = (registration, usage);
            Some(DeprecationAnswer { asked_at: day(110), registration_ends_at, use_ends_at })
        };
        let offer = |version, since| Some(NewestOffer { version, since });
        let at = |at, basis| Some(Deadline { at, basis });
        for (what, known, expected) in [
            ("nobody said anything", known(), at(day(130), Basis::BuildDate)),
            ("the newest", Known { newest_offer: offer(OURS, day(101)), ..known() }, None),
            (
                "a newer one is out",
                Known { newest_offer: offer(NEWER, day(120)), ..known() },
                at(day(150), Basis::NewerVersion),
            ),
            (
                "both dates",
                Known { answer: answer(Some(day(140)), Some(day(145))), ..known() },
                at(day(140), Basis::Answer),
            ),
            ("one date", Known { answer: answer(None, Some(day(145))), ..known() }, at(day(145), Basis::Answer)),
            (
                "no date yet, whatever the rule says",
                Known { answer: answer(None, None), newest_offer: offer(NEWER, day(101)), ..known() },
                None,
            ),
        ] {
            assert_eq!(deadline(known), expected, "{what}");
        }
    }

    #[test]
    fn a_warning_comes_in_time_and_says_what_to_do() {
        let deadline = Deadline { at: day(30), basis: Basis::Answer };
        let warned = |now| deadline.warning(OURS, now, Millis(DAY.0 * 7)).map(|warning| warning.to_string());
        assert_eq!(warned(day(22)), None);
        let said = warned(day(23)).unwrap();
        assert_eq!(
            said,
            "GitHub takes runner 2.335.0 for another 7 days as it says itself; install a newer one: hearth runner install"
        );
        assert!(warned(day(29) + Millis::from_minutes(60)).unwrap().contains("another 23 h 00 min"));
        assert!(warned(day(31)).unwrap().contains("may refuse runner 2.335.0 since 1 day as"));
    }
}
