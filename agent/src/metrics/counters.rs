//! From the sums of all time to series of counters. Pure. Every series that can be foreseen stands there from the first
//! accepted job on, at zero: a rate over a series that appears with its first count does not see that count.

use std::collections::BTreeMap;

use hearth_ledger::{Origin, PriceBook, TotalSums, Totals};
use hearth_model::{Conclusion, Ending, Millis};

use super::labels::{Label, Names};

/// The series of one counter. Figures are in the smallest unit that the ledger has.
pub(super) type Family = BTreeMap<Vec<Label>, u64>;

/// Ends that jobs come to.
const CLOSES: [(Conclusion, Ending); 8] = [
    (Conclusion::Success, Ending::Clean),
    (Conclusion::Failure, Ending::Clean),
    (Conclusion::Cancelled, Ending::Clean),
    (Conclusion::TimedOut, Ending::Clean),
    (Conclusion::Failure, Ending::Crashed),
    (Conclusion::Failure, Ending::Lost),
    (Conclusion::Failure, Ending::NeverStarted),
    (Conclusion::Cancelled, Ending::NeverStarted),
];

/// All counters that come from the ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Counters {
    pub(super) jobs: Family,
    pub(super) job_ms: Family,
    pub(super) billable_ms: Family,
    pub(super) rounding_waste_ms: Family,
    pub(super) cpu_us: Family,
    pub(super) compile_requests: Family,
    pub(super) warm_targets: Family,
    pub(super) label_overflow: u64,
}

impl Counters {
    pub(super) fn of(totals: &Totals, prices: &PriceBook) -> Self {
        let names = Names::of(&totals.origins);
        let mut counters = Self { label_overflow: names.folded, ..Self::default() };
        counters.count_compiling(&TotalSums::default());
        for origin in &totals.origins {
            for (conclusion, ending) in CLOSES {
                counters.count(origin, conclusion, ending, &TotalSums::default(), &names, prices);
            }
        }
        for ((origin, close), sums) in &totals.sums {
            counters.count(origin, close.conclusion, close.ending, sums, &names, prices);
            counters.count_compiling(sums);
        }
        counters
    }

    fn count(
        &mut self,
        origin: &Origin,
        conclusion: Conclusion,
        ending: Ending,
        sums: &TotalSums,
        names: &Names<'_>,
        prices: &PriceBook,
    ) {
        let [repository, workflow] = names.pair(origin);
        let platform = names.platform(origin);
        let concluded = ("conclusion", conclusion.as_str().to_owned());
        let ended = ("ending", ending.as_str().to_owned());
        let branch = ("branch_class", origin.branch.as_str().to_owned());
        let sku = ("sku", prices.sku(&origin.platform).unwrap_or("none").to_owned());
        let only_repository = names.repository(origin);

        let jobs = vec![repository.clone(), workflow.clone(), concluded.clone(), ended];
        *self.jobs.entry(jobs).or_default() += sums.jobs;
        let ran = vec![repository, workflow, platform.clone(), branch, concluded];
        *self.job_ms.entry(ran).or_default() += sums.actual.0;
        let billable = vec![only_repository.clone(), platform, sku];
        *self.billable_ms.entry(billable).or_default() += Millis::from_minutes(sums.billable_minutes).0;
        let only_repository = vec![only_repository];
        *self.rounding_waste_ms.entry(only_repository.clone()).or_default() += sums.rounding_waste().0;
        *self.cpu_us.entry(only_repository).or_default() += sums.cpu_us;
    }

    fn count_compiling(&mut self, sums: &TotalSums) {
        let compile = &sums.compile;
        let outcomes = [
            ("hit", compile.hits),
            ("miss", compile.misses),
            ("uncacheable", compile.uncacheable),
            ("error", compile.errors),
        ];
        for (outcome, count) in outcomes {
            *self.compile_requests.entry(vec![("outcome", outcome.to_owned())]).or_default() += count;
        }
        for (outcome, count) in [("exact", sums.exact), ("partial", sums.partial), ("none", sums.cold)] {
            *self.warm_targets.entry(vec![("outcome", outcome.to_owned())]).or_default() += count;
        }
    }

    /// A counter never goes down. After a correction it stands still until the book has caught up with it; going down
    /// would be read as a restart from zero.
    pub(super) fn raise_to(&mut self, earlier: Self) {
        let families = [
            (&mut self.jobs, earlier.jobs),
            (&mut self.job_ms, earlier.job_ms),
            (&mut self.billable_ms, earlier.billable_ms),
            (&mut self.rounding_waste_ms, earlier.rounding_waste_ms),
            (&mut self.cpu_us, earlier.cpu_us),
            (&mut self.compile_requests, earlier.compile_requests),
            (&mut self.warm_targets, earlier.warm_targets),
        ];
        for (family, earlier) in families {
            for (labels, count) in earlier {
                let now = family.entry(labels).or_default();
                *now = count.max(*now);
            }
        }
        self.label_overflow = self.label_overflow.max(earlier.label_overflow);
    }
}
