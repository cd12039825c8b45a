//! Sums of all time, by what a counter may be labeled with. Pure. Names of branches, jobs and people are not in here:
//! they have no bound.

use std::collections::BTreeMap;

use hearth_model::{CompileCounts, Conclusion, Ending, JobFacts, Millis, Timestamp, WarmTarget};

use crate::execution::{Execution, State};
use crate::sums::{RunKind, is_on_default, is_pull_request};

/// What kind of branch a job ran for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BranchClass {
    Default,
    Release,
    PullRequest,
    Other,
}

impl BranchClass {
    pub(crate) const fn new(kind: RunKind, is_pull_request: bool, is_on_default: bool) -> Self {
        match kind {
            _ if is_pull_request => Self::PullRequest,
            RunKind::Release => Self::Release,
            RunKind::Ci if is_on_default => Self::Default,
            RunKind::Ci => Self::Other,
        }
    }

    fn of(facts: &JobFacts) -> Self {
        Self::new(RunKind::of(facts), is_pull_request(facts), is_on_default(facts))
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Release => "release",
            Self::PullRequest => "pull_request",
            Self::Other => "other",
        }
    }
}

/// Where executions come from. An empty text means that nobody said.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    pub repository: String,
    pub workflow: String,
    pub platform: String,
    pub branch: BranchClass,
}

/// How executions came to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Close {
    pub conclusion: Conclusion,
    pub ending: Ending,
}

/// What closed executions add up to. What nobody measured adds nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TotalSums {
    pub jobs: u64,
    pub actual: Millis,
    pub billable_minutes: u64,
    pub cpu_us: u64,
    pub compile: CompileCounts,
    /// Lookups of a warm target, by what they found.
    pub exact: u64,
    pub partial: u64,
    pub cold: u64,
}

impl TotalSums {
    pub fn add(&mut self, other: &Self) {
        self.change(other, u64::saturating_add);
    }

    fn subtract(&mut self, other: &Self) {
        self.change(other, u64::saturating_sub);
    }

    fn change(&mut self, other: &Self, by: fn(u64, u64) -> u64) {
        let pairs = [
            (&mut self.jobs, other.jobs),
            (&mut self.actual.0, other.actual.0),
            (&mut self.billable_minutes, other.billable_minutes),
            (&mut self.cpu_us, other.cpu_us),
            (&mut self.compile.requests, other.compile.requests),
            (&mut self.compile.hits, other.compile.hits),
            (&mut self.compile.misses, other.compile.misses),
            (&mut self.compile.uncacheable, other.compile.uncacheable),
            (&mut self.compile.errors, other.compile.errors),
            (&mut self.exact, other.exact),
            (&mut self.partial, other.partial),
            (&mut self.cold, other.cold),
        ];
        for (sum, figure) in pairs {
            *sum = by(*sum, figure);
        }
    }

    /// What rounding every job up added.
    pub fn rounding_waste(&self) -> Millis {
        Millis(Millis::from_minutes(self.billable_minutes).0.saturating_sub(self.actual.0))
    }
}

/// How far the book had been read: which database, and its last observation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) generation: String,
    pub(crate) observation: i64,
}

/// The sums of all time as the book has them. A correction may make one smaller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Totals {
    pub(crate) mark: Mark,
    /// Every origin, in the order in which the book met them: whoever limits their number gives the first ones names.
    /// An origin stands here from its first accepted job on.
    pub origins: Vec<Origin>,
    pub sums: BTreeMap<(Origin, Close), TotalSums>,
    /// When the newest entry was heard.
    pub last_heard: Option<Timestamp>,
}

impl Totals {
    pub(crate) fn nothing(mark: Mark) -> Self {
        Self { mark, origins: Vec::new(), sums: BTreeMap::new(), last_heard: None }
    }

    pub(crate) fn meet(&mut self, origin: &Origin) {
        if !self.origins.contains(origin) {
            self.origins.push(origin.clone());
        }
    }

    pub(crate) fn add(&mut self, origin: Origin, close: Close, sums: &TotalSums) {
        self.sums.entry((origin, close)).or_default().add(sums);
    }

    /// Takes one execution in as it is now, in the place of what it was before.
    pub(crate) fn replace(&mut self, before: Option<&Execution>, now: &Execution) {
        self.meet(&origin(now));
        if let Some((key, sums)) = before.and_then(closed)
            && let Some(known) = self.sums.get_mut(&key)
        {
            known.subtract(&sums);
            if *known == TotalSums::default() {
                self.sums.remove(&key);
            }
        }
        if let Some(((origin, close), sums)) = closed(now) {
            self.add(origin, close, &sums);
        }
    }
}

fn origin(execution: &Execution) -> Origin {
    let facts = execution.facts.as_ref();
    let text = |pick: fn(&JobFacts) -> &str| facts.map_or(String::new(), |facts| pick(facts).to_owned());
    Origin {
        repository: text(|f| &f.repository),
        workflow: text(|f| f.workflow.as_deref().unwrap_or_default()),
        platform: text(|f| &f.platform),
        branch: facts.map_or(BranchClass::Other, BranchClass::of),
    }
}

/// What an execution adds, once it is closed.
fn closed(execution: &Execution) -> Option<((Origin, Close), TotalSums)> {
    if execution.state.is_open() {
        return None;
    }
    let close = Close { conclusion: execution.outcome?.conclusion(), ending: execution.ending? };
    let measures = execution.measures.as_ref();
    let found = |what: WarmTarget| u64::from(measures.is_some_and(|m| m.warm_target == what));
    let ran = execution.ran.filter(|_| execution.state == State::Ended);
    let sums = TotalSums {
        jobs: 1,
        actual: ran.unwrap_or_default(),
        billable_minutes: execution.billable_minutes().unwrap_or_default(),
        cpu_us: measures.and_then(|m| m.usage.cpu_us).unwrap_or_default(),
        compile: measures.and_then(|m| m.compile).unwrap_or_default(),
        exact: found(WarmTarget::Exact),
        partial: found(WarmTarget::Partial),
        cold: found(WarmTarget::None),
    };
    Some(((origin(execution), close), sums))
}
