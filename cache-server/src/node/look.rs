//! What a node shows of itself, beside its status: savings, how it has been, how its disk is, metrics.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hearth_model::{Bytes, WriterId};
use prometheus_client::registry::Registry;

use super::Node;
use crate::index::Usage;
use crate::metrics::{Minute, NodeCollector, SlowRequest};
use crate::savings::{JobSavings, SavingsReport};

/// How the last attempts at the disk went; failures that a success has followed, or that are long ago, are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskState {
    pub write_failure: Option<String>,
    pub read_failure: Option<String>,
    pub sync_failure: Option<String>,
    /// For how long the disk has been at one write.
    pub writing_for: Duration,
}

/// How often each tier had what was asked for, since the node was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TierHits {
    pub memory: u64,
    pub disk: u64,
    pub upstream: u64,
}

/// What the scopes hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scopes {
    /// The biggest first.
    pub biggest: Vec<ScopeSize>,
    /// How many there are besides, and what they hold together.
    pub others: u64,
    pub other_objects: u64,
    pub other_bytes: Bytes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeSize {
    pub realm: Arc<str>,
    pub scope: String,
    pub objects: u64,
    /// Disk space.
    pub bytes: Bytes,
}

impl Node {
    pub fn tier_hits(&self) -> TierHits {
        self.inner.store.tier_hits()
    }

    /// What the scopes hold, the `top` biggest by name.
    pub fn scopes(&self, top: usize) -> Scopes {
        let mut all = self.inner.store.book.index.usages();
        all.sort_unstable_by(|(a, x), (b, y)| y.bytes.cmp(&x.bytes).then_with(|| a.cmp(b)));
        let rest = all.split_off(top.min(all.len()));
        let others = Usage::sum(rest.iter().map(|(_, usage)| usage));
        let biggest = all.into_iter().map(|(space, usage)| ScopeSize {
            scope: space.scope.to_string(),
            realm: space.realm,
            objects: usage.objects,
            bytes: Bytes(usage.bytes),
        });
        Scopes {
            biggest: biggest.collect(),
            others: rest.len() as u64,
            other_objects: others.objects,
            other_bytes: Bytes(others.bytes),
        }
    }

    /// What was saved and what was missed since the node was opened: by realm and by crate, the first `top` of each.
    pub fn savings(&self, top: usize) -> SavingsReport {
        self.inner.store.savings.report(top)
    }

    /// What a job, or the owner of a static token, has saved and missed; `None` when he was not seen lately.
    pub fn savings_of(&self, writer: WriterId) -> Option<JobSavings> {
        self.inner.store.savings.job(writer)
    }

    /// How the last hours were, the oldest minute first.
    pub fn minutes(&self) -> Vec<Minute> {
        let store = &self.inner.store;
        store.minutes.all(store.clock.now(), store.sums())
    }

    /// The slowest requests of the last hour, the slowest first.
    pub fn slowest(&self) -> Vec<SlowRequest> {
        let store = &self.inner.store;
        store.requests.slowest.list_at(store.clock.now())
    }

    /// Whether those who work on the disk get on with it.
    pub fn disk(&self) -> DiskState {
        let health = &self.inner.store.book.health;
        DiskState {
            write_failure: health.writes.failure(),
            read_failure: health.reads.failure(),
            sync_failure: health.syncs.failure(),
            writing_for: health.appending_for(),
        }
    }

    /// What the file system lacks for `more`, even if everything that is stored made room for it. Blocks.
    pub fn lacks_room(&self, more: Bytes) -> io::Result<Bytes> {
        let book = &self.inner.store.book;
        Ok(book.short_of(more.0)?.saturating_sub(Bytes(book.shelf.on_disk())))
    }

    /// Registers the node's metrics, whose names begin with `cache_`.
    pub fn register_metrics(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(NodeCollector {
            store: Arc::clone(&self.inner.store),
            crowd: Arc::clone(&self.inner.crowd),
        }));
    }
}
