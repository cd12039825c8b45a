//! One job from the queue to the record.

use std::time::Duration;

use fake_github::runner_protocol::JobResult;
use fake_github::{Job, JobId, Options};
use hearth_ledger::State;
use hearth_model::{EndBasis, Outcome};
use hearth_tests::github::nothing_is_violated;
use hearth_tests::served::{Machine, Served};

use crate::books::ledger;

#[test]
fn a_job_runs_once_and_stands_in_the_ledger() {
    let mut served = Served::start(&Machine::default());
    let job = served.github.offer(Job::new("acme/widgets").labels(["self-hosted", "hearth"]).run("env | sort"));
    served.done(&[job]);
    served.idle();
    let record = served.github.job(job).unwrap();
    assert_eq!((record.acquired, record.completed), (1, 1));
    assert_eq!(record.result(), Some(JobResult::Succeeded), "{}", record.log);
    let summary = record.summaries.concat();
    assert!(summary.contains("Hearth") && summary.contains("minutes"), "{summary}");

    let rows = ledger(&served.world);
    assert_eq!(rows.len(), 1, "{rows:#?}");
    let (row, facts) = (&rows[0], rows[0].facts.as_ref().unwrap());
    assert_eq!(
        (row.state, row.outcome, row.end_basis),
        (State::Ended, Some(Outcome::Exited { code: 0 }), EndBasis::Monotonic)
    );
    assert_eq!((facts.job.as_str(), facts.workflow.as_deref()), ("build", Some("CI")));
    assert_eq!(facts.run.run_id, Some(record.run_id));
    assert_eq!(row.billable_minutes(), Some(1));
    nothing_is_violated(&served.github);
    served.stop();
}

#[test]
fn a_polled_queue_brings_jobs_as_well() {
    let github = "demand = \"polling\"\nrepositories = [\"acme/widgets\"]".to_owned();
    let mut served = Served::start(&Machine { github, ..Machine::default() });
    let jobs = [1, 2].map(|_| served.github.offer(Job::new("acme/widgets").labels(["hearth", "linux"]).run("true")));
    served.done(&jobs);
    served.idle();
    for job in jobs {
        let record = served.github.job(job).unwrap();
        assert_eq!((record.acquired, record.completed, record.result()), (1, 1, Some(JobResult::Succeeded)));
    }
    let ended = ledger(&served.world).into_iter().filter(|row| row.state == State::Ended).count();
    assert_eq!(ended, 2);
    nothing_is_violated(&served.github);
    served.stop();
}

#[test]
fn a_job_that_waits_for_the_only_slot_begins_when_it_is_free() {
    // As long as GitHub's: whoever waits for the end of a poll is seen to.
    let options = Options { poll_hold: Duration::from_secs(50), ..Options::default() };
    let mut served = Served::start(&Machine { slots: 1, options, ..Machine::default() });
    let jobs: Vec<_> =
        (0..8).map(|_| served.github.offer(Job::new("acme/widgets").labels(["hearth"]).run("true"))).collect();
    served.done(&jobs);
    let taken = |id: &JobId| served.github.job(*id).and_then(|record| record.runner_assigned_at);
    let mut taken: Vec<_> = jobs.iter().map(|id| taken(id).expect("a runner took it")).collect();
    taken.sort();
    let pauses: Vec<_> = taken.windows(2).map(|pair| pair[1].duration_since(pair[0]).unsigned_abs()).collect();
    assert!(pauses.iter().all(|pause| *pause < Duration::from_secs(15)), "{pauses:?}");
    served.idle();
    served.stop();
}
