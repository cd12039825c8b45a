//! How much each space holds, and each class of what is stored, kept with every change so that nobody has to count. An
//! entry names its space and class by a number.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use crate::eviction::Class;
use crate::keys::{Address, Space};

/// What a space holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) objects: u64,
    /// Bytes of records on disk.
    pub(crate) bytes: u64,
}

impl Usage {
    pub(crate) fn gain(&mut self, bytes: u64) {
        self.objects += 1;
        self.bytes += bytes;
    }

    /// More than there is cannot go.
    pub(crate) fn lose(&mut self, bytes: u64) {
        self.objects = self.objects.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    pub(crate) fn sum<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        all.into_iter()
            .fold(Self::default(), |sum, one| Self { objects: sum.objects + one.objects, bytes: sum.bytes + one.bytes })
    }
}

#[derive(Debug, Default)]
pub(super) struct Tallies {
    /// Finds the place of a space and class, without a copy of either.
    numbers: HashTable<u32>,
    hasher: RandomState,
    places: Vec<Option<Tally>>,
    free: Vec<u32>,
    classes: [Usage; Class::COUNT],
}

#[derive(Debug, Clone)]
struct Tally {
    space: Space,
    class: Class,
    usage: Usage,
}

impl Tallies {
    /// Counts an object in; says under which number.
    pub(super) fn gain(&mut self, address: &Address, size: u64) -> u32 {
        let (space, class) = (&address.space, Class::of(address));
        let number = self.number(space, class).unwrap_or_else(|| self.enter(space.clone(), class));
        if let Some(tally) = &mut self.places[number as usize] {
            tally.usage.gain(size);
            self.classes[tally.class as usize].gain(size);
        }
        number
    }

    /// Counts an object out. A space without objects is forgotten, and its number used again.
    pub(super) fn lose(&mut self, number: u32, size: u64) {
        let Some(place) = self.places.get_mut(number as usize) else { return };
        let Some(tally) = place else { return };
        tally.usage.lose(size);
        self.classes[tally.class as usize].lose(size);
        if tally.usage.objects == 0
            && let Some(Tally { space, class, .. }) = place.take()
        {
            let found = self.numbers.find_entry(self.hasher.hash_one((&space, class)), |found| *found == number);
            if let Ok(found) = found {
                found.remove();
            }
            self.free.push(number);
        }
    }

    /// `None` for a number whose last object has gone.
    pub(super) fn class(&self, number: u32) -> Option<Class> {
        self.places.get(number as usize)?.as_ref().map(|tally| tally.class)
    }

    pub(super) fn classes(&self) -> [Usage; Class::COUNT] {
        self.classes
    }

    pub(super) fn usage(&self, space: &Space) -> Usage {
        let of_class = |class| self.places[self.number(space, class)? as usize].as_ref();
        let tallies = Class::ALL.into_iter().filter_map(of_class);
        Usage::sum(tallies.map(|tally| &tally.usage))
    }

    pub(super) fn all(&self) -> Vec<(Space, Usage)> {
        let spaces: HashSet<&Space> = self.places.iter().flatten().map(|tally| &tally.space).collect();
        spaces.into_iter().map(|space| (space.clone(), self.usage(space))).collect()
    }

    fn number(&self, space: &Space, class: Class) -> Option<u32> {
        let is_it = |number: &u32| {
            let tally = self.places[*number as usize].as_ref();
            tally.is_some_and(|tally| tally.class == class && tally.space == *space)
        };
        self.numbers.find(self.hasher.hash_one((space, class)), is_it).copied()
    }

    fn enter(&mut self, space: Space, class: Class) -> u32 {
        let hash = self.hasher.hash_one((&space, class));
        let tally = Some(Tally { space, class, usage: Usage::default() });
        let number = if let Some(number) = self.free.pop() {
            self.places[number as usize] = tally;
            number
        } else {
            self.places.push(tally);
            u32::try_from(self.places.len() - 1).expect("each space has an object, of which fewer fit in memory")
        };
        let Self { numbers, hasher, places, .. } = self;
        let rehash = |number: &u32| {
            let tally = places[*number as usize].as_ref();
            tally.map_or(0, |tally| hasher.hash_one((&tally.space, tally.class)))
        };
        numbers.insert_unique(hash, number, rehash);
        number
    }
}

#[cfg(test)]
mod tests {
    use hearth_model::Scope;

    use super::*;
    use crate::keys::{ObjectKey, Reserved};

    fn address(n: u64) -> Address {
        let space = Space { realm: "github.com/a/b".into(), scope: Scope::PullRequest(n) };
        Address { space, key: ObjectKey::new("k").unwrap() }
    }

    #[test]
    fn a_space_is_forgotten_with_its_last_object() {
        let mut tallies = Tallies::default();
        let one = tallies.gain(&address(1), 10);
        assert_eq!(tallies.gain(&address(1), 5), one);
        tallies.gain(&address(2), 7);
        assert_eq!(tallies.usage(&address(1).space), Usage { objects: 2, bytes: 15 });
        tallies.lose(one, 10);
        tallies.lose(one, 5);
        assert_eq!((tallies.usage(&address(1).space), tallies.class(one)), (Usage::default(), None));
        assert_eq!(tallies.gain(&address(3), 1), one, "the number is used again");
        assert_eq!(tallies.all().len(), 2);
    }

    #[test]
    fn a_space_has_one_sum_over_its_classes() {
        let mut tallies = Tallies::default();
        let space = Space { realm: "github.com/a/b".into(), scope: Scope::Trusted };
        let entry = ObjectKey::reserved(Reserved::Caches, "npm").unwrap();
        tallies.gain(&Address { space: space.clone(), key: ObjectKey::new("k").unwrap() }, 10);
        tallies.gain(&Address { space: space.clone(), key: entry }, 300);
        assert_eq!(tallies.all(), [(space, Usage { objects: 2, bytes: 310 })]);
        let of = |class| tallies.classes()[class as usize].bytes;
        assert_eq!((of(Class::Trusted), of(Class::Cache), of(Class::PullRequest)), (10, 300, 0));
    }
}
