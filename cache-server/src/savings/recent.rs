//! A map of bounded size that forgets what was not used for longest, nearly: two generations, and the older one goes
//! whole when the younger one is full. What is used moves to the younger one.

use std::collections::HashMap;
use std::hash::Hash;

#[derive(Debug)]
pub(super) struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    /// Of one generation.
    capacity: usize,
}

impl<K: Hash + Eq + Clone, V> Recent<K, V> {
    /// Holds the last `least` used ones for sure, and at most twice as many.
    pub(super) fn new(least: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), capacity: least }
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// What is kept under the key, or something new.
    pub(super) fn entry(&mut self, key: &K, new: impl FnOnce() -> V) -> &mut V {
        if self.young.len() >= self.capacity && !self.young.contains_key(key) {
            let full = std::mem::take(&mut self.young);
            // What is asked for must not go with the generation that it is in.
            let kept = self.old.remove(key);
            self.old = full;
            self.young.extend(kept.map(|value| (key.clone(), value)));
        }
        let old = &mut self.old;
        self.young.entry(key.clone()).or_insert_with(|| old.remove(key).unwrap_or_else(new))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.young.iter().chain(&self.old)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_last_used_are_there_and_the_bound_holds(uses in prop::collection::vec(0..30_u8, 0..200), least in 1..10_usize) {
            let mut recent = Recent::new(least);
            let mut order: Vec<u8> = Vec::new();
            for key in uses {
                *recent.entry(&key, || 0) += 1;
                order.retain(|other| *other != key);
                order.push(key);
                prop_assert!(recent.iter().count() <= 2 * least);
                for last in order.iter().rev().take(least) {
                    prop_assert!(recent.get(last).is_some(), "{last} of {order:?}");
                }
            }
        }
    }
}
