//! Whoever looks after a job asks the desk: the daemon's when one is up, else one in this very process.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hearth_cache_server::{Backend, FarConfig, FarError, FarNode, NodeError, Ownership, Secret};
use hearth_model::{ExecutionId, Millis};
use tokio::net::UnixStream;

use super::protocol::{ANSWER_LIMIT, Answer, What, receive, send, version};
use crate::app::{App, AppError};
use crate::dispatch::BoardState;
use crate::journey::{self, Begun, Finish, Intent, JourneyError, Receipt, Wish, chain};
use crate::places::Places;
use crate::settings::Settings;
use crate::targets::Lease;

/// A daemon that is awake greets at once.
const GREETING_LIMIT: Duration = Duration::from_millis(500);
/// What the node of this very machine has not taken by then, it will not take.
const STORE_LIMIT: Duration = Duration::from_secs(1);
/// Short-lived nodes that share a directory could not say which of them has carried what there.
const NOTHING_BEHIND: &str =
    "only `hearth up` uses what [cache.upstream] names, and none is up: this job has the cache of this machine alone";

#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    #[error(transparent)]
    App(AppError),
    #[error(transparent)]
    Journey(JourneyError),
    #[error("the daemon says: {0}")]
    Refused(String),
    #[error("the daemon cannot be reached")]
    Unreachable(#[source] io::Error),
    #[error("the daemon is version {theirs} and this is {ours}; restart it, or run jobs without it")]
    Version { theirs: String, ours: String },
    #[error("the daemon did not answer within {} ms", limit.as_millis())]
    Silent { limit: Duration },
    #[error("the daemon answered something else than was asked")]
    Confused,
}

/// The desk that one job uses.
#[derive(Debug)]
pub enum Desk {
    Here(Box<App>),
    Daemon {
        places: Places,
        settings: Box<Settings>,
        /// It did not answer when it was last asked.
        is_gone: AtomicBool,
    },
}

/// How a job's relay reaches the compile cache.
#[derive(Debug)]
pub enum NodeAccess {
    Here,
    Daemon { address: SocketAddr, token: Secret },
}

impl Desk {
    /// Finds the daemon of this state directory, or opens the state in this process. The second value says what a
    /// person should know about it.
    pub async fn open(settings: Settings) -> Result<(Self, Vec<String>), DeskError> {
        let places = Places::at(&settings.state);
        let socket = places.daemon_socket();
        let mut asleep = None;
        if socket.exists() {
            match connect(&socket).await {
                Ok(_greeted) => {
                    let desk = Self::Daemon { places, settings: Box::new(settings), is_gone: AtomicBool::new(false) };
                    return Ok((desk, Vec::new()));
                }
                Err(error @ DeskError::Version { .. }) => return Err(error),
                Err(DeskError::Silent { .. }) => asleep = Some("the daemon does not answer, so this job goes alone"),
                // A socket without a daemon is what a crash leaves.
                Err(error) => tracing::debug!("no daemon behind {}: {}", socket.display(), chain(&error)),
            }
        }
        let is_alone = settings.upstream.is_some().then_some(NOTHING_BEHIND);
        let (app, mut warnings) = open_here(settings)?;
        warnings.extend([asleep, is_alone].into_iter().flatten().map(str::to_owned));
        Ok((Self::Here(Box::new(app)), warnings))
    }

    pub async fn begin(&mut self, intent: Intent) -> Result<(Begun, NodeAccess), DeskError> {
        let question = What::Begin(Box::new(intent));
        match self.ask(&question).await? {
            Some(Answer::Begun { begun, node, token }) => {
                return Ok((*begun, NodeAccess::Daemon { address: node, token: Secret::new(token) }));
            }
            Some(_) => return Err(DeskError::Confused),
            None => {}
        }
        let (Self::Here(app), What::Begin(intent)) = (self, question) else { return Err(DeskError::Confused) };
        let begun = blocking(|| journey::begin(app, *intent)).map_err(DeskError::Journey)?;
        Ok((begun, NodeAccess::Here))
    }

    /// Asks for the warm target of a job that runs.
    pub async fn lease(&mut self, wish: Wish) -> Result<Lease, DeskError> {
        let question = What::Lease(Box::new(wish));
        match self.ask(&question).await? {
            Some(Answer::Leased(lease)) => return Ok(*lease),
            Some(_) => return Err(DeskError::Confused),
            None => {}
        }
        let (Self::Here(app), What::Lease(wish)) = (self, question) else { return Err(DeskError::Confused) };
        blocking(|| journey::lease(app, &wish)).map_err(DeskError::Journey)
    }

    pub async fn started(&mut self, execution: ExecutionId) -> Result<(), DeskError> {
        let answer = self.ask(&What::Started(execution)).await?;
        match self {
            Self::Here(app) if answer.is_none() => {
                blocking(|| journey::started(app, execution)).map_err(DeskError::Journey)
            }
            _ => Ok(()),
        }
    }

    /// Says that the job still runs; a beat that is lost is only a less exact record of a crash.
    pub async fn beat(&self, execution: ExecutionId, ran: Millis) {
        let beaten = match self {
            Self::Here(app) => blocking(|| journey::beat(app, execution, ran)).map_err(DeskError::Journey),
            Self::Daemon { places, is_gone, .. } => {
                let answer = ask(places, &What::Beat { execution, ran }).await;
                is_gone.store(answer.is_err(), Ordering::Relaxed);
                answer.map(drop)
            }
        };
        if let Err(error) = beaten {
            tracing::warn!(job.execution = %execution, "a heartbeat was not recorded: {}", chain(&error));
        }
    }

    /// The daemon's cache node was silent for longer than a daemon that is awake may be: nobody waits for it again.
    pub fn presume_gone(&self) {
        if let Self::Daemon { is_gone, .. } = self {
            is_gone.store(true, Ordering::Relaxed);
        }
    }

    /// Hands in how the job ended.
    pub async fn finish(&mut self, finish: Finish) -> Result<Receipt, DeskError> {
        let question = What::Finish(Box::new(finish));
        match self.ask(&question).await? {
            Some(Answer::Finished(receipt)) => return Ok(*receipt),
            Some(_) => return Err(DeskError::Confused),
            None => {}
        }
        let (Self::Here(app), What::Finish(finish)) = (self, question) else { return Err(DeskError::Confused) };
        blocking(|| journey::finish(app, *finish)).map_err(DeskError::Journey)
    }

    /// Asks the daemon. `None` when there is none, or none any more: then the books are kept here from now on.
    async fn ask(&mut self, what: &What) -> Result<Option<Answer>, DeskError> {
        let Self::Daemon { places, settings, is_gone } = self else { return Ok(None) };
        let why = if is_gone.load(Ordering::Relaxed) {
            "it said nothing when it was last asked".to_owned()
        } else {
            match ask(places, what).await {
                Err(error @ (DeskError::Unreachable(_) | DeskError::Silent { .. })) => chain(&error),
                other => return other.map(Some),
            }
        };
        tracing::warn!("the daemon is gone, so this process keeps the books: {why}");
        let (app, _warnings) = open_here((**settings).clone())?;
        *self = Self::Here(Box::new(app));
        Ok(None)
    }

    /// What a job's relay stands in front of.
    pub async fn backend(&self, begun: &Begun, access: &NodeAccess) -> Result<Backend, BackendError> {
        match (self, access) {
            (Self::Here(app), NodeAccess::Here) => {
                let node = app.open_node(Ownership::Shared).await.map_err(BackendError::Node)?;
                Ok(Backend::Node { node, claims: begun.claims.clone() })
            }
            (_, NodeAccess::Daemon { address, token }) => {
                let mut config = FarConfig::new(format!("http://{address}/"), token.clone());
                config.write = STORE_LIMIT;
                FarNode::new(config).map(Backend::Far).map_err(BackendError::Far)
            }
            (Self::Daemon { .. }, NodeAccess::Here) => Err(BackendError::Gone),
        }
    }
}

/// Why there is nothing to put a relay in front of.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    #[error("cannot open the cache node")]
    Node(#[source] NodeError),
    #[error("cannot make a client for the daemon's cache node")]
    Far(#[source] FarError),
    #[error("the daemon that had the cache node is gone")]
    Gone,
}

fn open_here(settings: Settings) -> Result<(App, Vec<String>), DeskError> {
    blocking(|| {
        let app = App::open(settings).map_err(DeskError::App)?;
        let mut warnings = app.warnings.clone();
        match app.recover() {
            Ok(closed) => warnings.extend(closed.iter().map(|id| {
                format!("job {id} had lost the process that looked after it; it is booked up to its last sign of life")
            })),
            Err(error) => warnings.push(format!("what a crash left open could not be closed: {}", chain(&error))),
        }
        Ok((app, warnings))
    })
}

/// Runs what reads and writes files without holding up the other tasks of this thread.
fn blocking<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(work)
}

/// How the daemon of this state directory stands to the places that it serves.
pub async fn show(places: &Places) -> Result<BoardState, DeskError> {
    match ask(places, &What::Show).await? {
        Answer::Shown(state) => Ok(*state),
        _ => Err(DeskError::Confused),
    }
}

/// Tells the daemon to take no more jobs. From its answer on none is taken.
pub async fn drain(places: &Places) -> Result<(), DeskError> {
    match ask(places, &What::Drain).await? {
        Answer::Noted => Ok(()),
        _ => Err(DeskError::Confused),
    }
}

/// Waits until a drained daemon has no runner left. That has no end of its own: whoever asks drops it when they have
/// waited long enough.
pub async fn drained(places: &Places) -> Result<(), DeskError> {
    match ask_within(places, &What::AwaitDrained, Duration::MAX).await? {
        Answer::Drained => Ok(()),
        _ => Err(DeskError::Confused),
    }
}

/// A connection to a daemon that has greeted.
async fn connect(socket: &Path) -> Result<UnixStream, DeskError> {
    let greeted = async {
        let mut stream = UnixStream::connect(socket).await?;
        let theirs = receive::<String>(&mut stream).await?;
        Ok((stream, theirs))
    };
    let (stream, theirs) = within(GREETING_LIMIT, greeted).await?;
    let ours = version();
    if theirs == ours { Ok(stream) } else { Err(DeskError::Version { theirs, ours }) }
}

/// Asks without giving the question away, so that it can be answered elsewhere.
async fn ask(places: &Places, what: &What) -> Result<Answer, DeskError> {
    ask_within(places, what, ANSWER_LIMIT).await
}

async fn ask_within(places: &Places, what: &What, limit: Duration) -> Result<Answer, DeskError> {
    let mut stream = connect(&places.daemon_socket()).await?;
    let asked = async {
        send(&mut stream, what).await?;
        receive::<Answer>(&mut stream).await
    };
    match within(limit, asked).await? {
        Answer::Failed { why } => Err(DeskError::Refused(why)),
        answer => Ok(answer),
    }
}

async fn within<T>(limit: Duration, exchange: impl Future<Output = io::Result<T>>) -> Result<T, DeskError> {
    let done = tokio::time::timeout(limit, exchange).await;
    done.map_err(|_elapsed| DeskError::Silent { limit })?.map_err(DeskError::Unreachable)
}
