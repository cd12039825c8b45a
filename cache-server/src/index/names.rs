//! Keys in their order, for the few that are asked for by a prefix: entries of GitHub's cache service and artifacts.
//! Everything else costs the same memory whatever its key.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use crate::keys::{Address, ObjectKey, ObjectName, Space};

#[derive(Debug, Default)]
pub(super) struct Names {
    ordered: HashMap<Space, BTreeMap<Arc<str>, ObjectName>>,
    /// To find an object's key again when it goes.
    keys: HashMap<ObjectName, (Space, Arc<str>)>,
}

impl Names {
    pub(super) fn add(&mut self, address: &Address, name: ObjectName) {
        if !address.key.is_reserved() {
            return;
        }
        let key: Arc<str> = address.key.as_str().into();
        self.ordered.entry(address.space.clone()).or_default().insert(Arc::clone(&key), name);
        self.keys.insert(name, (address.space.clone(), key));
    }

    pub(super) fn remove(&mut self, name: ObjectName) {
        let Some((space, key)) = self.keys.remove(&name) else { return };
        if let Some(keys) = self.ordered.get_mut(&space) {
            keys.remove(&key);
            if keys.is_empty() {
                self.ordered.remove(&space);
            }
        }
    }

    /// Up to `limit` keys that begin with `prefix`, in order, from behind `after`.
    pub(super) fn list(
        &self,
        space: &Space,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Vec<(ObjectKey, ObjectName)> {
        let Some(keys) = self.ordered.get(space) else { return Vec::new() };
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let all = keys.range::<str, _>((from, Bound::Unbounded)).take_while(|(key, _)| key.starts_with(prefix));
        all.take(limit).map(|(key, name)| (ObjectKey::stored(key), *name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use hearth_model::Scope;

    use super::*;
    use crate::keys::Reserved;

    #[test]
    fn reserved_keys_are_listed_in_order_and_plain_ones_not_kept() {
        let space = Space { realm: "r".into(), scope: Scope::Trusted };
        let mut names = Names::default();
        let mut add = |key: ObjectKey| {
            let address = Address { space: space.clone(), key };
            names.add(&address, address.name());
            address.name()
        };
        let b = add(ObjectKey::reserved(Reserved::Caches, "k/b").unwrap());
        add(ObjectKey::reserved(Reserved::Caches, "k/a").unwrap());
        add(ObjectKey::reserved(Reserved::Caches, "l").unwrap());
        add(ObjectKey::new("plain").unwrap());
        let list = |names: &Names, prefix: &str, after: Option<&str>, limit| -> Vec<String> {
            names.list(&space, prefix, after, limit).into_iter().map(|(key, _)| key.as_str().to_owned()).collect()
        };
        assert_eq!(list(&names, ".gha/k", None, 9), [".gha/k/a", ".gha/k/b"]);
        assert_eq!(list(&names, ".gha/", Some(".gha/k/a"), 1), [".gha/k/b"]);
        assert_eq!(list(&names, "", None, 9).len(), 3);
        names.remove(b);
        names.remove(b);
        assert_eq!(list(&names, ".gha/k", None, 9), [".gha/k/a"]);
        assert_eq!(names.keys.len(), 2);
    }
}
