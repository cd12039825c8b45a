//! The side of the control socket that asks. Finds the server of the directory by its lock, which the system releases
//! when it dies; without one the command owns the store until it ends, and no server can start meanwhile.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hearth_daemon::key_file::{self, KeyError};
use hearth_host::clock::SystemClock;
use hearth_host::lock::FileLock;
use hearth_trust::Signer;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::desk::{Desk, SOCKET};
use super::protocol::{Ask, Said, receive, send, version};
use crate::error::NodeError;
use crate::node::Node;
use crate::serve::{ServeError, take_lock};
use crate::settings::Settings;

/// A desk that is awake greets at once.
const GREETING: Duration = Duration::from_secs(5);
/// Work that says nothing for so long will never end: a whole log is read, or a whole budget evicted, in less.
const SILENCE: Duration = Duration::from_mins(10);

#[derive(Debug, thiserror::Error)]
pub(crate) enum ControlError {
    #[error("there is no store in {dir}; name its directory with --dir")]
    NoStore { dir: PathBuf },
    #[error("cannot find out whether a server runs")]
    Lock(#[source] Box<ServeError>),
    #[error("a server (process {holder}) uses the store, and its socket {path} cannot be reached")]
    Unreachable {
        holder: String,
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("the server is version {theirs} and this is {ours}; use the program of the server, or restart it")]
    Version { theirs: String, ours: &'static str },
    #[error("cannot have the key of the store")]
    Key(#[source] KeyError),
    #[error("cannot open the store")]
    Node(#[source] NodeError),
    #[error("cannot talk to the store")]
    Talk(#[source] io::Error),
    #[error("the store said nothing for {} minutes", SILENCE.as_secs() / 60)]
    Silent,
    #[error("{0}")]
    Failed(String),
}

/// Who has the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    Server,
    ThisCommand,
}

/// A question that is being answered.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) stream: UnixStream,
    here: Option<Here>,
}

/// The store, opened by this command.
#[derive(Debug)]
struct Here {
    node: Node,
    _answering: JoinSet<()>,
    _lock: FileLock,
}

impl Line {
    /// Reaches the store of these settings and asks.
    pub(crate) async fn ask(settings: &Settings, ask: &Ask) -> Result<Self, ControlError> {
        let dir = &settings.dir;
        if !settings.node.root.is_dir() {
            return Err(ControlError::NoStore { dir: dir.clone() });
        }
        let mut line = match take_lock(dir) {
            Ok(lock) => Self::open_here(settings, lock).await?,
            Err(ServeError::Taken { holder, .. }) => Self::connect(dir, holder).await?,
            Err(error) => return Err(ControlError::Lock(Box::new(error))),
        };
        let theirs: String = line.receive(GREETING).await?;
        if theirs != version() {
            return Err(ControlError::Version { theirs, ours: env!("CARGO_PKG_VERSION") });
        }
        send(&mut line.stream, ask).await.map_err(ControlError::Talk)?;
        Ok(line)
    }

    async fn connect(dir: &Path, holder: String) -> Result<Self, ControlError> {
        let path = dir.join(SOCKET);
        let stream = UnixStream::connect(&path).await;
        let stream = stream.map_err(|cause| ControlError::Unreachable { holder, path, cause })?;
        Ok(Self { stream, here: None })
    }

    async fn open_here(settings: &Settings, lock: FileLock) -> Result<Self, ControlError> {
        let key = key_file::read_or_make(&settings.key_file).map_err(ControlError::Key)?;
        let node = Node::open(settings.node.clone(), Signer::from_key(*key), Arc::new(SystemClock::default())).await;
        let node = node.map_err(ControlError::Node)?;
        let (stream, theirs) = UnixStream::pair().map_err(ControlError::Talk)?;
        let mut answering = JoinSet::new();
        answering.spawn(Desk::new(node.clone()).answer(theirs));
        Ok(Self { stream, here: Some(Here { node, _answering: answering, _lock: lock }) })
    }

    pub(crate) fn owner(&self) -> Owner {
        if self.here.is_some() { Owner::ThisCommand } else { Owner::Server }
    }

    /// The next word of the answer.
    pub(crate) async fn next(&mut self) -> Result<Said, ControlError> {
        match self.receive(SILENCE).await? {
            Said::Failed { why } => Err(ControlError::Failed(why)),
            said => Ok(said),
        }
    }

    async fn receive<T: DeserializeOwned>(&mut self, limit: Duration) -> Result<T, ControlError> {
        let received = timeout(limit, receive(&mut self.stream)).await;
        received.map_err(|_| ControlError::Silent)?.map_err(ControlError::Talk)
    }

    /// Closes what was opened.
    pub(crate) async fn close(self) {
        if let Some(here) = self.here {
            here.node.stop().await;
        }
    }
}
