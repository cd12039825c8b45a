//! Why something was missed, as far as a cache can tell: which keys a unit was stored under before, and by whom. The key
//! of a miss says nothing; only when the caller stores what he has made does its content say what it was.

use std::sync::Arc;

use hearth_model::WriterId;

use super::KeyDigest;
use super::contents::Unit;
use super::recent::Recent;

/// Units that are remembered for sure: those of a hundred projects of a few hundred each. About two hundred bytes each.
const UNITS: usize = 32 * 1024;
/// Keys of one unit: as many as there are ways in which current branches differ.
const KEYS: usize = 8;

/// Why an entry was not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Why {
    /// The realm has not stored this crate before.
    New,
    /// It has stored the crate, but as another unit: other version, features, profile, target or compiler.
    OtherUnit,
    /// It has stored the very unit under another key, last by this writer: sources, dependencies, an environment
    /// variable or a directory differ.
    OtherInput(WriterId),
    /// It has stored it under this key: it was evicted, or lies in a scope that the caller does not read.
    OutOfReach,
}

#[derive(Debug)]
pub(super) struct History {
    units: Recent<(Arc<str>, Unit), Keys>,
    crates: Recent<(Arc<str>, Box<str>), ()>,
}

/// The last keys of one unit, newest last.
#[derive(Debug, Default)]
struct Keys(Vec<(KeyDigest, WriterId)>);

impl Default for History {
    fn default() -> Self {
        Self { units: Recent::new(UNITS), crates: Recent::new(UNITS) }
    }
}

impl History {
    /// A unit was stored; says what that tells of the miss before.
    pub(super) fn stored(&mut self, realm: &Arc<str>, unit: &Unit, key: KeyDigest, by: WriterId) -> Why {
        let of_crate = (Arc::clone(realm), unit.name().into());
        let crate_is_known = self.crates.get(&of_crate).is_some();
        self.crates.entry(&of_crate, || ());
        let Keys(keys) = self.units.entry(&(Arc::clone(realm), unit.clone()), Keys::default);
        let why = if keys.iter().any(|(other, _)| *other == key) {
            Why::OutOfReach
        } else if let Some((_, writer)) = keys.iter().rev().find(|(_, writer)| *writer != by) {
            Why::OtherInput(*writer)
        } else if crate_is_known {
            Why::OtherUnit
        } else {
            Why::New
        };
        keys.retain(|(other, _)| *other != key);
        if keys.len() == KEYS {
            keys.remove(0);
        }
        keys.push((key, by));
        why
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_miss_is_explained_by_what_was_stored_before() {
        let mut history = History::default();
        let (realm, elsewhere): (Arc<str>, Arc<str>) = ("github.com/acme/rocket".into(), "github.com/acme/boat".into());
        let unit = |hash: &str| Unit::of_member(format!("libserde-{hash}.rlib").as_bytes()).unwrap();
        let (a, b) = (unit("0123456789abcdef"), unit("fedcba9876543210"));
        let [first, second, third] = [1, 2, 3].map(|n| WriterId::from_bytes([n; 16]));
        assert_eq!(history.stored(&realm, &a, 1, first), Why::New);
        assert_eq!(history.stored(&elsewhere, &a, 1, first), Why::New, "realms know nothing of each other");
        assert_eq!(history.stored(&realm, &b, 2, first), Why::OtherUnit);
        assert_eq!(history.stored(&realm, &a, 3, second), Why::OtherInput(first));
        assert_eq!(history.stored(&realm, &a, 4, third), Why::OtherInput(second));
        assert_eq!(history.stored(&realm, &a, 1, third), Why::OutOfReach);
    }

    #[test]
    fn a_unit_of_many_keys_keeps_the_last_ones() {
        let mut history = History::default();
        let realm: Arc<str> = "r".into();
        let unit = Unit::of_member(b"liba-0123456789abcdef.rmeta").unwrap();
        for key in 0..100 {
            history.stored(&realm, &unit, key, WriterId::from_bytes([9; 16]));
        }
        let (_, Keys(keys)) = history.units.iter().next().unwrap();
        assert_eq!(keys.iter().map(|(key, _)| *key).collect::<Vec<_>>(), (92..100).collect::<Vec<_>>());
    }
}
