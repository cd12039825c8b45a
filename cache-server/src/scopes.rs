//! The overlay of scopes: where a job looks for an object, and where what it writes goes. It adds nothing to the
//! claims: whoever signed them has decided, and a job without claims has no names to look under.

use hearth_trust::Claims;

use crate::keys::{ObjectKey, ObjectName};

/// The names under which the job may find the object, nearest scope first.
pub(crate) fn readable(claims: &Claims, key: &ObjectKey) -> Vec<ObjectName> {
    let name = |scope| ObjectName::of(&claims.repository, scope, key);
    claims.reads.iter().map(name).collect()
}

/// The name under which the job may store the object.
pub(crate) fn writable(claims: &Claims, key: &ObjectKey) -> Option<ObjectName> {
    let scope = claims.writes.as_ref()?;
    Some(ObjectName::of(&claims.repository, scope, key))
}
