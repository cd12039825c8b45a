//! Somebody who asks for objects, and the overlay of scopes that he sees: where he looks for an object, and where what
//! he writes goes. It adds nothing to the credential: whoever made that has decided.

use std::fmt;
use std::sync::Arc;

use hearth_model::{Bytes, ExecutionId, Scope, Timestamp, WriterId};
use hearth_trust::{Claims, Class, TokenId};

use super::book::{Rate, RealmPattern, StoredToken};
use super::groups::Groups;
use super::quota::{Period, Quota};
use super::rights::{Right, Rights};
use crate::keys::{Address, ObjectKey, ObjectName, Space};

/// Who a caller is, for logs and counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Who {
    Job { execution: ExecutionId, class: Class },
    Token { id: TokenId, name: Arc<str> },
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Job { execution, .. } => write!(f, "job {execution}"),
            Self::Token { id, name } => write!(f, "token {id} ({name})"),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) who: Who,
    /// Whose the objects are that he stores.
    pub(crate) writer: WriterId,
    pub(crate) rights: Rights,
    /// Where to look, nearest first.
    pub(super) reads: Vec<Space>,
    pub(super) writes: Option<Space>,
    /// The run that he belongs to, and where its jobs hand things to each other.
    pub(crate) run: Option<Run>,
    /// Realms whose records he exchanges as another node.
    peers: Vec<RealmPattern>,
    /// The first instant at which he is nobody any more.
    pub(crate) expires_at: Option<Timestamp>,
    /// How much he may write; `None` for no limit of his own.
    pub(crate) quota: Option<Quota>,
    /// How fast he may ask; `None` for no limit.
    pub(crate) rate: Option<Rate>,
    /// How fast bytes of objects may come and go; `None` for no limit.
    pub(crate) bytes_per_second: Option<Bytes>,
}

/// A run of a workflow, to its own jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    /// What GitHub's clients call it; it stands in the runtime token.
    pub(crate) backend: Box<str>,
    pub(crate) space: Space,
}

impl Caller {
    /// A job, as its token describes it.
    pub(crate) fn job(claims: Claims, groups: &Groups) -> Self {
        let backend = claims.run_backend().into();
        let realm: Arc<str> = claims.repository.into();
        let run = claims.run.map(|run| Run { backend, space: groups.space(&realm, &Scope::Run(run)) });
        Self {
            who: Who::Job { execution: claims.execution, class: claims.class },
            writer: claims.execution.into(),
            rights: Rights::of(&[Right::Read, Right::Write, Right::List, Right::Delete]),
            reads: claims.reads.iter().flat_map(|scope| groups.places(&realm, scope)).collect(),
            writes: claims.writes.map(|scope| groups.space(&realm, &scope)),
            run,
            peers: Vec::new(),
            expires_at: Some(claims.expires_at),
            quota: claims.quota.map(|bytes| Quota { bytes, period: Period::Until(claims.expires_at) }),
            rate: None,
            bytes_per_second: None,
        }
    }

    /// The owner of a static token.
    pub(crate) fn token(token: &StoredToken, groups: &Groups) -> Self {
        let realms: Vec<Arc<str>> = token.realms.iter().filter_map(|realm| realm.exact().map(Arc::from)).collect();
        let in_each = |realm| token.reads.iter().flat_map(move |scope| groups.places(realm, scope));
        Self {
            who: Who::Token { id: token.id, name: token.name.as_str().into() },
            writer: token.id.into(),
            rights: token.rights,
            reads: realms.iter().flat_map(in_each).collect(),
            writes: token.writes.as_ref().zip(realms.first()).map(|(scope, realm)| groups.space(realm, scope)),
            run: None,
            peers: if token.rights.has(Right::Peer) { token.realms.clone() } else { Vec::new() },
            expires_at: token.expires_at,
            quota: token.daily_quota.map(|bytes| Quota { bytes, period: Period::Day }),
            rate: token.rate,
            bytes_per_second: None,
        }
    }

    /// Whether the credential is still good.
    pub(crate) fn is_good(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }

    /// Whether he is another node at all.
    pub(crate) fn is_peer(&self) -> bool {
        !self.peers.is_empty()
    }

    /// Whether he may have, and give, records of the realm.
    pub(crate) fn exchanges(&self, realm: &str) -> bool {
        self.peers.iter().any(|pattern| pattern.covers(realm))
    }

    /// The spaces that he may look into, nearest first.
    pub(crate) fn reads(&self) -> &[Space] {
        if self.rights.has(Right::Read) { &self.reads } else { &[] }
    }

    /// The space that he may write, if any.
    pub(crate) fn writes(&self) -> Option<&Space> {
        self.writes.as_ref().filter(|_| self.rights.has(Right::Write))
    }

    /// The names under which he may find the object, nearest space first.
    pub(crate) fn readable(&self, key: &ObjectKey) -> Vec<ObjectName> {
        self.reads().iter().map(|space| ObjectName::of(space, key)).collect()
    }

    /// Where he may store the object.
    pub(crate) fn writable(&self, key: &ObjectKey) -> Option<Address> {
        let space = self.writes()?.clone();
        Some(Address { space, key: key.clone() })
    }

    /// The name under which he may remove the object.
    pub(crate) fn removable(&self, key: &ObjectKey) -> Option<ObjectName> {
        let space = self.writes.as_ref().filter(|_| self.rights.has(Right::Delete))?;
        Some(ObjectName::of(space, key))
    }
}
