//! Work that a daemon does again and again to stay well: sweeping, folding, checking. Tasks are idempotent, so one may
//! be dropped in the middle when the daemon stops, and are run one at a time, so that upkeep never competes with
//! itself for the disk. Each runs once at start, then at its own pace with some jitter, so that a fleet that was
//! started together does not sweep together.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use hearth_model::Clock;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::metrics::Metrics;
use crate::stop::Stop;

/// The first wait after a failure; it doubles with every further one.
const FIRST_RETRY: Duration = Duration::from_secs(10);
/// A task that runs often still waits up to this long while it fails.
const LONGEST_RETRY_OF_OFTEN: Duration = Duration::from_mins(5);
/// The share of a wait that is left to chance.
const JITTER: f64 = 0.1;

/// Why a run failed. The driver only logs it.
pub type Failure = Box<dyn Error + Send + Sync>;
/// One run of a task.
pub type Running<'a> = Pin<Box<dyn Future<Output = Result<Report, Failure>> + Send + 'a>>;

/// What a run did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    NothingToDo,
    /// In words, for the log: `removed 3 snapshots, 1.20 GiB`.
    Done(String),
}

/// One idempotent periodic task.
pub trait Task: Send {
    /// For logs and metrics; short and constant.
    fn name(&self) -> &'static str;
    fn every(&self) -> Duration;
    /// One run. May be dropped at any `.await`; the next run finishes what was left.
    fn run(&mut self) -> Running<'_>;
}

/// The tasks of one daemon and when each is due.
pub struct Upkeep {
    tasks: Vec<Scheduled>,
    metrics: UpkeepMetrics,
    clock: Arc<dyn Clock>,
    chance: Box<dyn FnMut() -> f64 + Send>,
}

struct Scheduled {
    task: Box<dyn Task>,
    due: Instant,
    failures: u32,
    /// The failure that stands in the log; the same one again is not news.
    logged: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    task: &'static str,
}

#[derive(Debug, Default)]
struct UpkeepMetrics {
    last_success: Family<Labels, Gauge<f64, AtomicU64>>,
    duration: Family<Labels, Gauge<f64, AtomicU64>>,
    failures: Family<Labels, Counter>,
}

impl fmt::Debug for Upkeep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.tasks.iter().map(|scheduled| scheduled.task.name())).finish()
    }
}

impl Upkeep {
    pub fn new(tasks: Vec<Box<dyn Task>>, metrics: &Metrics, clock: Arc<dyn Clock>) -> Self {
        let now = Instant::now();
        let scheduled = |task| Scheduled { task, due: now, failures: 0, logged: None };
        Self {
            tasks: tasks.into_iter().map(scheduled).collect(),
            metrics: UpkeepMetrics::register(metrics),
            clock,
            chance: Box::new(fastrand::f64),
        }
    }

    /// Runs the tasks until the stop is requested.
    pub async fn run(mut self, stop: Stop) {
        // `min_by_key` takes the first of equals: at start, the tasks run in the order of their list.
        while let Some(next) = self.tasks.iter_mut().min_by_key(|scheduled| scheduled.due) {
            let started = tokio::select! {
                biased;
                () = stop.requested() => return,
                () = tokio::time::sleep_until(next.due) => Instant::now(),
            };
            // A run that is dropped here is finished by the first run after the next start.
            let result = tokio::select! {
                biased;
                () = stop.requested() => return,
                result = next.task.run() => result,
            };
            let took = started.elapsed();
            self.metrics.count(next.task.name(), took, result.is_ok(), &*self.clock);
            next.note(result, took);
            let wait = wait(next.task.every(), next.failures);
            next.due = Instant::now() + wait + wait.mul_f64(JITTER * (self.chance)());
        }
        stop.requested().await;
    }
}

/// Until the next run: the task's own pace or, while it fails, from short to longer, but never longer than its pace.
fn wait(every: Duration, failures: u32) -> Duration {
    match failures.checked_sub(1) {
        None => every,
        Some(doublings) => {
            let longest = every.max(LONGEST_RETRY_OF_OFTEN);
            FIRST_RETRY.saturating_mul(1 << doublings.min(20)).min(longest)
        }
    }
}

impl Scheduled {
    /// Counts failures in a row and logs what is news.
    fn note(&mut self, result: Result<Report, Failure>, took: Duration) {
        let task = self.task.name();
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        match result {
            Ok(report) => {
                if self.failures > 0 {
                    info!(task, "upkeep task {task} works again after {} failures", self.failures);
                }
                self.failures = 0;
                self.logged = None;
                match report {
                    Report::NothingToDo => debug!(task, took_ms, "upkeep task {task} had nothing to do"),
                    Report::Done(what) => info!(task, took_ms, "upkeep task {task} {what}"),
                }
            }
            Err(failure) => {
                self.failures = self.failures.saturating_add(1);
                let text = failure.to_string();
                let error: &(dyn Error + 'static) = &*failure;
                if self.logged.as_ref() == Some(&text) {
                    debug!(task, took_ms, error, "upkeep task {task} failed again");
                } else {
                    warn!(task, took_ms, error, "upkeep task {task} failed and will be tried again");
                    self.logged = Some(text);
                }
            }
        }
    }
}

impl UpkeepMetrics {
    fn register(metrics: &Metrics) -> Self {
        let ours = Self::default();
        metrics.register(|registry| {
            registry.register(
                "hearth_upkeep_last_success_timestamp_seconds",
                "When each upkeep task last succeeded",
                ours.last_success.clone(),
            );
            registry.register(
                "hearth_upkeep_duration_seconds",
                "How long the last run of each upkeep task took",
                ours.duration.clone(),
            );
            registry.register("hearth_upkeep_failures", "Failed runs of each upkeep task", ours.failures.clone());
        });
        ours
    }

    fn count(&self, task: &'static str, took: Duration, success: bool, clock: &dyn Clock) {
        let labels = Labels { task };
        self.duration.get_or_create(&labels).set(took.as_secs_f64());
        let failures = self.failures.get_or_create(&labels);
        if success {
            let now = clock.now().as_millis() as f64 / 1000.0;
            self.last_success.get_or_create(&labels).set(now);
        } else {
            failures.inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use hearth_model::{ManualClock, Timestamp};
    use tracing::subscriber::DefaultGuard;

    use super::*;
    use crate::metrics::BuildInfo;
    use crate::tasks::{Finish, Tasks};
    use crate::telemetry::page::Page;

    /// When tasks ran, in seconds since the start.
    type Book = Arc<Mutex<Vec<(&'static str, u64)>>>;

    /// Succeeds except in the runs that it is told to fail.
    struct Chore {
        name: &'static str,
        every: Duration,
        takes: Duration,
        failing: std::ops::Range<usize>,
        runs: usize,
        began: Instant,
        book: Book,
    }

    impl Task for Chore {
        fn name(&self) -> &'static str {
            self.name
        }
        fn every(&self) -> Duration {
            self.every
        }
        fn run(&mut self) -> Running<'_> {
            Box::pin(async move {
                self.book.lock().unwrap().push((self.name, self.began.elapsed().as_secs()));
                self.runs += 1;
                tokio::time::sleep(self.takes).await;
                if self.failing.contains(&(self.runs - 1)) {
                    return Err(Failure::from("the disk is full"));
                }
                Ok(Report::Done("removed 3 snapshots".to_owned()))
            })
        }
    }

    /// Every world listens to its log: `tracing` asks whoever comes to a line first whether anybody wants it, and would
    /// remember the no of a thread that does not listen for the threads that do.
    struct World {
        tasks: Tasks,
        metrics: Metrics,
        book: Book,
        began: Instant,
        log: Page,
        _listening: DefaultGuard,
    }

    impl World {
        fn new() -> Self {
            let build = BuildInfo { program: "hearth", version: "0", commit: "0" };
            let log = Page::default();
            let subscriber = tracing_subscriber::fmt()
                .with_writer(log.writer())
                .with_ansi(false)
                .with_target(false)
                .without_time()
                .finish();
            Self {
                tasks: Tasks::new(Stop::default()),
                metrics: Metrics::new(build),
                book: Book::default(),
                began: Instant::now(),
                log,
                _listening: tracing::subscriber::set_default(subscriber),
            }
        }

        fn chore(
            &self,
            name: &'static str,
            every_s: u64,
            takes_s: u64,
            failing: std::ops::Range<usize>,
        ) -> Box<dyn Task> {
            Box::new(Chore {
                name,
                every: Duration::from_secs(every_s),
                takes: Duration::from_secs(takes_s),
                failing,
                runs: 0,
                began: self.began,
                book: Arc::clone(&self.book),
            })
        }

        /// Lets the tasks live for a while, then asks them to stop; gives back when each ran.
        async fn live(&self, chores: Vec<Box<dyn Task>>, chance: f64, seconds: u64) -> Vec<(&'static str, u64)> {
            let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_700_000_000_500)));
            let mut upkeep = Upkeep::new(chores, &self.metrics, clock);
            upkeep.chance = Box::new(move || chance);
            self.tasks.spawn("upkeep", upkeep.run(self.tasks.stop().clone()));
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            self.tasks.stop().signal(15);
            assert_eq!(self.tasks.finish(Duration::from_secs(1)).await, Finish::Orderly);
            self.book.lock().unwrap().clone()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn tasks_run_at_start_in_order_one_at_a_time_and_then_at_their_pace() {
        let world = World::new();
        let chores = vec![world.chore("sweep", 100, 30, 0..0), world.chore("fold", 60, 5, 0..0)];
        let ran = world.live(chores, 0.0, 240).await;
        // Both are due at 0, so fold waits for sweep; at 160 fold waits for sweep again, which began at 130.
        let expected = [("sweep", 0), ("fold", 30), ("fold", 95), ("sweep", 130), ("fold", 160), ("fold", 225)];
        assert_eq!(ran, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn jitter_adds_at_most_a_tenth() {
        let world = World::new();
        let chores = vec![world.chore("sweep", 100, 0, 0..0)];
        assert_eq!(world.live(chores, 1.0, 230).await, [("sweep", 0), ("sweep", 110), ("sweep", 220)]);
    }

    #[test]
    fn failing_tasks_are_tried_again_soon_then_less_often_but_not_less_than_their_pace() {
        let hour = Duration::from_hours(1);
        for (every, failures, seconds) in [
            (hour, 0, 3600),
            (hour, 1, 10),
            (hour, 2, 20),
            (hour, 9, 2560),
            (hour, 10, 3600),
            (hour, u32::MAX, 3600),
            (Duration::from_secs(1), 1, 10),
            (Duration::from_secs(1), 30, 300),
        ] {
            assert_eq!(wait(every, failures), Duration::from_secs(seconds), "{every:?} {failures}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_stop_does_not_wait_for_a_run() {
        let world = World::new();
        let before = Instant::now();
        let ran = world.live(vec![world.chore("sweep", 100, 3600, 0..0)], 0.0, 10).await;
        assert_eq!((ran, before.elapsed()), (vec![("sweep", 0)], Duration::from_secs(10)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_logged_once_and_counted_every_time() {
        let world = World::new();
        let ran = world.live(vec![world.chore("sweep", 3600, 0, 0..3)], 0.0, 100).await;
        let times: Vec<_> = ran.iter().map(|(_, at)| *at).collect();
        assert_eq!(times, [0, 10, 30, 70]);

        let log = world.log.text();
        assert_eq!(log.matches("upkeep task sweep failed and will be tried again").count(), 1, "{log}");
        assert!(log.contains("the disk is full"), "{log}");
        assert!(log.contains("upkeep task sweep works again after 3 failures"), "{log}");
        assert!(log.contains("upkeep task sweep removed 3 snapshots"), "{log}");

        let metrics = world.metrics.encode().unwrap();
        for line in [
            "hearth_upkeep_failures_total{task=\"sweep\"} 3\n",
            "hearth_upkeep_last_success_timestamp_seconds{task=\"sweep\"} 1700000000.5\n",
            "hearth_upkeep_duration_seconds{task=\"sweep\"} 0.0\n",
        ] {
            assert!(metrics.contains(line), "{line} not in {metrics}");
        }
    }
}
