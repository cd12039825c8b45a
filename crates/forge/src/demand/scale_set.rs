//! Demand as a scale set's queue tells it.
//!
//! ```text
//! none ──open──▶ session ──poll──▶ message or nothing ──▶ …      token old, or refused: refreshed
//!   ▲               │
//!   └── left over ◀─┘ deaf, stuck, contradicted, or gone at the service; closed before the next one is opened
//! ```

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use super::health::Counter;
use super::pace::Pace;
use super::seen::Seen;
use super::wanted::{Counts, Wanted};
use super::watchdog::{Trouble, Watchdog};
use super::{Demand, DemandError, DemandHealth, Demanded, JobNews, SessionRecord, news};
use crate::call::{CallError, chain};
use crate::http::backoff;
use crate::ids::{MessageId, RequestId};
use crate::registrar::ScaleSetRegistrar;
use crate::scale_set::{Polled, ScaleSetService, Session};
use crate::wire::{Message, Statistics};

/// How often the counts are asked for while no message brings them.
const RECONCILE: Duration = Duration::from_mins(5);
/// How often jobs that nobody took are looked for while the service counts some.
const UNCLAIMED: Duration = Duration::from_secs(10);
/// Before the next poll, when the service sends what was acknowledged already.
const REPEATED: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));
const JOB_MESSAGES: &str = "RunnerScaleSetJobMessages";

/// A scale set's queue.
pub struct ScaleSet {
    service: ScaleSetService,
    owner: String,
    open: Option<Open>,
    /// A session of ours that may still be open at the service: of the last process, or one that we gave up.
    left_over: Option<SessionRecord>,
    /// Goes on where it was when a wait that was dropped is called again: a session that nobody knows blocks the set.
    opening: Option<Opening>,
    watchdog: Watchdog,
    /// Why the session before this one was given up.
    trouble: Option<Trouble>,
    seen: Seen,
    wanted: Wanted,
    reconciled: Duration,
    asked_unclaimed: Option<Duration>,
    pace: Pace,
    health: Arc<DemandHealth>,
}

struct Open {
    session: Session,
    record: SessionRecord,
}

type Opening = Pin<Box<dyn Future<Output = Opened> + Send>>;

struct Opened {
    left_over: Option<SessionRecord>,
    result: Result<(Open, Option<Statistics>), CallError>,
}

impl ScaleSet {
    pub(super) fn new(service: ScaleSetService, owner: String, left_over: Option<SessionRecord>) -> Self {
        let now = service.github().clock().monotonic();
        Self {
            service,
            owner,
            open: None,
            left_over,
            opening: None,
            watchdog: Watchdog::new(now),
            trouble: None,
            seen: Seen::default(),
            wanted: Wanted::default(),
            reconciled: now,
            asked_unclaimed: None,
            pace: Pace::default(),
            health: Arc::default(),
        }
    }

    fn now(&self) -> Duration {
        self.service.github().clock().monotonic()
    }

    async fn listen(&mut self, capacity: u32) -> Result<Demanded, DemandError> {
        let mut repeated = 0;
        loop {
            self.watch();
            if self.open.is_none() {
                self.open().await?;
                return Ok(self.demanded(None, Vec::new()));
            }
            let now = self.now();
            if self.wanted.may_fit(now, capacity) {
                let jobs = self.unclaimed().await;
                if !jobs.is_empty() {
                    return Ok(self.demanded(None, jobs));
                }
            }
            let polled = self.poll(capacity).await?;
            self.health.heard(self.service.github().clock().now());
            let now = self.now();
            self.watchdog.heard(now);
            let Polled::Message(message) = polled else {
                self.health.count(Counter::Empty, 1);
                self.reconcile(capacity).await;
                let rested = self.asked_unclaimed.is_none_or(|then| now.saturating_sub(then) >= UNCLAIMED);
                let jobs = if capacity > 0 && rested { self.unclaimed().await } else { Vec::new() };
                return Ok(self.demanded(None, jobs));
            };
            let id = MessageId(message.message_id);
            if self.seen.has(id) {
                // The journal holds it; only the acknowledgement was lost.
                self.health.count(Counter::Repeated, 1);
                self.acknowledge_at_service(id).await?;
                repeated += 1;
                tokio::time::sleep(backoff(repeated, REPEATED.0, REPEATED.1)).await;
                continue;
            }
            return Ok(self.hand_out(id, &message, capacity));
        }
    }

    fn demanded(&mut self, message: Option<MessageId>, jobs: Vec<JobNews>) -> Demanded {
        let now = self.now();
        Demanded { message, wanted: self.wanted.runners(now), jobs }
    }

    fn hand_out(&mut self, id: MessageId, message: &Message, capacity: u32) -> Demanded {
        let now = self.now();
        self.health.count(Counter::Messages, 1);
        let known = message.message_type == JOB_MESSAGES;
        let (jobs, strange) = if known { news::read(&message.body) } else { (Vec::new(), 1) };
        if strange > 0 {
            self.health.count(Counter::NotUnderstood, strange);
            warn!(message = id.0, "passed over {strange} entries of message {id} that are in words we do not know");
        }
        let (jobs, repeated) = self.seen.deliver(id, jobs);
        self.health.count(Counter::Repeated, repeated);
        if self.wanted.told(now, message.statistics, &jobs) == Counts::Contradict {
            self.health.count(Counter::Contradicted, 1);
            self.watchdog.contradicted();
        }
        self.watchdog.told(now, self.wanted.statistics(), !jobs.is_empty(), capacity);
        self.reconciled = now;
        self.demanded(Some(id), jobs)
    }

    /// Asks for the counts when nobody told them for long.
    async fn reconcile(&mut self, capacity: u32) {
        let now = self.now();
        if now.saturating_sub(self.reconciled) >= RECONCILE {
            self.reconciled = now;
            match self.service.statistics().await {
                Ok(statistics) => {
                    self.wanted.told(now, statistics, &[]);
                }
                Err(error) => warn!("cannot compare the counts of {}: {}", self.service.name(), chain(&error)),
            }
        }
        self.watchdog.told(now, self.wanted.statistics(), false, capacity);
    }

    /// Jobs that were told as available and not acquired, by this process or the last one: nobody announces them again.
    async fn unclaimed(&mut self) -> Vec<JobNews> {
        let Some(open) = self.open.as_ref().filter(|_| self.wanted.has_unclaimed()) else { return Vec::new() };
        self.asked_unclaimed = Some(self.now());
        match self.service.acquirable(&open.session).await {
            Ok(jobs) => {
                let jobs: Vec<JobNews> = jobs.into_iter().map(news::available).collect();
                self.wanted.unclaimed(jobs.iter().map(|news| news.job().request));
                jobs
            }
            Err(error) => {
                warn!("cannot look for jobs that nobody took: {}", chain(&error));
                Vec::new()
            }
        }
    }

    /// Gives a session up that does not hear.
    fn watch(&mut self) {
        let Some(trouble) = self.watchdog.trouble(self.now()) else { return };
        if self.open.is_some() {
            let (counter, why) = match trouble {
                Trouble::Deaf => (Some(Counter::Deaf), "it heard nothing for minutes"),
                Trouble::Stuck => (Some(Counter::Stuck), "jobs were announced and not delivered"),
                // Counted with the message that was contradicted.
                Trouble::Contradicted => (None, "its counts deny the jobs that it delivers"),
            };
            if let Some(counter) = counter {
                self.health.count(counter, 1);
            }
            warn!("opening a new session of scale set {}: {why}", self.service.name());
            self.trouble = Some(trouble);
            self.abandon();
        }
    }

    fn abandon(&mut self) {
        if let Some(open) = self.open.take() {
            self.left_over = Some(open.record);
        }
    }

    async fn open(&mut self) -> Result<(), DemandError> {
        if self.opening.is_none() {
            self.opening = Some(Box::pin(open(self.service.clone(), self.owner.clone(), self.left_over.clone())));
        }
        let opening = self.opening.as_mut().expect("it was put there just now, or before");
        let opened = opening.await;
        self.opening = None;
        self.left_over = opened.left_over;
        let (open, statistics) = opened.result.map_err(|cause| self.not_opened(cause))?;
        self.health.count(Counter::SessionsOpened, 1);
        self.health.heard(self.service.github().clock().now());
        info!(scale_set = open.record.scale_set, "opened a session of scale set {}", self.service.name());
        let now = self.now();
        self.watchdog = self.watchdog.renewed(now, self.trouble.take());
        self.seen.new_session();
        self.wanted.told(now, statistics, &[]);
        self.reconciled = now;
        self.open = Some(open);
        Ok(())
    }

    fn not_opened(&self, cause: CallError) -> DemandError {
        if matches!(cause, CallError::Conflict { .. }) {
            self.health.count(Counter::SessionConflicts, 1);
            return DemandError::SessionTaken { scale_set: self.service.name().to_owned(), cause };
        }
        self.failed(cause)
    }

    fn failed(&self, cause: CallError) -> DemandError {
        DemandError::Call { target: self.service.github().endpoint().scope().to_string(), cause }
    }

    async fn poll(&mut self, capacity: u32) -> Result<Polled, DemandError> {
        let due = self.open.as_ref().is_some_and(|open| self.service.is_due(&open.session));
        if due {
            self.refresh().await?;
        }
        match self.poll_once(capacity).await {
            Err(CallError::Unauthorized { .. }) if !due => {
                self.refresh().await?;
                self.poll_once(capacity).await
            }
            other => other,
        }
        .map_err(|cause| self.lost(cause))
    }

    async fn poll_once(&mut self, capacity: u32) -> Result<Polled, CallError> {
        let open = self.open.as_ref().expect("only an open session is polled");
        self.service.poll(&open.session, capacity, self.seen.last()).await
    }

    async fn refresh(&mut self) -> Result<(), DemandError> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let refreshed = self.service.refresh_session(&mut open.session).await;
        refreshed.map_err(|cause| self.lost(cause))?;
        self.health.count(Counter::TokensRefreshed, 1);
        Ok(())
    }

    /// A failed call of the session. One that the service does not know, or refuses with a new token, is over.
    fn lost(&mut self, cause: CallError) -> DemandError {
        let over = matches!(
            cause,
            CallError::NotFound { .. }
                | CallError::Unauthorized { .. }
                | CallError::Forbidden { .. }
                | CallError::Conflict { .. }
                | CallError::Invalid { .. }
        );
        if over {
            self.abandon();
        }
        self.failed(cause)
    }

    async fn acknowledge_at_service(&mut self, message: MessageId) -> Result<(), DemandError> {
        let Some(open) = &self.open else { return Ok(()) };
        let first = self.service.acknowledge(&open.session, message).await;
        if !matches!(first, Err(CallError::Unauthorized { .. })) {
            return first.map_err(|cause| self.failed(cause));
        }
        self.refresh().await?;
        let Some(open) = &self.open else { return Ok(()) };
        self.service.acknowledge(&open.session, message).await.map_err(|cause| self.failed(cause))
    }
}

/// Closes what is left over and opens a session.
async fn open(service: ScaleSetService, owner: String, left_over: Option<SessionRecord>) -> Opened {
    let mut left = left_over;
    if let Some(record) = &left {
        match service.close_session(record.scale_set, &record.session).await {
            Ok(()) => left = None,
            Err(error) => warn!("cannot close the last session of {} yet: {}", service.name(), chain(&error)),
        }
    }
    let result = service.open_session(&owner).await.map(|(session, statistics)| {
        let opened = service.github().clock().now();
        let record = SessionRecord { scale_set: session.set, session: session.id.clone(), owner, opened };
        (Open { session, record }, statistics)
    });
    if result.is_ok() {
        // The service has one session for a scale set, so the one that was left over has ended.
        left = None;
    }
    Opened { left_over: left, result }
}

impl Demand for ScaleSet {
    type Registrar = ScaleSetRegistrar;

    async fn wait(&mut self, capacity: u32) -> Result<Demanded, DemandError> {
        self.pace.keep().await;
        let told = self.listen(capacity).await;
        match &told {
            Ok(_) => self.pace.succeeded(),
            Err(error) => self.pace.failed(error.remedy(), self.service.github().clock()),
        }
        told
    }

    async fn acknowledge(&mut self, message: MessageId) -> Result<(), DemandError> {
        self.seen.acknowledged(message);
        self.acknowledge_at_service(message).await
    }

    async fn acquire(&mut self, requests: &[RequestId]) -> Result<Vec<RequestId>, DemandError> {
        let Some(open) = self.open.as_ref().filter(|_| !requests.is_empty()) else { return Ok(Vec::new()) };
        let mut acquired = self.service.acquire(&open.session, requests).await;
        if matches!(acquired, Err(CallError::Unauthorized { .. })) {
            self.refresh().await?;
            let Some(open) = &self.open else { return Ok(Vec::new()) };
            acquired = self.service.acquire(&open.session, requests).await;
        }
        let acquired = acquired.map_err(|cause| self.failed(cause))?;
        self.wanted.acquired(&acquired);
        Ok(acquired)
    }

    async fn close(&mut self) -> Result<(), DemandError> {
        if self.opening.is_some() {
            // What is half opened can only be closed once it is open; that it fails to open is no failure to close.
            if let Err(error) = self.open().await {
                info!("there is no session to close: {}", chain(&error));
            }
        }
        self.abandon();
        let Some(record) = &self.left_over else { return Ok(()) };
        let closed = self.service.close_session(record.scale_set, &record.session).await;
        closed.map_err(|cause| self.failed(cause))?;
        self.left_over = None;
        Ok(())
    }

    async fn retire(&mut self) -> Result<(), DemandError> {
        self.close().await?;
        self.service.delete_set().await.map_err(|cause| self.failed(cause))
    }

    fn registrar(&self) -> ScaleSetRegistrar {
        ScaleSetRegistrar::new(self.service.clone())
    }

    fn session(&self) -> Option<&SessionRecord> {
        self.open.as_ref().map(|open| &open.record).or(self.left_over.as_ref())
    }

    fn health(&self) -> Arc<DemandHealth> {
        Arc::clone(&self.health)
    }
}

impl fmt::Debug for ScaleSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScaleSet").field("name", &self.service.name()).finish_non_exhaustive()
    }
}
