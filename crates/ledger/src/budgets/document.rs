//! The budgets as the document gives them, loaded from the data file that is part of the program.

use std::fmt;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::sums::{RunKind, words};

/// What a figure is made of. Two figures of different bases are never compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Time on the wall.
    Wall,
    /// What the jobs ran, added up.
    JobMinutesActual,
    /// The same with every job rounded up to a whole minute.
    JobMinutesBillable,
    /// Billable minutes times the weight of their kind of runner.
    JobMinutesWeighted,
    Ratio,
    Count,
    Days,
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wall => "wall-clock",
            Self::JobMinutesActual => "job-minutes, actual",
            Self::JobMinutesBillable => "job-minutes, billable",
            Self::JobMinutesWeighted => "job-minutes, weighted",
            Self::Ratio => "ratio",
            Self::Count => "count",
            Self::Days => "days",
        })
    }
}

/// How a figure must stand to its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    AtMost,
    LessThan,
    AtLeast,
    MoreThan,
}

impl Comparison {
    /// Whether the figure grows towards breaking the limit, as spending does.
    pub(super) const fn is_ceiling(self) -> bool {
        matches!(self, Self::AtMost | Self::LessThan)
    }

    pub const fn sign(self) -> &'static str {
        match self {
            Self::AtMost => "<=",
            Self::LessThan => "<",
            Self::AtLeast => ">=",
            Self::MoreThan => ">",
        }
    }
}

/// What is read for a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    MonthBillable,
    MonthWeighted,
    MonthWall,
    MonthShareBillable,
    MonthShareWeighted,
    CiRunActual,
    CiWall,
    ReleaseWall,
    MergeWall,
    CiFullBuilds,
    CiRedundantBuilds,
    BuildEfficiency,
    BuildWaste,
    CacheUsable,
    CompilerHits,
    CacheExactPullRequest,
    Platforms,
    ArtifactLifeCi,
    ArtifactLifeRelease,
    StorageSaved,
    BuildUses,
    PullRequestRuns,
    ReleaseRuns,
    MinutesSaved,
    AddedPlatformWall,
    JobActual,
    CiTestStage,
    ReleaseBuildStage,
    ReleaseDeployStage,
}

/// One line that a figure is held against. `value` is in whole minutes, percent, pieces or days, by the budget's basis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    pub name: String,
    pub quantity: Quantity,
    pub is: Comparison,
    pub value: u64,
}

/// Which jobs a budget for one job means: its name has a word that begins with each of `words`, and its platform has
/// each part of `platform`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobMatch {
    pub kind: RunKind,
    pub words: Vec<String>,
    #[serde(default)]
    pub platform: Vec<String>,
}

impl JobMatch {
    pub(super) fn fits(&self, kind: RunKind, job: &str, platform: &str) -> bool {
        self.kind == kind
            && self.words.iter().all(|stem| words(job).any(|word| word.starts_with(stem.as_str())))
            && self.platform.iter().all(|part| platform.split('-').any(|p| p == part))
    }
}

/// One documented budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    pub id: String,
    pub title: String,
    pub basis: Basis,
    pub scope: String,
    pub period: String,
    /// What the document says of the time before; shown, never judged.
    pub was: Option<String>,
    /// What the document says of itself; shown, never judged.
    pub claimed: Option<String>,
    /// The lines of the document.
    pub lines: String,
    pub note: Option<String>,
    /// Numbers of the [`Contradiction`]s that touch it.
    #[serde(default)]
    pub contradictions: Vec<u8>,
    pub job: Option<JobMatch>,
    pub limits: Vec<Limit>,
}

impl Budget {
    /// A limit as people write it: `< 400 min`, `>= 90 %`, `<= 1`.
    pub fn wanted(&self, limit: &Limit) -> String {
        let unit = match self.basis {
            Basis::Wall | Basis::JobMinutesActual | Basis::JobMinutesBillable | Basis::JobMinutesWeighted => " min",
            Basis::Ratio => " %",
            Basis::Days if limit.value == 1 => " day",
            Basis::Days => " days",
            Basis::Count => "",
        };
        format!("{} {}{unit}", limit.is.sign(), limit.value)
    }
}

/// A place where the document contradicts itself or the facts, and what this program does about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contradiction {
    pub number: u8,
    pub says: String,
    pub handled: String,
}

/// All documented budgets.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budgets {
    /// The document's name and date.
    pub document: String,
    #[serde(rename = "budget")]
    pub all: Vec<Budget>,
    #[serde(rename = "contradiction")]
    pub contradictions: Vec<Contradiction>,
}

static DOCUMENTED: LazyLock<Budgets> = LazyLock::new(|| {
    toml::from_str(include_str!("../../data/budgets.toml")).expect("a test loads the shipped budgets")
});

impl Budgets {
    /// The budgets that come with this program.
    pub fn documented() -> &'static Self {
        &DOCUMENTED
    }

    pub fn get(&self, id: &str) -> Option<&Budget> {
        self.all.iter().find(|budget| budget.id == id)
    }

    /// The monthly allowance that shares are shares of, in minutes.
    pub(super) fn free_tier_minutes(&self) -> u64 {
        self.get("free_tier")
            .and_then(|budget| budget.limits.first())
            .map(|limit| limit.value)
            .expect("a test finds the free tier in the shipped budgets")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_documented_budget_is_shipped() {
        let ids: Vec<&str> = Budgets::documented().all.iter().map(|b| b.id.as_str()).collect();
        let documented = [
            "free_tier",
            "month_minutes",
            "month_share",
            "run_minutes",
            "ci_time",
            "ci_time_long",
            "release_time",
            "merge_time",
            "duplicate_builds",
            "build_efficiency",
            "waste",
            "cache_hit",
            "cache_exact_pr",
            "platforms",
            "retention_ci",
            "retention_release",
            "storage_saving",
            "reuse",
            "activity",
            "savings",
            "added_platform_time",
        ];
        for id in documented {
            assert!(ids.contains(&id), "{id}");
        }
        let unique: BTreeSet<_> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len());
    }

    #[test]
    fn the_diagrams_of_the_document_add_up_to_its_job_budgets() {
        let sum = |prefix: &str| -> u64 {
            Budgets::documented()
                .all
                .iter()
                .filter(|b| b.id.starts_with(prefix))
                .flat_map(|b| &b.limits)
                .map(|limit| limit.value)
                .sum()
        };
        assert_eq!(sum("job_ci_"), 35);
        assert_eq!(sum("job_release_"), 86);
    }

    #[test]
    fn all_eighteen_contradictions_are_there_and_every_reference_leads_to_one() {
        let budgets = Budgets::documented();
        let numbers: Vec<u8> = budgets.contradictions.iter().map(|c| c.number).collect();
        assert_eq!(numbers, (1..=18).collect::<Vec<u8>>());
        let referred: BTreeSet<u8> = budgets.all.iter().flat_map(|b| b.contradictions.clone()).collect();
        assert_eq!(referred, numbers.into_iter().collect(), "each contradiction touches a budget");
    }

    #[test]
    fn every_budget_says_where_it_stands() {
        for budget in &Budgets::documented().all {
            assert!(budget.lines.starts_with('L') || budget.lines.contains("diagram L"), "{}", budget.id);
            for limit in &budget.limits {
                assert_eq!(
                    limit.quantity == Quantity::JobActual,
                    budget.job.is_some(),
                    "{} says which jobs it means",
                    budget.id
                );
            }
        }
        assert_eq!(Budgets::documented().free_tier_minutes(), 2_000);
    }

    #[test]
    fn limits_are_written_with_their_unit() {
        let wanted = |id: &str| {
            let budget = Budgets::documented().get(id).unwrap();
            budget.limits.iter().map(|limit| budget.wanted(limit)).collect::<Vec<_>>()
        };
        assert_eq!(wanted("ci_time"), ["< 25 min", "< 15 min"]);
        assert_eq!(wanted("build_efficiency"), ["> 90 %", ">= 98 %"]);
        assert_eq!(wanted("duplicate_builds"), ["<= 1", "<= 0"]);
        assert_eq!([wanted("retention_ci"), wanted("retention_release")].concat(), ["<= 1 day", "<= 7 days"]);
    }

    #[test]
    fn jobs_are_matched_by_words_and_platform() {
        let linux = JobMatch {
            kind: RunKind::Release,
            words: vec!["build".to_owned()],
            platform: vec!["x86_64".to_owned(), "linux".to_owned(), "gnu".to_owned()],
        };
        let cases = [
            (RunKind::Release, "Build (linux)", "x86_64-unknown-linux-gnu", true),
            (RunKind::Release, "builds", "x86_64-unknown-linux-gnu", true),
            (RunKind::Release, "Build", "x86_64-unknown-linux-musl", false),
            (RunKind::Ci, "Build", "x86_64-unknown-linux-gnu", false),
            (RunKind::Release, "rebuild", "x86_64-unknown-linux-gnu", false),
        ];
        for (kind, job, platform, fits) in cases {
            assert_eq!(linux.fits(kind, job, platform), fits, "{job} on {platform}");
        }
    }
}
