//! The only way to the disk: work for blocking threads, bounded in number, each waited for with a patience. A disk that
//! hangs takes its threads with it, but never a request.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

/// More calls at once do not make a disk faster.
const CALLS_AT_ONCE: u32 = 64;

/// The disk did not answer within the patience.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the disk did not answer in time")]
pub(crate) struct TooSlow;

#[derive(Debug)]
pub(crate) struct Disk {
    /// A place for each call. Whoever holds all of them knows that none is under way.
    calls: Arc<Semaphore>,
}

impl Default for Disk {
    fn default() -> Self {
        Self { calls: Arc::new(Semaphore::new(CALLS_AT_ONCE as usize)) }
    }
}

/// What is left of the time that a request may spend on waiting for the disk.
#[derive(Debug)]
pub(crate) struct Patience {
    left: Duration,
}

impl Patience {
    pub(crate) fn new(left: Duration) -> Self {
        Self { left }
    }

    pub(crate) fn left(&self) -> Duration {
        self.left
    }

    /// Waits for `work`, and takes the time from what is left.
    pub(crate) async fn wait<T>(&mut self, work: impl Future<Output = T>) -> Result<T, TooSlow> {
        let began = Instant::now();
        let result = timeout(self.left, work).await;
        self.left = self.left.saturating_sub(began.elapsed());
        result.map_err(|_| TooSlow)
    }
}

/// Work under way. Dropped, it is not waited for, and its result is dropped on its thread.
#[derive(Debug)]
pub(crate) struct Call<T>(JoinHandle<T>);

impl<T> Call<T> {
    pub(crate) async fn wait(self, patience: &mut Patience) -> Result<T, TooSlow> {
        // A call that panicked or was never started, because the runtime is going down, gave no answer either.
        patience.wait(self.0).await?.map_err(|_| TooSlow)
    }

    /// What came of it, however long it takes; `None` when it did not come to its end.
    pub(crate) async fn outcome(self) -> Option<T> {
        self.0.await.ok()
    }
}

impl Disk {
    pub(crate) async fn start<T: Send + 'static>(
        &self,
        patience: &mut Patience,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Call<T>, TooSlow> {
        let place = patience.wait(Arc::clone(&self.calls).acquire_owned()).await?;
        Ok(Call(begin(place.map_err(|_| TooSlow)?, work)))
    }

    /// Work that nobody is kept waiting for; `None` when the runtime is going down.
    pub(crate) async fn at_leisure<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let place = Arc::clone(&self.calls).acquire_owned().await.ok()?;
        begin(place, work).await.ok()
    }

    /// Work that is not done at all when all places are taken.
    pub(crate) fn if_idle(&self, work: impl FnOnce() + Send + 'static) {
        if let Ok(place) = Arc::clone(&self.calls).try_acquire_owned() {
            drop(begin(place, work));
        }
    }

    /// Waits until no call is under way.
    pub(crate) async fn settle(&self, patience: &mut Patience) -> Result<(), TooSlow> {
        patience.wait(self.calls.acquire_many(CALLS_AT_ONCE)).await.map(drop)
    }

    /// Takes all places, as calls do that hang.
    #[cfg(test)]
    pub(crate) fn fill(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.calls).try_acquire_many_owned(CALLS_AT_ONCE).expect("no call is under way")
    }

    pub(crate) async fn run<T: Send + 'static>(
        &self,
        patience: &mut Patience,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, TooSlow> {
        self.start(patience, work).await?.wait(patience).await
    }
}

fn begin<T: Send + 'static>(place: OwnedSemaphorePermit, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    tokio::task::spawn_blocking(move || {
        let result = work();
        drop(place);
        result
    })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_hanging_disk_costs_the_patience_and_no_more() {
        let disk = Disk::default();
        let mut releases = Vec::new();
        for _ in 0..CALLS_AT_ONCE {
            let (release, hang) = mpsc::channel::<()>();
            releases.push(release);
            let mut patience = Patience::new(Duration::from_millis(1));
            let hung = disk.run(&mut patience, move || hang.recv()).await;
            assert_eq!(hung.map(drop), Err(TooSlow));
        }
        // All places are taken: the next call is not even started.
        let mut patience = Patience::new(Duration::from_millis(20));
        assert_eq!(disk.run(&mut patience, || 1).await, Err(TooSlow));
        assert_eq!(patience.left, Duration::ZERO);
        drop(releases);
        let mut patience = Patience::new(Duration::from_mins(1));
        assert_eq!(disk.run(&mut patience, || 1).await, Ok(1));
    }
}
