//! Jobs and runs: where each one is on its way, its four times, and how many times it was run.
//!
//! ```text
//! Queued ──▶ Assigned (to a scale set) ──▶ Given (to a runner) ──▶ Running ──▶ Done
//!   ▲ └────────────────────────────────────────▲  │                              ▲
//!   └───────────── nobody took it in time ────────┘        canceled, lost ───────┘
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Instant;

use jiff::Timestamp;

use super::QueueNames;
use crate::runner_protocol::{JobResult, StepResult};
use crate::server::job::Job;

/// The number that REST calls a job by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Queued,
    /// A scale set owes it a runner.
    Assigned {
        since: Instant,
    },
    /// A runner was told, and has not taken it yet.
    Given {
        since: Instant,
    },
    Running,
    Done(JobResult),
}

/// The runner that a job is on, or was on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RanOn {
    pub id: u64,
    pub name: String,
    pub group: u64,
    pub group_name: String,
}

/// One job of one attempt of a run.
#[derive(Debug, Clone)]
pub struct JobRecord {
    pub id: JobId,
    /// What scale sets and runners call it by.
    pub uuid: String,
    pub request_id: i64,
    pub run_id: u64,
    pub run_number: u64,
    pub attempt: u64,
    pub job: Job,
    pub phase: Phase,
    pub scale_set: Option<u64>,
    pub runner: Option<RanOn>,
    pub queued_at: Timestamp,
    pub assigned_at: Option<Timestamp>,
    pub runner_assigned_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    /// How many times a runner took it. More than one is a job that ran twice.
    pub acquired: u32,
    /// How many times a runner said that it was done.
    pub completed: u32,
    /// How many times a scale set was made to owe a runner.
    pub assignments: u32,
    /// Its runner fell silent.
    pub lost: bool,
    /// Somebody asked to cancel it.
    pub cancel: bool,
    pub steps: Vec<StepResult>,
    pub log: String,
    pub summaries: Vec<String>,
    /// What the queue calls its repository, where that is not the present name.
    pub(crate) former_repository: Option<String>,
    /// The sets that were told that it is available.
    pub(crate) announced: BTreeSet<u64>,
}

impl JobRecord {
    /// Owner and name of its repository, as the queue has them.
    pub(crate) fn queue_name(&self) -> (&str, &str) {
        self.former_repository.as_ref().unwrap_or(&self.job.repository).split_once('/').unwrap_or_default()
    }

    pub fn is_done(&self) -> bool {
        matches!(self.phase, Phase::Done(_))
    }

    pub fn result(&self) -> Option<JobResult> {
        match self.phase {
            Phase::Done(result) => Some(result),
            _ => None,
        }
    }

    /// REST's `status`.
    pub(crate) fn status(&self) -> &'static str {
        match self.phase {
            Phase::Queued | Phase::Assigned { .. } | Phase::Given { .. } => "queued",
            Phase::Running => "in_progress",
            Phase::Done(_) => "completed",
        }
    }

    /// REST's `conclusion`.
    pub(crate) fn conclusion(&self) -> Option<&'static str> {
        Some(match self.result()? {
            JobResult::Succeeded => "success",
            JobResult::Failed => "failure",
            JobResult::Canceled => "cancelled",
        })
    }

    /// Whether a runner with these labels may take it; letters' case does not count.
    pub(crate) fn matches(&self, labels: &[String]) -> bool {
        !self.job.labels.is_empty()
            && self.job.labels.iter().all(|wanted| labels.iter().any(|label| label.eq_ignore_ascii_case(wanted)))
    }
}

/// One run of a workflow, over its attempts.
#[derive(Debug, Clone)]
pub struct RunRecord {
    pub id: u64,
    pub number: u64,
    pub attempt: u64,
    pub repository: String,
    pub queued_at: Timestamp,
    /// Of all attempts.
    pub jobs: Vec<JobId>,
}

/// Beyond 32 bits, as the real ones are.
const FIRST_JOB: u64 = 41_000_000_001;
const FIRST_RUN: u64 = 14_000_000_001;
const FIRST_REQUEST: i64 = 6_000_000_001;

#[derive(Debug, Default)]
pub(crate) struct Jobs {
    all: BTreeMap<JobId, JobRecord>,
    /// Those that wait for anybody.
    queued: BTreeSet<JobId>,
    /// Those that somebody cares for: as few as there are slots, however many wait or are done.
    engaged: BTreeSet<JobId>,
    runs: BTreeMap<u64, RunRecord>,
    requests: i64,
}

impl Jobs {
    /// Queues all jobs of a new run. All are of one repository.
    pub(crate) fn add_run(&mut self, jobs: Vec<Job>, now: Timestamp) -> Vec<JobId> {
        let id = FIRST_RUN + self.runs.len() as u64;
        let number = self.runs.len() as u64 + 1;
        let repository = jobs.first().map(|job| job.repository.clone()).unwrap_or_default();
        let run = RunRecord { id, number, attempt: 1, repository, queued_at: now, jobs: Vec::new() };
        self.runs.insert(id, run);
        jobs.into_iter().map(|job| self.add(job, id, now)).collect()
    }

    /// Queues a job once more, as a new attempt of its run.
    pub(crate) fn add_attempt(&mut self, of: JobId, now: Timestamp) -> Option<JobId> {
        let job = self.all.get(&of)?;
        let (run, again) = (job.run_id, job.job.clone());
        self.runs.get_mut(&run)?.attempt += 1;
        Some(self.add(again, run, now))
    }

    fn add(&mut self, job: Job, run_id: u64, now: Timestamp) -> JobId {
        let id = JobId(FIRST_JOB + self.all.len() as u64);
        let request_id = self.next_request();
        let run = self.runs.get_mut(&run_id).expect("the run was made before its jobs");
        run.jobs.push(id);
        let record = JobRecord {
            id,
            uuid: uuid::Uuid::now_v7().to_string(),
            request_id,
            run_id,
            run_number: run.number,
            attempt: run.attempt,
            job,
            phase: Phase::Queued,
            scale_set: None,
            runner: None,
            queued_at: now,
            assigned_at: None,
            runner_assigned_at: None,
            finished_at: None,
            acquired: 0,
            completed: 0,
            assignments: 0,
            lost: false,
            cancel: false,
            steps: Vec::new(),
            log: String::new(),
            summaries: Vec::new(),
            former_repository: None,
            announced: BTreeSet::new(),
        };
        self.all.insert(id, record);
        self.queued.insert(id);
        id
    }

    pub(crate) fn next_request(&mut self) -> i64 {
        self.requests += 1;
        FIRST_REQUEST + self.requests
    }

    /// Calls all jobs and runs of a repository by its new name.
    pub(crate) fn rename(&mut self, from: &str, to: &str, names: QueueNames) {
        for job in self.all.values_mut().filter(|job| job.job.repository == from) {
            to.clone_into(&mut job.job.repository);
            if names == QueueNames::Former {
                job.former_repository.get_or_insert_with(|| from.to_owned());
            }
        }
        for run in self.runs.values_mut().filter(|run| run.repository == from) {
            to.clone_into(&mut run.repository);
        }
    }

    pub(crate) fn get(&self, id: JobId) -> Option<&JobRecord> {
        self.all.get(&id)
    }

    /// For changing anything but the phase, which is [`Jobs::put`].
    pub(crate) fn get_mut(&mut self, id: JobId) -> Option<&mut JobRecord> {
        self.all.get_mut(&id)
    }

    pub(crate) fn by_uuid(&self, uuid: &str) -> Option<JobId> {
        let found = self.engaged().chain(self.all.values().rev()).find(|job| job.uuid == uuid);
        found.map(|job| job.id)
    }

    /// Moves a job into a phase.
    pub(crate) fn put(&mut self, id: JobId, phase: Phase) {
        let Some(job) = self.all.get_mut(&id) else { return };
        job.phase = phase;
        self.queued.remove(&id);
        self.engaged.remove(&id);
        match phase {
            Phase::Queued => self.queued.insert(id),
            Phase::Assigned { .. } | Phase::Given { .. } | Phase::Running => self.engaged.insert(id),
            Phase::Done(_) => false,
        };
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &JobRecord> {
        self.all.values()
    }

    /// Those that wait, oldest first.
    pub(crate) fn queued(&self) -> impl Iterator<Item = &JobRecord> {
        self.queued.iter().filter_map(|id| self.all.get(id))
    }

    pub(crate) fn engaged(&self) -> impl Iterator<Item = &JobRecord> {
        self.engaged.iter().filter_map(|id| self.all.get(id))
    }

    pub(crate) fn is_all_done(&self) -> bool {
        self.queued.is_empty() && self.engaged.is_empty()
    }

    pub(crate) fn run(&self, id: u64) -> Option<&RunRecord> {
        self.runs.get(&id)
    }

    pub(crate) fn runs(&self) -> impl Iterator<Item = &RunRecord> {
        self.runs.values()
    }

    /// A run with a job that waits is `queued`, however many others run.
    pub(crate) fn run_status(&self, run: &RunRecord) -> &'static str {
        let of_this_attempt = |job: &&JobRecord| job.attempt == run.attempt;
        let states: Vec<_> =
            run.jobs.iter().filter_map(|id| self.all.get(id)).filter(of_this_attempt).map(JobRecord::status).collect();
        ["queued", "in_progress"].into_iter().find(|status| states.contains(status)).unwrap_or("completed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_goes_to_whoever_has_all_its_labels() {
        let mut jobs = Jobs::default();
        let job = Job::new("acme/widgets").labels(["self-hosted", "Linux"]);
        let id = jobs.add_run(vec![job], Timestamp::UNIX_EPOCH)[0];
        let matches = |labels: &[&str]| {
            let labels: Vec<_> = labels.iter().map(|label| (*label).to_owned()).collect();
            jobs.get(id).unwrap().matches(&labels)
        };
        assert!(matches(&["self-hosted", "linux", "hearth"]));
        assert!(!matches(&["self-hosted"]) && !matches(&[]));
    }

    #[test]
    fn a_run_is_queued_as_long_as_one_of_its_jobs_is() {
        let mut jobs = Jobs::default();
        let time = Timestamp::UNIX_EPOCH;
        let ids = jobs.add_run(vec![Job::new("acme/widgets"), Job::new("acme/widgets")], time);
        let run = jobs.get(ids[0]).unwrap().run_id;
        let status = |jobs: &Jobs| jobs.run_status(jobs.run(run).unwrap());
        jobs.put(ids[0], Phase::Running);
        assert_eq!(status(&jobs), "queued");
        jobs.put(ids[1], Phase::Running);
        assert_eq!(status(&jobs), "in_progress");
        for id in &ids {
            jobs.put(*id, Phase::Done(JobResult::Succeeded));
        }
        assert_eq!((status(&jobs), jobs.is_all_done()), ("completed", true));
        let again = jobs.add_attempt(ids[0], time).unwrap();
        assert_eq!((status(&jobs), jobs.get(again).unwrap().attempt), ("queued", 2));
    }
}
