//! What a store holds, for those who list, look up and clean: by name from memory, by prefix from memory where keys are
//! kept in order, and everything else by going through the log on disk, whose length and not the number of objects in
//! memory sets the price.

mod windows;

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;

use hearth_model::{Scope, Timestamp, WriterId};

use crate::index::{Added, Fact, Read, Usage};
use crate::keys::{Address, ObjectKey, ObjectName, Space};
use crate::store::Store;

pub(crate) use windows::{Wanted, Windows, page};

/// Objects removed between two looks at whether somebody else needs the disk.
const BATCH: usize = 1024;

/// An object in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) address: Address,
    pub(crate) name: ObjectName,
    pub(crate) length: u64,
    pub(crate) writer: WriterId,
    pub(crate) stored_at: Timestamp,
    pub(crate) used_at: Timestamp,
    pub(crate) cost_ms: u32,
    pub(crate) pinned: bool,
    /// Its record says more of it.
    pub(crate) has_attributes: bool,
}

/// Which objects are meant: those for which everything that is said holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) realm: Option<Arc<str>>,
    pub(crate) scope: Option<Scope>,
    pub(crate) key_prefix: Option<String>,
    pub(crate) writer: Option<WriterId>,
    /// Stored at this instant or later.
    pub(crate) since: Option<Timestamp>,
    /// Stored before this instant.
    pub(crate) before: Option<Timestamp>,
}

impl Filter {
    pub(crate) fn of_space(space: &Space) -> Self {
        Self { realm: Some(Arc::clone(&space.realm)), scope: Some(space.scope.clone()), ..Self::default() }
    }

    /// The object that a fact tells of, if it is meant.
    fn added(&self, fact: Fact) -> Option<Box<Added>> {
        let (Fact::Added(added) | Fact::Moved { to: added, .. }) = fact else { return None };
        self.takes(&added).then_some(added)
    }

    fn takes(&self, added: &Added) -> bool {
        let Added { address: Address { space, key }, writer, stored_at, .. } = added;
        self.realm.as_ref().is_none_or(|realm| *realm == space.realm)
            && self.scope.as_ref().is_none_or(|scope| *scope == space.scope)
            && self.key_prefix.as_ref().is_none_or(|prefix| key.as_str().starts_with(prefix))
            && self.writer.is_none_or(|wanted| wanted == *writer)
            && self.since.is_none_or(|since| since <= *stored_at)
            && self.before.is_none_or(|before| *stored_at < before)
    }
}

impl Store {
    /// How much the space holds.
    pub(crate) fn usage(&self, space: &Space) -> Usage {
        self.book.index.usage(space)
    }

    /// All spaces that hold something.
    pub(crate) fn usages(&self) -> Vec<(Space, Usage)> {
        self.book.index.usages()
    }

    /// The object's length, when it was stored, and when it was used last, by the second.
    pub(crate) fn times(&self, name: ObjectName) -> Option<(u64, Timestamp, Timestamp)> {
        let entry = self.book.index.get(name)?;
        Some((entry.place().layout.length, entry.stored(), entry.used()))
    }

    /// Reserved keys of a space that begin with `prefix`, in order, from behind `after`. From memory.
    pub(crate) fn reserved_keys(
        &self,
        space: &Space,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Vec<(ObjectKey, ObjectName)> {
        self.book.index.reserved_keys(space, prefix, after, limit)
    }

    /// Pins an object, so that eviction passes it over, or unpins it. Says whether there is one. Blocks.
    pub(crate) fn set_pinned(&self, name: ObjectName, pinned: bool) -> bool {
        let there = self.book.index.set_pinned(name, pinned);
        if there {
            self.appender.tell(vec![Fact::Pinned { name, pinned }]);
        }
        there
    }

    /// Visits the objects that the filter takes, in no order, as they are while it reads. Blocks.
    pub(crate) fn scan(&self, filter: &Filter, mut visit: impl FnMut(Listed)) -> io::Result<Read> {
        self.book.logs.read_all(|fact| {
            if let Some(listed) = filter.added(fact).and_then(|added| self.listed(*added)) {
                visit(listed);
            }
        })
    }

    /// The object as it is now; what the log tells of may have gone, or lie elsewhere and be told of again.
    fn listed(&self, added: Added) -> Option<Listed> {
        let entry = self.book.index.get(added.name)?;
        if self.book.site(entry.place()) != Some(added.site) {
            return None;
        }
        let Added { address, name, layout, writer, stored_at, .. } = added;
        Some(Listed {
            has_attributes: layout.has_attributes(&address),
            address,
            name,
            length: layout.length,
            writer,
            stored_at,
            used_at: entry.used(),
            cost_ms: entry.cost_ms(),
            pinned: entry.is_pinned(),
        })
    }

    /// What the log says of these names, whether they are still there or not. Blocks.
    pub(crate) fn addresses(&self, names: &HashSet<ObjectName>) -> io::Result<Vec<(ObjectName, Address)>> {
        let mut found = HashMap::new();
        self.book.logs.read_all(|fact| {
            if let Fact::Added(added) | Fact::Moved { to: added, .. } = fact
                && names.contains(&added.name)
            {
                found.insert(added.name, added.address);
            }
        })?;
        Ok(found.into_iter().collect())
    }

    /// Removes what the filter takes and `goes` agrees to; says how many objects that were. Blocks.
    pub(crate) fn remove_where(&self, filter: &Filter, goes: impl Fn(&Listed) -> bool) -> io::Result<u64> {
        let mut removed = 0;
        let mut names = Vec::with_capacity(BATCH);
        let mut clear = |names: &mut Vec<ObjectName>| {
            removed += names.drain(..).filter(|name| self.remove(*name)).count() as u64;
        };
        self.scan(filter, |listed| {
            if goes(&listed) {
                names.push(listed.name);
            }
            if names.len() == BATCH {
                clear(&mut names);
            }
        })?;
        clear(&mut names);
        Ok(removed)
    }
}

#[cfg(test)]
#[path = "catalog_tests.rs"]
mod tests;
