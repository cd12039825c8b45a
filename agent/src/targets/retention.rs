//! Which snapshots have to go. Pure.

use hearth_model::{Bytes, Timestamp};

use super::snapshot::Snapshot;

/// A snapshot with what it costs to keep.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) snapshot: Snapshot,
    pub(super) bytes: Bytes,
    pub(super) used: Timestamp,
}

/// The least recently used ones, as many as it takes.
pub(super) fn to_evict(mut all: Vec<Kept>, budget: Bytes) -> Vec<Kept> {
    let mut total: Bytes = all.iter().map(|k| k.bytes).sum();
    all.sort_by_key(|k| (k.used, k.snapshot.made_at));
    let mut gone = Vec::new();
    for kept in all {
        if total <= budget {
            break;
        }
        total = total.saturating_sub(kept.bytes);
        gone.push(kept);
    }
    gone
}
