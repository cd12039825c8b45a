//! What stands behind a relay: the node in this process with the job's claims, or a far node with the job's token.

use std::sync::Arc;

use hearth_trust::Claims;

use super::counts::Tally;
use crate::counts::Traffic;
use crate::far::{FarNode, FarPut, FarRead, Probe, ProbeError};
use crate::http::inflow::Inflow;
use crate::http::reply::ReplyBody;
use crate::http::webdav::{Objects, Removal};
use crate::keys::ObjectKey;
use crate::node::Node;
use crate::reads::Part;
use crate::uploads::Taken;

/// The side behind a relay.
#[derive(Debug, Clone)]
pub enum Backend {
    /// The node in this process. The claims are believed as they are, until they expire.
    Node {
        node: Node,
        claims: Claims,
    },
    Far(FarNode),
}

impl Backend {
    pub(super) async fn probe(&self) -> Probe {
        match self {
            Self::Node { node, claims } => node.objects(claims.clone()).map(drop).ok_or(ProbeError::Refused),
            Self::Far(far) => far.probe().await,
        }
    }
}

/// The backend as the dialect sees it, with every result counted.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) backend: Backend,
    pub(super) tally: Arc<Tally>,
    pub(super) traffic: Arc<Traffic>,
}

impl Counted {
    fn far<T>(&self, read: FarRead<T>) -> Option<T> {
        match read {
            FarRead::Hit(found) => return Some(found),
            FarRead::Miss => {}
            FarRead::Failed => self.tally.errors.one(),
            FarRead::TooSlow => self.tally.timeouts.one(),
            FarRead::Spared => self.tally.spared.one(),
        }
        None
    }

    fn read<T>(&self, found: Option<T>) -> Option<T> {
        match &found {
            Some(_) => self.tally.hits.one(),
            None => self.tally.misses.one(),
        }
        found
    }
}

impl Objects for Counted {
    async fn get(&self, key: &ObjectKey) -> Option<ReplyBody> {
        let traffic = || Arc::clone(&self.traffic);
        let found = match &self.backend {
            Backend::Node { node, claims } => match node.objects(claims.clone()) {
                Some(objects) => objects.find(key, Part::Whole).await.map(|found| ReplyBody::found(found, traffic())),
                None => None,
            },
            Backend::Far(far) => self.far(far.get(key).await).map(|stream| ReplyBody::far(stream, traffic())),
        };
        self.read(found)
    }

    async fn length(&self, key: &ObjectKey) -> Option<u64> {
        let found = match &self.backend {
            Backend::Node { node, claims } => match node.objects(claims.clone()) {
                Some(objects) => objects.length(key).await,
                None => None,
            },
            Backend::Far(far) => self.far(far.length(key).await),
        };
        self.read(found)
    }

    /// A job's compiler cache removes nothing.
    async fn remove(&self, _key: &ObjectKey) -> Removal {
        Removal::Refused
    }

    async fn put(&self, key: &ObjectKey, mut body: Inflow) -> Taken {
        let taken = match &self.backend {
            Backend::Node { node, claims } => match node.objects(claims.clone()) {
                Some(objects) => objects.put(key, body).await,
                None if body.drain().await.is_ok() => Taken::Discarded,
                None => Taken::Aborted,
            },
            // The job is told that all is well: a cache that cannot store costs the next build a hit, and this build
            // nothing.
            Backend::Far(far) => match far.put(key, body).await {
                FarPut::Stored => Taken::Stored,
                FarPut::Aborted => Taken::Aborted,
                FarPut::Declined => Taken::Discarded,
                FarPut::Failed => {
                    self.tally.errors.one();
                    Taken::Discarded
                }
                FarPut::TooSlow => {
                    self.tally.timeouts.one();
                    Taken::Discarded
                }
                FarPut::Spared => {
                    self.tally.spared.one();
                    Taken::Discarded
                }
            },
        };
        match taken {
            Taken::Stored | Taken::Duplicate | Taken::Divergent => self.tally.stored.one(),
            Taken::Discarded | Taken::Malformed => self.tally.discarded.one(),
            Taken::TooLarge | Taken::NoRoom | Taken::TooSlow | Taken::Aborted => self.tally.failed.one(),
        }
        taken
    }
}
