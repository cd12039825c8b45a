//! Named tasks and their orderly end. Every task of a daemon is started here, so that at the end we can say which one
//! did not come to an end. Tasks are asked and never aborted; a process that may wait no longer simply exits.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use crate::stop::{Stop, StopReason};

/// The tasks of one daemon. Clones share.
#[derive(Debug, Clone)]
pub struct Tasks {
    stop: Stop,
    tracker: TaskTracker,
    running: Arc<Mutex<Running>>,
}

#[derive(Debug, Default)]
struct Running {
    next: u64,
    names: BTreeMap<u64, &'static str>,
}

/// How the tasks of a daemon came to their end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finish {
    Orderly,
    /// The deadline passed before these ended.
    DeadlinePassed(Vec<&'static str>),
    /// Somebody asked twice; these were still running.
    Hurried(Vec<&'static str>),
}

impl Tasks {
    pub fn new(stop: Stop) -> Self {
        Self { stop, tracker: TaskTracker::new(), running: Arc::default() }
    }

    pub fn stop(&self) -> &Stop {
        &self.stop
    }

    /// Starts a task. When it panics the daemon is asked to stop: nobody knows what it left half done.
    pub fn spawn<F>(&self, name: &'static str, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let entry = Entry::new(self, name);
        self.tracker.spawn(async move {
            let _entry = entry;
            task.await
        })
    }

    /// Names of the tasks that run, oldest first.
    pub fn running(&self) -> Vec<&'static str> {
        lock(&self.running).names.values().copied().collect()
    }

    /// Waits until somebody asks for the stop, then for the tasks to end, for at most `deadline` from the request and
    /// not past a second signal.
    pub async fn finish(&self, deadline: Duration) -> Finish {
        self.stop.requested().await;
        let reason = self.stop.reason().map(ToString::to_string).unwrap_or_default();
        info!(stop.reason = reason, "stopping: {reason}");
        self.tracker.close();
        // No branch holds anything that is lost when another one wins.
        let finish = tokio::select! {
            () = self.tracker.wait() => Finish::Orderly,
            () = self.stop.now() => Finish::Hurried(self.running()),
            () = tokio::time::sleep(deadline) => Finish::DeadlinePassed(self.running()),
        };
        if let Finish::DeadlinePassed(names) | Finish::Hurried(names) = &finish {
            warn!(tasks = names.join(" "), "stopping without waiting for {}", names.join(", "));
        }
        finish
    }
}

/// A task's place in the list while it runs, also when it ends by a panic.
struct Entry {
    tasks: Tasks,
    number: u64,
    name: &'static str,
}

impl Entry {
    fn new(tasks: &Tasks, name: &'static str) -> Self {
        let mut running = lock(&tasks.running);
        let number = running.next;
        running.next += 1;
        running.names.insert(number, name);
        Self { tasks: tasks.clone(), number, name }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        lock(&self.tasks.running).names.remove(&self.number);
        if std::thread::panicking() {
            let name = self.name;
            error!(task = name, "task {name} panicked");
            self.tasks.stop.request(StopReason::TaskPanicked(name));
        }
    }
}

/// The list is sound after every statement, so a poisoned lock is as good as a whole one.
fn lock(running: &Mutex<Running>) -> MutexGuard<'_, Running> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(30);

    /// A task that ends when it is asked, after some work.
    async fn polite(stop: Stop, work: Duration) {
        stop.requested().await;
        tokio::time::sleep(work).await;
    }

    #[tokio::test(start_paused = true)]
    async fn tasks_that_end_in_time_end_orderly() {
        let tasks = Tasks::new(Stop::default());
        let seven = tasks.spawn("seven", async { 7 });
        tasks.spawn("slow", polite(tasks.stop().clone(), DEADLINE / 2));
        assert_eq!(seven.await.unwrap(), 7);
        assert_eq!(tasks.running(), ["slow"]);
        tasks.stop().signal(15);
        assert_eq!(tasks.finish(DEADLINE).await, Finish::Orderly);
        assert!(tasks.running().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_names_who_did_not_end() {
        let tasks = Tasks::new(Stop::default());
        tasks.spawn("deaf", pending::<()>());
        tasks.spawn("polite", polite(tasks.stop().clone(), Duration::ZERO));
        tasks.spawn("late", polite(tasks.stop().clone(), DEADLINE * 2));
        tasks.stop().signal(15);
        let before = tokio::time::Instant::now();
        assert_eq!(tasks.finish(DEADLINE).await, Finish::DeadlinePassed(vec!["deaf", "late"]));
        assert_eq!(before.elapsed(), DEADLINE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_signal_ends_the_waiting_at_once() {
        let tasks = Tasks::new(Stop::default());
        tasks.spawn("deaf", pending::<()>());
        tasks.stop().signal(15);
        tasks.stop().signal(15);
        let before = tokio::time::Instant::now();
        assert_eq!(tasks.finish(DEADLINE).await, Finish::Hurried(vec!["deaf"]));
        assert_eq!(before.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_asks_the_daemon_to_stop() {
        let tasks = Tasks::new(Stop::default());
        let ending = tasks.spawn("fragile", async { panic!("as the test wants") });
        assert!(ending.await.unwrap_err().is_panic());
        assert_eq!(tasks.finish(DEADLINE).await, Finish::Orderly);
        assert_eq!(tasks.stop().reason(), Some(&StopReason::TaskPanicked("fragile")));
    }

    #[tokio::test(start_paused = true)]
    async fn finish_waits_for_the_request() {
        let tasks = Tasks::new(Stop::default());
        tasks.spawn("deaf", pending::<()>());
        let waited = tokio::time::timeout(DEADLINE * 3, tasks.finish(DEADLINE)).await;
        assert!(waited.is_err(), "nobody asked");
    }
}
