//! From a month's sums to the figure that each limit is held against. Pure. What has no source here yet is
//! *not measured* and says what is missing.

use std::collections::BTreeMap;

use hearth_model::Millis;

use crate::budgets::document::{Basis, Budgets, JobMatch, Quantity};
use crate::budgets::reading::{Amount, Completeness, Measurement, Reading};
use crate::prices::PriceBook;
use crate::statement::Charge;
use crate::store::{KindOfRuns, MonthData};
use crate::sums::{RunKind, Sums};

/// All readings of one month.
#[derive(Debug, Clone)]
pub struct Figures {
    readings: BTreeMap<Quantity, Reading>,
    /// The longest execution and the number of them, by kind of run, job and platform.
    jobs: BTreeMap<(RunKind, String, String), (Millis, u64)>,
    /// Different builds by full builds: a cross-check of build efficiency, never judged.
    pub count_efficiency: Option<Amount>,
    /// Time of all jobs by time that their runs took: above 1 they ran beside each other. Thousandths.
    pub parallelism_milli: Option<u64>,
}

impl Figures {
    pub fn of(month: &MonthData, prices: &PriceBook, budgets: &Budgets) -> Self {
        let mut charge = Charge::default();
        let mut pull_requests = Sums::default();
        let mut jobs: BTreeMap<(RunKind, String, String), (Millis, u64)> = BTreeMap::new();
        for cell in &month.cells {
            charge.add(cell, prices);
            if cell.series.is_pull_request {
                pull_requests.add(&cell.sums);
            }
            if cell.sums.jobs > 0 {
                let key = (cell.series.kind, cell.series.job.clone(), cell.series.platform.clone());
                let worst = jobs.entry(key).or_default();
                *worst = (worst.0.max(cell.sums.longest), worst.1 + cell.sums.jobs);
            }
        }
        let mut figures = Self {
            readings: BTreeMap::new(),
            jobs,
            count_efficiency: count_efficiency(&month.ci, &month.release),
            parallelism_milli: parallelism(&month.ci, &month.release),
        };
        figures.read_minutes(month, &charge, budgets.free_tier_minutes());
        figures.read_runs(month);
        figures.read_builds(month, &charge.sums);
        figures.read_caches(&charge.sums, &pull_requests);
        figures.name_what_is_missing();
        figures
    }

    /// What could be read for a quantity; for a budget of one job, of the jobs it means.
    pub fn read(&self, quantity: Quantity, job: Option<&JobMatch>) -> Reading {
        match (quantity, job) {
            (Quantity::JobActual, Some(job)) => self.read_job(job),
            _ => {
                self.readings.get(&quantity).cloned().unwrap_or_else(|| Reading::not_measured("nothing measures this"))
            }
        }
    }

    fn set(&mut self, quantity: Quantity, reading: Reading) {
        self.readings.insert(quantity, reading);
    }

    fn read_job(&self, job: &JobMatch) -> Reading {
        let fitting = || {
            self.jobs
                .iter()
                .filter(|((kind, name, platform), _)| job.fits(*kind, name, platform))
                .map(|(_, worst)| *worst)
        };
        let count: u64 = fitting().map(|(_, count)| count).sum();
        match fitting().map(|(worst, _)| worst).max() {
            Some(worst) => Reading::exactly(Amount::Time(worst), Basis::JobMinutesActual, worst_of(count, "jobs")),
            None => Reading::not_measured("no such job ended in this month"),
        }
    }

    fn read_minutes(&mut self, month: &MonthData, charge: &Charge, free_tier: u64) {
        use Quantity::{MonthBillable, MonthShareBillable, MonthShareWeighted, MonthWall, MonthWeighted};
        let jobs = charge.sums.jobs;
        if jobs == 0 {
            for quantity in [MonthBillable, MonthShareBillable, MonthShareWeighted, MonthWall, MonthWeighted] {
                self.set(quantity, Reading::not_measured("no job ended in this month"));
            }
            return;
        }
        let of = counted(jobs, "jobs");
        let billable = charge.sums.billable_minutes;
        let billable_time = Amount::Time(Millis::from_minutes(billable));
        self.set(MonthBillable, Reading::exactly(billable_time, Basis::JobMinutesBillable, &of));
        let share = Amount::Ratio { part: billable, whole: free_tier };
        self.set(MonthShareBillable, Reading::exactly(share, Basis::Ratio, format!("of {free_tier} min")));

        let (completeness, of) = match charge.unweighted_minutes {
            0 => (Completeness::Complete, of),
            rest => (
                Completeness::AtLeast,
                format!("{of}; {rest} min on platforms without a hosted equivalent are missing"),
            ),
        };
        let weighted = |amount, basis| Reading::Measured(Measurement { amount, basis, completeness, of: of.clone() });
        let time = Amount::Time(charge.weighted());
        self.set(MonthWeighted, weighted(time, Basis::JobMinutesWeighted));
        let share = Amount::Ratio { part: charge.weighted_milli, whole: free_tier * 1_000 };
        self.set(MonthShareWeighted, weighted(share, Basis::Ratio));

        let runs = month.ci.runs + month.release.runs;
        let wall = Amount::Time(month.ci.wall + month.release.wall);
        self.set(MonthWall, Reading::exactly(wall, Basis::Wall, format!("{}, added up", counted(runs, "runs"))));
    }

    fn read_runs(&mut self, month: &MonthData) {
        let worst = |kind: &KindOfRuns, worst: Option<Millis>, basis, what: &str| match worst {
            Some(worst) => Reading::exactly(Amount::Time(worst), basis, worst_of(kind.runs, what)),
            None => Reading::not_measured(format!("no {what} ended in this month")),
        };
        let stage = |worst: Option<Millis>, what: &str| match worst {
            Some(worst) => Reading::exactly(Amount::Time(worst), Basis::Wall, format!("worst of the {what}")),
            None => Reading::not_measured(format!("no {what} ended in this month")),
        };
        let (ci, release) = (&month.ci, &month.release);
        self.set(Quantity::CiRunActual, worst(ci, ci.worst_actual, Basis::JobMinutesActual, "CI runs"));
        self.set(Quantity::CiWall, worst(ci, ci.worst_wall, Basis::Wall, "CI runs"));
        self.set(Quantity::ReleaseWall, worst(release, release.worst_wall, Basis::Wall, "release runs"));
        self.set(Quantity::MergeWall, stage(month.worst_merge, "commits with a CI and a release run"));
        self.set(Quantity::CiTestStage, stage(ci.worst_test_stage, "test stages of CI runs"));
        self.set(Quantity::ReleaseBuildStage, stage(release.worst_build_stage, "build stages of release runs"));
        self.set(Quantity::ReleaseDeployStage, stage(release.worst_deploy_stage, "deployment stages of release runs"));
        let runs = |count, what: &str| match ci.runs + release.runs {
            0 => Reading::not_measured("no run ended in this month"),
            _ => Reading::exactly(Amount::Count(count), Basis::Count, format!("{what} that ended")),
        };
        self.set(Quantity::PullRequestRuns, runs(ci.pull_request_runs, "pull request runs"));
        self.set(Quantity::ReleaseRuns, runs(release.runs, "release runs"));
    }

    fn read_builds(&mut self, month: &MonthData, sums: &Sums) {
        let ci = &month.ci;
        let builds = |worst: u64| match (ci.runs, ci.unknown_builds) {
            (0, _) => Reading::not_measured("no CI runs ended in this month"),
            (runs, unknown) => {
                let (completeness, of) = match unknown {
                    0 => (Completeness::Complete, worst_of(runs, "CI runs")),
                    jobs => (
                        Completeness::AtLeast,
                        format!("{}; of {jobs} jobs nobody knows what they built", worst_of(runs, "CI runs")),
                    ),
                };
                Reading::Measured(Measurement { amount: Amount::Count(worst), basis: Basis::Count, completeness, of })
            }
        };
        self.set(Quantity::CiFullBuilds, builds(ci.worst_full_builds));
        self.set(Quantity::CiRedundantBuilds, builds(ci.worst_redundant_builds));

        let of = format!("compile time of {} of {} jobs", sums.timed_jobs, sums.jobs);
        let efficiency = |part: Millis| match sums.compile_total {
            Millis(0) => Reading::not_measured("no compile time was measured"),
            total => Reading::exactly(Amount::Ratio { part: part.0, whole: total.0 }, Basis::Ratio, &of),
        };
        let wasted = Millis(sums.compile_total.0.saturating_sub(sums.useful.0));
        self.set(Quantity::BuildEfficiency, efficiency(sums.useful));
        self.set(Quantity::BuildWaste, efficiency(wasted));

        let platforms = if month.knows_builds {
            let names: Vec<&str> = month.platforms.iter().map(String::as_str).collect();
            Reading::exactly(Amount::Count(names.len() as u64), Basis::Count, names.join(", "))
        } else {
            Reading::not_measured("no execution of the last 30 days is known to be a build")
        };
        self.set(Quantity::Platforms, platforms);
    }

    fn read_caches(&mut self, sums: &Sums, pull_requests: &Sums) {
        let ratio = |part: u64, whole: u64, of: String, why: &str| match whole {
            0 => Reading::not_measured(why),
            whole => Reading::exactly(Amount::Ratio { part, whole }, Basis::Ratio, of),
        };
        let lookups = |sums: &Sums| {
            format!("{} lookups: {} exact, {} partial, {} none", sums.lookups(), sums.exact, sums.partial, sums.cold)
        };
        self.set(Quantity::CacheUsable, ratio(sums.exact + sums.partial, sums.lookups(), lookups(sums), "no lookups"));
        self.set(
            Quantity::CacheExactPullRequest,
            ratio(
                pull_requests.exact,
                pull_requests.lookups(),
                lookups(pull_requests),
                "no lookups of pull request runs",
            ),
        );
        let calls = sums.hits + sums.misses;
        // Calls that no cache can serve vanish from the hit rate; the coverage says how many.
        let coverage = Amount::Ratio { part: calls, whole: sums.requests };
        let of = format!("{calls} cacheable calls, coverage {coverage} of {} calls", sums.requests);
        self.set(Quantity::CompilerHits, ratio(sums.hits, calls, of, "no compiler calls were counted"));
    }

    fn name_what_is_missing(&mut self) {
        let artifacts = "the artifacts of the forge are not read";
        for quantity in [Quantity::ArtifactLifeCi, Quantity::ArtifactLifeRelease, Quantity::StorageSaved] {
            self.set(quantity, Reading::not_measured(artifacts));
        }
        self.set(Quantity::BuildUses, Reading::not_measured("who uses a build's artifacts is not recorded"));
        self.set(
            Quantity::MinutesSaved,
            Reading::NotComparable {
                why: "the old pipeline is not in the ledger; its figures in the document are of other bases".to_owned(),
            },
        );
        self.set(
            Quantity::AddedPlatformWall,
            Reading::NotComparable { why: "the release with one platform is not in the ledger".to_owned() },
        );
    }
}

fn worst_of(count: u64, what: &str) -> String {
    format!("worst of {}", counted(count, what))
}

/// `what` is a plural that ends in `s`.
fn counted(count: u64, what: &str) -> String {
    match count {
        1 => format!("1 {}", what.trim_end_matches('s')),
        count => format!("{count} {what}"),
    }
}

fn count_efficiency(ci: &KindOfRuns, release: &KindOfRuns) -> Option<Amount> {
    let whole = ci.full_builds + release.full_builds;
    let part = ci.distinct_builds + release.distinct_builds;
    (whole > 0).then_some(Amount::Ratio { part, whole })
}

fn parallelism(ci: &KindOfRuns, release: &KindOfRuns) -> Option<u64> {
    let wall = (ci.exec_wall + release.exec_wall).0;
    let actual = (ci.actual + release.actual).0;
    (actual * 1_000).checked_div(wall)
}
