//! Which origins of jobs get a name in labels. Pure. The first ones that the book met keep theirs, also over a restart;
//! the rest are folded into `other` and counted.

use std::collections::{BTreeSet, HashSet};

use hearth_ledger::Origin;

/// Pairs of repository and workflow.
pub(super) const MOST_PAIRS: usize = 200;
/// Target triples. A team has a handful; what a job says of itself must not make more.
pub(super) const MOST_PLATFORMS: usize = 20;

const OTHER: &str = "other";
/// In the place of what nobody said: an empty label is the same as none.
const NONE: &str = "none";
/// Longer values help nobody and cost every scrape.
const LONGEST: usize = 120;

/// One label with its value.
pub(super) type Label = (&'static str, String);

/// Who has a name.
#[derive(Debug)]
pub(super) struct Names<'a> {
    pairs: HashSet<(&'a str, &'a str)>,
    repositories: BTreeSet<&'a str>,
    platforms: HashSet<&'a str>,
    /// Pairs and platforms that have none.
    pub(super) folded: u64,
}

impl<'a> Names<'a> {
    pub(super) fn of(origins: &'a [Origin]) -> Self {
        let mut names =
            Self { pairs: HashSet::new(), repositories: BTreeSet::new(), platforms: HashSet::new(), folded: 0 };
        let (mut folded_pairs, mut folded_platforms) = (HashSet::new(), HashSet::new());
        for origin in origins {
            let pair = (origin.repository.as_str(), origin.workflow.as_str());
            if names.pairs.contains(&pair) || names.pairs.len() < MOST_PAIRS {
                names.pairs.insert(pair);
                names.repositories.insert(pair.0);
            } else {
                folded_pairs.insert(pair);
            }
            let platform = origin.platform.as_str();
            if names.platforms.contains(platform) || names.platforms.len() < MOST_PLATFORMS {
                names.platforms.insert(platform);
            } else {
                folded_platforms.insert(platform);
            }
        }
        names.folded = (folded_pairs.len() + folded_platforms.len()) as u64;
        names
    }

    pub(super) fn repository(&self, origin: &Origin) -> Label {
        ("repository", value(&origin.repository, self.repositories.contains(origin.repository.as_str())))
    }

    /// The repository and the workflow: both have their name or neither has.
    pub(super) fn pair(&self, origin: &Origin) -> [Label; 2] {
        let has_name = self.pairs.contains(&(origin.repository.as_str(), origin.workflow.as_str()));
        [("repository", value(&origin.repository, has_name)), ("workflow", value(&origin.workflow, has_name))]
    }

    pub(super) fn platform(&self, origin: &Origin) -> Label {
        ("platform", value(&origin.platform, self.platforms.contains(origin.platform.as_str())))
    }
}

fn value(text: &str, has_name: bool) -> String {
    if has_name { clean(text) } else { OTHER.to_owned() }
}

/// A value that breaks no page.
pub(super) fn clean(text: &str) -> String {
    let clean: String = text.chars().take(LONGEST).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if clean.is_empty() { NONE.to_owned() } else { clean }
}

#[cfg(test)]
mod tests {
    use hearth_ledger::BranchClass;

    use super::*;

    fn origin(repository: &str, workflow: &str, platform: &str) -> Origin {
        Origin {
            repository: repository.to_owned(),
            workflow: workflow.to_owned(),
            platform: platform.to_owned(),
            branch: BranchClass::Default,
        }
    }

    #[test]
    fn the_first_pairs_have_names_and_the_rest_are_other() {
        let origins: Vec<Origin> = (0..MOST_PAIRS + 3).map(|n| origin("acme/anvil", &format!("w{n}"), "p")).collect();
        let names = Names::of(&origins);
        assert_eq!(names.pair(&origins[0])[1].1, "w0");
        assert_eq!(names.pair(&origins[MOST_PAIRS - 1])[1].1, "w199");
        let folded = &origins[MOST_PAIRS];
        assert_eq!(names.pair(folded).map(|label| label.1), ["other", "other"]);
        assert_eq!(names.repository(folded).1, "acme/anvil", "the repository has a name by its first workflows");
        assert_eq!(names.folded, 3);
    }

    #[test]
    fn a_repository_that_comes_too_late_is_other_everywhere() {
        let mut origins: Vec<Origin> = (0..MOST_PAIRS).map(|n| origin(&format!("r{n}"), "", "p")).collect();
        origins.push(origin("late", "", "p"));
        let names = Names::of(&origins);
        assert_eq!(names.repository(&origins[MOST_PAIRS]).1, "other");
    }

    #[test]
    fn platforms_are_few() {
        let origins: Vec<Origin> = (0..MOST_PLATFORMS + 2).map(|n| origin("r", "w", &format!("p{n}"))).collect();
        let names = Names::of(&origins);
        assert_eq!(names.platform(&origins[MOST_PLATFORMS]).1, "other");
        assert_eq!(names.folded, 2);
    }

    #[test]
    fn values_are_short_clean_and_never_empty() {
        let long = "x".repeat(LONGEST + 50);
        for (text, shown) in [("", "none"), ("a\nb", "a\u{fffd}b"), (long.as_str(), &long[..LONGEST])] {
            assert_eq!(value(text, true), shown);
        }
    }
}
