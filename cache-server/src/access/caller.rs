//! Somebody who asks for objects, and the overlay of scopes that he sees: where he looks for an object, and where what
//! he writes goes. It adds nothing to the claims: whoever signed them has decided.

use std::sync::Arc;

use hearth_model::{Bytes, ExecutionId, Timestamp};
use hearth_trust::Claims;

use crate::keys::{Address, ObjectKey, ObjectName, Space};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Whose the objects are that he stores.
    pub(crate) writer: ExecutionId,
    /// Where to look, nearest first.
    pub(crate) reads: Vec<Space>,
    pub(crate) writes: Option<Space>,
    pub(crate) expires_at: Timestamp,
    /// How much he may write; `None` for no limit of his own.
    pub(crate) quota: Option<Bytes>,
}

impl Caller {
    /// A job, as its token describes it.
    pub(crate) fn job(claims: Claims) -> Self {
        let realm: Arc<str> = claims.repository.into();
        let space = |scope| Space { realm: Arc::clone(&realm), scope };
        Self {
            writer: claims.execution,
            reads: claims.reads.into_iter().map(space).collect(),
            writes: claims.writes.map(space),
            expires_at: claims.expires_at,
            quota: claims.quota,
        }
    }

    /// Whether his credential is still good.
    pub(crate) fn is_good(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }

    /// The names under which he may find the object, nearest space first.
    pub(crate) fn readable(&self, key: &ObjectKey) -> Vec<ObjectName> {
        self.reads.iter().map(|space| ObjectName::of(space, key)).collect()
    }

    /// Where he may store the object.
    pub(crate) fn writable(&self, key: &ObjectKey) -> Option<Address> {
        let space = self.writes.clone()?;
        Some(Address { space, key: key.clone() })
    }
}
