//! Where records lie behind this node: another node, or an object store. Both keep sealed records by name and know
//! nothing else; what they say is believed only as far as the seal goes.

mod connect;
mod objects;
mod peer;

use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;

pub use connect::UpstreamError;
pub(crate) use connect::{connect, peer_address};
pub(crate) use objects::ObjectStore;
pub(crate) use peer::Peer;

use crate::keys::ObjectName;

/// The bytes of a record, in pieces of any size.
pub(crate) type Pieces = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// Why the remote side did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// It has heard, and does not want this one: another realm's, no room, too large. Asking again is no use.
    #[error("the upstream declined with {status}")]
    Declined { status: u16 },
    /// It lets this node do nothing of the kind, whatever it is about: a token that is unknown, expired, revoked or not
    /// a peer's. An operator can mend that, and then everything may go.
    #[error("the upstream does not let this node in, and answered {status}; is its token good there?")]
    Shut { status: u16 },
    #[error("the upstream did not answer in time")]
    TooSlow,
    #[error("the upstream failed")]
    Failed {
        #[source]
        cause: io::Error,
    },
}

impl RemoteError {
    fn failed(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Failed { cause: io::Error::other(cause) }
    }
}

/// Keeps sealed records by name. No method tries anything twice; whoever calls knows what a failure is worth.
pub(crate) trait Remote: Send + Sync {
    /// The beginning of an answer within `patience`, or an error; `None` when there is no such record.
    fn get(
        &self,
        name: ObjectName,
        patience: Duration,
    ) -> impl Future<Output = Result<Option<Pieces>, RemoteError>> + Send;

    /// Keeps a record. One that is there already stays as it is.
    fn put(&self, name: ObjectName, size: u64, record: Pieces) -> impl Future<Output = Result<(), RemoteError>> + Send;

    /// Up to `most` names behind `after`, in order.
    fn list(
        &self,
        after: Option<ObjectName>,
        most: usize,
    ) -> impl Future<Output = Result<Vec<ObjectName>, RemoteError>> + Send;
}

/// The one that the operator has chosen.
#[derive(Debug, Clone)]
pub(crate) enum AnyRemote {
    Peer(Peer),
    Objects(ObjectStore),
}

impl Remote for AnyRemote {
    async fn get(&self, name: ObjectName, patience: Duration) -> Result<Option<Pieces>, RemoteError> {
        match self {
            Self::Peer(peer) => peer.get(name, patience).await,
            Self::Objects(store) => store.get(name, patience).await,
        }
    }

    async fn put(&self, name: ObjectName, size: u64, record: Pieces) -> Result<(), RemoteError> {
        match self {
            Self::Peer(peer) => peer.put(name, size, record).await,
            Self::Objects(store) => store.put(name, size, record).await,
        }
    }

    async fn list(&self, after: Option<ObjectName>, most: usize) -> Result<Vec<ObjectName>, RemoteError> {
        match self {
            Self::Peer(peer) => peer.list(after, most).await,
            Self::Objects(store) => store.list(after, most).await,
        }
    }
}
