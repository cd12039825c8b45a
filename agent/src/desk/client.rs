//! Whoever looks after a job asks the desk: the daemon's when one is up, else one in this very process.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use hearth_cache_server::{Backend, NodeError, Ownership, Secret, Upstream, UpstreamConfig, UpstreamError};
use hearth_model::{ExecutionId, Millis};
use tokio::net::UnixStream;

use super::protocol::{ANSWER_LIMIT, Answer, What, receive, send, version};
use crate::app::{App, AppError};
use crate::journey::{self, Begun, Finish, Intent, JourneyError, Receipt, chain};
use crate::places::Places;
use crate::settings::Settings;

/// A daemon that lives answers at once.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

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
    #[error("the daemon did not answer within {} s", ANSWER_LIMIT.as_secs())]
    Silent,
    #[error("the daemon answered something else than was asked")]
    Confused,
}

/// The desk that one job uses.
#[derive(Debug)]
pub enum Desk {
    Here(Box<App>),
    Daemon { places: Places, settings: Box<Settings> },
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
        if socket.exists() {
            match connect(&socket).await {
                Ok(_answers) => return Ok((Self::Daemon { places, settings: Box::new(settings) }, Vec::new())),
                // A socket without a daemon is what a crash leaves.
                Err(error) => tracing::debug!("no daemon behind {}: {error}", socket.display()),
            }
        }
        let (app, warnings) = open_here(settings)?;
        Ok((Self::Here(Box::new(app)), warnings))
    }

    pub async fn begin(&mut self, intent: Intent) -> Result<(Begun, NodeAccess), DeskError> {
        match self {
            Self::Here(app) => {
                let begun = blocking(|| journey::begin(app, intent)).map_err(DeskError::Journey)?;
                Ok((begun, NodeAccess::Here))
            }
            Self::Daemon { places, .. } => match ask(places, What::Begin(Box::new(intent))).await? {
                Answer::Begun { begun, node, token } => {
                    Ok((*begun, NodeAccess::Daemon { address: node, token: Secret::new(token) }))
                }
                _ => Err(DeskError::Confused),
            },
        }
    }

    pub async fn started(&mut self, execution: ExecutionId) -> Result<(), DeskError> {
        match self {
            Self::Here(app) => blocking(|| journey::started(app, execution)).map_err(DeskError::Journey),
            Self::Daemon { places, .. } => ask(places, What::Started(execution)).await.map(drop),
        }
    }

    /// Says that the job still runs; a beat that is lost is only a less exact record of a crash.
    pub async fn beat(&self, execution: ExecutionId, ran: Millis) {
        let beaten = match self {
            Self::Here(app) => blocking(|| journey::beat(app, execution, ran)).map_err(DeskError::Journey),
            Self::Daemon { places, .. } => ask(places, What::Beat { execution, ran }).await.map(drop),
        };
        if let Err(error) = beaten {
            tracing::warn!(job.execution = %execution, "a heartbeat was not recorded: {}", chain(&error));
        }
    }

    /// Hands in how the job ended. When the daemon has gone meanwhile, the books are kept here.
    pub async fn finish(&mut self, finish: Finish) -> Result<Receipt, DeskError> {
        let finish = match self {
            Self::Here(_) => finish,
            Self::Daemon { places, settings } => {
                let question = What::Finish(Box::new(finish));
                let answer = ask_again(places, &question).await;
                let error = match answer {
                    Ok(Answer::Finished(receipt)) => return Ok(*receipt),
                    Ok(_) => DeskError::Confused,
                    Err(error) => error,
                };
                tracing::warn!("the daemon is gone, so this process keeps the books: {}", chain(&error));
                let (app, _warnings) = open_here((**settings).clone())?;
                let What::Finish(finish) = question else { return Err(DeskError::Confused) };
                *self = Self::Here(Box::new(app));
                *finish
            }
        };
        let Self::Here(app) = self else { return Err(DeskError::Confused) };
        blocking(|| journey::finish(app, finish)).map_err(DeskError::Journey)
    }

    /// What a job's relay stands in front of.
    pub async fn backend(&self, begun: &Begun, access: &NodeAccess) -> Result<Backend, BackendError> {
        match (self, access) {
            (Self::Here(app), NodeAccess::Here) => {
                let node = app.open_node(Ownership::Shared).await.map_err(BackendError::Node)?;
                Ok(Backend::Node { node, claims: begun.claims.clone() })
            }
            (_, NodeAccess::Daemon { address, token }) => {
                let config = UpstreamConfig::new(format!("http://{address}/"), token.clone());
                Upstream::new(config).map(Backend::Upstream).map_err(BackendError::Upstream)
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
    Upstream(#[source] UpstreamError),
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

async fn connect(socket: &Path) -> io::Result<UnixStream> {
    tokio::time::timeout(CONNECT_LIMIT, UnixStream::connect(socket)).await?
}

async fn ask(places: &Places, what: What) -> Result<Answer, DeskError> {
    ask_again(places, &what).await
}

/// Asks without giving the question away, so that it can be answered elsewhere.
async fn ask_again(places: &Places, what: &What) -> Result<Answer, DeskError> {
    #[derive(serde::Serialize)]
    struct Borrowed<'a> {
        version: String,
        what: &'a What,
    }
    let asked = async {
        let mut stream = connect(&places.daemon_socket()).await?;
        send(&mut stream, &Borrowed { version: version(), what }).await?;
        receive::<Answer>(&mut stream).await
    };
    let answer = tokio::time::timeout(ANSWER_LIMIT, asked).await.map_err(|_elapsed| DeskError::Silent)?;
    match answer.map_err(DeskError::Unreachable)? {
        Answer::Failed { why } => Err(DeskError::Refused(why)),
        Answer::OtherVersion { version: theirs } => Err(DeskError::Version { theirs, ours: version() }),
        answer => Ok(answer),
    }
}
