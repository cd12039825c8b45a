//! What a node shows of itself, beside its status: savings, how it has been, how its disk is, metrics.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hearth_model::{Bytes, WriterId};
use prometheus_client::registry::Registry;

use super::Node;
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

impl Node {
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
        self.inner.store.minutes.all()
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
