//! What the ledger of a machine says, and what its jobs say themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use fake_github::runner_protocol::JobResult;
use fake_github::{Job, JobId};
use hearth_host::clock::SystemClock;
use hearth_ledger::{Book, Execution, State};
use hearth_model::{EndBasis, Outcome};
use hearth_tests::served::Served;
use hearth_tests::world::World;

/// Every execution, newest first.
pub(crate) fn ledger(world: &World) -> Vec<Execution> {
    let book = Book::open(&world.state().join("ledger"), Arc::new(SystemClock::default()));
    book.expect("the ledger can be opened").book.recent(100_000).expect("the ledger answers")
}

/// A job that writes down for which execution it runs, each time that it does.
#[derive(Debug)]
pub(crate) struct Witness {
    pub(crate) job: JobId,
    pub(crate) ends: JobResult,
    marks: PathBuf,
}

impl Witness {
    /// A job that leaves its mark and then runs this script, which ends so.
    pub(crate) fn job(served: &Served, number: usize, script: &str) -> (Job, PathBuf) {
        let marks = served.world.path(&format!("marks-{number}"));
        let script = format!("echo \"$HEARTH_EXECUTION\" >> '{}'\n{script}", marks.display());
        (Job::new("acme/widgets").labels(["self-hosted", "hearth"]).named(&format!("job {number}")).run(&script), marks)
    }

    pub(crate) fn of(job: JobId, marks: PathBuf, ends: JobResult) -> Self {
        Self { job, ends, marks }
    }

    /// Offers a job that is to succeed.
    pub(crate) fn offer(served: &Served, number: usize, script: &str) -> Self {
        let (job, marks) = Self::job(served, number, script);
        Self::of(served.github.offer(job), marks, JobResult::Succeeded)
    }

    /// Whether it runs, or ran.
    pub(crate) fn has_begun(&self) -> bool {
        self.marks.exists()
    }

    /// The executions that it ran for.
    pub(crate) fn executions(&self) -> Vec<String> {
        let marks = fs::read_to_string(&self.marks).unwrap_or_default();
        marks.lines().map(str::to_owned).collect()
    }
}

/// Each of these jobs ran once, and the ledger has its execution with all its times; it has no other ones but those that
/// were lost.
pub(crate) fn each_ran_once(served: &Served, witnesses: &[Witness], lost: &BTreeSet<String>) {
    let rows = ledger(&served.world);
    let mut by_id: BTreeMap<String, &Execution> = rows.iter().map(|row| (row.id.to_string(), row)).collect();
    assert_eq!(by_id.len(), rows.len(), "an execution stands in the ledger twice");
    for witness in witnesses {
        let record = served.github.job(witness.job).expect("a job that was offered is known");
        let times_run = (record.acquired, record.completed);
        assert_eq!((times_run, record.result()), ((1, 1), Some(witness.ends)), "{record:#?}");
        let marks = witness.executions();
        let [execution] = marks.as_slice() else { unreachable!("{} ran as {marks:?}", record.job.name) };
        let row = by_id.remove(execution).unwrap_or_else(|| unreachable!("{execution} is not in the ledger"));
        let code = i32::from(witness.ends != JobResult::Succeeded);
        let end = (row.state, row.outcome, row.end_basis);
        assert_eq!(end, (State::Ended, Some(Outcome::Exited { code }), EndBasis::Monotonic), "{row:#?}");
        let times = [row.accepted_at, row.started_at, row.completed_at]
            .map(|time| time.expect("an execution that ended has its times"));
        assert!(times.is_sorted() && row.ran.is_some(), "{row:#?}");
        let run = &row.facts.as_ref().expect("a job of ours has its facts").run;
        let runner = record.runner.as_ref().map(|runner| runner.name.as_str());
        assert_eq!((run.run_id, run.runner_name.as_deref()), (Some(record.run_id), runner), "{row:#?}");
    }
    let others: BTreeSet<String> = by_id.into_keys().collect();
    assert_eq!(&others, lost, "executions that were no job's");
}
