//! The keeper's loop: one runner program, its hooks, the clock, and whoever wants it to stop.

use std::path::Path;
use std::time::Duration;

use hearth_host::clock::SystemClock;
use hearth_host::guard::How;
use hearth_host::lock::FileLock;
use hearth_ledger::Owner;
use hearth_model::{Clock, Event, Forge, JobFacts, Outcome, Ref, RunFacts, UsageReading, WorkTree};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::directory::{BuildDirectory, clear, reserve};
use super::group::{Group, told_apart_from_no_memory, usage};
use super::job::Job;
use super::outcome::{outcome, without_a_job};
use super::ownership::Ownership;
use super::written::Written;
use super::{KeepError, Order, Setting};
use crate::environment::Environment;
use crate::hooks::{Answer, Ask, Heard, HookServer, Refused, job_facts};
use crate::journey::chain;
use crate::places::Places;
use crate::runner::{self, Ending, Held, Hint, JobResult, Stop, Versions};
use crate::slots::{Ended, Record};
use crate::supervision::{Occurrence, Supervisor, lack_of_room, told_apart_from_full_disk};

/// The guard's name for the runner program.
pub(super) const RUNNER: &str = "runner";
/// How often the ledger hears that the job still runs.
const BEAT: Duration = Duration::from_secs(10);
/// The program says that it runs a job, then prepares it, then calls the started hook. One that never calls is booked
/// without it.
const HOOK_COMES_WITHIN: Duration = Duration::from_mins(1);
/// The program itself gives a cancelled job 30 s.
const STOP_GRACE: Duration = Duration::from_secs(40);
const SIGINT: i32 = 2;
const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;

/// Looks after the ordered runner until its job is in the ledger. `lock` is the slot's, ours from now on.
pub async fn keep(order: Order, lock: FileLock, environment: &Environment) -> Result<(), KeepError> {
    let places = Places::open(&order.state).map_err(KeepError::Places)?;
    let slot = places.slot(order.slot);
    let record = Record::read(&slot).map_err(KeepError::Record)?;
    let record = record.filter(|record| record.runner == order.runner);
    let Some(record) = record else {
        return Err(KeepError::NotOurs { slot, runner: order.runner });
    };
    let written = Written { slot, record };
    match Keeper::open(order, places, written, environment).await {
        Ok(keeper) => Box::pin(keeper.run()).await?,
        Err((error, written)) => {
            written.finished(Ended::NeverStarted { why: chain(&error) })?;
            return Err(error);
        }
    }
    drop(lock);
    Ok(())
}

pub(super) struct Keeper {
    pub(super) setting: Setting,
    pub(super) written: Written,
    pub(super) owner: Owner,
    pub(super) supervisor: Supervisor,
    pub(super) ownership: Ownership,
    pub(super) group: Group,
    pub(super) hooks: mpsc::Receiver<Heard>,
    pub(super) _server: HookServer,
    pub(super) versions: Versions,
    /// The version stays as long as we do.
    pub(super) program: Held,
    pub(super) heard: runner::Heard,
    pub(super) job: Option<Job>,
    /// The program said that it runs this job, then.
    pub(super) announced: Option<(String, Instant)>,
    pub(super) result: Option<JobResult>,
    /// By which signal we ended the program, and when we lose patience.
    pub(super) stopping: Option<(i32, Instant)>,
}

impl Keeper {
    async fn run(mut self) -> Result<(), KeepError> {
        let mut next_beat = Instant::now() + BEAT;
        let how = loop {
            let far = Instant::now() + Duration::from_hours(1);
            let hook_is_late =
                self.announced.as_ref().filter(|_| self.job.is_none()).map(|(_, at)| *at + HOOK_COMES_WITHIN);
            // Every branch can be dropped: channels keep what was not received, and the times are absolute.
            tokio::select! {
                Some(heard) = self.hooks.recv() => self.hear(heard).await?,
                occurrence = self.supervisor.next() => match occurrence {
                    Occurrence::Ended { name, how } if name == RUNNER => break Some(how),
                    Occurrence::Ended { name, .. } => tracing::debug!("{name} has ended"),
                    Occurrence::Line { name, text } if name == RUNNER => self.read(&text),
                    Occurrence::Line { .. } => {}
                    Occurrence::Signal(signal) => self.stop(signal),
                    Occurrence::GuardLost => break None,
                },
                () = sleep_until(hook_is_late.unwrap_or(far)), if hook_is_late.is_some() => {
                    self.book_without_hook().await?;
                }
                () = sleep_until(self.stopping.map_or(far, |(_, at)| at)), if self.stopping.is_some() => {
                    self.supervisor.signal(RUNNER, SIGKILL);
                    self.stopping = self.stopping.map(|(signal, _)| (signal, far));
                }
                () = sleep_until(next_beat) => {
                    next_beat += BEAT;
                    if let Some(job) = &self.job {
                        job.beat().await;
                    }
                }
            }
        };
        self.conclude(how).await
    }

    async fn hear(&mut self, heard: Heard) -> Result<(), KeepError> {
        let Heard { connection, ask, answer } = heard;
        let said = match (&mut self.job, ask) {
            (Some(job), ask) => job.answer(&self.setting, connection, ask).await,
            (None, Ask::Started(facts)) if facts.runner_name != self.setting.order.runner.as_str() => {
                let why = "these are the facts of another runner".to_owned();
                Answer::Refused(Refused::Failed { why })
            }
            (None, Ask::Started(facts)) => {
                let facts = job_facts(&facts, &self.setting.order.host, &self.setting.platform);
                match self.begin(facts).await? {
                    Ok(()) => self
                        .job
                        .as_ref()
                        .map_or(Answer::Refused(Refused::NotStarted), |job| Answer::Given(job.given(&self.setting))),
                    Err(why) => Answer::Refused(Refused::Failed { why }),
                }
            }
            (None, _) => Answer::Refused(Refused::NotStarted),
        };
        // A caller that has gone waits for nothing.
        let _gone = answer.send(said);
        Ok(())
    }

    /// Puts the job into the books. The second result is what the hook hears when they cannot take it.
    async fn begin(&mut self, facts: JobFacts) -> Result<Result<(), String>, KeepError> {
        if let Err(error) = reserve(&self.written.slot) {
            tracing::warn!("no room can be kept for the end of the job's record: {error}");
        }
        match Job::begin(&self.setting, facts, self.owner.clone(), self.ownership, &mut self.supervisor).await {
            Ok(job) => {
                self.job = Some(job);
                let now = SystemClock::default().now();
                match self.written.clone().step(|record| record.busy(now)) {
                    Ok(written) => self.written = written,
                    // Of a full disk, for one. The job runs, and no job ends because of our own notes: GitHub refuses to
                    // remove a runner that has one, whatever the slot's record says.
                    Err(KeepError::Record(error)) => {
                        tracing::error!("the slot does not say that it has a job: {}", chain(&error));
                    }
                    Err(error) => return Err(error),
                }
                tracing::debug!(runner = %self.setting.order.runner, "keeper step: busy");
                Ok(Ok(()))
            }
            Err(error) => {
                let why = chain(&error);
                tracing::error!(runner = %self.setting.order.runner, "the job is not in the ledger: {why}");
                Ok(Err(why))
            }
        }
    }

    /// A job whose started hook never came: its minutes count all the same, and it may write nothing.
    async fn book_without_hook(&mut self) -> Result<(), KeepError> {
        let Some((name, _)) = self.announced.take() else { return Ok(()) };
        tracing::warn!("job {name} runs and its started hook did not call; it is booked without warm target");
        let order = &self.setting.order;
        let facts = JobFacts {
            forge: Forge::GitHub { host: order.host.clone() },
            repository: format!("{}/{}", order.host, order.repository.as_deref().unwrap_or("unknown")),
            event: Event::Other("unknown".to_owned()),
            reference: Ref::Other(String::new()),
            base_branch: None,
            default_branch: String::new(),
            from_fork: false,
            commit: None,
            work_tree: WorkTree::Clean,
            lock_digest: None,
            workflow: None,
            job: name,
            actor: None,
            platform: self.setting.platform.clone(),
            run: RunFacts { runner_name: Some(order.runner.as_str().to_owned()), ..RunFacts::default() },
        };
        let _told_in_the_log = self.begin(facts).await?;
        Ok(())
    }

    /// What the program says to people is a hint to us.
    fn read(&mut self, line: &str) {
        match runner::hint(line) {
            Some(Hint::Running { job }) => self.announced = Some((job, Instant::now())),
            Some(Hint::Completed { result, .. }) => self.result = Some(result),
            Some(Hint::Listening) => self.heard = runner::Heard::Listening,
            Some(Hint::Disconnected { why }) => tracing::warn!("the runner program cannot reach the forge: {why}"),
            Some(Hint::Version(_) | Hint::Connected | Hint::Reconnected) | None => {}
        }
    }

    /// SIGTERM: stop unless there is a job. Anything else: stop now.
    fn stop(&mut self, signal: i32) {
        if signal == SIGTERM && (self.job.is_some() || self.announced.is_some()) {
            tracing::info!("asked to stop while a job runs: it may finish");
            return;
        }
        if self.stopping.is_some() {
            self.supervisor.signal(RUNNER, SIGKILL);
            return;
        }
        self.supervisor.signal(RUNNER, SIGINT);
        self.stopping = Some((signal, Instant::now() + STOP_GRACE));
    }

    /// The program has ended (`None`: with its guard): everything of it is ended, and the books are closed.
    async fn conclude(mut self, how: Option<How>) -> Result<(), KeepError> {
        if self.job.is_none() && self.announced.is_some() {
            // It ran a job and ended before the hook's time was up.
            self.book_without_hook().await?;
        }
        let stopped = self.stopping.map(|(signal, _)| signal);
        let stop = if stopped.is_some() { Stop::Asked } else { Stop::Unasked };
        let ending = how.map(|how| Ending::of(how, stop));
        if let Some(started) = ending.and_then(|ending| ending.speaks_for_version(self.heard))
            && let Err(error) = self.versions.note_start(self.program.version, started)
        {
            tracing::warn!("how this start went is not noted: {}", chain(&error));
        }
        let Some(mut job) = self.job.take() else {
            self.supervisor.sweep().await;
            self.group.end();
            let died = || Ended::Failed { why: "the process that guarded it died".to_owned() };
            let ended = ending.map_or_else(died, without_a_job);
            self.written.finished(ended)?;
            return Ok(());
        };
        let ran = job.ran();
        // Should we die before the end is in the ledger, the time is there already.
        job.beat().await;
        let compile = job.count().await;
        let (swept, counted) = self.supervisor.sweep().await;
        let reading = self.group.reading();
        self.group.end();
        let usage = counted.map_or(UsageReading::NOT_MEASURED, |counted| usage(reading.as_ref(), counted));
        if let Err(error) = job.take_back(&self.setting) {
            tracing::warn!("what the job built is lost: its files cannot be taken back: {error}");
        }
        let outcome = ending.map_or(Outcome::Lost, |ending| outcome(ending, self.result, stopped));
        let outcome = told_apart_from_no_memory(outcome, reading.as_ref());
        let outcome = told_apart_from_full_disk(outcome, &[&self.setting.place.ours]);
        make_room(&self.written.slot, outcome);
        match job.finish(outcome, ran, swept, usage, compile).await {
            Ok(receipt) => {
                for warning in receipt.warnings {
                    tracing::warn!(job.execution = %receipt.execution, "{warning}");
                }
                tracing::info!(job.execution = %receipt.execution, "job {outcome} after {ran}");
            }
            // The row stays open, and whoever looks next closes it from the last beat.
            Err(error) => tracing::error!("the job's end is not in the ledger: {}", chain(&error)),
        }
        self.written.finished(Ended::Job)?;
        Ok(())
    }
}

/// On a full disk what the job leaves goes before the books are written, and the reserve, so that they have room.
fn make_room(slot: &Path, outcome: Outcome) {
    if lack_of_room(slot).is_none() {
        return;
    }
    let build = if outcome.is_success() { BuildDirectory::Wanted } else { BuildDirectory::Unwanted };
    if let Err(error) = clear(slot, build) {
        tracing::warn!("what the job left on a full disk cannot be removed: {error}");
    }
}
