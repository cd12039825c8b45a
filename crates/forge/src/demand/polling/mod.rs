//! Demand as the queues of repositories show it: all waiting jobs that our labels satisfy, looked at again and again.
//! Nothing is reserved: another machine may be faster, and then a runner waits in vain.

mod tracker;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, warn};

use super::health::Counter;
use super::pace::Pace;
use super::{Demand, DemandError, DemandHealth, Demanded, JobNews, Machine, SessionRecord};
use crate::call::{CallError, chain};
use crate::endpoint::RepositoryName;
use crate::ids::{MessageId, RequestId};
use crate::registrar::RestRegistrar;
use crate::rest::Github;
use crate::wire::Run;

use tracker::{Found, Tracker};

/// While nothing waits we look this seldom at last.
const IDLE: Duration = Duration::from_mins(1);
/// Of each repository in one round; the listing of more costs more calls than it is worth.
const RUNS: usize = 200;
/// Jobs whose run is not listed any more are looked up one by one, so many in one round.
const LOOK_UPS: usize = 20;

/// Repositories whose queues are looked at.
#[derive(Debug)]
pub struct Polling {
    github: Github,
    registrar: RestRegistrar,
    repositories: Vec<RepositoryName>,
    interval: Duration,
    tracker: Tracker,
    /// When to look next, and how long after that while nothing waits.
    next: Option<Instant>,
    idle: Duration,
    pace: Pace,
    health: Arc<DemandHealth>,
}

impl Polling {
    pub(super) fn new(
        github: Github,
        registrar: RestRegistrar,
        repositories: Vec<RepositoryName>,
        interval: Duration,
        machine: Machine,
    ) -> Self {
        let tracker = Tracker::new(machine.labels, machine.prefix);
        let (pace, health) = (Pace::default(), Arc::default());
        Self { github, registrar, repositories, interval, tracker, next: None, idle: interval, pace, health }
    }

    async fn look(&mut self) -> Result<Demanded, DemandError> {
        let mut news = Vec::new();
        let mut waiting = 0;
        for repository in self.repositories.clone() {
            let found = self.queue(&repository).await.map_err(|cause| failed(&repository, cause))?;
            let told = self.tracker.told(&repository, found);
            news.extend(told.news);
            waiting += told.waiting;
            self.look_up(&repository, told.vanished, &mut news).await;
        }
        self.health.heard(self.github.clock().now());
        self.health.count(if news.is_empty() { Counter::Empty } else { Counter::Messages }, 1);
        self.idle = if waiting > 0 { self.interval } else { (self.idle * 2).min(IDLE) };
        self.next = Some(Instant::now() + self.idle);
        Ok(Demanded { message: None, wanted: waiting + self.tracker.running(), jobs: news })
    }

    /// The jobs of all runs that have not ended.
    async fn queue(&self, repository: &RepositoryName) -> Result<Vec<Found>, CallError> {
        let mut runs: Vec<Run> = self.github.runs(repository, "queued").await?;
        for run in self.github.runs(repository, "in_progress").await? {
            // It may have begun between the two calls.
            if runs.iter().all(|known| known.id != run.id) {
                runs.push(run);
            }
        }
        if runs.len() > RUNS {
            warn!("{repository} has {} runs; looking at the {RUNS} that wait for longest", runs.len());
            runs.sort_unstable_by_key(|run| run.id);
            runs.truncate(RUNS);
        }
        let mut found = Vec::new();
        for run in runs {
            let jobs = self.github.jobs(repository, run.id).await?;
            let run = Arc::new(run);
            found.extend(jobs.into_iter().map(|job| Found { job, run: Arc::clone(&run) }));
        }
        Ok(found)
    }

    /// What became of jobs whose run is not listed any more.
    async fn look_up(&mut self, repository: &RepositoryName, vanished: Vec<i64>, news: &mut Vec<JobNews>) {
        for id in vanished.into_iter().take(LOOK_UPS) {
            match self.github.job(repository, id).await {
                Ok(job) => news.extend(self.tracker.looked_up(repository, id, job)),
                Err(error) => {
                    // The next round looks again.
                    debug!("cannot look up what became of job {id} of {repository}: {}", chain(&error));
                    return;
                }
            }
        }
    }
}

fn failed(repository: &RepositoryName, cause: CallError) -> DemandError {
    DemandError::Call { target: format!("repository {repository}"), cause }
}

impl Demand for Polling {
    type Registrar = RestRegistrar;

    /// `capacity` is promised to nobody: REST has no word for it.
    async fn wait(&mut self, _capacity: u32) -> Result<Demanded, DemandError> {
        self.pace.keep().await;
        if let Some(next) = self.next {
            tokio::time::sleep_until(next).await;
        }
        let told = self.look().await;
        match &told {
            Ok(_) => self.pace.succeeded(),
            Err(error) => self.pace.failed(error.remedy(), self.github.clock()),
        }
        told
    }

    /// Listings are not acknowledged.
    async fn acknowledge(&mut self, _message: MessageId) -> Result<(), DemandError> {
        Ok(())
    }

    /// REST has no way to reserve a job: all of them may become ours.
    async fn acquire(&mut self, requests: &[RequestId]) -> Result<Vec<RequestId>, DemandError> {
        Ok(requests.to_vec())
    }

    async fn close(&mut self) -> Result<(), DemandError> {
        Ok(())
    }

    async fn retire(&mut self) -> Result<(), DemandError> {
        Ok(())
    }

    fn registrar(&self) -> RestRegistrar {
        self.registrar.clone()
    }

    fn session(&self) -> Option<&SessionRecord> {
        None
    }

    fn health(&self) -> Arc<DemandHealth> {
        Arc::clone(&self.health)
    }
}
