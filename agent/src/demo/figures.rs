//! Everything that the demo found out, as it goes to the table and into the JSON file. Figures come from receipts,
//! from cargo's messages and from the ledger; here they are only added up and divided.

use hearth_model::{CompileCounts, ExecutionId, Millis, Timestamp, UsageReading, WarmTarget};
use serde::{Deserialize, Serialize};

use super::units::Units;

/// What the demo reads of a receipt of `hearth exec`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Receipt {
    pub(super) execution: ExecutionId,
    pub(super) ran_ms: Millis,
    pub(super) warm_target: WarmTarget,
    pub(super) billable_minutes: u64,
    pub(super) usage: UsageReading,
    pub(super) compile: Option<CompileCounts>,
    pub(super) compile_off: Option<String>,
}

/// One job.
#[derive(Debug, Clone, Serialize)]
pub(super) struct JobFigures {
    pub(super) job: String,
    pub(super) command: String,
    pub(super) execution: ExecutionId,
    /// From the receipt: how long the command ran.
    pub(super) ran_ms: Millis,
    /// From the ledger: from when the job was accepted to when it was done, lease and bookkeeping included.
    pub(super) wall_ms: Option<Millis>,
    pub(super) cpu_ms: Option<Millis>,
    pub(super) warm_target: WarmTarget,
    pub(super) units: Units,
    pub(super) compile: Option<CompileCounts>,
    pub(super) compile_off: Option<String>,
    pub(super) billable_minutes: u64,
    /// What the upkeep after the job took: the next clone made ready, off every job's path.
    pub(super) upkeep_ms: Millis,
    /// How many times less than the cold job; absent for the cold job itself and for pipelines.
    pub(super) cold_by_this: Option<Ratios>,
}

/// How many times more the first took than the second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Ratios {
    pub(super) wall: Option<f64>,
    pub(super) cpu: Option<f64>,
}

/// One run of a pipeline, its jobs one after the other.
#[derive(Debug, Clone, Serialize)]
pub(super) struct PipelineFigures {
    pub(super) workflow: String,
    pub(super) commit: String,
    pub(super) jobs: Vec<JobFigures>,
    /// The jobs' own wall-clock times, one after the other; pauses for upkeep between them are not in it.
    pub(super) wall_ms: Option<Millis>,
    pub(super) job_ms: Millis,
    pub(super) billable_minutes: u64,
    pub(super) cpu_ms: Option<Millis>,
    pub(super) units_compiled: u64,
    pub(super) old_by_this: Option<Ratios>,
}

/// All of it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct DemoFigures {
    pub(super) schema_version: u32,
    pub(super) hearth: String,
    pub(super) rustc: String,
    pub(super) cargo: String,
    pub(super) cpu_count: usize,
    pub(super) jobs: StoryFigures,
    pub(super) pipelines: PipelinesFigures,
    /// What could not be shown here, one sentence each.
    pub(super) left_out: Vec<String>,
    /// The demo's directory, when it was kept.
    pub(super) kept: Option<std::path::PathBuf>,
    pub(super) took_ms: Millis,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct StoryFigures {
    pub(super) cold: JobFigures,
    pub(super) cache_only: JobFigures,
    pub(super) no_change: JobFigures,
    pub(super) one_line_change: JobFigures,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct PipelinesFigures {
    pub(super) old: PipelineFigures,
    pub(super) new_first: PipelineFigures,
    pub(super) new_next: PipelineFigures,
}

impl JobFigures {
    pub(super) fn new(
        (job, command): (&str, &str),
        receipt: Receipt,
        (accepted, completed): (Option<Timestamp>, Option<Timestamp>),
        units: Units,
        upkeep_ms: Millis,
    ) -> Self {
        Self {
            job: job.to_owned(),
            command: command.to_owned(),
            execution: receipt.execution,
            ran_ms: receipt.ran_ms,
            wall_ms: accepted.zip(completed).map(|(accepted, completed)| completed.since(accepted)),
            cpu_ms: receipt.usage.cpu_us.map(|cpu| Millis(cpu / 1_000)),
            warm_target: receipt.warm_target,
            units,
            compile: receipt.compile,
            compile_off: receipt.compile_off,
            billable_minutes: receipt.billable_minutes,
            upkeep_ms,
            cold_by_this: None,
        }
    }

    fn with_cold(mut self, cold: &Self) -> Self {
        let ratio = |of: fn(&Self) -> Option<Millis>| times(of(cold), of(&self));
        self.cold_by_this = Some(Ratios { wall: ratio(|job| job.wall_ms), cpu: ratio(|job| job.cpu_ms) });
        self
    }
}

impl StoryFigures {
    pub(super) fn new(cold: JobFigures, cache_only: JobFigures, no_change: JobFigures, changed: JobFigures) -> Self {
        Self {
            cache_only: cache_only.with_cold(&cold),
            no_change: no_change.with_cold(&cold),
            one_line_change: changed.with_cold(&cold),
            cold,
        }
    }
}

impl PipelineFigures {
    pub(super) fn new(workflow: &str, commit: String, jobs: Vec<JobFigures>) -> Self {
        let sum = |of: fn(&JobFigures) -> Option<Millis>| {
            jobs.iter().map(of).try_fold(Millis(0), |so_far, figure| Some(so_far + figure?))
        };
        Self {
            workflow: workflow.to_owned(),
            commit,
            wall_ms: sum(|job| job.wall_ms),
            job_ms: jobs.iter().fold(Millis(0), |so_far, job| so_far + job.ran_ms),
            billable_minutes: jobs.iter().map(|job| job.billable_minutes).sum(),
            cpu_ms: sum(|job| job.cpu_ms),
            units_compiled: jobs.iter().map(|job| job.units.compiled).sum(),
            old_by_this: None,
            jobs,
        }
    }

    fn with_old(mut self, old: &Self) -> Self {
        self.old_by_this = Some(Ratios { wall: times(old.wall_ms, self.wall_ms), cpu: times(old.cpu_ms, self.cpu_ms) });
        self
    }
}

impl PipelinesFigures {
    pub(super) fn new(old: PipelineFigures, new_first: PipelineFigures, new_next: PipelineFigures) -> Self {
        Self { new_first: new_first.with_old(&old), new_next: new_next.with_old(&old), old }
    }
}

/// How many times `small` goes into `large`, in tenths; `None` where one is not measured, or is nothing.
fn times(large: Option<Millis>, small: Option<Millis>) -> Option<f64> {
    let (large, small) = (large?, small?);
    (small.0 > 0).then(|| (large.0 as f64 / small.0 as f64 * 10.0).round() / 10.0)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A job as a receipt of exec tells of it.
    pub(in crate::demo) fn job(name: &str, ran_ms: u64, cpu_ms: Option<u64>) -> JobFigures {
        let execution = ExecutionId::new(Timestamp::from_millis(1));
        let receipt = serde_json::json!({
            "schema_version": 1, "outcome": { "how": "exited", "code": 0 }, "exit_code": 0, "ran_ms": ran_ms,
            "usage": {
                "cpu_us": cpu_ms.map(|ms| ms * 1_000), "peak_rss": null, "read": null, "written": null,
                "cpu_count": 2, "measured_by": "wait4",
            },
            "compile": { "requests": 9, "hits": 3, "misses": 4, "uncacheable": 2, "errors": 0 },
            "compile_off": null, "execution": execution, "warm_target": "partial", "billable_minutes": 1,
        });
        let receipt: Receipt = serde_json::from_value(receipt).unwrap();
        let at = |ms| Some(Timestamp::from_millis(ms));
        let wall = (at(1_000), at(1_000 + i64::try_from(ran_ms).unwrap() + 100));
        let units = Units { total: 40, compiled: 7, packages: vec!["kiln-cli".to_owned()], tests_passed: 31 };
        JobFigures::new((name, "cargo test"), receipt, wall, units, Millis(250))
    }

    #[test]
    fn a_job_is_its_receipt_and_what_the_ledger_says() {
        let job = job("cold", 16_000, Some(25_000));
        assert_eq!((job.ran_ms, job.wall_ms, job.cpu_ms), (Millis(16_000), Some(Millis(16_100)), Some(Millis(25_000))));
        assert_eq!(job.warm_target, WarmTarget::Partial);
        assert_eq!(job.compile.unwrap().misses, 4);
    }

    #[test]
    fn ratios_are_cold_by_this_and_unknown_stays_unknown() {
        let story = StoryFigures::new(
            job("a", 16_000, Some(25_000)),
            job("b", 7_900, Some(5_000)),
            job("c", 900, None),
            job("d", 0, Some(0)),
        );
        assert_eq!(story.cold.cold_by_this, None);
        assert_eq!(story.cache_only.cold_by_this, Some(Ratios { wall: Some(2.0), cpu: Some(5.0) }));
        assert_eq!(story.no_change.cold_by_this, Some(Ratios { wall: Some(16.1), cpu: None }));
        assert_eq!(story.one_line_change.cold_by_this, Some(Ratios { wall: Some(161.0), cpu: None }));
    }

    #[test]
    fn a_pipeline_is_the_sum_of_its_jobs() {
        let run = |jobs| PipelineFigures::new("old", "c".to_owned(), jobs);
        let old = run(vec![job("a", 10_000, Some(8_000)), job("b", 9_800, Some(2_000))]);
        assert_eq!((old.wall_ms, old.job_ms), (Some(Millis(20_000)), Millis(19_800)));
        assert_eq!((old.billable_minutes, old.units_compiled, old.cpu_ms), (2, 14, Some(Millis(10_000))));
        let unknown = run(vec![job("a", 1_900, Some(1)), job("b", 7_900, None)]);
        assert_eq!(unknown.cpu_ms, None, "a sum with a part that is not known is not known");
        let both = PipelinesFigures::new(old, unknown.clone(), unknown);
        assert_eq!(both.new_first.old_by_this, Some(Ratios { wall: Some(2.0), cpu: None }));
        assert_eq!(both.old.old_by_this, None);
    }
}
