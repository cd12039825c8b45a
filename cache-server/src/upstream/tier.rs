//! The tier as its node sees it: what it is believed to be like, what it does not have, what has to go there.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use hearth_model::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{info, warn};

use super::absent::Absent;
use super::counts::TierCounts;
use super::flights::Flights;
use super::probe::NOBODY;
use super::queue::{Queue, QueueLimits};
use super::remote::{AnyRemote, Remote as _, RemoteError, connect};
use super::{SealKey, UpstreamConfig, UpstreamError, UpstreamMode};
use crate::access::Gate;
use crate::breaker::{Breaker, Rules, Verdict};
use crate::keys::ObjectName;

/// Absences that are remembered.
const MOST_ABSENT: usize = 100_000;
/// How long an upstream that is tried again has for its answer.
const TRIAL: Duration = Duration::from_secs(1);

/// What is believed of the upstream has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Better,
    Worse,
}

#[derive(Debug)]
pub(crate) struct Tier {
    pub(super) remote: AnyRemote,
    pub(super) seal: SealKey,
    pub(super) gate: Arc<Gate>,
    pub(super) config: UpstreamConfig,
    pub(super) flights: Flights,
    pub(super) reads: Arc<Semaphore>,
    pub(super) writes: Arc<Semaphore>,
    pub(crate) counts: TierCounts,
    /// Rung when something has to go up, or may again.
    pub(super) bell: Notify,
    queue: Mutex<Queue>,
    mode: RwLock<UpstreamMode>,
    born: Instant,
    breaker: Mutex<Breaker>,
    absent: Mutex<Absent>,
    /// Objects on their way to the disk.
    landings: Mutex<JoinSet<()>>,
}

/// An object that is being stored and goes up after that.
#[derive(Debug)]
pub(crate) struct WillGoUp {
    tier: Arc<Tier>,
    name: ObjectName,
}

impl Drop for WillGoUp {
    fn drop(&mut self) {
        self.tier.queue().came(self.name);
        self.tier.bell.notify_one();
    }
}

/// How the tier is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamStatus {
    pub mode: UpstreamMode,
    /// Whether it is being spared because it has failed.
    pub spared: bool,
    pub queued_objects: u64,
    pub queued_bytes: Bytes,
    /// For how long the first of them has waited.
    pub queued_for: Duration,
    pub hits: u64,
    pub misses: u64,
    pub failures: u64,
    pub carried: u64,
    pub dropped: u64,
}

impl Tier {
    /// Reads the list of what has to go up. Blocks, and asks nothing of anybody.
    pub(crate) fn open(
        config: UpstreamConfig,
        seal: SealKey,
        gate: Arc<Gate>,
        root: &Path,
    ) -> Result<Self, UpstreamError> {
        let remote = connect(&config.place)?;
        let path = root.join("upstream.queue");
        let limits = QueueLimits { objects: config.queue_objects, bytes: config.queue_bytes };
        let opened = Queue::open(&path, limits);
        let (queue, dropped) = opened.map_err(|cause| UpstreamError::Queue { path, cause })?;
        let counts = TierCounts::default();
        counts.dropped.add(dropped.0);
        let rules = Rules { failures: config.breaker_failures, pause: config.breaker_pause };
        Ok(Self {
            remote,
            seal,
            gate,
            flights: Flights::default(),
            reads: Arc::new(Semaphore::new(config.calls)),
            writes: Arc::new(Semaphore::new(config.calls)),
            counts,
            bell: Notify::new(),
            queue: Mutex::new(queue),
            mode: RwLock::new(config.mode),
            born: Instant::now(),
            breaker: Mutex::new(Breaker::new(rules)),
            absent: Mutex::new(Absent::new(config.absent, MOST_ABSENT)),
            landings: Mutex::default(),
            config,
        })
    }

    pub(crate) fn status(&self) -> UpstreamStatus {
        let counts = &self.counts;
        let (queued_objects, queued_bytes, queued_for) = {
            let queue = self.queue();
            (queue.len() as u64, queue.bytes(), queue.age())
        };
        UpstreamStatus {
            mode: self.mode(),
            spared: !self.breaker().is_closed(),
            queued_objects,
            queued_bytes,
            queued_for,
            hits: counts.hits.get(),
            misses: counts.misses.get(),
            failures: counts.failures.get(),
            carried: counts.carried.get(),
            dropped: counts.dropped.get(),
        }
    }

    pub(crate) fn mode(&self) -> UpstreamMode {
        *self.mode.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_mode(&self, mode: UpstreamMode) {
        *self.mode.write().unwrap_or_else(PoisonError::into_inner) = mode;
        self.bell.notify_one();
    }

    /// Written down before the object is: a name that is not stored after all is one that is not found later. Nobody
    /// looks for it before the promise is dropped. Blocks.
    pub(crate) fn will_go_up(self: Arc<Self>, name: ObjectName, size: Bytes) -> Option<WillGoUp> {
        if self.mode() == UpstreamMode::ReadOnly {
            return None;
        }
        if size > self.config.max_object {
            self.counts.too_large.one();
            return None;
        }
        let added = self.queue().add(name, size);
        match added {
            Ok(dropped) => {
                self.counts.dropped.add(dropped.0);
                Some(WillGoUp { tier: self, name })
            }
            Err(error) => {
                self.counts.dropped.one();
                warn!(error = %error, "cannot write down what has to go to the upstream");
                None
            }
        }
    }

    /// The object is stored.
    pub(crate) fn stored(&self, name: ObjectName) {
        self.absent().forget(name);
    }

    /// Whether a request of ours may go there. One that was found silent is tried by [`Tier::try_again`] and by no client.
    pub(super) fn may_ask(&self) -> bool {
        self.mode() != UpstreamMode::Offline && self.breaker().is_closed()
    }

    /// Whether something may go up.
    pub(super) fn may_give(&self) -> bool {
        self.mode() == UpstreamMode::Online && self.breaker().is_closed()
    }

    /// Once the pause after a failure is over, asks for something that is not there: any answer will do.
    pub(super) async fn try_again(&self) {
        let is_due = self.mode() != UpstreamMode::Offline
            && !self.breaker().is_closed()
            && self.breaker().ask(self.born.elapsed()) == Verdict::Ask;
        if !is_due {
            return;
        }
        match self.remote.get(NOBODY, TRIAL).await {
            Ok(_) => self.succeeded(),
            Err(error) => self.failed(&error),
        }
    }

    pub(super) fn is_absent(&self, name: ObjectName) -> bool {
        self.absent().knows(name, self.born.elapsed())
    }

    pub(super) fn found_absent(&self, name: ObjectName) {
        self.absent().found(name, self.born.elapsed());
    }

    pub(super) fn succeeded(&self) {
        let now = self.born.elapsed();
        if self.heard(|breaker| breaker.succeeded(now)) == Some(Turn::Better) {
            info!("the upstream answers again");
        }
    }

    pub(super) fn failed(&self, error: &RemoteError) {
        let now = self.born.elapsed();
        let turn = match error {
            // It is well, and does not want this one.
            RemoteError::Declined { .. } => return self.succeeded(),
            RemoteError::TooSlow => self.heard(|breaker| breaker.silent(now)),
            RemoteError::Shut { .. } | RemoteError::Failed { .. } => self.heard(|breaker| breaker.failed(now)),
        };
        if turn == Some(Turn::Worse) {
            let error = error as &dyn std::error::Error;
            warn!(
                error,
                "the upstream is left alone for a while; what is only there is a miss, what has to go up waits"
            );
        }
    }

    /// Tells the breaker; whether that has changed its mind.
    fn heard(&self, tell: impl FnOnce(&mut Breaker)) -> Option<Turn> {
        let mut breaker = self.breaker();
        let before = breaker.is_closed();
        tell(&mut breaker);
        match (before, breaker.is_closed()) {
            (true, false) => Some(Turn::Worse),
            (false, true) => Some(Turn::Better),
            _ => None,
        }
    }

    /// How long a pause of the breaker is worth waiting for before somebody looks again.
    pub(super) fn pause(&self) -> Duration {
        self.config.breaker_pause
    }

    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where landings are looked after. Those that are over are forgotten.
    pub(super) fn landings(&self) -> MutexGuard<'_, JoinSet<()>> {
        let mut landings = self.landings.lock().unwrap_or_else(PoisonError::into_inner);
        while landings.try_join_next().is_some() {}
        landings
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn absent(&self) -> MutexGuard<'_, Absent> {
        self.absent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
