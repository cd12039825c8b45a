//! What one look at a queue tells that the last one did not. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::news::conclusion;
use super::super::{JobNews, JobSeen, JobTimes};
use crate::endpoint::RepositoryName;
use crate::ids::{RequestId, RunId, RunnerId};
use crate::labels::Labels;
use crate::times::instant;
use crate::wire::{Job, Run};

/// Jobs that we remember; more than that are news again.
const LIMIT: usize = 4_096;

/// A job in a listing.
pub(super) struct Found {
    pub(super) job: Job,
    pub(super) run: Arc<Run>,
}

/// What a look told.
pub(super) struct Told {
    pub(super) news: Vec<JobNews>,
    pub(super) waiting: u32,
    /// Jobs that are not listed any more: they have ended, or their run was deleted.
    pub(super) vanished: Vec<i64>,
}

#[derive(Debug)]
pub(super) struct Tracker {
    labels: Labels,
    prefix: String,
    known: BTreeMap<i64, Known>,
}

#[derive(Debug)]
struct Known {
    repository: RepositoryName,
    stage: Stage,
    run: Arc<Run>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting,
    /// On a runner of this machine.
    Running,
}

impl Tracker {
    pub(super) fn new(labels: Labels, prefix: String) -> Self {
        Self { labels, prefix, known: BTreeMap::new() }
    }

    /// Jobs that run on this machine.
    pub(super) fn running(&self) -> u32 {
        let running = self.known.values().filter(|known| known.stage == Stage::Running).count();
        u32::try_from(running).unwrap_or(u32::MAX)
    }

    pub(super) fn told(&mut self, repository: &RepositoryName, found: Vec<Found>) -> Told {
        let mut told = Told { news: Vec::new(), waiting: 0, vanished: Vec::new() };
        let mut listed = BTreeSet::new();
        for Found { job, run } in found {
            listed.insert(job.id);
            if !self.labels.satisfy(&job.labels) {
                continue;
            }
            // GitHub's other states (waiting, pending, requested) stand for something that no runner can mend.
            if job.status == "queued" {
                told.waiting += 1;
            }
            told.news.extend(self.step(repository, &job, &run));
        }
        let gone = self.known.iter().filter(|(id, known)| known.repository == *repository && !listed.contains(id));
        told.vanished = gone.map(|(id, _)| *id).collect();
        told
    }

    /// A job that had vanished from the listings, looked up. `None`: GitHub does not know it any more.
    pub(super) fn looked_up(&mut self, repository: &RepositoryName, id: i64, job: Option<Job>) -> Option<JobNews> {
        match (job, self.known.get(&id).map(|known| Arc::clone(&known.run))) {
            (Some(job), Some(run)) => self.step(repository, &job, &run),
            (None, _) => {
                self.known.remove(&id);
                None
            }
            (Some(_), None) => None,
        }
    }

    fn step(&mut self, repository: &RepositoryName, job: &Job, run: &Arc<Run>) -> Option<JobNews> {
        let before = self.known.get(&job.id).map(|known| known.stage);
        let ours = job.runner_name.as_ref().is_some_and(|name| name.starts_with(&self.prefix));
        let seen = || seen(job, run);
        let (runner, runner_name) = (job.runner_id.filter(|id| *id != 0).map(RunnerId), job.runner_name.clone());
        match (job.status.as_str(), before) {
            ("queued", None) => {
                self.remember(job.id, repository, Stage::Waiting, run);
                Some(JobNews::Available { job: seen() })
            }
            ("in_progress", None) if !ours => None,
            ("in_progress", None | Some(Stage::Waiting)) => {
                if ours {
                    self.remember(job.id, repository, Stage::Running, run);
                } else {
                    self.known.remove(&job.id);
                }
                Some(JobNews::Started { job: seen(), runner, runner_name })
            }
            ("completed", Some(_)) => {
                self.known.remove(&job.id);
                let said = job.conclusion.clone().unwrap_or_default();
                let runner_name = runner_name.filter(|name| !name.is_empty());
                Some(JobNews::Completed { job: seen(), runner, runner_name, conclusion: conclusion(&said), said })
            }
            _ => None,
        }
    }

    fn remember(&mut self, id: i64, repository: &RepositoryName, stage: Stage, run: &Arc<Run>) {
        self.known.insert(id, Known { repository: repository.clone(), stage, run: Arc::clone(run) });
        if self.known.len() > LIMIT {
            self.known.pop_first();
        }
    }
}

fn seen(job: &Job, run: &Run) -> JobSeen {
    let repository = &run.repository.full_name;
    let at = |text: &Option<String>| text.as_deref().and_then(instant);
    // GitHub fills the start of a job that nobody has taken with the time at which it was queued.
    let taken = job.runner_name.as_ref().is_some_and(|name| !name.is_empty());
    let started = at(&job.started_at).filter(|_| taken);
    let workflow = run.path.as_ref().map(|path| match &run.head_branch {
        Some(branch) if !path.contains('@') => format!("{repository}/{path}@refs/heads/{branch}"),
        _ => format!("{repository}/{path}"),
    });
    JobSeen {
        request: RequestId(job.id),
        repository: repository.clone(),
        job: Some(job.id.to_string()),
        workflow,
        display_name: job.name.clone(),
        run: Some(RunId(job.run_id)),
        event: run.event.clone(),
        labels: job.labels.clone(),
        times: JobTimes { queued: at(&job.created_at), assigned: None, started, finished: at(&job.completed_at) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::RunRepository;

    fn tracker() -> Tracker {
        Tracker::new(Labels::new(["self-hosted", "linux"]).unwrap(), "hearth-box-".to_owned())
    }

    fn repository() -> RepositoryName {
        RepositoryName::parse("acme/widgets").unwrap()
    }

    fn job(id: i64, status: &str, runner: Option<&str>) -> Job {
        Job {
            id,
            run_id: 9,
            name: format!("job {id}"),
            status: status.to_owned(),
            conclusion: (status == "completed").then(|| "success".to_owned()),
            created_at: Some("2026-11-22T18:34:23Z".to_owned()),
            started_at: Some("2026-11-22T18:34:24Z".to_owned()),
            completed_at: None,
            labels: vec!["Linux".to_owned()],
            runner_id: None,
            runner_name: runner.map(str::to_owned),
        }
    }

    fn run() -> Arc<Run> {
        let (event, path) = (Some("push".to_owned()), Some(".github/workflows/ci.yml".to_owned()));
        let repository = RunRepository { full_name: "acme/widgets".to_owned() };
        Arc::new(Run { id: 9, event, path, head_branch: Some("main".to_owned()), repository })
    }

    /// News as words, waiting, running, vanished.
    fn look(tracker: &mut Tracker, jobs: &[Job]) -> (Vec<String>, u32, u32, Vec<i64>) {
        let found = jobs.iter().map(|job| Found { job: job.clone(), run: run() }).collect();
        let told = tracker.told(&repository(), found);
        (told.news.iter().map(word).collect(), told.waiting, tracker.running(), told.vanished)
    }

    fn word(news: &JobNews) -> String {
        let kind = match news {
            JobNews::Available { .. } => "available",
            JobNews::Assigned { .. } => "assigned",
            JobNews::Started { .. } => "started",
            JobNews::Completed { .. } => "completed",
        };
        format!("{kind} {}", news.job().request)
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn jobs_are_counted_not_runs_and_only_those_that_we_satisfy() {
        let mut other = job(3, "queued", None);
        other.labels = vec!["windows".to_owned()];
        let mut unresolved = job(4, "queued", None);
        unresolved.labels = Vec::new();
        let jobs = [job(1, "queued", None), job(2, "queued", None), other, unresolved, job(5, "waiting", None)];
        let (news, waiting, running, _) = look(&mut tracker(), &jobs);
        assert_eq!((news, waiting, running), (words(&["available 1", "available 2"]), 2, 0));
    }

    #[test]
    fn a_job_s_life_is_told_once_each() {
        let mut tracker = tracker();
        let ours = Some("hearth-box-1");
        for (jobs, news, waiting, running, vanished) in [
            (vec![job(1, "queued", None)], &["available 1"][..], 1, 0, vec![]),
            (vec![job(1, "queued", None)], &[], 1, 0, vec![]),
            (vec![job(1, "in_progress", ours)], &["started 1"], 0, 1, vec![]),
            (vec![job(1, "in_progress", ours)], &[], 0, 1, vec![]),
            (vec![], &[], 0, 1, vec![1]),
        ] {
            assert_eq!(look(&mut tracker, &jobs), (words(news), waiting, running, vanished));
        }
        let completed = tracker.looked_up(&repository(), 1, Some(job(1, "completed", ours)));
        assert_eq!(completed.as_ref().map(word), Some("completed 1".to_owned()));
        assert_eq!(tracker.running(), 0);
        assert!(tracker.looked_up(&repository(), 1, Some(job(1, "completed", ours))).is_none());
    }

    #[test]
    fn a_job_that_another_machine_took_is_told_and_let_go() {
        let mut tracker = tracker();
        look(&mut tracker, &[job(1, "queued", None)]);
        let theirs = [job(1, "in_progress", Some("hearth-other-1"))];
        assert_eq!(look(&mut tracker, &theirs), (words(&["started 1"]), 0, 0, vec![]));
        assert_eq!(look(&mut tracker, &theirs), (words(&[]), 0, 0, vec![]));
        assert_eq!(look(&mut tracker, &[]).3, Vec::<i64>::new());
    }

    #[test]
    fn our_running_jobs_are_found_again_after_a_restart() {
        let jobs = [job(1, "in_progress", Some("hearth-box-7"))];
        assert_eq!(look(&mut tracker(), &jobs), (words(&["started 1"]), 0, 1, vec![]));
    }

    #[test]
    fn a_job_whose_run_was_deleted_is_forgotten() {
        let mut tracker = tracker();
        look(&mut tracker, &[job(1, "in_progress", Some("hearth-box-7"))]);
        assert!(tracker.looked_up(&repository(), 1, None).is_none());
        assert_eq!(tracker.running(), 0);
    }

    #[test]
    fn what_a_listing_says_becomes_facts() {
        let found = vec![Found { job: job(1, "queued", None), run: run() }];
        let told = tracker().told(&repository(), found);
        let facts = told.news[0].job();
        assert_eq!(facts.workflow.as_deref(), Some("acme/widgets/.github/workflows/ci.yml@refs/heads/main"));
        assert_eq!((facts.run, facts.event.as_deref()), (Some(RunId(9)), Some("push")));
        assert!(facts.times.queued.is_some() && facts.times.started.is_none(), "nobody has taken it yet");
    }

    #[test]
    fn the_memory_of_jobs_is_bounded() {
        let mut tracker = tracker();
        let jobs: Vec<Job> = (0..5_000).map(|id| job(id, "queued", None)).collect();
        look(&mut tracker, &jobs);
        assert_eq!(tracker.known.len(), LIMIT);
    }
}
