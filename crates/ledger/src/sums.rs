//! What a report adds up, and the two facts that adding up needs about a job beforehand: which kind of run it belongs
//! to and which stage of it. Pure.

use hearth_model::{Event, JobFacts, Millis, Ref};
use serde::{Deserialize, Serialize};

/// What a run is for. The documented budgets are different for the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    Ci,
    Release,
}

impl RunKind {
    /// A release is started by a release or a tag, or its workflow says so in its name.
    pub fn of(facts: &JobFacts) -> Self {
        let says_release = |name: &Option<String>| {
            name.as_deref().is_some_and(|name| words(name).any(|word| word.starts_with("release")))
        };
        let is_release = facts.event == Event::Release
            || matches!(facts.reference, Ref::Tag(_))
            || says_release(&facts.workflow)
            || says_release(&facts.run.workflow_ref);
        if is_release { Self::Release } else { Self::Ci }
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ci => "ci",
            Self::Release => "release",
        }
    }
}

/// Whether a pull request caused the job.
pub(crate) fn is_pull_request(facts: &JobFacts) -> bool {
    matches!(facts.event, Event::PullRequest | Event::PullRequestTarget)
}

/// Whether the job built what is, or is becoming, everybody's: the default branch or a tag.
pub(crate) fn is_on_default(facts: &JobFacts) -> bool {
    match &facts.reference {
        Ref::Branch(name) => *name == facts.default_branch,
        Ref::Tag(_) => true,
        Ref::PullRequest(_) | Ref::Other(_) => false,
    }
}

/// Which part of a run a job belongs to, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Stage {
    Build,
    Test,
    Deploy,
}

impl Stage {
    pub(crate) fn of(job: &str) -> Option<Self> {
        const TEST: [&str; 1] = ["test"];
        const BUILD: [&str; 1] = ["build"];
        const DEPLOY: [&str; 8] = ["deploy", "publish", "release", "github", "debian", "homebrew", "crates", "docs"];
        let says = |stems: &[&str]| words(job).any(|word| stems.iter().any(|stem| word.starts_with(stem)));
        // `Build (release)` is a build and `Test publish` is a test: the earlier stage names the job.
        if says(&TEST) {
            Some(Self::Test)
        } else if says(&BUILD) {
            Some(Self::Build)
        } else if says(&DEPLOY) {
            Some(Self::Deploy)
        } else {
            None
        }
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Test => "test",
            Self::Deploy => "deploy",
        }
    }
}

/// The words of a name, in small letters.
pub(crate) fn words(name: &str) -> impl Iterator<Item = String> {
    name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

/// Sums over executions. Ratios are formed from these at the end, never averaged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// Executions that really ran.
    pub jobs: u64,
    /// Executions that never started; they count nothing else.
    pub voided: u64,
    pub failed: u64,
    /// Those whose end nobody saw.
    pub lost: u64,
    pub actual: Millis,
    pub billable_minutes: u64,
    pub longest: Millis,
    /// Lookups of a warm target, by what they found.
    pub exact: u64,
    pub partial: u64,
    pub cold: u64,
    /// Executions whose compiler calls were counted.
    pub compile_jobs: u64,
    pub requests: u64,
    pub hits: u64,
    pub misses: u64,
    /// Executions whose compile time was measured.
    pub timed_jobs: u64,
    pub useful: Millis,
    pub compile_total: Millis,
    /// Executions known to be builds, and those of them that succeeded.
    pub built: u64,
    pub built_well: u64,
}

impl Sums {
    pub fn add(&mut self, other: &Self) {
        self.jobs += other.jobs;
        self.voided += other.voided;
        self.failed += other.failed;
        self.lost += other.lost;
        self.actual += other.actual;
        self.billable_minutes += other.billable_minutes;
        self.longest = self.longest.max(other.longest);
        self.exact += other.exact;
        self.partial += other.partial;
        self.cold += other.cold;
        self.compile_jobs += other.compile_jobs;
        self.requests += other.requests;
        self.hits += other.hits;
        self.misses += other.misses;
        self.timed_jobs += other.timed_jobs;
        self.useful += other.useful;
        self.compile_total += other.compile_total;
        self.built += other.built;
        self.built_well += other.built_well;
    }

    pub fn lookups(&self) -> u64 {
        self.exact + self.partial + self.cold
    }

    /// What rounding every job up added.
    pub fn rounding_waste(&self) -> Millis {
        Millis(Millis::from_minutes(self.billable_minutes).0.saturating_sub(self.actual.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_read_from_names() {
        let cases = [
            ("Build", Some(Stage::Build)),
            ("build (x86_64-unknown-linux-gnu)", Some(Stage::Build)),
            ("Unit tests", Some(Stage::Test)),
            ("e2e-test", Some(Stage::Test)),
            ("Debian package", Some(Stage::Deploy)),
            ("Sanity", None),
            ("latest", None),
        ];
        for (job, stage) in cases {
            assert_eq!(Stage::of(job), stage, "{job}");
        }
    }

    #[test]
    fn ratios_are_pooled_and_not_averaged() {
        let mut pool = Sums { hits: 9, misses: 1, ..Sums::default() };
        pool.add(&Sums { hits: 1, misses: 89, ..Sums::default() });
        assert_eq!((pool.hits, pool.hits + pool.misses), (10, 100), "10 %, not 45.6 %");
    }
}
