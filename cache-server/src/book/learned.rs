//! What the logs tell a book, at its start and whenever others have written: records, removals, and which of several
//! records of one name counts.

use std::io;
use std::sync::{Arc, mpsc};
use std::thread;

use tracing::warn;

use super::{Book, lock};
use crate::index::{Added, Entry, Fact, Insertion, Read, Site};
use crate::keys::ObjectName;
use crate::segments::Segment;

/// Facts that are handed on together at the start, and how many such batches may wait.
const TOGETHER: usize = 1024;
const AHEAD: usize = 16;

impl Book {
    /// Learns everything that the logs say, on one thread what another one reads. Blocks.
    pub(crate) fn load(&self) -> io::Result<Read> {
        let read = thread::scope(|scope| {
            let (reads, facts) = mpsc::sync_channel::<Vec<Fact>>(AHEAD);
            scope.spawn(move || facts.into_iter().flatten().for_each(|fact| self.learn(fact)));
            let mut batch = Vec::with_capacity(TOGETHER);
            let read = self.logs.read_others(|fact| {
                batch.push(fact);
                if batch.len() == TOGETHER {
                    // Who learns ends after who reads.
                    let _ = reads.send(std::mem::replace(&mut batch, Vec::with_capacity(TOGETHER)));
                }
            });
            let _ = reads.send(batch);
            read
        })?;
        lock(&self.removed).clear();
        self.settle_all();
        Ok(read)
    }

    /// Learns what others have written since the last time. Blocks.
    pub(crate) fn learn_from_others(&self) {
        if self.is_alone() {
            return;
        }
        if let Err(error) = self.logs.read_others(|fact| self.learn(fact)) {
            warn!(error = %error, "cannot read the logs of others in the cache directory");
        }
        self.settle_due();
    }

    pub(crate) fn learn(&self, fact: Fact) {
        match fact {
            Fact::Added(added) => self.learn_of(&added),
            Fact::Removed { site, name } => self.learn_of_removal(site, name),
            Fact::Moved { from, to } => {
                self.learn_of_removal(from, to.name);
                self.learn_of(&to);
            }
            Fact::Used(uses) => uses.into_iter().for_each(|(name, at)| self.index.set_used(name, at)),
            Fact::Pinned { name, pinned } => drop(self.index.set_pinned(name, pinned)),
            Fact::Cost { name, cost_ms } => drop(self.index.set_cost(name, cost_ms)),
            Fact::Diverged(_) => {}
        }
    }

    /// Somebody's record.
    pub(crate) fn learn_of(&self, added: &Added) {
        // A segment that is not there, or cannot be looked at, has no records.
        let Some(segment) = self.segment(added.site) else { return };
        segment.mark_told_of();
        let size = added.layout.size();
        let fits = u64::from(added.site.offset).checked_add(size).is_some_and(|end| self.shelf.reaches(&segment, end));
        if !fits || lock(&self.removed).remove(&added.site) {
            return;
        }
        segment.gain(size);
        match self.index.insert(added, segment.slot) {
            Insertion::New => {}
            Insertion::Known => segment.lose(size),
            Insertion::Taken(_) => {
                if !lock(&self.rivals).add(added.clone()) {
                    segment.lose(size);
                }
            }
        }
    }

    /// Nobody writes to the logs any more, and all of them were read.
    pub(super) fn settle_all(&self) {
        for _ in 0..2 {
            self.settle_due();
        }
    }

    fn settle_due(&self) {
        let due = lock(&self.rivals).due();
        for added in due {
            self.settle(&added);
        }
    }

    /// Of two records of one name, everybody keeps the same.
    fn settle(&self, added: &Added) {
        let Some(segment) = self.segment(added.site) else { return };
        let size = added.layout.size();
        match self.index.insert(added, segment.slot) {
            Insertion::New => {}
            Insertion::Known => segment.lose(size),
            Insertion::Taken(place) => {
                let known = self.index.get(added.name).map(|entry| entry.stored());
                let known = (known, self.site(place).map(|site| (site.segment, site.offset)));
                let told = Entry::new(added.name, place, added.stored_at, 0).stored();
                let told = (Some(told), Some((added.site.segment, added.site.offset)));
                if told < known && self.index.remove(added.name, Some(place)).is_some() {
                    self.lost(place);
                    self.index.insert(added, segment.slot);
                } else {
                    segment.lose(size);
                }
            }
        }
    }

    fn learn_of_removal(&self, site: Site, name: ObjectName) {
        let place = self.segment(site).and_then(|segment| {
            segment.mark_told_of();
            let entry = self.index.get(name).map(|entry| entry.place());
            entry.filter(|place| (place.slot, place.offset) == (segment.slot, site.offset))
        });
        match place {
            Some(place) if self.index.remove(name, Some(place)).is_some() => {
                self.moved(place);
                let rivals = lock(&self.rivals).take(name);
                for rival in rivals {
                    self.forget(&rival);
                    self.learn_of(&rival);
                }
            }
            _ => {
                let rival = lock(&self.rivals).withdraw(name, site);
                match rival {
                    Some(rival) => self.forget(&rival),
                    None => drop(lock(&self.removed).insert(site)),
                }
            }
        }
    }

    /// A rival's record is not counted as alive in its segment any more.
    fn forget(&self, rival: &Added) {
        if let Some(segment) = self.segment(rival.site) {
            segment.lose(rival.layout.size());
        }
    }

    fn segment(&self, site: Site) -> Option<Arc<Segment>> {
        let slot = self.shelf.slot_of(site.segment).unwrap_or_else(|error| {
            warn!(cache.segment = %site.segment, error = %error, "cannot look at a segment");
            None
        })?;
        self.shelf.get(slot)
    }
}
